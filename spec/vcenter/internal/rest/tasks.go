package rest

import (
	"maps"
	"net/http"
	"sync"

	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/rules"
	"gpupt.test/vcenter/internal/session"
	"gpupt.test/vcenter/internal/task"
)

var _ = rules.Add(rules.Rule{ID: "rest.task", Sure: "documented", As: "laxer: a real one shows the tasks of all its services", Source: reference + "Cis Tasks get, Cis Task Info; none for the form of the id",
	Text: "GET /api/cis/tasks/{task} shows status (PENDING, RUNNING, SUCCEEDED, FAILED), service, operation, target, user, times, and the result or the error. Only the tasks of /api are there; the same task is one of TaskManager as well."})

// work is what a task of /api has beside the task of TaskManager; the world lock guards it.
type work struct {
	user, host string
	result     any
}

type tasks struct {
	mu   sync.Mutex
	work map[string]*work // by the key of the task
}

const service9 = "com.vmware.vcenter.host.hardware.direct_path_devices"

// add keeps the job of a task and returns the task's id; those of forgotten tasks go.
func (t *tasks) add(key string, w *work, forgotten func(key string) bool) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.work, func(key string, _ *work) bool { return forgotten(key) })
	t.work[key] = w
	return key + ":" + service9
}

func (t *tasks) find(id string) (string, *work) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for key, w := range t.work {
		if key+":"+service9 == id {
			return key, w
		}
	}
	return "", nil
}

var statuses = map[types.TaskInfoState]string{types.TaskInfoStateQueued: "PENDING", types.TaskInfoStateRunning: "RUNNING",
	types.TaskInfoStateSuccess: "SUCCEEDED", types.TaskInfoStateError: "FAILED"}

func (r *service) task(ses *session.Session, id string) answer {
	key, job := r.tasks.find(id)
	r.s.W.RLock()
	defer r.s.W.RUnlock()
	t, _ := r.s.W.Get(types.ManagedObjectReference{Type: "Task", Value: key}).(*task.Task)
	if job == nil || t == nil || (job.user != ses.UserName && !session.Allowed(ses.User, "System.Read")) {
		return notFound("Task " + id)
	}
	type target struct {
		Type string `json:"type"`
		ID   string `json:"id"`
	}
	out := struct {
		Description message  `json:"description"`
		Service     string   `json:"service"`
		Operation   string   `json:"operation"`
		Target      target   `json:"target"`
		Status      string   `json:"status"`
		Cancelable  bool     `json:"cancelable"`
		Error       *failure `json:"error,omitempty"`
		Start       string   `json:"start_time,omitempty"`
		End         string   `json:"end_time,omitempty"`
		User        string   `json:"user"`
		Result      any      `json:"result,omitempty"`
	}{Description: message{ID: t.Info.Name, Default: "Configure DirectPath device", Args: []string{}}, Service: service9, Operation: "configure$task",
		Target: target{"HostSystem", job.host}, Status: statuses[t.Info.State], User: job.user}
	if at := t.Info.StartTime; at != nil {
		out.Start = stamp(*at)
	}
	if at := t.Info.CompleteTime; at != nil {
		out.End = stamp(*at)
	}
	switch t.Info.State {
	case types.TaskInfoStateSuccess:
		out.Result = job.result
	case types.TaskInfoStateError:
		kind := "ERROR"
		if f := t.Info.Error.Fault.GetMethodFault(); f != nil && f.FaultCause != nil {
			if _, used := f.FaultCause.Fault.(*types.ResourceInUse); used {
				kind = "RESOURCE_IN_USE"
			}
		}
		out.Error = &failure{Type: kind, Messages: []message{{ID: "com.vmware.vapi.std.errors.error", Default: t.Info.Error.LocalizedMessage, Args: []string{}}}}
	}
	return answer{status: http.StatusOK, body: out}
}
