package host

// network.go: the standard switches and port groups of a host. The host's config, the network system's networkInfo and
// networkConfig say the same; a network of the inventory is shared by the hosts that have a port group of its name.

import (
	"slices"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/rules"
)

var (
	_ = rules.Add(rules.Rule{ID: "host.switches", Sure: "documented", As: "real", Source: "API reference: HostNetworkSystem.AddVirtualSwitch (AlreadyExists, InvalidArgument), UpdateVirtualSwitch, RemoveVirtualSwitch (NotFound; ResourceInUse while a port group uses it), networkConfig, networkInfo; community.vmware's vmware_vmnic_info and vmware_vswitch_info read networkConfig.pnic and spec.policy",
		Text: "A standard switch has the spec that it was given, with the policies of a new switch where it names none; networkConfig, networkInfo and the host's config agree."})
	_ = rules.Add(rules.Rule{ID: "host.portgroups", Sure: "documented", As: "real", Source: "API reference: HostNetworkSystem.AddPortGroup (AlreadyExists, NotFound), UpdatePortGroup, RemovePortGroup (NotFound, ResourceInUse), HostPortGroup.computedPolicy; Network: a network is shared by hosts that have it",
		Text: "A port group is on one host; the network of its name is one of the inventory for all hosts that have it, and goes with the last one. A port group that a VM of the host uses is ResourceInUse. Its computedPolicy is its own policy, filled with the switch's."})
	_ = rules.Add(rules.Rule{ID: "host.vmkernel-types", Sure: "documented", As: "real", Source: "API reference: HostVirtualNicManager.QueryNetConfig (InvalidArgument for an unknown type), HostVirtualNicManagerNicType",
		Text: "QueryNetConfig answers for every known type of traffic with the VMkernel adapters that can carry it and those that do; an unknown type is InvalidArgument."})
)

// network changes the networks of a host: f works on a copy.
func (r *Hosts) network(h *Host, f func(*types.HostNetworkInfo) *fault.Error) *fault.Error {
	info := types.HostNetworkInfo{}
	if h.HS.Config.Network != nil {
		info = *h.HS.Config.Network
	}
	info.Vswitch, info.Portgroup = slices.Clone(info.Vswitch), slices.Clone(info.Portgroup)
	if f != nil {
		if e := f(&info); e != nil {
			return e
		}
	}
	for i := range info.Vswitch {
		complete(&info, &info.Vswitch[i])
	}
	for i := range info.Portgroup {
		p := &info.Portgroup[i]
		p.Vswitch = "key-vim.host.VirtualSwitch-" + p.Spec.VswitchName
		for _, v := range info.Vswitch {
			if v.Name == p.Spec.VswitchName && v.Spec.Policy != nil {
				p.ComputedPolicy = computed(p.Spec.Policy, *v.Spec.Policy)
			}
		}
	}
	cfg := *h.HS.Config
	cfg.Network = &info
	h.HS.Config = &cfg
	if ref := h.HS.ConfigManager.NetworkSystem; ref != nil {
		if s, ok := r.w.Reg.Get(*ref).(*simulator.HostNetworkSystem); ok {
			s.NetworkInfo, s.NetworkConfig, s.DnsConfig = &info, configOf(&info), info.DnsConfig
			r.w.Touch(*ref)
		}
	}
	r.w.Touch(h.Ref())
	return nil
}

// complete gives a switch what follows from its spec, and the policies that a new one has.
func complete(info *types.HostNetworkInfo, v *types.HostVirtualSwitch) {
	v.Key = "key-vim.host.VirtualSwitch-" + v.Name
	if v.Spec.NumPorts == 0 {
		v.Spec.NumPorts = 128
	}
	if v.Spec.Mtu == 0 {
		v.Spec.Mtu = 1500
	}
	v.NumPorts, v.NumPortsAvailable, v.Mtu = 5632, 5620, v.Spec.Mtu
	v.Pnic = nil
	if b, ok := v.Spec.Bridge.(*types.HostVirtualSwitchBondBridge); ok {
		for _, nic := range b.NicDevice {
			v.Pnic = append(v.Pnic, "key-vim.host.PhysicalNic-"+nic)
		}
	}
	v.Portgroup = nil
	for _, p := range info.Portgroup {
		if p.Spec.VswitchName == v.Name {
			v.Portgroup = append(v.Portgroup, "key-vim.host.PortGroup-"+p.Spec.Name)
		}
	}
	own := types.HostNetworkPolicy{}
	if v.Spec.Policy != nil {
		own = *v.Spec.Policy
	}
	policy := computed(own, newSwitch(v.Spec.Bridge))
	v.Spec.Policy = &policy
}

