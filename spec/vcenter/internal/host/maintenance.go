package host

// maintenance.go: entering maintenance mode waits until nothing runs on the host. A fully
// automated DRS moves what can move; machines with passthrough devices cannot, and block.

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
	_ = rules.Add(rules.Rule{ID: "host.maintenance-waits", Sure: "documented", Source: maintenanceDoc,
		Text: "EnterMaintenanceMode_Task runs until no powered-on VM is left on the host; with a timeout above 0 it then fails with Timedout, and the host stays as it was."})
	_ = rules.Add(rules.Rule{ID: "host.maintenance-passthrough", Sure: "documented", Source: "vSphere docs, DirectPath I/O: no vMotion, no DRS for VMs with passthrough devices",
		Text: "DRS (fullyAutomated) moves running VMs away, but none with a passthrough device: it blocks until powered off."})
	_ = rules.Add(rules.Rule{ID: "host.maintenance-again", Sure: "documented", Source: maintenanceDoc + " throws InvalidState",
		Text: "Entering maintenance mode twice, or leaving it while outside, is InvalidState."})
	_ = rules.Add(rules.Rule{ID: "host.maintenance-evacuate", Sure: "documented", Source: maintenanceDoc + " (evacuatePoweredOffVms)",
		Text: "With evacuatePoweredOffVms the task also waits until powered-off VMs are registered elsewhere; DRS does that where it can."})
)

func (r *Room) registerMaintenance() {
	r.s.Handle("EnterMaintenanceMode_Task", func(c *api.Call) (any, *fault.Error) {
		h, e := r.hostOf(c)
		if e != nil {
			return nil, e
		}
		req := c.Req.(*types.EnterMaintenanceMode_Task)
		return c.Task(task.Spec{Exclusive: true, Cancelable: true, Slot: c.This.Value, Run: func(t *task.Task) (any, *fault.Error) {
			return r.enter(t, h, time.Duration(req.Timeout)*time.Second, req.EvacuatePoweredOffVms != nil && *req.EvacuatePoweredOffVms)
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
				r.event(h, exited)
				r.w.Truth.Host("maintenance-exit", h.Name(), "left maintenance mode")
				r.w.Touch(h.Ref())
				return nil, nil
			}})
	})
}

func (r *Room) enter(t *task.Task, h *Host, timeout time.Duration, evacuateOff bool) (any, *fault.Error) {
	var e *fault.Error
	t.Do(func() {
		if e = h.Reachable(); e == nil && h.HS.Runtime.InMaintenanceMode {
			e = fault.InvalidState("")
		}
		if e == nil {
			r.event(h, entering)
			r.w.Truth.Host("maintenance-begin", h.Name(), "entering maintenance mode, %d VM(s) on", r.running(h))
		}
	})
	if e != nil {
		return nil, e
	}
	t.Progress(2)
	begun := time.Now()
	for step := 0; ; step++ {
		left := 0
		t.Do(func() {
			if e = h.Reachable(); e != nil {
				return
			}
			if step > 0 && step%4 == 0 {
				r.evacuate(h, evacuateOff)
			}
			left = r.running(h)
			if evacuateOff {
				left = len(h.HS.Vm)
			}
		})
		if e != nil {
			return nil, e
		}
		if left == 0 {
			break
		}
		if timeout > 0 && r.w.Clock.Virtual(time.Since(begun)) > timeout {
			return nil, fault.New(&types.Timedout{})
		}
		pause := 500 * time.Millisecond
		if least := r.w.Clock.Virtual(5 * time.Millisecond); pause < least {
			pause = least
		}
		if !t.Sleep(pause) {
			return nil, task.Cancelled()
		}
	}
	if !t.SleepProgress(world.Seconds(h.Desc.EnterSeconds), 20, 95) {
		return nil, task.Cancelled()
	}
	t.Do(func() {
		if e = h.Reachable(); e != nil {
			return
		}
		if r.running(h) > 0 {
			e = fault.InvalidState("A virtual machine was powered on while the host was entering maintenance mode.")
			return
		}
		h.HS.Runtime.InMaintenanceMode = true
		r.event(h, entered)
		r.w.Truth.Host("maintenance-enter", h.Name(), "in maintenance mode")
		r.w.Touch(h.Ref())
	})
	return nil, e
}

func (r *Room) running(h *Host) int {
	n := 0
	for _, vm := range r.w.VMsOn(h.HS) {
		if On(vm) {
			n++
		}
	}
	return n
}

// automated tells whether DRS moves machines by itself, as the cluster is configured now.
func (r *Room) automated(h *Host) bool {
	c, ok := r.w.Reg.Get(*h.HS.Parent).(*simulator.ClusterComputeResource)
	if !ok {
		return false
	}
	cfg, ok := c.ConfigurationEx.(*types.ClusterConfigInfoEx)
	return ok && cfg.DrsConfig.Enabled != nil && *cfg.DrsConfig.Enabled &&
		cfg.DrsConfig.DefaultVmBehavior == types.DrsBehaviorFullyAutomated
}

// evacuate moves one machine per call, as DRS would.
func (r *Room) evacuate(h *Host, off bool) {
	if !r.automated(h) {
		return
	}
	for _, vm := range r.w.VMsOn(h.HS) {
		if len(Passthrough(vm)) > 0 && On(vm) {
			continue
		}
		if !On(vm) && !off {
			continue
		}
		for _, o := range r.order {
			if o != h && o.Cluster == h.Cluster && o.Connected() && !o.HS.Runtime.InMaintenanceMode {
				r.Move(vm, o)
				r.w.Truth.VM("drs-move", o.Name(), vm.Name, "moved from %s to %s", h.Name(), o.Name())
				return
			}
		}
	}
}

// Move registers a machine on another host.
func (r *Room) Move(vm *simulator.VirtualMachine, to *Host) {
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
