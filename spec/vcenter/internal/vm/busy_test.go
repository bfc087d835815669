package vm_test

// busy_test.go: tasks that overlap on one VM.

import (
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
)

// long makes a reconfigure run for 400 ms at the speed of these tests.
func long(f *fleet.Fleet) { f.Delays = map[string]float64{"ReconfigVM_Task": 800} }

func asked(parts string) string { return "<spec>" + parts + "</spec>" }

// At vCenter a reconfigure waits for the one before it: three at once all succeed, one after the other in the
// order of their calls.
func TestReconfiguresOfABusyVMAreQueued(t *testing.T) {
	k := startFleet(t, long)
	k.rule("task.busy-vm")
	vm, other := k.vm("a"), k.vm("b")
	first := k.c.Start("ReconfigVM_Task", vm, asked("<numCPUs>2</numCPUs>"))
	second := k.c.Start("ReconfigVM_Task", vm, asked("<numCPUs>4</numCPUs><memoryMB>4096</memoryMB>"))
	third := k.c.Start("ReconfigVM_Task", vm, asked("<numCPUs>8</numCPUs>"))
	state := func(task string) string { return k.c.Get(task, "info.state")["info.state"] }
	vctest.Eventually(t, "the first runs", func() bool { return state(first) == "running" })
	if got := state(second) + " " + state(third); got != "queued queued" {
		t.Fatal(got)
	}
	// another VM is not concerned
	beside := k.c.Start("ReconfigVM_Task", other, asked("<numCPUs>2</numCPUs>"))
	vctest.Eventually(t, "the other VM's runs", func() bool { return state(beside) == "running" })
	var ends []string
	for _, task := range []string{first, second, third} {
		r := k.c.Wait(task)
		if r.State != "success" {
			t.Fatal(r)
		}
		a := vctest.Answer{Body: `<x xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">` + r.Info + "</x>"}
		if started := a.Text("startTime"); len(ends) > 0 && started < ends[len(ends)-1] {
			t.Errorf("%s started at %s, before the end %s of the one before it", task, started, ends[len(ends)-1])
		}
		ends = append(ends, a.Text("completeTime"))
	}
	if n, m := k.get(vm, "config.hardware.numCPU"), k.get(vm, "config.hardware.memoryMB"); n != "8" || m != "4096" {
		t.Errorf("%s CPUs, %s MB", n, m)
	}
}

// A reconfigure waits for tasks of other kinds too; those do not wait for it.
func TestAReconfigureWaitsForAPowerOn(t *testing.T) {
	k := startFleet(t, func(f *fleet.Fleet) {
		long(f)
		f.Delays["PowerOnVM_Task"] = 800
	})
	vm := k.vm("a")
	on := k.c.Start("PowerOnVM_Task", vm, "")
	note := k.c.Start("ReconfigVM_Task", vm, asked("<annotation>x</annotation>"))
	if r := k.c.Wait(on); r.State != "success" {
		t.Fatal(r)
	}
	vctest.Eventually(t, "the reconfigure runs", func() bool { return k.c.Get(note, "info.state")["info.state"] == "running" })
	if r := k.c.Task("PowerOffVM_Task", vm, ""); r.Fault != "TaskInProgress" || !strings.Contains(r.Info, strings.TrimPrefix(note, "Task:")) {
		t.Fatal(r)
	}
	if r := k.c.Wait(note); r.State != "success" {
		t.Fatal(r)
	}
}

