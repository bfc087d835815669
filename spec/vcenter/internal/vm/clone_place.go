package vm

// clone_place.go: where a clone goes and on which disks: the location of a CloneVM_Task, and
// linked clones, whose disks are children of a snapshot's.

import (
	"slices"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/fault"
)

var (
	_ = rule("vm.clone-place", "documented", "real", "API reference: VirtualMachineCloneSpec.location, VirtualMachineRelocateSpec: host, pool, datastore",
		"A clone's pool must belong to the cluster of its host, and its host must reach its datastore; a clone to another cluster needs a pool.")
	_ = rule("vm.clone-linked", "documented", "real", "API reference: VirtualMachineRelocateDiskMoveOptions, VirtualMachineCloneSpec.snapshot",
		"diskMoveType is one of its five values; createNewChildDiskBacking requires a snapshot of the source, and the clone's disks are its children.")
	_ = rule("vm.clone-template", "documented", "real", "API reference: VirtualMachineCloneSpec.template, powerOn", "A clone with template = true is a template with the settings of spec.config, and is not powered on; only the name of a template can be changed.")
)

const childDisks = string(types.VirtualMachineRelocateDiskMoveOptionsCreateNewChildDiskBacking)

func (r *Service) vetClonePlace(vm *VM, s *types.VirtualMachineCloneSpec) *fault.Error {
	loc := s.Location
	if loc.DiskMoveType != "" && !slices.Contains(types.VirtualMachineRelocateDiskMoveOptions("").Strings(), loc.DiskMoveType) {
		return fault.InvalidArgument("spec.location.diskMoveType")
	}
	if s.Snapshot != nil {
		snap, ok := r.w.Reg.Get(*s.Snapshot).(*simulator.VirtualMachineSnapshot)
		if !ok {
			return fault.NotFound(*s.Snapshot)
		}
		if snap.Vm != vm.Self {
			return fault.InvalidArgument("spec.snapshot")
		}
	} else if loc.DiskMoveType == childDisks {
		return fault.InvalidArgument("spec.snapshot")
	}
	to := vm.host()
	if loc.Host != nil {
		if to = r.hosts.Get(*loc.Host); to == nil {
			return fault.NotFound(*loc.Host)
		}
		if loc.Pool == nil && vm.host() != nil && *to.HS.Parent != *vm.host().HS.Parent {
			return fault.InvalidArgument("spec.location.pool")
		}
	} else if loc.Pool != nil {
		all, e := r.place(*loc.Pool, nil)
		if e != nil {
			return e
		}
		to = all[0]
	}
	ds := loc.Datastore
	if ds == nil && len(vm.Datastore) > 0 {
		ds = &vm.Datastore[0]
	} else if ds != nil {
		if _, ok := r.w.Reg.Get(*ds).(*simulator.Datastore); !ok {
			return fault.NotFound(*ds)
		}
	}
	if ds != nil && to != nil && !slices.Contains(to.HS.Datastore, *ds) {
		return fault.New(&types.InaccessibleDatastore{InvalidDatastore: types.InvalidDatastore{Datastore: ds}}, "The datastore is not accessible from host %s.", to.Name())
	}
	if loc.DiskMoveType != childDisks {
		return r.room(vm, ds)
	}
	return nil
}

// link makes the clone's disks children of the source's.
func (n *VM) link(src *VM) {
	var from []*types.VirtualDiskFlatVer2BackingInfo
	for _, d := range src.Config.Hardware.Device {
		if b, ok := d.GetVirtualDevice().Backing.(*types.VirtualDiskFlatVer2BackingInfo); ok {
			from = append(from, b)
		}
	}
	i := 0
	for _, d := range n.Config.Hardware.Device {
		if b, ok := d.GetVirtualDevice().Backing.(*types.VirtualDiskFlatVer2BackingInfo); ok && i < len(from) {
			parent := *from[i]
			b.Parent = &parent
			i++
		}
	}
}
