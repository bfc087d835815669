package vm_test

import (
	"fmt"
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/fleet"
)

func TestKeysWrittenByHand(t *testing.T) {
	k := start(t)
	k.rule("power.id-decimal", "power.actual-bases")
	vm := k.vm("a", fixed(-1, "0000:3b:00.0", "20b5", k.sys, 4318))
	k.accepted(k.reconfigure(vm, extra("pciPassthru0.id", "0000:3b:00.0")))
	k.refused(k.on(vm), onFault, "AH Failed to find a suitable device for pciPassthru0")
	if log := k.log(vm); !strings.Contains(log, "AH No device hints found") || !strings.Contains(log, "Failed to generate predicates for pciPassthru0---invalid VM configuration") {
		t.Errorf("log:\n%s", log)
	}
	k.accepted(k.reconfigure(vm, extra("pciPassthru0.id", "00000:059:00.0"), extra("pciPassthru.useActualBases", "TRUE")))
	k.refused(k.on(vm), onFault, "VERIFY bora/devices/pcipassthru/pciPassthru.c:871")
	k.accepted(k.reconfigure(vm, extra("pciPassthru.useActualBases", "")))
	k.accepted(k.on(vm))
}

func TestSlots(t *testing.T) {
	var list []fleet.Device
	for i := 0; i < 33; i++ {
		list = append(list, t4(fmt.Sprintf("0000:%02x:00.0", 0x30+i)))
	}
	k := start(t, cards(list...)...)
	k.rule("power.pcie-slots", "vm.card-limit")
	var nics, gpus []part
	for i := 0; i < 33; i++ {
		p := network("VM Network")
		nics = append(nics, part{p.order, strings.Replace(p.xml, "-110", fmt.Sprint(-110-i), 1)})
		gpus = append(gpus, dynamic(-200-i, "4318:7864"))
	}
	vm := k.vm("many", append([]part{val("version", "vmx-20")}, gpus...)...)
	k.refused(k.on(vm), onFault, "No PCIe slot available for SCSI0")
	k.accepted(k.reconfigure(vm, change("remove", "VirtualPCIPassthrough", 13000, "")))
	k.accepted(k.on(vm))
	k.refused(k.reconfigure(vm, nics[:11]...), "TooManyDevices", "at most 10")
	k.accepted(k.reconfigure(vm, nics[:10]...))
}

// The other sentences of the catalogue, each by its name.
func TestEveryFindingCanBeProvoked(t *testing.T) {
	k := startFleet(t, func(f *fleet.Fleet) {
		f.VMs = []fleet.VM{{Name: "a", Firmware: "efi", MemoryMB: 8192, MemoryLock: true, Devices: []string{"0000:3b:00.0"},
			ExtraConfig: map[string]string{"pciPassthru.use64bitMMIO": "TRUE", "pciPassthru.64bitMMIOSizeGB": "256"}}}
	}, cards(a100("0000:3b:00.0"))...)
	vm := k.c.Find("/DC0/vm/a")
	for code, want := range map[string]string{"map-mmio": "Failed to map MMIO", "bar-memory": "Failed to add BAR memory", "vgpu-iommu": "not allowed with VGPU",
		"slot-reservation": "failed to reserve slot", "not-passthrough": "Device 59:0.0 is not a passthrough device.", "mmio-error": "pciMmioError"} {
		k.Control(t, "POST", "/set", map[string]any{"vm": "a", "finding": code})
		k.refused(k.on(vm), onFault, want)
		if !strings.Contains(k.log(vm), want) {
			t.Errorf("%s is not in vmware.log", code)
		}
	}
	k.accepted(k.on(vm))
	for code, want := range map[string]string{"iommu-fault-host": "Device 0000:3b:00.0 Addr = 0xe0041000", "iommu-reason": "Reason = 0x5 -> PTE", "link-down": "PCIe link to the device is down",
		"domain-disabled": "Disable Domain for device 0000:3b:00.0", "device-released": "destroyed", "device-taken": "allocated for 0000:3b:00.0"} {
		k.Control(t, "POST", "/set", map[string]any{"vm": "a", "finding": code})
		if !strings.Contains(k.log(vm), want) {
			t.Errorf("%s is not in vmware.log", code)
		}
	}
	k.refused(k.c.Task("SuspendVM_Task", vm, ""), onFault)
	k.Control(t, "POST", "/set", map[string]any{"vm": "a", "finding": "iommu-fault"})
	k.until(vm, "runtime.powerState", "poweredOff")
	if log := k.log(vm); !strings.Contains(log, "device 0000:3b:00.0 caused an IOMMU fault type 5") || !strings.Contains(log, "[msg.pciPassthru.noSuspend.postedInterrupts]") {
		t.Errorf("log:\n%s", log)
	}
	k.accepted(k.on(vm))
}
