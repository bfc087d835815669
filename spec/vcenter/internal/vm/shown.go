package vm

// shown.go: what a client reads of a VM besides what it configured: the defaults that a host writes into the
// configuration, what the running VM may use and needs, the guest's volumes and routes, and the methods that are
// disabled now. The names and values are those of a Windows VM as recorded at vCenter.

import (
	"net"
	"reflect"

	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/guest"
)

var _ = rule("vm.shown", "seen", "real", "pyvmomi tests/fixtures/test_json_vm_explode_default.yaml, recorded at vCenter 6.7: config.flags, bootOptions, defaultPowerOps, datastoreUrl, runtime.maxCpuUsage (processors by the host's MHz), maxMemoryUsage, featureRequirement, guest.disk, ipStack, resourceConfig, disabledMethod of a running VM",
	"A VM shows the defaults of its flags, boot options and power operations, and the URLs of its datastores; while it runs, what it may use and the CPU features that it needs, and with Tools the guest's volumes and IP stack. disabledMethod names the methods that its state rules out.")

// defaults fills the fields of the configuration that are not set.
func (vm *VM) defaults() {
	c := vm.Config
	no, yes := ptr(false), ptr(true)
	fillUnset(reflect.ValueOf(&c.Flags).Elem(), reflect.ValueOf(types.VirtualMachineFlagInfo{DisableAcceleration: no, EnableLogging: yes, UseToe: no,
		RunWithDebugInfo: no, MonitorType: "release", HtSharing: "any", SnapshotDisabled: no, SnapshotLocked: no, DiskUuidEnabled: no,
		VirtualMmuUsage: "automatic", VirtualExecUsage: "hvAuto", SnapshotPowerOffBehavior: "powerOff", RecordReplayEnabled: no,
		FaultToleranceType: "unset", CbrcCacheEnabled: no, VvtdEnabled: no, VbsEnabled: no}))
	fillUnset(reflect.ValueOf(&c.DefaultPowerOps).Elem(), reflect.ValueOf(types.VirtualMachineDefaultPowerOpInfo{PowerOffType: "soft", SuspendType: "hard",
		ResetType: "soft", DefaultPowerOffType: "soft", DefaultSuspendType: "hard", DefaultResetType: "soft", StandbyAction: "checkpoint"}))
	boot := types.VirtualMachineBootOptions{}
	if c.BootOptions != nil {
		boot = *c.BootOptions
	}
	fillUnset(reflect.ValueOf(&boot).Elem(), reflect.ValueOf(types.VirtualMachineBootOptions{EnterBIOSSetup: no, EfiSecureBootEnabled: no,
		BootRetryEnabled: no, BootRetryDelay: 10000, NetworkBootProtocol: "ipv4"}))
	c.BootOptions = &boot
	c.DatastoreUrl = nil
	for _, ref := range vm.Datastore {
		if name, id, ok := vm.service.w.Volume(ref); ok {
			c.DatastoreUrl = append(c.DatastoreUrl, types.VirtualMachineConfigInfoDatastoreUrlPair{Name: name, Url: "/vmfs/volumes/" + id})
		}
	}
}

// merge completes the flags, boot options and power operations of a change with those that the VM has: a field that a
// spec leaves out stays as it is.
func (vm *VM) merge(s *types.VirtualMachineConfigSpec) {
	if s.Flags != nil {
		f := *s.Flags
		fillUnset(reflect.ValueOf(&f).Elem(), reflect.ValueOf(vm.Config.Flags))
		s.Flags = &f
	}
	if s.BootOptions != nil && vm.Config.BootOptions != nil {
		b := *s.BootOptions
		fillUnset(reflect.ValueOf(&b).Elem(), reflect.ValueOf(*vm.Config.BootOptions))
		s.BootOptions = &b
	}
	if s.PowerOpInfo != nil {
		p := *s.PowerOpInfo
		fillUnset(reflect.ValueOf(&p).Elem(), reflect.ValueOf(vm.Config.DefaultPowerOps))
		vm.Config.DefaultPowerOps = p
	}
}

var needed = []string{"SSE3", "PCLMULQDQ", "SSSE3", "CMPXCHG16B", "PCID", "SSE41", "SSE42", "POPCNT", "AES", "XSAVE", "AVX", "SS", "STIBP",
	"XCR0_MASTER_SSE", "XCR0_MASTER_YMM_H", "LAHF64", "NX", "RDTSCP", "LM", "Intel", "IBRS", "IBPB"}

var features = func() (out []types.VirtualMachineFeatureRequirement) {
	for _, name := range needed {
		out = append(out, types.VirtualMachineFeatureRequirement{Key: "cpuid." + name, FeatureName: "cpuid." + name, Value: "Bool:Min:1"})
	}
	return
}()

// running fills what holds while the VM runs.
func (vm *VM) running() {
	r := &vm.Runtime
	r.MaxCpuUsage, r.MaxMemoryUsage, r.FeatureRequirement, r.MinRequiredEVCModeKey = 0, 0, nil, ""
	r.OfflineFeatureRequirement = []types.VirtualMachineFeatureRequirement{{Key: "cpuid.lm", FeatureName: "cpuid.lm", Value: "Bool:Min:1"}}
	if h := vm.host(); h != nil && vm.on() {
		r.MaxCpuUsage, r.MaxMemoryUsage = vm.Config.Hardware.NumCPU*h.HS.Summary.Hardware.CpuMhz, vm.Config.Hardware.MemoryMB
		if l := vm.Config.CpuAllocation; l != nil && l.Limit != nil && *l.Limit >= 0 {
			r.MaxCpuUsage = min(r.MaxCpuUsage, int32(*l.Limit))
		}
		if l := vm.Config.MemoryAllocation; l != nil && l.Limit != nil && *l.Limit >= 0 {
			r.MaxMemoryUsage = min(r.MaxMemoryUsage, int32(*l.Limit))
		}
		r.FeatureRequirement, r.MinRequiredEVCModeKey = features, "intel-sandybridge"
	}
	vm.Summary.Runtime = *r
}

