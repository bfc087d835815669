package front

// scheduled.go: scheduled tasks. Their times are in real time; when one is due its method is called as the user who
// last changed it would call it.

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/rules"
	"gpupt.test/vcenter/internal/schedule"
	"gpupt.test/vcenter/internal/session"
	"gpupt.test/vcenter/internal/task"
	"gpupt.test/vcenter/internal/truth"
	"gpupt.test/vcenter/internal/wire"
)

var (
	_ = rules.Add(rules.Rule{ID: "scheduled.create", Sure: "documented", As: "stricter: a real one also runs scripts, sends mails and creates tasks of extensions", Source: "API reference: ScheduledTaskManager.CreateScheduledTask (InvalidName, DuplicateName, InvalidArgument), privilege ScheduledTask.Create on the entity; MethodAction",
		Text: "A scheduled task has a name that no other has (else DuplicateName), and a MethodAction with a method of the entity and one argument for each of its parameters (else InvalidArgument). CreateObjectScheduledTask does the same for any object."})
	_ = rules.Add(rules.Rule{ID: "scheduled.times", Sure: "documented", As: "real", Source: "API reference: TaskScheduler (activeTime, expireTime) and the schedulers derived from it: interval 1 to 999, minute 0 to 59, hour 0 to 23, day 1 to 31, UTC; OnceTaskScheduler without runAt executes immediately",
		Text: "A scheduled task runs at the times of its scheduler, in UTC and in real time, while it is enabled and between activeTime and expireTime; info.nextRunTime is the next of them. A value out of its range is InvalidArgument."})
	_ = rules.Add(rules.Rule{ID: "scheduled.run", Sure: "inferred", As: "inferred", Source: "API reference: ScheduledTaskInfo (state, activeTask, error, result, prevRunTime), TaskReasonSchedule, ScheduledTaskStartedEvent, ScheduledTaskCompletedEvent, ScheduledTaskFailedEvent; that it acts with the rights of the user who changed it last: lastModifiedUser, no source says it",
		Text: "A run calls the method with the rights of the user who created or last changed the scheduled task; info shows the task (activeTask), then its end, and the task's reason is TaskReasonSchedule."})
	_ = rules.Add(rules.Rule{ID: "scheduled.running", Sure: "documented", As: "real", Source: "API reference: ScheduledTask.ReconfigureScheduledTask, RemoveScheduledTask, RunScheduledTask throw InvalidState if the scheduled task is running; privileges ScheduledTask.Edit, Delete, Run",
		Text: "While it runs, a scheduled task is neither changed, removed nor run again: InvalidState."})
)

type scheduledManager struct{ mo.ScheduledTaskManager }

// scheduledTask is one, guarded by the world lock.
type scheduledTask struct {
	mo.ScheduledTask
	ses     *session.Session // whose rights it has
	created time.Time
	timer   *time.Timer
}

