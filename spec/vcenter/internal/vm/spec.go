package vm

// spec.go checks a VirtualMachineConfigSpec against a VM (or against nothing, for a new
// one) before the simulator sees it.

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/host"
	"gpupt.test/vcenter/internal/world"
)

// vetting is a spec that is being checked.
type vetting struct {
	r    *Service
	spec *types.VirtualMachineConfigSpec
	vm   *VM        // nil for a new VM
	host *host.Host // the host it runs or will run on; nil = any of pool
	pool []*host.Host
	// the values after the change
	memory   int64
	firmware string
	version  int
	lock     bool
}

func badDevice(i int, f types.BaseMethodFault, format string, args ...any) *fault.Error {
	switch x := f.(type) {
	case *types.InvalidDeviceSpec:
		x.DeviceIndex, x.Property = int32(i), property(i)
	case *types.InvalidDeviceBacking:
		x.DeviceIndex, x.Property = int32(i), property(i)
	case *types.DeviceHotPlugNotSupported:
		x.DeviceIndex, x.Property = int32(i), property(i)
	case *types.DeviceUnsupportedForVmVersion:
		x.DeviceIndex, x.Property = int32(i), property(i)
	}
	e := fault.New(f, "Invalid configuration for device '%d'.", i)
	return e.With("msg.deviceSpec", fmt.Sprintf(format, args...))
}

func property(i int) string { return fmt.Sprintf("virtualDeviceSpec.device[%d]", i) }

func (v *vetting) check() *fault.Error {
	s, cur := v.spec, v.vm
	if cur != nil {
		if s.ChangeVersion != "" && s.ChangeVersion != cur.Config.ChangeVersion {
			return fault.New(&types.ConcurrentAccess{}, "The object has been changed by another request: changeVersion %s is not %s.", s.ChangeVersion, cur.Config.ChangeVersion)
		}
		v.memory, v.firmware = int64(cur.Config.Hardware.MemoryMB), cur.Config.Firmware
		v.version, v.lock = hardwareVersion(cur.Config.Version), isTrue(cur.Config.MemoryReservationLockedToMax)
	} else {
		v.memory, v.firmware, v.version = 32, "bios", v.r.defaultVersion()
	}
	for _, f := range []func() *fault.Error{v.forVBS, v.identity, v.firmwareRules, v.sizes, v.switches, v.devices, v.extraConfig} {
		if e := f(); e != nil {
			return e
		}
	}
	return nil
}

// defaultVersion and newest are those of the hosts' release.
func (r *Service) defaultVersion() int { return r.newestVersion() }

func (r *Service) newestVersion() int {
	v := r.w.Version
	switch {
	case v[0] >= 9:
		return 22
	case v[0] == 8 && (v[1] > 0 || v[2] >= 2):
		return 21
	case v[0] == 8:
		return 20
	case v[0] == 7 && v[2] >= 2:
		return 19
	}
	return 17
}

func (v *vetting) identity() *fault.Error {
	s := v.spec
	if world.BadName(s.Name) && (v.vm == nil || s.Name != "") {
		return world.InvalidName(s.Name, entity(v.vm))
	}
	if s.GuestId != "" && !slices.Contains(types.VirtualMachineGuestOsIdentifier("").Strings(), s.GuestId) {
		return fault.InvalidArgument("configSpec.guestId")
	}
	if s.Version == "" {
		return nil
	}
	n := hardwareVersion(s.Version)
	if v.vm != nil {
		if n != v.version {
			return fault.InvalidArgument("configSpec.version")
		}
		return nil
	}
	if n < 4 || n > v.r.newestVersion() {
		return fault.New(&types.VirtualHardwareVersionNotSupported{HostName: "", Host: types.ManagedObjectReference{Type: "HostSystem", Value: "host"}},
			"The virtual machine version %s is not supported on the host; the newest is vmx-%d.", s.Version, v.r.newestVersion())
	}
	v.version = n
	return nil
}

func entity(vm *VM) *types.ManagedObjectReference {
	if vm == nil {
		return nil
	}
	return &vm.Self
}

