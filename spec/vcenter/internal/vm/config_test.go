package vm_test

import (
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vctest"
)

func TestChangeVersionGuardsAReconfigure(t *testing.T) {
	k := start(t)
	k.rule("vm.change-version")
	vm := k.vm("a")
	old := k.get(vm, "config.changeVersion")
	k.accepted(k.reconfigure(vm, val("changeVersion", old), val("numCPUs", "8")))
	if now := k.get(vm, "config.changeVersion"); now == old || now == "" {
		t.Fatalf("changeVersion stayed %s", now)
	}
	k.refused(k.reconfigure(vm, val("changeVersion", old), val("numCPUs", "2")), "ConcurrentAccess")
	if n := k.get(vm, "config.hardware.numCPU"); n != "8" {
		t.Errorf("numCPU %s", n)
	}
}

func TestFirmware(t *testing.T) {
	k := start(t)
	k.rule("vm.firmware-enum", "vm.firmware-off", "vm.secure-boot")
	vm := k.vm("a")
	k.refused(k.reconfigure(vm, val("firmware", "uefi")), "InvalidArgument", "firmware")
	k.accepted(k.reconfigure(vm, val("firmware", "bios")))
	if got := k.get(vm, "config.firmware"); got != "bios" {
		t.Errorf("firmware %s", got)
	}
	secure := field("bootOptions", "<bootOptions><efiSecureBootEnabled>true</efiSecureBootEnabled></bootOptions>")
	k.refused(k.reconfigure(vm, secure), "InvalidVmConfig", "Secure Boot")
	k.accepted(k.reconfigure(vm, secure, val("firmware", "efi")))
	k.accepted(k.on(vm))
	k.refused(k.reconfigure(vm, val("firmware", "bios")), "InvalidPowerState")
	k.accepted(k.reconfigure(vm, val("firmware", "efi")))
}

func TestMemory(t *testing.T) {
	k := start(t)
	k.rule("vm.memory-multiple", "vm.memory-lock", "vm.memory-lock-conflict", "vm.reservation-range")
	vm := k.vm("a")
	if got := k.get(vm, "config.memoryAllocation.reservation"); got != "8192" {
		t.Errorf("the lock reserves %s", got)
	}
	k.refused(k.reconfigure(vm, val("memoryMB", "8193")), "InvalidArgument", "memoryMB")
	k.accepted(k.reconfigure(vm, val("memoryMB", "8196")))
	if got := k.get(vm, "config.memoryAllocation.reservation"); got != "8196" {
		t.Errorf("the reservation does not follow: %s", got)
	}
	k.refused(k.reconfigure(vm, memory("4096", "")), "InvalidArgument", "spec.memoryAllocation.reservation")
	k.accepted(k.reconfigure(vm, memory("8196", "-1")))
	k.refused(k.reconfigure(vm, memory("", "4096")), "InvalidArgument", "spec.memoryAllocation.limit")
	k.accepted(k.reconfigure(vm, val("memoryReservationLockedToMax", "false"), memory("4096", "8196")))
	k.refused(k.reconfigure(vm, memory("9000", "")), "InvalidArgument", "spec.memoryAllocation.reservation")
	expandable := k.get(vm, "config.memoryAllocation.expandableReservation")
	k.accepted(k.reconfigure(vm, memory("8196", "")))
	if got := k.get(vm, "config.memoryAllocation.expandableReservation"); got != expandable {
		t.Errorf("a field that is not set was changed: expandableReservation %s -> %s", expandable, got)
	}
}

