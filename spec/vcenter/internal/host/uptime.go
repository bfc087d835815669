package host

// uptime.go: how long a host has been up. RetrieveHardwareUptime is exact to the second;
// summary.quickStats.uptime is what the host last reported, here at its boot and at each
// change of its devices.

import (
	"time"

	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/rules"
)

var _ = rules.Add(rules.Rule{ID: "host.uptime", Sure: "documented", As: "real", Source: "API reference: HostSystem.RetrieveHardwareUptime, HostListSummaryQuickStats.uptime",
	Text: "RetrieveHardwareUptime returns the seconds since the boot, by the clock of the host; it restarts with each boot, and a host that cannot be reached has none."})

func (h *Host) uptime() time.Duration {
	if h.HS.Runtime.BootTime == nil {
		return 0
	}
	return max(0, h.now().Sub(*h.HS.Runtime.BootTime))
}

// quick refreshes the quick statistics.
func (h *Host) quick() { h.HS.Summary.QuickStats.Uptime = int32(h.uptime().Seconds()) }

func (r *Hosts) registerUptime() {
	r.s.Handle("RetrieveHardwareUptime", func(c *api.Call) (any, *fault.Error) {
		h, e := r.hostOf(c)
		if e == nil {
			e = h.Reachable()
		}
		if e != nil {
			return nil, e
		}
		return &types.RetrieveHardwareUptimeResponse{Returnval: int64(h.uptime().Seconds())}, nil
	}, api.ReadOnly())
}