func (v *vetting) firmwareRules() *fault.Error {
	s := v.spec
	if s.Firmware != "" {
		if s.Firmware != "bios" && s.Firmware != "efi" {
			return fault.InvalidArgument("configSpec.firmware")
		}
		if v.vm != nil && !v.vm.off() && s.Firmware != v.firmware {
			return v.poweredOn()
		}
		v.firmware = s.Firmware
	}
	if v.firmware == "efi" && v.version < 8 {
		return fault.New(&types.InvalidVmConfig{Property: "configSpec.firmware"}, "EFI firmware needs virtual hardware version 8.")
	}
	secure := s.BootOptions != nil && isTrue(s.BootOptions.EfiSecureBootEnabled)
	if s.BootOptions == nil && v.vm != nil && v.vm.Config.BootOptions != nil {
		secure = isTrue(v.vm.Config.BootOptions.EfiSecureBootEnabled)
	}
	if secure && (v.firmware != "efi" || v.version < 13) {
		return fault.New(&types.InvalidVmConfig{Property: "configSpec.bootOptions.efiSecureBootEnabled"},
			"Secure Boot needs EFI firmware and virtual hardware version 13.")
	}
	return nil
}

func (v *vetting) poweredOn() *fault.Error {
	return fault.New(&types.InvalidPowerState{RequestedState: types.VirtualMachinePowerStatePoweredOff, ExistingState: v.vm.Runtime.PowerState})
}

func (v *vetting) sizes() *fault.Error {
	s := v.spec
	on := v.vm != nil && !v.vm.off()
	if s.MemoryMB != 0 {
		if s.MemoryMB < 4 || s.MemoryMB%4 != 0 || s.MemoryMB > 24<<20 {
			return fault.InvalidArgument("configSpec.memoryMB")
		}
		if on && s.MemoryMB != v.memory && !isTrue(v.vm.Config.MemoryHotAddEnabled) {
			return fault.New(&types.MemoryHotPlugNotSupported{}, "Memory hot plug is not supported for this virtual machine.")
		}
		v.memory = s.MemoryMB
	}
	if s.NumCPUs < 0 || s.NumCPUs > 768 {
		return fault.InvalidArgument("configSpec.numCPUs")
	}
	if on && s.NumCPUs != 0 && s.NumCPUs != v.vm.Config.Hardware.NumCPU && !isTrue(v.vm.Config.CpuHotAddEnabled) {
		return fault.New(&types.CpuHotPlugNotSupported{}, "CPU hot plug is not supported for this virtual machine.")
	}
	if c := s.NumCoresPerSocket; c != nil && *c > 0 && s.NumCPUs > 0 && s.NumCPUs%*c != 0 {
		return fault.InvalidArgument("configSpec.numCoresPerSocket")
	}
	if e := vetShares(s.MemoryAllocation, "spec.memoryAllocation.shares"); e != nil {
		return e
	}
	if e := vetShares(s.CpuAllocation, "spec.cpuAllocation.shares"); e != nil {
		return e
	}
	if s.MemoryReservationLockedToMax != nil {
		v.lock = *s.MemoryReservationLockedToMax
	}
	// the later value: the spec's, else the VM's
	reservation, limit := int64(0), int64(-1)
	if v.vm != nil {
		reservation, limit = *v.vm.Config.MemoryAllocation.Reservation, *v.vm.Config.MemoryAllocation.Limit
		reservation = min(reservation, v.memory)
	}
	if a := s.MemoryAllocation; a != nil {
		if a.Reservation != nil {
			reservation = *a.Reservation
			if reservation < 0 || reservation > v.memory || v.lock && reservation != v.memory {
				return fault.InvalidArgument("spec.memoryAllocation.reservation")
			}
		}
		if a.Limit != nil {
			limit = *a.Limit
		}
	}
	if v.lock {
		reservation = v.memory
	}
	if limit < -1 || limit >= 0 && limit < reservation {
		return fault.InvalidArgument("spec.memoryAllocation.limit")
	}
	return nil
}

