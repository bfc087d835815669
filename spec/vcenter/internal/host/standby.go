package host

// standby.go: standby mode. A host in standby is switched off until an administrator, or DPM,
// wakes it; waking it is a boot, so that a passthrough configuration takes effect. DPM at
// the level automated puts idle hosts of a cluster there by itself, as many as HA lets it,
// and wakes one when no host is left that takes VMs.

import (
	"time"

	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/rules"
	"gpupt.test/vcenter/internal/task"
	"gpupt.test/vcenter/internal/world"
)

const standbyDoc = "API reference: HostSystem.PowerDownHostToStandBy_Task, PowerUpHostFromStandBy_Task"

var (
	_ = rules.Add(rules.Rule{ID: "host.standby", Sure: "documented", As: "real", Source: standbyDoc + "; HostStandbyMode, HostSystemPowerState.standBy",
		Text: "PowerDownHostToStandBy_Task waits until nothing runs, then runtime.standbyMode goes from entering to in and the power state to standBy; with a timeout above 0 it fails with Timedout, and the host stays up. A host whose capability says that it has no standby is NotSupported."})
	_ = rules.Add(rules.Rule{ID: "host.standby-wake", Sure: "documented", As: "real", Source: standbyDoc + " (timeoutSec)",
		Text: "PowerUpHostFromStandBy_Task wakes a host in standby, which boots; it is Timedout when the host does not come back, and InvalidState for a host that is not in standby."})
	_ = rules.Add(rules.Rule{ID: "host.standby-connection", Sure: "inferred", As: "inferred", Source: "API reference: PowerDownHostToStandBy_Task ends when the host \"stops sending heartbeat signals\"; HostSystemConnectionState.notResponding: vCenter is not receiving heartbeats",
		Text: "A host in standby is notResponding."})
	_ = rules.Add(rules.Rule{ID: "host.dpm", Sure: "documented", As: "laxer: a real DPM weighs demand and capacity over its windows of time; here a host is idle or not", Source: "API reference: ClusterDpmConfigInfo, DpmBehavior; vSphere Resource Management: DPM considers the demand of the last 40 minutes, HA's failover capacity, and hosts in maintenance not at all",
		Text: "DPM at the level automated puts a host on which nothing ran for 40 minutes in standby, never the last usable one nor one that HA's admission control needs, and wakes one when none is left."})
)

// standby reports whether a host is in standby or on its way in or out.
func (h *Host) standby() bool {
	m := h.HS.Runtime.StandbyMode
	return m != "" && m != string(types.HostStandbyModeNone)
}

func (r *Hosts) registerStandby() {
	r.s.Handle("PowerDownHostToStandBy_Task", func(c *api.Call) (any, *fault.Error) {
		h, e := r.hostOf(c)
		if e != nil {
			return nil, e
		}
		req := c.Req.(*types.PowerDownHostToStandBy_Task)
		off := req.EvacuatePoweredOffVms != nil && *req.EvacuatePoweredOffVms
		return c.Task(task.Spec{Exclusive: true, Cancelable: true, Run: func(t *task.Task) (any, *fault.Error) {
			return nil, r.sleep(t, h, time.Duration(req.TimeoutSec)*time.Second, off)
		}})
	})
	r.s.Handle("PowerUpHostFromStandBy_Task", func(c *api.Call) (any, *fault.Error) {
		h, e := r.hostOf(c)
		if e != nil {
			return nil, e
		}
		req := c.Req.(*types.PowerUpHostFromStandBy_Task)
		return c.Task(task.Spec{Exclusive: true, Cancelable: true, Run: func(t *task.Task) (any, *fault.Error) {
			return nil, r.wake(t, h, time.Duration(req.TimeoutSec)*time.Second)
		}})
	})
	for i := range r.w.Fleet.Clusters {
		if cl := &r.w.Fleet.Clusters[i]; cl.Name != "" {
			go r.dpm(cl)
		}
	}
}

