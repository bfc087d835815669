package host

// target.go: EnvironmentBrowser.QueryConfigTarget with the passthrough devices of a host.

import (
	"fmt"

	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/rules"
)

var (
	_ = rules.Add(rules.Rule{ID: "host.config-target", Sure: "documented", As: "real", Source: "API reference: ConfigTarget.pciPassthrough, VirtualMachinePciPassthroughInfo.systemId",
		Text: "QueryConfigTarget lists the devices that are active for passthrough on the host in the request, each with the host's systemId; without a host, those of all hosts of the compute resource."})
	_ = rules.Add(rules.Rule{ID: "host.config-target-dynamic", Sure: "documented", As: "real", Source: "API reference: ConfigTarget.dynamicPassthrough (7.0)",
		Text: "dynamicPassthrough lists each kind of device once: vendor, device, label."})
)

func (r *Hosts) registerTarget() {
	r.s.Handle("QueryConfigTarget", func(c *api.Call) (any, *fault.Error) {
		req := c.Req.(*types.QueryConfigTarget)
		var ask []*Host
		for _, h := range r.order {
			cr := r.w.Compute(h.HS)
			if cr == nil || cr.EnvironmentBrowser == nil || *cr.EnvironmentBrowser != c.This {
				continue
			}
			if req.Host == nil || *req.Host == h.Ref() {
				ask = append(ask, h)
			}
		}
		if len(ask) == 0 {
			if r.w.Reg.Get(c.This) == nil {
				return nil, fault.NotFound(c.This)
			}
			return nil, fault.InvalidArgument("host")
		}
		if req.Host != nil {
			if e := ask[0].Reachable(); e != nil {
				return nil, e
			}
		}
		base, e := r.w.Inner(c.This, "QueryConfigTarget", req)
		if e != nil {
			return nil, e
		}
		out := types.ConfigTarget{}
		if t := base.(*types.QueryConfigTargetResponse).Returnval; t != nil {
			out = *t
		}
		out.PciPassthrough, out.DynamicPassthrough = nil, nil
		kinds := map[string]bool{}
		for _, h := range ask {
			if !h.Connected() {
				continue
			}
			for _, card := range h.Cards {
				if card.Absent || !card.Active || !card.Enabled {
					continue
				}
				out.PciPassthrough = append(out.PciPassthrough, &types.VirtualMachinePciPassthroughInfo{
					VirtualMachineTargetInfo: types.VirtualMachineTargetInfo{Name: card.Name, ConfigurationTag: []string{"generated-by-host"}},
					PciDevice:                pciDevice(card), SystemId: h.SystemID})
				d := pciDevice(card)
				key := fmt.Sprint(d.VendorId, d.DeviceId, card.Label)
				if !kinds[key] {
					kinds[key] = true
					out.DynamicPassthrough = append(out.DynamicPassthrough, types.VirtualMachineDynamicPassthroughInfo{
						VirtualMachineTargetInfo: types.VirtualMachineTargetInfo{Name: card.Name}, VendorName: card.VendorTxt,
						DeviceName: card.Name, CustomLabel: card.Label, VendorId: int32(uint16(d.VendorId)), DeviceId: int32(uint16(d.DeviceId))})
				}
			}
			if h.HS.Summary.Hardware != nil {
				out.NumCpus, out.NumCpuCores = int32(h.Desc.CPUs), int32(h.Desc.CPUs)
				out.MaxMemMBOptimalPerf = int32(h.Desc.MemoryGB) << 10
			}
		}
		return &types.QueryConfigTargetResponse{Returnval: &out}, nil
	}, api.Needs("System.View"))
}
