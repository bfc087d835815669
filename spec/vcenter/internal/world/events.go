package world

// events.go keeps the events of the fleet. The simulator formats them and keeps them in a
// private list; one hidden collector of its kind, which we open, reports each as it is
// posted.

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/fault"
)

// keepEvents is how many events stay readable.
const keepEvents = 10_000

type events struct {
	tap  types.ManagedObjectReference
	list []types.BaseEvent
}

// tapEvents opens the collector; an endpoint without an EventManager has no events.
func (w *World) tapEvents() *fault.Error {
	if w.Content.EventManager == nil {
		return nil
	}
	em, ok := w.Reg.Get(*w.Content.EventManager).(*simulator.EventManager)
	if !ok {
		return nil
	}
	res, e := w.InnerOn(em, "CreateCollectorForEvents", &types.CreateCollectorForEvents{This: em.Self, Filter: types.EventFilterSpec{MaxCount: 1}})
	if e != nil {
		return e
	}
	w.events.tap = res.(*types.CreateCollectorForEventsResponse).Returnval
	return nil
}

// posted takes the newest event of the collector's page.
func (w *World) posted(c *mo.EventHistoryCollector) {
	if c.Self != w.events.tap || len(c.LatestPage) == 0 {
		return
	}
	event := c.LatestPage[0]
	if cause := w.Truth.Cause(); cause != nil {
		event.GetEvent().UserName = cause.User
	}
	if w.events.list = append(w.events.list, event); len(w.events.list) > keepEvents+keepEvents/4 {
		w.events.list = append([]types.BaseEvent(nil), w.events.list[len(w.events.list)-keepEvents:]...)
	}
	if em, ok := w.Reg.Get(*w.Content.EventManager).(*simulator.EventManager); ok {
		em.LatestEvent = event
		w.Touch(em.Self)
	}
	if w.OnEvent != nil {
		w.OnEvent(event)
	}
}

// Events are those still readable, oldest first. World lock held.
func (w *World) Events() []types.BaseEvent { return w.events.list }
