package vm

// hotplug.go: fixedPassthruHotPlugEnabled. A VM that was powered on with it takes fixed
// passthrough devices and gives them back while it runs; the guest sees them come and go.

import (
	"slices"

	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/host"
)

const hotPlugDoc = "API reference: VirtualMachineConfigSpec.fixedPassthruHotPlugEnabled (8.0.1): set only when powered off; the memory reservation should be equal to the memory, or all of it locked"

var (
	_ = rule("vm.hot-plug-off", "documented", "real", hotPlugDoc, "fixedPassthruHotPlugEnabled changes only while the VM is powered off.")
	_ = rule("vm.hot-plug-reservation", "inferred", "inferred", hotPlugDoc+"; with which fault a server refuses it was not seen", "fixedPassthruHotPlugEnabled requires the whole memory reserved: InvalidVmConfig otherwise.")
	_ = rule("vm.hot-plug", "documented", "real", "API reference: VirtualMachineConfigInfo.fixedPassthruHotPlugEnabled: whether support was enabled prior to power on",
		"A VM that runs with it takes and gives back fixed devices that are active and free on its host. Dynamic ones cannot be hot-plugged.")
)

// hotPlug checks the field.
func (v *vetting) hotPlug() *fault.Error {
	s, on := v.spec, false
	if v.vm != nil {
		on = isTrue(v.vm.Config.FixedPassthruHotPlugEnabled)
		if !v.vm.off() && differs(s.FixedPassthruHotPlugEnabled, v.vm.Config.FixedPassthruHotPlugEnabled) {
			return v.poweredOn()
		}
	}
	if s.FixedPassthruHotPlugEnabled != nil {
		on = *s.FixedPassthruHotPlugEnabled
	}
	if !on || v.lock {
		return nil
	}
	reserved := int64(0)
	if v.vm != nil {
		reserved = *v.vm.Config.MemoryAllocation.Reservation
	}
	if a := s.MemoryAllocation; a != nil && a.Reservation != nil {
		reserved = *a.Reservation
	}
	if reserved != v.memory {
		return fault.New(&types.InvalidVmConfig{Property: "configSpec.fixedPassthruHotPlugEnabled"},
			"Hot plug of fixed passthrough devices needs all memory of the virtual machine reserved.")
	}
	return nil
}

// hotChange checks a passthrough device that is changed while the VM runs.
func (v *vetting) hotChange(i int, d *types.VirtualDeviceConfigSpec, p *types.VirtualPCIPassthrough) *fault.Error {
	b, fixed := p.Backing.(*types.VirtualPCIPassthroughDeviceBackingInfo)
	if !fixed || !v.vm.on() || !isTrue(v.vm.Config.FixedPassthruHotPlugEnabled) || d.Operation == types.VirtualDeviceConfigSpecOperationEdit {
		return badDevice(i, &types.DeviceHotPlugNotSupported{}, "PCI passthrough devices cannot be changed while the VM runs")
	}
	if d.Operation == types.VirtualDeviceConfigSpecOperationRemove {
		return nil
	}
	h := v.vm.host()
	if c := h.Card(b.Id); c == nil || !c.Enabled || !c.Active {
		return badDevice(i, &types.InvalidDeviceBacking{}, "Device %s is not a passthrough device.", decimal(b.Id))
	}
	if o := v.r.hosts.Holder(h, b.Id); o != nil {
		return badDevice(i, &types.InvalidDeviceBacking{}, "Device %s is already in use by virtual machine '%s'.", decimal(b.Id), o.Name)
	}
	return nil
}

// replug brings the cards of a running VM into line with its configuration.
func (vm *VM) replug() {
	h := vm.host()
	if !vm.on() || h == nil || !isTrue(vm.Config.FixedPassthruHotPlugEnabled) {
		return
	}
	have := host.Passthrough(vm.VirtualMachine)
	list := slices.DeleteFunc(slices.Clone(vm.assigned), func(p *placed) bool {
		return !slices.ContainsFunc(have, func(d *types.VirtualPCIPassthrough) bool { return d.Key == p.device.Key })
	})
	changed := len(list) != len(vm.assigned)
	for _, d := range have {
		if slices.ContainsFunc(list, func(p *placed) bool { return p.device.Key == d.Key }) {
			continue
		}
		if b, ok := d.Backing.(*types.VirtualPCIPassthroughDeviceBackingInfo); ok {
			if c := h.Card(b.Id); c != nil {
				list, changed = append(list, &placed{d, c, barsOf(c)}), true
			}
		}
	}
	if changed {
		vm.assigned = list
		vm.service.hosts.Drawn(h)
		vm.guest.Replug(vm.hardware(list, vm.window).Devices)
	}
}