// newSwitch are the policies of a new standard switch.
func newSwitch(bridge types.BaseHostVirtualSwitchBridge) types.HostNetworkPolicy {
	yes, no := ptr(true), ptr(false)
	order := &types.HostNicOrderPolicy{}
	if b, ok := bridge.(*types.HostVirtualSwitchBondBridge); ok {
		order.ActiveNic = b.NicDevice
	}
	return types.HostNetworkPolicy{
		Security:      &types.HostNetworkSecurityPolicy{AllowPromiscuous: no, MacChanges: yes, ForgedTransmits: yes},
		NicTeaming:    &types.HostNicTeamingPolicy{Policy: "loadbalance_srcid", ReversePolicy: yes, NotifySwitches: yes, RollingOrder: no, FailureCriteria: &types.HostNicFailureCriteria{CheckBeacon: no}, NicOrder: order},
		OffloadPolicy: &types.HostNetOffloadCapabilities{CsumOffload: yes, TcpSegmentation: yes, ZeroCopyXmit: yes},
		ShapingPolicy: &types.HostNetworkTrafficShapingPolicy{Enabled: no},
	}
}

// computed is a policy, filled with what it inherits.
func computed(own, from types.HostNetworkPolicy) types.HostNetworkPolicy {
	if own.Security == nil {
		own.Security = from.Security
	} else if from.Security != nil {
		s := *own.Security
		s.AllowPromiscuous, s.MacChanges, s.ForgedTransmits = either(s.AllowPromiscuous, from.Security.AllowPromiscuous),
			either(s.MacChanges, from.Security.MacChanges), either(s.ForgedTransmits, from.Security.ForgedTransmits)
		own.Security = &s
	}
	if own.NicTeaming == nil || *own.NicTeaming == (types.HostNicTeamingPolicy{}) {
		own.NicTeaming = from.NicTeaming
	}
	if own.OffloadPolicy == nil || *own.OffloadPolicy == (types.HostNetOffloadCapabilities{}) {
		own.OffloadPolicy = from.OffloadPolicy
	}
	if own.ShapingPolicy == nil || *own.ShapingPolicy == (types.HostNetworkTrafficShapingPolicy{}) {
		own.ShapingPolicy = from.ShapingPolicy
	}
	return own
}

func either(a, b *bool) *bool {
	if a != nil {
		return a
	}
	return b
}

// configOf is the same as a configuration.
func configOf(info *types.HostNetworkInfo) *types.HostNetworkConfig {
	out := &types.HostNetworkConfig{DnsConfig: info.DnsConfig, IpRouteConfig: info.IpRouteConfig, ConsoleIpRouteConfig: info.ConsoleIpRouteConfig}
	for _, v := range info.Vswitch {
		out.Vswitch = append(out.Vswitch, types.HostVirtualSwitchConfig{Name: v.Name, Spec: ptr(v.Spec)})
	}
	for _, p := range info.Portgroup {
		out.Portgroup = append(out.Portgroup, types.HostPortGroupConfig{Spec: ptr(p.Spec)})
	}
	for _, n := range info.Pnic {
		out.Pnic = append(out.Pnic, types.PhysicalNicConfig{Device: n.Device, Spec: n.Spec})
	}
	for _, n := range info.Vnic {
		out.Vnic = append(out.Vnic, types.HostVirtualNicConfig{Device: n.Device, Portgroup: n.Portgroup, Spec: ptr(n.Spec)})
	}
	return out
}

