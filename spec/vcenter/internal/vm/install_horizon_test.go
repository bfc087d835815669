package vm_test

import (
	"strings"
	"testing"
	"time"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/guest"
)

// The Horizon Agent is installed after Tools.
func TestTheHorizonAgent(t *testing.T) {
	k, _, win := guests(t, func(lin, win *fleet.VM) { lin.Power = "poweredOff" })
	k.rule("tools.horizon-agent")
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
	if log := k.fetch(win, windowsAuth, `C:\a.log`); !strings.Contains(log, "2711") || !strings.Contains(log, "'Nothing'") {
		t.Errorf("log: %s", log)
	}
	const state = `(Get-Service WSNM).Status; (Get-ItemProperty 'HKLM:\SOFTWARE\VMware, Inc.\VMware VDM').Features`
	if out := k.powershell(win, state); !strings.HasPrefix(out, "Stopped\r\nCore,USB,RTAV") {
		t.Errorf("before the restart: %q", out)
	}
	k.c.Must("RebootGuest", win, "")
	k.until(win, "guest.guestOperationsReady", "false")
	k.until(win, "guest.guestOperationsReady", "true")
	if out := k.powershell(win, state); !strings.HasPrefix(out, "Running\r\n") {
		t.Errorf("after the restart: %q", out)
	}
	// without a restart option the VM restarts by itself
	k.start(win, windowsAuth, `C:\agent.exe`, `/s /v/qn`, "")
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
