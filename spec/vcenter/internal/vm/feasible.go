package vm

// feasible.go: the checkers, which say what a power-on or a migration would answer.

import (
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/host"
	"gpupt.test/vcenter/internal/rules"
	"gpupt.test/vcenter/internal/task"
)

var (
	_ = rules.Add(rules.Rule{ID: "check.power-on", Sure: "documented", As: "real", Source: "API reference: VirtualMachineCompatibilityChecker.CheckPowerOn_Task, CheckResult.error (a power-on of this VM would fail)",
		Text: "CheckPowerOn_Task reports what a power-on would refuse: memory, the host's state, a card that is held or not active."})
	_ = rules.Add(rules.Rule{ID: "check.vmotion", Sure: "documented", As: "real", Source: "API reference: VirtualMachineProvisioningChecker.QueryVMotionCompatibilityEx_Task; vSphere documentation: a VM with DirectPath I/O devices cannot be migrated with vMotion",
		Text: "QueryVMotionCompatibilityEx_Task gives one result for each VM and host: the VM's own host, an unreachable one, and a VM with a passthrough device have an error."})
)

func localized(e *fault.Error) []types.LocalizedMethodFault {
	if e == nil {
		return nil
	}
	return []types.LocalizedMethodFault{*e.Localized()}
}

func (r *Service) registerCheckers() {
	r.s.Handle("CheckPowerOn_Task", func(c *api.Call) (any, *fault.Error) {
		q := c.Req.(*types.CheckPowerOn_Task)
		vm, e := r.of(q.Vm)
		if e != nil {
			return nil, e
		}
		var on *host.Host
		if q.Host != nil {
			if on = r.hosts.Get(*q.Host); on == nil {
				return nil, fault.NotFound(*q.Host)
			}
		}
		return c.Task(task.Spec{Do: func(*task.Task) (any, *fault.Error) {
			return types.ArrayOfCheckResult{CheckResult: []types.CheckResult{r.powerOnResult(vm, on)}}, nil
		}})
	}, api.ReadOnly())
	r.s.Handle("QueryVMotionCompatibilityEx_Task", func(c *api.Call) (any, *fault.Error) {
		q := c.Req.(*types.QueryVMotionCompatibilityEx_Task)
		return c.Task(task.Spec{Do: func(*task.Task) (any, *fault.Error) {
			out := types.ArrayOfCheckResult{}
			for _, v := range q.Vm {
				vm, e := r.of(v)
				if e != nil {
					return nil, e
				}
				for _, ref := range q.Host {
					h := r.hosts.Get(ref)
					if h == nil {
						return nil, fault.NotFound(ref)
					}
					out.CheckResult = append(out.CheckResult, types.CheckResult{Vm: ptr(v), Host: ptr(ref), Error: localized(r.motion(vm, h))})
				}
			}
			return out, nil
		}})
	}, api.ReadOnly())
}

// powerOnResult changes nothing.
func (r *Service) powerOnResult(vm *VM, on *host.Host) types.CheckResult {
	out := types.CheckResult{Vm: ptr(vm.Self)}
	if vm.on() {
		out.Error = localized(fault.New(&types.InvalidPowerState{RequestedState: types.VirtualMachinePowerStatePoweredOn, ExistingState: vm.Runtime.PowerState}))
		return out
	}
	h, list, e := r.settle(vm)
	if on != nil {
		if h, list, e = on, nil, on.Open(); e == nil {
			list, e = r.cards(vm, on, host.Passthrough(vm.VirtualMachine))
		}
	}
	if h != nil {
		out.Host = ptr(h.Ref())
	}
	if e == nil {
		want := *vm.Config.MemoryAllocation.Reservation
		switch {
		case want > r.unreserved(h):
			e = fault.New(&types.InsufficientMemoryResourcesFault{Unreserved: r.unreserved(h) << 20, Requested: want << 20},
				"The host does not have sufficient memory resources to satisfy the reservation.")
		case len(list) > 0 && want != int64(vm.Config.Hardware.MemoryMB):
			e = fault.New(&types.InvalidVmConfig{Property: "memoryAllocation"}, "Invalid memory setting: memory reservation (sched.mem.min) should be equal to memsize(%d).", vm.Config.Hardware.MemoryMB)
		}
	}
	out.Error = localized(e)
	return out
}

// motion is why a VM cannot be migrated to a host while it runs.
func (r *Service) motion(vm *VM, h *host.Host) *fault.Error {
	if e := h.Open(); e != nil {
		return e
	}
	if here := vm.host(); here == h {
		return fault.New(&types.AlreadyBeingManaged{IpAddress: h.Name()}, "The virtual machine is on the host %s already.", h.Name())
	}
	if !vm.on() {
		return fault.New(&types.InvalidPowerState{RequestedState: types.VirtualMachinePowerStatePoweredOn, ExistingState: vm.Runtime.PowerState})
	}
	for _, d := range host.Passthrough(vm.VirtualMachine) {
		label := "PCI device"
		if d.DeviceInfo != nil {
			label = d.DeviceInfo.GetDescription().Label
		}
		inner := fault.New(&types.VMotionNotSupported{}, "Device '%s' uses a backing that is not migratable.", label)
		return fault.New(&types.DisallowedMigrationDeviceAttached{Fault: *inner.Localized()}, "Currently connected device '%s' uses a backing that prevents migration.", label)
	}
	return nil
}