func (r *Hosts) registerNetwork() {
	for _, h := range r.order {
		_ = r.network(h, nil)
	}
	on := func(method string, f func(*api.Call, *Host, *types.HostNetworkInfo) *fault.Error) {
		r.s.Handle(method, func(c *api.Call) (any, *fault.Error) {
			h, e := r.managed(c, func(m *types.HostConfigManager) *types.ManagedObjectReference { return m.NetworkSystem })
			if e != nil {
				return nil, e
			}
			return &api.Void{}, r.network(h, func(n *types.HostNetworkInfo) *fault.Error { return f(c, h, n) })
		})
	}
	find := func(n *types.HostNetworkInfo, name string) int {
		return slices.IndexFunc(n.Vswitch, func(v types.HostVirtualSwitch) bool { return v.Name == name })
	}
	group := func(n *types.HostNetworkInfo, name string) int {
		return slices.IndexFunc(n.Portgroup, func(p types.HostPortGroup) bool { return p.Spec.Name == name })
	}
	missing := func(what, name string) *fault.Error {
		return fault.New(&types.NotFound{}, "The %s %s was not found.", what, name)
	}
	on("AddVirtualSwitch", func(c *api.Call, _ *Host, n *types.HostNetworkInfo) *fault.Error {
		q := c.Req.(*types.AddVirtualSwitch)
		if q.VswitchName == "" {
			return fault.InvalidArgument("vswitchName")
		}
		if find(n, q.VswitchName) >= 0 {
			return fault.New(&types.AlreadyExists{Name: q.VswitchName})
		}
		v := types.HostVirtualSwitch{Name: q.VswitchName}
		if q.Spec != nil {
			v.Spec = *q.Spec
		}
		if e := bridged(n, &v); e != nil {
			return e
		}
		n.Vswitch = append(n.Vswitch, v)
		return nil
	})
	on("UpdateVirtualSwitch", func(c *api.Call, _ *Host, n *types.HostNetworkInfo) *fault.Error {
		q := c.Req.(*types.UpdateVirtualSwitch)
		i := find(n, q.VswitchName)
		if i < 0 {
			return missing("virtual switch", q.VswitchName)
		}
		v := n.Vswitch[i]
		v.Spec = q.Spec
		if e := bridged(n, &v); e != nil {
			return e
		}
		n.Vswitch[i] = v
		return nil
	})
	on("RemoveVirtualSwitch", func(c *api.Call, _ *Host, n *types.HostNetworkInfo) *fault.Error {
		name := c.Req.(*types.RemoveVirtualSwitch).VswitchName
		i := find(n, name)
		if i < 0 {
			return missing("virtual switch", name)
		}
		if slices.ContainsFunc(n.Portgroup, func(p types.HostPortGroup) bool { return p.Spec.VswitchName == name }) {
			return fault.New(&types.ResourceInUse{Type: "VirtualSwitch", Name: name})
		}
		n.Vswitch = slices.Delete(n.Vswitch, i, i+1)
		return nil
	})
	on("AddPortGroup", func(c *api.Call, h *Host, n *types.HostNetworkInfo) *fault.Error {
		spec := c.Req.(*types.AddPortGroup).Portgrp
		switch {
		case spec.Name == "" || spec.VlanId < 0 || spec.VlanId > 4095:
			return fault.InvalidArgument("portgrp")
		case find(n, spec.VswitchName) < 0:
			return missing("virtual switch", spec.VswitchName)
		case group(n, spec.Name) >= 0:
			return fault.New(&types.AlreadyExists{Name: spec.Name})
		}
		n.Portgroup = append(n.Portgroup, types.HostPortGroup{Key: "key-vim.host.PortGroup-" + spec.Name, Spec: spec})
		return r.joinNetwork(h, spec.Name)
	})
	on("UpdatePortGroup", func(c *api.Call, h *Host, n *types.HostNetworkInfo) *fault.Error {
		q := c.Req.(*types.UpdatePortGroup)
		i := group(n, q.PgName)
		switch {
		case i < 0:
			return missing("port group", q.PgName)
		case find(n, q.Portgrp.VswitchName) < 0:
			return missing("virtual switch", q.Portgrp.VswitchName)
		case q.Portgrp.Name != q.PgName && group(n, q.Portgrp.Name) >= 0:
			return fault.New(&types.AlreadyExists{Name: q.Portgrp.Name})
		}
		if q.Portgrp.Name != q.PgName {
			if e := r.leaveNetwork(h, q.PgName); e != nil {
				return e
			}
			if e := r.joinNetwork(h, q.Portgrp.Name); e != nil {
				return e
			}
		}
		n.Portgroup[i] = types.HostPortGroup{Key: "key-vim.host.PortGroup-" + q.Portgrp.Name, Spec: q.Portgrp}
		return nil
	})
	on("RemovePortGroup", func(c *api.Call, h *Host, n *types.HostNetworkInfo) *fault.Error {
		name := c.Req.(*types.RemovePortGroup).PgName
		i := group(n, name)
		if i < 0 {
			return missing("port group", name)
		}
		if slices.ContainsFunc(n.Vnic, func(v types.HostVirtualNic) bool { return v.Portgroup == name }) {
			return fault.New(&types.ResourceInUse{Type: "PortGroup", Name: name})
		}
		if e := r.leaveNetwork(h, name); e != nil {
			return e
		}
		n.Portgroup = slices.Delete(n.Portgroup, i, i+1)
		return nil
	})
	r.s.Handle("QueryNetConfig", r.vmkernelTypes, api.ReadOnly())
}