func TestSwitchesThatPassthroughExcludes(t *testing.T) {
	k := start(t)
	k.rule("vm.nested-hv", "vm.hot-add-conflict")
	vm := k.vm("a")
	k.accepted(k.reconfigure(vm, val("nestedHVEnabled", "true")))
	k.refused(k.reconfigure(vm, fixed(-1, "0000:3b:00.0", "20b5", k.sys, 4318)), "GenericVmConfigFault", "Nested Hardware-Assisted Virtualization")
	k.accepted(k.reconfigure(vm, val("nestedHVEnabled", "false"), val("cpuHotAddEnabled", "true")))
	k.refused(k.reconfigure(vm, fixed(-1, "0000:3b:00.0", "20b5", k.sys, 4318)), "InvalidVmConfig", "CPU hot add")
	k.accepted(k.reconfigure(vm, val("cpuHotAddEnabled", "false"), fixed(-1, "0000:3b:00.0", "20b5", k.sys, 4318)))
	k.refused(k.reconfigure(vm, val("memoryHotAddEnabled", "true")), "InvalidVmConfig", "Memory hot add")
	k.refused(k.reconfigure(vm, val("nestedHVEnabled", "true")), "GenericVmConfigFault")
	k.accepted(k.reconfigure(vm, val("memoryHotAddEnabled", "false")))
}

func TestFixedBacking(t *testing.T) {
	k := start(t)
	k.rule("vm.passthrough-id", "vm.passthrough-system-id", "vm.passthrough-twice", "vm.device-keys")
	vm := k.vm("a")
	const id = "0000:3b:00.0"
	for name, p := range map[string]part{
		"no such device":       fixed(-1, "0000:3c:00.0", "20b5", k.sys, 4318),
		"wrong vendor":         fixed(-1, id, "20b5", k.sys, 4098),
		"wrong device id":      fixed(-1, id, "20b2", k.sys, 4318),
		"sign-extended id":     fixed(-1, id, "ffff20b5", k.sys, 4318),
		"a decimal id":         fixed(-1, id, "8373", k.sys, 4318),
		"another host's id":    fixed(-1, id, "20b5", "0e442005-99ce-5fe4-914d-8ecfda358191", 4318),
		"an empty system id":   fixed(-1, id, "20b5", "", 4318),
		"a device not capable": fixed(-1, "0000:00:00.0", "09a2", k.sys, -32634),
	} {
		r := k.reconfigure(vm, p)
		if r.Fault != "InvalidDeviceBacking" {
			t.Errorf("%s: %s %s %s", name, r.State, r.Fault, r.Message)
		}
	}
	two := k.reconfigure(vm, fixed(-1, id, "20b5", k.sys, 4318), fixed(-2, id, "20b5", k.sys, 4318))
	k.refused(two, "InvalidDeviceSpec", "in this VM already")
	k.refused(k.reconfigure(vm, fixed(-1, id, "20b5", k.sys, 4318), fixed(-1, "0000:86:00.0", "20b5", k.sys, 4318)), "InvalidDeviceSpec", "two new devices")
	// the four accepted spellings
	for _, text := range []string{"20b5", "0x20B5", "20B5", ""} {
		k.accepted(k.reconfigure(vm, fixed(-1, id, text, k.sys, 4318)))
		k.accepted(k.reconfigure(vm, change("remove", "VirtualPCIPassthrough", 13000, "")))
	}
	k.accepted(k.reconfigure(vm, fixed(-1, id, "20b5", "BYPASS", 4318), fixed(-2, "0000:86:00.0", "20b5", k.sys, 4318)))
	devices := k.get(vm, "config.hardware.device")
	if !strings.Contains(devices, "<key>13000</key>") || !strings.Contains(devices, "<key>13001</key>") || !strings.Contains(devices, "<label>PCI device 1</label>") {
		t.Errorf("devices: %s", devices)
	}
}

func TestIdsAbove0x8000(t *testing.T) {
	k := start(t, cards(fleet.Device{Address: "0000:af:00.0", Vendor: "8086", Device: "a7c0", Name: "Accelerator", Class: "1200", BARs: []string{"16M:64"}})...)
	vm := k.vm("a")
	k.refused(k.reconfigure(vm, fixed(-1, "0000:af:00.0", "a7c0", k.sys, 32634)), "InvalidDeviceBacking")
	k.refused(k.reconfigure(vm, fixed(-1, "0000:af:00.0", "-22592", k.sys, -32634)), "InvalidDeviceBacking")
	k.accepted(k.reconfigure(vm, fixed(-1, "0000:af:00.0", "a7c0", k.sys, -32634)))
}

