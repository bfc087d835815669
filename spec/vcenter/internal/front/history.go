package front

// history.go: TaskManager.CreateCollectorForTasks. The simulator's own collector knows
// only the simulator's tasks, so this one reads ours. It begins at the oldest task;
// ReadNextTasks goes on towards the newest, ResetCollector and ReadPreviousTasks the other
// way round; latestPage is the newest page, newest first.

import (
	"fmt"

	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/rules"
	"gpupt.test/vcenter/internal/session"
	"gpupt.test/vcenter/internal/task"
)

var _ = rules.Add(rules.Rule{ID: "task.history", Sure: "documented", Source: "API reference: TaskManager.CreateCollectorForTasks, TaskHistoryCollector, HistoryCollector",
	Text: "A task collector filters by entity, state, user, time and activationId, reads from the oldest on, keeps its position, and ends with its session; a page size above 1000 is InvalidArgument."})

type taskHistory struct {
	mo.TaskHistoryCollector
	filter types.TaskFilterSpec
	owner  *session.Session
	last   types.ManagedObjectReference // the task read last
	at     int                          // position among the tasks that match: the next to read
	size   int
}

// matches tells whether a task passes the filter. World lock held.
func (f *Front) matches(s *types.TaskFilterSpec, i *types.TaskInfo) bool {
	if s.Entity != nil {
		ok := i.Entity != nil && *i.Entity == s.Entity.Entity
		if s.Entity.Recursion == types.TaskFilterSpecRecursionOptionChildren {
			ok = false
		}
		if s.Entity.Recursion != types.TaskFilterSpecRecursionOptionSelf && i.Entity != nil && !ok {
			ok = f.below(*i.Entity, s.Entity.Entity)
		}
		if !ok {
			return false
		}
	}
	if len(s.State) > 0 && !has(s.State, i.State) || len(s.ActivationId) > 0 && !has(s.ActivationId, i.ActivationId) ||
		len(s.EventChainId) > 0 && !has(s.EventChainId, i.EventChainId) {
		return false
	}
	if s.UserName != nil {
		r, _ := i.Reason.(*types.TaskReasonUser)
		if r == nil || (len(s.UserName.UserList) > 0 && !has(s.UserName.UserList, r.UserName)) {
			return false
		}
	}
	if s.Time != nil {
		t := &i.QueueTime
		switch s.Time.TimeType {
		case types.TaskFilterSpecTimeOptionStartedTime:
			t = i.StartTime
		case types.TaskFilterSpecTimeOptionCompletedTime:
			t = i.CompleteTime
		}
		if t == nil || (s.Time.BeginTime != nil && t.Before(*s.Time.BeginTime)) || (s.Time.EndTime != nil && t.After(*s.Time.EndTime)) {
			return false
		}
	}
	return true
}

func has[T comparable](list []T, x T) bool {
	for _, y := range list {
		if x == y {
			return true
		}
	}
	return false
}

// below tells whether an entity hangs under another one.
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

func (f *Front) matching(h *taskHistory) []*task.Task {
	var out []*task.Task
	for _, t := range f.S.Tasks.History() {
		if f.matches(&h.filter, &t.Info) {
			out = append(out, t)
		}
	}
	return out
}

func (f *Front) history(c *api.Call) (*taskHistory, *fault.Error) {
	h, ok := f.W.Reg.Get(c.This).(*taskHistory)
	if !ok || h.owner != c.Session {
		return nil, fault.NotFound(c.This)
	}
	h.at = f.position(h)
	return h, nil
}

// position finds the place again: old tasks may have gone meanwhile.
func (f *Front) position(h *taskHistory) int {
	if h.last.Value == "" {
		return h.at
	}
	for i, t := range f.matching(h) {
		if t.Self == h.last {
			return i + 1
		}
	}
	return 0
}

