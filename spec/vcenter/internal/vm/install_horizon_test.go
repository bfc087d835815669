package vm_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/guest"
)

// The Horizon Agent is installed after Tools.
func TestTheHorizonAgent(t *testing.T) {
	k, _, win := guests(t, func(lin, win *fleet.VM) { lin.Power = "poweredOff" })
	k.rule("tools.horizon-agent", "tools.horizon-registry")
	k.send(win, windowsAuth, `C:\agent.exe`, "VMware Horizon Agent 8.12.0 \n")
	for _, x := range []struct{ args, code string }{
		{`/s /v"/qn REBOOT=R REMOVE=ALL"`, "1605"},
		{`/s /v"/qn REBOOT=R ADDLOCAL=Core,usb"`, "1603"},
		{`/s /v"/qn REBOOT=R ADDLOCAL=USB"`, "1603"}, // without Core
		{`/s /v"/qn /l*v ""C:\a.log"" REBOOT=R ADDLOCAL=Core,Nothing"`, "1603"},
		{`/s /v"/qn REBOOT=R typo"`, "1639"},
		{`/s /v"/qn VDM_VC_MANAGED_AGENT=1 REBOOT=R ADDLOCAL=Core,USB,RTAV"`, "3010"},
	} {
		if code := k.program(win, windowsAuth, `C:\agent.exe`, x.args); code != x.code {
			t.Errorf("%s ended with %s, not %s", x.args, code, x.code)
		}
	}
	if log := strings.ReplaceAll(k.fetch(win, windowsAuth, `C:\a.log`), "\x00", ""); !strings.Contains(log, "2711") || !strings.Contains(log, "'Nothing'") {
		t.Errorf("log: %s", log)
	}
	const key = `HKLM:\SOFTWARE\VMware, Inc.\Installer\Features_HorizonAgent`
	const state = `(Get-Service WSNM).Status; $f = Get-ItemProperty '` + key + `'; $f.USB; $f.VmVideo; $f.NGVC`
	if out := k.powershell(win, state); !strings.HasPrefix(out, "Stopped\r\nLocal\r\nLocal\r\nAbsent") {
		t.Errorf("before the restart: %q", out)
	}
	k.c.Must("RebootGuest", win, "")
	k.until(win, "guest.guestOperationsReady", "false")
	k.until(win, "guest.guestOperationsReady", "true")
	if out := k.powershell(win, state); !strings.HasPrefix(out, "Running\r\n") {
		t.Errorf("after the restart: %q", out)
	}
	// the same release again: what is installed stays, REMOVE takes away; another release has other names
	if code := k.program(win, windowsAuth, `C:\agent.exe`, `/s /v"/qn REBOOT=R ADDLOCAL=Core,HelpDesk REMOVE=USB"`); code != "3010" {
		t.Errorf("a change ended with %s", code)
	}
	const now = `$f = Get-ItemProperty '` + key + `'; $f.USB; $f.HelpDesk; $f.RTAV`
	if out := k.powershell(win, now); !strings.HasPrefix(out, "Absent\r\nLocal\r\nLocal") {
		t.Errorf("after the change: %q", out)
	}
	k.send(win, windowsAuth, `C:\omnissa.exe`, "Omnissa Horizon Agent 8.18.0 \n")
	for _, x := range []struct{ exe, args, code string }{
		{"omnissa", `/s /v"/qn REBOOT=R ADDLOCAL=Core,VmwVaudio"`, "1603"},
		// an unmanaged machine registers itself
		{"omnissa", `/s /v"/qn REBOOT=R VDM_VC_MANAGED_AGENT=0 VDM_SERVER_NAME=cs-1 ADDLOCAL=Core"`, "1603"},
		{"omnissa", `/s /v"/qn REBOOT=R VDM_VC_MANAGED_AGENT=0 VDM_SERVER_NAME=cs-1 VDM_SERVER_USERNAME=LAB\a VDM_SERVER_PASSWORD=\"two words-9Q\" ADDLOCAL=Core,HznVaudio"`, "3010"},
		{"agent", `/s /v"/qn REBOOT=R"`, "1603"}, // older
	} {
		if code := k.program(win, windowsAuth, `C:\`+x.exe+`.exe`, x.args); code != x.code {
			t.Errorf("%s %s ended with %s, not %s", x.exe, x.args, code, x.code)
		}
	}
	if out := k.powershell(win, `(Get-ItemProperty 'HKLM:\SOFTWARE\Omnissa\Horizon\Installer\Features_HorizonAgent').HznVidd2; (Get-ItemProperty 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall\*' | Where-Object { $_.DisplayName -eq 'Omnissa Horizon Agent' }).DisplayVersion`); !strings.HasPrefix(out, "Local\r\n8.18.0") {
		t.Errorf("the newer release: %q", out)
	}
	if truth := fmt.Sprint(k.Control(t, "GET", "/truth", nil)); !strings.Contains(truth, "with cs-1 as LAB\\a, password sha256 ") || !strings.Contains(truth, `VDM_SERVER_PASSWORD=\"********\"`) {
		t.Error("the registration is not in the timeline")
	}
	// without a restart option the VM restarts by itself
	k.start(win, windowsAuth, `C:\omnissa.exe`, `/s /v/qn`, "")
	k.until(win, "guest.guestOperationsReady", "false")
	k.until(win, "guest.guestOperationsReady", "true")
	// two installations at once, and a dialog that waits
	k.Control(t, "POST", "/set", map[string]any{"vm": "win", "seconds": map[string]any{"tools.install": 1000}})
	k.start(win, windowsAuth, `C:\agent.exe`, `/s /v&quot;/qn REBOOT=R&quot;`, "")
	time.Sleep(20 * time.Millisecond)
	if code := k.program(win, windowsAuth, `C:\agent.exe`, `/s /v"/qn REBOOT=R"`); code != "1618" {
		t.Errorf("the second installation ended with %s", code)
	}
}

func TestTheAgentWithoutTools(t *testing.T) {
	k := start(t)
	// the answer file installs the agent where it should install Tools
	vm := k.boot("w", "VirtualLsiLogicSASController", []string{windows, k.answer("agent", "VMware Tools", map[string]string{
		"setup64.exe": "VMware Horizon Agent 8.12.0 \n", "autounattend.xml": windowsAnswerText()})})
	if why := k.stuck(vm); !strings.Contains(why, "Tools are not installed") {
		t.Errorf("%s", why)
	}
}

func windowsAnswerText() string { return guest.WindowsAnswer("pw-1") }