// A customization waits its turn as well, and is judged then: at vCenter nothing of the two is refused.
func TestACustomizationWaitsForAReconfigure(t *testing.T) {
	for busy, want := range map[string]string{"queue": "success", "refuse": "error"} {
		k := startFleet(t, func(f *fleet.Fleet) {
			long(f)
			f.BusyVM = busy
			f.VMs = []fleet.VM{{Name: "l", Host: "esx-a-1", Installed: "ubuntu", Username: "ops", Password: "Train-1-pass", DiskGB: 1}}
		})
		k.rule("task.busy-vm")
		vm := k.c.Find("/DC0/vm/l")
		state := func(task string) string { return k.c.Get(task, "info.state")["info.state"] }
		first := k.c.Start("ReconfigVM_Task", vm, asked("<numCPUs>2</numCPUs>"))
		vctest.Eventually(t, "the first runs", func() bool { return state(first) == "running" })
		custom := k.c.Start("CustomizeVM_Task", vm, "<spec>"+linuxPrep("own-name", "")+dhcp+"</spec>")
		if busy == "queue" && state(custom) != "queued" {
			t.Error(state(custom))
		}
		third := k.c.Start("ReconfigVM_Task", vm, asked("<numCPUs>4</numCPUs>")) // behind the customization
		if r := k.c.Wait(custom); r.State != want || want == "error" && r.Fault != "TaskInProgress" {
			t.Error(busy, r)
		}
		if r := k.c.Wait(third); r.State != want {
			t.Error(busy, r)
		}
		if r := k.c.Wait(first); r.State != "success" {
			t.Error(busy, r)
		}
		if want == "success" {
			k.accepted(k.on(vm))
			k.until(vm, "guest.hostName", "own-name")
		}
	}
}

// A queued reconfigure is judged when its turn comes: what it was based on has changed by then.
func TestAQueuedReconfigureMeetsTheChangedVM(t *testing.T) {
	k := startFleet(t, long)
	vm := k.vm("a")
	seen := "<changeVersion>" + k.get(vm, "config.changeVersion") + "</changeVersion>"
	first := k.c.Start("ReconfigVM_Task", vm, asked(seen+"<numCPUs>2</numCPUs>"))
	second := k.c.Start("ReconfigVM_Task", vm, asked(seen+"<numCPUs>4</numCPUs>"))
	if r := k.c.Wait(first); r.State != "success" {
		t.Fatal(r)
	}
	if r := k.c.Wait(second); r.Fault != "ConcurrentAccess" {
		t.Fatal(r)
	}
}

// The fleet says otherwise, as for a vCenter whose host is asked directly as well.
func TestAFleetThatRefusesReconfiguresOfABusyVM(t *testing.T) {
	k := startFleet(t, func(f *fleet.Fleet) { long(f); f.BusyVM = "refuse" })
	vm := k.vm("a")
	first := k.c.Start("ReconfigVM_Task", vm, asked("<numCPUs>2</numCPUs>"))
	vctest.Eventually(t, "the first runs", func() bool { return k.c.Get(first, "info.state")["info.state"] == "running" })
	if r := k.c.Task("ReconfigVM_Task", vm, asked("<numCPUs>4</numCPUs>")); r.Fault != "TaskInProgress" || !strings.Contains(r.Info, strings.TrimPrefix(first, "Task:")) {
		t.Fatal(r)
	}
}

// A host refuses the second one itself.
func TestAnESXiEndpointRefusesReconfiguresOfABusyVM(t *testing.T) {
	for busy, want := range map[string]string{"": "error", "queue": "success"} {
		f := fleet.Demo()
		long(f)
		f.Endpoint, f.BusyVM = "esxi", busy
		f.Clusters = []fleet.Cluster{{Hosts: []fleet.Host{{Name: "esx-a-1"}}}}
		f.VMs = []fleet.VM{{Name: "desk", Host: "esx-a-1"}}
		s := vctest.Start(t, vcenter.Options{Fleet: f, Speed: 2000})
		c := s.Client(t)
		c.Must("Login", "SessionManager:ha-sessionmgr", "<userName>"+vctest.User+"</userName><password>"+vctest.Password+"</password>")
		get := func(ref, path string) string { return c.MustOn("ha-property-collector", ref, path)[path] }
		s.W.RLock()
		vm := "VirtualMachine:" + s.W.Reg.All("VirtualMachine")[0].Reference().Value
		s.W.RUnlock()
		first := c.Start("ReconfigVM_Task", vm, asked("<numCPUs>2</numCPUs>"))
		vctest.Eventually(t, "the first runs", func() bool { return get(first, "info.state") == "running" })
		second := c.Start("ReconfigVM_Task", vm, asked("<numCPUs>4</numCPUs>"))
		vctest.Eventually(t, "the second's end", func() bool { s := get(second, "info.state"); return s == "success" || s == "error" })
		if have := get(second, "info.state"); have != want || (want == "error") != strings.Contains(get(second, "info.error"), "TaskInProgress") {
			t.Errorf("busy_vm %q: %s %s", busy, have, get(second, "info.error"))
		}
	}
}