func TestDynamicBacking(t *testing.T) {
	k := start(t)
	k.rule("vm.dynamic-version", "vm.dynamic-allowed")
	old := k.vm("old", val("version", "vmx-15"))
	k.refused(k.reconfigure(old, dynamic(-1, "4318:8373")), "DeviceUnsupportedForVmVersion", "vmx-17")
	vm := k.vm("new", val("version", "vmx-17"))
	k.refused(k.reconfigure(vm, dynamic(-1)), "InvalidDeviceBacking", "allowedDevice")
	k.refused(k.reconfigure(vm, dynamic(-1, "-28416:8373")), "InvalidDeviceBacking", "0..65535")
	k.accepted(k.reconfigure(vm, dynamic(-1, "4318:8373")))
}

func TestDeviceLimit(t *testing.T) {
	k := start(t)
	k.rule("vm.device-limit")
	vm := k.vm("a", val("version", "vmx-19"))
	var parts []part
	for i := 0; i < 17; i++ {
		parts = append(parts, dynamic(-1-i, "4318:8373"))
	}
	k.refused(k.reconfigure(vm, parts...), "TooManyDevices", "at most 16")
	k.accepted(k.reconfigure(vm, parts[:16]...))
	newer := k.vm("b", val("version", "vmx-20"))
	k.accepted(k.reconfigure(newer, parts...))
}

func TestHotAddOfACard(t *testing.T) {
	k := start(t)
	k.rule("vm.passthrough-hot-add")
	vm := k.vm("a")
	k.accepted(k.on(vm))
	k.refused(k.reconfigure(vm, fixed(-1, "0000:3b:00.0", "20b5", k.sys, 4318)), "DeviceHotPlugNotSupported")
	k.accepted(k.c.Task("PowerOffVM_Task", vm, ""))
	k.accepted(k.reconfigure(vm, fixed(-1, "0000:3b:00.0", "20b5", k.sys, 4318)))
}

func TestDevices(t *testing.T) {
	k := start(t)
	k.rule("vm.device-unknown", "vm.device-concrete", "vm.cdrom-iso", "vm.network", "vm.disk", "vm.video-card")
	vm := k.vm("a")
	k.refused(k.reconfigure(vm, change("remove", "VirtualPCIPassthrough", 13000, "")), "InvalidDeviceSpec", "no device with the key 13000")
	a := k.c.Call("ReconfigVM_Task", vm, `<spec><deviceChange><operation>add</operation><device xsi:type="VirtualDevice"><key>-1</key></device></deviceChange></spec>`)
	if a.Status == 200 {
		k.refused(k.c.Wait("Task:"+a.Text("returnval")), "InvalidDeviceSpec", "no concrete type")
	}
	k.accepted(k.reconfigure(vm, cd(-1, 0, "[ds-1] iso/none.iso"))) // it may come until the VM starts
	k.accepted(k.reconfigure(vm, change("remove", "VirtualCdrom", 3000, "")))
	k.refused(k.reconfigure(vm, cd(-1, 0, "[nowhere] iso/windows-2022.iso")), "FileNotFound")
	k.accepted(k.reconfigure(vm, cd(-1, 0, "[ds-1] iso/windows-2022.iso"), cd(-2, 1, "[] /vmimages/tools-isoimages/windows.iso")))
	k.refused(k.reconfigure(vm, network("VM Netwerk")), "InvalidDeviceBacking", "VM Netwerk")
	at3 := network("VM Network")
	at3.xml = strings.Replace(at3.xml, "</backing>", "</backing><controllerKey>100</controllerKey><unitNumber>3</unitNumber>", 1)
	k.refused(k.reconfigure(vm, at3), "InvalidDeviceSpec", "unit 7 to 16")
	k.accepted(k.reconfigure(vm, network("VM Network")))
	d := disk("ParaVirtualSCSIController")
	k.refused(k.reconfigure(vm, d[1]), "InvalidDeviceSpec", "no controller")
	zero := part{d[1].order, strings.Replace(d[1].xml, "<capacityInKB>41943040<", "<capacityInKB>0<", 1)}
	k.refused(k.reconfigure(vm, d[0], zero), "InvalidDeviceSpec", "capacity")
	k.accepted(k.reconfigure(vm, d...))
	video := func(renderer string) part {
		return change("edit", "VirtualMachineVideoCard", 500, "<videoRamSizeInKB>8192</videoRamSizeInKB><numDisplays>1</numDisplays>"+
			"<useAutoDetect>false</useAutoDetect><enable3DSupport>false</enable3DSupport><use3dRenderer>"+renderer+"</use3dRenderer>")
	}
	if r := k.c.Call("ReconfigVM_Task", vm, "<spec>"+spec(video("fast"))+"</spec>"); r.Status == 200 {
		k.refused(k.c.Wait("Task:"+r.Text("returnval")), "InvalidArgument", "use3dRenderer")
	}
	k.accepted(k.reconfigure(vm, video("software")))
	k.accepted(k.on(vm))
	k.refused(k.reconfigure(vm, video("automatic")), "InvalidPowerState")
	k.refused(k.reconfigure(vm, change("edit", "VirtualCdrom", 3000, `<backing xsi:type="VirtualCdromIsoBackingInfo"><fileName>[ds-1] iso/none.iso</fileName></backing>`+
		"<connectable><startConnected>true</startConnected><allowGuestControl>true</allowGuestControl><connected>true</connected></connectable><controllerKey>200</controllerKey><unitNumber>0</unitNumber>")), "FileNotFound", "none.iso")
}

