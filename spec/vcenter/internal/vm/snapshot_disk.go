package vm

// snapshot_disk.go: the delta disks of snapshots: how layoutEx shows them, and what it takes to merge them into the disks
// below them when snapshots are deleted.

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/task"
)

const deleteDoc = "vSphere 7.0 docs, Delete a Snapshot: the changes of the delta disk are written to the parent disk; a large amount of information must be read and written"

var (
	_ = rule("vm.snapshot-delta", "documented", "laxer: the delta disk is the backing of the VM's disk, and a file; here layoutEx alone has it",
		"API reference: VirtualMachineFileLayoutEx.disk (the chain of base-disk and delta-disks), VirtualMachineFileLayoutExSnapshotLayout.disk (when the snapshot was taken)",
		"With each snapshot the chains of layoutEx.disk get a delta disk, and without it they are as before; layoutEx.snapshot has those below it.")
	_ = rule("vm.snapshot-version", "inferred", "inferred", "API reference: VirtualMachineConfigInfo.changeVersion; a snapshot gives the VM's disks another backing",
		"Taking and deleting a snapshot gives config.changeVersion another value.")
	_ = rule("vm.snapshot-delete", "documented", "real", deleteDoc+"; a VM may be powered on or off",
		"Deleting snapshots takes as long as their delta disks are large, whatever the VM's power state; meanwhile the VM is busy. Without a snapshot RemoveAllSnapshots_Task does nothing.")
	_ = rule("vm.snapshot-space", "documented", "real", "vSphere docs, Consolidate Snapshots: running out of disk space, correct it and consolidate; API reference: VirtualMachineRuntimeInfo.consolidationNeeded, ConsolidateVMDisks_Task, RemoveAllSnapshots_Task.consolidate (default true)",
		"Without room for what the disk below may grow by, deleting ends with NoDiskSpace: the snapshots are gone, and runtime.consolidationNeeded is set until ConsolidateVMDisks_Task succeeds. With consolidate = false nothing is merged either.")
	_ = rule("vm.method-disabled", "documented", "laxer: for any method; here for the deletion of snapshots only", "API reference: ManagedEntity.disabledMethod, MethodDisabled",
		"A method that another product has disabled is in disabledMethod, and calling it is MethodDisabled.")
)

const (
	emptyDelta = 16 << 20
	mergeSpeed = 200 << 20 // bytes per second
)

func (r *Service) registerSnapshotDisks() {
	r.w.Derive("VirtualMachine", "layoutEx", func(ref types.ManagedObjectReference) any {
		vm, e := r.of(ref)
		if e != nil {
			return (*types.VirtualMachineFileLayoutEx)(nil)
		}
		return vm.layout()
	})
	r.s.Handle("ConsolidateVMDisks_Task", func(c *api.Call) (any, *fault.Error) {
		vm, e := r.of(c.This)
		if e != nil {
			return nil, e
		}
		return c.Task(task.Spec{Exclusive: true, Work: 2*time.Second + mergeTime(vm.unmerged), Do: func(*task.Task) (any, *fault.Error) {
			return nil, r.merge(vm, vm.unmerged, true)
		}})
	})
}

func mergeTime(bytes int64) time.Duration {
	return time.Duration(float64(bytes) / mergeSpeed * float64(time.Second))
}

// deltaOf is the size of the delta disk that was made with a snapshot.
func (vm *VM) deltaOf(snap types.ManagedObjectReference) int64 {
	if size, ok := vm.deltas[snap]; ok {
		return size
	}
	return emptyDelta
}

// layout is layoutEx with the delta disks.
func (vm *VM) layout() *types.VirtualMachineFileLayoutEx {
	if vm.LayoutEx == nil || vm.Snapshot == nil || vm.Snapshot.CurrentSnapshot == nil {
		return vm.LayoutEx
	}
	l := *vm.LayoutEx
	l.File, l.Snapshot = slices.Clone(l.File), slices.Clone(l.Snapshot)
	next := int32(0)
	for _, f := range l.File {
		next = max(next, f.Key+1)
	}
	base := l.Disk
	with := func(deltas [][]types.VirtualMachineFileLayoutExDiskUnit) []types.VirtualMachineFileLayoutExDiskLayout {
		disks := slices.Clone(base)
		for i := range disks {
			disks[i].Chain = slices.Clone(disks[i].Chain)
			for _, d := range deltas {
				disks[i].Chain = append(disks[i].Chain, d[i])
			}
		}
		return disks
	}
	file := func(name, kind string, size int64) int32 {
		l.File = append(l.File, types.VirtualMachineFileLayoutExFileInfo{Key: next, Name: name, Type: kind, Size: size, UniqueSize: size, Accessible: ptr(true)})
		next++
		return next - 1
	}
	var walk func([]types.VirtualMachineSnapshotTree, [][]types.VirtualMachineFileLayoutExDiskUnit)
	walk = func(list []types.VirtualMachineSnapshotTree, below [][]types.VirtualMachineFileLayoutExDiskUnit) {
		for _, t := range list {
			for i := range l.Snapshot {
				if l.Snapshot[i].Key == t.Snapshot {
					l.Snapshot[i].Disk = with(below)
				}
			}
			own := make([]types.VirtualMachineFileLayoutExDiskUnit, len(base))
			for i, d := range base {
				name := strings.TrimSuffix(nameOf(l.File, d), ".vmdk")
				size := int64(0)
				if i == 0 { // that of the system
					size = vm.deltaOf(t.Snapshot)
				}
				own[i].FileKey = []int32{file(fmt.Sprintf("%s-%06d.vmdk", name, t.Id), "diskDescriptor", 512),
					file(fmt.Sprintf("%s-%06d-sesparse.vmdk", name, t.Id), "diskExtent", size)}
			}
			chain := append(slices.Clone(below), own)
			if t.Snapshot == *vm.Snapshot.CurrentSnapshot {
				l.Disk = with(chain)
			}
			walk(t.ChildSnapshotList, chain)
		}
	}
	walk(vm.Snapshot.RootSnapshotList, nil)
	return &l
}

