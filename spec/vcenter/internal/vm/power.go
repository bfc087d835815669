package vm

// power.go: power operations. Powering on with passthrough devices is where configurations
// show their faults; each rule here has its line in the table (rules.go), its fault, and
// its line in vmware.log.

import (
	"fmt"
	"time"

	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/host"
	"gpupt.test/vcenter/internal/task"
	"gpupt.test/vcenter/internal/vmlog"
)

func (r *Service) registerPower() {
	simple := func(method string, work time.Duration, check func(*VM) *fault.Error, do func(*VM) *fault.Error) {
		r.s.Handle(method, func(c *api.Call) (any, *fault.Error) {
			vm, e := r.of(c.This)
			if e != nil {
				return nil, e
			}
			slot := vm.hostName()
			return c.Task(task.Spec{Exclusive: true, Work: work, Slot: slot,
				Check: func(*task.Task) *fault.Error { return check(vm) },
				Do: func(*task.Task) (any, *fault.Error) {
					if e := check(vm); e != nil {
						return nil, e
					}
					return nil, do(vm)
				}})
		})
	}
	simple("PowerOnVM_Task", 3*time.Second, r.tryPowerOn, r.powerOn)
	simple("PowerOffVM_Task", 2*time.Second, func(vm *VM) *fault.Error { return vm.wants(types.VirtualMachinePowerStatePoweredOff) },
		func(vm *VM) *fault.Error { r.powerOff(vm, "powered off"); return nil })
	simple("ResetVM_Task", 2*time.Second, (*VM).mustRun, func(vm *VM) *fault.Error {
		r.event(vm, resetting)
		vm.guest.Reset()
		r.w.Truth.VM("reset", vm.hostName(), vm.Name, "reset")
		return nil
	})
	simple("SuspendVM_Task", 5*time.Second, func(vm *VM) *fault.Error {
		e := r.maySuspend(vm)
		if e != nil {
			r.event(vm, failedToSuspend(e))
		}
		return e
	}, func(vm *VM) *fault.Error {
		r.event(vm, suspending)
		vm.guest.Stop()
		vm.setPower(types.VirtualMachinePowerStateSuspended)
		r.event(vm, suspended)
		return nil
	})
	r.s.Handle("PowerOnMultiVM_Task", func(c *api.Call) (any, *fault.Error) {
		req := c.Req.(*types.PowerOnMultiVM_Task)
		return c.Task(task.Spec{Work: time.Second, Do: func(*task.Task) (any, *fault.Error) { return r.powerOnMany(c, req.Vm), nil }})
	})
	r.registerSnapshots()
	r.registerSnapshotDisks()
	r.registerMoves()
}

// powerOnMany starts a task for each VM that can be placed, and says which cannot.
func (r *Service) powerOnMany(c *api.Call, list []types.ManagedObjectReference) types.ClusterPowerOnVmResult {
	res := types.ClusterPowerOnVmResult{}
	for _, ref := range list {
		vm, e := r.of(ref)
		if e == nil {
			e = r.mayPowerOn(vm)
		}
		if e == nil {
			if h, _, why := r.settle(vm); h == nil {
				e = why
			}
		}
		if e != nil {
			res.NotAttempted = append(res.NotAttempted, types.ClusterNotAttemptedVmInfo{Vm: ref, Fault: *e.Localized()})
			continue
		}
		answer, e := c.Task(task.Spec{Method: "PowerOnVM_Task", Entity: ref, Exclusive: true, Work: 3 * time.Second, Slot: vm.hostName(),
			Check: func(*task.Task) *fault.Error { return r.tryPowerOn(vm) },
			Do: func(*task.Task) (any, *fault.Error) {
				if e := r.tryPowerOn(vm); e != nil {
					return nil, e
				}
				return nil, r.powerOn(vm)
			}})
		if e != nil {
			res.NotAttempted = append(res.NotAttempted, types.ClusterNotAttemptedVmInfo{Vm: ref, Fault: *e.Localized()})
			continue
		}
		started := answer.(*api.Returnval).Returnval
		res.Attempted = append(res.Attempted, types.ClusterAttemptedVmInfo{Vm: ref, Task: &started})
	}
	return res
}

func (r *Service) maySuspend(vm *VM) *fault.Error {
	if e := vm.mustRun(); e != nil {
		return e
	}
	if len(host.Passthrough(vm.VirtualMachine)) == 0 {
		return nil
	}
	const text = "A virtual machine with a PCI DirectPath I/O device cannot be suspended when FPT devices in-use have posted interrupts enabled."
	r.logLine(vm, "[msg.pciPassthru.noSuspend.postedInterrupts] "+text)
	return fault.New(&types.GenericVmConfigFault{Reason: text}, text).With("msg.pciPassthru.noSuspend.postedInterrupts", text)
}

