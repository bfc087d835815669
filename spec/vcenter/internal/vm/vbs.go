package vm

// vbs.go: virtualization-based security of a VM (flags.vbsEnabled). Windows' own hypervisor runs in the VM: it needs
// nested virtualization, a virtual IOMMU, EFI and Secure Boot, and excludes passthrough.

import (
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/fault"
)

const vbsDoc = "API reference: VirtualMachineFlagInfo.vbsEnabled, \"If set to true when creating a new VM\""

var (
	_ = rule("vm.vbs-create", "documented", "real", vbsDoc+"; with which fault an error comes was not seen",
		"A new VM with vbsEnabled gets vvtdEnabled, nestedHVEnabled, efiSecureBootEnabled and EFI where they are unset; if one of them is given otherwise it is InvalidArgument.")
	_ = rule("vm.vbs-change", "seen", "real", "ansible-collections/community.vmware#351: of the settings for VBS only Secure Boot without EFI is refused, the others are set as they are given",
		"A reconfigure sets vbsEnabled, vvtdEnabled and nestedHVEnabled as given, each alone too.")
	_ = rule("vm.vbs-passthrough", "documented", "real", "vSphere Security 6.7 to 8.0, Virtualization-based Security Best Practices: not supported in a VM with VBS are fault tolerance, PCI passthrough and hot-add of CPU or memory; KB 437651 (nested virtualization and VBS)",
		"A VM with VBS has no passthrough devices: GenericVmConfigFault.")
	_ = rule("power.nested-hv", "seen", "real", "KB 437651: \"Virtualization is not supported on a virtual machine with a PCI passthrough device.\"; which key the message has was not seen",
		"A VM with passthrough devices and nested virtualization or VBS, which a file that was registered may have, does not start.")
)

// forVBS completes the spec of a new VM.
func (v *vetting) forVBS() *fault.Error {
	s := v.spec
	if v.vm != nil || s.Flags == nil || !isTrue(s.Flags.VbsEnabled) {
		return nil
	}
	flags, boot := *s.Flags, types.VirtualMachineBootOptions{}
	if s.BootOptions != nil {
		boot = *s.BootOptions
	}
	for _, one := range []struct {
		on   **bool
		name string
	}{{&flags.VvtdEnabled, "flags.vvtdEnabled"}, {&s.NestedHVEnabled, "nestedHVEnabled"}, {&boot.EfiSecureBootEnabled, "bootOptions.efiSecureBootEnabled"}} {
		if *one.on != nil && !**one.on {
			return fault.InvalidArgument("configSpec." + one.name)
		}
		*one.on = ptr(true)
	}
	if s.Firmware == "bios" {
		return fault.InvalidArgument("configSpec.firmware")
	}
	s.Flags, s.BootOptions, s.Firmware = &flags, &boot, "efi"
	return nil
}

// vbs refuses it beside passthrough devices.
func (v *vetting) vbs() *fault.Error {
	on := v.vm != nil && isTrue(v.vm.Config.Flags.VbsEnabled)
	if f := v.spec.Flags; f != nil && f.VbsEnabled != nil {
		on = *f.VbsEnabled
	}
	if !on {
		return nil
	}
	const text = "PCI passthrough devices are not supported when Virtualization Based Security is enabled."
	if v.vm != nil {
		v.r.logLine(v.vm, text)
	}
	return fault.New(&types.GenericVmConfigFault{Reason: text}, text)
}
