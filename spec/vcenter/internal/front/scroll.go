package front

// scroll.go: what task and event collectors have in common. The items of a history have
// rising numbers; a collector shows those that pass its filter, from the oldest to the
// newest, and its position is the number of the item before which the next reading
// forwards begins, so that items which come or go meanwhile do not move it.
//
//	1 2 3 4 5 6 7 8 9      items; latestPage holds the newest `size` of them
//	      ^ after = 3      ReadNext gives 4 5.., ReadPrevious gives 3 2..
//
// Rewind puts the position before the oldest item (where it starts), Reset before
// the latest page: reading backwards from there gives what that page does not show.

import (
	"fmt"

	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/rules"
	"gpupt.test/vcenter/internal/session"
)

var (
	_ = rules.Add(rules.Rule{ID: "history.position", Sure: "documented", As: "real", Source: "API reference: HistoryCollector, TaskHistoryCollector.ReadNextTasks, EventHistoryCollector.ReadPreviousEvents",
		Text: "A collector's position is before the oldest item at first and after RewindCollector, and before the latest page after ResetCollector; each read continues where the last one ended, until it returns an empty list."})
	_ = rules.Add(rules.Rule{ID: "history.page", Sure: "documented", As: "real", Source: "API reference: HistoryCollector.SetCollectorPageSize throws InvalidArgument; latestPage",
		Text: "latestPage follows the newest items, 10 by default (SetCollectorPageSize); a page size or maxCount below 1 or above 1000 is InvalidArgument."})
	_ = rules.Add(rules.Rule{ID: "history.limit", Sure: "documented", As: "real", Source: "API reference: TaskManager.maxCollector, EventManager.maxCollector; CreateCollectorForTasks throws InvalidState",
		Text: "A client has at most maxCollector (32) task collectors and as many event collectors at once; one more is InvalidState. They end with the session and cannot be used in another one."})
)

const (
	maxPage       = 1000
	maxCollectors = 32
)

// scroll is one collector; T is what it reads.
type scroll[T any] struct {
	object mo.Reference
	self   types.ManagedObjectReference
	owner  *session.Session
	match  func(T) bool
	show   func([]T) // sets latestPage
	after  int64
	size   int
}

// scrolls are the collectors of one kind with the history that they read.
type scrolls[T any] struct {
	f      *Front
	kind   string
	all    func() []T // oldest first
	number func(T) int64
	live   map[types.ManagedObjectReference]*scroll[T]
}

// add takes a new collector in. World lock held.
func (x *scrolls[T]) add(c *api.Call, h *scroll[T]) *fault.Error {
	n := 0
	for _, o := range x.live {
		if o.owner == c.Session {
			n++
		}
	}
	if n >= maxCollectors {
		return fault.New(&types.InvalidState{}, "The number of collectors of this session has reached its maximum.")
	}
	h.owner, h.size = c.Session, 10
	x.live[h.self] = h
	x.f.W.Put(h.object)
	x.latest(h)
	return nil
}

// name creates a reference for a new collector.
func (x *scrolls[T]) name(c *api.Call) types.ManagedObjectReference {
	return types.ManagedObjectReference{Type: x.kind, Value: fmt.Sprintf("session[%s]%d", c.Session.Key, x.f.W.NextID())}
}

func (x *scrolls[T]) get(c *api.Call) (*scroll[T], *fault.Error) {
	h := x.live[c.This]
	if h == nil || h.owner != c.Session {
		return nil, fault.NotFound(c.This)
	}
	return h, nil
}

// matching are the items of a collector with their numbers' order.
func (x *scrolls[T]) matching(h *scroll[T]) []T {
	var out []T
	for _, t := range x.all() {
		if h.match(t) {
			out = append(out, t)
		}
	}
	return out
}

// read moves the position and gives the items passed.
func (x *scrolls[T]) read(c *api.Call, forwards bool, max int32) ([]T, *fault.Error) {
	h, e := x.get(c)
	if e != nil {
		return nil, e
	}
	if max < 1 || max > maxPage {
		return nil, fault.InvalidArgument("maxCount")
	}
	items := x.matching(h)
	at := 0
	for at < len(items) && x.number(items[at]) <= h.after {
		at++
	}
	var out []T
	for ; max > 0; max-- {
		if forwards && at < len(items) {
			out = append(out, items[at])
			h.after = x.number(items[at])
			at++
		} else if !forwards && at > 0 {
			at--
			out = append(out, items[at])
			h.after = x.number(items[at]) - 1
		}
	}
	return out, nil
}