func passthroughRuns(vm *VM) bool { return vm.on() && len(host.Passthrough(vm.VirtualMachine)) > 0 }

// mayMove checks a migration: no running passthrough VM, a target that accepts VMs.
func (r *Service) mayMove(vm *VM, req any) *fault.Error {
	if passthroughRuns(vm) {
		const text = "vMotion, Storage vMotion, Fault Tolerance, and PCI hot-plug cannot be used for a virtual machine with PCI DirectPath I/O device."
		r.logLine(vm, "[msg.pciPassthru.noMigration] "+text)
		return fault.New(&types.VMotionNotSupported{}, text).With("msg.pciPassthru.noMigration", text)
	}
	if q, ok := req.(*types.MigrateVM_Task); ok && q.State != "" && q.State != vm.Runtime.PowerState {
		return fault.New(&types.InvalidPowerState{RequestedState: q.State, ExistingState: vm.Runtime.PowerState})
	}
	to := destination(req)
	h, _, e := r.vetDestination(vm, &to)
	if e != nil || to.Host == nil {
		return e
	}
	return h.Open()
}

func (vm *VM) wants(s types.VirtualMachinePowerState) *fault.Error {
	if vm.Runtime.PowerState == s {
		return fault.New(&types.InvalidPowerState{RequestedState: s, ExistingState: s})
	}
	return nil
}

func (vm *VM) mustRun() *fault.Error {
	if !vm.on() {
		return fault.New(&types.InvalidPowerState{RequestedState: types.VirtualMachinePowerStatePoweredOn, ExistingState: vm.Runtime.PowerState})
	}
	return nil
}

// tryPowerOn is mayPowerOn for a task: a refusal is an event.
func (r *Service) tryPowerOn(vm *VM) *fault.Error {
	e := r.mayPowerOn(vm)
	if e != nil {
		r.event(vm, failedToPowerOn(e))
	}
	return e
}

func (r *Service) mayPowerOn(vm *VM) *fault.Error {
	if e := vm.wants(types.VirtualMachinePowerStatePoweredOn); e != nil {
		return e
	}
	if vm.Config.Template {
		return fault.New(&types.NotSupported{})
	}
	if vm.Runtime.ConnectionState != types.VirtualMachineConnectionStateConnected {
		return fault.InvalidState("The operation is not allowed in the current connection state of the virtual machine: %s.", vm.Runtime.ConnectionState)
	}
	return nil
}

// refused is the fault of a power-on that the host's VMX process aborted.
func refused(log *vmlog.Log, key, line string) *fault.Error {
	log.Info("%s", line)
	log.Info("Module 'DevicePowerOn' power on failed.")
	log.Info("Failed to start the virtual machine.")
	const text = "Module 'DevicePowerOn' power on failed."
	e := fault.New(&types.GenericVmConfigFault{Reason: text}, text)
	e.With("msg.moduletable.powerOnFailed", "Module 'DevicePowerOn' power on failed. ", types.KeyAnyValue{Key: "1", Value: "DevicePowerOn"})
	e.With(key, line)
	return e.With("vob.vmx.failedToStart", "Failed to start the virtual machine.")
}

// powerOn starts a VM and reports it; the world lock is held.
func (r *Service) powerOn(vm *VM) *fault.Error {
	r.event(vm, starting)
	if e := r.boot(vm); e != nil {
		r.event(vm, failedToPowerOn(e))
		return e
	}
	h := vm.host()
	r.event(vm, poweredOn(h != nil && h.Cluster != nil && h.Cluster.DRS != "off"))
	return nil
}

// boot applies the rules and starts the guest.
func (r *Service) boot(vm *VM) *fault.Error {
	h, list, e := r.settle(vm)
	if e != nil && h == nil {
		return e
	}
	if e := r.hosts.Failover(h); e != nil {
		return e
	}
	about := r.w.Content.About
	log := vmlog.New(time.Now)
	log.Begin(vm.Config.Files.VmPathName, vm.Name, about.Version, about.Build)
	for _, d := range vm.dictionary() {
		log.Dict(d[0], d[1])
	}
	window := uint64(0)
	if e == nil {
		window, e = r.start(vm, h, list, log)
		vm.window = window
	} else {
		e = refused(log, "msg.pciPassthru", e.Message)
	}
	if dir := vm.dir(); dir != "" {
		if err := vmlog.Rotate(dir, log.String(), vm.keepOld()); err == nil {
			r.logFiles(vm)
		}
	}
	if e != nil {
		r.w.Truth.VM("power-on-failed", h.Name(), vm.Name, "%s", lastLine(e))
		return e
	}
	if vm.host() != h {
		r.hosts.Move(vm.VirtualMachine, h)
	}
	for _, p := range list {
		if b, ok := p.device.Backing.(*types.VirtualPCIPassthroughDynamicBackingInfo); ok {
			n := *b
			n.AssignedId = p.card.Address
			p.device.Backing = &n
		}
	}
	vm.assigned = list
	vm.setPower(types.VirtualMachinePowerStatePoweredOn)
	vm.connect(true)
	r.w.Truth.VM("powered-on", h.Name(), vm.Name, "%d passthrough devices", len(list))
	vm.guest.Start(vm.hardware(list, window))
	return nil
}

