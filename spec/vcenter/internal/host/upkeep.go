package host

// upkeep.go: what administrators' scripts keep in order on hosts: time servers, hyperthreading, options of kernel
// modules, installed packages, and what a cluster uses.

import (
	"slices"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/rules"
)

var (
	_ = rules.Add(rules.Rule{ID: "host.time-config", Sure: "documented", As: "real", Source: "API reference: HostDateTimeSystem.UpdateDateTimeConfig, HostDateTimeConfig (timeZone, ntpConfig, protocol: unset = unchanged); HostConfigInfo.dateTimeInfo",
		Text: "UpdateDateTimeConfig changes the fields that are set; dateTimeInfo of the date-time system and of the host's config show them. An unknown time zone or protocol is InvalidArgument."})
	_ = rules.Add(rules.Rule{ID: "host.hyperthreading", Sure: "documented", As: "real", Source: "API reference: HostCpuSchedulerSystem.EnableHyperThreading, DisableHyperThreading: takes effect after the next reboot; HostHyperThreadScheduleInfo (available, active, config)",
		Text: "Enabling or disabling hyperthreading changes hyperThread.config at once, and active at the next boot."})
	_ = rules.Add(rules.Rule{ID: "host.kernel-modules", Sure: "documented", As: "laxer: a real host has about 150 modules", Source: "API reference: HostKernelModuleSystem.QueryModules, QueryConfiguredModuleOptionString, UpdateModuleOptionString (NotFound)",
		Text: "A kernel module's option string can be read and set; an unknown module is NotFound."})
	_ = rules.Add(rules.Rule{ID: "host.packages", Sure: "documented", As: "laxer: a real host has about 100 packages, whose versions follow its build", Source: "API reference: HostImageConfigManager.fetchSoftwarePackages, SoftwarePackage (required fields)",
		Text: "fetchSoftwarePackages lists the main packages of the host's release with all required fields."})
	_ = rules.Add(rules.Rule{ID: "cluster.usage", Sure: "documented", As: "real", Source: "API reference: ClusterComputeResource.GetResourceUsage, ClusterResourceUsageSummary",
		Text: "GetResourceUsage sums what the cluster's hosts have and use, and its datastores, each once."})
)

// kernelModules are those of the lists that scripts name.
var kernelModules = []string{"dvfilter", "ixgben", "nvme_pcie", "nvmxnet3", "pciPassthru", "tcpip4", "usb", "vmkernel", "vmkusb", "vmw_ahci"}

func (r *Hosts) registerUpkeep() {
	r.s.Handle("UpdateDateTimeConfig", r.timeConfig)
	for method, on := range map[string]bool{"EnableHyperThreading": true, "DisableHyperThreading": false} {
		r.s.Handle(method, func(c *api.Call) (any, *fault.Error) {
			h, e := r.managed(c, func(m *types.HostConfigManager) *types.ManagedObjectReference { return m.CpuScheduler })
			if e != nil {
				return nil, e
			}
			if h.HS.Config.HyperThread == nil || !h.HS.Config.HyperThread.Available {
				return nil, fault.New(&types.NotSupported{})
			}
			r.hyperthreads(h, func(x *types.HostHyperThreadScheduleInfo) { x.Config = on })
			return &api.Void{}, nil
		})
	}
	module := func(c *api.Call, name string) (*Host, *fault.Error) {
		h, e := r.managed(c, func(m *types.HostConfigManager) *types.ManagedObjectReference { return m.KernelModuleSystem })
		if e == nil && !slices.Contains(kernelModules, name) {
			e = fault.New(&types.NotFound{}, "The module %s was not found.", name)
		}
		return h, e
	}
	r.s.Handle("QueryModules", func(c *api.Call) (any, *fault.Error) {
		h, e := module(c, kernelModules[0])
		if e != nil {
			return nil, e
		}
		out := &types.QueryModulesResponse{}
		for i, name := range kernelModules {
			out.Returnval = append(out.Returnval, types.KernelModuleInfo{Id: int32(i + 1), Name: name, Version: h.HS.Config.Product.Version, Filename: "/usr/lib/vmware/vmkmod/" + name,
				OptionString: h.modules[name], Loaded: true, Enabled: true, UseCount: 1})
		}
		return out, nil
	}, api.ReadOnly())
	r.s.Handle("QueryConfiguredModuleOptionString", func(c *api.Call) (any, *fault.Error) {
		name := c.Req.(*types.QueryConfiguredModuleOptionString).Name
		h, e := module(c, name)
		if e != nil {
			return nil, e
		}
		return &types.QueryConfiguredModuleOptionStringResponse{Returnval: h.modules[name]}, nil
	}, api.ReadOnly())
	r.s.Handle("UpdateModuleOptionString", func(c *api.Call) (any, *fault.Error) {
		q := c.Req.(*types.UpdateModuleOptionString)
		h, e := module(c, q.Name)
		if e != nil {
			return nil, e
		}
		if h.modules == nil {
			h.modules = map[string]string{}
		}
		h.modules[q.Name] = q.Options
		return &api.Void{}, nil
	})
	r.s.Handle("fetchSoftwarePackages", r.packages, api.ReadOnly())
	r.s.Handle("GetResourceUsage", r.resourceUsage, api.ReadOnly())
}

