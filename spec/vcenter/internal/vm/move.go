package vm

// move.go: RelocateVM_Task and MigrateVM_Task: another host, another pool, another datastore,
// another folder. The simulator moves the VM's own fields only; here the lists of the
// hosts, pools and datastores follow, and the files.

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/host"
	"gpupt.test/vcenter/internal/task"
	"gpupt.test/vcenter/internal/world"
)

var (
	_ = rule("vm.relocate-pool", "documented", "real", "API reference: VirtualMachineRelocateSpec.pool, host",
		"A pool belongs to the compute resource of the target host, and must be given when that is a different one.")
	_ = rule("vm.relocate-datastore", "documented", "real", "API reference: VirtualMachineRelocateSpec.datastore; DuplicateName, FileAlreadyExists",
		"The files move to another datastore, which the target host can reach and where no such directory exists.")
	_ = rule("vm.rename", "documented", "real", "API reference: Rename_Task: DuplicateName, InvalidName", "A rename changes the name everywhere except in the file names; a name that is taken is DuplicateName.")
)

func (r *Service) registerMoves() {
	for _, m := range []string{"MigrateVM_Task", "RelocateVM_Task"} {
		r.s.Handle(m, func(c *api.Call) (any, *fault.Error) {
			vm, e := r.of(c.This)
			if e != nil {
				return nil, e
			}
			req := c.Req
			return c.Task(task.Spec{Exclusive: true, Work: 5 * time.Second,
				Check: func(*task.Task) *fault.Error { return r.failedMove(vm, req, r.mayMove(vm, req)) },
				Do: func(*task.Task) (any, *fault.Error) {
					e := r.mayMove(vm, req)
					if e == nil {
						e = r.move(vm, destination(req))
					}
					return nil, r.failedMove(vm, req, e)
				}})
		})
	}
	r.s.Handle("VirtualMachine.Rename_Task", func(c *api.Call) (any, *fault.Error) {
		vm, e := r.of(c.This)
		if e != nil {
			return nil, e
		}
		name := c.Req.(*types.Rename_Task).NewName
		check := func(*task.Task) *fault.Error {
			if world.BadName(name) {
				return world.InvalidName(name, &vm.Self)
			}
			if name == vm.Name || vm.Parent == nil {
				return nil
			}
			return r.freeName(*vm.Parent, name)
		}
		return c.Task(task.Spec{Exclusive: true, Work: time.Second, Check: check, Do: func(t *task.Task) (any, *fault.Error) {
			if e := check(t); e != nil {
				return nil, e
			}
			old := vm.Name
			vm.Name, vm.Config.Name, vm.Summary.Config.Name = name, name, name
			r.touch(vm, true)
			r.event(vm, func(e types.VmEvent) types.BaseEvent {
				return &types.VmRenamedEvent{VmEvent: e, OldName: old, NewName: name}
			})
			return nil, nil
		}})
	})
}

// destination is where a request moves the VM.
func destination(req any) types.VirtualMachineRelocateSpec {
	if q, ok := req.(*types.MigrateVM_Task); ok {
		return types.VirtualMachineRelocateSpec{Host: q.Host, Pool: q.Pool}
	}
	return req.(*types.RelocateVM_Task).Spec
}

// failedMove posts an event for a refusal.
func (r *Service) failedMove(vm *VM, req any, why *fault.Error) *fault.Error {
	if why == nil {
		return nil
	}
	to := vm.host()
	if h := destination(req).Host; h != nil && r.hosts.Get(*h) != nil {
		to = r.hosts.Get(*h)
	}
	if to != nil {
		r.event(vm, func(e types.VmEvent) types.BaseEvent {
			return &types.VmFailedMigrateEvent{VmEvent: e, DestHost: hostArgument(to), Reason: *why.Localized()}
		})
	}
	return why
}

