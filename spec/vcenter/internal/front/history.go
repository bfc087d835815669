package front

// history.go: TaskManager.CreateCollectorForTasks. The simulator's own collector
// has only the simulator's tasks, so this one reads ours.

import (
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/rules"
	"gpupt.test/vcenter/internal/session"
	"gpupt.test/vcenter/internal/task"
)

var _ = rules.Add(rules.Rule{ID: "task.history", Sure: "documented", As: "real", Source: "API reference: TaskManager.CreateCollectorForTasks, TaskFilterSpec",
	Text: "A task collector filters by entity, state, user, time, activationId, event chain and parent task; it reads from the oldest task on."})

var _ = rules.Add(rules.Rule{ID: "history.esxi", Sure: "seen", As: "real", Source: "pysphere#25: at ESXi 4.1 \"Create task collector\" ends in \"The operation is not supported on the object\"",
	Text: "A host keeps no history of tasks: CreateCollectorForTasks is NotSupported at an ESXi endpoint. Collectors of events are supported."})

// matches reports whether a task passes the filter. World lock held.
func (f *Front) matches(s *types.TaskFilterSpec, owner *session.Session, i *types.TaskInfo) bool {
	if !f.sees(owner, i.Entity) {
		return false
	}
	if s.Entity != nil && (i.Entity == nil || !f.byPlace(*i.Entity, s.Entity.Entity, string(s.Entity.Recursion))) {
		return false
	}
	if len(s.State) > 0 && !has(s.State, i.State) || len(s.ActivationId) > 0 && !has(s.ActivationId, i.ActivationId) ||
		len(s.EventChainId) > 0 && !has(s.EventChainId, i.EventChainId) || len(s.ParentTaskKey) > 0 && !has(s.ParentTaskKey, i.ParentTaskKey) ||
		len(s.RootTaskKey) > 0 && !has(s.RootTaskKey, i.RootTaskKey) {
		return false
	}
	if s.Alarm != nil || len(s.Tag) > 0 {
		return false // no task here comes from an alarm, or has a tag
	}
	if s.ScheduledTask != nil {
		if r, ok := i.Reason.(*types.TaskReasonSchedule); !ok || r.ScheduledTask != *s.ScheduledTask {
			return false
		}
	}
	if s.UserName != nil {
		name := ""
		if r, ok := i.Reason.(*types.TaskReasonUser); ok {
			name = r.UserName
		}
		if !byUser(s.UserName.SystemUser, s.UserName.UserList, name) {
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

func infos(list []*task.Task) []types.TaskInfo {
	out := make([]types.TaskInfo, len(list))
	for i, t := range list {
		out[i] = t.Info
	}
	return out
}

func (f *Front) registerHistory() {
	s := f.S
	x := &scrolls[*task.Task]{f: f, kind: "TaskHistoryCollector", all: s.Tasks.History,
		number: func(t *task.Task) int64 { return int64(t.Info.EventChainId) }, live: map[types.ManagedObjectReference]*scroll[*task.Task]{}}
	x.register()
	s.Tasks.Changed = x.news
	s.Handle("CreateCollectorForTasks", func(c *api.Call) (any, *fault.Error) {
		if f.W.ESXi {
			return nil, fault.New(&types.NotSupported{})
		}
		filter := c.Req.(*types.CreateCollectorForTasks).Filter
		if e := filter.Entity; e != nil && f.W.Reg.Get(e.Entity) == nil {
			return nil, fault.NotFound(e.Entity)
		}
		o := &mo.TaskHistoryCollector{}
		o.Self, o.Filter = x.name(c), filter
		owner := c.Session
		h := &scroll[*task.Task]{object: o, self: o.Self,
			match: func(t *task.Task) bool { return f.matches(&filter, owner, &t.Info) },
			show:  func(page []*task.Task) { o.LatestPage = infos(page) }}
		if e := x.add(c, h); e != nil {
			return nil, e
		}
		return &types.CreateCollectorForTasksResponse{Returnval: h.self}, nil
	})
	s.Handle("ReadNextTasks", func(c *api.Call) (any, *fault.Error) {
		out, e := x.read(c, true, c.Req.(*types.ReadNextTasks).MaxCount)
		return &types.ReadNextTasksResponse{Returnval: infos(out)}, e
	})
	s.Handle("ReadPreviousTasks", func(c *api.Call) (any, *fault.Error) {
		out, e := x.read(c, false, c.Req.(*types.ReadPreviousTasks).MaxCount)
		return &types.ReadPreviousTasksResponse{Returnval: infos(out)}, e
	})
}
