package host_test

// invariant_test.go violates each invariant of the truth page, and reads the
// explanation.

import (
	"strings"
	"testing"
	"time"

	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/truth"
	"gpupt.test/vcenter/internal/vctest"
)

// only returns the one violation there is.
func (r *rig) only(rule string) truth.Violation {
	r.t.Helper()
	v := r.s.W.Truth.Violations()
	if len(v) != 1 || v[0].Rule != rule {
		r.t.Fatalf("wanted %s alone, got %+v", rule, v)
	}
	return v[0]
}

func TestAVMOnAHostInMaintenanceIsAViolation(t *testing.T) {
	vctest.Breaks(t, "invariant.vm-running-in-maintenance")
	r := newRig(t, pair("manual"))
	vm := r.machine("plain", "")
	r.MustTask("PowerOnVM_Task", vm, "")
	if v := r.violations(); v != "" {
		t.Fatal(v)
	}
	r.s.Control(t, "POST", "/set", map[string]any{"host": "esx-a-1", "maintenance": true})
	r.s.W.Lock()
	for _, m := range r.s.W.Reg.All("VirtualMachine") {
		r.s.W.Touch(m.Reference())
	}
	r.s.W.Unlock()
	vctest.Eventually(t, "the violation", func() bool { return r.violations() == "vm-running-in-maintenance" })
}

func TestAVMLeftIncomplete(t *testing.T) {
	vctest.Breaks(t, "invariant.vm-left-half-made")
	f := pair("manual")
	f.VMs = []fleet.VM{{Name: "old", Host: "esx-a-1", MemoryMB: 2048, Devices: []string{card}}} // incomplete from the start: no request caused it
	r := newRig(t, f)
	target := r.Must("QueryConfigTarget", "EnvironmentBrowser:"+r.Get(r.Find("DC0/host/gpu-a"), "environmentBrowser")["environmentBrowser"], vctest.Ref("host", r.host))
	whole := r.passthroughVM("whole")
	other := r.s.Login(t)
	other.Must("Logout", "SessionManager:SessionManager", "")
	time.Sleep(50 * time.Millisecond)
	if v := r.violations(); v != "" {
		t.Fatal(v, whole)
	}
	r.machine("half", `<deviceChange><operation>add</operation><device xsi:type="VirtualPCIPassthrough"><key>-1</key>`+
		`<backing xsi:type="VirtualPCIPassthroughDeviceBackingInfo"><deviceName>GPU</deviceName><id>`+card+`</id><deviceId>20b5</deviceId><systemId>`+
		target.Text("systemId")+`</systemId><vendorId>4318</vendorId></backing></device></deviceChange>`)
	for i := 0; i < 2; i++ { // said once, however many sessions end
		r.s.Login(t).Must("Logout", "SessionManager:SessionManager", "")
	}
	vctest.Eventually(t, "the violation", func() bool { return r.violations() == "vm-left-half-made" })
	if v := r.only("vm-left-half-made"); !strings.Contains(v.What, "half") || v.By == nil || v.By.Method != "CreateVM_Task" {
		t.Fatalf("%s %+v", v.What, v.By)
	}
}

// The power-on rules refuse a card twice, so the invariant behind them is provoked past
// them: a second VM with the same card is said to run.
func TestACardInTwoRunningVMsIsAViolation(t *testing.T) {
	vctest.Breaks(t, "invariant.device-in-two-running-vms")
	r := newRig(t, pair("manual"))
	one, two := r.passthroughVM("one"), r.passthroughVM("two")
	r.MustTask("PowerOnVM_Task", one, "")
	time.Sleep(50 * time.Millisecond)
	if v := r.violations(); v != "" {
		t.Fatal("a powered-off VM may share a card: ", v)
	}
	r.s.W.Lock()
	vm, e := r.s.W.VM(types.ManagedObjectReference{Type: "VirtualMachine", Value: strings.TrimPrefix(two, "VirtualMachine:")})
	if e == nil {
		vm.Runtime.PowerState = types.VirtualMachinePowerStatePoweredOn
		r.s.W.Touch(vm.Self)
	}
	r.s.W.Unlock()
	vctest.Eventually(t, "the violation", func() bool { return r.violations() == "device-in-two-running-vms" })
	if text := r.s.W.Truth.Violations()[0].What; !strings.Contains(text, card) || !strings.Contains(text, "one") || !strings.Contains(text, "two") {
		t.Fatal("the violation does not say what happened: ", text)
	}
}

func TestTooManyHostsOfAClusterAway(t *testing.T) {
	vctest.Breaks(t, "invariant.too-many-hosts-away")
	f := fleet.Demo()
	f.Clusters[0].Hosts = append(f.Clusters[0].Hosts, fleet.Host{Name: "esx-a-2"})
	f.Clusters[0].Hosts[0].BootSeconds, f.Clusters[0].Hosts[1].BootSeconds = 2000, 2000
	r := newRig(t, f)
	other := r.Find("DC0/host/gpu-a/esx-a-2")
	for i, h := range []string{r.host, other} {
		r.MustTask("EnterMaintenanceMode_Task", h, "<timeout>0</timeout>")
		r.MustTask("RebootHost_Task", h, "<force>false</force>")
		want := ""
		if i == 1 {
			want = "too-many-hosts-away"
		}
		if v := r.violations(); v != want {
			t.Fatalf("after host %d: %q", i+1, v)
		}
	}
}