func (f *Front) registerScheduled() {
	if f.W.Content.ScheduledTaskManager == nil { // an ESXi host has none
		return
	}
	m := &scheduledManager{}
	m.Self = *f.W.Content.ScheduledTaskManager
	m.Description = scheduledDescription()
	f.W.Put(m)
	f.S.Handle("CreateScheduledTask", func(c *api.Call) (any, *fault.Error) {
		q := c.Req.(*types.CreateScheduledTask)
		s, e := f.createScheduled(c, q.Entity, q.Spec)
		if e != nil {
			return nil, e
		}
		return &types.CreateScheduledTaskResponse{Returnval: s.Self}, nil
	})
	f.S.Handle("CreateObjectScheduledTask", func(c *api.Call) (any, *fault.Error) {
		q := c.Req.(*types.CreateObjectScheduledTask)
		s, e := f.createScheduled(c, q.Obj, q.Spec)
		if e != nil {
			return nil, e
		}
		return &types.CreateObjectScheduledTaskResponse{Returnval: s.Self}, nil
	})
	f.S.Handle("RetrieveEntityScheduledTask", func(c *api.Call) (any, *fault.Error) {
		return &types.RetrieveEntityScheduledTaskResponse{Returnval: f.scheduledOf(c.Req.(*types.RetrieveEntityScheduledTask).Entity)}, nil
	}, api.ReadOnly())
	f.S.Handle("RetrieveObjectScheduledTask", func(c *api.Call) (any, *fault.Error) {
		return &types.RetrieveObjectScheduledTaskResponse{Returnval: f.scheduledOf(c.Req.(*types.RetrieveObjectScheduledTask).Obj)}, nil
	}, api.ReadOnly())
	on := func(method string, do func(*api.Call, *scheduledTask) *fault.Error) {
		f.S.Handle(method, func(c *api.Call) (any, *fault.Error) {
			s, e := api.Object[*scheduledTask](c)
			if e == nil && s.Info.State == types.TaskInfoStateRunning {
				e = fault.InvalidState("")
			}
			if e == nil {
				e = do(c, s)
			}
			return &api.Void{}, e
		})
	}
	on("ReconfigureScheduledTask", func(c *api.Call, s *scheduledTask) *fault.Error {
		spec := c.Req.(*types.ReconfigureScheduledTask).Spec.GetScheduledTaskSpec()
		if e := f.vetScheduled(spec, s.Info.TaskObject, s); e != nil {
			return e
		}
		f.change(c, s, spec)
		f.scheduledEvent(s, func(e types.ScheduledTaskEvent) types.BaseEvent {
			return &types.ScheduledTaskReconfiguredEvent{ScheduledTaskEvent: e}
		})
		return nil
	})
	on("RemoveScheduledTask", func(_ *api.Call, s *scheduledTask) *fault.Error {
		if s.timer != nil {
			s.timer.Stop()
		}
		m.ScheduledTask = slices.DeleteFunc(m.ScheduledTask, func(r types.ManagedObjectReference) bool { return r == s.Self })
		f.W.Touch(m.Self)
		f.scheduledEvent(s, func(e types.ScheduledTaskEvent) types.BaseEvent {
			return &types.ScheduledTaskRemovedEvent{ScheduledTaskEvent: e}
		})
		f.W.Remove(s.Self)
		return nil
	})
	on("RunScheduledTask", func(_ *api.Call, s *scheduledTask) *fault.Error {
		f.begin(s)
		return nil
	})
	f.S.OnOwner(func(ref types.ManagedObjectReference) (types.ManagedObjectReference, bool) {
		if s, ok := f.W.Reg.Get(ref).(*scheduledTask); ok {
			return s.Info.TaskObject, true
		}
		return ref, false
	})
}

// scheduledOf lists the scheduled tasks of an object, all without one.
func (f *Front) scheduledOf(ref any) (out []types.ManagedObjectReference) {
	of, _ := ref.(*types.ManagedObjectReference)
	if r, ok := ref.(types.ManagedObjectReference); ok {
		of = &r
	}
	m, ok := f.W.Reg.Get(*f.W.Content.ScheduledTaskManager).(*scheduledManager)
	if !ok {
		return nil
	}
	for _, r := range m.ScheduledTask {
		if s, ok := f.W.Reg.Get(r).(*scheduledTask); ok && (of == nil || s.Info.TaskObject == *of) {
			out = append(out, r)
		}
	}
	return out
}

// request is the call that a MethodAction stands for.
func request(a *types.MethodAction, this types.ManagedObjectReference) (any, bool) {
	m, _ := wire.MethodOf(this.Type, a.Name)
	t, ok := types.TypeFunc()(a.Name)
	if m == nil || !ok || t.Kind() != reflect.Struct {
		return nil, false
	}
	req := reflect.New(t)
	v := req.Elem()
	v.FieldByName("This").Set(reflect.ValueOf(this))
	if len(a.Argument) != v.NumField()-1 {
		return nil, false
	}
	for i, arg := range a.Argument {
		if !place(v.Field(i+1), arg.Value) {
			return nil, false
		}
	}
	return req.Interface(), true
}

