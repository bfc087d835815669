package vm

// storage.go: how much a VM uses on its datastore. vCenter brings it up to date from time to time, and on request.

import (
	"slices"

	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/rules"
)

var _ = rules.Add(rules.Rule{ID: "vm.storage-info", Sure: "documented", As: "real", Source: "API reference: VirtualMachine.RefreshStorageInfo (\"Explicitly refreshes the storage information of this virtual machine, updating properties storage, layoutEx and summary.storage\"), VirtualMachineFileLayoutExFileInfo.size, VirtualDiskFlatVer2BackingInfo.thinProvisioned",
	Text: "layoutEx has the sizes of a VM's files as of the last refresh: a thin disk has what the guest has written, another its whole capacity."})

func (r *Service) registerStorage() {
	r.s.Handle("RefreshStorageInfo", func(c *api.Call) (any, *fault.Error) {
		vm, e := r.of(c.This)
		if e != nil {
			return nil, e
		}
		vm.measured()
		r.w.Touch(vm.Self)
		return nil, nil
	}, api.ReadOnly())
}

// measured brings the extents of the first disk up to date.
func (vm *VM) measured() {
	if vm.LayoutEx == nil {
		return
	}
	size := vm.guest.Info().Written
	var datastore *types.ManagedObjectReference
	for _, d := range vm.Config.Hardware.Device {
		if disk, ok := d.(*types.VirtualDisk); ok {
			datastore = disk.Backing.(types.BaseVirtualDeviceFileBackingInfo).GetVirtualDeviceFileBackingInfo().Datastore
			b, ok := disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
			if ok && (b.ThinProvisioned == nil || !*b.ThinProvisioned) {
				size = disk.CapacityInBytes
			}
			break
		}
	}
	l := *vm.LayoutEx
	l.File = slices.Clone(l.File)
	for i := range l.File {
		if l.File[i].Type == string(types.VirtualMachineFileLayoutExFileTypeDiskExtent) {
			vm.used(datastore, size-l.File[i].Size)
			l.File[i].Size, l.File[i].UniqueSize = size, size
			break
		}
	}
	vm.LayoutEx = &l
}

// used adds what a file has grown by to what the VM uses on the file's datastore.
func (vm *VM) used(datastore *types.ManagedObjectReference, grown int64) {
	if grown == 0 || vm.Storage == nil || vm.Summary.Storage == nil || datastore == nil {
		return
	}
	usage, sum := slices.Clone(vm.Storage.PerDatastoreUsage), *vm.Summary.Storage
	for i := range usage {
		if usage[i].Datastore == *datastore {
			usage[i].Committed, usage[i].Unshared, usage[i].Uncommitted = usage[i].Committed+grown, usage[i].Unshared+grown, usage[i].Uncommitted-grown
			sum.Committed, sum.Unshared = sum.Committed+grown, sum.Unshared+grown
		}
	}
	vm.Storage = &types.VirtualMachineStorageInfo{PerDatastoreUsage: usage, Timestamp: vm.Storage.Timestamp}
	vm.Summary.Storage = &sum
}
