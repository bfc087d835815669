package vm

// space.go: whether the disks of a copy fit on a datastore.

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/fault"
)

var _ = rule("vm.disk-space", "seen", "laxer: its free space shrinks with each disk, and a thin one takes what it holds; here the free space is that of the fleet file",
	"API reference: NoDiskSpace, thrown when an operation fails because of insufficient space on a datastore; github.com/Terraform-VMWare-Modules/terraform-vsphere-vm/issues/130: `Insufficient disk space on datastore 'PACKER'.` of a clone with thick disks, which thin ones did not have",
	"A clone or a move to a datastore without room for its disks is NoDiskSpace. A thick disk takes its capacity, a thin one half of it when a system is installed there, a linked one nothing.")

// needed are the bytes that a copy of the VM's disks takes.
func (vm *VM) needed() int64 {
	var thick, thin int64
	for _, d := range vm.Config.Hardware.Device {
		disk, ok := d.(*types.VirtualDisk)
		if !ok {
			continue
		}
		if b, ok := disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo); ok && isTrue(b.ThinProvisioned) {
			thin += disk.CapacityInKB << 10
		} else {
			thick += disk.CapacityInKB << 10
		}
	}
	if vm.guest.Info().OS == "" {
		return thick
	}
	return thick + thin/2 // an installed guest fills half of its volume
}

// room refuses a copy of the VM's disks that does not fit on a datastore.
func (r *Service) room(vm *VM, ref *types.ManagedObjectReference) *fault.Error {
	if ref == nil {
		return nil
	}
	ds, ok := r.w.Reg.Get(*ref).(*simulator.Datastore)
	if !ok || vm.needed() <= ds.Summary.FreeSpace {
		return nil
	}
	return fault.New(&types.NoDiskSpace{FileFault: types.FileFault{File: "[" + ds.Name + "]"}, Datastore: ds.Name}, "Insufficient disk space on datastore '%s'.", ds.Name)
}
