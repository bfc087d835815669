package front

// user_event.go: EventManager.LogUserEvent, with which a tool records in vCenter
// what it did to which object. The simulator has PostEvent only.

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/rules"
)

var _ = rules.Add(rules.Rule{ID: "event.user", Sure: "documented", As: "real", Source: "API reference: EventManager.LogUserEvent, GeneralUserEvent",
	Text: "LogUserEvent creates a GeneralUserEvent for the root folder, a datacenter, a VM, a host or a compute resource; another entity is InvalidArgument."})

func (f *Front) logUserEvent(c *api.Call) (any, *fault.Error) {
	q := c.Req.(*types.LogUserEvent)
	o, ok := f.W.Reg.Get(q.Entity).(mo.Entity)
	if !ok {
		return nil, fault.NotFound(q.Entity)
	}
	me := o.Entity()
	name := types.EntityEventArgument{Name: me.Name}
	e := types.Event{FullFormattedMessage: "User logged event: " + q.Msg}
	if q.Entity != f.W.Content.RootFolder {
		e.Datacenter = f.W.CenterArgument(q.Entity)
	}
	computer := func(cr *mo.ComputeResource) {
		if cr != nil {
			e.ComputeResource = &types.ComputeResourceEventArgument{EntityEventArgument: types.EntityEventArgument{Name: cr.Name}, ComputeResource: cr.Self}
		}
	}
	host := func(h *simulator.HostSystem) {
		e.Host = &types.HostEventArgument{EntityEventArgument: types.EntityEventArgument{Name: h.Name}, Host: h.Self}
		computer(f.W.Compute(h))
	}
	switch x := o.(type) {
	case *simulator.VirtualMachine:
		e.Vm = &types.VmEventArgument{EntityEventArgument: name, Vm: q.Entity}
		if x.Runtime.Host != nil {
			if h, ok := f.W.Reg.Get(*x.Runtime.Host).(*simulator.HostSystem); ok {
				host(h)
			}
		}
	case *simulator.HostSystem:
		host(x)
	case *simulator.ClusterComputeResource:
		computer(&x.ComputeResource)
	case *mo.ComputeResource:
		computer(x)
	case *simulator.Datacenter:
	default:
		if q.Entity != f.W.Content.RootFolder {
			return nil, fault.InvalidArgument("entity")
		}
	}
	em := *f.W.Content.EventManager
	_, bad := f.W.Inner(em, "PostEvent", &types.PostEvent{This: em, EventToPost: &types.GeneralUserEvent{GeneralEvent: types.GeneralEvent{Event: e, Message: q.Msg},
		Entity: &types.ManagedEntityEventArgument{EntityEventArgument: name, Entity: q.Entity}}})
	if bad != nil {
		return nil, bad
	}
	return &types.LogUserEventResponse{}, nil
}