func TestExtraConfigMerges(t *testing.T) {
	k := start(t)
	k.rule("vm.extra-config")
	vm := k.vm("a")
	read := func() string { return k.get(vm, "config.extraConfig") }
	k.accepted(k.reconfigure(vm, extra("pciPassthru.64bitMMIOSizeGB", "256"), extra("hypervisor.cpuid.v0", "FALSE"), extra("nothing.new", "")))
	if x := read(); !strings.Contains(x, ">256<") || strings.Contains(x, ">512<") || !strings.Contains(x, "hypervisor.cpuid.v0") || strings.Contains(x, "nothing.new") {
		t.Errorf("merged: %s", x)
	}
	k.accepted(k.reconfigure(vm, extra("HYPERVISOR.cpuid.v0", ""), extra("firmware", "bios"), extra("memsize", "4")))
	if x := read(); strings.Contains(x, "cpuid") || strings.Contains(x, "memsize") {
		t.Errorf("after removal: %s", x)
	}
	if f := k.get(vm, "config.firmware"); f != "efi" {
		t.Errorf("a reserved key changed the firmware: %s", f)
	}
	bad := field("extraConfig", `<extraConfig xsi:type="OptionValue"><key>pciPassthru.64bitMMIOSizeGB</key><value xsi:type="xsd:int">128</value></extraConfig>`)
	k.refused(k.reconfigure(vm, bad), "InvalidArgument", "extraConfig")
	k.accepted(k.reconfigure(vm, extra("pciPassthru.64bitMMIOSizeGB", "128")))
}

func TestNamesVersionsAndGuestIds(t *testing.T) {
	k := start(t)
	k.rule("vm.guest-id", "vm.version", "vm.name")
	base := []part{files(), val("memoryMB", "4096"), val("numCPUs", "2")}
	k.refused(k.create(append(base, val("name", "a"), val("guestId", "ubuntuGuest99"))...), "InvalidArgument", "guestId")
	k.refused(k.create(append(base, val("name", "a"), val("version", "vmx-99"))...), "VirtualHardwareVersionNotSupported")
	k.accepted(k.create(append(base, val("name", "a"), val("guestId", "ubuntu64Guest"), val("version", "vmx-21"))...))
	k.refused(k.create(append(base, val("name", "a"))...), "DuplicateName")
	k.refused(k.create(append(base, val("name", strings.Repeat("x", 81)))...), "InvalidName")
	vm := k.c.Find("/DC0/vm/a")
	k.refused(k.reconfigure(vm, val("version", "vmx-20")), "InvalidArgument", "version")
	if v := k.get(vm, "config.version"); v != "vmx-21" {
		t.Errorf("version %s", v)
	}
}

