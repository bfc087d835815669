package vm

// capacity.go: DirectPathProfileManager.QueryCapacity (9.0): how many devices of a kind a host or
// cluster has, and how many of them running VMs have.

import (
	"fmt"

	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/host"
	"gpupt.test/vcenter/internal/rules"
	"gpupt.test/vcenter/internal/wire"
)

var _ = rules.Add(rules.Rule{ID: "capacity.query", Sure: "documented", As: "laxer: it also answers for vGPU, device groups, and profiles by id and name", Source: "API reference: DirectPathProfileManager (9.0), CapacityInfo: consumed by the powered-on VMs, remaining, max (when no VM runs), unusedReservation; CapacityUnknown; InvalidArgument for an invalid target",
	Text: "DirectPathProfileManagerQueryCapacity answers for a host or cluster and the device config of a Dynamic DirectPath backing: max is the number of active devices that the backing allows, consumed those of running VMs, remaining the rest. Powered-off VMs do not count. Other query specs are CapacityUnknown; an unknown target is InvalidArgument."})

func (r *Service) registerCapacity() {
	r.w.PutAside(wire.Bare{Self: wire.ProfileManager})
	r.s.Handle("DirectPathProfileManagerQueryCapacity", func(c *api.Call) (any, *fault.Error) {
		req := c.Req.(*types.DirectPathProfileManagerQueryCapacity)
		hosts := r.targets(req.Target)
		if len(hosts) == 0 {
			return nil, fault.InvalidArgument("target")
		}
		out := &types.DirectPathProfileManagerQueryCapacityResponse{}
		for _, q := range req.QuerySpec {
			out.Returnval = append(out.Returnval, r.counted(hosts, q))
		}
		return out, nil
	}, api.ReadOnly())
}

func (r *Service) targets(t types.BaseDirectPathProfileManagerTargetEntity) []*host.Host {
	var out []*host.Host
	for _, h := range r.hosts.All() {
		switch t := t.(type) {
		case *types.DirectPathProfileManagerTargetHost:
			if h.Ref() == t.Host {
				out = append(out, h)
			}
		case *types.DirectPathProfileManagerTargetCluster:
			if cr := r.w.Compute(h.HS); cr != nil && cr.Self == t.Cluster {
				out = append(out, h)
			}
		}
	}
	return out
}

func (r *Service) counted(hosts []*host.Host, q types.BaseDirectPathProfileManagerCapacityQuerySpec) types.BaseDirectPathProfileManagerCapacityResult {
	by, ok := q.(*types.DirectPathProfileManagerCapacityQueryByDeviceConfig)
	var config *types.DirectPathProfileManagerDynamicDirectPathConfig
	if ok {
		config, ok = by.DeviceConfig.(*types.DirectPathProfileManagerDynamicDirectPathConfig)
	}
	if !ok {
		return &types.DirectPathProfileManagerCapacityUnknown{QuerySpec: q}
	}
	b := &config.DynamicDirectPathBacking
	out := &types.DirectPathProfileManagerCapacityInfo{Profile: types.DirectPathProfileInfo{DeviceConfig: config}}
	for _, h := range hosts {
		for _, c := range h.Cards {
			if c.Absent || !c.Enabled || !c.Active || !allowed(b, c) || h.Open() != nil {
				continue
			}
			out.Max++
			out.Profile.VendorName = c.VendorTxt
			if r.hosts.Holder(h, c.Address) != nil {
				out.Consumed++
			}
		}
	}
	if len(b.AllowedDevice) > 0 {
		out.Profile.Name = fmt.Sprintf("%04x:%04x", b.AllowedDevice[0].VendorId, b.AllowedDevice[0].DeviceId)
		out.Profile.Id = out.Profile.Name
	}
	out.Remaining = out.Max - out.Consumed
	return out
}
