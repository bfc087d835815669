package vm

// storage.go: how much a VM uses on its datastore. vCenter brings it up to date from time to time, and on request.

import (
	"slices"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/guest"
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
	size := vm.guest.Info().Written
	for _, d := range vm.Config.Hardware.Device {
		if disk, ok := d.(*types.VirtualDisk); ok {
			if size == guest.Full {
				size = disk.CapacityInBytes
			} else {
				size = min(size, disk.CapacityInBytes/2) // as in vm.disk-space: a guest fills half of a small volume
			}
			b, ok := disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
			if ok && (b.ThinProvisioned == nil || !*b.ThinProvisioned) {
				size = disk.CapacityInBytes
			}
			break
		}
	}
	done := false
	vm.sizes(func(f types.VirtualMachineFileLayoutExFileInfo) (int64, bool) {
		first := !done && f.Type == string(types.VirtualMachineFileLayoutExFileTypeDiskExtent)
		done = done || first
		return size, first
	})
}

// sized updates the size of a file in layoutEx.
func (vm *VM) sized(name string, size int64) {
	vm.sizes(func(f types.VirtualMachineFileLayoutExFileInfo) (int64, bool) { return size, f.Name == name })
}

// sizes gives files in layoutEx another size, and storage and its summary what follows from that.
func (vm *VM) sizes(of func(types.VirtualMachineFileLayoutExFileInfo) (int64, bool)) {
	if vm.LayoutEx == nil {
		return
	}
	l := *vm.LayoutEx
	l.File = slices.Clone(l.File)
	for i := range l.File {
		if size, ok := of(l.File[i]); ok {
			l.File[i].Size, l.File[i].UniqueSize = size, size
		}
	}
	vm.LayoutEx = &l
	vm.summed()
}

// summed adds the sizes in layoutEx up: committed are all files, unshared those of disks, uncommitted is what thin disks
// may still grow by.
func (vm *VM) summed() {
	if vm.Storage == nil {
		return
	}
	info := types.VirtualMachineStorageInfo{Timestamp: vm.Storage.Timestamp}
	sum := types.VirtualMachineStorageSummary{Timestamp: vm.Storage.Timestamp}
	for _, ref := range vm.Datastore {
		ds, ok := vm.service.w.Reg.Get(ref).(*simulator.Datastore)
		if !ok {
			continue
		}
		u := types.VirtualMachineUsageOnDatastore{Datastore: ref}
		for _, d := range vm.Config.Hardware.Device {
			if disk, ok := d.(*types.VirtualDisk); ok {
				b := disk.Backing.(types.BaseVirtualDeviceFileBackingInfo).GetVirtualDeviceFileBackingInfo()
				if b.Datastore != nil && *b.Datastore == ref {
					u.Uncommitted += disk.CapacityInBytes
				}
			}
		}
		for _, f := range vm.LayoutEx.File {
			if !strings.HasPrefix(f.Name, "["+ds.Name+"] ") {
				continue
			}
			u.Committed += f.Size
			if strings.HasSuffix(f.Name, ".vmdk") {
				u.Unshared += f.Size
			}
		}
		u.Uncommitted = max(0, u.Uncommitted-u.Unshared)
		info.PerDatastoreUsage = append(info.PerDatastoreUsage, u)
		sum.Committed, sum.Unshared, sum.Uncommitted = sum.Committed+u.Committed, sum.Unshared+u.Unshared, sum.Uncommitted+u.Uncommitted
	}
	vm.Storage, vm.Summary.Storage = &info, &sum
}
