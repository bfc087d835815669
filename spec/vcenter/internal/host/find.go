package host

// find.go: a host is found by its name in DNS, which is the name under which it was added.

import (
	"strings"

	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/rules"
)

var _ = rules.Add(rules.Rule{ID: "search.dns-name-host", Sure: "documented", As: "real", Source: "API reference: SearchIndex.FindByDnsName, FindAllByDnsName (vmSearch false: hosts)",
	Text: "With vmSearch false, FindByDnsName and FindAllByDnsName find hosts by their names, of the datacenter if one is given."})

// named lists the hosts of a DNS name.
func (r *Hosts) named(c *api.Call, name string, center *types.ManagedObjectReference) []types.ManagedObjectReference {
	var out []types.ManagedObjectReference
	for _, h := range r.order {
		if strings.EqualFold(h.Name(), name) && (center == nil || c.W.Center(h.Ref()).Self == *center) {
			out = append(out, h.Ref())
		}
	}
	return out
}

func (r *Hosts) registerFind() {
	r.s.Handle("FindByDnsName", func(c *api.Call) (any, *fault.Error) {
		q := c.Req.(*types.FindByDnsName)
		if q.VmSearch {
			return c.W.Inner(c.This, "FindByDnsName", c.Req)
		}
		res := &types.FindByDnsNameResponse{}
		if list := r.named(c, q.DnsName, q.Datacenter); len(list) > 0 {
			res.Returnval = &list[0]
		}
		return res, nil
	}, api.ReadOnly())
	r.s.Handle("FindAllByDnsName", func(c *api.Call) (any, *fault.Error) {
		q := c.Req.(*types.FindAllByDnsName)
		if q.VmSearch {
			return c.W.Inner(c.This, "FindAllByDnsName", c.Req)
		}
		return &types.FindAllByDnsNameResponse{Returnval: r.named(c, q.DnsName, q.Datacenter)}, nil
	}, api.ReadOnly())
}