// nameOf is the descriptor of a disk.
func nameOf(files []types.VirtualMachineFileLayoutExFileInfo, d types.VirtualMachineFileLayoutExDiskLayout) string {
	for _, unit := range d.Chain {
		for _, f := range files {
			if f.Type == "diskDescriptor" && slices.Contains(unit.FileKey, f.Key) {
				return f.Name
			}
		}
	}
	return ""
}

// snapshotNames are the names of a VM's snapshots, parents first.
func (vm *VM) snapshotNames() []string {
	out := []string{}
	var walk func([]types.VirtualMachineSnapshotTree)
	walk = func(list []types.VirtualMachineSnapshotTree) {
		for _, t := range list {
			out = append(out, t.Name)
			walk(t.ChildSnapshotList)
		}
	}
	if vm.Snapshot != nil {
		walk(vm.Snapshot.RootSnapshotList)
	}
	return out
}

// merged are the bytes that are written when these snapshots are deleted: the deltas between the disk below them and now.
func (vm *VM) merged(of func(types.ManagedObjectReference) bool) int64 {
	sum := int64(0)
	var walk func([]types.VirtualMachineSnapshotTree) bool
	walk = func(list []types.VirtualMachineSnapshotTree) bool {
		for _, t := range list {
			if current := vm.Snapshot.CurrentSnapshot; walk(t.ChildSnapshotList) || current != nil && t.Snapshot == *current {
				if of(t.Snapshot) {
					sum += vm.deltaOf(t.Snapshot)
				}
				return true
			}
		}
		return false
	}
	if vm.Snapshot != nil {
		walk(vm.Snapshot.RootSnapshotList)
	}
	return sum
}

// growth is the space that the first disk takes when this many bytes are merged into it: none for a thick disk, for a thin
// one up to its capacity.
func (vm *VM) growth(bytes int64) int64 {
	disk := vm.firstDisk()
	if disk == nil || vm.LayoutEx == nil {
		return 0
	}
	if b, ok := disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo); ok && !isTrue(b.ThinProvisioned) {
		return 0
	}
	has := int64(0)
	for _, d := range vm.LayoutEx.Disk {
		for _, unit := range d.Chain {
			for _, f := range vm.LayoutEx.File {
				if d.Key == disk.Key && slices.Contains(unit.FileKey, f.Key) {
					has += f.Size
				}
			}
		}
	}
	return max(0, min(bytes, disk.CapacityInBytes-has))
}

// merge writes delta disks into the disk below, if its datastore has room for it.
func (r *Service) merge(vm *VM, bytes int64, wanted bool) *fault.Error {
	free, name := int64(math.MaxInt64), ""
	if len(vm.Datastore) > 0 {
		if ds, ok := r.w.Reg.Get(vm.Datastore[0]).(*simulator.Datastore); ok {
			free, name = ds.Summary.FreeSpace, ds.Name
		}
	}
	full := vm.growth(bytes) > free
	vm.unmerged = 0
	if full || !wanted {
		vm.unmerged = bytes
	}
	vm.Runtime.ConsolidationNeeded = vm.unmerged > 0
	r.touch(vm, true)
	if full && wanted {
		return fault.New(&types.NoDiskSpace{FileFault: types.FileFault{File: vm.Config.Files.VmPathName}, Datastore: name}, "Insufficient disk space on datastore '%s'.", name)
	}
	return nil
}

// forgetTask removes snapshots, merges their disks, and drops what was kept for them.
func (r *Service) forgetTask(c *api.Call, ref types.ManagedObjectReference) (any, *fault.Error) {
	vm, e := r.of(ref)
	if e != nil {
		return nil, e
	}
	if slices.Contains(vm.blocked, c.Method) {
		return nil, fault.New(&types.MethodDisabled{Source: "another product"}, "The method is disabled by 'another product'.")
	}
	this, method, req := c.This, c.Method, c.Req
	wanted := true
	size := func() int64 {
		return vm.merged(func(snap types.ManagedObjectReference) bool { return this == vm.Self || snap == this })
	}
	switch q := req.(type) {
	case *types.RemoveAllSnapshots_Task:
		wanted = q.Consolidate == nil || *q.Consolidate
	case *types.RemoveSnapshot_Task:
		wanted = q.Consolidate == nil || *q.Consolidate
	}
	return c.Task(task.Spec{Entity: ref, Exclusive: true, Work: 2*time.Second + mergeTime(size()), Do: func(*task.Task) (any, *fault.Error) {
		if r.w.Reg.Get(this) == nil {
			return nil, fault.NotFound(this)
		}
		bytes := size()
		res, e := r.w.Inner(this, method, req)
		r.dropSnapshots()
		if e != nil || bytes == 0 {
			return res, e
		}
		return res, r.merge(vm, bytes, wanted)
	}})
}
