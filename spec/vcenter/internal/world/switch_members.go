package world

// switch_members.go: the hosts of a distributed switch with their uplinks, and its ports. The simulator knows only which
// hosts there are.

import (
	"slices"
	"strconv"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/rules"
)

var (
	_ = rules.Add(rules.Rule{ID: "switch.members", Sure: "documented", As: "real", Source: "API reference: DVSConfigInfo.host, DistributedVirtualSwitchHostMember, HostMemberPnicSpec (pnicDevice, uplinkPortKey, uplinkPortgroupKey); ReconfigureDvs_Task: AlreadyExists, NotFound, InvalidArgument",
		Text: "config.host lists the hosts of a switch with their physical NICs. A host joins once, with one uplink port for each uplink name; its NICs are those of the host, each on an uplink port of the host's own; a host that is not a member cannot be edited or removed."})
	_ = rules.Add(rules.Rule{ID: "switch.ports", Sure: "documented", As: "inferred", Source: "API reference: FetchDVPorts, DistributedVirtualSwitchPortCriteria (portgroupKey with inside, portKey, uplinkPort, host); DistributedVirtualPort.key: the key of the port in the switch",
		Text: "A port's key is that of one port of the switch; uplink ports have the uplink's name, their host and the NIC that is connected. FetchDVPorts gives the ports that meet the criteria."})
)

// pnics are the NICs of a member on the switch.
func pnics(m *types.DistributedVirtualSwitchHostMember) []types.DistributedVirtualSwitchHostMemberPnicSpec {
	if b, ok := m.Config.Backing.(*types.DistributedVirtualSwitchHostMemberPnicBacking); ok {
		return b.PnicSpec
	}
	return nil
}

// nextKey is a port key that the switch has not given away.
func (w *World) nextKey(s *simulator.DistributedVirtualSwitch) int {
	next := 0
	for _, ref := range s.Portgroup {
		if pg, ok := w.Reg.Get(ref).(*simulator.DistributedVirtualPortgroup); ok {
			for _, key := range pg.PortKeys {
				if n, err := strconv.Atoi(key); err == nil && n >= next {
					next = n + 1
				}
			}
		}
	}
	return next
}

// number gives the ports of new port groups keys of their own: the simulator counts from 0 in each.
func (w *World) number(s *simulator.DistributedVirtualSwitch, old []types.ManagedObjectReference) {
	next := 0
	for _, pass := range []bool{false, true} {
		for _, ref := range s.Portgroup {
			pg, ok := w.Reg.Get(ref).(*simulator.DistributedVirtualPortgroup)
			if !ok || slices.Contains(old, ref) == pass {
				continue
			}
			for i, key := range pg.PortKeys {
				if pass {
					pg.PortKeys[i] = strconv.Itoa(next)
					next++
				} else if n, err := strconv.Atoi(key); err == nil && n >= next {
					next = n + 1
				}
			}
		}
	}
}

// uplinkGroup is the port group of a switch's uplinks.
func (w *World) uplinkGroup(s *simulator.DistributedVirtualSwitch) *simulator.DistributedVirtualPortgroup {
	for _, ref := range s.Config.GetDVSConfigInfo().UplinkPortgroup {
		if pg, ok := w.Reg.Get(ref).(*simulator.DistributedVirtualPortgroup); ok {
			return pg
		}
	}
	return nil
}

func uplinkNames(cfg *types.DVSConfigInfo) []string {
	if p, ok := cfg.UplinkPortPolicy.(*types.DVSNameArrayUplinkPortPolicy); ok {
		return p.UplinkPortName
	}
	return nil
}

// ReconfigureSwitch changes a switch and its members; world lock held.
func (w *World) ReconfigureSwitch(req *types.ReconfigureDvs_Task) (any, *fault.Error) {
	s := w.distributed(req.This)
	if s == nil {
		return w.Inner(req.This, "ReconfigureDvs_Task", req)
	}
	cfg := s.Config.GetDVSConfigInfo()
	members := slices.Clone(cfg.Host)
	var inner []types.DistributedVirtualSwitchHostMemberConfigSpec
	for _, m := range req.Spec.GetDVSConfigSpec().Host {
		i := slices.IndexFunc(members, func(o types.DistributedVirtualSwitchHostMember) bool { return *o.Config.Host == m.Host })
		switch types.ConfigSpecOperation(m.Operation) {
		case types.ConfigSpecOperationAdd:
			hs, e := w.Host(m.Host)
			if e != nil {
				return nil, e
			}
			if i >= 0 {
				return nil, fault.New(&types.AlreadyExists{Name: hs.Name}, "The host %s is a member of the switch %s already.", hs.Name, s.Name)
			}
			host, no := m.Host, false
			made := types.DistributedVirtualSwitchHostMember{Status: "up", Config: types.DistributedVirtualSwitchHostMemberConfigInfo{Host: &host, MaxProxySwitchPorts: 5376,
				Backing: &types.DistributedVirtualSwitchHostMemberPnicBacking{}, NsxSwitch: &no, VendorSpecificConfig: m.VendorSpecificConfig}}
			if up := w.uplinkGroup(s); up != nil {
				next := w.nextKey(s)
				for range uplinkNames(cfg) {
					made.UplinkPortKey = append(made.UplinkPortKey, strconv.Itoa(next))
					next++
				}
				up.PortKeys = append(slices.Clone(up.PortKeys), made.UplinkPortKey...)
				w.Touch(up.Self)
			}
			members, i = append(members, made), len(members)
			inner = append(inner, types.DistributedVirtualSwitchHostMemberConfigSpec{Operation: m.Operation, Host: m.Host})
		default:
			if i < 0 {
				return nil, fault.New(&types.NotFound{}, "The host %s is not a member of the switch %s.", m.Host.Value, s.Name)
			}
		}
		if m.Operation == string(types.ConfigSpecOperationRemove) {
			if up := w.uplinkGroup(s); up != nil {
				up.PortKeys = slices.DeleteFunc(slices.Clone(up.PortKeys), func(key string) bool { return slices.Contains(members[i].UplinkPortKey, key) })
				w.Touch(up.Self)
			}
			members = slices.Delete(members, i, i+1)
			inner = append(inner, types.DistributedVirtualSwitchHostMemberConfigSpec{Operation: m.Operation, Host: m.Host})
			continue
		}
		if b, ok := m.Backing.(*types.DistributedVirtualSwitchHostMemberPnicBacking); ok {
			list, e := w.wire(s, &members[i], b.PnicSpec)
			if e != nil {
				return nil, e
			}
			members[i].Config.Backing = &types.DistributedVirtualSwitchHostMemberPnicBacking{PnicSpec: list}
		}
	}
	ask := *req
	if len(inner) > 0 {
		ask.Spec = &types.DVSConfigSpec{Host: inner}
	} else if len(req.Spec.GetDVSConfigSpec().Host) > 0 {
		ask.Spec = &types.DVSConfigSpec{}
	}
	got, e := w.Inner(req.This, "ReconfigureDvs_Task", &ask)
	if e != nil {
		return nil, e
	}
	cfg.Host = members
	w.Touch(s.Self)
	return got, nil
}