func (f *Front) registerHistory() {
	s := f.S
	s.Handle("CreateCollectorForTasks", func(c *api.Call) (any, *fault.Error) {
		h := &taskHistory{filter: c.Req.(*types.CreateCollectorForTasks).Filter, owner: c.Session, size: 10}
		if e := h.filter.Entity; e != nil && f.W.Reg.Get(e.Entity) == nil {
			return nil, fault.NotFound(e.Entity)
		}
		h.Self = types.ManagedObjectReference{Type: "TaskHistoryCollector", Value: fmt.Sprintf("session[%s]%d", c.Session.Key, f.W.NextID())}
		h.Filter = h.filter
		f.W.Put(h)
		f.latest(h)
		return &types.CreateCollectorForTasksResponse{Returnval: h.Self}, nil
	})
	read := func(next bool) api.Func {
		return func(c *api.Call) (any, *fault.Error) {
			h, e := f.history(c)
			if e != nil {
				return nil, e
			}
			var max int32
			if next {
				max = c.Req.(*types.ReadNextTasks).MaxCount
			} else {
				max = c.Req.(*types.ReadPreviousTasks).MaxCount
			}
			if max < 1 || max > 1000 {
				return nil, fault.InvalidArgument("maxCount")
			}
			all := f.matching(h)
			var out []types.TaskInfo
			for ; max > 0; max-- {
				if next && h.at < len(all) {
					out = append(out, all[h.at].Info)
					h.at++
				} else if !next && h.at > 0 {
					h.at--
					out = append(out, all[h.at].Info)
				}
			}
			h.last = types.ManagedObjectReference{}
			if h.at > 0 {
				h.last = all[h.at-1].Self
			}
			if next {
				return &types.ReadNextTasksResponse{Returnval: out}, nil
			}
			return &types.ReadPreviousTasksResponse{Returnval: out}, nil
		}
	}
	s.Handle("ReadNextTasks", read(true))
	s.Handle("ReadPreviousTasks", read(false))
	on := func(method string, do func(h *taskHistory, c *api.Call) *fault.Error) {
		s.Handle("TaskHistoryCollector."+method, func(c *api.Call) (any, *fault.Error) {
			h, e := f.history(c)
			if e == nil {
				e = do(h, c)
			}
			if e != nil {
				return nil, e
			}
			return &api.Void{}, nil
		})
	}
	on("RewindCollector", func(h *taskHistory, _ *api.Call) *fault.Error {
		h.at, h.last = 0, types.ManagedObjectReference{}
		return nil
	})
	on("ResetCollector", func(h *taskHistory, _ *api.Call) *fault.Error {
		all := f.matching(h)
		if h.at = len(all); h.at > 0 {
			h.last = all[h.at-1].Self
		}
		return nil
	})
	on("SetCollectorPageSize", func(h *taskHistory, c *api.Call) *fault.Error {
		n := c.Req.(*types.SetCollectorPageSize).MaxCount
		if n < 1 || n > 1000 {
			return fault.InvalidArgument("maxCount")
		}
		h.size = int(n)
		f.latest(h)
		return nil
	})
	on("DestroyCollector", func(h *taskHistory, _ *api.Call) *fault.Error {
		f.W.Remove(h.Self)
		return nil
	})
	f.S.Sessions.OnEnd(func(ended *session.Session) {
		go func() { // whoever ends a session may hold the world lock
			f.W.Lock()
			defer f.W.Unlock()
			for _, o := range f.W.Reg.AllReference("TaskHistoryCollector") {
				if h, ok := o.(*taskHistory); ok && h.owner == ended {
					f.W.Remove(h.Self)
				}
			}
		}()
	})
	f.S.Tasks.Changed = func(*task.Task) {
		for _, o := range f.W.Reg.AllReference("TaskHistoryCollector") {
			if h, ok := o.(*taskHistory); ok {
				f.latest(h)
			}
		}
	}
}

// latest fills latestPage. World lock held.
func (f *Front) latest(h *taskHistory) {
	all := f.matching(h)
	h.LatestPage = []types.TaskInfo{}
	for i := len(all) - 1; i >= 0 && len(h.LatestPage) < h.size; i-- {
		h.LatestPage = append(h.LatestPage, all[i].Info)
	}
	f.W.Touch(h.Self)
}
