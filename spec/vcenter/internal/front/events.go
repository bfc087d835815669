package front

// events.go: EventManager.CreateCollectorForEvents and QueryEvents over the events that
// the world has kept. The simulator posts and formats them; its own collectors do not support
// users, categories or entities, and its filter by type takes any embedded field's name.

import (
	"reflect"

	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/rules"
	"gpupt.test/vcenter/internal/session"
)

var _ = rules.Add(rules.Rule{ID: "event.history", Sure: "documented", As: "real", Source: "API reference: EventManager.CreateCollectorForEvents, EventManager.QueryEvents, EventFilterSpec",
	Text: "An event collector filters by entity, time, user, event chain and type (a base type includes the types derived from it; EventEx by its eventTypeId); QueryEvents returns at most maxCount events (1000 without it)."})

// places are the entities that an event names.
func places(e *types.Event) []types.ManagedObjectReference {
	var out []types.ManagedObjectReference
	if e.Vm != nil {
		out = append(out, e.Vm.Vm)
	}
	if e.Host != nil {
		out = append(out, e.Host.Host)
	}
	if e.ComputeResource != nil {
		out = append(out, e.ComputeResource.ComputeResource)
	}
	if e.Ds != nil {
		out = append(out, e.Ds.Datastore)
	}
	if e.Net != nil {
		out = append(out, e.Net.Network)
	}
	if e.Dvs != nil {
		out = append(out, e.Dvs.Dvs)
	}
	if e.Datacenter != nil {
		out = append(out, e.Datacenter.Datacenter)
	}
	return out
}

// eventKinds are an event's type and the types that it is derived from.
func eventKinds(event types.BaseEvent) []string {
	t := reflect.TypeOf(event).Elem()
	out := []string{t.Name()}
	switch x := event.(type) {
	case *types.EventEx:
		out = append(out, x.EventTypeId)
	case *types.ExtendedEvent:
		out = append(out, x.EventTypeId)
	}
	for t.NumField() > 0 && t.Field(0).Anonymous && t.Field(0).Type.Kind() == reflect.Struct {
		t = t.Field(0).Type
		out = append(out, t.Name())
	}
	return out
}

func (f *Front) eventMatches(s *types.EventFilterSpec, owner *session.Session, event types.BaseEvent) bool {
	e := event.GetEvent()
	near := places(e)
	if len(near) > 0 && !f.sees(owner, &near[0]) {
		return false
	}
	if s.Entity != nil {
		ok := s.Entity.Entity == f.W.Content.RootFolder && s.Entity.Recursion != types.EventFilterSpecRecursionOptionSelf
		for _, p := range near {
			ok = ok || f.byPlace(p, s.Entity.Entity, string(s.Entity.Recursion))
		}
		if !ok {
			return false
		}
	}
	if s.Time != nil && ((s.Time.BeginTime != nil && e.CreatedTime.Before(*s.Time.BeginTime)) || (s.Time.EndTime != nil && e.CreatedTime.After(*s.Time.EndTime))) {
		return false
	}
	if s.UserName != nil && !byUser(s.UserName.SystemUser, s.UserName.UserList, e.UserName) {
		return false
	}
	if s.EventChainId != 0 && s.EventChainId != e.ChainId || s.Alarm != nil || s.ScheduledTask != nil {
		return false
	}
	if len(s.Tag) > 0 && !has(s.Tag, e.ChangeTag) {
		return false
	}
	if wanted := append(append([]string(nil), s.Type...), s.EventTypeId...); len(wanted) > 0 {
		for _, k := range eventKinds(event) {
			if has(wanted, k) {
				return true
			}
		}
		return false
	}
	return true
}

func (f *Front) registerEvents() {
	x := &scrolls[types.BaseEvent]{f: f, kind: "EventHistoryCollector", all: f.W.Events,
		number: func(e types.BaseEvent) int64 { return int64(e.GetEvent().Key) }, live: map[types.ManagedObjectReference]*scroll[types.BaseEvent]{}}
	x.register()
	f.W.OnEvent = x.news
	vet := func(s *types.EventFilterSpec) *fault.Error {
		if e := s.Entity; e != nil && f.W.Reg.Get(e.Entity) == nil {
			return fault.NotFound(e.Entity)
		}
		if s.MaxCount < 0 || s.MaxCount > maxPage {
			return fault.InvalidArgument("filter.maxCount")
		}
		return nil
	}
	f.S.Handle("CreateCollectorForEvents", func(c *api.Call) (any, *fault.Error) {
		filter := c.Req.(*types.CreateCollectorForEvents).Filter
		if e := vet(&filter); e != nil {
			return nil, e
		}
		o := &mo.EventHistoryCollector{}
		o.Self, o.Filter = x.name(c), filter
		owner := c.Session
		h := &scroll[types.BaseEvent]{object: o, self: o.Self,
			match: func(e types.BaseEvent) bool { return f.eventMatches(&filter, owner, e) },
			show:  func(page []types.BaseEvent) { o.LatestPage = page }}
		if e := x.add(c, h); e != nil {
			return nil, e
		}
		return &types.CreateCollectorForEventsResponse{Returnval: h.self}, nil
	})
	f.S.Handle("QueryEvents", func(c *api.Call) (any, *fault.Error) {
		filter := c.Req.(*types.QueryEvents).Filter
		if e := vet(&filter); e != nil {
			return nil, e
		}
		size := maxPage
		if filter.MaxCount > 0 {
			size = int(filter.MaxCount)
		}
		owner := c.Session
		page := x.page(&scroll[types.BaseEvent]{match: func(e types.BaseEvent) bool { return f.eventMatches(&filter, owner, e) }}, size)
		return &types.QueryEventsResponse{Returnval: page}, nil
	})
	f.S.Handle("LogUserEvent", f.logUserEvent)
	f.S.Handle("ReadNextEvents", func(c *api.Call) (any, *fault.Error) {
		out, e := x.read(c, true, c.Req.(*types.ReadNextEvents).MaxCount)
		return &types.ReadNextEventsResponse{Returnval: out}, e
	})
	f.S.Handle("ReadPreviousEvents", func(c *api.Call) (any, *fault.Error) {
		out, e := x.read(c, false, c.Req.(*types.ReadPreviousEvents).MaxCount)
		return &types.ReadPreviousEventsResponse{Returnval: out}, e
	})
}