func TestChangesWhileRunning(t *testing.T) {
	k := start(t)
	k.rule("vm.powered-on-change", "vm.destroy-on")
	vm := k.vm("a", val("cpuHotAddEnabled", "true"))
	k.accepted(k.on(vm))
	k.accepted(k.reconfigure(vm, val("numCPUs", "8")))
	k.refused(k.reconfigure(vm, val("memoryMB", "16384")), "MemoryHotPlugNotSupported")
	k.refused(k.reconfigure(vm, val("nestedHVEnabled", "true")), "InvalidPowerState")
	k.refused(k.c.Task("Destroy_Task", vm, ""), "InvalidPowerState")
	k.accepted(k.c.Task("PowerOffVM_Task", vm, ""))
	k.accepted(k.reconfigure(vm, val("memoryMB", "16384"), val("cpuHotAddEnabled", "false")))
	k.accepted(k.on(vm))
	k.refused(k.reconfigure(vm, val("numCPUs", "4")), "CpuHotPlugNotSupported")
	k.accepted(k.c.Task("PowerOffVM_Task", vm, ""))
	k.accepted(k.c.Task("Destroy_Task", vm, ""))
}

func TestPlacement(t *testing.T) {
	k := startFleet(t, func(f *fleet.Fleet) {
		f.Clusters = append(f.Clusters, fleet.Cluster{Name: "gpu-b", DRS: "off", Hosts: []fleet.Host{{Name: "esx-b-1"}, {Name: "esx-b-2", Maintenance: true}}})
	}, cards(a100("0000:3b:00.0"))...)
	k.rule("vm.place-host")
	body := func(name, pool, host string) string {
		x := "<config>" + spec(val("name", name), files(), val("memoryMB", "4096"), val("numCPUs", "1")) + "</config>" + vctest.Ref("pool", pool)
		if host != "" {
			x += vctest.Ref("host", host)
		}
		return x
	}
	cluster := k.c.Find("/DC0/host/gpu-b")
	pool := "ResourcePool:" + k.c.Get(cluster, "resourcePool")["resourcePool"]
	k.refused(k.c.Task("CreateVM_Task", k.folder(), body("a", pool, k.host)), "InvalidArgument", "host")
	k.refused(k.c.Task("CreateVM_Task", k.folder(), body("a", pool, "")), "InvalidArgument", "host")
	k.accepted(k.c.Task("CreateVM_Task", k.folder(), body("a", pool, k.c.Find("/DC0/host/gpu-b/esx-b-1"))))
	k.accepted(k.c.Task("CreateVM_Task", k.folder(), body("b", k.pool, "")))
	if h := "HostSystem:" + k.get(k.c.Find("/DC0/vm/b"), "runtime.host"); h != k.host {
		t.Errorf("b is on %s", h)
	}
}

func TestCloneKeepsWhatMatters(t *testing.T) {
	k := start(t)
	k.rule("vm.clone-keeps", "vm.clone-running-passthrough")
	vm := k.vm("gold", append(disk("VirtualLsiLogicSASController"), network("VM Network"), fixed(-1, "0000:3b:00.0", "20b5", k.sys, 4318))...)
	body := func(name, config string) string {
		return vctest.Ref("folder", k.folder()) + "<name>" + name + "</name><spec><location>" + vctest.Ref("pool", k.pool) + "</location><template>false</template>" +
			config + "<powerOn>false</powerOn></spec>"
	}
	k.accepted(k.on(vm))
	k.refused(k.c.Task("CloneVM_Task", vm, body("copy", "")), "InvalidState")
	k.accepted(k.c.Task("PowerOffVM_Task", vm, ""))
	k.accepted(k.c.Task("CloneVM_Task", vm, body("copy", "<config>"+spec(val("numCPUs", "2"), extra("pciPassthru.64bitMMIOSizeGB", "1024"))+"</config>")))
	c := k.c.Find("/DC0/vm/copy")
	got := k.c.Get(c, "config.firmware", "config.memoryReservationLockedToMax", "config.memoryAllocation.reservation", "config.extraConfig",
		"config.hardware.numCPU", "config.hardware.device")
	if got["config.firmware"] != "efi" || got["config.memoryReservationLockedToMax"] != "true" || got["config.memoryAllocation.reservation"] != "8192" ||
		got["config.hardware.numCPU"] != "2" || !strings.Contains(got["config.extraConfig"], ">1024<") ||
		!strings.Contains(got["config.hardware.device"], "VirtualPCIPassthrough") {
		t.Errorf("the clone: %v", got)
	}
	if x := k.get(vm, "config.extraConfig"); strings.Contains(x, ">1024<") {
		t.Error("the clone's key reached its source")
	}
}

