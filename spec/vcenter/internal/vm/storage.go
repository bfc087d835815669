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
	for _, d := range vm.Config.Hardware.Device {
		if disk, ok := d.(*types.VirtualDisk); ok {
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
			l.File[i].Size, l.File[i].UniqueSize = size, size
			break
		}
	}
	vm.LayoutEx = &l
}
