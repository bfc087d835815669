package guest

// win_msi.go: Windows Installer. Its automation objects (WindowsInstaller.Installer), through
// which scripts read the Feature table of a package and the state of an installed product;
// its verbose logs, UTF-16 and in the system's language; and the troubles of an installation.

import (
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf16"
)

// InstallerTrouble is what the next installations of packages meet.
type InstallerTrouble struct {
	Error  int    // the number of a message, such as 1722: a custom action fails
	Keep   string // a feature that stays although REMOVE names it
	Reboot bool   // the package restarts the system in spite of REBOOT=R
	Killed bool   // another program ends the installer, once
}

// msiPackage is what an .msi is here: its product, its version and its Feature table.
func msiPackage(product, version string, features []string) []byte {
	return []byte(product + " " + version + "\nFeature\t" + strings.Join(features, "\t") + "\n")
}

// featureTable reads it back.
func featureTable(data []byte) ([]string, bool) {
	for _, line := range strings.Split(string(data), "\n") {
		if rest, ok := strings.CutPrefix(line, "Feature\t"); ok {
			return strings.Split(strings.TrimRight(rest, "\r"), "\t"), true
		}
	}
	return nil, false
}

// comObject is an object of Windows Installer; its members are called by name.
type comObject struct {
	kind string
	call func(r *psRun, member string, args []any) (any, bool)
}

// comType is what GetType gives of it.
type comType struct{ of *comObject }

func (r *psRun) comMethod(o *comObject, name string, args []any) any {
	if strings.EqualFold(name, "gettype") {
		return &comType{o}
	}
	v, ok := o.call(r, strings.ToLower(name), args)
	if !ok {
		r.throw("Method invocation failed because [System.__ComObject] does not contain a method named '%s'.", name)
	}
	return v
}

// invokeMember is Type.InvokeMember(name, flags, binder, target, args).
func (r *psRun) invokeMember(t *comType, args []any) any {
	if len(args) != 5 || args[3] != any(t.of) {
		r.throw("Exception calling \"InvokeMember\" with \"%d\" argument(s): \"Object does not match target type.\"", len(args))
	}
	flag := strings.ToLower(psString(args[1]))
	if flag != "invokemethod" && flag != "getproperty" {
		r.throw("Cannot convert argument \"invokeAttr\", with value: \"%s\"", psString(args[1]))
	}
	name := psString(args[0])
	v, ok := t.of.call(r, strings.ToLower(name), items(args[4]))
	if !ok {
		r.throw("Exception calling \"InvokeMember\" with \"5\" argument(s): \"Unknown name. (Exception from HRESULT: 0x80020006 (DISP_E_UNKNOWNNAME))\"")
	}
	return v
}

// product is an installed package.
type product struct {
	code, name, version string
	all, installed      []string
}

// products lists what Windows Installer has installed; the lock is held.
func (m *Machine) products() (out []product) {
	if t := m.disk.Tools; t != nil && t.Type == "guestToolsTypeMSI" {
		out = append(out, product{toolsProduct, "VMware Tools", t.Text + ".23259341", features(t.Number), t.Features})
	}
	if a, installed := m.agent(); a != nil {
		out = append(out, product{agentUninstall[strings.LastIndexByte(agentUninstall, '\\')+1:], a.name(), a.version, a.all(), installed})
	}
	return
}

func msiInstaller() *comObject {
	o := &comObject{kind: "WindowsInstaller.Installer"}
	o.call = func(r *psRun, member string, args []any) (any, bool) {
		arg := func(i int) string {
			if i < len(args) {
				return psString(args[i])
			}
			return ""
		}
		r.m.mu.Lock()
		all := r.m.products()
		r.m.mu.Unlock()
		var p *product
		for i := range all {
			if len(args) > 0 && strings.EqualFold(all[i].code, arg(0)) {
				p = &all[i]
			}
		}
		fail := func() { // each member that names a product refuses one that is not installed
			r.throw("Exception calling \"InvokeMember\" with \"5\" argument(s): \"This action is only valid for products that are currently installed.\"")
		}
		switch member {
		case "opendatabase":
			data, err := os.ReadFile(r.host(arg(0)))
			table, ok := featureTable(data)
			if err != nil || !ok {
				r.throw("Exception calling \"InvokeMember\" with \"5\" argument(s): \"OpenDatabase,DatabasePath,OpenMode\"")
			}
			if arg(1) != "0" {
				r.throw("Exception calling \"InvokeMember\" with \"5\" argument(s): \"Access is denied.\"")
			}
			return msiDatabase(table), true
		case "products":
			out := []any{}
			for _, p := range all {
				out = append(out, p.code)
			}
			return out, true
		case "productinfo":
			if p == nil {
				fail()
			}
			switch strings.ToLower(arg(1)) {
			case "installedproductname", "productname":
				return p.name, true
			case "versionstring":
				return p.version, true
			}
			r.throw("Exception calling \"InvokeMember\" with \"5\" argument(s): \"ProductInfo,Product,Attribute\"")
		case "features":
			if p == nil {
				fail()
			}
			out := []any{}
			for _, f := range p.all {
				out = append(out, f)
			}
			return out, true
		case "featurestate":
			switch {
			case p == nil || !slices.Contains(p.all, arg(1)):
				return int64(-1), true
			case slices.Contains(p.installed, arg(1)):
				return int64(3), true
			}
			return int64(2), true
		}
		return nil, false
	}
	return o
}

