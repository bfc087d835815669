package host

// options.go: the hardware versions that a host can run, by its own version.

import (
	"fmt"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/rules"
	"gpupt.test/vcenter/internal/wire"
)

var _ = rules.Add(rules.Rule{ID: "host.hardware-versions", Sure: "documented", Source: "Broadcom KB 315655: virtual machine hardware versions",
	Text: "QueryConfigOptionDescriptor lists vmx-8 up to the newest of the host: 17 (7.0), 18 (7.0.1), 19 (7.0.2), 20 (8.0), 21 (8.0.2), 22 (9.0)."})

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
