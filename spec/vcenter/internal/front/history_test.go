package front_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
)

func TestRecentTask(t *testing.T) {
	s := vctest.Start(t, vcenter.Options{})
	c := s.Login(t)
	host := c.Find("DC0/host/gpu-a/esx-a-1")
	task := c.Start("EnterMaintenanceMode_Task", host, "<timeout>0</timeout>")
	value := strings.TrimPrefix(task, "Task:")
	if !strings.Contains(c.Get(host, "recentTask")["recentTask"], value) || !strings.Contains(c.Get("TaskManager:TaskManager", "recentTask")["recentTask"], value) {
		t.Fatal("the task is not among the recent ones")
	}
	info := c.Wait(task).Info
	for _, want := range []string{"<name>EnterMaintenanceMode_Task</name>", "<descriptionId>HostSystem.enterMaintenanceMode</descriptionId>", "<entityName>esx-a-1</entityName>", "<cancelable>true</cancelable>"} {
		if !strings.Contains(info, want) {
			t.Fatal(want, info)
		}
	}
}

func TestTaskHistory(t *testing.T) {
	vctest.Breaks(t, "task.history", "history.position", "history.page")
	s := vctest.Start(t, vcenter.Options{})
	c := s.Login(t)
	a, b := c.Find("DC0/host/gpu-a/esx-a-1"), c.Find("DC0/host/gpu-b/esx-b-1")
	c.OpID = "roll-1"
	c.MustTask("EnterMaintenanceMode_Task", a, "<timeout>0</timeout>")
	c.OpID = "roll-2"
	c.MustTask("EnterMaintenanceMode_Task", b, "<timeout>0</timeout>")
	c.FailTask("InvalidState", "EnterMaintenanceMode_Task", b, "<timeout>0</timeout>")
	collect := func(filter string) string {
		return "TaskHistoryCollector:" + c.Must("CreateCollectorForTasks", "TaskManager:TaskManager", "<filter>"+filter+"</filter>").Text("returnval")
	}
	names := func(col, method string, n string) string {
		r := c.Must(method, col, "<maxCount>"+n+"</maxCount>")
		return strings.Join(r.Texts("entityName"), " ")
	}
	for filter, want := range map[string]string{
		"": "esx-a-1 esx-b-1 esx-b-1",
		"<entity>" + vctest.Ref("entity", a) + "<recursion>self</recursion></entity>":                        "esx-a-1",
		"<entity>" + vctest.Ref("entity", c.Find("DC0/host/gpu-b")) + "<recursion>all</recursion></entity>":  "esx-b-1 esx-b-1",
		"<entity>" + vctest.Ref("entity", c.Find("DC0/host/gpu-b")) + "<recursion>self</recursion></entity>": "",
		"<activationId>roll-1</activationId>":                                                                "esx-a-1",
		"<state>error</state>":                                                                               "esx-b-1",
		"<userName><systemUser>false</systemUser><userList>nobody</userList></userName>":                     "",
		"<time><timeType>completedTime</timeType><endTime>2020-01-01T00:00:00Z</endTime></time>":             "",
	} {
		if got := names(collect(filter), "ReadNextTasks", "10"); got != want {
			t.Errorf("%s: %q, want %q", filter, got, want)
		}
	}
	col := collect("")
	if got := names(col, "ReadNextTasks", "1") + "," + names(col, "ReadNextTasks", "10") + "," + names(col, "ReadNextTasks", "10"); got != "esx-a-1,esx-b-1 esx-b-1," {
		t.Fatal(got)
	}
	if got := names(col, "ReadPreviousTasks", "2") + "," + names(col, "ReadPreviousTasks", "2"); got != "esx-b-1 esx-b-1,esx-a-1" {
		t.Fatal(got)
	}
	c.Must("ResetCollector", col, "")
	if got := names(col, "ReadPreviousTasks", "2"); got != "" {
		t.Fatal("the latest page holds all three: ", got)
	}
	c.Must("SetCollectorPageSize", col, "<maxCount>2</maxCount>")
	c.Must("ResetCollector", col, "")
	if got := names(col, "ReadPreviousTasks", "2"); got != "esx-a-1" {
		t.Fatal("before the latest page of two: ", got)
	}
	c.Must("RewindCollector", col, "")
	if got := names(col, "ReadNextTasks", "1"); got != "esx-a-1" {
		t.Fatal(got)
	}
	c.MustTask("ExitMaintenanceMode_Task", b, "<timeout>0</timeout>")
	if page := c.Get(col, "latestPage")["latestPage"]; strings.Count(page, "<entityName>") != 2 || !strings.Contains(page, "exitMaintenanceMode") {
		t.Fatal(page)
	}
	for _, n := range []string{"1001", "0", "-1"} {
		c.Refused(c.Call("ReadNextTasks", col, "<maxCount>"+n+"</maxCount>"), "InvalidArgument", "maxCount")
		c.Refused(c.Call("SetCollectorPageSize", col, "<maxCount>"+n+"</maxCount>"), "InvalidArgument", "maxCount")
	}
	other := s.Login(t)
	other.Refused(other.Call("ReadNextTasks", col, "<maxCount>1</maxCount>"), "ManagedObjectNotFound")
	c.Must("DestroyCollector", col, "")
	c.Refused(c.Call("ReadNextTasks", col, "<maxCount>1</maxCount>"), "ManagedObjectNotFound")
	c.Must("Logout", "SessionManager:SessionManager", "")
	vctest.Eventually(t, "the collectors go with the session", func() bool {
		s.W.RLock()
		defer s.W.RUnlock()
		return len(s.W.Reg.AllReference("TaskHistoryCollector")) == 0
	})
}

