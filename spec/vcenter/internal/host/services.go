package host

// services.go: what an administrator switches on a host besides passthrough: its services, its
// power policy, which VMs start with it; and what a client asks before it adds or chooses a host.

import (
	"slices"
	"sync"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/simulator/esx"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/rules"
)

var (
	_ = rules.Add(rules.Rule{ID: "host.services", Sure: "documented", As: "real", Source: "API reference: HostServiceSystem.StartService, StopService, RestartService (InvalidState, NotFound), UpdateServicePolicy (on, off, automatic), privilege Host.Config.NetService",
		Text: "A service is started when it does not run and stopped when it does, else InvalidState; an unknown key is NotFound, an unknown policy InvalidArgument."})
	_ = rules.Add(rules.Rule{ID: "host.power-policy", Sure: "documented", As: "real", Source: "API reference: HostPowerSystem.ConfigurePowerPolicy (InvalidArgument), privilege Host.Config.Power",
		Text: "ConfigurePowerPolicy takes a key of the host's available policies."})
	_ = rules.Add(rules.Rule{ID: "host.autostart", Sure: "documented", As: "real", Source: "API reference: HostAutoStartManager.ReconfigureAutostart (NotFound for a VM that is not on the host), privilege Host.Config.AutoStart",
		Text: "ReconfigureAutostart sets the defaults and the order of VMs of this host; another host's VM is NotFound."})
	_ = rules.Add(rules.Rule{ID: "host.connection-info", Sure: "documented", As: "real", Source: "API reference: HostSystem.QueryHostConnectionInfo, HostConnectInfo",
		Text: "QueryHostConnectionInfo describes a connected host: summary, VMs, networks, datastores, capability."})
	_ = rules.Add(rules.Rule{ID: "host.recommend", Sure: "documented", As: "laxer: a real one rates by load, and the number of VMs is only a part of it", Source: "API reference: ClusterComputeResource.RecommendHostsForVm (rating 1 to 5, the highest is best)",
		Text: "RecommendHostsForVm lists the hosts of a DRS cluster that take VMs, the one with the fewest first; without DRS none."})
)

// service is one that every ESXi host lists.
func service(key, label, policy string, running bool) types.HostService {
	s := types.HostService{Key: key, Label: label, Policy: policy, Running: running}
	for _, known := range esx.HostConfigInfo.Service.Service { // package and firewall rules, as on the host that the simulator's template is of
		if known.Key == key {
			s.Required, s.Ruleset, s.SourcePackage = known.Required, known.Ruleset, known.SourcePackage
		}
	}
	return s
}

// stockServices are those of ESXi 8 (esxcli and the Host Client show the same keys). All hosts share the list until one
// of its services changes.
var stockServices = sync.OnceValue(func() []types.HostService {
	return []types.HostService{service("DCUI", "Direct Console UI", "on", true), service("TSM", "ESXi Shell", "off", false),
		service("TSM-SSH", "SSH", "off", false), service("lbtd", "Load-Based Teaming Daemon", "on", true), service("lwsmd", "Active Directory Service", "off", false),
		service("ntpd", "NTP Daemon", "on", true), service("pcscd", "PC/SC Smart Card Daemon", "off", false), service("ptpd", "PTP Daemon", "off", false),
		service("sfcbd-watchdog", "CIM Server", "on", false), service("slpd", "slpd", "off", false), service("snmpd", "SNMP Server", "on", false),
		service("vltd", "vltd", "off", false), service("vmsyslogd", "Syslog Server", "on", true), service("vpxa", "VMware vCenter Agent", "on", true),
		service("xorg", "X.Org Server", "on", true)}
})

// managed finds the host that names an object in its configManager.
func (r *Hosts) managed(c *api.Call, of func(*types.HostConfigManager) *types.ManagedObjectReference) (*Host, *fault.Error) {
	for _, h := range r.order {
		if ref := of(&h.HS.ConfigManager); ref != nil && *ref == c.This {
			return h, h.Reachable()
		}
	}
	return nil, fault.NotFound(c.This)
}

// services makes the lists of a host its own: the simulator's template is shared.
func (h *Host) services() {
	info := types.HostServiceInfo{Service: stockServices()}
	h.HS.Config.Service = &info
	h.HS.Config.HyperThread = &types.HostHyperThreadScheduleInfo{Available: true, Active: true, Config: true}
}

// serviced changes one service of the host whose service system is called.
func (r *Hosts) serviced(c *api.Call, id string, change func(*types.HostService) *fault.Error) (any, *fault.Error) {
	h, e := r.managed(c, func(m *types.HostConfigManager) *types.ManagedObjectReference { return m.ServiceSystem })
	if e != nil {
		return nil, e
	}
	list := slices.Clone(h.HS.Config.Service.Service)
	i := slices.IndexFunc(list, func(s types.HostService) bool { return s.Key == id })
	if i < 0 {
		return nil, fault.New(&types.NotFound{}, "The service %s was not found.", id)
	}
	if e := change(&list[i]); e != nil {
		return nil, e
	}
	info := types.HostServiceInfo{Service: list}
	h.HS.Config.Service = &info
	if s, ok := r.w.Reg.Get(c.This).(*mo.HostServiceSystem); ok {
		s.ServiceInfo = info
	}
	r.w.Touch(h.HS.Self, c.This)
	return &api.Void{}, nil
}

