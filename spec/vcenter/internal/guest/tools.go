package guest

// tools.go: VMware Tools as an installed product: its features, and the command lines of
// setup64.exe and msiexec, taken apart as received. A feature name that the version does
// not have ends in 1603 (message 2711 in the log), as administrators of Tools 12 found
// with AppDefense; names are case-sensitive.

import (
	"slices"
	"strconv"
	"strings"
)

// Tools is what is installed.
type Tools struct {
	Text     string // 12.4.0
	Number   int
	Type     string // guestToolsTypeMSI, guestToolsTypeOpenVMTools
	Features []string
}

func (t *Tools) copy() Tools {
	n := *t
	n.Features = slices.Clone(t.Features)
	return n
}

// features of the Windows package by version.
func features(number int) []string {
	list := []string{"Audio", "BootCamp", "CBHelper", "DeviceHelper", "Drivers", "EFIFW", "FileIntrospection", "Hgfs", "MemCtl",
		"Mouse", "MouseUSB", "NetworkIntrospection", "PVSCSI", "Perfmon", "SVGA", "ServiceDiscovery", "Toolbox", "VMCI", "VMXNet",
		"VMXNet3", "VSS", "VmwTimeProvider"}
	if number < 12<<10 {
		list = append(list, "AppDefense", "ThinPrint", "Unity", "WYSE", "Sync")
	}
	if number >= 13<<10 {
		list = slices.DeleteFunc(list, func(s string) bool { return s == "VMXNet" })
	}
	return list
}

// left out by a default ("complete" and "typical") installation
var optional = []string{"FileIntrospection", "NetworkIntrospection", "ServiceDiscovery", "AppDefense", "CBHelper", "DeviceHelper"}

// toolsProduct is the product code of the installed Tools, by which msiexec identifies them.
const toolsProduct = "{F32C4E7B-2BF8-4788-8408-824C6896E1BB}"

// Options is an installer's command line.
type Options struct {
	Quiet      bool
	Properties map[string]string
	Log        string
	Extract    string
	Action     string // install, uninstall, repair, help
	Product    string
	Bad        string // what was not understood
	Language   string // of the system
	Trouble    InstallerTrouble
}