func recentOf(c *vctest.Client, ref string) []string {
	return vctest.Answer{Body: "<x>" + c.Get(ref, "recentTask")["recentTask"] + "</x>"}.Texts("ManagedObjectReference")
}

func TestRecentTasksEndAfterTwoHundredMore(t *testing.T) {
	vctest.Breaks(t, "task.recent")
	s := vctest.Start(t, vcenter.Options{Speed: 4000})
	s.Trouble(t, `{"match": {"method": "EnterMaintenanceMode_Task"}, "do": {"kind": "task-hang"}}`)
	c := s.Login(t)
	a, b := c.Find("DC0/host/gpu-a/esx-a-1"), c.Find("DC0/host/gpu-b/esx-b-1")
	hangs := strings.TrimPrefix(c.Start("EnterMaintenanceMode_Task", a, "<timeout>0</timeout>"), "Task:")
	early := strings.TrimPrefix(c.Start("ExitMaintenanceMode_Task", a, "<timeout>0</timeout>"), "Task:")
	c.Wait("Task:" + early)
	if got := recentOf(c, a); len(got) != 2 || got[0] != hangs || got[1] != early {
		t.Fatal(got)
	}
	last := ""
	for i := 0; i < 199; i++ {
		last = c.Start("ExitMaintenanceMode_Task", b, "<timeout>0</timeout>")
	}
	c.Wait(last)
	count := func(n int) func() bool {
		return func() bool { return len(recentOf(c, "TaskManager:TaskManager")) == n }
	}
	vctest.Eventually(t, "200 that ended and one that hangs", count(201))
	c.Wait(c.Start("ExitMaintenanceMode_Task", b, "<timeout>0</timeout>"))
	vctest.Eventually(t, "unchanged number", count(201))
	if got := recentOf(c, a); len(got) != 1 || got[0] != hangs {
		t.Fatal("the task that runs stays, the oldest that ended goes: ", got)
	}
	if c.Get("Task:"+early, "info.state")["info.state"] != "error" {
		t.Fatal("the task itself is still there")
	}
}