// hyperthreads changes the host's config and its CPU scheduler.
func (r *Hosts) hyperthreads(h *Host, f func(*types.HostHyperThreadScheduleInfo)) {
	if h.HS.Config.HyperThread == nil {
		return
	}
	x, cfg := *h.HS.Config.HyperThread, *h.HS.Config
	f(&x)
	cfg.HyperThread = &x
	h.HS.Config = &cfg
	if ref := h.HS.ConfigManager.CpuScheduler; ref != nil {
		if m, ok := r.w.Reg.Get(*ref).(*mo.HostCpuSchedulerSystem); ok {
			m.HyperthreadInfo = &x
			r.w.Touch(*ref)
		}
	}
	r.w.Touch(h.Ref())
}

func (r *Hosts) timeConfig(c *api.Call) (any, *fault.Error) {
	h, e := r.managed(c, func(m *types.HostConfigManager) *types.ManagedObjectReference { return m.DateTimeSystem })
	if e != nil {
		return nil, e
	}
	s, ok := r.w.Reg.Get(c.This).(*dateTimeSystem)
	if !ok {
		return nil, fault.NotFound(c.This)
	}
	q, info := c.Req.(*types.UpdateDateTimeConfig).Config, s.DateTimeInfo
	if q.TimeZone != "" && q.TimeZone != "UTC" { // the only one of ESXi 7 and newer
		return nil, fault.InvalidArgument("config.timeZone")
	}
	if q.Protocol != "" {
		if !slices.Contains(types.HostDateTimeInfoProtocol("").Strings(), q.Protocol) {
			return nil, fault.InvalidArgument("config.protocol")
		}
		info.SystemClockProtocol = q.Protocol
	}
	if q.NtpConfig != nil {
		info.NtpConfig = q.NtpConfig
	}
	if q.PtpConfig != nil {
		info.PtpConfig = q.PtpConfig
	}
	if q.Enabled != nil {
		info.Enabled = q.Enabled
	}
	s.DateTimeInfo = info
	cfg := *h.HS.Config
	cfg.DateTimeInfo = &s.DateTimeInfo
	h.HS.Config = &cfg
	r.w.Touch(c.This)
	r.w.Touch(h.Ref())
	return &api.Void{}, nil
}

func (r *Hosts) packages(c *api.Call) (any, *fault.Error) {
	h, e := r.managed(c, func(m *types.HostConfigManager) *types.ManagedObjectReference { return m.ImageConfigManager })
	if e != nil {
		return nil, e
	}
	p := h.HS.Config.Product
	version := p.Version + "-0." + p.Build
	date := time.Date(2024, 6, 25, 0, 0, 0, 0, time.UTC)
	out := &types.FetchSoftwarePackagesResponse{}
	for _, x := range [][2]string{{"esx-base", "ESXi base system"}, {"esx-update", "Patch and update support"}, {"esx-xserver", "X server for graphics"},
		{"vsan", "vSAN"}, {"vsanhealth", "vSAN health"}, {"cpu-microcode", "CPU microcode"}, {"tools-light", "VMware Tools"},
		{"ixgben", "Network driver for Intel 10 GbE"}, {"nvme-pcie", "NVMe driver"}, {"vmkusb", "USB driver"}, {"vmw-ahci", "AHCI driver"}} {
		no, yes := false, true
		out.Returnval = append(out.Returnval, types.SoftwarePackage{Name: x[0], Version: version, Type: "vib", Vendor: "VMware", AcceptanceLevel: "vmware_certified",
			Summary: x[1], Description: x[1], CreationDate: &date, MaintenanceModeRequired: &yes,
			Capability: types.SoftwarePackageCapability{LiveInstallAllowed: &no, LiveRemoveAllowed: &no, StatelessReady: &yes, Overlay: &no}})
	}
	return out, nil
}

func (r *Hosts) resourceUsage(c *api.Call) (any, *fault.Error) {
	cr, ok := r.w.Reg.Get(c.This).(*simulator.ClusterComputeResource)
	if !ok {
		return nil, fault.NotFound(c.This)
	}
	var s types.ClusterResourceUsageSummary
	for _, ref := range cr.Host {
		h := r.Get(ref)
		if h == nil || h.HS.Summary.Hardware == nil {
			continue
		}
		s.CpuCapacityMHz += h.HS.Summary.Hardware.CpuMhz * int32(h.HS.Summary.Hardware.NumCpuCores)
		s.MemCapacityMB += int32(h.HS.Summary.Hardware.MemorySize >> 20)
		s.CpuUsedMHz += h.HS.Summary.QuickStats.OverallCpuUsage
		s.MemUsedMB += h.HS.Summary.QuickStats.OverallMemoryUsage
	}
	for _, ref := range cr.Datastore {
		if ds, ok := r.w.Reg.Get(ref).(*simulator.Datastore); ok {
			s.StorageCapacityMB += ds.Summary.Capacity >> 20
			s.StorageUsedMB += (ds.Summary.Capacity - ds.Summary.FreeSpace) >> 20
		}
	}
	return &types.GetResourceUsageResponse{Returnval: s}, nil
}

// logLevels are the values of Config.HostAgent.log.level.
func logLevels(kind types.OptionType) *types.ChoiceOption {
	out := &types.ChoiceOption{OptionType: kind, DefaultIndex: 5}
	for _, l := range []string{"none", "quiet", "panic", "error", "warning", "info", "verbose", "trivia"} {
		out.ChoiceInfo = append(out.ChoiceInfo, &types.ElementDescription{Key: l, Description: types.Description{Label: l, Summary: l}})
	}
	return out
}