func (r *Hosts) registerServices() {
	running := func(want bool) func(*types.HostService) *fault.Error {
		return func(s *types.HostService) *fault.Error {
			if s.Running == want {
				return fault.InvalidState("The operation is not allowed in the current state of the service " + s.Key + ".")
			}
			s.Running = want
			return nil
		}
	}
	need := api.Needs("Host.Config.NetService")
	r.s.Handle("StartService", func(c *api.Call) (any, *fault.Error) {
		return r.serviced(c, c.Req.(*types.StartService).Id, running(true))
	}, need)
	r.s.Handle("StopService", func(c *api.Call) (any, *fault.Error) {
		return r.serviced(c, c.Req.(*types.StopService).Id, running(false))
	}, need)
	r.s.Handle("RestartService", func(c *api.Call) (any, *fault.Error) {
		return r.serviced(c, c.Req.(*types.RestartService).Id, func(s *types.HostService) *fault.Error {
			s.Running = true
			return nil
		})
	}, need)
	r.s.Handle("UpdateServicePolicy", func(c *api.Call) (any, *fault.Error) {
		q := c.Req.(*types.UpdateServicePolicy)
		return r.serviced(c, q.Id, func(s *types.HostService) *fault.Error {
			if q.Policy != "on" && q.Policy != "off" && q.Policy != "automatic" {
				return fault.InvalidArgument("policy")
			}
			s.Policy = q.Policy
			return nil
		})
	}, need)
	r.s.Handle("RefreshServices", func(c *api.Call) (any, *fault.Error) {
		_, e := r.managed(c, func(m *types.HostConfigManager) *types.ManagedObjectReference { return m.ServiceSystem })
		return &api.Void{}, e
	}, need)
	r.s.Handle("ConfigurePowerPolicy", r.powerPolicy, api.Needs("Host.Config.Power"))
	r.s.Handle("ReconfigureAutostart", r.autostart, api.Needs("Host.Config.AutoStart"))
	r.s.Handle("QueryHostConnectionInfo", r.connectionInfo, api.ReadOnly())
	r.s.Handle("RecommendHostsForVm", r.hostsForVM, api.ReadOnly())
	r.s.Handle("QueryHostStatus", r.vsanStatus, api.ReadOnly())
}

func (r *Hosts) powerPolicy(c *api.Call) (any, *fault.Error) {
	h, e := r.managed(c, func(m *types.HostConfigManager) *types.ManagedObjectReference { return m.PowerSystem })
	if e != nil {
		return nil, e
	}
	key := c.Req.(*types.ConfigurePowerPolicy).Key
	have := h.HS.Config.PowerSystemCapability
	if have == nil {
		return nil, fault.New(&types.NotSupported{})
	}
	i := slices.IndexFunc(have.AvailablePolicy, func(p types.HostPowerPolicy) bool { return p.Key == key })
	if i < 0 {
		return nil, fault.InvalidArgument("key")
	}
	info := types.PowerSystemInfo{CurrentPolicy: have.AvailablePolicy[i]}
	h.HS.Config.PowerSystemInfo = &info
	if s, ok := r.w.Reg.Get(c.This).(*mo.HostPowerSystem); ok {
		s.Info = info
	}
	r.w.Touch(h.HS.Self, c.This)
	return &api.Void{}, nil
}

func (r *Hosts) autostart(c *api.Call) (any, *fault.Error) {
	h, e := r.managed(c, func(m *types.HostConfigManager) *types.ManagedObjectReference { return m.AutoStartManager })
	if e != nil {
		return nil, e
	}
	spec := c.Req.(*types.ReconfigureAutostart).Spec
	cfg := types.HostAutoStartManagerConfig{}
	if h.HS.Config.AutoStart != nil {
		cfg = *h.HS.Config.AutoStart
		cfg.PowerInfo = slices.Clone(cfg.PowerInfo)
	}
	if spec.Defaults != nil {
		cfg.Defaults = spec.Defaults
	}
	for _, p := range spec.PowerInfo {
		if !slices.Contains(h.HS.Vm, p.Key) {
			return nil, fault.New(&types.NotFound{}, "The virtual machine %s is not on this host.", p.Key.Value)
		}
		cfg.PowerInfo = slices.DeleteFunc(cfg.PowerInfo, func(o types.AutoStartPowerInfo) bool { return o.Key == p.Key })
		cfg.PowerInfo = append(cfg.PowerInfo, p)
	}
	h.HS.Config.AutoStart = &cfg
	if s, ok := r.w.Reg.Get(c.This).(*mo.HostAutoStartManager); ok {
		s.Config = cfg
	}
	r.w.Touch(h.HS.Self, c.This)
	return &api.Void{}, nil
}