// stack is what Tools report of the guest's volumes and network.
func stack(g *types.GuestInfo, i guest.Info) {
	g.Disk, g.IpStack = nil, nil
	if i.ToolsRun != "guestToolsRunning" {
		return
	}
	for _, v := range i.Volumes {
		g.Disk = append(g.Disk, types.GuestDiskInfo{DiskPath: v.Path, Capacity: v.Capacity, FreeSpace: v.Free, FilesystemType: v.FileSystem})
	}
	ip := net.ParseIP(g.IpAddress).To4()
	if ip == nil {
		return
	}
	const prefix = 16
	gateway := net.IPv4(ip[0], ip[1], 0, 1).String()
	names := types.NetDnsConfigInfo{Dhcp: !i.Static, HostName: i.Hostname, IpAddress: []string{gateway}}
	route := func(network string, length int32, via string) types.NetIpRouteConfigInfoIpRoute {
		return types.NetIpRouteConfigInfoIpRoute{Network: network, PrefixLength: length, Gateway: types.NetIpRouteConfigInfoGateway{IpAddress: via, Device: "0"}}
	}
	g.IpStack = []types.GuestStackInfo{{DnsConfig: &names, IpRouteConfig: &types.NetIpRouteConfigInfo{IpRoute: []types.NetIpRouteConfigInfoIpRoute{
		route("0.0.0.0", 0, gateway), route(net.IPv4(ip[0], ip[1], 0, 0).String(), prefix, ""), route(ip.String(), 32, "")}}}}
	own := names
	own.HostName = ""
	origin := "dhcp"
	if i.Static {
		origin = "manual"
	}
	for n := range g.Net {
		if len(g.Net[n].IpAddress) > 0 {
			g.Net[n].DnsConfig = &own
			g.Net[n].IpConfig = &types.NetIpConfigInfo{IpAddress: []types.NetIpConfigInfoIpAddress{{IpAddress: ip.String(), PrefixLength: prefix, Origin: origin, State: "preferred"}}}
		}
	}
}

var (
	always   = []string{"CreateSecondaryVM_Task", "CreateSecondaryVMEx_Task", "TurnOffFaultToleranceForVM_Task", "MakePrimaryVM_Task", "TerminateFaultTolerantVM_Task", "DisableSecondaryVM_Task", "EnableSecondaryVM_Task", "StartRecording_Task", "StopRecording_Task", "StartReplaying_Task", "StopReplaying_Task"}
	whileOn  = []string{"Destroy_Task", "UnregisterVM", "UpgradeVM_Task", "ApplyEvcModeVM_Task", "CustomizeVM_Task", "MarkAsTemplate", "ResetGuestInformation", "ExportVm", "PowerOnVM_Task"}
	whileOff = []string{"PowerOffVM_Task", "SuspendVM_Task", "ResetVM_Task", "MountToolsInstaller", "CreateScreenshot_Task", "AcquireTicket"}
	noTools  = []string{"ShutdownGuest", "RebootGuest", "StandbyGuest", "UpgradeTools_Task"}
)

// disabled are the methods that the VM's state rules out.
func (vm *VM) disabled() []string {
	out := append(append([]string(nil), always...), vm.blocked...)
	switch {
	case vm.on():
		out = append(out, whileOn...)
	case vm.off():
		out = append(out, whileOff...)
	default:
		out = append(append(out, "SuspendVM_Task", "ResetVM_Task"), "MarkAsTemplate", "ExportVm", "CustomizeVM_Task")
	}
	if !vm.on() || vm.Guest.ToolsRunningStatus != "guestToolsRunning" {
		out = append(out, noTools...)
	}
	if !vm.tools {
		out = append(out, "UnmountToolsInstaller")
	}
	if vm.Runtime.Question == nil {
		out = append(out, "AnswerVM")
	}
	if vm.Config.Template {
		return append(out, "PowerOnVM_Task", "MarkAsTemplate", "CreateSnapshot_Task", "RevertToCurrentSnapshot_Task")
	}
	return append(out, "MarkAsVirtualMachine")
}

// registerShown registers the properties that are worked out when they are read.
func (r *Service) registerShown() {
	r.w.Derive("VirtualMachine", "disabledMethod", func(ref types.ManagedObjectReference) any {
		if vm := r.vms[ref]; vm != nil {
			return vm.disabled()
		}
		return []string{}
	})
	r.w.Derive("VirtualMachine", "resourceConfig", func(ref types.ManagedObjectReference) any {
		v, e := r.w.VM(ref)
		if e != nil || v.Config == nil || v.Config.CpuAllocation == nil || v.Config.MemoryAllocation == nil {
			return (*types.ResourceConfigSpec)(nil)
		}
		return &types.ResourceConfigSpec{Entity: &v.Self, CpuAllocation: *v.Config.CpuAllocation, MemoryAllocation: *v.Config.MemoryAllocation}
	})
}
