package guest

// win_horizon.go: the Horizon Agent's installer. Like that of Tools it is a launcher around
// an MSI (/s outside, /v"/qn ..." inside), takes ADDLOCAL and REMOVE by case-sensitive names,
// and requires a restart before its service runs. It is installed after Tools, never before:
// without Tools it fails, and if Tools come later the VM's display is not the agent's.

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

var agentFeatures = []string{"Core", "USB", "RTAV", "ClientDriveRedirection", "NGVC", "V4V", "VmVideo", "VmwVaudio", "VmwVidd", "TSMMR", "RDP", "SmartCard",
	"PrintRedir", "ScannerRedirection", "SerialPortRedirection", "PerfTracker", "HelpDesk", "GEOREDIR", "SdoSensor", "UnityTouch", "HybridLogon", "BlastUDP"}

// left out unless asked for
var agentOptional = []string{"USB", "ScannerRedirection", "SerialPortRedirection", "SmartCard", "HelpDesk", "GEOREDIR", "SdoSensor"}

// agentInstaller recognises the package: "VMware Horizon Agent 8.12.0".
func agentInstaller(data []byte) (string, bool) {
	f := strings.Fields(string(data[:min(len(data), 200)]))
	if len(f) < 4 || f[1] != "Horizon" || f[2] != "Agent" || f[0] != "VMware" && f[0] != "Omnissa" {
		return "", false
	}
	return f[3], true
}

const agentName = "VMware Horizon Agent"

// setupAgent carries the installation out.
func (w *winRun) setupAgent(version, args string) int {
	m, o := w.m, ParseSetup(args)
	m.mu.Lock()
	admin := m.user(w.user).Admin
	m.mu.Unlock()
	if !admin {
		return w.fail(740, "The requested operation requires elevation.\n")
	}
	m.note("agent-setup", "Horizon Agent %s %s", version, args)
	if !o.Quiet && o.Bad == "" {
		m.note("agent-setup", "the installer shows a dialog and waits: /qn is missing inside /v, or /s outside")
		<-w.ctx.Done()
		return 1602
	}
	m.mu.Lock()
	if m.msi {
		m.mu.Unlock()
		return 1618
	}
	m.msi = true
	_, have := m.disk.Packages[agentName]
	tools := m.disk.Tools != nil
	m.mu.Unlock()
	defer func() { m.mu.Lock(); m.msi = false; m.mu.Unlock() }()
	log := "=== Verbose logging started ===\r\n"
	end := func(code int, format string, a ...any) int {
		log += fmt.Sprintf(format, a...) + fmt.Sprintf("\r\nMSI (s) (3C:90): MainEngineThread is returning %d\r\n", code)
		if h := w.writable(o.Log); o.Log != "" && h != "" {
			_ = os.WriteFile(h, utf16Log(log), 0o644)
		}
		return code
	}
	if !m.Clock.Sleep(w.ctx, m.seconds("tools.install")) {
		return 1602
	}
	remove := o.Action == "uninstall" || o.Properties["REMOVE"] == "ALL"
	switch {
	case o.Bad != "":
		return end(1639, "Invalid command line argument: %s. Consult the Windows Installer SDK for detailed command line help.", o.Bad)
	case remove && !have:
		return end(1605, "This action is only valid for products that are currently installed.")
	case !remove && !tools:
		return end(1603, "MSI (s) (3C:90): Product: %s -- VMware Tools must be installed before the agent.", agentName)
	}
	set := map[string]bool{}
	for _, f := range agentFeatures {
		set[f] = !slices.Contains(agentOptional, f)
	}
	for _, p := range []string{"ADDLOCAL", "REMOVE"} {
		v, given := o.Properties[p]
		if p == "ADDLOCAL" && given { // only what is named
			clear(set)
		}
		for _, f := range strings.Split(v, ",") {
			switch f = strings.TrimSpace(f); {
			case f == "" || remove:
			case f == "ALL" && p == "ADDLOCAL":
				for _, x := range agentFeatures {
					set[x] = true
				}
			case !slices.Contains(agentFeatures, f):
				return end(1603, "MSI (s) (3C:90): Product: %s -- Error 2711. The specified Feature name ('%s') not found in Feature table.", agentName, f)
			default:
				set[f] = p == "ADDLOCAL"
			}
		}
	}
	if !remove && !set["Core"] {
		return end(1603, "MSI (s) (3C:90): Product: %s -- The feature Core is required.", agentName)
	}
	var features []string
	for _, f := range agentFeatures {
		if set[f] {
			features = append(features, f)
		}
	}
	m.mu.Lock()
	if m.disk.Registry == nil {
		m.disk.Registry = map[string]string{}
	}
	const key = `HKLM\SOFTWARE\VMware, Inc.\VMware VDM\`
	const uninstall = `HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall\HorizonAgent\`
	if remove {
		delete(m.disk.Packages, agentName)
		for _, k := range []string{key + "ProductVersion", key + "Features", uninstall + "DisplayName", uninstall + "DisplayVersion"} {
			delete(m.disk.Registry, k)
		}
	} else {
		m.disk.Packages[agentName] = version
		m.disk.Registry[key+"ProductVersion"], m.disk.Registry[key+"Features"] = version, strings.Join(features, ",")
		m.disk.Registry[uninstall+"DisplayName"], m.disk.Registry[uninstall+"DisplayVersion"] = agentName, version
	}
	m.disk.Reboot = true
	m.mu.Unlock()
	m.note("agent-installed", "%s: %s", version, strings.Join(features, ","))
	switch r := strings.ToUpper(o.Properties["REBOOT"]); r {
	case "R", "REALLYSUPPRESS", "S", "SUPPRESS":
		return end(3010, "MSI (s) (3C:90): Product: %s -- Installation completed successfully.", agentName)
	}
	end(1641, "MSI (s) (3C:90): Product: %s -- Installation completed successfully. The system restarts.", agentName)
	m.Shutdown("reboot")
	return 1641
}
