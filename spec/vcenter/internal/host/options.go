package host

// options.go: the hardware versions that a host can run, by its own version.

import (
	"fmt"
	"slices"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/rules"
	"gpupt.test/vcenter/internal/wire"
)

var _ = rules.Add(rules.Rule{ID: "host.hardware-versions", Sure: "documented", Source: "Broadcom KB 315655: virtual machine hardware versions",
	Text: "QueryConfigOptionDescriptor lists vmx-8 up to the newest of the host: 17 (7.0), 18 (7.0.1), 19 (7.0.2), 20 (8.0), 21 (8.0.2), 22 (9.0)."})

var _ = rules.Add(rules.Rule{ID: "host.config-option-guests", Sure: "documented", Source: "API reference: EnvironmentBrowserConfigOptionQuerySpec.guestId",
	Text: "QueryConfigOptionEx with guest ids returns the descriptors of those ids, and all descriptors if no id matches."})

// guests keeps the descriptors of the ids in the request.
func guests(option *types.VirtualMachineConfigOption, ids []string) {
	var match []types.GuestOsDescriptor
	for _, d := range option.GuestOSDescriptor {
		if slices.Contains(ids, d.Id) {
			match = append(match, d)
		}
	}
	if len(match) > 0 {
		option.GuestOSDescriptor = match
	}
}

func (r *Hosts) registerOptions() {
	r.s.Handle("QueryConfigOptionEx", func(c *api.Call) (any, *fault.Error) {
		req := *c.Req.(*types.QueryConfigOptionEx)
		var ids []string
		if req.Spec != nil { // the simulator filters by one id only
			spec := *req.Spec
			ids, spec.GuestId = spec.GuestId, nil
			req.Spec = &spec
		}
		res, e := r.w.Inner(c.This, "QueryConfigOptionEx", &req)
		if e != nil {
			return nil, e
		}
		if option := res.(*types.QueryConfigOptionExResponse).Returnval; option != nil {
			guests(option, ids)
		}
		return res, nil
	}, api.Needs("System.View"))
}

// MaxHardware is the newest hardware version of an API version.
func MaxHardware(v wire.Version) int {
	table := []struct {
		since string
		hw    int
	}{{"9.0.0.0", 22}, {"8.0.2.0", 21}, {"8.0.0.0", 20}, {"7.0.2.0", 19}, {"7.0.1.0", 18}, {"7.0", 17}, {"6.7.2", 15}, {"6.7", 14}, {"6.5", 13}}
	for _, t := range table {
		if !wire.ParseVersion(t.since).After(v) {
			return t.hw
		}
	}
	return 11
}

func (r *Hosts) hardware() {
	newest := MaxHardware(r.w.Version)
	done := map[types.ManagedObjectReference]bool{}
	for _, h := range r.order {
		cr := r.w.Compute(h.HS)
		if cr == nil || cr.EnvironmentBrowser == nil || done[cr.Self] {
			continue
		}
		done[cr.Self] = true
		eb, ok := r.w.Reg.Get(*cr.EnvironmentBrowser).(*simulator.EnvironmentBrowser)
		if !ok {
			continue
		}
		list := []types.VirtualMachineConfigOptionDescriptor{}
		yes := true
		for hw := 8; hw <= newest; hw++ {
			if hw == 12 || hw == 16 {
				continue // never shipped with ESXi
			}
			is := hw == newest
			list = append(list, types.VirtualMachineConfigOptionDescriptor{Key: fmt.Sprintf("vmx-%02d", hw), Description: fmt.Sprintf("ESXi hardware version %d", hw),
				Host: cr.Host, CreateSupported: true, DefaultConfigOption: is, RunSupported: true, UpgradeSupported: yes})
		}
		eb.QueryConfigOptionDescriptorResponse.Returnval = list
	}
}