func TestRecentTasksEndWithTime(t *testing.T) {
	vctest.Breaks(t, "task.recent")
	f := fleet.Demo()
	f.Users = append(f.Users, fleet.User{Name: "b-only", Password: "x", Grants: []fleet.Grant{{Path: "/DC0/host/gpu-b", Role: "Admin"}}})
	s := vctest.Start(t, vcenter.Options{Fleet: f, Speed: 4000})
	c, half := s.Login(t), s.Login(t, "b-only", "x")
	a, b := c.Find("DC0/host/gpu-a/esx-a-1"), c.Find("DC0/host/gpu-b/esx-b-1")
	c.MustTask("EnterMaintenanceMode_Task", a, "<timeout>0</timeout>")
	c.MustTask("EnterMaintenanceMode_Task", b, "<timeout>0</timeout>")
	if all, mine := recentOf(c, "TaskManager:TaskManager"), recentOf(half, "TaskManager:TaskManager"); len(all) != 2 || len(mine) != 1 || mine[0] != all[1] {
		t.Fatal("a client sees the tasks of what it may see: ", all, mine)
	}
	s.W.Lock()
	s.API.Tasks.RecentFor = 50 * time.Millisecond
	s.W.Unlock()
	c.MustTask("ExitMaintenanceMode_Task", b, "<timeout>0</timeout>")
	vctest.Eventually(t, "all are forgotten", func() bool {
		return len(recentOf(c, "TaskManager:TaskManager")) == 0 && len(recentOf(c, a)) == 0 && len(recentOf(c, b)) == 0
	})
}

func TestCollectorsOfASessionAreLimited(t *testing.T) {
	vctest.Breaks(t, "history.limit")
	s := vctest.Start(t, vcenter.Options{})
	c, other := s.Login(t), s.Login(t)
	for _, kind := range []string{"Task", "Event"} {
		manager := kind + "Manager:" + kind + "Manager"
		if n := c.Get(manager, "maxCollector")["maxCollector"]; n != "32" {
			t.Fatal(n)
		}
		last := ""
		for i := 0; i < 32; i++ {
			last = kind + "HistoryCollector:" + c.Must("CreateCollectorFor"+kind+"s", manager, "<filter/>").Text("returnval")
		}
		c.Refused(c.Call("CreateCollectorFor"+kind+"s", manager, "<filter/>"), "InvalidState")
		other.Must("CreateCollectorFor"+kind+"s", manager, "<filter/>")
		other.Refused(other.Call("RewindCollector", last, ""), "ManagedObjectNotFound")
		c.Must("DestroyCollector", last, "")
		c.Must("CreateCollectorFor"+kind+"s", manager, "<filter/>")
	}
	c.Must("Logout", "SessionManager:SessionManager", "")
	vctest.Eventually(t, "they go with the session", func() bool {
		n := s.Control(t, "GET", "/sessions", nil)
		return n["TaskHistoryCollector"] == 1.0 && n["EventHistoryCollector"] == 1.0
	})
}

