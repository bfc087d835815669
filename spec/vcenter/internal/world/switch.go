package world

// switch.go: what a new distributed switch and its port groups have where a client names nothing. The simulator
// leaves it unset, and clients read it without a question.

import (
	"slices"
	"strings"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/rules"
)

var _ = rules.Add(rules.Rule{ID: "switch.defaults", Sure: "documented", As: "real", Source: "API reference: VMwareDVSConfigInfo (maxMtu, linkDiscoveryProtocolConfig, ipfixConfig, multicastFilteringMode, uplinkPortPolicy, uplinkPortgroup), DVSMacManagementPolicy, VMwareDVSPortSetting; vSphere networking: four uplinks, CDP listen, MTU 1500, basic multicast filtering, promiscuous mode, MAC changes and forged transmits rejected",
	Text: "A new distributed switch has MTU 1500, four uplinks, CDP in listen mode, IPFIX settings, basic multicast filtering and an uplink port group that uplinkPortgroup names; it and its port groups reject promiscuous mode, MAC changes and forged transmits, unless the client says otherwise."})

func policy(on bool) *types.BoolPolicy { return &types.BoolPolicy{Value: &on} }

// fillSwitch gives a spec the defaults of a new switch.
func fillSwitch(spec *types.VMwareDVSConfigSpec) {
	if spec.MaxMtu == 0 {
		spec.MaxMtu = 1500
	}
	if spec.LinkDiscoveryProtocolConfig == nil {
		spec.LinkDiscoveryProtocolConfig = &types.LinkDiscoveryProtocolConfig{Protocol: "cdp", Operation: "listen"}
	}
	if spec.IpfixConfig == nil {
		spec.IpfixConfig = &types.VMwareIpfixConfig{ActiveFlowTimeout: 60, IdleFlowTimeout: 15, SamplingRate: 4096}
	}
	if spec.MulticastFilteringMode == "" {
		spec.MulticastFilteringMode = "legacyFiltering"
	}
	if spec.UplinkPortPolicy == nil {
		spec.UplinkPortPolicy = &types.DVSNameArrayUplinkPortPolicy{UplinkPortName: []string{"Uplink 1", "Uplink 2", "Uplink 3", "Uplink 4"}}
	}
	own, ok := spec.DefaultPortConfig.(*types.VMwareDVSPortSetting)
	if spec.DefaultPortConfig == nil {
		own, ok = &types.VMwareDVSPortSetting{}, true
	}
	if !ok {
		return
	}
	uplinks := []string{}
	if names, ok := spec.UplinkPortPolicy.(*types.DVSNameArrayUplinkPortPolicy); ok {
		uplinks = names.UplinkPortName
	}
	no, yes, limit := false, true, int32(4096)
	spec.DefaultPortConfig = fillPorts(own, &types.VMwareDVSPortSetting{
		Vlan: &types.VmwareDistributedVirtualSwitchVlanIdSpec{},
		UplinkTeamingPolicy: &types.VmwareUplinkPortTeamingPolicy{Policy: &types.StringPolicy{Value: "loadbalance_srcid"}, ReversePolicy: policy(true),
			NotifySwitches: policy(true), RollingOrder: policy(false), UplinkPortOrder: &types.VMwareUplinkPortOrderPolicy{ActiveUplinkPort: uplinks}},
		SecurityPolicy: &types.DVSSecurityPolicy{AllowPromiscuous: policy(false), MacChanges: policy(false), ForgedTransmits: policy(false)},
		MacManagementPolicy: &types.DVSMacManagementPolicy{AllowPromiscuous: &no, MacChanges: &no, ForgedTransmits: &no,
			MacLearningPolicy: &types.DVSMacLearningPolicy{Enabled: false, AllowUnicastFlooding: &yes, Limit: &limit, LimitPolicy: "DROP"}},
		IpfixEnabled: policy(false), TxUplink: policy(false),
	})
}

// fillPorts is a port setting with what it inherits.
func fillPorts(own, from *types.VMwareDVSPortSetting) *types.VMwareDVSPortSetting {
	out := *own
	if out.Vlan == nil {
		out.Vlan = from.Vlan
	}
	if out.UplinkTeamingPolicy == nil {
		out.UplinkTeamingPolicy = from.UplinkTeamingPolicy
	} else if from.UplinkTeamingPolicy != nil {
		out.UplinkTeamingPolicy = fillTeaming(out.UplinkTeamingPolicy, from.UplinkTeamingPolicy)
	}
	if out.MacManagementPolicy == nil {
		out.MacManagementPolicy = from.MacManagementPolicy
		if s := out.SecurityPolicy; s != nil && from.MacManagementPolicy != nil { // the older form of the same
			m := *from.MacManagementPolicy
			for _, x := range []struct {
				from *types.BoolPolicy
				to   **bool
			}{{s.AllowPromiscuous, &m.AllowPromiscuous}, {s.MacChanges, &m.MacChanges}, {s.ForgedTransmits, &m.ForgedTransmits}} {
				if x.from != nil && x.from.Value != nil {
					*x.to = x.from.Value
				}
			}
			out.MacManagementPolicy = &m
		}
	}
	if out.SecurityPolicy == nil {
		out.SecurityPolicy = from.SecurityPolicy
	}
	if out.IpfixEnabled == nil {
		out.IpfixEnabled = from.IpfixEnabled
	}
	if out.TxUplink == nil {
		out.TxUplink = from.TxUplink
	}
	return &out
}