// fields splits like the C runtime of Windows: blanks separate, quotes group, \" is a quote.
func fields(s string) (out []string) {
	var cur strings.Builder
	quoted, some := false, false
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\':
			n := 0
			for i < len(s) && s[i] == '\\' {
				n++
				i++
			}
			if i < len(s) && s[i] == '"' {
				cur.WriteString(strings.Repeat(`\`, n/2))
				some = true
				if n%2 == 1 {
					cur.WriteByte('"')
					continue
				}
			} else {
				cur.WriteString(strings.Repeat(`\`, n))
				some = true
			}
			i--
		case c == '"':
			if quoted && i+1 < len(s) && s[i+1] == '"' {
				cur.WriteByte('"')
				i++
				continue
			}
			quoted, some = !quoted, true
		case (c == ' ' || c == '\t') && !quoted:
			if some {
				out = append(out, cur.String())
			}
			cur.Reset()
			some = false
		default:
			cur.WriteByte(c)
			some = true
		}
	}
	if some {
		out = append(out, cur.String())
	}
	return
}

// ParseSetup reads the arguments of setup64.exe: /S, /v"...", /l LOG, /A /P DIR.
func ParseSetup(args string) Options {
	o := Options{Properties: map[string]string{}, Action: "install"}
	words := fields(args)
	quietOutside := false
	msi := ""
	for i := 0; i < len(words); i++ {
		w := words[i]
		low := strings.ToLower(w)
		switch {
		case low == "/s" || low == "-s":
			quietOutside = true
		case strings.HasPrefix(low, "/v") || strings.HasPrefix(low, "-v"):
			msi += " " + w[2:]
		case low == "/l" && i+1 < len(words):
			i++
			o.Log = words[i]
		case low == "/a":
			o.Action = "extract"
		case low == "/p" && i+1 < len(words):
			i++
			o.Extract = words[i]
		case low == "/c" || low == "/clean":
			o.Action = "uninstall"
		case low == "/?" || low == "/h":
			o.Action = "help"
		default:
			o.Bad = w
		}
	}
	inner := parseMSI(msi)
	for k, v := range inner.Properties {
		o.Properties[k] = v
	}
	// /S hides the launcher alone; without /qn inside /v the MSI shows its dialogs
	o.Quiet = inner.Quiet && quietOutside
	if inner.Log != "" {
		o.Log = inner.Log
	}
	if inner.Bad != "" {
		o.Bad = inner.Bad
	}
	return o
}

// parseMSI reads properties and switches of msiexec's own.
func parseMSI(args string) Options {
	o := Options{Properties: map[string]string{}, Action: "install"}
	words := fields(args)
	for i := 0; i < len(words); i++ {
		w := words[i]
		low := strings.ToLower(w)
		if len(w) > 2 && w[2] == '{' && slices.Contains([]string{"/x", "/i", "-x", "-i"}, low[:2]) { // /x{CODE}
			words = slices.Insert(words, i+1, w[2:])
			w, low = w[:2], low[:2]
		}
		switch {
		case strings.HasPrefix(low, "/q") || strings.HasPrefix(low, "-q"):
			o.Quiet = low[2:] == "n" || low[2:] == "" || strings.HasPrefix(low[2:], "b") || low[2:] == "uiet"
		case low == "/quiet" || low == "/passive":
			o.Quiet = true
		case low == "/norestart":
			o.Properties["REBOOT"] = "ReallySuppress"
		case low == "/forcerestart":
			o.Properties["REBOOT"] = "Force"
		case (strings.HasPrefix(low, "/l") || strings.HasPrefix(low, "-l")) && !strings.ContainsRune(low, '='):
			if i+1 < len(words) {
				i++
				o.Log = words[i]
			} else {
				o.Bad = w
			}
		case low == "/i" || low == "/package" || low == "-i":
			if i+1 < len(words) {
				i++
				o.Product = words[i]
			}
		case low == "/x" || low == "/uninstall" || low == "-x":
			o.Action = "uninstall"
			if i+1 < len(words) {
				i++
				o.Product = words[i]
			}
		case low == "/f" || strings.HasPrefix(low, "/f"):
			o.Action = "repair"
			if i+1 < len(words) {
				i++
				o.Product = words[i]
			}
		default:
			k, v, ok := strings.Cut(w, "=")
			if !ok || k == "" || k != strings.ToUpper(k) {
				o.Bad = w
				continue
			}
			o.Properties[k] = v
		}
	}
	return o
}

// Outcome is the end of an installation.
type Outcome struct {
	Code   int
	Log    string
	Tools  *Tools
	Reboot bool
}

// Apply works out what an installation of a version over the installed one does.
func (o Options) Apply(have *Tools, version string) Outcome {
	const name = "VMware Tools"
	log := msiLog{language: o.Language}
	say := log.say
	say("=== Verbose logging started: 6/25/2024  8:04:10  Build type: SHIP UNICODE 5.00.10011.00  Calling process: C:\\Windows\\system32\\msiexec.exe ===")
	fail := func(code int, format string, args ...any) Outcome {
		if format != "" {
			say(format, args...)
		}
		log.product(name, log.word("failed"))
		say("MSI (s) (3C:90) [08:04:46:250]: MainEngineThread is returning %d", code)
		return Outcome{Code: code, Log: log.String()}
	}
	if o.Bad != "" {
		return fail(1639, "Invalid command line argument: %s. Consult the Windows Installer SDK for detailed command line help.", o.Bad)
	}
	number, err := ToolsNumber(version)
	if err != nil {
		return fail(1619, "This installation package could not be opened.")
	}
	if o.Action == "uninstall" || o.Properties["REMOVE"] == "ALL" {
		if have == nil {
			return fail(1605, "This action is only valid for products that are currently installed.")
		}
		log.product(name, "Removal completed successfully.")
		return Outcome{Code: 3010, Log: log.String(), Reboot: true}
	}
	all := features(number)
	set := map[string]bool{}
	switch {
	case have != nil && have.Type == "guestToolsTypeMSI":
		for _, f := range have.Features {
			if slices.Contains(all, f) {
				set[f] = true
			}
		}
	default:
		for _, f := range all {
			set[f] = !slices.Contains(optional, f)
		}
	}
	for _, p := range []string{"ADDLOCAL", "REINSTALL", "REMOVE"} {
		v, ok := o.Properties[p]
		if !ok {
			continue
		}
		for _, f := range strings.Split(v, ",") {
			f = strings.TrimSpace(f)
			if f == "" {
				continue
			}
			if f == "ALL" {
				for _, x := range all {
					set[x] = set[x] || p == "ADDLOCAL"
				}
				continue
			}
			if !slices.Contains(all, f) {
				say("MSI (s) (3C:90): Product: VMware Tools -- Error 2711. The installer has encountered an unexpected error installing " +
					"this package. This may indicate a problem with this package. The error code is 2711. The arguments are: " + f + ", , ")
				return fail(1603, "MSI (s) (3C:90): The specified Feature name ('%s') not found in Feature table.", f)
			}
			set[f] = p != "REMOVE"
		}
	}
	if o.Trouble.Error != 0 {
		log.failed(name, o.Trouble.Error)
		return fail(1603, "")
	}
	if k := o.Trouble.Keep; k != "" {
		set[k] = true
	}
	state := func(on bool) string {
		if on {
			return "Local"
		}
		return "Absent"
	}
	for _, f := range all {
		was := have != nil && slices.Contains(have.Features, f)
		action := state(set[f])
		if was == set[f] {
			action = "Null"
		}
		say("MSI (s) (3C:90) [08:04:42:754]: Feature: %s; Installed: %s;   Request: %s;   Action: %s", f, state(was), state(set[f]), action)
	}
	t := &Tools{Text: version, Number: number, Type: "guestToolsTypeMSI"}
	for _, f := range all {
		if set[f] {
			t.Features = append(t.Features, f)
		}
	}
	out := Outcome{Tools: t}
	// a first installation brings drivers that wait for a restart; so does a new version
	out.Reboot = have == nil || have.Number != number || !slices.Equal(have.Features, t.Features)
	r := strings.ToUpper(o.Properties["REBOOT"])
	switch {
	case o.Trouble.Reboot:
		out.Reboot, out.Code = true, 1641
	case out.Reboot && (r == "R" || r == "REALLYSUPPRESS" || r == "S" || r == "SUPPRESS"):
		out.Code = 3010
	case out.Reboot:
		out.Code = 1641
	}
	log.ended("INSTALL", 1)
	log.product(name, log.word("done"))
	say("MSI (s) (3C:90) [08:04:46:250]: MainEngineThread is returning %d", out.Code)
	out.Log = log.String()
	return out
}

// toolsVersion reads the version out of setup64.exe's bytes.
func toolsVersion(content []byte) (string, bool) {
	f := strings.Fields(string(content))
	if len(f) < 3 || f[0] != "VMware" || f[1] != "Tools" {
		return "", false
	}
	if strings.Count(f[2], ".") != 2 {
		return "", false
	}
	if _, err := strconv.Atoi(strings.ReplaceAll(f[2], ".", "")); err != nil {
		return "", false
	}
	return f[2], true
}

// openVMTools is what the distribution's package installs.
func openVMTools() Tools {
	return Tools{Text: "12.3.5", Number: 12389, Type: "guestToolsTypeOpenVMTools"}
}
