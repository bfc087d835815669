package host

// events.go: the events that a client of the EventManager sees of a host.

import (
	"fmt"
	"strings"

	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/rules"
)

var _ = rules.Add(rules.Rule{ID: "host.events", Sure: "documented", As: "real", Source: "API reference: EnteringMaintenanceModeEvent, EnteredMaintenanceModeEvent, ExitMaintenanceModeEvent, HostShutdownEvent, HostConnectionLostEvent, HostDisconnectedEvent, HostConnectedEvent, Entering/Entered/Exiting/ExitedStandbyModeEvent, ExitStandbyModeFailedEvent, CanceledHostOperationEvent",
	Text: "Maintenance and standby mode, shutdown, loss, disconnection and return of a host are events, and so is a cancelled operation."})

// event posts one; the world lock is held.
func (r *Hosts) event(h *Host, make func(types.HostEvent) types.BaseEvent) {
	if r.w.Content.EventManager == nil {
		return
	}
	e := types.HostEvent{}
	e.Host = &types.HostEventArgument{EntityEventArgument: types.EntityEventArgument{Name: h.Name()}, Host: h.Ref()}
	if cr := r.w.Compute(h.HS); cr != nil {
		e.ComputeResource = &types.ComputeResourceEventArgument{EntityEventArgument: types.EntityEventArgument{Name: cr.Name}, ComputeResource: cr.Self}
	}
	e.Datacenter = r.w.CenterArgument(h.Ref())
	ev := make(e)
	r.logMu.Lock()
	h.hostd("[Originator@6876 sub=Vimsvc.ha-eventmgr] %s on %s", strings.TrimPrefix(fmt.Sprintf("%T", ev), "*types."), h.Name())
	r.logMu.Unlock()
	em := *r.w.Content.EventManager
	_, _ = r.w.Inner(em, "PostEvent", &types.PostEvent{This: em, EventToPost: ev})
}

func entering(e types.HostEvent) types.BaseEvent {
	return &types.EnteringMaintenanceModeEvent{HostEvent: e}
}
func entered(e types.HostEvent) types.BaseEvent {
	return &types.EnteredMaintenanceModeEvent{HostEvent: e}
}
func stayed(e types.HostEvent) types.BaseEvent {
	return &types.CanceledHostOperationEvent{HostEvent: e}
}
func exited(e types.HostEvent) types.BaseEvent {
	return &types.ExitMaintenanceModeEvent{HostEvent: e}
}
func lost(e types.HostEvent) types.BaseEvent { return &types.HostConnectionLostEvent{HostEvent: e} }
func back(e types.HostEvent) types.BaseEvent { return &types.HostConnectedEvent{HostEvent: e} }
func sleeping(e types.HostEvent) types.BaseEvent {
	return &types.EnteringStandbyModeEvent{HostEvent: e}
}
func asleep(e types.HostEvent) types.BaseEvent { return &types.EnteredStandbyModeEvent{HostEvent: e} }
func waking(e types.HostEvent) types.BaseEvent { return &types.ExitingStandbyModeEvent{HostEvent: e} }
func awake(e types.HostEvent) types.BaseEvent  { return &types.ExitedStandbyModeEvent{HostEvent: e} }
func stuck(e types.HostEvent) types.BaseEvent  { return &types.ExitStandbyModeFailedEvent{HostEvent: e} }
func apart(e types.HostEvent) types.BaseEvent  { return &types.HostDisconnectedEvent{HostEvent: e} }
func down(e types.HostEvent) types.BaseEvent {
	return &types.HostShutdownEvent{HostEvent: e, Reason: "reboot"}
}