// place sets a parameter; without a value it stays as it is.
func place(field reflect.Value, value any) bool {
	if value == nil {
		return true
	}
	v := reflect.ValueOf(value)
	for v.Kind() == reflect.Pointer && !v.Type().AssignableTo(field.Type()) {
		v = v.Elem()
	}
	// ArrayOfX is a list of X
	if field.Kind() == reflect.Slice && v.Kind() == reflect.Struct && v.NumField() == 1 && v.Field(0).Kind() == reflect.Slice {
		v = v.Field(0)
	}
	to := field.Type()
	switch {
	case v.Type().AssignableTo(to):
		field.Set(v)
	case to.Kind() == reflect.Pointer && v.Type().ConvertibleTo(to.Elem()) && v.Kind() == to.Elem().Kind():
		p := reflect.New(to.Elem())
		p.Elem().Set(v.Convert(to.Elem()))
		field.Set(p)
	case v.Type().ConvertibleTo(to) && v.Kind() == to.Kind():
		field.Set(v.Convert(to))
	case v.CanAddr() && v.Addr().Type().AssignableTo(to):
		field.Set(v.Addr())
	default:
		return false
	}
	return true
}

// vetScheduled refuses a spec; self is the task that it changes.
func (f *Front) vetScheduled(spec *types.ScheduledTaskSpec, obj types.ManagedObjectReference, self *scheduledTask) *fault.Error {
	if spec.Name == "" {
		return fault.New(&types.InvalidName{Name: spec.Name})
	}
	for _, r := range f.scheduledOf(nil) {
		if o, ok := f.W.Reg.Get(r).(*scheduledTask); ok && o != self && o.Info.Name == spec.Name {
			return fault.New(&types.DuplicateName{Name: spec.Name, Object: r})
		}
	}
	if bad := schedule.Check(spec.Scheduler); bad != "" {
		return fault.InvalidArgument("spec.scheduler." + bad)
	}
	a, ok := spec.Action.(*types.MethodAction)
	if !ok {
		return fault.InvalidArgument("spec.action")
	}
	if _, ok := request(a, obj); !ok {
		return fault.InvalidArgument("spec.action.argument")
	}
	return nil
}

func (f *Front) createScheduled(c *api.Call, obj types.ManagedObjectReference, spec types.BaseScheduledTaskSpec) (*scheduledTask, *fault.Error) {
	m, ok := f.W.Reg.Get(c.This).(*scheduledManager)
	if !ok || f.W.Get(obj) == nil {
		return nil, fault.NotFound(obj)
	}
	if e := f.vetScheduled(spec.GetScheduledTaskSpec(), obj, nil); e != nil {
		return nil, e
	}
	s := &scheduledTask{created: time.Now()}
	s.Self = types.ManagedObjectReference{Type: "ScheduledTask", Value: fmt.Sprintf("schedule-%d", f.W.NextID())}
	s.Info = types.ScheduledTaskInfo{ScheduledTask: s.Self, TaskObject: obj, Entity: obj, State: types.TaskInfoStateSuccess}
	if owner, ok := f.S.Owner(obj); ok {
		s.Info.Entity = owner
	}
	f.W.Put(s)
	m.ScheduledTask = append(m.ScheduledTask, s.Self)
	f.W.Touch(m.Self)
	f.change(c, s, spec.GetScheduledTaskSpec())
	f.scheduledEvent(s, func(e types.ScheduledTaskEvent) types.BaseEvent {
		return &types.ScheduledTaskCreatedEvent{ScheduledTaskEvent: e}
	})
	return s, nil
}

// change sets what a user gave, and the next time.
func (f *Front) change(c *api.Call, s *scheduledTask, spec *types.ScheduledTaskSpec) {
	s.ses = &session.Session{UserSession: c.Session.UserSession, User: c.Session.User}
	s.Info.ScheduledTaskSpec = *spec
	s.Info.LastModifiedTime, s.Info.LastModifiedUser = time.Now(), c.Session.UserName
	f.plan(s, s.created.Add(-time.Nanosecond))
}

