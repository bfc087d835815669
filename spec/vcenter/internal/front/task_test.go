package front_test

import (
	"strconv"
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
)

// A task may be cancelled while it is queued and while it runs, once, if it is one that
// can be.
func TestCancelInEachState(t *testing.T) {
	f := fleet.Demo()
	f.Users = append(f.Users, fleet.User{Name: "reader", Password: "r", Role: "ReadOnly"})
	f.VMs = []fleet.VM{{Name: "v", Host: "esx-a-1", Power: "poweredOn"}}
	f.Clusters[0].DRS = "manual"
	f.Clusters = append(f.Clusters, fleet.Cluster{Name: "c", Hosts: []fleet.Host{{Name: "esx-c-1", Maintenance: true}}})
	s := vctest.Start(t, vcenter.Options{Fleet: f, Speed: 1})
	c, reader := s.Login(t), s.Login(t, "reader", "r")
	a, b := c.Find("DC0/host/gpu-a/esx-a-1"), c.Find("DC0/host/gpu-b/esx-b-1")
	state := func(task string) string { return c.Get(task, "info.state")["info.state"] }
	cancelled := func(task string) {
		t.Helper()
		if r := c.Wait(task); r.Fault != "RequestCanceled" || !strings.Contains(r.Info, "<cancelled>true</cancelled>") || r.Message == "" {
			t.Fatal(r)
		}
	}
	// running: the VM that is on keeps the host from maintenance mode
	task := c.Start("EnterMaintenanceMode_Task", a, "<timeout>0</timeout>")
	vctest.Eventually(t, "running", func() bool { return state(task) == "running" })
	reader.Refused(reader.Call("CancelTask", task, ""), "NoPermission")
	c.Must("CancelTask", task, "")
	cancelled(task)
	c.Refused(c.Call("CancelTask", task, ""), "InvalidState")
	// queued: no task starts before 150 virtual milliseconds
	task = c.Start("EnterMaintenanceMode_Task", b, "<timeout>0</timeout>")
	if got := state(task); got != "queued" {
		t.Fatal(got)
	}
	if info := c.Get(task, "info")["info"]; strings.Contains(info, "<startTime>") || strings.Contains(info, "<completeTime>") || !strings.Contains(info, "<queueTime>") {
		t.Fatal("a queued task has only its queueTime: ", info)
	}
	c.Must("CancelTask", task, "")
	cancelled(task)
	if c.Get(b, "runtime.inMaintenanceMode")["runtime.inMaintenanceMode"] != "false" {
		t.Fatal("a task that was cancelled in the queue did its work")
	}
	// not to be cancelled at all
	task = c.Start("RebootHost_Task", c.Find("DC0/host/c/esx-c-1"), "<force>false</force>")
	if info := c.Get(task, "info.cancelable")["info.cancelable"]; info != "false" {
		t.Fatal(info)
	}
	c.Refused(c.Call("CancelTask", task, ""), "NotSupported")
	c.Refused(c.Call("CancelTask", "Task:task-0", ""), "ManagedObjectNotFound")
}

// Times and progress of a task go one way, whatever is read of it in between.
func TestTheStatesOfATask(t *testing.T) {
	s := vctest.Start(t, vcenter.Options{Speed: 20})
	c := s.Login(t)
	a := c.Find("DC0/host/gpu-a/esx-a-1")
	task := c.Start("EnterMaintenanceMode_Task", a, "<timeout>0</timeout>")
	order := map[string]int{"queued": 0, "running": 1, "success": 2}
	last, progress, seen := 0, 0, 0
	for last < 2 {
		got := c.Get(task, "info.state", "info.progress", "info.startTime", "info.completeTime")
		now, known := order[got["info.state"]]
		if !known || now < last {
			t.Fatal(got, last)
		}
		last = now
		if (got["info.startTime"] != "") != (now > 0) || (got["info.completeTime"] != "") != (now == 2) {
			t.Fatal("times that do not fit the state: ", got)
		}
		if p, err := strconv.Atoi(got["info.progress"]); err == nil && now == 1 {
			if p < progress || p > 100 {
				t.Fatal("progress went from ", progress, " to ", p)
			}
			progress, seen = p, seen+1
		}
	}
	if seen == 0 || progress == 0 {
		t.Fatal("no progress was seen")
	}
}