func msiDatabase(table []string) *comObject {
	return &comObject{kind: "Database", call: func(r *psRun, member string, args []any) (any, bool) {
		if member != "openview" || len(args) != 1 {
			return nil, false
		}
		query := strings.Join(strings.Fields(strings.ReplaceAll(psString(args[0]), "`", "")), " ")
		if query != "SELECT Feature FROM Feature" {
			r.throw("Exception calling \"InvokeMember\" with \"5\" argument(s): \"OpenView,Sql\"")
		}
		return msiView(table), true
	}}
}

func msiView(table []string) *comObject {
	executed, at := false, 0
	return &comObject{kind: "View", call: func(r *psRun, member string, args []any) (any, bool) {
		switch member {
		case "execute":
			executed, at = true, 0
			return nil, true
		case "close":
			return nil, true
		case "fetch":
			if !executed {
				r.throw("Exception calling \"InvokeMember\" with \"5\" argument(s): \"Fetch\"")
			}
			if at >= len(table) {
				return nil, true
			}
			at++
			return msiRecord(table[at-1]), true
		}
		return nil, false
	}}
}

func msiRecord(value string) *comObject {
	return &comObject{kind: "Record", call: func(r *psRun, member string, args []any) (any, bool) {
		if member != "stringdata" || len(args) != 1 {
			return nil, false
		}
		if psString(args[0]) != "1" {
			return "", true
		}
		return value, true
	}}
}

// msiText is a log's words in the system's language; what the engine notes for itself is not translated.
var msiText = map[string]map[string]string{
	"": {"ended": "Action ended %s: %s. Return value %d.", "product": "Product: %s -- %s", "error": "Error %d. %s",
		"done": "Installation completed successfully.", "failed": "Installation failed."},
	"de": {"ended": "Aktion beendet um %s: %s. Rückgabewert %d.", "product": "Produkt: %s -- %s", "error": "Fehler %d. %s",
		"done": "Die Installation wurde erfolgreich abgeschlossen.", "failed": "Installation fehlgeschlagen."},
}

var msiErrors = map[int]map[string]string{
	1722: {"": "There is a problem with this Windows Installer package. A program run as part of the setup did not finish as expected.",
		"de": "Es liegt ein Problem mit diesem Windows Installer-Paket vor. Ein Programm wurde nicht wie erwartet beendet."},
	1601: {"": "Out of disk space -- Volume: 'C:'; required space: 412,000 KB; available space: 120 KB. Free some disk space and retry.",
		"de": "Nicht genügend Speicherplatz -- Volume: 'C:'; benötigter Speicherplatz: 412.000 KB; verfügbar: 120 KB."},
}

// msiLog writes a verbose log.
type msiLog struct {
	strings.Builder
	language string
}

func (l *msiLog) say(format string, args ...any) { fmt.Fprintf(l, format+"\r\n", args...) }

func (l *msiLog) word(name string) string {
	if w := msiText[l.language][name]; w != "" {
		return w
	}
	return msiText[""][name]
}

func (l *msiLog) ended(action string, value int) { l.say(l.word("ended"), "8:04:46", action, value) }

func (l *msiLog) product(name, text string) {
	l.say("MSI (s) (3C:90) [08:04:46:207]: "+l.word("product"), name, text)
}

// failed is the end of an installation that a custom action or a full disk stopped.
func (l *msiLog) failed(name string, number int) {
	text := msiErrors[number][l.language]
	if text == "" {
		text = msiErrors[number][""]
	}
	l.say("MSI (s) (3C:90) [08:04:46:100]: PROPERTY CHANGE: Adding WIXUI_EXITDIALOG property. Its value is '1'.")
	l.say("CustomAction VM_InstallDriver returned actual error code 1603 (note this may not be 100%% accurate if translation happened inside sandbox)")
	l.product(name, fmt.Sprintf(l.word("error"), number, text))
	l.say("")
	l.ended("InstallFinalize", 3)
	l.ended("INSTALL", 3)
}

// utf16 is the log as msiexec writes it.
func utf16Log(text string) []byte {
	out := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(text)) {
		out = binary.LittleEndian.AppendUint16(out, u)
	}
	return out
}

// HoldInstaller lets another installation run for a number of seconds.
func (m *Machine) HoldInstaller(seconds float64) {
	m.mu.Lock()
	ctx := m.ctx
	if m.state != "running" || m.msi || ctx == nil {
		m.mu.Unlock()
		return
	}
	m.msi = true
	m.wg.Add(1)
	m.mu.Unlock()
	m.background(func() {
		m.Clock.Sleep(ctx, time.Duration(seconds*float64(time.Second)))
		m.mu.Lock()
		m.msi = false
		m.mu.Unlock()
	})
}
