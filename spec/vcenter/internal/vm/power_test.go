package vm_test

import (
	"fmt"
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vctest"
)

const onFault = "GenericVmConfigFault"

func TestPowerStates(t *testing.T) {
	k := start(t)
	k.rule("power.state", "power.maintenance")
	vm := k.vm("a")
	k.refused(k.c.Task("PowerOffVM_Task", vm, ""), "InvalidPowerState")
	k.accepted(k.c.Task("EnterMaintenanceMode_Task", k.host, "<timeout>0</timeout>"))
	k.refused(k.on(vm), "InvalidState", "state of the host")
	k.accepted(k.c.Task("ExitMaintenanceMode_Task", k.host, "<timeout>0</timeout>"))
	k.accepted(k.on(vm))
	k.refused(k.on(vm), "InvalidPowerState")
}

func TestTheCardMustBeActiveAndFree(t *testing.T) {
	no := false
	half := a100("0000:86:00.0")
	half.Enabled, half.Active = true, &no
	k := start(t, append(cards(a100("0000:3b:00.0")), half)...)
	k.rule("power.device-active", "power.device-in-use")
	a := k.vm("a", fixed(-1, "0000:86:00.0", "20b5", k.sys, 4318))
	k.refused(k.on(a), onFault, "Device 134:0.0 is not a passthrough device.")
	k.accepted(k.reconfigure(a, change("remove", "VirtualPCIPassthrough", 13000, "")))
	k.accepted(k.reconfigure(a, fixed(-1, "0000:3b:00.0", "20b5", k.sys, 4318)))
	b := k.vm("b", fixed(-1, "0000:3b:00.0", "20b5", k.sys, 4318))
	k.accepted(k.on(a))
	k.refused(k.on(b), onFault, "already in use by virtual machine 'a'")
	if log := k.log(b); !strings.Contains(log, "Module 'DevicePowerOn' power on failed.") {
		t.Errorf("vmware.log of b:\n%s", log)
	}
	k.accepted(k.c.Task("PowerOffVM_Task", a, ""))
	k.accepted(k.on(b))
	if v := k.Control(t, "GET", "/truth", nil)["violations"].([]any); len(v) != 0 {
		t.Errorf("violations: %v", v)
	}
}

func TestABackingThatNoLongerMatches(t *testing.T) {
	k := startFleet(t, func(f *fleet.Fleet) {
		f.Clusters[0].Hosts = append(f.Clusters[0].Hosts, fleet.Host{Name: "esx-a-2", Cards: cards(a100("0000:3b:00.0"))})
	}, cards(a100("0000:3b:00.0"))...)
	k.rule("power.device-matches")
	vm := k.vm("a", fixed(-1, "0000:3b:00.0", "20b5", k.sys, 4318))
	other := k.c.Find("/DC0/host/gpu-a/esx-a-2")
	k.accepted(k.c.Task("RelocateVM_Task", vm, "<spec>"+vctest.Ref("host", other)+"</spec>"))
	k.refused(k.on(vm), onFault, "The systemId does not match the current system or the deviceId, and the vendorId does not match the device currently at 59:0.0.")
	k.accepted(k.c.Task("RelocateVM_Task", vm, "<spec>"+vctest.Ref("host", k.host)+"</spec>"))
	k.accepted(k.on(vm))
}

func TestDynamicPlacement(t *testing.T) {
	k := startFleet(t, func(f *fleet.Fleet) {
		f.Clusters[0].Hosts = append(f.Clusters[0].Hosts, fleet.Host{Name: "esx-a-2", Cards: cards(a100("0000:3b:00.0"))})
	}, cards(a100("0000:3b:00.0"))...)
	k.rule("power.dynamic-free")
	a, b, c := k.vm("a", dynamic(-1, "4318:8373")), k.vm("b", dynamic(-1, "4318:8373")), k.vm("c", dynamic(-1, "4318:8373"))
	k.accepted(k.on(a))
	k.accepted(k.on(b))
	if h := "HostSystem:" + k.get(b, "runtime.host"); h == k.host {
		t.Errorf("b did not move to the host with a free card: %s", h)
	}
	if d := k.get(a, "config.hardware.device"); !strings.Contains(d, "<assignedId>0000:3b:00.0</assignedId>") {
		t.Errorf("no assignedId: %s", d)
	}
	k.refused(k.on(c), onFault, "No device of an allowed kind")
	k.accepted(k.c.Task("PowerOffVM_Task", a, ""))
	if d := k.get(a, "config.hardware.device"); strings.Contains(d, "<assignedId>0000") {
		t.Errorf("assignedId stayed: %s", d)
	}
	k.accepted(k.on(c))
}

