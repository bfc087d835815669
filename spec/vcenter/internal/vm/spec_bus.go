package vm

// spec_bus.go checks the devices of a VM against each other after a spec is applied:
// every disk and drive sits alone at its unit of a controller that is there, controllers of a
// kind differ by bus number, and there is one Trusted Platform Module at most.

import (
	"fmt"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/fault"
)

var (
	_ = rule("vm.device-type", "inferred", "inferred", "API reference: VirtualDeviceConfigSpec: the device of an edit is found by its key", "An edit names the type of the device that it edits.")
	_ = rule("vm.file-operation", "documented", "real", "API reference: VirtualDeviceConfigSpec.fileOperation, table of operations", "fileOperation is create or replace with an added disk, destroy with a removed one.")
	_ = rule("vm.device-unit", "documented", "real", "API reference: VirtualDevice.unitNumber; VMware configuration maximums",
		"A disk or drive has a unit of its controller to itself: IDE 2, SATA 30, NVMe 15, SCSI 16 (unit 7 is the controller's own; pvscsi 65 from hardware version 14).")
	_ = rule("vm.device-bus", "documented", "real", "API reference: VirtualController.busNumber; VMware configuration maximums", "Up to four controllers of a kind differ by bus number 0 to 3.")
	_ = rule("vm.controller-in-use", "inferred", "inferred", "API reference: VirtualController.device", "A controller is removed only together with its devices; those of the board cannot be removed.")
	_ = rule("vm.disk-shrink", "documented", "real", "API reference: VirtualDisk.capacityInKB: only to a larger size", "A disk can grow, but not shrink.")
	_ = rule("vm.tpm", "documented", "real", "vSphere security guide: vTPM needs EFI, hardware version 14 and a key provider; community.vmware#1075",
		"A vTPM needs EFI, hardware version 14 and a default key provider, and there is at most one; it is added and removed while powered off.")
)

// edited checks one change against its device.
func (v *vetting) edited(i int, d *types.VirtualDeviceConfigSpec, old types.BaseVirtualDevice) *fault.Error {
	_, disk := d.Device.(*types.VirtualDisk)
	switch op, file := d.Operation, d.FileOperation; {
	case file == "":
	case !disk:
		return badDevice(i, &types.InvalidDeviceSpec{}, "fileOperation %s is for disks", file)
	case file == types.VirtualDeviceConfigSpecFileOperationDestroy && op != types.VirtualDeviceConfigSpecOperationRemove,
		file != types.VirtualDeviceConfigSpecFileOperationDestroy && op != types.VirtualDeviceConfigSpecOperationAdd:
		return badDevice(i, &types.InvalidDeviceSpec{}, "fileOperation %s does not go with operation %s", file, op)
	}
	if d.Operation == types.VirtualDeviceConfigSpecOperationEdit {
		if !sameType(d.Device, old) {
			return badDevice(i, &types.InvalidDeviceSpec{}, "the device with the key %d is of another type", old.GetVirtualDevice().Key)
		}
		if was, ok := old.(*types.VirtualDisk); ok {
			if now := d.Device.(*types.VirtualDisk); now.CapacityInKB > 0 && now.CapacityInKB < was.CapacityInKB {
				return badDevice(i, &types.InvalidDeviceSpec{}, "the disk has %d KB and cannot shrink to %d", was.CapacityInKB, now.CapacityInKB)
			}
		}
	}
	if tpm, ok := d.Device.(*types.VirtualTPM); ok {
		return v.tpm(i, d.Operation, tpm)
	}
	return nil
}

func (v *vetting) tpm(i int, op types.VirtualDeviceConfigSpecOperation, _ *types.VirtualTPM) *fault.Error {
	if v.vm != nil && !v.vm.off() {
		return badDevice(i, &types.DeviceHotPlugNotSupported{}, "a vTPM cannot be changed while the VM runs")
	}
	if op != types.VirtualDeviceConfigSpecOperationAdd {
		return nil
	}
	if v.version < 14 {
		return badDevice(i, &types.DeviceUnsupportedForVmVersion{CurrentVersion: fmt.Sprintf("vmx-%02d", v.version), ExpectedVersion: "vmx-14"}, "a vTPM needs virtual hardware version 14")
	}
	if v.firmware != "efi" {
		return badDevice(i, &types.InvalidDeviceSpec{}, "a vTPM needs EFI firmware")
	}
	if v.r.keyProvider() == "" {
		return fault.New(&types.InvalidVmConfig{Property: "configSpec.crypto"}, "A vTPM needs a key provider, and this vCenter has no default one.")
	}
	return nil
}

