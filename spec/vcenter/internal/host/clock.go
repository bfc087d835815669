package host

// clock.go: a host has its own clock. Its boot time, its logs and QueryDateTime follow it;
// events and tasks are stamped by vCenter. So a boot time may be in vCenter's future, or
// before the last one: a client may rely only on its being different.

import (
	"fmt"
	"time"

	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/rules"
)

var _ = rules.Add(rules.Rule{ID: "host.clock", Sure: "documented", As: "real", Source: "API reference: HostDateTimeSystem (QueryDateTime, UpdateDateTime, dateTimeInfo), HostRuntimeInfo.bootTime",
	Text: "QueryDateTime, bootTime and the logs follow the host's own clock, which UpdateDateTime sets; CurrentTime, tasks and events follow the endpoint's."})

type dateTimeSystem struct{ mo.HostDateTimeSystem }

// clock creates the managed object of a host.
func (r *Hosts) clock(h *Host, n int) {
	s := &dateTimeSystem{}
	s.Self = types.ManagedObjectReference{Type: "HostDateTimeSystem", Value: fmt.Sprintf("dateTimeSystem-%d", n)}
	zone := types.HostDateTimeSystemTimeZone{Key: "UTC", Name: "UTC", Description: "UTC"}
	yes := true
	s.DateTimeInfo = types.HostDateTimeInfo{TimeZone: zone, SystemClockProtocol: string(types.HostDateTimeInfoProtocolNtp),
		NtpConfig: &types.HostNtpConfig{Server: []string{"ntp.example"}}, Enabled: &yes}
	ref := r.w.Put(s)
	h.HS.ConfigManager.DateTimeSystem = &ref
	h.HS.Config.DateTimeInfo = &s.DateTimeInfo
}

func (r *Hosts) registerClock() {
	of := func(c *api.Call) (*Host, *fault.Error) {
		for _, h := range r.order {
			if h.HS.ConfigManager.DateTimeSystem != nil && *h.HS.ConfigManager.DateTimeSystem == c.This {
				return h, h.Reachable()
			}
		}
		return nil, fault.NotFound(c.This)
	}
	r.s.Handle("QueryDateTime", func(c *api.Call) (any, *fault.Error) {
		h, e := of(c)
		if e != nil {
			return nil, e
		}
		return &types.QueryDateTimeResponse{Returnval: h.now()}, nil
	}, api.ReadOnly())
	r.s.Handle("UpdateDateTime", func(c *api.Call) (any, *fault.Error) {
		h, e := of(c)
		if e != nil {
			return nil, e
		}
		h.skew = time.Until(c.Req.(*types.UpdateDateTime).DateTime)
		return &api.Void{}, nil
	})
	if r.w.ESXi {
		r.s.Handle("CurrentTime", func(*api.Call) (any, *fault.Error) {
			return &types.CurrentTimeResponse{Returnval: r.order[0].now()}, nil
		}, api.ReadOnly())
	}
}
