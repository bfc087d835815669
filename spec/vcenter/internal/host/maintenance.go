package host

// maintenance.go: entering maintenance mode waits until nothing runs on the host. A fully
// automated DRS moves what can move; VMs with passthrough devices cannot, and block.

import (
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/rules"
	"gpupt.test/vcenter/internal/task"
	"gpupt.test/vcenter/internal/world"
)

const maintenanceDoc = "API reference: HostSystem.EnterMaintenanceMode_Task, ExitMaintenanceMode_Task"

var (
	_ = rules.Add(rules.Rule{ID: "host.maintenance-waits", Sure: "documented", As: "real", Source: maintenanceDoc,
		Text: "EnterMaintenanceMode_Task runs until no powered-on VM is left on the host; with a timeout above 0 it then fails with Timedout, and the host stays as it was."})
	_ = rules.Add(rules.Rule{ID: "host.maintenance-passthrough", Sure: "documented", As: "real", Source: "vSphere docs, DirectPath I/O: no vMotion, no DRS for VMs with passthrough devices",
		Text: "DRS (fullyAutomated) moves running VMs away, but none with a passthrough device: the task stays running at 2 % until it is off."})
	_ = rules.Add(rules.Rule{ID: "host.maintenance-closed", Sure: "documented", As: "real", Source: maintenanceDoc + ": while the task is running and in maintenance mode, no VM is powered on and nothing is provisioned on the host",
		Text: "A host in, or entering, maintenance or standby mode takes no VM: creating, cloning, moving one there and powering one on is InvalidState, unless DRS can place it elsewhere."})
	_ = rules.Add(rules.Rule{ID: "host.maintenance-again", Sure: "documented", As: "real", Source: maintenanceDoc + " throws InvalidState",
		Text: "Entering maintenance mode twice, or leaving it outside maintenance mode, is InvalidState."})
	_ = rules.Add(rules.Rule{ID: "host.maintenance-evacuate", Sure: "documented", As: "real", Source: maintenanceDoc + " (evacuatePoweredOffVms)",
		Text: "With evacuatePoweredOffVms the task also waits until powered-off VMs are registered elsewhere. A cluster with DRS, whatever its level, does that itself, and those that no other host can run (a fixed passthrough device, a datastore of one host) stay; without DRS an administrator has to."})
)

func (r *Hosts) registerMaintenance() {
	r.s.Handle("EnterMaintenanceMode_Task", func(c *api.Call) (any, *fault.Error) {
		h, e := r.hostOf(c)
		if e != nil {
			return nil, e
		}
		req := c.Req.(*types.EnterMaintenanceMode_Task)
		vsan, e := action(req.MaintenanceSpec)
		if e != nil {
			return nil, e
		}
		return c.Task(task.Spec{Exclusive: true, Cancelable: true, Slot: c.This.Value, Run: func(t *task.Task) (any, *fault.Error) {
			return r.enter(t, h, time.Duration(req.Timeout)*time.Second, req.EvacuatePoweredOffVms != nil && *req.EvacuatePoweredOffVms, vsan)
		}})
	})
	r.s.Handle("ExitMaintenanceMode_Task", func(c *api.Call) (any, *fault.Error) {
		h, e := r.hostOf(c)
		if e != nil {
			return nil, e
		}
		return c.Task(task.Spec{Exclusive: true, Cancelable: true, Work: world.Seconds(h.Desc.ExitSeconds),
			Check: func(*task.Task) *fault.Error {
				if e := h.Reachable(); e != nil {
					return e
				}
				if !h.HS.Runtime.InMaintenanceMode {
					return fault.InvalidState("")
				}
				return nil
			},
			Do: func(*task.Task) (any, *fault.Error) {
				if e := h.Reachable(); e != nil {
					return nil, e
				}
				h.HS.Runtime.InMaintenanceMode, h.foreign = false, false
				r.agent(h)
				r.resync(h)
				r.event(h, exited)
				r.w.Truth.Host("maintenance-exit", h.Name(), "left maintenance mode")
				r.w.Touch(h.Ref())
				return nil, nil
			}})
	})
}

func (r *Hosts) enter(t *task.Task, h *Host, timeout time.Duration, evacuateOff bool, action string) (any, *fault.Error) {
	var e *fault.Error
	t.Do(func() {
		if e = h.Reachable(); e == nil && (h.HS.Runtime.InMaintenanceMode || h.standby()) {
			e = fault.InvalidState("")
		}
		if e == nil {
			h.entering = true
			r.event(h, entering)
			r.w.Truth.Host("maintenance-begin", h.Name(), "entering maintenance mode, %d VM(s) on", r.running(h))
		}
	})
	if e != nil {
		return nil, e
	}
	if e = r.empty(t, h, timeout, evacuateOff); e == nil {
		e = r.decommission(t, h, action)
	}
	if e == nil && !t.SleepProgress(world.Seconds(h.Desc.EnterSeconds), 80, 95) {
		e = task.Cancelled()
	}
	t.Do(func() {
		h.entering = false
		if e == nil {
			e = h.Reachable()
		}
		if e == nil && r.running(h) > 0 {
			e = fault.InvalidState("A virtual machine was powered on while the host was entering maintenance mode.")
		}
		if e != nil {
			r.event(h, stayed)
			r.w.Truth.Host("maintenance-canceled", h.Name(), "%s", e.Message)
			return
		}
		h.HS.Runtime.InMaintenanceMode, h.vsanAction = true, action
		r.agent(h)
		r.rebindAll(h)
		r.event(h, entered)
		r.w.Truth.Host("maintenance-enter", h.Name(), "in maintenance mode")
		r.w.Touch(h.Ref())
	})
	return nil, e
}

// empty waits until nothing that must leave is left on a host.
func (r *Hosts) empty(t *task.Task, h *Host, timeout time.Duration, off bool) *fault.Error {
	var e *fault.Error
	defer t.Do(func() { r.forget(h, true) })
	t.Progress(2)
	start := r.w.Clock.Now()
	for step := 0; ; step++ {
		left := 0
		t.Do(func() {
			if e = h.Reachable(); e != nil {
				return
			}
			if step%4 == 3 {
				r.evacuate(h, off)
			}
			r.forget(h, false)
			left = r.stuck(h, off)
		})
		if e != nil || left == 0 {
			return e
		}
		if timeout > 0 && r.w.Clock.Now()-start > timeout {
			return fault.New(&types.Timedout{})
		}
		pause := 500 * time.Millisecond
		if least := r.w.Clock.Virtual(5 * time.Millisecond); pause < least {
			pause = least
		}
		if !t.Sleep(pause) {
			return task.Cancelled()
		}
	}
}

func (r *Hosts) running(h *Host) int {
	n := 0
	for _, vm := range r.w.VMsOn(h.HS) {
		if On(vm) {
			n++
		}
	}
	return n
}

// Move registers a VM on another host.
func (r *Hosts) Move(vm *simulator.VirtualMachine, to *Host) {
	if vm.Runtime.Host != nil {
		if from := r.hosts[*vm.Runtime.Host]; from != nil {
			simulator.RemoveReference(&from.HS.Vm, vm.Self)
			r.w.Touch(from.Ref())
		}
	}
	ref := to.Ref()
	vm.Runtime.Host = &ref
	vm.Summary.Runtime.Host = &ref
	to.HS.Vm = append(to.HS.Vm, vm.Self)
	r.w.Touch(to.Ref(), vm.Self)
}
