// Package task runs vim25 tasks as a vCenter does: queued, running with progress, then
// success or error, each change visible in Task.info, in the entity's recentTask and in
// the TaskManager's. A task is a goroutine that sleeps virtual time without the world
// lock and takes it (Do) for each step in which it reads or changes something.
package task

import (
	"context"
	"fmt"
	"math/rand"
	"strings"
	"sync"
	"time"

	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/rules"
	"gpupt.test/vcenter/internal/truth"
	"gpupt.test/vcenter/internal/world"
)

var (
	RuleInProgress = rules.Add(rules.Rule{ID: "task.in-progress", Sure: "documented", As: "real",
		Source: "API reference: TaskInProgress thrown by ReconfigVM_Task, PowerOnVM_Task, EnterMaintenanceMode_Task...",
		Text:   "While an exclusive task runs on an entity, another one on it fails with TaskInProgress naming the first (but see task.busy-vm)."})
	RuleCancel = rules.Add(rules.Rule{ID: "task.cancel", Sure: "documented", As: "real",
		Source: "API reference: Task.CancelTask, TaskInfo.cancelable; NotSupported when the task cannot be cancelled, InvalidState when it has ended",
		Text:   "CancelTask stops a cancelable task: info.cancelled, then state error with RequestCanceled."})
	RuleQueued = rules.Add(rules.Rule{ID: "task.queued", Sure: "documented", As: "real", Source: "API reference: TaskInfo.state, queueTime, startTime, progress",
		Text: "A task is queued first, then running with rising progress, and ends later than the call that started it."})
	RuleCaps = rules.Add(rules.Rule{ID: "task.caps", Sure: "memory", As: "inferred", Source: "none at hand; vCenter limits concurrent operations per host",
		Text: "A limited number of tasks of one host run at once; the others stay queued."})
)

// steadyQueue is how long a task is queued in a fleet of steady tasks.
const steadyQueue = 10 * time.Millisecond

// Keep is how many finished tasks stay readable.
const Keep = 4000

// Origin says who started a task.
type Origin struct {
	User, OperationID string
	Cause             *truth.Cause
}

// Spec describes a task to start.
type Spec struct {
	Method     string // wsdl name: PowerOnVM_Task
	Entity     types.ManagedObjectReference
	Exclusive  bool
	Waits      bool // an exclusive task that stays queued while its entity is busy
	Cancelable bool
	Slot       string        // tasks with the same slot share a cap
	Queue      time.Duration // virtual time spent queued; 0 takes a short default
	Work       time.Duration // virtual time of Simple tasks
	// Run does the work without the world lock.
	Run func(*Task) (any, *fault.Error)
	// Check and Do make a Simple task when Run is nil: Check when it starts running, Do
	// after Work has passed; both run with the world lock held.
	Check func(*Task) *fault.Error
	Do    func(*Task) (any, *fault.Error)
}

// Task is the managed object; Info is guarded by the world lock.
type Task struct {
	mo.Task
	m      *Manager
	spec   Spec
	opened bool // created and kept by a client
	cause  *truth.Cause
	ctx    context.Context
	cancel context.CancelFunc
}

// Manager starts tasks and keeps the running ones.
type Manager struct {
	W   *world.World
	Cap int // tasks per slot
	// RecentFor is how long a task that ended stays among the recent ones.
	RecentFor time.Duration
	running   map[types.ManagedObjectReference]*Task
	lines     map[types.ManagedObjectReference]*line
	slots     map[string]chan struct{}
	done      []types.ManagedObjectReference
	all       []*Task // those still readable, in the order of their start
	ends      []end   // the finished ones among the recent tasks, oldest first
	sweeper   *time.Timer
	// Changed is called when a task starts or changes its state; world lock held.
	Changed func(*Task)
	wg      sync.WaitGroup
	// Hang and Fail are set by trouble rules: what to do with a task of a method.
	Trouble func(t *Task) (hang bool, fail *fault.Error)
}

// New creates the manager.
func New(w *world.World) *Manager {
	return &Manager{W: w, Cap: 8, RecentFor: recentFor, running: map[types.ManagedObjectReference]*Task{},
		lines: map[types.ManagedObjectReference]*line{}, slots: map[string]chan struct{}{}}
}

