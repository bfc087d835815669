package vm

// complete_customize.go: customization of a guest's identity, with a clone or by
// CustomizeVM_Task. What a specification says is checked here and applied by the guest's Tools.

import (
	"regexp"
	"strings"

	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/guest"
	"gpupt.test/vcenter/internal/task"
)

var (
	_ = rule("guest.customize-fits", "documented", "real", "API reference: NicSettingMismatch, UncustomizableGuest, CustomizationPending; CustomizationFixedName",
		"A specification fits the guest (LinuxPrep, Sysprep), has one nicSettingMap entry for each network card and a name that is valid for the system; only one can be pending, and the VM is off.")
	_ = rule("guest.customize", "documented", "real", "API reference: GuestInfo.customizationInfo; VMware docs: guest OS customization needs Tools, runs at the next power-on and restarts the guest",
		"Tools apply the specification at the next start and restart the guest; guest operations are ready before that restart; without Tools it stays pending.")
	_ = rule("guest.computer-name", "documented", "real", "API reference: CustomizationUserData.computerName: restricted to 15 characters in length; if longer, it will be truncated to 15 characters",
		"The computer name of a Windows guest has at most 15 characters: the rest of a longer one is dropped. It is not refused.")
	_ = rule("guest.customize-check", "documented", "real", "API reference: VirtualMachine.CheckCustomizationSpec throws CustomizationFault", "CheckCustomizationSpec refuses the same specifications as CustomizeVM_Task, changes nothing, and does not check the power state.")
)

var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$`)

func customName(n types.BaseCustomizationName, vm string) (string, bool) {
	switch x := n.(type) {
	case *types.CustomizationFixedName:
		return x.Name, true
	case *types.CustomizationVirtualMachineName:
		return vm, true
	case *types.CustomizationPrefixName:
		return x.Base + "-1", true
	}
	return "", false
}

// planCustomization reads a specification for a VM of this name with the source's guest.
func (vm *VM) planCustomization(s *types.CustomizationSpec, name string) (*guest.Customization, *fault.Error) {
	uncustomizable := func() *fault.Error {
		return fault.New(&types.UncustomizableGuest{UncustomizableGuestOS: vm.Config.GuestFullName},
			"Customization of the guest operating system '%s' is not supported in this configuration.", vm.Config.GuestFullName)
	}
	c, os := &guest.Customization{}, vm.guest.OS()
	ok, path := false, "spec.identity.hostName"
	switch id := s.Identity.(type) {
	case *types.CustomizationLinuxPrep:
		if os == "windows" || os == "" {
			return nil, uncustomizable()
		}
		c.Hostname, ok = customName(id.HostName, name)
		c.Domain, c.Script = id.Domain, id.ScriptText
	case *types.CustomizationSysprep:
		if os != "windows" {
			return nil, uncustomizable()
		}
		path = "spec.identity.userData.computerName"
		c.Hostname, ok = customName(id.UserData.ComputerName, name)
		c.Hostname = c.Hostname[:min(len(c.Hostname), 15)]
		if p := id.GuiUnattended.Password; p != nil {
			text, ok := vm.service.unseal(p)
			if !ok {
				return nil, fault.New(&types.CannotDecryptPasswords{}, "One or more of the passwords in the customization specification cannot be decrypted.")
			}
			c.Password = text
		}
		if id.GuiRunOnce != nil {
			c.Commands = id.GuiRunOnce.CommandList
		}
	default:
		return nil, uncustomizable()
	}
	if !ok || !hostName.MatchString(c.Hostname) || len(c.Hostname) > 63 || strings.Trim(c.Hostname, "0123456789") == "" {
		return nil, fault.InvalidArgument(path)
	}
	cards := 0
	for _, d := range vm.Config.Hardware.Device {
		if _, ok := d.(types.BaseVirtualEthernetCard); ok {
			cards++
		}
	}
	if len(s.NicSettingMap) != cards {
		return nil, fault.New(&types.NicSettingMismatch{NumberOfNicsInSpec: int32(len(s.NicSettingMap)), NumberOfNicsInVM: int32(cards)},
			"The number of network adapters in the customization specification does not match the number of network adapters present in the virtual machine.")
	}
	for _, n := range s.NicSettingMap[:min(cards, 1)] {
		if ip, ok := n.Adapter.Ip.(*types.CustomizationFixedIp); ok {
			c.IP = ip.IpAddress
		}
	}
	return c, nil
}

// customize is CustomizeVM_Task.
func (r *Service) customize(c *api.Call) (any, *fault.Error) {
	req := c.Req.(*types.CustomizeVM_Task)
	vm, e := r.of(c.This)
	if e != nil {
		return nil, e
	}
	return c.Task(task.Spec{Exclusive: true, Waits: r.w.Fleet.Queues(), Run: func(t *task.Task) (any, *fault.Error) {
		var e *fault.Error
		t.Do(func() {
			if vm.on() {
				e = fault.New(&types.InvalidPowerState{RequestedState: types.VirtualMachinePowerStatePoweredOff, ExistingState: vm.Runtime.PowerState})
				return
			}
			var plan *guest.Customization
			if plan, e = vm.planCustomization(&req.Spec, vm.Name); e == nil && !vm.guest.Customize(*plan) {
				e = fault.New(&types.CustomizationPending{}, "A customization operation is already pending for this virtual machine.")
			}
			vm.publish()
		})
		return nil, e
	}})
}

// checkCustomization is CheckCustomizationSpec.
func (r *Service) checkCustomization(c *api.Call) (any, *fault.Error) {
	vm, e := r.of(c.This)
	if e == nil {
		_, e = vm.planCustomization(&c.Req.(*types.CheckCustomizationSpec).Spec, vm.Name)
	}
	if e != nil {
		return nil, e
	}
	return &types.CheckCustomizationSpecResponse{}, nil
}

// customizationInfo is guest.customizationInfo.
func customizationInfo(s guest.CustomizationState) *types.GuestInfoCustomizationInfo {
	if s.Status == "" {
		s.Status = "TOOLSDEPLOYPKG_IDLE"
	}
	return &types.GuestInfoCustomizationInfo{CustomizationStatus: s.Status, StartTime: s.Began, EndTime: s.Ended, ErrorMsg: s.Error}
}
