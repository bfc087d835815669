package vm

// keys.go: keys for the VM's keyboard, as a client of the API sends them.

import (
	"fmt"

	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/guest"
)

var (
	_ = rule("vm.keys", "documented", "real", "API reference: VirtualMachine.PutUsbScanCodes (since 6.5: int, privilege VirtualMachine.Interact.PutUsbScanCodes), UsbScanCodeSpec.keyEvents, KeyEvent.usbHidCode",
		"PutUsbScanCodes sends the events to the keyboard in their order and returns how many it sent.")
	_ = rule("vm.keys-power", "inferred", "inferred", "a VM that is off has no keyboard; the reference lists no fault", "PutUsbScanCodes of a VM that does not run is InvalidPowerState.")
	_ = rule("vm.keys-code", "inferred", "inferred", "govc vm.keystrokes, hashicorp/packer and ansible's vmware_guest_sendkey send usage << 16 | 7; HID Usage Tables: page 7, usages 4 to 0xe7 are keys; what a real host does with others is not documented",
		"usbHidCode is usage << 16 | 7 with the usage of a key; anything else is InvalidArgument.")
)

func (r *Service) registerKeys() {
	r.s.Handle("PutUsbScanCodes", func(c *api.Call) (any, *fault.Error) {
		vm, e := r.of(c.This)
		if e != nil {
			return nil, e
		}
		events := c.Req.(*types.PutUsbScanCodes).Spec.KeyEvents
		if len(events) == 0 {
			return nil, fault.InvalidArgument("spec.keyEvents")
		}
		keys := make([]guest.Key, len(events))
		for i, k := range events {
			usage := k.UsbHidCode >> 16
			if k.UsbHidCode&0xffff != 7 || usage < 4 || usage > 0xe7 {
				return nil, fault.InvalidArgument(fmt.Sprintf("spec.keyEvents[%d].usbHidCode", i))
			}
			keys[i] = guest.Key{Usage: uint16(usage)}
			if m := k.Modifiers; m != nil {
				keys[i].Shift = m.LeftShift != nil && *m.LeftShift || m.RightShift != nil && *m.RightShift
			}
		}
		if e := vm.mustRun(); e != nil {
			return nil, e
		}
		vm.guest.Type(keys)
		r.w.Truth.VM("keys", vm.hostName(), vm.Name, "%d keys", len(keys))
		return &types.PutUsbScanCodesResponse{Returnval: int32(len(keys))}, nil
	}, api.Needs("VirtualMachine.Interact.PutUsbScanCodes"))
}