// sleep puts a host in standby.
func (r *Hosts) sleep(t *task.Task, h *Host, timeout time.Duration, off bool) *fault.Error {
	mode := func(m types.HostStandbyMode) {
		h.HS.Runtime.StandbyMode = string(m)
		r.agent(h)
		r.w.Touch(h.Ref())
	}
	var e *fault.Error
	t.Do(func() {
		if e = h.Reachable(); e == nil && h.standby() {
			e = fault.InvalidState("")
		} else if e == nil && !h.HS.Capability.StandbySupported {
			e = fault.New(&types.NotSupported{})
		}
		if e == nil {
			r.event(h, sleeping)
			mode(types.HostStandbyModeEntering)
		}
	})
	if e != nil {
		return e
	}
	if e = r.empty(t, h, timeout, off); e == nil && !t.SleepProgress(20*time.Second, 20, 90) {
		e = task.Cancelled()
	}
	t.Do(func() {
		if e == nil {
			e = h.Reachable()
		}
		if e == nil && r.running(h) > 0 {
			e = fault.InvalidState("")
		}
		if e != nil {
			r.event(h, stayed)
			mode(types.HostStandbyModeNone)
			return
		}
		h.cut++
		h.parked = r.w.Truth.Cause() == nil
		r.lose(h)
		h.HS.Runtime.PowerState = types.HostSystemPowerStateStandBy
		mode(types.HostStandbyModeIn)
		r.event(h, asleep)
		r.w.Truth.Host("standby", h.Name(), "in standby")
		if !h.parked {
			r.countAway(h)
		}
	})
	return e
}

// wake boots a host in standby.
func (r *Hosts) wake(t *task.Task, h *Host, timeout time.Duration) *fault.Error {
	var e *fault.Error
	var never bool
	t.Do(func() {
		if h.HS.Runtime.StandbyMode != string(types.HostStandbyModeIn) {
			e = fault.InvalidState("")
			return
		}
		never = h.boot == "never"
		h.HS.Runtime.StandbyMode = string(types.HostStandbyModeExiting)
		r.event(h, waking)
		r.w.Touch(h.Ref())
	})
	if e != nil {
		return e
	}
	boot := world.Seconds(h.Desc.BootSeconds)
	if timeout > 0 && (never || boot > timeout) {
		t.Sleep(timeout)
		e = fault.New(&types.Timedout{})
	} else if never {
		<-t.Context().Done()
		e = task.Cancelled()
	} else if !t.SleepProgress(boot, 5, 95) {
		e = task.Cancelled()
	}
	t.Do(func() {
		if e != nil {
			h.HS.Runtime.StandbyMode = string(types.HostStandbyModeIn)
			r.event(h, stuck)
			r.w.Touch(h.Ref())
			return
		}
		r.comeBack(h, h.boot)
		if !h.down {
			r.event(h, awake)
		} else {
			e = fault.New(&types.Timedout{})
		}
	})
	return e
}

// dpm looks at a cluster every five minutes.
func (r *Hosts) dpm(cl *fleet.Cluster) {
	idle := map[*Host]time.Duration{}
	const every, long = 5 * time.Minute, 40 * time.Minute
	for r.w.Clock.Sleep(r.w.Stop, every) {
		r.locked(nil, func() {
			var chosen, asleep *Host
			usable := 0
			for _, h := range r.order {
				if h.Cluster != cl {
					continue
				}
				_, cfg := r.config(h)
				if cfg == nil || cfg.DpmConfigInfo == nil || cfg.DpmConfigInfo.Enabled == nil || !*cfg.DpmConfigInfo.Enabled ||
					cfg.DpmConfigInfo.DefaultDpmBehavior != types.DpmBehaviorAutomated {
					return
				}
				if h.HS.Runtime.StandbyMode == string(types.HostStandbyModeIn) && asleep == nil && h.boot != "never" {
					asleep = h
				}
				_, busy := r.s.Tasks.Busy(h.Ref())
				if !h.usable() || busy || r.running(h) > 0 {
					delete(idle, h)
					if h.usable() {
						usable++
					}
					continue
				}
				usable++
				if idle[h] += every; idle[h] >= long && chosen == nil && h.HS.Capability.StandbySupported {
					chosen = h
				}
			}
			if usable == 0 && asleep != nil {
				h := asleep
				r.s.Tasks.Start(task.Origin{}, task.Spec{Method: "PowerUpHostFromStandBy_Task", Entity: h.Ref(), Exclusive: true,
					Run: func(t *task.Task) (any, *fault.Error) { return nil, r.wake(t, h, 0) }})
			} else if chosen != nil && usable > 1+r.admission(chosen) {
				h := chosen
				delete(idle, h)
				r.s.Tasks.Start(task.Origin{}, task.Spec{Method: "PowerDownHostToStandBy_Task", Entity: h.Ref(), Exclusive: true, Cancelable: true,
					Run: func(t *task.Task) (any, *fault.Error) { return nil, r.sleep(t, h, time.Hour, false) }})
			}
		})
	}
}