func lastLine(e *fault.Error) string {
	m := e.Fault.GetMethodFault().FaultMessage
	if len(m) > 1 {
		return m[1].Message
	}
	return e.Message
}

// settle chooses the host and the card of each device. A fault without a host is one of
// vCenter; with one, the host's VMX finds it.
func (r *Service) settle(vm *VM) (*host.Host, []*placed, *fault.Error) {
	here := vm.host()
	if here == nil {
		return nil, nil, fault.New(&types.InvalidState{})
	}
	devices := host.Passthrough(vm.VirtualMachine)
	list, why := r.cards(vm, here, devices)
	if here.Open() != nil || why != nil {
		fixed := false
		for _, d := range devices {
			if _, ok := d.Backing.(*types.VirtualPCIPassthroughDeviceBackingInfo); ok {
				fixed = true
			}
		}
		if !fixed && here.Cluster != nil && here.Cluster.DRS != "off" {
			for _, o := range r.hosts.All() {
				if o == here || o.Cluster != here.Cluster || o.Open() != nil {
					continue
				}
				if l, w := r.cards(vm, o, devices); w == nil {
					return o, l, nil
				}
			}
		}
		if e := here.Open(); e != nil {
			return nil, nil, e
		}
	}
	return here, list, why
}

// cards finds each device's card on a host.
func (r *Service) cards(vm *VM, h *host.Host, devices []*types.VirtualPCIPassthrough) ([]*placed, *fault.Error) {
	var list []*placed
	taken := map[string]bool{}
	free := func(c *host.Card) bool { return !taken[c.Address] && r.hosts.Holder(h, c.Address) == nil }
	for _, d := range devices { // fixed ones first: they have no choice
		b, ok := d.Backing.(*types.VirtualPCIPassthroughDeviceBackingInfo)
		if !ok {
			continue
		}
		c := h.Card(b.Id)
		if c == nil || b.SystemId != h.SystemID && b.SystemId != "BYPASS" || b.VendorId != c.PciDevice().VendorId ||
			!sameDeviceID(b.DeviceId, uint16(c.PciDevice().DeviceId)) {
			return nil, because("The systemId does not match the current system or the deviceId, and the vendorId does not match the device currently at %s.", decimal(b.Id))
		}
		if !c.Enabled || !c.Active {
			return nil, because("Device %s is not a passthrough device.", decimal(b.Id))
		}
		if v := r.hosts.Holder(h, c.Address); v != nil && v.Self != vm.Self {
			return nil, because("Device %s is already in use by virtual machine '%s'.", decimal(b.Id), v.Name)
		}
		taken[c.Address] = true
		list = append(list, &placed{d, c, barsOf(c)})
	}
	for _, d := range devices {
		b, ok := d.Backing.(*types.VirtualPCIPassthroughDynamicBackingInfo)
		if !ok {
			continue
		}
		var got *host.Card
		for _, c := range h.Cards {
			if !c.Absent && c.Enabled && c.Active && free(c) && allowed(b, c) {
				got = c
				break
			}
		}
		if got == nil {
			return nil, because("No device of an allowed kind is available for Dynamic DirectPath I/O on host %s.", h.Name())
		}
		taken[got.Address] = true
		list = append(list, &placed{d, got, barsOf(got)})
	}
	return list, nil
}

func because(format string, args ...any) *fault.Error {
	return fault.New(&types.GenericVmConfigFault{}, append([]any{format}, args...)...)
}

func allowed(b *types.VirtualPCIPassthroughDynamicBackingInfo, c *host.Card) bool {
	if b.CustomLabel != "" && b.CustomLabel != c.Label {
		return false
	}
	for _, a := range b.AllowedDevice {
		if uint16(a.VendorId) == fleet.ID(c.Vendor) && uint16(a.DeviceId) == fleet.ID(c.Device.Device) &&
			(a.SubVendorId == 0 || uint16(a.SubVendorId) == fleet.ID(c.SubVendor)) &&
			(a.SubDeviceId == 0 || uint16(a.SubDeviceId) == fleet.ID(c.SubDevice)) {
			return true
		}
	}
	return false
}

// decimal writes an address as hosts do in these messages: 6:0.0 for 0000:06:00.0.
func decimal(id string) string {
	var domain, bus, slot, fn int
	if n, _ := fmt.Sscanf(id, "%x:%x:%x.%x", &domain, &bus, &slot, &fn); n == 4 {
		return fmt.Sprintf("%d:%d.%d", bus, slot, fn)
	}
	return id
}
