package task

// opened.go: tasks that a client creates for work of its own (TaskManager.CreateTask) and whose state,
// progress and description it sets.

import (
	"fmt"
	"time"

	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/rules"
)

var (
	_ = rules.Add(rules.Rule{ID: "task.create", Sure: "documented", As: "real",
		Source: "API reference: TaskManager.CreateTask (taskTypeId: extension registered task type identifier; initiatedBy, parentTaskKey, activationId), privilege Task.Create; the fault of an unknown type as govmomi's simulator gives it",
		Text:   "CreateTask gives a queued task on an object, of a type that an extension has registered; another type is InvalidArgument taskType. A task of a client is never run by the server."})
	_ = rules.Add(rules.Rule{ID: "task.set-state", Sure: "documented", As: "real",
		Source: "API reference: Task.SetTaskState (InvalidState after the end, or for a result without success, or a fault without error; the fault extends VimFault), privilege Task.Update",
		Text:   "The client of such a task sets its state; after its end, or with a result or fault that does not fit the state, that is InvalidState."})
	_ = rules.Add(rules.Rule{ID: "task.set-progress", Sure: "documented", As: "real",
		Source: "API reference: Task.UpdateProgress (InvalidState if the task is not running; less than 0 is 0, more than 100 is 100), Task.SetTaskDescription, privilege Task.Update",
		Text:   "UpdateProgress needs a running task and takes 0 to 100; SetTaskDescription takes any task of a client."})
	_ = rules.Add(rules.Rule{ID: "task.set-others", Sure: "inferred", As: "inferred",
		Source: "API reference: the setters are used in conjunction with CreateTask and the ExtensionManager; none for the fault",
		Text:   "State, progress and description of a task that the server runs itself cannot be set: NotSupported."})
)

// Opening is what a client says of its task.
type Opening struct {
	Type, User, Parent, Activation string
	Entity                         types.ManagedObjectReference
	Cancelable                     bool
}

// Open creates a task of a client; world lock held.
func (m *Manager) Open(o Opening) types.TaskInfo {
	t := &Task{m: m, opened: true, spec: Spec{Method: o.Type, Entity: o.Entity, Cancelable: o.Cancelable}}
	t.cancel = func() {}
	t.Self = types.ManagedObjectReference{Type: "Task", Value: fmt.Sprintf("task-%d", m.W.NextID())}
	t.Info = types.TaskInfo{Key: t.Self.Value, Task: t.Self, DescriptionId: o.Type, State: types.TaskInfoStateQueued,
		Cancelable: o.Cancelable, Reason: &types.TaskReasonUser{UserName: o.User}, QueueTime: time.Now(),
		EventChainId: int32(m.W.NextID()), ParentTaskKey: o.Parent, ActivationId: o.Activation}
	if e, ok := m.W.Reg.Get(o.Entity).(mo.Entity); ok {
		t.Info.Entity, t.Info.EntityName = &o.Entity, e.Entity().Name
	}
	m.W.Put(t)
	m.all = append(m.all, t)
	m.started(t)
	m.changed(t)
	return t.Info
}

// Opened finds a task that a client may set; world lock held.
func (m *Manager) Opened(ref types.ManagedObjectReference) (*Task, *fault.Error) {
	t, ok := m.W.Reg.Get(ref).(*Task)
	if !ok {
		return nil, fault.NotFound(ref)
	}
	if !t.opened {
		return nil, fault.New(&types.NotSupported{})
	}
	return t, nil
}

// SetState sets the state; world lock held.
func (t *Task) SetState(state types.TaskInfoState, result any, failure *types.LocalizedMethodFault) *fault.Error {
	_, vim := vimFault(failure)
	if t.isDone() || result != nil && state != types.TaskInfoStateSuccess || failure != nil && (state != types.TaskInfoStateError || !vim) {
		return fault.New(&types.InvalidState{})
	}
	if state == types.TaskInfoStateSuccess || state == types.TaskInfoStateError {
		t.m.end(t, state, result, failure)
		return nil
	}
	t.Info.State = state
	if now := time.Now(); state == types.TaskInfoStateRunning && t.Info.StartTime == nil {
		t.Info.StartTime = &now
	}
	t.tell()
	return nil
}

// SetProgress sets the percentage of a running task; world lock held.
func (t *Task) SetProgress(percent int32) *fault.Error {
	if t.Info.State != types.TaskInfoStateRunning {
		return fault.New(&types.InvalidState{})
	}
	t.Info.Progress = min(max(percent, 0), 100)
	t.tell()
	return nil
}

// SetDescription says what the task does at present; world lock held.
func (t *Task) SetDescription(text types.LocalizableMessage) {
	t.Info.Description = &text
	t.tell()
}

func (t *Task) tell() {
	t.m.W.Touch(t.Self)
	t.m.changed(t)
}

func (t *Task) isDone() bool {
	return t.Info.State == types.TaskInfoStateSuccess || t.Info.State == types.TaskInfoStateError
}

func vimFault(f *types.LocalizedMethodFault) (types.BaseVimFault, bool) {
	if f == nil {
		return nil, false
	}
	v, ok := f.Fault.(types.BaseVimFault)
	return v, ok
}