// page returns the newest items that match, newest first.
func (x *scrolls[T]) page(h *scroll[T], size int) []T {
	out := []T{}
	all := x.all()
	for i := len(all) - 1; i >= 0 && len(out) < size; i-- {
		if h.match(all[i]) {
			out = append(out, all[i])
		}
	}
	return out
}

func (x *scrolls[T]) latest(h *scroll[T]) {
	h.show(x.page(h, h.size))
	x.f.W.Touch(h.self)
}

// news shows an item that is new or has changed. World lock held.
func (x *scrolls[T]) news(item T) {
	for _, h := range x.live {
		if h.match(item) {
			x.latest(h)
		}
	}
}

func (x *scrolls[T]) drop(h *scroll[T]) {
	delete(x.live, h.self)
	x.f.W.Remove(h.self)
}

// register adds the methods of HistoryCollector.
func (x *scrolls[T]) register() {
	on := func(method string, do func(h *scroll[T], c *api.Call) *fault.Error) {
		x.f.S.Handle(x.kind+"."+method, func(c *api.Call) (any, *fault.Error) {
			h, e := x.get(c)
			if e == nil {
				e = do(h, c)
			}
			if e != nil {
				return nil, e
			}
			return &api.Void{}, nil
		})
	}
	on("RewindCollector", func(h *scroll[T], _ *api.Call) *fault.Error { h.after = 0; return nil })
	on("ResetCollector", func(h *scroll[T], _ *api.Call) *fault.Error {
		h.after = 0
		if page := x.page(h, h.size); len(page) > 0 {
			h.after = x.number(page[len(page)-1]) - 1
		}
		return nil
	})
	on("SetCollectorPageSize", func(h *scroll[T], c *api.Call) *fault.Error {
		n := c.Req.(*types.SetCollectorPageSize).MaxCount
		if n < 1 || n > maxPage {
			return fault.InvalidArgument("maxCount")
		}
		h.size = int(n)
		x.latest(h)
		return nil
	})
	on("DestroyCollector", func(h *scroll[T], _ *api.Call) *fault.Error { x.drop(h); return nil })
	x.f.S.Sessions.OnEnd(func(ended *session.Session) {
		go func() { // the caller that ends a session may hold the world lock
			x.f.W.Lock()
			defer x.f.W.Unlock()
			for _, h := range x.live {
				if h.owner == ended {
					x.drop(h)
				}
			}
		}()
	})
	x.f.Stat(x.kind, func() any {
		x.f.W.RLock()
		defer x.f.W.RUnlock()
		return len(x.live)
	})
}

// byUser is the part of a filter that names users: those of the list, all regular ones
// without a list, and the system's own when asked for.
func byUser(system bool, list []string, name string) bool {
	if name == "" {
		return system
	}
	return len(list) == 0 && !system || has(list, name)
}

// byPlace reports whether an entity is the one of a filter, or is below it.
func (f *Front) byPlace(ref, root types.ManagedObjectReference, recursion string) bool {
	if ref == root {
		return recursion != "children"
	}
	return recursion != "self" && f.below(ref, root)
}

func has[T comparable](list []T, x T) bool {
	for _, y := range list {
		if x == y {
			return true
		}
	}
	return false
}

// below reports whether an entity is below another one.
func (f *Front) below(ref, root types.ManagedObjectReference) bool {
	for {
		e, ok := f.W.Reg.Get(ref).(mo.Entity)
		if !ok || e.Entity().Parent == nil {
			return false
		}
		if ref = *e.Entity().Parent; ref == root {
			return true
		}
	}
}

// sees reports whether the owner of a collector may see an entity.
func (f *Front) sees(s *session.Session, ref *types.ManagedObjectReference) bool {
	if ref == nil || len(s.User.Grants) == 0 {
		return true
	}
	if _, entity := f.W.Reg.Get(*ref).(mo.Entity); !entity {
		return true
	}
	return f.S.May(s.User, "System.View", *ref)
}
