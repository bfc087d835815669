package vm_test

// hotplug_test.go: fixed passthrough devices that come and go while the VM runs.

import (
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/fleet"
)

const (
	hotPlugOn  = "<fixedPassthruHotPlugEnabled>true</fixedPassthruHotPlugEnabled>"
	hotPlugOff = "<fixedPassthruHotPlugEnabled>false</fixedPassthruHotPlugEnabled>"
)

func TestHotPlugOfFixedPassthrough(t *testing.T) {
	k := startFleet(t, func(f *fleet.Fleet) {
		f.VMs = []fleet.VM{
			{Name: "lin", Installed: "ubuntu", Firmware: "efi", MemoryMB: 8192, MemoryLock: true, Username: "ops", Password: "Train-1-pass",
				ExtraConfig: map[string]string{"pciPassthru.use64bitMMIO": "TRUE", "pciPassthru.64bitMMIOSizeGB": "512"}},
			{Name: "loose", Firmware: "efi", MemoryMB: 8192}}
	})
	k.rule("vm.hot-plug", "vm.hot-plug-off", "vm.hot-plug-reservation")
	vm, loose := k.c.Find("/DC0/vm/lin"), k.c.Find("/DC0/vm/loose")
	set := func(vm, xml string) {
		k.t.Helper()
		k.accepted(k.c.Task("ReconfigVM_Task", vm, "<spec>"+xml+"</spec>"))
	}
	k.refused(k.c.Task("ReconfigVM_Task", loose, "<spec>"+hotPlugOn+"</spec>"), "InvalidVmConfig", "needs all memory")
	set(loose, "<memoryAllocation><reservation>8192</reservation></memoryAllocation>"+hotPlugOn)
	k.refused(k.c.Task("ReconfigVM_Task", loose, "<spec><memoryAllocation><reservation>4096</reservation></memoryAllocation></spec>"), "InvalidVmConfig")
	set(loose, "<memoryAllocation><reservation>0</reservation></memoryAllocation>"+hotPlugOff)

	one, two := fixed(-1, "0000:3b:00.0", "20b5", k.sys, 4318), fixed(-1, "0000:86:00.0", "20b5", k.sys, 4318)
	k.accepted(k.on(vm))
	k.refused(k.c.Task("ReconfigVM_Task", vm, "<spec>"+hotPlugOn+"</spec>"), "InvalidPowerState")
	k.refused(k.reconfigure(vm, one), "DeviceHotPlugNotSupported")
	k.accepted(k.c.Task("PowerOffVM_Task", vm, ""))
	set(vm, hotPlugOn)
	if k.get(vm, "config.fixedPassthruHotPlugEnabled") != "true" {
		t.Fatal("config.fixedPassthruHotPlugEnabled")
	}
	k.accepted(k.on(vm))
	k.until(vm, "guest.guestOperationsReady", "true")
	if out := k.bash(vm, "lspci -d 10de:"); strings.Contains(out, "NVIDIA") {
		t.Fatal(out)
	}
	k.accepted(k.reconfigure(vm, one))
	if out := k.bash(vm, "lspci -d 10de:"); strings.Count(out, "NVIDIA") != 1 {
		t.Fatalf("one card: %q", out)
	}
	k.refused(k.reconfigure(vm, dynamic(-1, "4318:8373")), "DeviceHotPlugNotSupported")
	// the card is held now: another VM does not get it
	k.accepted(k.reconfigure(loose, one, memory("8192", "")))
	k.refused(k.on(loose), onFault, "already in use by virtual machine 'lin'")
	k.accepted(k.reconfigure(loose, change("remove", "VirtualPCIPassthrough", 13000, ""), two))
	k.accepted(k.reconfigure(loose, extra("pciPassthru.use64bitMMIO", "TRUE"), extra("pciPassthru.64bitMMIOSizeGB", "256")))
	k.accepted(k.on(loose))
	k.refused(k.reconfigure(vm, two), "InvalidDeviceBacking", "already in use by virtual machine 'loose'")
	k.accepted(k.reconfigure(vm, change("remove", "VirtualPCIPassthrough", 13000, "")))
	if out := k.bash(vm, "lspci -d 10de:"); strings.Contains(out, "NVIDIA") {
		t.Fatal(out)
	}
	if v := k.Control(t, "GET", "/truth", nil)["violations"].([]any); len(v) != 0 {
		t.Errorf("violations: %v", v)
	}
	old := k.Login(t)
	old.Version = "8.0.0.1" // the field came with 8.0.1
	old.Refused(old.Call("ReconfigVM_Task", vm, "<spec>"+hotPlugOff+"</spec>"), "InvalidRequest")
}
