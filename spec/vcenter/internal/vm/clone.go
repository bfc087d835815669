package vm

// clone.go: CloneVM_Task. The simulator's clone loses firmware, memory lock and more; here it
// keeps them.

import (
	"strings"

	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/guest"
	"gpupt.test/vcenter/internal/host"
)

func (r *Service) vetClone(vm *VM, req *types.CloneVM_Task) *fault.Error {
	if e := r.freeName(req.Folder, req.Name); e != nil {
		return e
	}
	if vm.on() && len(host.Passthrough(vm.VirtualMachine)) > 0 {
		return fault.InvalidState("The operation is not allowed in the current state: the source runs with PCI passthrough devices.")
	}
	if loc := req.Spec.Location; loc.Pool == nil && vm.Config.Template {
		return fault.InvalidArgument("spec.location.pool")
	} else if loc.Pool != nil {
		if _, e := r.place(*loc.Pool, loc.Host); e != nil {
			return e
		}
	}
	if e := vetTPMPolicy(req.Spec.TpmProvisionPolicy); e != nil {
		return e
	}
	return r.vetClonePlace(vm, &req.Spec)
}

func (r *Service) clone(vm *VM, req *types.CloneVM_Task) (any, *fault.Error) {
	if e := r.vetClone(vm, req); e != nil {
		return nil, e
	}
	var plan *guest.Customization
	if s := req.Spec.Customization; s != nil {
		var e *fault.Error
		if plan, e = vm.planCustomization(s, req.Name); e != nil {
			return nil, e
		}
	}
	disk := vm.guest
	if s := req.Spec.Snapshot; s != nil {
		back, e := r.asOfSnapshot(vm, *s)
		if e != nil {
			return nil, e
		}
		defer back()
		if g := r.snaps[*s]; g != nil {
			disk = g
		}
	}
	ask := *req
	if ask.Spec.Location.Host == nil && ask.Spec.Location.Pool != nil {
		all, e := r.place(*ask.Spec.Location.Pool, nil)
		if e != nil {
			return nil, e
		}
		ref := all[0].Ref()
		ask.Spec.Location.Host = &ref
	}
	ask.Spec.PowerOn, ask.Spec.Config, ask.Spec.Customization, ask.Spec.Template = false, nil, nil, false
	changes := ask.Spec.Location.DeviceChange
	ask.Spec.Location.DeviceChange = nil
	res, e := r.w.Inner(vm.Self, "CloneVM_Task", &ask)
	if e != nil {
		return nil, e
	}
	made := res.(types.ManagedObjectReference)
	n, e := r.of(made)
	if e != nil {
		return nil, e
	}
	n.Config.ExtraConfig = nil
	n.inherit(vm)
	n.takeTPM(vm, req.Spec.TpmProvisionPolicy)
	n.complete()
	v := &vetting{r: r, spec: &types.VirtualMachineConfigSpec{}, vm: n, host: n.host(), firmware: n.Config.Firmware,
		lock: isTrue(n.Config.MemoryReservationLockedToMax)}
	n.apply(v, &types.VirtualMachineConfigSpec{})
	if err := disk.CloneTo(n.guest); err != nil {
		return nil, fault.From(err)
	}
	if plan != nil {
		n.guest.Customize(*plan)
	}
	r.touch(n, true)
	n.publish()
	if req.Spec.Location.DiskMoveType == childDisks {
		n.link(vm)
	}
	if s := req.Spec.Config; s != nil || len(changes) > 0 {
		if s == nil {
			s = &types.VirtualMachineConfigSpec{}
		}
		s = clone(s)
		s.ChangeVersion = ""
		s.DeviceChange = append(clone(&types.VirtualMachineConfigSpec{DeviceChange: changes}).DeviceChange, s.DeviceChange...)
		if e := r.reconfigure(n, s); e != nil {
			r.w.Inner(made, "Destroy_Task", &types.Destroy_Task{This: made})
			delete(r.vms, made)
			return nil, e
		}
	}
	if req.Spec.Template {
		if _, e := r.w.Inner(made, "MarkAsTemplate", &types.MarkAsTemplate{This: made}); e != nil {
			return nil, e
		}
		r.touch(n, true)
	}
	r.w.Truth.VM("vm-cloned", n.hostName(), n.Name, "from %s", vm.Name)
	if req.Spec.PowerOn && !req.Spec.Template {
		if e := r.powerOn(n); e != nil {
			return nil, e
		}
	}
	return made, nil
}

// inherit copies what the simulator's clone loses.
func (n *VM) inherit(src *VM) {
	c, s := n.Config, src.Config
	c.Firmware = s.Firmware
	c.MemoryReservationLockedToMax = copyOf(s.MemoryReservationLockedToMax)
	c.FixedPassthruHotPlugEnabled = copyOf(s.FixedPassthruHotPlugEnabled)
	c.NestedHVEnabled, c.CpuHotAddEnabled, c.MemoryHotAddEnabled = copyOf(s.NestedHVEnabled), copyOf(s.CpuHotAddEnabled), copyOf(s.MemoryHotAddEnabled)
	c.Flags = s.Flags
	if s.BootOptions != nil {
		b := *s.BootOptions
		c.BootOptions = &b
	}
	if s.MemoryAllocation != nil {
		a := *s.MemoryAllocation
		c.MemoryAllocation = &a
	}
	if s.CpuAllocation != nil {
		a := *s.CpuAllocation
		c.CpuAllocation = &a
	}
	c.Annotation, n.Summary.Config.Annotation = s.Annotation, s.Annotation
	for _, o := range s.ExtraConfig {
		v := *o.GetOptionValue()
		if strings.HasPrefix(strings.ToLower(v.Key), "gpsim.") {
			continue
		}
		c.ExtraConfig = append(c.ExtraConfig, &v)
	}
	for _, d := range c.Hardware.Device { // the video card is a default device, which a clone gets fresh
		if to, ok := d.(*types.VirtualMachineVideoCard); ok {
			for _, sd := range s.Hardware.Device {
				if from, ok := sd.(*types.VirtualMachineVideoCard); ok {
					key, ctl, unit := to.Key, to.ControllerKey, to.UnitNumber
					*to = *from
					to.Key, to.ControllerKey, to.UnitNumber = key, ctl, unit
				}
			}
		}
	}
	for _, p := range host.Passthrough(n.VirtualMachine) {
		// own copies: the simulator may share the backing with the source
		switch b := p.Backing.(type) {
		case *types.VirtualPCIPassthroughDeviceBackingInfo:
			x := *b
			p.Backing = &x
		case *types.VirtualPCIPassthroughDynamicBackingInfo:
			x := *b
			x.AssignedId = ""
			p.Backing = &x
		}
	}
}

func copyOf(b *bool) *bool {
	if b == nil {
		return nil
	}
	v := *b
	return &v
}