func TestEventHistory(t *testing.T) {
	vctest.Breaks(t, "event.history", "history.position")
	s := vctest.Start(t, vcenter.Options{})
	c := s.Login(t)
	a, b := c.Find("DC0/host/gpu-a/esx-a-1"), c.Find("DC0/host/gpu-b/esx-b-1")
	start := time.Now().UTC().Format(time.RFC3339Nano)
	c.MustTask("EnterMaintenanceMode_Task", a, "<timeout>0</timeout>")
	c.MustTask("EnterMaintenanceMode_Task", b, "<timeout>0</timeout>")
	c.MustTask("ExitMaintenanceMode_Task", b, "<timeout>0</timeout>")
	self := func(ref, recursion string) string {
		return "<entity>" + vctest.Ref("entity", ref) + "<recursion>" + recursion + "</recursion></entity>"
	}
	now := "<time><beginTime>" + start + "</beginTime></time>"
	kinds := func(a vctest.Answer) string {
		out := []string{}
		for _, m := range eventType.FindAllStringSubmatch(a.Body, -1) {
			out = append(out, strings.TrimSuffix(m[1], "Event"))
		}
		return strings.Join(out, " ")
	}
	const enter = "EnteringMaintenanceMode EnteredMaintenanceMode"
	for filter, want := range map[string]string{
		now:                   enter + " " + enter + " ExitMaintenanceMode",
		self(a, "self") + now: enter,
		self(c.Find("DC0/host/gpu-b"), "all") + now:                                            enter + " ExitMaintenanceMode",
		self(a, "children") + now:                                                              "",
		now + "<eventTypeId>EnteredMaintenanceModeEvent</eventTypeId>":                         "EnteredMaintenanceMode EnteredMaintenanceMode",
		self(a, "self") + now + "<eventTypeId>HostEvent</eventTypeId>":                         enter,
		now + "<eventTypeId>VmEvent</eventTypeId>":                                             "",
		now + "<userName><systemUser>false</systemUser><userList>nobody</userList></userName>": "",
		"<time><endTime>2020-01-01T00:00:00Z</endTime></time>":                                 "",
	} {
		col := "EventHistoryCollector:" + c.Must("CreateCollectorForEvents", "EventManager:EventManager", "<filter>"+filter+"</filter>").Text("returnval")
		if got := kinds(c.Must("ReadNextEvents", col, "<maxCount>100</maxCount>")); got != want {
			t.Errorf("%s: %q, want %q", filter, got, want)
		}
		c.Must("DestroyCollector", col, "")
	}
	if got := kinds(c.Must("QueryEvents", "EventManager:EventManager", "<filter>"+now+"<maxCount>2</maxCount></filter>")); got != "ExitMaintenanceMode EnteredMaintenanceMode" {
		t.Error("QueryEvents gives the newest: ", got)
	}
	if got := c.Must("QueryEvents", "EventManager:EventManager", "<filter>"+self(b, "self")+now+"</filter>").Texts("userName"); len(got) != 3 || got[0] != vctest.User {
		t.Error("who did it: ", got)
	}
	col := "EventHistoryCollector:" + c.Must("CreateCollectorForEvents", "EventManager:EventManager", "<filter>"+now+"</filter>").Text("returnval")
	c.Must("ReadNextEvents", col, "<maxCount>100</maxCount>")
	c.MustTask("ExitMaintenanceMode_Task", a, "<timeout>0</timeout>")
	if got := kinds(c.Must("ReadNextEvents", col, "<maxCount>100</maxCount>")); got != "ExitMaintenanceMode" {
		t.Error("reading goes on with what is new: ", got)
	}
	c.Must("SetCollectorPageSize", col, "<maxCount>1</maxCount>")
	if page := c.Get(col, "latestPage")["latestPage"]; strings.Count(page, "<createdTime>") != 1 || !strings.Contains(page, "ExitMaintenanceModeEvent") {
		t.Error(page)
	}
	for _, n := range []string{"-1", "1001"} {
		c.Refused(c.Call("QueryEvents", "EventManager:EventManager", fmt.Sprintf("<filter><maxCount>%s</maxCount></filter>", n)), "InvalidArgument", "maxCount")
	}
	c.Refused(c.Call("QueryEvents", "EventManager:EventManager", "<filter>"+self("HostSystem:host-0", "self")+"</filter>"), "ManagedObjectNotFound")
	c.Refused(c.Call("ReadNextEvents", "EventHistoryCollector:none", "<maxCount>5</maxCount>"), "ManagedObjectNotFound")
}

// A change of the last page is reported to clients that wait for it.
func TestLatestPageIsAnUpdate(t *testing.T) {
	s := vctest.Start(t, vcenter.Options{})
	c := s.Login(t)
	a := c.Find("DC0/host/gpu-a/esx-a-1")
	const pc = "PropertyCollector:propertyCollector"
	for _, kind := range []string{"Event", "Task"} {
		col := kind + "HistoryCollector:" + c.Must("CreateCollectorFor"+kind+"s", kind+"Manager:"+kind+"Manager", "<filter/>").Text("returnval")
		f := "PropertyFilter:" + c.Must("CreateFilter", pc, "<spec><propSet><type>"+kind+"HistoryCollector</type><pathSet>latestPage</pathSet></propSet><objectSet>"+
			vctest.Ref("obj", col)+"</objectSet></spec><partialUpdates>false</partialUpdates>").Text("returnval")
		version := c.Must("WaitForUpdatesEx", pc, "<version></version><options><maxWaitSeconds>0</maxWaitSeconds></options>").Text("version")
		c.Task("EnterMaintenanceMode_Task", a, "<timeout>0</timeout>")
		c.Task("ExitMaintenanceMode_Task", a, "<timeout>0</timeout>")
		if b := c.Must("WaitForUpdatesEx", pc, "<version>"+version+"</version><options><maxWaitSeconds>5</maxWaitSeconds></options>"); b.Text("name") != "latestPage" {
			t.Fatal(kind, b.Body)
		}
		c.Must("DestroyPropertyFilter", f, "")
	}
}

var eventType = regexp.MustCompile(`<returnval xsi:type="(\w+)"`)