// plan sets the next time after a moment.
func (f *Front) plan(s *scheduledTask, after time.Time) {
	if s.timer != nil {
		s.timer.Stop()
	}
	s.timer, s.Info.NextRunTime = nil, nil
	if now := time.Now(); !immediate(s) && now.After(after) {
		after = now
	}
	if s.Info.PrevRunTime != nil && immediate(s) {
		f.W.Touch(s.Self)
		return // it has run
	}
	if at, ok := schedule.Next(s.Info.Scheduler, s.created, after); ok && s.Info.Enabled {
		s.Info.NextRunTime = &at
		s.timer = time.AfterFunc(time.Until(at), func() { f.due(s, at) })
	}
	f.W.Touch(s.Self)
}

// immediate is a task that runs once, at its creation.
func immediate(s *scheduledTask) bool {
	once, ok := s.Info.Scheduler.(*types.OnceTaskScheduler)
	return ok && once.RunAt == nil
}

func (f *Front) due(s *scheduledTask, at time.Time) {
	f.W.Lock()
	defer f.W.Unlock()
	if f.W.Stop.Err() != nil || f.W.Reg.Get(s.Self) == nil || s.Info.NextRunTime == nil || !s.Info.NextRunTime.Equal(at) {
		return
	}
	if s.Info.State != types.TaskInfoStateRunning {
		f.begin(s)
	}
	f.plan(s, at)
}

// begin starts a run; world lock held.
func (f *Front) begin(s *scheduledTask) {
	now := time.Now()
	s.Info.PrevRunTime, s.Info.State, s.Info.Error, s.Info.Result = &now, types.TaskInfoStateRunning, nil, nil
	f.W.Touch(s.Self)
	f.scheduledEvent(s, func(e types.ScheduledTaskEvent) types.BaseEvent {
		return &types.ScheduledTaskStartedEvent{ScheduledTaskEvent: e}
	})
	a, _ := s.Info.Action.(*types.MethodAction)
	go f.runScheduled(s, a, s.ses)
}

func (f *Front) runScheduled(s *scheduledTask, a *types.MethodAction, ses *session.Session) {
	result, e := f.act(s, a, ses)
	f.W.Lock()
	defer f.W.Unlock()
	s.Info.ActiveTask, s.Info.Result, s.Info.State = nil, result, types.TaskInfoStateSuccess
	if e != nil {
		s.Info.State, s.Info.Error = types.TaskInfoStateError, e.Localized()
		f.scheduledEvent(s, func(x types.ScheduledTaskEvent) types.BaseEvent {
			return &types.ScheduledTaskFailedEvent{ScheduledTaskEvent: x, Reason: *e.Localized()}
		})
	} else {
		f.scheduledEvent(s, func(x types.ScheduledTaskEvent) types.BaseEvent {
			return &types.ScheduledTaskCompletedEvent{ScheduledTaskEvent: x}
		})
	}
	if f.W.Reg.Get(s.Self) != nil {
		f.W.Touch(s.Self)
	}
}

