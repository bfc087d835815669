package vm_test

import (
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/fleet"
)

// msiexec removes the product that it is asked to remove, and no other.
func TestMsiexecIdentifiesProductsByTheirCodes(t *testing.T) {
	k, _, win := guests(t, func(lin, win *fleet.VM) { lin.Power = "poweredOff" })
	k.rule("tools.product")
	const tools = "{F32C4E7B-2BF8-4788-8408-824C6896E1BB}"
	if out := k.powershell(win, `(Get-ItemProperty 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall\`+tools+`').DisplayName`); !strings.HasPrefix(out, "VMware Tools") {
		t.Fatalf("the registry: %q", out)
	}
	for _, x := range []struct{ args, code string }{
		{`/x {00000000-0000-0000-0000-000000000000} /qn /norestart`, "1605"},
		{`/x{00000000-0000-0000-0000-000000000000} /qn /norestart`, "1605"},
		{`/fa {00000000-0000-0000-0000-000000000000} /qn`, "1605"},
		{`/x C:\nothing.msi /qn`, "1619"},
		{`/x /qn`, "1619"},
		{`/qn /x`, "1639"},
	} {
		if code := k.program(win, windowsAuth, `C:\Windows\System32\msiexec.exe`, x.args); code != x.code {
			t.Errorf("msiexec %s ended with %s, not %s", x.args, code, x.code)
		}
	}
	if s := k.get(win, "guest.toolsRunningStatus"); s != "guestToolsRunning" {
		t.Fatal("another product's code has removed Tools: ", s)
	}
	k.start(win, windowsAuth, `C:\Windows\System32\msiexec.exe`, `/x`+strings.ToLower(tools)+` /qn /norestart`, "")
	k.until(win, "guest.toolsRunningStatus", "guestToolsNotRunning")
}