// bridged checks the physical adapters of a switch.
func bridged(n *types.HostNetworkInfo, v *types.HostVirtualSwitch) *fault.Error {
	b, ok := v.Spec.Bridge.(*types.HostVirtualSwitchBondBridge)
	if !ok {
		return nil
	}
	for _, nic := range b.NicDevice {
		if !slices.ContainsFunc(n.Pnic, func(p types.PhysicalNic) bool { return p.Device == nic }) {
			return fault.InvalidArgument("spec.bridge.nicDevice")
		}
		for _, other := range n.Vswitch {
			if x, ok := other.Spec.Bridge.(*types.HostVirtualSwitchBondBridge); ok && other.Name != v.Name && slices.Contains(x.NicDevice, nic) {
				return fault.New(&types.ResourceInUse{Type: "PhysicalNic", Name: nic})
			}
		}
	}
	return nil
}

// standard finds the network of the inventory, nil without one.
func (r *Hosts) standard(h *Host, name string) *mo.Network {
	dc := r.w.Center(h.Ref())
	if dc == nil {
		return nil
	}
	for _, ref := range dc.Network {
		if n, ok := r.w.Reg.Get(ref).(*mo.Network); ok && n.Name == name {
			return n
		}
	}
	return nil
}

func (r *Hosts) joinNetwork(h *Host, name string) *fault.Error {
	n := r.standard(h, name)
	if n == nil {
		dc := r.w.Center(h.Ref())
		folder, ok := r.w.Reg.Get(dc.NetworkFolder).(*simulator.Folder)
		if !ok {
			return fault.NotFound(dc.NetworkFolder)
		}
		if ref, taken := r.w.ChildNamed(dc.NetworkFolder, name); taken { // a port group of a distributed switch
			return fault.New(&types.DuplicateName{Name: name, Object: ref})
		}
		n = &mo.Network{}
		n.Self.Type, n.Name, n.Parent = "Network", name, &folder.Self
		n.Self = r.w.Put(n)
		n.Summary = &types.NetworkSummary{Network: &n.Self, Name: name, Accessible: true}
		folder.ChildEntity = append(slices.Clone(folder.ChildEntity), n.Self)
		dc.Network = append(slices.Clone(dc.Network), n.Self)
		r.w.NameNetwork(name, &n.Self)
		r.w.Touch(folder.Self)
		r.w.Touch(dc.Self)
	}
	n.Host = append(slices.Clone(n.Host), h.Ref())
	h.HS.Network = append(slices.Clone(h.HS.Network), n.Self)
	r.w.Touch(n.Self)
	return nil
}

func (r *Hosts) leaveNetwork(h *Host, name string) *fault.Error {
	n := r.standard(h, name)
	if n == nil {
		return nil
	}
	for _, vm := range r.w.VMsOn(h.HS) {
		if slices.Contains(vm.Network, n.Self) {
			return fault.New(&types.ResourceInUse{Type: "PortGroup", Name: name})
		}
	}
	n.Host = without(n.Host, h.Ref())
	h.HS.Network = without(h.HS.Network, n.Self)
	if len(n.Host) > 0 || len(n.Vm) > 0 {
		r.w.Touch(n.Self)
		return nil
	}
	dc := r.w.Center(h.Ref())
	dc.Network = without(dc.Network, n.Self)
	r.w.Touch(dc.Self)
	if folder, ok := r.w.Reg.Get(*n.Parent).(*simulator.Folder); ok {
		folder.ChildEntity = without(folder.ChildEntity, n.Self)
		r.w.Touch(folder.Self)
	}
	r.w.NameNetwork(name, nil)
	r.w.Remove(n.Self)
	return nil
}

func without(list []types.ManagedObjectReference, ref types.ManagedObjectReference) []types.ManagedObjectReference {
	return slices.DeleteFunc(slices.Clone(list), func(x types.ManagedObjectReference) bool { return x == ref })
}

// vmkernelTypes answers QueryNetConfig.
func (r *Hosts) vmkernelTypes(c *api.Call) (any, *fault.Error) {
	h, e := r.managed(c, func(m *types.HostConfigManager) *types.ManagedObjectReference { return m.VirtualNicManager })
	if e != nil {
		return nil, e
	}
	kind := c.Req.(*types.QueryNetConfig).NicType
	if !slices.Contains(types.HostVirtualNicManagerNicType("").Strings(), kind) {
		return nil, fault.InvalidArgument("nicType")
	}
	out := &types.VirtualNicManagerNetConfig{NicType: kind, MultiSelectAllowed: true}
	if m, ok := r.w.Reg.Get(c.This).(*simulator.HostVirtualNicManager); ok {
		for _, x := range m.Info.NetConfig {
			if x.NicType == kind {
				known := x
				out = &known
			}
		}
	}
	if len(out.CandidateVnic) == 0 && h.HS.Config.Network != nil {
		out.CandidateVnic = h.HS.Config.Network.Vnic
	}
	return &types.QueryNetConfigResponse{Returnval: out}, nil
}

func ptr[T any](v T) *T { return &v }