func TestAHostThatGivesAwayItsManagementNicDoesNotReturn(t *testing.T) {
	vctest.Breaks(t, "host.boot-device-lost", "invariant.host-device-lost")
	r := newRig(t, nil)
	r.Must("UpdatePassthruConfig", r.system, config("0000:18:00.0", "true", "false"))
	r.MustTask("EnterMaintenanceMode_Task", r.host, "<timeout>0</timeout>")
	r.MustTask("RebootHost_Task", r.host, "<force>false</force>")
	vctest.Eventually(t, "violation", func() bool { return r.violations() == "host-device-lost" })
	r.expect("runtime.connectionState", "notResponding")
}

func TestRebootOutsideMaintenanceMode(t *testing.T) {
	vctest.Breaks(t, "host.reboot-outside", "invariant.reboot-outside-maintenance")
	r := newRig(t, nil)
	r.FailTask("InvalidState", "RebootHost_Task", r.host, "<force>false</force>")
	r.expect("runtime.connectionState", "connected")
	r.MustTask("RebootHost_Task", r.host, "<force>true</force>")
	if v := r.violations(); v != "reboot-outside-maintenance" {
		t.Fatal("violations: ", v)
	}
}

// The first violation says who did it, with which request of the journal, under which
// operationID, in which task and when, and what happened to the host before.
func TestAViolationExplainsItself(t *testing.T) {
	r := newRig(t, nil)
	start := time.Now()
	r.OpID = "roll-7"
	task := r.Start("RebootHost_Task", r.host, "<force>true</force>")
	if res := r.Wait(task); res.State != "success" {
		t.Fatal(res)
	}
	v := r.only("reboot-outside-maintenance")
	by := v.By
	if by == nil || by.Method != "RebootHost_Task" || by.This != r.host || by.User != vctest.User || by.OperationID != "roll-7" ||
		"Task:"+by.Task != task || by.T.Before(start) || by.T.After(time.Now()) {
		t.Fatalf("%+v", by)
	}
	found := false
	for _, rec := range r.s.Front.Journal.Since(by.N - 1) {
		if rec.N == by.N {
			found = rec.Method == "RebootHost_Task" && rec.OperationID == "roll-7" && rec.Session == by.Session && "Task:"+rec.Task == task
		}
	}
	if !found {
		t.Fatal("the journal has no such request: ", by.N)
	}
	for _, part := range []string{"RebootHost_Task on " + r.host, vctest.User, "roll-7", by.Task} {
		if !strings.Contains(v.Why, part) {
			t.Fatalf("%q does not say %q", v.Why, part)
		}
	}
	if !strings.Contains(v.What, "esx-a-1") {
		t.Fatal(v.What)
	}
	page := r.s.Control(t, "GET", "/truth", nil)["violations"].([]any)[0].(map[string]any)
	if page["why"] != v.Why || page["by"].(map[string]any)["operationID"] != "roll-7" {
		t.Fatal(page)
	}
}

// What a booting host does is recorded for the request that took it down.
func TestALateViolationNamesTheRequestThatLedToIt(t *testing.T) {
	r := newRig(t, nil)
	r.Must("UpdatePassthruConfig", r.system, config("0000:19:00.0", "true", "false"))
	r.OpID = "roll-8"
	r.MustTask("EnterMaintenanceMode_Task", r.host, "<timeout>0</timeout>")
	r.MustTask("RebootHost_Task", r.host, "<force>false</force>")
	vctest.Eventually(t, "violation", func() bool { return r.violations() == "host-device-lost" })
	v := r.only("host-device-lost")
	if v.By == nil || v.By.Method != "RebootHost_Task" || v.By.OperationID != "roll-8" {
		t.Fatalf("%+v", v.By)
	}
	kinds := ""
	for _, e := range v.Before {
		if e.Host != "esx-a-1" {
			t.Fatal("an event of another host: ", e)
		}
		kinds += e.Kind + " "
	}
	if kinds != "passthru-config maintenance-begin maintenance-enter reboot away " {
		t.Fatal(kinds)
	}
	if v.Before[0].N == 0 || v.Before[0].N >= v.By.N {
		t.Fatal("events carry the number of their request: ", v.Before[0].N, v.By.N)
	}
}

// A host that boots from a disk needs the HBA of that disk: the management NIC is not the
// only device that it cannot give away; the second HBA and the NVMe disk it can.
func TestAHostThatGivesAwayItsBootHbaDoesNotReturn(t *testing.T) {
	vctest.Breaks(t, "host.boot-device-lost", "invariant.host-device-lost")
	for _, id := range []string{"0000:19:00.0", "0000:1b:00.0", "0000:1a:00.0"} {
		f := fleet.Demo()
		second := f.Clusters[0].Hosts[0].Cards[0]
		second.Address, second.Vendor, second.Device, second.Class, second.Role = "0000:1b:00.0", "1000", "10e2", "0104", "hba"
		f.Clusters[0].Hosts[0].Devices = append(fleet.BoardDevices(), second)
		r := newRig(t, f)
		r.Must("UpdatePassthruConfig", r.system, config(id, "true", "false"))
		r.MustTask("EnterMaintenanceMode_Task", r.host, "<timeout>0</timeout>")
		r.MustTask("RebootHost_Task", r.host, "<force>false</force>")
		vctest.Eventually(t, "away", func() bool { return r.is("runtime.connectionState", "notResponding") })
		if id == "0000:19:00.0" {
			vctest.Eventually(t, "violation", func() bool { return r.violations() == "host-device-lost" })
			time.Sleep(100 * time.Millisecond)
			r.expect("runtime.connectionState", "notResponding")
			continue
		}
		vctest.Eventually(t, "back", func() bool { return r.is("runtime.connectionState", "connected") })
		if _, active := r.state(id); active != "true" || r.violations() != "" {
			t.Fatal(id, active, r.violations())
		}
	}
}