// switches are flags whose combination with passthrough is refused.
func (v *vetting) switches() *fault.Error {
	s := v.spec
	if v.vm != nil && !v.vm.off() {
		c := v.vm.Config
		if s.GuestId != "" && s.GuestId != c.GuestId || differs(s.NestedHVEnabled, c.NestedHVEnabled) ||
			differs(s.CpuHotAddEnabled, c.CpuHotAddEnabled) || differs(s.MemoryHotAddEnabled, c.MemoryHotAddEnabled) ||
			s.Flags != nil && (differs(s.Flags.VbsEnabled, c.Flags.VbsEnabled) || differs(s.Flags.VvtdEnabled, c.Flags.VvtdEnabled)) {
			return v.poweredOn()
		}
	}
	if v.passthroughAfter() == 0 {
		return nil
	}
	pick := func(next *bool, now func() *bool) bool {
		if next != nil {
			return *next
		}
		return v.vm != nil && isTrue(now())
	}
	if pick(s.NestedHVEnabled, func() *bool { return v.vm.Config.NestedHVEnabled }) {
		const text = "PCI passthrough devices cannot be added when Nested Hardware-Assisted Virtualization is enabled."
		if v.vm != nil {
			v.r.logLine(v.vm, text)
		}
		return fault.New(&types.GenericVmConfigFault{Reason: text}, text)
	}
	if pick(s.CpuHotAddEnabled, func() *bool { return v.vm.Config.CpuHotAddEnabled }) {
		return fault.New(&types.InvalidVmConfig{Property: "configSpec.cpuHotAddEnabled"}, "CPU hot add is not supported together with PCI passthrough devices.")
	}
	if pick(s.MemoryHotAddEnabled, func() *bool { return v.vm.Config.MemoryHotAddEnabled }) {
		return fault.New(&types.InvalidVmConfig{Property: "configSpec.memoryHotAddEnabled"}, "Memory hot add is not supported together with PCI passthrough devices.")
	}
	return v.vbs()
}

func differs(next, now *bool) bool { return next != nil && *next != isTrue(now) }

// passthroughAfter counts the passthrough devices once the spec is applied.
func (v *vetting) passthroughAfter() int {
	n := 0
	if v.vm != nil {
		n = len(host.Passthrough(v.vm.VirtualMachine))
	}
	for _, c := range v.spec.DeviceChange {
		d := c.GetVirtualDeviceConfigSpec()
		if _, ok := d.Device.(*types.VirtualPCIPassthrough); !ok {
			continue
		}
		switch d.Operation {
		case types.VirtualDeviceConfigSpecOperationAdd:
			n++
		case types.VirtualDeviceConfigSpecOperationRemove:
			n--
		}
	}
	return n
}

// reserved keys have fields of their own; in extraConfig they are ignored.
var reserved = map[string]bool{"firmware": true, "memsize": true, "numvcpus": true, "displayname": true, "uuid.bios": true, "vc.uuid": true,
	"guestos": true, "annotation": true, "virtualhw.version": true, "sched.mem.min": true, "sched.mem.max": true, "sched.mem.pin": true,
	"cpuid.corespersocket": true, "nvram": true, "config.version": true}

func (v *vetting) extraConfig() *fault.Error {
	for _, o := range v.spec.ExtraConfig {
		ov := o.GetOptionValue()
		if ov.Key == "" || strings.ContainsAny(ov.Key, " \t\n\"") {
			return fault.InvalidArgument("configSpec.extraConfig")
		}
		if _, ok := ov.Value.(string); !ok {
			return fault.InvalidArgument(fmt.Sprintf("configSpec.extraConfig[\"%s\"]", ov.Key))
		}
	}
	return nil
}

// mergeExtra applies the keys to the VM.
func (vm *VM) mergeExtra(list []types.BaseOptionValue) {
	for _, o := range list {
		ov := o.GetOptionValue()
		if reserved[strings.ToLower(ov.Key)] {
			continue
		}
		value := ov.Value.(string)
		at := slices.IndexFunc(vm.Config.ExtraConfig, func(b types.BaseOptionValue) bool { return strings.EqualFold(b.GetOptionValue().Key, ov.Key) })
		switch {
		case value == "" && at >= 0:
			vm.Config.ExtraConfig = slices.Delete(slices.Clone(vm.Config.ExtraConfig), at, at+1)
		case value == "":
		case at >= 0:
			vm.Config.ExtraConfig = slices.Clone(vm.Config.ExtraConfig)
			vm.Config.ExtraConfig[at] = &types.OptionValue{Key: vm.Config.ExtraConfig[at].GetOptionValue().Key, Value: value}
		default:
			vm.Config.ExtraConfig = append(slices.Clone(vm.Config.ExtraConfig), &types.OptionValue{Key: ov.Key, Value: value})
		}
	}
}