// Start creates a task; the world lock is held.
func (m *Manager) Start(o Origin, s Spec) types.ManagedObjectReference {
	if d, ok := m.W.Fleet.Delays[s.Method]; ok {
		s.Work = world.Seconds(d)
	}
	t := &Task{m: m, spec: s}
	t.ctx, t.cancel = context.WithCancel(m.W.Stop)
	t.Self = types.ManagedObjectReference{Type: "Task", Value: fmt.Sprintf("task-%d", m.W.NextID())}
	// "managed entity to which the operation applies": a task of a file manager or a browser has none
	name, entity := "", (*types.ManagedObjectReference)(nil)
	if e, ok := m.W.Reg.Get(s.Entity).(mo.Entity); ok {
		name, entity = e.Entity().Name, &s.Entity
	}
	t.Info = types.TaskInfo{Key: t.Self.Value, Task: t.Self, Name: s.Method, DescriptionId: describe(s.Entity.Type, s.Method),
		Entity: entity, EntityName: name, State: types.TaskInfoStateQueued, Cancelable: s.Cancelable,
		Reason: &types.TaskReasonUser{UserName: o.User}, QueueTime: time.Now(), EventChainId: int32(m.W.NextID()),
		ActivationId: o.OperationID}
	if o.Cause != nil {
		by := *o.Cause
		by.Task = t.Self.Value
		t.cause = &by
	}
	m.W.Put(t)
	m.all = append(m.all, t)
	m.enter(t)
	m.started(t)
	m.changed(t)
	m.wg.Add(1)
	go m.run(t)
	return t.Self
}

func (m *Manager) changed(t *Task) {
	if m.Changed != nil {
		m.Changed(t)
	}
}

// History lists the readable tasks in the order of their start; world lock held.
func (m *Manager) History() []*Task { return m.all }

func (m *Manager) run(t *Task) {
	defer m.wg.Done()
	defer t.cancel()
	result, e := m.perform(t)
	m.W.Lock()
	defer m.W.Unlock()
	if m.running[t.spec.Entity] == t {
		delete(m.running, t.spec.Entity)
	}
	m.leave(t)
	if e != nil {
		m.W.Scrub(e)
		m.end(t, types.TaskInfoStateError, nil, e.Localized())
		return
	}
	m.end(t, types.TaskInfoStateSuccess, result, nil)
}

// end notes how a task ended and forgets the oldest; world lock held.
func (m *Manager) end(t *Task, state types.TaskInfoState, result any, failure *types.LocalizedMethodFault) {
	now := time.Now()
	t.Info.CompleteTime = &now
	t.Info.State, t.Info.Result, t.Info.Error = state, result, failure
	t.Info.Progress = 0
	m.W.Touch(t.Self)
	m.ended(t)
	m.done = append(m.done, t.Self)
	for len(m.done) > Keep {
		gone := m.done[0]
		m.W.Remove(gone)
		m.done = m.done[1:]
		for i, x := range m.all {
			if x.Self == gone {
				m.all = append(m.all[:i:i], m.all[i+1:]...)
				break
			}
		}
	}
	m.changed(t)
}

func (m *Manager) perform(t *Task) (any, *fault.Error) {
	queue := t.spec.Queue
	if queue == 0 && m.W.Fleet.Steady {
		queue = steadyQueue
	} else if queue == 0 {
		queue = time.Duration(150+rand.Intn(200)) * time.Millisecond
	}
	if !m.W.Clock.Sleep(t.ctx, queue) {
		return nil, Cancelled()
	}
	if !m.turn(t) {
		return nil, Cancelled()
	}
	if t.spec.Slot != "" {
		slot := m.slot(t.spec.Slot)
		select {
		case slot <- struct{}{}:
			defer func() { <-slot }()
		case <-t.ctx.Done():
			return nil, Cancelled()
		}
	}
	var busy *Task
	t.Do(func() {
		if t.spec.Exclusive {
			if busy = m.running[t.spec.Entity]; busy == nil || busy == t {
				m.running[t.spec.Entity] = t
			}
		}
		now := time.Now()
		t.Info.StartTime = &now
		t.Info.State = types.TaskInfoStateRunning
		m.W.Touch(t.Self)
		m.changed(t)
	})
	if busy != nil && busy != t {
		return nil, fault.New(&types.TaskInProgress{Task: busy.Self})
	}
	if m.Trouble != nil {
		hang, fail := m.Trouble(t)
		if fail != nil {
			t.Sleep(t.spec.Work / 2)
			return nil, fail
		}
		if hang {
			<-t.ctx.Done()
			return nil, Cancelled()
		}
	}
	if t.spec.Run != nil {
		return t.spec.Run(t)
	}
	return t.simple()
}

