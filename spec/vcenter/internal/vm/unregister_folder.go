package vm

// unregister_folder.go: Folder.UnregisterAndDestroy_Task, by which a folder goes without the files of its VMs.

import (
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/task"
)

var _ = rule("vm.unregister-folder", "documented", "real", "API reference: Folder.UnregisterAndDestroy_Task: recursively unregisters all virtual machines and vApps, and destroys all child folders; InvalidState if a VM is powered on; privilege Folder.Delete",
	"UnregisterAndDestroy_Task unregisters the VMs of a VM folder and of its child folders, whose files stay, and removes the folders; with a VM that is on it is InvalidState and nothing changes. Another folder than one for VMs is NotSupported.")

func (r *Service) registerEmptyFolder() {
	r.s.Handle("Folder.UnregisterAndDestroy_Task", func(c *api.Call) (any, *fault.Error) {
		f, ok := r.w.Reg.Get(c.This).(*simulator.Folder)
		if !ok {
			return nil, fault.NotFound(c.This)
		}
		return c.Task(task.Spec{Exclusive: true, Work: 2 * time.Second, Do: func(*task.Task) (any, *fault.Error) { return nil, r.emptyFolder(f) }})
	})
}

// below lists the folders and VMs below a folder, the deepest first.
func (r *Service) below(f *simulator.Folder) (folders []*simulator.Folder, vms []*VM) {
	for _, ref := range f.ChildEntity {
		if child, ok := r.w.Reg.Get(ref).(*simulator.Folder); ok {
			more, inside := r.below(child)
			folders, vms = append(folders, more...), append(vms, inside...)
		} else if vm, e := r.of(ref); e == nil {
			vms = append(vms, vm)
		}
	}
	return append(folders, f), vms
}

func (r *Service) emptyFolder(f *simulator.Folder) *fault.Error {
	ofVMs := false
	for _, kind := range f.ChildType {
		ofVMs = ofVMs || kind == "VirtualMachine"
	}
	inFolder := false
	if f.Parent != nil {
		_, inFolder = r.w.Reg.Get(*f.Parent).(*simulator.Folder)
	}
	if !ofVMs || !inFolder { // the root folder and the datacenter's own stay
		return fault.New(&types.NotSupported{})
	}
	folders, vms := r.below(f)
	for _, vm := range vms {
		if !vm.off() {
			return fault.InvalidState("")
		}
	}
	for _, vm := range vms {
		if e := r.unregister(vm); e != nil {
			return e
		}
	}
	for _, x := range folders {
		if _, e := r.w.Inner(x.Self, "Destroy_Task", &types.Destroy_Task{This: x.Self}); e != nil {
			return e
		}
	}
	return nil
}
