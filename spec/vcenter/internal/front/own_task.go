package front

// own_task.go: TaskManager.CreateTask and what a client sets of a task that it created.

import (
	"slices"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/task"
)

func (f *Front) createTask(c *api.Call) (any, *fault.Error) {
	req := c.Req.(*types.CreateTask)
	if f.W.Content.ExtensionManager == nil { // a host has no extensions
		return nil, fault.New(&types.NotSupported{})
	}
	if f.W.Get(req.Obj) == nil {
		return nil, fault.NotFound(req.Obj)
	}
	known := func(x types.Extension) bool {
		return slices.ContainsFunc(x.TaskList, func(i types.ExtensionTaskTypeInfo) bool { return i.TaskID == req.TaskTypeId })
	}
	m, ok := f.W.Reg.Get(*f.W.Content.ExtensionManager).(*simulator.ExtensionManager)
	if !ok || !slices.ContainsFunc(m.ExtensionList, known) {
		return nil, fault.InvalidArgument("taskType")
	}
	user := req.InitiatedBy
	if user == "" {
		user = c.Session.UserName
	}
	info := c.S.Tasks.Open(task.Opening{Type: req.TaskTypeId, User: user, Parent: req.ParentTaskKey, Activation: req.ActivationId,
		Entity: req.Obj, Cancelable: req.Cancelable})
	return &types.CreateTaskResponse{Returnval: info}, nil
}

func (f *Front) registerOpened() {
	on := func(method string, answer any, do func(*task.Task, any) *fault.Error) {
		f.S.Handle(method, func(c *api.Call) (any, *fault.Error) {
			t, e := c.S.Tasks.Opened(c.This)
			if e == nil {
				e = do(t, c.Req)
			}
			return answer, e
		})
	}
	on("SetTaskState", &types.SetTaskStateResponse{}, func(t *task.Task, req any) *fault.Error {
		r := req.(*types.SetTaskState)
		return t.SetState(r.State, r.Result, r.Fault)
	})
	on("UpdateProgress", &types.UpdateProgressResponse{}, func(t *task.Task, req any) *fault.Error {
		return t.SetProgress(req.(*types.UpdateProgress).PercentDone)
	})
	on("SetTaskDescription", &types.SetTaskDescriptionResponse{}, func(t *task.Task, req any) *fault.Error {
		t.SetDescription(req.(*types.SetTaskDescription).Description)
		return nil
	})
}
