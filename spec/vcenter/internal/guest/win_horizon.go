package guest

// win_horizon.go: the Horizon Agent's installer. Like that of Tools it is a launcher around
// an MSI (/s outside, /v"/qn ..." inside), takes ADDLOCAL and REMOVE by case-sensitive names,
// and requires a restart before its service runs. It is installed after Tools, never before:
// without Tools it fails, and if Tools come later the VM's display is not the agent's.

import (
	"crypto/sha256"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// agentTable is the Feature table of a release: what a silent installation has unless
// ADDLOCAL says otherwise, what it has only if asked, and what comes with Core.
type agentTable struct{ on, off, with []string }

// words splits a list of names.
func words(s string) []string { return strings.Fields(s) }

var (
	agentVMware = agentTable{
		on:   words("Core ClientDriveRedirection VmwVaudio RDP HelpDesk PrintRedir RTAV TSMMR V4V BlastUDP NGVC"),
		off:  words("USB SmartCard GEOREDIR PerfTracker RDSH3D ScannerRedirection SdoSensor SerialPortRedirection VMWMediaProviderProxy"),
		with: words("VmVideo VmwVidd UnityTouch PSG"),
	}
	agentOmnissa = agentTable{
		on:   words("Core ClientDriveRedirection HznVaudio RDP HelpDesk PrintRedir RTAV TSMMR StorageDriveRedir NGVC"),
		off:  words("USB SmartCard GEOREDIR HybridLogon PerfTracker RDSH3D ScannerRedirection SdoSensor SerialPortRedirection"),
		with: words("BellsoftJDK BlastUDP FIDO2Redirection HznVdisplay HznVidd HznVidd2 PSG SmartCardSingleUserTS UNCRedirection URLRedirection"),
	}
)

// agentRelease is an installer: its vendor, version and features.
type agentRelease struct {
	vendor, version string
	minor           int
	agentTable
}

func (a *agentRelease) all() []string { return slices.Concat(a.on, a.off, a.with) }

func (a *agentRelease) name() string { return a.vendor + " Horizon Agent" }

// key is where the installer writes the states of its features.
func (a *agentRelease) key() string {
	if a.vendor == "VMware" {
		return `HKLM\SOFTWARE\VMware, Inc.\Installer\Features_HorizonAgent`
	}
	return `HKLM\SOFTWARE\Omnissa\Horizon\Installer\Features_HorizonAgent`
}

// agentInstaller recognises the package: "VMware Horizon Agent 8.12.0".
func agentInstaller(data []byte) (string, bool) {
	f := strings.Fields(string(data[:min(len(data), 200)]))
	if len(f) < 4 || f[1] != "Horizon" || f[2] != "Agent" || f[0] != "VMware" && f[0] != "Omnissa" {
		return "", false
	}
	return f[0] + " " + f[3], true
}

// agentOf is the release of "VMware 8.12.0".
func agentOf(text string) *agentRelease {
	vendor, version, _ := strings.Cut(text, " ")
	a := &agentRelease{vendor: vendor, version: version, agentTable: agentVMware}
	if parts := strings.Split(version, "."); len(parts) > 1 {
		a.minor, _ = strconv.Atoi(parts[1])
	}
	if vendor != "VMware" {
		a.agentTable = agentOmnissa
	}
	return a
}

// agentName is the installed agent among the programs.
const agentName = "Horizon Agent"

const agentUninstall = `HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall\{8E9A2E0B-6BA4-4C5A-8B0F-1C2F0B1E7D11}`

// agent is the installed one and its features, or nil; the lock is held.
func (m *Machine) agent() (a *agentRelease, installed []string) {
	if m.disk.Packages[agentName] == "" {
		return nil, nil
	}
	a = agentOf(m.disk.Packages[agentName])
	for _, f := range a.all() {
		if m.disk.Registry[a.key()+`\`+f] == "Local" {
			installed = append(installed, f)
		}
	}
	return
}

// choose works out the features of an installation over the installed ones, or what is wrong.
func (a *agentRelease) choose(o Options, have *agentRelease, installed []string) (map[string]bool, string) {
	set := map[string]bool{}
	if have != nil && have.version == a.version {
		for _, f := range installed {
			set[f] = true
		}
	} else if _, given := o.Properties["ADDLOCAL"]; !given {
		for _, f := range a.on {
			set[f] = true
		}
	}
	for _, p := range []string{"ADDLOCAL", "REMOVE"} {
		for _, f := range strings.Split(o.Properties[p], ",") {
			switch f = strings.TrimSpace(f); {
			case f == "":
			case f == "ALL" && p == "ADDLOCAL":
				for _, x := range a.all() {
					set[x] = true
				}
			case !slices.Contains(a.all(), f):
				return nil, fmt.Sprintf("Error 2711. The specified Feature name ('%s') not found in Feature table.", f)
			default:
				set[f] = p == "ADDLOCAL"
			}
		}
	}
	if !set["Core"] {
		return nil, "The feature Core is required."
	}
	for _, f := range a.with {
		set[f] = true
	}
	return set, ""
}

// registered is what an agent of an unmanaged machine does with its account, or what is wrong.
func (w *winRun) registered(o Options) string {
	if o.Properties["VDM_VC_MANAGED_AGENT"] != "0" {
		return ""
	}
	for _, p := range []string{"VDM_SERVER_NAME", "VDM_SERVER_USERNAME", "VDM_SERVER_PASSWORD"} {
		if o.Properties[p] == "" {
			return "The registration with the Connection Server failed: " + p + " is empty."
		}
	}
	w.m.note("agent-registered", "with %s as %s, password sha256 %x", o.Properties["VDM_SERVER_NAME"], o.Properties["VDM_SERVER_USERNAME"],
		sha256.Sum256([]byte(o.Properties["VDM_SERVER_PASSWORD"])))
	return ""
}

// setupAgent carries the installation out.
func (w *winRun) setupAgent(text, args string) int {
	m, o, a := w.m, ParseSetup(args), agentOf(text)
	m.mu.Lock()
	admin := m.user(w.user).Admin
	m.mu.Unlock()
	if !admin {
		return w.fail(740, "The requested operation requires elevation.\n")
	}
	shown := args
	if p := o.Properties["VDM_SERVER_PASSWORD"]; p != "" {
		shown = strings.ReplaceAll(args, p, "********")
	}
	m.note("agent-setup", "%s %s: %s", a.name(), a.version, shown)
	if !o.Quiet && o.Bad == "" {
		m.note("agent-setup", "the installer shows a dialog and waits: /qn is missing inside /v, or /s outside")
		<-w.ctx.Done()
		return 1602
	}
	defer m.child(w.user, w.path, args)()
	m.mu.Lock()
	if m.msi {
		m.mu.Unlock()
		return 1618
	}
	m.msi = true
	have, installed := m.agent()
	tools, trouble := m.disk.Tools != nil, m.installer
	log := msiLog{language: m.language}
	m.mu.Unlock()
	defer func() { m.mu.Lock(); m.msi = false; m.mu.Unlock() }()
	log.say("=== Verbose logging started ===")
	log.say("Command Line: %s", args) // with every property that is not hidden
	end := func(code int, format string, a_ ...any) int {
		if format != "" {
			log.product(a.name(), fmt.Sprintf(format, a_...))
		}
		log.say("MSI (s) (3C:90): MainEngineThread is returning %d", code)
		if h := w.writable(o.Log); o.Log != "" && h != "" {
			_ = os.WriteFile(h, utf16Log(log.String()), 0o644)
		}
		return code
	}
	if !m.Clock.Sleep(w.ctx, m.seconds("tools.install")) {
		return 1602
	}
	remove := o.Action == "uninstall" || o.Properties["REMOVE"] == "ALL"
	switch {
	case trouble.Killed: // as TerminateProcess ends it
		m.Set(func(s *Settable) { s.Installer.Killed = false })
		return 1
	case o.Bad != "":
		return end(1639, "Invalid command line argument: %s. Consult the Windows Installer SDK for detailed command line help.", o.Bad)
	case remove && have == nil:
		return end(1605, "This action is only valid for products that are currently installed.")
	case !remove && !tools:
		return end(1603, "VMware Tools must be installed before the agent.")
	case !remove && have != nil && have.minor > a.minor:
		return end(1603, "A newer version is installed already.")
	}
	if remove {
		m.mu.Lock()
		delete(m.disk.Packages, agentName)
		m.agentRegistry(have, nil)
		m.disk.Reboot = true
		m.mu.Unlock()
	} else {
		set, why := a.choose(o, have, installed)
		if why == "" {
			why = w.registered(o)
		}
		if why != "" {
			log.product(a.name(), why)
			log.ended("INSTALL", 3)
			return end(1603, "")
		}
		if trouble.Error != 0 {
			log.failed(a.name(), trouble.Error)
			return end(1603, "")
		}
		if trouble.Keep != "" {
			set[trouble.Keep] = false
		}
		m.mu.Lock()
		if have != nil {
			m.agentRegistry(have, nil)
		}
		m.disk.Packages[agentName] = text
		m.agentRegistry(a, set)
		m.disk.Reboot = true
		_, now := m.agent()
		m.mu.Unlock()
		m.note("agent-installed", "%s: %s", a.version, strings.Join(now, ","))
	}
	log.ended("INSTALL", 1)
	r := strings.ToUpper(o.Properties["REBOOT"])
	if slices.Contains([]string{"R", "REALLYSUPPRESS", "S", "SUPPRESS"}, r) && !trouble.Reboot {
		return end(3010, "%s", log.word("done"))
	}
	end(1641, "%s", log.word("done"))
	m.Shutdown("reboot")
	return 1641
}

// agentRegistry writes what the installer leaves in the registry; without a set it is removed. The lock is held.
func (m *Machine) agentRegistry(a *agentRelease, set map[string]bool) {
	r := m.disk.Registry
	for _, f := range a.all() {
		delete(r, a.key()+`\`+f)
	}
	delete(r, agentUninstall+`\DisplayName`)
	delete(r, agentUninstall+`\DisplayVersion`)
	if set == nil {
		return
	}
	r[agentUninstall+`\DisplayName`], r[agentUninstall+`\DisplayVersion`] = a.name(), a.version
	for _, f := range a.all() {
		r[a.key()+`\`+f] = "Absent"
		if set[f] {
			r[a.key()+`\`+f] = "Local"
		}
	}
}
