package front_test

import (
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
)

const taskManager = "TaskManager:TaskManager"

// A client creates a task for its own work, and it is a task like any other: in recentTask, in the history, in waits.
func TestTasksOfAClient(t *testing.T) {
	vctest.Breaks(t, "task.create", "task.set-state", "task.set-progress", "task.set-others")
	f := fleet.Demo()
	f.Users = append(f.Users, fleet.User{Name: "reader", Password: "r", Role: "ReadOnly"})
	f.VMs = []fleet.VM{{Name: "v", Host: "esx-a-1"}}
	s := vctest.Start(t, vcenter.Options{Fleet: f, Speed: 2000})
	c, reader := s.Login(t), s.Login(t, "reader", "r")
	vm := c.Find("DC0/vm/v")
	asked := func(obj, kind, rest string) string {
		return vctest.Ref("obj", obj) + "<taskTypeId>" + kind + "</taskTypeId>" + rest
	}
	const kind, plain = "com.example.fitter.fit", "<cancelable>false</cancelable>"
	// a type that no extension has registered
	c.Refused(c.Call("CreateTask", taskManager, asked(vm, kind, plain)), "InvalidArgument", "taskType")
	c.Must("RegisterExtension", "ExtensionManager:ExtensionManager", `<extension><description><label>Fitter</label><summary>fits cards</summary></description>`+
		`<key>com.example.fitter</key><version>1.0</version><taskList><taskID>`+kind+`</taskID></taskList><lastHeartbeatTime>2026-01-01T00:00:00Z</lastHeartbeatTime></extension>`)
	c.Refused(c.Call("CreateTask", taskManager, asked("VirtualMachine:vm-0", kind, plain)), "ManagedObjectNotFound")
	reader.Refused(reader.Call("CreateTask", taskManager, asked(vm, kind, plain)), "NoPermission", "Task.Create")

	a := c.Must("CreateTask", taskManager, asked(vm, kind, "<initiatedBy>LAB\\op</initiatedBy><cancelable>false</cancelable><parentTaskKey>task-1</parentTaskKey><activationId>run-7</activationId>"))
	task := "Task:" + a.Text("key")
	for name, want := range map[string]string{"descriptionId": kind, "state": "queued", "userName": "LAB\\op", "parentTaskKey": "task-1", "activationId": "run-7",
		"entityName": "v", "cancelable": "false", "startTime": ""} {
		if got := a.Text(name); got != want {
			t.Errorf("%s is %q, not %q", name, got, want)
		}
	}
	info := func(path string) string { return c.Get(task, "info."+path)["info."+path] }
	for _, where := range []string{vm, taskManager} {
		if list := c.Get(where, "recentTask")["recentTask"]; !strings.Contains(list, ">"+a.Text("key")+"<") {
			t.Errorf("not in the recentTask of %s: %s", where, list)
		}
	}
	set := func(state, rest string) vctest.Answer {
		return c.Call("SetTaskState", task, "<state>"+state+"</state>"+rest)
	}
	progress := func(n string) vctest.Answer {
		return c.Call("UpdateProgress", task, "<percentDone>"+n+"</percentDone>")
	}
	const result = `<result xsi:type="xsd:string">fits</result>`
	const failure = `<fault><fault xsi:type="InvalidState"/><localizedMessage>does not fit</localizedMessage></fault>`
	c.Refused(progress("10"), "InvalidState") // it is only queued
	reader.Refused(reader.Call("SetTaskState", task, "<state>running</state>"), "NoPermission", "Task.Update")
	c.Refused(set("running", result), "InvalidState")
	c.Refused(set("success", failure), "InvalidState")
	c.Refused(set("error", `<fault><fault xsi:type="SystemError"><reason>x</reason></fault><localizedMessage>x</localizedMessage></fault>`), "InvalidState") // no VimFault
	if set("running", "").Status != 200 || info("state") != "running" || info("startTime") == "" {
		t.Fatal(c.Get(task, "info"))
	}
	for given, want := range map[string]string{"-5": "", "40": "40", "130": "100"} { // none is 0
		if progress(given).Status != 200 || info("progress") != want {
			t.Errorf("%s gives %s", given, info("progress"))
		}
	}
	c.Must("SetTaskDescription", task, "<description><key>com.example.fitter.phase2</key><message>Phase 2</message></description>")
	if info("description.message") != "Phase 2" {
		t.Error(info("description"))
	}
	c.Refused(c.Call("CancelTask", task, ""), "NotSupported")
	if set("success", result).Status != 200 || info("state") != "success" || info("result") != "fits" || info("completeTime") == "" {
		t.Fatal(c.Get(task, "info"))
	}
	for _, again := range []vctest.Answer{set("running", ""), set("success", ""), progress("50")} {
		c.Refused(again, "InvalidState")
	}

	// one that may be cancelled, and one that fails
	task = "Task:" + c.Must("CreateTask", taskManager, asked(c.Find("DC0"), kind, "<cancelable>true</cancelable>")).Text("key")
	c.Must("CancelTask", task, "")
	if r := c.Wait(task); r.Fault != "RequestCanceled" || info("cancelled") != "true" {
		t.Error(r)
	}
	c.Refused(set("running", ""), "InvalidState")
	task = "Task:" + c.Must("CreateTask", taskManager, asked(vm, kind, plain)).Text("key")
	set("running", "")
	set("error", failure)
	if r := c.Wait(task); r.Fault != "InvalidState" || r.Message != "does not fit" {
		t.Error(r)
	}
	// what the server runs is its own
	task = c.Start("PowerOnVM_Task", vm, "")
	c.Refused(set("success", ""), "NotSupported")
	c.Refused(progress("50"), "NotSupported")
	if r := c.Wait(task); r.State != "success" {
		t.Error(r)
	}
	task = "Task:task-0"
	c.Refused(set("success", ""), "ManagedObjectNotFound")
}

// A host has no extensions, so no types of tasks either, and no history of its tasks.
func TestNoTasksOfAClientOnAHost(t *testing.T) {
	vctest.Breaks(t, "history.esxi")
	f := fleet.Demo()
	f.Endpoint = "esxi"
	s := vctest.Start(t, vcenter.Options{Fleet: f})
	c := s.Client(t)
	c.Must("Login", "SessionManager:ha-sessionmgr", "<userName>"+vctest.User+"</userName><password>"+vctest.Password+"</password>")
	c.Refused(c.Call("CreateTask", "TaskManager:ha-taskmgr", vctest.Ref("obj", "Folder:ha-folder-root")+"<taskTypeId>x</taskTypeId><cancelable>false</cancelable>"), "NotSupported")
	c.Refused(c.Call("CreateCollectorForTasks", "TaskManager:ha-taskmgr", "<filter/>"), "NotSupported")
	c.Must("CreateCollectorForEvents", "EventManager:ha-eventmgr", "<filter/>")
}