// act calls the method, and waits for its task.
func (f *Front) act(s *scheduledTask, a *types.MethodAction, ses *session.Session) (any, *fault.Error) {
	f.W.RLock()
	obj, gone := s.Info.TaskObject, f.W.Get(s.Info.TaskObject) == nil
	f.W.RUnlock()
	req, ok := request(a, obj)
	if gone || !ok {
		return nil, fault.NotFound(obj)
	}
	c := &api.Call{S: f.S, W: f.W, Ctx: f.W.Stop, Method: a.Name, This: obj, Req: req, Session: ses, Version: wire.ParseVersion(f.W.Content.About.ApiVersion)}
	res, e := f.direct(c)
	if e != nil {
		return nil, e
	}
	ret, ok := res.(*api.Returnval)
	if !ok {
		return nil, nil
	}
	ref := ret.Returnval
	if ref.Type != "Task" {
		return nil, nil
	}
	for first := true; ; first = false {
		f.W.Lock()
		t, ok := f.W.Reg.Get(ref).(*task.Task)
		if !ok {
			f.W.Unlock()
			return nil, nil
		}
		if first {
			s.Info.ActiveTask = &ref
			t.Info.Reason = &types.TaskReasonSchedule{Name: s.Info.Name, ScheduledTask: s.Self}
			f.W.Touch(s.Self)
			f.W.Touch(ref)
		}
		state, result, failed := t.Info.State, t.Info.Result, t.Info.Error
		f.W.Unlock()
		switch state {
		case types.TaskInfoStateSuccess:
			return result, nil
		case types.TaskInfoStateError:
			return nil, fault.New(failed.Fault, "%s", failed.LocalizedMessage)
		}
		select {
		case <-f.W.Stop.Done():
			return nil, fault.New(&types.RequestCanceled{})
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// direct is dispatch without a client.
func (f *Front) direct(c *api.Call) (any, *fault.Error) {
	entry := f.S.Lookup(c.This.Type, c.Method)
	model, _ := wire.MethodOf(c.This.Type, c.Method)
	if e := f.permitted(c, entry, model); e != nil {
		return nil, e
	}
	if entry == nil {
		entry = &api.Entry{Do: f.stock}
	}
	switch entry.Mode {
	case api.Write:
		f.W.Lock()
		defer f.W.Unlock()
		defer f.W.Truth.By(&truth.Cause{T: time.Now(), Method: c.Method, This: ref(c.This), User: c.Session.UserName})()
	case api.Read:
		f.W.RLock()
		defer f.W.RUnlock()
	}
	return entry.Do(c)
}

// scheduledEvent posts one; world lock held.
func (f *Front) scheduledEvent(s *scheduledTask, of func(types.ScheduledTaskEvent) types.BaseEvent) {
	if f.W.Content.EventManager == nil {
		return
	}
	e := types.ScheduledTaskEvent{ScheduledTask: types.ScheduledTaskEventArgument{EntityEventArgument: types.EntityEventArgument{Name: s.Info.Name}, ScheduledTask: s.Self}}
	e.UserName = s.Info.LastModifiedUser
	e.Entity = types.ManagedEntityEventArgument{Entity: s.Info.Entity}
	if o, ok := f.W.Reg.Get(s.Info.Entity).(mo.Entity); ok {
		e.Entity.Name = o.Entity().Name
	}
	em := *f.W.Content.EventManager
	_, _ = f.W.Inner(em, "PostEvent", &types.PostEvent{This: em, EventToPost: of(e)})
}

// scheduledDescription are the words that clients show.
func scheduledDescription() types.ScheduledTaskDescription {
	describe := func(key, label string) types.BaseElementDescription {
		return &types.ElementDescription{Key: key, Description: types.Description{Label: label, Summary: label}}
	}
	d := types.ScheduledTaskDescription{Action: []types.BaseTypeDescription{&types.TypeDescription{Key: "MethodAction", Description: types.Description{Label: "Method", Summary: "Call a method"}}}}
	for _, x := range [][2]string{{"OnceTaskScheduler", "once"}, {"AfterStartupTaskScheduler", "once"}, {"HourlyTaskScheduler", "hour"}, {"DailyTaskScheduler", "day"},
		{"WeeklyTaskScheduler", "week"}, {"MonthlyByDayTaskScheduler", "month"}, {"MonthlyByWeekdayTaskScheduler", "month"}} {
		d.SchedulerInfo = append(d.SchedulerInfo, types.ScheduledTaskDetail{Frequency: x[1],
			TypeDescription: types.TypeDescription{Key: x[0], Description: types.Description{Label: x[0], Summary: x[0]}}})
	}
	for _, state := range []types.TaskInfoState{types.TaskInfoStateQueued, types.TaskInfoStateRunning, types.TaskInfoStateSuccess, types.TaskInfoStateError} {
		d.State = append(d.State, describe(string(state), string(state)))
	}
	for day := time.Sunday; day <= time.Saturday; day++ {
		d.DayOfWeek = append(d.DayOfWeek, describe([]string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}[day], day.String()))
	}
	for _, week := range []string{"first", "second", "third", "fourth", "last"} {
		d.WeekOfMonth = append(d.WeekOfMonth, describe(week, week))
	}
	return d
}