// wire settles the uplink port of each NIC of a member.
func (w *World) wire(s *simulator.DistributedVirtualSwitch, m *types.DistributedVirtualSwitchHostMember, ask []types.DistributedVirtualSwitchHostMemberPnicSpec) ([]types.DistributedVirtualSwitchHostMemberPnicSpec, *fault.Error) {
	hs, e := w.Host(*m.Config.Host)
	if e != nil {
		return nil, e
	}
	up := w.uplinkGroup(s)
	taken := map[string]bool{}
	out := slices.Clone(ask)
	for i := range out {
		nic := &out[i]
		if hs.Config.Network == nil || !slices.ContainsFunc(hs.Config.Network.Pnic, func(p types.PhysicalNic) bool { return p.Device == nic.PnicDevice }) {
			return nil, fault.InvalidArgument("spec.host.backing.pnicSpec.pnicDevice")
		}
		if up != nil && nic.UplinkPortgroupKey != "" && nic.UplinkPortgroupKey != up.Key {
			return nil, fault.InvalidArgument("spec.host.backing.pnicSpec.uplinkPortgroupKey")
		}
		if nic.UplinkPortKey == "" {
			for _, key := range m.UplinkPortKey {
				if !taken[key] && !slices.ContainsFunc(ask, func(o types.DistributedVirtualSwitchHostMemberPnicSpec) bool { return o.UplinkPortKey == key }) {
					nic.UplinkPortKey = key
					break
				}
			}
		}
		if !slices.Contains(m.UplinkPortKey, nic.UplinkPortKey) || taken[nic.UplinkPortKey] {
			return nil, fault.InvalidArgument("spec.host.backing.pnicSpec.uplinkPortKey")
		}
		taken[nic.UplinkPortKey] = true
		if up != nil {
			nic.UplinkPortgroupKey = up.Key
		}
	}
	return out, nil
}

// Ports are the ports of a switch that meet the criteria; world lock held.
func (w *World) Ports(ref types.ManagedObjectReference, q *types.DistributedVirtualSwitchPortCriteria) []types.DistributedVirtualPort {
	s := w.distributed(ref)
	if s == nil {
		return nil
	}
	if q == nil {
		q = &types.DistributedVirtualSwitchPortCriteria{}
	}
	cfg := s.Config.GetDVSConfigInfo()
	up, names := w.uplinkGroup(s), uplinkNames(cfg)
	var out []types.DistributedVirtualPort
	for _, ref := range s.Portgroup {
		pg, ok := w.Reg.Get(ref).(*simulator.DistributedVirtualPortgroup)
		if !ok {
			continue
		}
		isUp := up != nil && up.Self == ref
		inside := slices.Contains(q.PortgroupKey, pg.Key)
		if q.UplinkPort != nil && *q.UplinkPort != isUp || len(q.PortgroupKey) > 0 && inside != (q.Inside == nil || *q.Inside) {
			continue
		}
		for _, key := range pg.PortKeys {
			if len(q.PortKey) > 0 && !slices.Contains(q.PortKey, key) {
				continue
			}
			p := types.DistributedVirtualPort{Key: key, DvsUuid: s.Uuid, PortgroupKey: pg.Key, LastStatusChange: time.Now().UTC(),
				Config: types.DVPortConfigInfo{Setting: pg.Config.DefaultPortConfig, ConfigVersion: "0"}}
			if isUp {
				for i := range cfg.Host {
					m := &cfg.Host[i]
					n := slices.Index(m.UplinkPortKey, key)
					if n < 0 {
						continue
					}
					p.ProxyHost = m.Config.Host
					if n < len(names) {
						p.Config.Name = names[n]
					}
					for _, nic := range pnics(m) {
						if nic.UplinkPortKey == key {
							p.Connectee = &types.DistributedVirtualSwitchPortConnectee{ConnectedEntity: m.Config.Host, NicKey: nic.PnicDevice, Type: "pnic"}
						}
					}
				}
			}
			if q.Connected != nil && *q.Connected != (p.Connectee != nil) || len(q.Host) > 0 && (p.ProxyHost == nil || !slices.Contains(q.Host, *p.ProxyHost)) {
				continue
			}
			out = append(out, p)
		}
	}
	return out
}
