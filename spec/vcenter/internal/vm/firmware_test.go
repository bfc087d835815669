package vm_test

// firmware_test.go: a VM's card stays in its configuration when the BIOS settings of its host
// change; the next power-on fails.

import (
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vctest"
)

func TestPowerOnAfterTheHostsFirmwareChanged(t *testing.T) {
	for _, name := range []string{"iommu", "above_4g"} {
		k := start(t)
		k.rule("power.device-active")
		vm := k.vm("a", fixed(-1, "0000:3b:00.0", "20b5", k.sys, 4318))
		k.accepted(k.on(vm))
		k.accepted(k.c.Task("PowerOffVM_Task", vm, ""))
		boot := func(on bool) {
			k.Control(t, "POST", "/set", map[string]any{"host": "esx-a-1", name: on})
			before := k.get(k.host, "runtime.bootTime")
			k.accepted(k.c.Task("EnterMaintenanceMode_Task", k.host, "<timeout>0</timeout>"))
			k.accepted(k.c.Task("RebootHost_Task", k.host, "<force>false</force>"))
			vctest.Eventually(t, "the boot", func() bool {
				return k.get(k.host, "runtime.bootTime") != before && k.get(k.host, "runtime.connectionState") == "connected"
			})
			k.accepted(k.c.Task("ExitMaintenanceMode_Task", k.host, "<timeout>0</timeout>"))
		}
		boot(false)
		k.refused(k.on(vm), onFault, "Device 59:0.0 is not a passthrough device.")
		if log := k.log(vm); !strings.Contains(log, "Device 59:0.0 is not a passthrough device.") || !strings.Contains(log, "Module 'DevicePowerOn' power on failed.") {
			t.Errorf("%s: vmware.log:\n%s", name, log)
		}
		boot(true)
		k.accepted(k.on(vm))
	}
}

// A fleet file may describe a VM whose host has lost its IOMMU since.
func TestAFleetAfterABIOSUpdate(t *testing.T) {
	off := false
	k := startFleet(t, func(f *fleet.Fleet) {
		f.Clusters[0].Hosts[0].IOMMU = &off
		f.VMs = append(f.VMs, fleet.VM{Name: "desk", Host: "esx-a-1", Firmware: "efi", MemoryMB: 4096, MemoryLock: true, Devices: []string{"0000:3b:00.0"}})
	})
	k.refused(k.on(k.c.Find("/DC0/vm/desk")), onFault, "Device 59:0.0 is not a passthrough device.")
}

func TestACardOnAHostWithoutIOMMUIsNotAdded(t *testing.T) {
	off := false
	with := func(iommu *bool) *kit {
		return startFleet(t, func(f *fleet.Fleet) { f.Clusters[0].Hosts[0].IOMMU = iommu })
	}
	k := with(&off)
	k.rule("host.iommu-off")
	one := fixed(-1, "0000:3b:00.0", "20b5", k.sys, 4318)
	k.refused(k.reconfigure(k.vm("a"), one), "InvalidDeviceBacking")
	k = with(nil)
	k.accepted(k.reconfigure(k.vm("a"), one))
}