func TestMemoryForPassthrough(t *testing.T) {
	k := start(t)
	k.rule("power.reservation", "power.host-memory")
	vm := k.vm("a", fixed(-1, "0000:3b:00.0", "20b5", k.sys, 4318))
	k.accepted(k.reconfigure(vm, val("memoryReservationLockedToMax", "false"), memory("4096", "")))
	k.refused(k.on(vm), onFault, "Invalid memory setting: memory reservation (sched.mem.min) should be equal to memsize(8192).")
	if log := k.log(vm); !strings.Contains(log, "sched.mem.min) should be equal to memsize(8192)") {
		t.Error("the log does not say so")
	}
	k.accepted(k.reconfigure(vm, memory("8192", "8192")))
	k.accepted(k.on(vm))
	k.accepted(k.c.Task("PowerOffVM_Task", vm, ""))
	big := k.vm("big", val("memoryMB", "1048576"))
	k.refused(k.on(big), "InsufficientMemoryResourcesFault")
	// a limit below the memory is allowed as long as nothing reserves more
	small := k.vm("small")
	k.accepted(k.reconfigure(small, val("memoryReservationLockedToMax", "false"), memory("0", "4096")))
	k.accepted(k.on(small))
	k.accepted(k.c.Task("PowerOffVM_Task", small, ""))
	k.refused(k.reconfigure(small, memory("8192", "")), "InvalidArgument", "limit")
	k.refused(k.reconfigure(small, val("memoryReservationLockedToMax", "true")), "InvalidArgument", "limit")
	k.accepted(k.reconfigure(small, val("memoryReservationLockedToMax", "true"), memory("", "-1")))
}

func TestPagesWithoutA64BitWindow(t *testing.T) {
	k := start(t, cards(a100("0000:3b:00.0"), t4("0000:5e:00.0"), fleet.Device{Address: "0000:af:00.0", Vendor: "10de", Device: "15f8", Class: "0302",
		Name: "GP100GL [Tesla P100 PCIe 16GB]", BARs: []string{"16M:32", "16G:64p", "32M:64p"}})...)
	k.rule("power.pages")
	off := []part{extra("pciPassthru.use64bitMMIO", ""), extra("pciPassthru.64bitMMIOSizeGB", "")}
	a := k.vm("a", fixed(-1, "0000:3b:00.0", "20b5", k.sys, 4318))
	k.accepted(k.reconfigure(a, off...))
	k.refused(k.on(a), onFault, "PCIPassthru: total number of pages needed (33566722) exceeds limit (917504), failing")
	if log := k.log(a); !strings.Contains(log, "barIndex 0 type 2 realaddr 0xd4000000 size 16777216 flags 0") ||
		!strings.Contains(log, "vmx - PCIPassthru: total number of pages needed (33566722) exceeds limit (917504), failing") {
		t.Errorf("log:\n%s", log)
	}
	p := k.vm("p", fixed(-1, "0000:af:00.0", "15f8", k.sys, 4318))
	k.accepted(k.reconfigure(p, off...))
	k.refused(k.on(p), onFault, "(4206594)")
	b := k.vm("b", fixed(-1, "0000:5e:00.0", "1eb8", k.sys, 4318)) // 304 MiB need no window
	k.accepted(k.reconfigure(b, off...))
	k.accepted(k.on(b))
}

func TestTheWindow(t *testing.T) {
	k := start(t, cards(l4("0000:3b:00.0"), l4("0000:86:00.0"))...)
	k.rule("power.window", "power.window-size")
	vm := k.vm("a", fixed(-1, "0000:3b:00.0", "27b8", k.sys, 4318))
	k.accepted(k.reconfigure(vm, extra("pciPassthru.64bitMMIOSizeGB", "48")))
	k.refused(k.on(vm), onFault, "power of two")
	k.accepted(k.reconfigure(vm, extra("pciPassthru.64bitMMIOSizeGB", "32")))
	k.refused(k.on(vm), onFault, "The firmware could not allocate 33587200 KB of PCI MMIO. Increase the size of PCI MMIO and try again.")
	k.accepted(k.reconfigure(vm, extra("pciPassthru.64bitMMIOSizeGB", "64"), fixed(-1, "0000:86:00.0", "27b8", k.sys, 4318)))
	k.refused(k.on(vm), onFault, "could not allocate 67174400 KB")
	k.accepted(k.reconfigure(vm, extra("pciPassthru.64bitMMIOSizeGB", "128")))
	k.accepted(k.on(vm))
}

func TestMediaAtPowerOn(t *testing.T) {
	k := start(t)
	k.rule("power.media")
	vm := k.vm("a", cd(-1, 0, "[ds-1] iso/ubuntu-answer.iso"))
	if code := k.http("DELETE", "/folder/iso/ubuntu-answer.iso?dcPath=DC0&dsName=ds-1", "", k.c.Cookie); code != 204 {
		t.Fatalf("delete: %d", code)
	}
	k.refused(k.on(vm), onFault, "Cannot find the file [ds-1] iso/ubuntu-answer.iso")
	b := k.vm("b", cd(-1, 0, "[ds-1] iso/ubuntu-24.04.iso"))
	k.accepted(k.on(b))
}