// target settles host and pool of a move.
func (r *Service) target(vm *VM, s *types.VirtualMachineRelocateSpec) (*host.Host, *types.ManagedObjectReference, *fault.Error) {
	to, pool := vm.host(), s.Pool
	if s.Host != nil {
		if to = r.hosts.Get(*s.Host); to == nil {
			return nil, nil, fault.NotFound(*s.Host)
		}
	}
	if pool != nil {
		owner, ok := poolOwner(r, *pool)
		switch {
		case !ok:
			return nil, nil, fault.InvalidArgument("spec.pool")
		case *to.HS.Parent == owner:
		case s.Host != nil:
			return nil, nil, fault.InvalidArgument("spec.pool")
		default: // a pool elsewhere without a host: one of its hosts
			all, e := r.place(*pool, nil)
			if e != nil {
				return nil, nil, e
			}
			to = all[0]
		}
	} else if now := vm.host(); now != nil && *to.HS.Parent != *now.HS.Parent {
		return nil, nil, fault.InvalidArgument("spec.pool")
	}
	return to, pool, nil
}

// vetDestination checks what the task will do; r.move repeats it at the time of the change.
func (r *Service) vetDestination(vm *VM, s *types.VirtualMachineRelocateSpec) (*host.Host, *types.ManagedObjectReference, *fault.Error) {
	to, pool, e := r.target(vm, s)
	if e != nil {
		return nil, nil, e
	}
	if s.DiskMoveType != "" && !slices.Contains(types.VirtualMachineRelocateDiskMoveOptions("").Strings(), s.DiskMoveType) {
		return nil, nil, fault.InvalidArgument("spec.diskMoveType")
	}
	ds := s.Datastore
	if ds == nil && len(vm.Datastore) > 0 {
		ds = &vm.Datastore[0]
	}
	if ds != nil && !slices.Contains(to.HS.Datastore, *ds) {
		if s.Datastore != nil {
			if _, ok := r.w.Reg.Get(*ds).(*simulator.Datastore); !ok {
				return nil, nil, fault.NotFound(*ds)
			}
		}
		return nil, nil, fault.New(&types.InaccessibleDatastore{InvalidDatastore: types.InvalidDatastore{Datastore: ds}},
			"The datastore is not accessible from host %s.", to.Name())
	}
	if s.Datastore != nil && (len(vm.Datastore) == 0 || *s.Datastore != vm.Datastore[0]) {
		if e := r.room(vm, ds); e != nil {
			return nil, nil, e
		}
		if dir := filepath.Join(r.w.DatastoreDir(r.datastoreArgument(*s.Datastore).Name), filepath.Base(vm.dir())); exists(dir) {
			return nil, nil, fault.New(&types.FileAlreadyExists{FileFault: types.FileFault{File: filepath.Base(dir)}}, "The directory %s exists on the target datastore.", filepath.Base(dir))
		}
	}
	if s.Folder != nil {
		if _, ok := r.w.Reg.Get(*s.Folder).(*simulator.Folder); !ok {
			return nil, nil, fault.NotFound(*s.Folder)
		}
	}
	return to, pool, nil
}

func exists(p string) bool { _, err := os.Stat(p); return err == nil }

func (r *Service) move(vm *VM, s types.VirtualMachineRelocateSpec) *fault.Error {
	to, pool, e := r.vetDestination(vm, &s)
	if e != nil {
		return e
	}
	from, store := vm.host(), vm.Datastore
	if len(s.DeviceChange) > 0 {
		if e := r.reconfigure(vm, &types.VirtualMachineConfigSpec{DeviceChange: s.DeviceChange}); e != nil {
			return e
		}
	}
	if s.Datastore != nil && (len(store) == 0 || *s.Datastore != store[0]) {
		if e := r.moveFiles(vm, *s.Datastore); e != nil {
			return e
		}
	}
	if s.Folder != nil && (vm.Parent == nil || *s.Folder != *vm.Parent) {
		if _, e := r.w.Inner(*s.Folder, "MoveIntoFolder_Task", &types.MoveIntoFolder_Task{This: *s.Folder, List: []types.ManagedObjectReference{vm.Self}}); e != nil {
			return e
		}
	}
	if to != from {
		r.hosts.Move(vm.VirtualMachine, to)
	}
	if pool != nil && (vm.ResourcePool == nil || *pool != *vm.ResourcePool) {
		if old := vm.ResourcePool; old != nil {
			if p := r.w.Pool(*old); p != nil {
				simulator.RemoveReference(&p.Vm, vm.Self)
				r.w.Touch(*old)
			}
		}
		if p := r.w.Pool(*pool); p != nil {
			p.Vm = append(p.Vm, vm.Self)
		}
		vm.ResourcePool = ptr(*pool)
		r.w.Touch(*pool)
	}
	r.touch(vm, true)
	source, storeArg := types.HostEventArgument{}, &types.DatastoreEventArgument{}
	if from != nil {
		source = hostArgument(from)
	}
	if len(store) > 0 {
		storeArg = r.datastoreArgument(store[0])
	}
	center := r.w.CenterArgument(vm.Self)
	r.event(vm, func(e types.VmEvent) types.BaseEvent {
		if vm.on() {
			return &types.VmMigratedEvent{VmEvent: e, SourceHost: source, SourceDatacenter: center, SourceDatastore: storeArg}
		}
		return &types.VmRelocatedEvent{VmRelocateSpecEvent: types.VmRelocateSpecEvent{VmEvent: e}, SourceHost: source,
			SourceDatacenter: center, SourceDatastore: storeArg}
	})
	r.w.Truth.VM("vm-moved", to.Name(), vm.Name, "from %s", source.Name)
	return nil
}

