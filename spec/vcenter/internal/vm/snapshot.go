package vm

// snapshot.go: what a snapshot keeps and a revert brings back. The simulator keeps the tree of
// snapshots and a copy of the configuration; the system on the disk is kept here, as a guest
// that never runs. The memory of a running VM is not simulated: a revert to a snapshot with
// memory starts the guest from the disk that it had then.

import (
	"bytes"
	"os"
	"path/filepath"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
	"github.com/vmware/govmomi/vim25/xml"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/guest"
	"gpupt.test/vcenter/internal/task"
)

const restoreDoc = "vSphere docs, Add a PCI device: you cannot suspend, migrate with vMotion, or take or restore snapshots of such virtual machines"

var (
	_ = rule("vm.snapshot-revert", "documented", "real", "API reference: RevertToSnapshot_Task (\"change the execution state of the virtual machine to the state of this snapshot\", host, suppressPowerOn), VirtualMachineSnapshot.config, VirtualMachineSnapshotTree.state",
		"A revert brings back the configuration, the system on the disk and the power state of the snapshot: a running VM is powered off, and one whose snapshot has the memory of a running VM is powered on, unless suppressPowerOn is set. The snapshot is then the current one.")
	_ = rule("vm.snapshot-revert-passthrough", "documented", "real", restoreDoc, "A running VM with passthrough devices is not reverted.")
	_ = rule("vm.snapshot-template", "inferred", "inferred", "jenkinsci/vsphere-cloud-plugin#9: a template cannot have a snapshot taken; packer#6969 takes it before the VM is marked as a template; the fault as for vm.template-change",
		"A template takes no snapshot: NotSupported. The snapshots of the VM that it was stay, and are not reverted to while it is a template.")
	_ = rule("vm.snapshot-current", "documented", "real", "API reference: RevertToCurrentSnapshot_Task throws NotFound if the virtual machine has no current snapshot", "RevertToCurrentSnapshot_Task reverts to the current snapshot; without one it is NotFound.")
)

func (r *Service) registerSnapshots() {
	for _, m := range []string{"CreateSnapshot_Task", "CreateSnapshotEx_Task"} {
		r.s.Handle(m, func(c *api.Call) (any, *fault.Error) {
			vm, e := r.of(c.This)
			if e != nil {
				return nil, e
			}
			check := func(*task.Task) *fault.Error { return snapshotRules(vm) }
			return c.Task(task.Spec{Exclusive: true, Work: 2 * time.Second, Check: check, Do: func(t *task.Task) (any, *fault.Error) {
				if e := check(t); e != nil {
					return nil, e
				}
				return r.takeSnapshot(vm, c.Method, c.Req)
			}})
		})
	}
	r.s.Handle("RevertToSnapshot_Task", func(c *api.Call) (any, *fault.Error) {
		req := c.Req.(*types.RevertToSnapshot_Task)
		snap, ok := r.w.Reg.Get(c.This).(*simulator.VirtualMachineSnapshot)
		if !ok {
			return nil, fault.NotFound(c.This)
		}
		return r.revertTask(c, snap.Vm, c.This, req.Host, isTrue(req.SuppressPowerOn))
	})
	r.s.Handle("RevertToCurrentSnapshot_Task", func(c *api.Call) (any, *fault.Error) {
		req := c.Req.(*types.RevertToCurrentSnapshot_Task)
		vm, e := r.of(c.This)
		if e != nil {
			return nil, e
		}
		if vm.Snapshot == nil || vm.Snapshot.CurrentSnapshot == nil {
			return nil, fault.New(&types.NotFound{}, "The virtual machine has no current snapshot.")
		}
		return r.revertTask(c, vm.Self, *vm.Snapshot.CurrentSnapshot, req.Host, isTrue(req.SuppressPowerOn))
	})
	r.s.Handle("RemoveSnapshot_Task", func(c *api.Call) (any, *fault.Error) {
		snap, ok := r.w.Reg.Get(c.This).(*simulator.VirtualMachineSnapshot)
		if !ok {
			return nil, fault.NotFound(c.This)
		}
		return r.forgetTask(c, snap.Vm)
	})
	r.s.Handle("RemoveAllSnapshots_Task", func(c *api.Call) (any, *fault.Error) { return r.forgetTask(c, c.This) })
}

func snapshotRules(vm *VM) *fault.Error {
	if vm.Config.Template {
		return fault.New(&types.NotSupported{})
	}
	if passthroughRuns(vm) {
		return fault.InvalidState("The operation is not allowed in the current state: snapshots of a running machine with PCI passthrough devices are not supported.")
	}
	return nil
}

// asleep is the guest that keeps a snapshot's disk.
func (r *Service) asleep(snap types.ManagedObjectReference) *guest.Machine {
	return guest.New(filepath.Join(r.w.Dir, "guests", snap.Value), &r.w.Clock)
}

