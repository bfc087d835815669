package host

// usage.go: which virtual machine holds which card.

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// Passthrough lists the passthrough devices of a VM.
func Passthrough(vm *simulator.VirtualMachine) []*types.VirtualPCIPassthrough {
	var out []*types.VirtualPCIPassthrough
	if vm.Config == nil {
		return nil
	}
	for _, d := range vm.Config.Hardware.Device {
		if p, ok := d.(*types.VirtualPCIPassthrough); ok {
			out = append(out, p)
		}
	}
	return out
}

// Address is the card that a passthrough device names, "" when none is settled.
func Address(p *types.VirtualPCIPassthrough) string {
	switch b := p.Backing.(type) {
	case *types.VirtualPCIPassthroughDeviceBackingInfo:
		return b.Id
	case *types.VirtualPCIPassthroughDynamicBackingInfo:
		return b.AssignedId
	}
	return ""
}

// Fixed reports whether a VM has a device of one certain host.
func Fixed(vm *simulator.VirtualMachine) bool {
	for _, p := range Passthrough(vm) {
		if _, ok := p.Backing.(*types.VirtualPCIPassthroughDeviceBackingInfo); ok {
			return true
		}
	}
	return false
}

// On reports whether a VM runs.
func On(vm *simulator.VirtualMachine) bool {
	return vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn
}

// Holder is the running VM that holds a card, nil when it is free.
func (r *Hosts) Holder(h *Host, address string) *simulator.VirtualMachine {
	for _, vm := range r.w.VMsOn(h.HS) {
		if !On(vm) {
			continue
		}
		for _, p := range Passthrough(vm) {
			if Address(p) == address {
				return vm
			}
		}
	}
	return nil
}