// keyProvider is the default one, "" without.
func (r *Service) keyProvider() string {
	if r.w.Content.CryptoManager == nil {
		return ""
	}
	m, ok := r.w.Reg.Get(*r.w.Content.CryptoManager).(*simulator.CryptoManagerKmip)
	if !ok {
		return ""
	}
	for _, p := range m.KmipServers {
		if p.UseAsDefault {
			return p.ClusterId.Id
		}
	}
	return ""
}

// units is how many a controller has, and the one that it keeps for itself (-1: none).
func (v *vetting) units(c types.BaseVirtualDevice) (n, own int32) {
	switch c.(type) {
	case *types.ParaVirtualSCSIController:
		if v.version >= 14 {
			return 65, 7
		}
		return 16, 7
	case types.BaseVirtualSCSIController:
		return 16, 7
	case types.BaseVirtualSATAController:
		return 30, -1
	case *types.VirtualNVMEController:
		return 15, -1
	case *types.VirtualIDEController:
		return 2, -1
	}
	return 0, -1
}

// buses checks all devices after the changes.
func (v *vetting) buses(have object.VirtualDeviceList) *fault.Error {
	type one struct {
		d  types.BaseVirtualDevice
		at int // index of the change, -1 for a device that was there
	}
	var all []one
	for _, d := range have {
		all = append(all, one{d, -1})
	}
	find := func(key int32) int {
		for n := range all {
			if all[n].d.GetVirtualDevice().Key == key {
				return n
			}
		}
		return -1
	}
	for i, c := range v.spec.DeviceChange {
		d := c.GetVirtualDeviceConfigSpec()
		switch n := find(d.Device.GetVirtualDevice().Key); d.Operation {
		case types.VirtualDeviceConfigSpecOperationRemove:
			if n >= 0 {
				if k := all[n].d.GetVirtualDevice().Key; k < 1000 && k >= 100 && board(all[n].d) {
					return badDevice(i, &types.InvalidDeviceSpec{}, "a device of the board cannot be removed")
				}
				all = append(all[:n:n], all[n+1:]...)
			}
		case types.VirtualDeviceConfigSpecOperationEdit:
			if n >= 0 && d.Device.GetVirtualDevice().UnitNumber != nil {
				all[n] = one{d.Device, i}
			}
		default:
			all = append(all, one{d.Device, i})
		}
	}
	number, tpms := map[string]bool{}, 0
	controllers := map[int32]types.BaseVirtualDevice{}
	for _, x := range all {
		if _, ok := x.d.(*types.VirtualTPM); ok {
			if tpms++; tpms > 1 {
				return badDevice(max(x.at, 0), &types.InvalidDeviceSpec{}, "there is a vTPM already")
			}
		}
		bus, n, ok := busOf(x.d)
		if !ok {
			continue
		}
		controllers[x.d.GetVirtualDevice().Key] = x.d
		if bus == "ide" {
			continue
		}
		at := fmt.Sprint(bus, n)
		if x.at >= 0 && (n < 0 || n > 3) {
			return badDevice(x.at, &types.InvalidDeviceSpec{}, "the bus number %d is not in 0..3", n)
		}
		if number[at] {
			return badDevice(max(x.at, 0), &types.InvalidDeviceSpec{}, "there are two controllers of the bus %s", at)
		}
		number[at] = true
	}
	taken := map[string]bool{}
	for _, x := range all {
		switch x.d.(type) {
		case *types.VirtualDisk, *types.VirtualCdrom:
		default:
			continue
		}
		b := x.d.GetVirtualDevice()
		c := controllers[b.ControllerKey]
		if c == nil {
			if x.at < 0 && b.ControllerKey != 0 {
				return badDevice(0, &types.InvalidDeviceSpec{}, "the controller %d is in use by the device %d", b.ControllerKey, b.Key)
			}
			continue
		}
		if b.UnitNumber == nil {
			continue
		}
		if n, own := v.units(c); x.at >= 0 && n > 0 && (*b.UnitNumber < 0 || *b.UnitNumber >= n || *b.UnitNumber == own) {
			return badDevice(x.at, &types.InvalidDeviceSpec{}, "the controller has no unit %d for a device", *b.UnitNumber)
		}
		at := fmt.Sprint(b.ControllerKey, ":", *b.UnitNumber)
		if taken[at] {
			return badDevice(max(x.at, 0), &types.InvalidDeviceSpec{}, "the unit %d of the controller %d is taken", *b.UnitNumber, b.ControllerKey)
		}
		taken[at] = true
	}
	return nil
}

// board reports whether every VM has the device.
func board(d types.BaseVirtualDevice) bool {
	switch d.(type) {
	case *types.VirtualPCIController, *types.VirtualIDEController, *types.VirtualPS2Controller, *types.VirtualSIOController, *types.VirtualKeyboard,
		*types.VirtualPointingDevice:
		return true
	}
	return false
}