func (r *Hosts) connectionInfo(c *api.Call) (any, *fault.Error) {
	h := r.Get(c.This)
	if h == nil {
		return nil, fault.NotFound(c.This)
	}
	if e := h.Reachable(); e != nil {
		return nil, e
	}
	yes, no := true, false
	info := types.HostConnectInfo{Host: h.HS.Summary, VimAccountNameRequired: &yes, ClusterSupported: &yes, InDasCluster: &no, Capability: h.HS.Capability}
	if h.Cluster != nil && h.Cluster.HA {
		info.InDasCluster = &yes
	}
	for _, vm := range r.w.VMsOn(h.HS) {
		info.Vm = append(info.Vm, vm.Summary)
	}
	for _, ref := range h.HS.Network {
		if n, ok := r.w.Reg.Get(ref).(*mo.Network); ok {
			info.Network = append(info.Network, &types.HostConnectInfoNetworkInfo{Summary: n.Summary})
		}
	}
	for _, ref := range h.HS.Datastore {
		if d, ok := r.w.Reg.Get(ref).(*simulator.Datastore); ok {
			info.Datastore = append(info.Datastore, &types.HostDatastoreConnectInfo{Summary: d.Summary})
		}
	}
	return &types.QueryHostConnectionInfoResponse{Returnval: info}, nil
}

func (r *Hosts) hostsForVM(c *api.Call) (any, *fault.Error) {
	out := &types.RecommendHostsForVmResponse{}
	var fit []*Host
	for _, h := range r.order {
		if h.HS.Parent != nil && *h.HS.Parent == c.This && h.Cluster.DRS != "off" && h.Open() == nil {
			fit = append(fit, h)
		}
	}
	slices.SortStableFunc(fit, func(a, b *Host) int { return len(a.HS.Vm) - len(b.HS.Vm) })
	for i, h := range fit {
		out.Returnval = append(out.Returnval, types.ClusterHostRecommendation{Host: h.Ref(), Rating: int32(max(1, 5-i))})
	}
	return out, nil
}

// vsanStatus is that of a host without vSAN, or of a member, which is healthy unless a test says otherwise.
func (r *Hosts) vsanStatus(c *api.Call) (any, *fault.Error) {
	h, e := r.managed(c, func(m *types.HostConfigManager) *types.ManagedObjectReference { return m.VsanSystem })
	if e != nil {
		return nil, e
	}
	s := types.VsanHostClusterStatus{Health: "unknown", NodeState: types.VsanHostClusterStatusState{State: "error"}}
	if h.Cluster != nil && h.Cluster.VSAN {
		health := "healthy"
		if h.vsanHealth != "" {
			health = h.vsanHealth
		}
		s = types.VsanHostClusterStatus{Health: health, NodeUuid: h.SystemID, NodeState: types.VsanHostClusterStatusState{State: "agent"}}
		for _, o := range r.order {
			if o.Cluster == h.Cluster {
				if len(s.MemberUuid) == 0 && o == h {
					s.NodeState.State = "master"
				}
				s.MemberUuid = append(s.MemberUuid, o.SystemID)
			}
		}
	}
	return &types.QueryHostStatusResponse{Returnval: s}, nil
}

// usualOptions are advanced settings that scripts read and set on every host, with ESXi 8's defaults.
func usualOptions() []types.BaseOptionValue {
	var out []types.BaseOptionValue
	for _, o := range []struct {
		key   string
		value any
	}{
		{"Annotations.WelcomeMessage", ""}, {"Config.HostAgent.plugins.solo.enableMob", false}, {"DCUI.Access", "root"},
		{"Mem.ShareForceSalting", int64(2)}, {"Misc.BlueScreenTimeout", int64(0)}, {"Net.BlockGuestBPDU", int64(0)},
		{"Security.AccountLockFailures", int64(5)}, {"Security.AccountUnlockTime", int64(900)},
		{"Security.PasswordQualityControl", "retry=3 min=disabled,disabled,disabled,7,7"}, {"Syslog.global.logDir", "[] /scratch/log"},
		{"Syslog.global.logHost", ""}, {"UserVars.DcuiTimeOut", int64(600)}, {"UserVars.ESXiShellInteractiveTimeOut", int64(0)},
		{"UserVars.ESXiShellTimeOut", int64(0)}, {"UserVars.SuppressHyperthreadWarning", int64(0)}, {"UserVars.SuppressShellWarning", int64(0)},
		{"VMkernel.Boot.disableACSCheck", false}, {"VMkernel.Boot.hyperthreading", true}, {"VMkernel.Boot.iovDisableIR", true},
	} {
		out = append(out, &types.OptionValue{Key: o.key, Value: o.value})
	}
	return out
}

// options puts them into the host's option manager, unless it has them.
func (r *Hosts) options(h *Host) {
	ref := h.HS.ConfigManager.AdvancedOption
	if ref == nil {
		return
	}
	m, ok := r.w.Reg.Get(*ref).(*simulator.OptionManager)
	if !ok {
		return
	}
	have := map[string]bool{}
	for _, o := range m.Setting {
		have[o.GetOptionValue().Key] = true
	}
	for _, o := range usualOptions() {
		if !have[o.GetOptionValue().Key] {
			m.Setting = append(m.Setting, o)
		}
	}
	h.HS.Config.Option = m.Setting
}