// moveFiles moves the VM's directory to another datastore.
func (r *Service) moveFiles(vm *VM, to types.ManagedObjectReference) *fault.Error {
	ds, ok := r.w.Reg.Get(to).(*simulator.Datastore)
	if !ok {
		return fault.NotFound(to)
	}
	dir := vm.dir()
	var p object.DatastorePath
	if dir == "" || !p.FromString(vm.Config.Files.VmPathName) {
		return fault.New(&types.CannotAccessVmConfig{}, "Unable to access the virtual machine configuration: %s", vm.Config.Files.VmPathName)
	}
	if err := os.Rename(dir, filepath.Join(r.w.DatastoreDir(ds.Name), filepath.Base(dir))); err != nil {
		return fault.From(err)
	}
	// names below "[ds-1] a/" become names below "[ds-2] a/"
	before := "[" + p.Datastore + "] " + filepath.Dir(p.Path)
	after := "[" + ds.Name + "] " + filepath.Base(dir)
	renamed := func(name string) string {
		if name == before {
			return after
		}
		if rest, ok := strings.CutPrefix(name, before+"/"); ok {
			return after + "/" + rest
		}
		return name
	}
	files := vm.Config.Files
	files.VmPathName, files.LogDirectory = renamed(files.VmPathName), renamed(files.LogDirectory)
	files.SnapshotDirectory, files.SuspendDirectory = renamed(files.SnapshotDirectory), renamed(files.SuspendDirectory)
	vm.Config.Files, vm.Summary.Config.VmPathName = files, files.VmPathName
	for _, d := range vm.Config.Hardware.Device {
		disk, ok := d.(*types.VirtualDisk)
		if !ok {
			continue
		}
		if b, ok := disk.Backing.(types.BaseVirtualDeviceFileBackingInfo); ok {
			i := b.GetVirtualDeviceFileBackingInfo()
			if n := renamed(i.FileName); n != i.FileName {
				i.FileName, i.Datastore = n, ptr(to)
			}
		}
	}
	if vm.LayoutEx != nil {
		l := *vm.LayoutEx
		l.File = slices.Clone(l.File)
		for i := range l.File {
			l.File[i].Name = renamed(l.File[i].Name)
		}
		vm.LayoutEx = &l
	}
	if vm.Layout != nil { // the same files, by names alone
		l := *vm.Layout
		l.Disk = slices.Clone(l.Disk)
		for i := range l.Disk {
			l.Disk[i].DiskFile = slices.Clone(l.Disk[i].DiskFile)
			for j, n := range l.Disk[i].DiskFile {
				l.Disk[i].DiskFile[j] = renamed(n)
			}
		}
		vm.Layout = &l
	}
	for _, old := range vm.Datastore {
		if o, ok := r.w.Reg.Get(old).(*simulator.Datastore); ok {
			simulator.RemoveReference(&o.Vm, vm.Self)
			r.w.Touch(old)
		}
	}
	ds.Vm = append(ds.Vm, vm.Self)
	vm.Datastore = []types.ManagedObjectReference{to}
	for i := range vm.Config.DatastoreUrl {
		vm.Config.DatastoreUrl[i].Name, vm.Config.DatastoreUrl[i].Url = ds.Name, ds.Summary.Url
	}
	r.w.Touch(to)
	return nil
}
