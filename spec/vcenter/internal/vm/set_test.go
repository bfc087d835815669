package vm_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"gpupt.test/vcenter/internal/fleet"
)

// What POST /gpsim/set changes.
func TestChangesByControlPage(t *testing.T) {
	k, lin, win := guests(t, func(lin, win *fleet.VM) {
		win.Power = "poweredOff"
		win.ExtraConfig = map[string]string{"pciPassthru.use64bitMMIO": "TRUE", "pciPassthru.64bitMMIOSizeGB": "64"}
	})
	set := func(m map[string]any) { t.Helper(); k.Control(t, "POST", "/set", m) }
	k.refused(k.on(win), onFault, "could not allocate")
	set(map[string]any{"vm": "win", "mmio": "guest"})
	k.accepted(k.on(win))
	k.until(win, "guest.guestOperationsReady", "true")
	if out := k.powershell(win, codes); strings.TrimSpace(out) != "12" {
		t.Errorf("a window that is too small: %q", out)
	}
	set(map[string]any{"vm": "lin", "deaf": true})
	k.c.Must("ShutdownGuest", lin, "")
	time.Sleep(30 * time.Millisecond)
	if p := k.get(lin, "runtime.powerState"); p != "poweredOn" {
		t.Errorf("a deaf guest went %s", p)
	}
	set(map[string]any{"vm": "lin", "deaf": false})
	k.c.Must("ShutdownGuest", lin, "")
	k.until(lin, "runtime.powerState", "poweredOff")
	set(map[string]any{"vm": "lin", "fail_power_on": "Something else."})
	k.refused(k.on(lin), onFault, "Something else.")
	k.accepted(k.on(lin))
	set(map[string]any{"vm": "lin", "log": "a line by hand"})
	if !strings.Contains(k.log(lin), "In(05) vmx - a line by hand") {
		t.Error("the line is not in vmware.log")
	}
	for _, bad := range []string{`{"vm":"nobody"}`, `{"vm":"lin","colour":"red"}`, `{"vm":"lin","finding":"none"}`, `{"vm":"lin","problem":7}`} {
		if code := k.http("POST", "/gpsim/set", bad, ""); code != http.StatusBadRequest {
			t.Errorf("%s: %d", bad, code)
		}
	}
}