func (r *Service) takeSnapshot(vm *VM, method string, req any) (any, *fault.Error) {
	made, e := r.w.Inner(vm.Self, method, req)
	if e != nil {
		return nil, e
	}
	ref, ok := made.(types.ManagedObjectReference)
	if !ok {
		return made, nil
	}
	r.dropSnapshots() // of VMs that were destroyed since
	g := r.asleep(ref)
	if err := vm.guest.CloneTo(g); err != nil {
		return nil, fault.From(err)
	}
	r.snaps[ref] = g
	r.touch(vm, true)
	r.w.Truth.VM("snapshot", vm.hostName(), vm.Name, "%s", ref.Value)
	return made, nil
}

// revertTask is a task of the VM, on whichever of its snapshots the method was called.
func (r *Service) revertTask(c *api.Call, ref, snap types.ManagedObjectReference, to *types.ManagedObjectReference, off bool) (any, *fault.Error) {
	vm, e := r.of(ref)
	if e != nil {
		return nil, e
	}
	check := func(*task.Task) *fault.Error {
		if vm.Config.Template {
			return fault.New(&types.NotSupported{})
		}
		if passthroughRuns(vm) {
			return fault.InvalidState("The operation is not allowed in the current state: a running machine with PCI passthrough devices cannot be reverted to a snapshot.")
		}
		if to != nil && r.hosts.Get(*to) == nil {
			return fault.NotFound(*to)
		}
		return nil
	}
	return c.Task(task.Spec{Entity: ref, Exclusive: true, Work: 3 * time.Second, Check: check, Do: func(t *task.Task) (any, *fault.Error) {
		if e := check(t); e != nil {
			return nil, e
		}
		s, ok := r.w.Reg.Get(snap).(*simulator.VirtualMachineSnapshot)
		if !ok {
			return nil, fault.NotFound(snap)
		}
		return nil, r.revert(vm, s, to, off)
	}})
}

func (r *Service) revert(vm *VM, snap *simulator.VirtualMachineSnapshot, to *types.ManagedObjectReference, off bool) *fault.Error {
	var then types.VirtualMachineConfigInfo
	if err := copyOut(&snap.Config, &then); err != nil {
		return fault.From(err)
	}
	if vm.on() {
		r.powerOff(vm, "reverted to a snapshot")
	} else if !vm.off() {
		vm.halted()
		vm.setPower(types.VirtualMachinePowerStatePoweredOff)
	}
	tree := inTree(vm.Snapshot.RootSnapshotList, snap.Self)
	if _, e := r.w.Inner(snap.Self, "RevertToSnapshot_Task", &types.RevertToSnapshot_Task{This: snap.Self}); e != nil {
		return e
	}
	now := vm.Config // what belongs to the inventory, not to the VM's file, stays
	then.Name, then.Files, then.Template, then.DatastoreUrl = now.Name, now.Files, now.Template, now.DatastoreUrl
	then.Uuid, then.InstanceUuid, then.Tools = now.Uuid, now.InstanceUuid, now.Tools
	vm.Config = &then
	s := &vm.Summary.Config
	s.MemorySizeMB, s.NumCpu, s.GuestId, s.Annotation, s.HwVersion = then.Hardware.MemoryMB, then.Hardware.NumCPU, then.GuestId, then.Annotation, then.Version
	s.GuestFullName = then.GuestFullName
	vm.apply(&vetting{r: r, spec: &types.VirtualMachineConfigSpec{}, vm: vm, host: vm.host(), firmware: then.Firmware,
		lock: isTrue(then.MemoryReservationLockedToMax)}, &types.VirtualMachineConfigSpec{})
	if g := r.snaps[snap.Self]; g != nil {
		vm.guest.Blank()
		if err := g.CloneTo(vm.guest); err != nil {
			return fault.From(err)
		}
	}
	r.touch(vm, true)
	vm.publish()
	r.w.Truth.VM("reverted", vm.hostName(), vm.Name, "to %s", snap.Self.Value)
	if tree == nil || tree.State != types.VirtualMachinePowerStatePoweredOn || off {
		return nil
	}
	if to != nil && r.hosts.Get(*to) != vm.host() {
		r.hosts.Move(vm.VirtualMachine, r.hosts.Get(*to))
	}
	if e := r.mayPowerOn(vm); e != nil {
		return e
	}
	return r.powerOn(vm)
}

// dropSnapshots deletes the disks of snapshots that are gone.
func (r *Service) dropSnapshots() {
	for ref, g := range r.snaps {
		if s, ok := r.w.Reg.Get(ref).(*simulator.VirtualMachineSnapshot); !ok || r.w.Reg.Get(s.Vm) == nil {
			delete(r.snaps, ref)
			os.RemoveAll(g.Dir)
		}
	}
}

func inTree(list []types.VirtualMachineSnapshotTree, ref types.ManagedObjectReference) *types.VirtualMachineSnapshotTree {
	for i := range list {
		if list[i].Snapshot == ref {
			return &list[i]
		}
		if t := inTree(list[i].ChildSnapshotList, ref); t != nil {
			return t
		}
	}
	return nil
}

// copyOut copies a data object with everything in it.
func copyOut[T any](from, to *T) error {
	text, err := xml.Marshal(from)
	if err != nil {
		return err
	}
	d := xml.NewDecoder(bytes.NewReader(text))
	d.TypeFunc = types.TypeFunc()
	return d.Decode(to)
}
