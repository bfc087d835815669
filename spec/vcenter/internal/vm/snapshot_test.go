package vm_test

// snapshot_test.go: what a revert brings back, and what it refuses.

import (
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vctest"
)

// snapshot takes one and gives its reference.
func (k *kit) snapshot(vm, name, memory string) string {
	k.t.Helper()
	k.accepted(k.c.Task("CreateSnapshot_Task", vm, "<name>"+name+"</name><memory>"+memory+"</memory><quiesce>false</quiesce>"))
	a := vctest.Answer{Body: "<x>" + k.get(vm, "snapshot") + "</x>"}
	return "VirtualMachineSnapshot:" + a.Text("currentSnapshot")
}

func TestARevertBringsTheConfigurationBack(t *testing.T) {
	k := start(t)
	k.rule("vm.snapshot-revert")
	vm := k.vm("a", val("numCPUs", "4"), extra("gpupt.note", "before"))
	plain := k.snapshot(vm, "plain", "false")
	devices := strings.Count(k.get(vm, "config.hardware.device"), "<key>")
	k.accepted(k.reconfigure(vm, fixed(-1, "0000:3b:00.0", "20b5", k.sys, 4318), val("numCPUs", "8"), val("name", "renamed"),
		extra("gpupt.note", "after"), extra("pciPassthru.use64bitMMIO", "FALSE"), val("nestedHVEnabled", "false")))
	version := k.get(vm, "config.changeVersion")
	withCard := k.snapshot(vm, "card", "false")
	k.accepted(k.c.Task("RevertToSnapshot_Task", plain, ""))
	if n := strings.Count(k.get(vm, "config.hardware.device"), "<key>"); n != devices {
		t.Errorf("%d keys of devices, before %d", n, devices)
	}
	keys := k.get(vm, "config.extraConfig")
	if strings.Contains(k.get(vm, "config.hardware.device"), "VirtualPCIPassthrough") || !strings.Contains(keys, ">before<") || !strings.Contains(keys, "use64bitMMIO</key><value xsi:type=\"xsd:string\">TRUE") {
		t.Error("the card or the later keys stay: ", keys)
	}
	if n := k.get(vm, "config.hardware.numCPU") + k.get(vm, "summary.config.numCpu"); n != "44" {
		t.Error("CPUs:", n)
	}
	if k.get(vm, "name") != "renamed" || k.get(vm, "config.changeVersion") == version {
		t.Error("the name belongs to the inventory; the configuration has a new version")
	}
	if now := k.get(vm, "snapshot"); !strings.Contains(now, "<currentSnapshot type=\"VirtualMachineSnapshot\">"+strings.TrimPrefix(plain, "VirtualMachineSnapshot:")) {
		t.Error("current: ", now)
	}
	// and the other way: the card is back and usable
	k.accepted(k.c.Task("RevertToSnapshot_Task", withCard, ""))
	k.accepted(k.reconfigure(vm, extra("pciPassthru.use64bitMMIO", "TRUE")))
	k.accepted(k.on(vm))
	// what the VM does now does not reach into the snapshot
	k.accepted(k.c.Task("PowerOffVM_Task", vm, ""))
	k.accepted(k.reconfigure(vm, extra("gpupt.note", "much later")))
	k.accepted(k.c.Task("RevertToCurrentSnapshot_Task", vm, ""))
	if keys := k.get(vm, "config.extraConfig"); !strings.Contains(keys, ">after<") {
		t.Error(keys)
	}
}

func TestARevertBringsPowerAndDiskBack(t *testing.T) {
	t.Parallel()
	k := startFleet(t, func(f *fleet.Fleet) {
		f.VMs = []fleet.VM{{Name: "lin", Installed: "ubuntu", Firmware: "efi", MemoryMB: 8192, Power: "poweredOn", Username: "ops", Password: "Train-1-pass"}}
	})
	k.rule("vm.snapshot-revert")
	vm := k.c.Find("/DC0/vm/lin")
	k.until(vm, "guest.guestOperationsReady", "true")
	k.bash(vm, "echo first > /home/ops/mark")
	cold := k.snapshot(vm, "cold", "false")
	warm := k.snapshot(vm, "warm", "true")
	k.bash(vm, "echo second > /home/ops/mark")
	// without memory it is off afterwards
	k.accepted(k.c.Task("RevertToSnapshot_Task", cold, ""))
	if p := k.get(vm, "runtime.powerState"); p != "poweredOff" {
		t.Fatal(p)
	}
	// with memory it comes on, unless that is suppressed
	k.accepted(k.c.Task("RevertToSnapshot_Task", warm, "<suppressPowerOn>true</suppressPowerOn>"))
	if p := k.get(vm, "runtime.powerState"); p != "poweredOff" {
		t.Fatal(p)
	}
	k.accepted(k.c.Task("RevertToSnapshot_Task", warm, ""))
	if p := k.get(vm, "runtime.powerState"); p != "poweredOn" {
		t.Fatal(p)
	}
	k.until(vm, "guest.guestOperationsReady", "true")
	if out := k.bash(vm, "cat /home/ops/mark"); strings.TrimSpace(out) != "first" {
		t.Fatalf("the disk of the snapshot: %q", out)
	}
	// a deleted snapshot
	k.accepted(k.c.Task("RemoveSnapshot_Task", cold, "<removeChildren>false</removeChildren>"))
	k.c.Refused(k.c.Call("RevertToSnapshot_Task", cold, ""), "ManagedObjectNotFound")
	k.accepted(k.c.Task("RemoveAllSnapshots_Task", vm, ""))
	k.c.Refused(k.c.Call("RevertToSnapshot_Task", warm, ""), "ManagedObjectNotFound")
}

func TestNoRevertUnderARunningPassthroughVM(t *testing.T) {
	k := start(t)
	k.rule("vm.snapshot-revert-passthrough", "vm.snapshot-current")
	vm := k.vm("a", fixed(-1, "0000:3b:00.0", "20b5", k.sys, 4318))
	k.c.Refused(k.c.Call("RevertToCurrentSnapshot_Task", vm, ""), "NotFound")
	snap := k.snapshot(vm, "s", "false")
	k.accepted(k.on(vm))
	k.refused(k.c.Task("RevertToSnapshot_Task", snap, ""), "InvalidState", "cannot be reverted")
	k.refused(k.c.Task("RevertToCurrentSnapshot_Task", vm, ""), "InvalidState", "cannot be reverted")
	k.accepted(k.c.Task("PowerOffVM_Task", vm, ""))
	k.accepted(k.c.Task("RevertToCurrentSnapshot_Task", vm, ""))
}