func (t *Task) simple() (any, *fault.Error) {
	var e *fault.Error
	if t.spec.Check != nil {
		if t.Do(func() { e = t.spec.Check(t) }); e != nil {
			return nil, e
		}
	}
	work := time.Duration(float64(t.spec.Work) * (0.9 + 0.2*rand.Float64()))
	if t.m.W.Fleet.Steady {
		work = max(0, t.spec.Work-steadyQueue)
	}
	if !t.SleepProgress(work, 0, 95) {
		return nil, Cancelled()
	}
	var result any
	t.Do(func() { result, e = t.spec.Do(t) })
	return result, e
}

// Entity is the object that the task works on; Method its wsdl name.
func (t *Task) Entity() types.ManagedObjectReference { return t.spec.Entity }
func (t *Task) Method() string                       { return t.spec.Method }

// Context ends when the task is cancelled or the server stops.
func (t *Task) Context() context.Context { return t.ctx }

// Do runs a step with the world lock held.
func (t *Task) Do(f func()) {
	t.m.W.Lock()
	defer t.m.W.Unlock()
	defer t.m.W.Truth.By(t.cause)()
	f()
}

// Sleep waits virtual time; false when the task was cancelled.
func (t *Task) Sleep(d time.Duration) bool { return t.m.W.Clock.Sleep(t.ctx, d) }

// SleepProgress waits while the progress goes from one percentage to another.
func (t *Task) SleepProgress(d time.Duration, from, to int32) bool {
	steps := int32(1)
	if real := t.m.W.Clock.Real(d); real > 40*time.Millisecond {
		steps = 4
	}
	for i := int32(1); i <= steps; i++ {
		if !t.Sleep(d / time.Duration(steps)) {
			return false
		}
		t.Progress(from + (to-from)*i/steps)
	}
	return true
}

// Progress sets the percentage.
func (t *Task) Progress(p int32) {
	t.Do(func() {
		if t.Info.State == types.TaskInfoStateRunning {
			t.Info.Progress = p
			t.m.W.Touch(t.Self)
		}
	})
}

// Cancelled is the fault of a task that was stopped.
func Cancelled() *fault.Error { return fault.New(&types.RequestCanceled{}) }

// Cancel is CancelTask; the world lock is held.
func (m *Manager) Cancel(ref types.ManagedObjectReference) *fault.Error {
	t, ok := m.W.Reg.Get(ref).(*Task)
	if !ok {
		return fault.NotFound(ref)
	}
	if t.isDone() {
		return fault.New(&types.InvalidState{})
	}
	if !t.Info.Cancelable {
		return fault.New(&types.NotSupported{})
	}
	t.Info.Cancelled = true
	if t.opened { // nothing of the server's is to be stopped
		m.end(t, types.TaskInfoStateError, nil, Cancelled().Localized())
		return nil
	}
	m.W.Touch(ref)
	t.cancel()
	return nil
}

// Busy returns the exclusive task that runs on an entity; the world lock is held.
func (m *Manager) Busy(entity types.ManagedObjectReference) (types.ManagedObjectReference, bool) {
	if t := m.running[entity]; t != nil {
		return t.Self, true
	}
	return types.ManagedObjectReference{}, false
}

// Wait returns when all tasks have ended (after the world's Stop).
func (m *Manager) Wait() {
	m.wg.Wait()
	m.W.Lock()
	defer m.W.Unlock()
	if m.sweeper != nil {
		m.sweeper.Stop()
	}
}

func (m *Manager) slot(name string) chan struct{} {
	m.W.Lock()
	defer m.W.Unlock()
	s := m.slots[name]
	if s == nil {
		s = make(chan struct{}, m.Cap)
		m.slots[name] = s
	}
	return s
}

// describe builds the descriptionId: PowerOnVM_Task on a VirtualMachine is VirtualMachine.powerOn.
func describe(kind, method string) string {
	name := strings.TrimSuffix(method, "_Task")
	for _, noun := range []string{"VM", "Host"} {
		if n, ok := strings.CutSuffix(name, noun); ok && n != "" {
			name = n
			break
		}
	}
	switch method {
	case "ReconfigVM_Task":
		name = "Reconfigure"
	case "CreateVM_Task":
		name = "CreateVm"
	}
	return kind + "." + strings.ToLower(name[:1]) + name[1:]
}