func TestWhatARunningPassthroughVMCannotDo(t *testing.T) {
	k := startFleet(t, func(f *fleet.Fleet) {
		f.Clusters[0].Hosts = append(f.Clusters[0].Hosts, fleet.Host{Name: "esx-a-2"})
	}, cards(a100("0000:3b:00.0"))...)
	k.rule("power.snapshot", "power.suspend", "power.migrate", "power.migrate-target")
	vm := k.vm("a", fixed(-1, "0000:3b:00.0", "20b5", k.sys, 4318))
	plain := k.vm("plain")
	k.accepted(k.on(vm))
	k.accepted(k.on(plain))
	snap := "<name>s</name><memory>false</memory><quiesce>false</quiesce>"
	k.refused(k.c.Task("CreateSnapshot_Task", vm, snap), "InvalidState")
	k.accepted(k.c.Task("CreateSnapshot_Task", plain, snap))
	other := vctest.Ref("host", k.c.Find("/DC0/host/gpu-a/esx-a-2"))
	k.refused(k.c.Task("MigrateVM_Task", vm, other+"<priority>defaultPriority</priority>"), "VMotionNotSupported", "vMotion, Storage vMotion")
	k.refused(k.c.Task("RelocateVM_Task", vm, "<spec>"+other+"</spec>"), "VMotionNotSupported")
	k.accepted(k.c.Task("RelocateVM_Task", plain, "<spec>"+other+"</spec>"))
	k.accepted(k.c.Task("MigrateVM_Task", plain, vctest.Ref("host", k.host)+"<priority>defaultPriority</priority>"))
	if got := k.c.Get(plain, "runtime.host")["runtime.host"]; got != strings.TrimPrefix(k.host, "HostSystem:") {
		t.Fatal("MigrateVM_Task left the VM on ", got)
	}
	k.Control(t, "POST", "/set", map[string]any{"host": "esx-a-2", "maintenance": true})
	k.refused(k.c.Task("MigrateVM_Task", plain, other+"<priority>defaultPriority</priority>"), "InvalidState")
	k.refused(k.c.Task("RelocateVM_Task", plain, "<spec>"+other+"</spec>"), "InvalidState")
	k.Control(t, "POST", "/set", map[string]any{"host": "esx-a-2", "maintenance": false})
	k.refused(k.c.Task("SuspendVM_Task", vm, ""), onFault, "cannot be suspended")
	k.accepted(k.c.Task("SuspendVM_Task", plain, ""))
	if s := k.get(plain, "runtime.powerState"); s != "suspended" {
		t.Errorf("plain is %s", s)
	}
}

func TestHostThatGoesDownPowersOffItsVMs(t *testing.T) {
	k := start(t)
	vm := k.vm("a", dynamic(-1, "4318:8373"))
	k.accepted(k.on(vm))
	k.accepted(k.c.Task("RebootHost_Task", k.host, "<force>true</force>"))
	k.until(vm, "runtime.powerState", "poweredOff")
	if d := k.get(vm, "config.hardware.device"); strings.Contains(d, "<assignedId>0000") {
		t.Errorf("the card stayed assigned: %s", d)
	}
}

func TestLogRotation(t *testing.T) {
	k := start(t)
	k.rule("power.log-rotation")
	vm := k.vm("a", extra("log.keepOld", "3"))
	cycle := func(n int) {
		for ; n > 0; n-- {
			k.accepted(k.on(vm))
			k.accepted(k.c.Task("PowerOffVM_Task", vm, ""))
		}
	}
	logs := func() (out []string) {
		l := k.get(vm, "layoutEx")
		for n := 1; n < 20; n++ {
			name := fmt.Sprintf("vmware-%d.log", n)
			there := strings.Contains(l, "<name>[ds-1] a/"+name+"</name>")
			if code := k.http("GET", "/folder/a/"+name+"?dcPath=DC0&dsName=ds-1", "", k.c.Cookie); (code == 200) != there {
				t.Errorf("%s: %d, in layoutEx: %v", name, code, there)
			}
			if there {
				out = append(out, name)
			}
		}
		return
	}
	cycle(5)
	if got := strings.Join(logs(), " "); got != "vmware-2.log vmware-3.log vmware-4.log" && got != "vmware-3.log vmware-4.log vmware-5.log" {
		t.Errorf("with keepOld = 3: %s", got)
	}
	k.accepted(k.reconfigure(vm, extra("log.keepOld", "")))
	cycle(9)
	if got := logs(); len(got) != 10 {
		t.Errorf("without: %s", got)
	}
}