func TestPlacementAndDisksOfAClone(t *testing.T) {
	k := startFleet(t, func(f *fleet.Fleet) {
		f.Clusters[0].Hosts = append(f.Clusters[0].Hosts, fleet.Host{Name: "esx-a-2"})
		f.Clusters = append(f.Clusters, fleet.Cluster{Name: "gpu-b", Datastores: []string{"ds-2"}, Hosts: []fleet.Host{{Name: "esx-b-1"}}})
		f.Datastores = append(f.Datastores, fleet.Datastore{Name: "ds-2"})
	})
	k.rule("vm.clone-place", "vm.clone-linked", "vm.clone-template")
	gold := k.vm("gold", append(disk("VirtualLsiLogicSASController"), network("VM Network"))...)
	clone := func(name, location, rest string) vctest.Result {
		return k.c.Task("CloneVM_Task", gold, vctest.Ref("folder", k.folder())+"<name>"+name+"</name><spec><location>"+location+"</location>"+rest+"</spec>")
	}
	pool, plain := vctest.Ref("pool", k.pool), "<template>false</template><powerOn>false</powerOn>"
	b := vctest.Ref("host", k.c.Find("/DC0/host/gpu-b/esx-b-1"))
	poolB := vctest.Ref("pool", "ResourcePool:"+k.c.Get(k.c.Find("/DC0/host/gpu-b"), "resourcePool")["resourcePool"])
	ds2 := vctest.Ref("datastore", k.c.Find("/DC0/datastore/ds-2"))
	k.refused(clone("a", b, plain), "InvalidArgument", "spec.location.pool")
	k.refused(clone("a", pool+b, plain), "InvalidArgument", "host")
	k.refused(clone("a", poolB+b, plain), "InaccessibleDatastore", "esx-b-1")
	k.accepted(clone("a", ds2+poolB+b, plain))
	if p := k.get(k.c.Find("/DC0/vm/a"), "config.files.vmPathName"); p != "[ds-2] a/a.vmx" {
		t.Errorf("the clone is at %s", p)
	}
	k.refused(clone("l", "<diskMoveType>nonsense</diskMoveType>"+pool, plain), "InvalidArgument", "diskMoveType")
	k.refused(clone("l", "<diskMoveType>createNewChildDiskBacking</diskMoveType>"+pool, plain), "InvalidArgument", "spec.snapshot")
	k.accepted(k.c.Task("CreateSnapshot_Task", gold, "<name>s</name><memory>false</memory><quiesce>false</quiesce>"))
	a := vctest.Answer{Body: "<x>" + k.get(gold, "snapshot") + "</x>"}
	snap := vctest.Ref("snapshot", "VirtualMachineSnapshot:"+a.Text("currentSnapshot"))
	linked := "<template>false</template><powerOn>false</powerOn>" + snap
	k.accepted(clone("l", "<diskMoveType>createNewChildDiskBacking</diskMoveType>"+pool, linked))
	if d := k.get(k.c.Find("/DC0/vm/l"), "config.hardware.device"); !strings.Contains(d, "<parent><fileName>[ds-1] gold/gold.vmdk</fileName>") {
		t.Errorf("the linked disk: %s", d)
	}
	k.refused(k.c.Task("CloneVM_Task", k.c.Find("/DC0/vm/l"), vctest.Ref("folder", k.folder())+"<name>m</name><spec><location>"+pool+"</location>"+linked+"</spec>"), "InvalidArgument", "spec.snapshot")

	// a template, with changes of its devices at the same time
	k.accepted(clone("tpl", "<deviceChange><operation>remove</operation><device xsi:type=\"VirtualVmxnet3\"><key>4000</key></device></deviceChange>",
		"<template>true</template><config>"+spec(val("numCPUs", "2"))+"</config><powerOn>true</powerOn>"))
	tpl := k.c.Find("/DC0/vm/tpl")
	got := k.c.Get(tpl, "config.template", "summary.config.template", "resourcePool", "runtime.powerState", "config.hardware.numCPU", "config.hardware.device")
	if got["config.template"] != "true" || got["summary.config.template"] != "true" || got["resourcePool"] != "" || got["runtime.powerState"] != "poweredOff" ||
		got["config.hardware.numCPU"] != "2" || strings.Contains(got["config.hardware.device"], "Vmxnet3") {
		t.Errorf("the template: %v", got)
	}
	k.rule("vm.template-change")
	k.refused(k.on(tpl), "NotSupported")
	k.refused(k.reconfigure(tpl, val("numCPUs", "4")), "NotSupported")
	k.refused(k.reconfigure(tpl, extra("a.b", "c")), "NotSupported") // govc's own suite, vm.markastemplate: a template takes a name and an annotation only
	k.c.Refused(k.c.Call("MarkAsTemplate", tpl, ""), "NotSupported")
	k.rule("vm.snapshot-template")
	const taken = "<name>s</name><memory>false</memory><quiesce>false</quiesce>"
	k.refused(k.c.Task("CreateSnapshot_Task", tpl, taken), "NotSupported")
	k.refused(k.c.Task("CreateSnapshotEx_Task", tpl, "<name>s</name><memory>false</memory>"), "NotSupported")
	if got := k.get(tpl, "snapshot"); got != "" {
		t.Errorf("the template has a snapshot: %s", got)
	}
	k.c.Must("MarkAsVirtualMachine", tpl, pool)
	k.accepted(k.c.Task("CreateSnapshot_Task", tpl, taken))
	k.c.Must("MarkAsTemplate", tpl, "")
	k.refused(k.c.Task("RevertToCurrentSnapshot_Task", tpl, ""), "NotSupported")
	if got := k.get(tpl, "snapshot"); got == "" {
		t.Error("the snapshot of the VM is gone with its mark as a template")
	}
	k.c.Must("MarkAsVirtualMachine", tpl, pool)
	k.accepted(k.on(tpl))
	k.c.Refused(k.c.Call("MarkAsTemplate", tpl, ""), "InvalidPowerState")
	k.accepted(k.c.Task("PowerOffVM_Task", tpl, ""))
	k.c.Must("MarkAsTemplate", tpl, "")
}

func TestLabelsOfADynamicBacking(t *testing.T) {
	red, blue := a100("0000:3b:00.0"), a100("0000:86:00.0")
	red.Label, blue.Label = "red", "blue"
	k := start(t, cards(red, blue)...)
	k.rule("power.dynamic-free")
	labelled := func(label string) part {
		p := dynamic(-1, "4318:8373")
		p.xml = strings.Replace(p.xml, "</backing>", "<customLabel>"+label+"</customLabel></backing>", 1)
		return p
	}
	b, c := k.vm("b", labelled("blue")), k.vm("c", labelled("green"))
	k.refused(k.on(c), onFault, "No device of an allowed kind")
	k.accepted(k.on(b))
	if d := k.get(b, "config.hardware.device"); !strings.Contains(d, "<assignedId>0000:86:00.0</assignedId>") {
		t.Errorf("the card with the label: %s", d)
	}
	k.refused(k.on(k.vm("d", labelled("blue"))), onFault, "No device of an allowed kind")
	k.accepted(k.on(k.vm("e", labelled("red"))))
}