// fillTeaming is a teaming policy with what it inherits.
func fillTeaming(own, from *types.VmwareUplinkPortTeamingPolicy) *types.VmwareUplinkPortTeamingPolicy {
	out := *own
	if out.Policy == nil {
		out.Policy = from.Policy
	}
	if out.ReversePolicy == nil {
		out.ReversePolicy = from.ReversePolicy
	}
	if out.NotifySwitches == nil {
		out.NotifySwitches = from.NotifySwitches
	}
	if out.RollingOrder == nil {
		out.RollingOrder = from.RollingOrder
	}
	if out.FailureCriteria == nil {
		out.FailureCriteria = from.FailureCriteria
	}
	if out.UplinkPortOrder == nil {
		out.UplinkPortOrder = from.UplinkPortOrder
	}
	return &out
}

// CreateSwitch makes a distributed switch in a folder; world lock held.
func (w *World) CreateSwitch(req *types.CreateDVS_Task) (any, *fault.Error) {
	if spec, ok := req.Spec.ConfigSpec.(*types.VMwareDVSConfigSpec); ok {
		fillSwitch(spec)
	}
	got, e := w.Inner(req.This, "CreateDVS_Task", req)
	if e != nil {
		return nil, e
	}
	s := w.distributed(got.(types.ManagedObjectReference))
	if s == nil {
		return got, nil
	}
	w.uplinks(s)
	cfg := s.Config.GetDVSConfigInfo()
	for _, ref := range s.Portgroup {
		if pg, ok := w.Reg.Get(ref).(*simulator.DistributedVirtualPortgroup); ok && strings.Contains(pg.Name, "-DVUplinks") && !slices.Contains(cfg.UplinkPortgroup, ref) {
			cfg.UplinkPortgroup = append(cfg.UplinkPortgroup, ref)
			pg.PortKeys = nil // they come with the hosts
			w.inherit(s, pg)
		}
	}
	w.Touch(s.Self)
	return got, nil
}

// uplinks waits for the uplink port group, which the simulator makes in a task of its own after that of the switch.
func (w *World) uplinks(s *simulator.DistributedVirtualSwitch) {
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		made := false
		w.Reg.WithLock(w.Ctx, s, func() { made = len(s.Portgroup) > 0 })
		if made {
			return
		}
	}
}

// AddPortgroups makes port groups of a switch; world lock held.
func (w *World) AddPortgroups(req *types.AddDVPortgroup_Task) (any, *fault.Error) {
	s := w.distributed(req.This)
	var old []types.ManagedObjectReference
	if s != nil {
		old = slices.Clone(s.Portgroup)
		if from, ok := s.Config.GetDVSConfigInfo().DefaultPortConfig.(*types.VMwareDVSPortSetting); ok {
			for i := range req.Spec {
				own, mine := req.Spec[i].DefaultPortConfig.(*types.VMwareDVSPortSetting)
				if req.Spec[i].DefaultPortConfig == nil {
					own, mine = &types.VMwareDVSPortSetting{}, true
				}
				if mine {
					req.Spec[i].DefaultPortConfig = fillPorts(own, from)
				}
			}
		}
	}
	got, e := w.Inner(req.This, "AddDVPortgroup_Task", req)
	if e == nil && s != nil {
		w.number(s, old)
	}
	return got, e
}

func (w *World) distributed(ref types.ManagedObjectReference) *simulator.DistributedVirtualSwitch {
	s, _ := w.Reg.Get(ref).(*simulator.DistributedVirtualSwitch)
	return s
}

// inherit fills a port group's settings with the switch's.
func (w *World) inherit(s *simulator.DistributedVirtualSwitch, pg *simulator.DistributedVirtualPortgroup) {
	own, mine := pg.Config.DefaultPortConfig.(*types.VMwareDVSPortSetting)
	from, theirs := s.Config.GetDVSConfigInfo().DefaultPortConfig.(*types.VMwareDVSPortSetting)
	if mine && theirs {
		pg.Config.DefaultPortConfig = fillPorts(own, from)
		w.Touch(pg.Self)
	}
}

// PortgroupNamed finds a port group of a switch.
func (w *World) PortgroupNamed(ref types.ManagedObjectReference, name string) any {
	if s := w.distributed(ref); s != nil {
		for _, r := range s.Portgroup {
			if pg, ok := w.Reg.Get(r).(*simulator.DistributedVirtualPortgroup); ok && pg.Name == name {
				return r
			}
		}
	}
	return nil
}
