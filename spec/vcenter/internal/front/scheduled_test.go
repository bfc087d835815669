package front_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
)

const scheduler = "ScheduledTaskManager:ScheduledTaskManager"

// plan is a spec whose action is a method of the object.
func plan(name, when, method string, args ...string) string {
	list := ""
	for _, a := range args {
		list += "<argument>" + a + "</argument>"
	}
	return fmt.Sprintf(`<spec><name>%s</name><description>d</description><enabled>true</enabled>%s<action xsi:type="MethodAction"><name>%s</name>%s</action></spec>`,
		name, when, method, list)
}

func once(at string) string {
	if at != "" {
		at = "<runAt>" + at + "</runAt>"
	}
	return `<scheduler xsi:type="OnceTaskScheduler">` + at + `</scheduler>`
}

func TestScheduledTasks(t *testing.T) {
	t.Parallel()
	f := fleet.Demo()
	f.VMs = []fleet.VM{{Name: "x", Host: "esx-a-1", DiskGB: 1}}
	f.Delays = map[string]float64{"Rename_Task": 4000}
	f.Users = append(f.Users, fleet.User{Name: "planner", Password: "p", Privileges: []string{"System.View", "System.Read", "ScheduledTask.*"}})
	s := vctest.Start(t, vcenter.Options{Fleet: f, Speed: 2000})
	c := s.Login(t)
	vm := c.Find("DC0/vm/x")
	on := vctest.Ref("entity", vm)
	create := func(spec string) string {
		t.Helper()
		return "ScheduledTask:" + c.Must("CreateScheduledTask", scheduler, on+spec).Text("returnval")
	}
	state := func(task, want string) {
		t.Helper()
		vctest.Eventually(t, "info.state "+want, func() bool { return c.Get(task, "info.state")["info.state"] == want })
	}

	vctest.Breaks(t, "scheduled.create")
	power := plan("later", once("2030-01-01T00:00:00Z"), "PowerOnVM_Task", "")
	later := create(power)
	c.Refused(c.Call("CreateScheduledTask", scheduler, on+power), "DuplicateName")
	c.Refused(c.Call("CreateScheduledTask", scheduler, on+plan("a", once(""), "RebootHost_Task", "")), "InvalidArgument", "spec.action")
	c.Refused(c.Call("CreateScheduledTask", scheduler, on+plan("a", once(""), "PowerOnVM_Task")), "InvalidArgument", "spec.action")
	c.Refused(c.Call("CreateScheduledTask", scheduler, on+plan("a", once(""), "ReconfigVM_Task", `<value xsi:type="xsd:int">1</value>`)), "InvalidArgument", "spec.action")
	c.Refused(c.Call("CreateScheduledTask", scheduler, on+plan("", once(""), "PowerOnVM_Task", "")), "InvalidName")
	c.Refused(c.Call("CreateScheduledTask", scheduler, on+`<spec><name>m</name><description/><enabled>true</enabled>`+once("")+
		`<action xsi:type="SendEmailAction"><toList>a</toList><ccList/><subject/><body/></action></spec>`), "InvalidArgument", "spec.action")
	if a := c.Must("RetrieveEntityScheduledTask", scheduler, on); a.Text("returnval") != strings.TrimPrefix(later, "ScheduledTask:") {
		t.Error(a.Body)
	}
	if a := c.Must("RetrieveEntityScheduledTask", scheduler, vctest.Ref("entity", c.Find("DC0/vm"))); a.Text("returnval") != "" {
		t.Error("of another object: ", a.Body)
	}

	vctest.Breaks(t, "scheduled.times")
	if got := c.Get(later, "info.nextRunTime", "info.lastModifiedUser", "info.entity", "info.action"); !strings.HasPrefix(got["info.nextRunTime"], "2030-01-01T00:00:00") ||
		got["info.lastModifiedUser"] != vctest.User || !strings.Contains(got["info.action"], "PowerOnVM_Task") {
		t.Error(got)
	}
	c.Refused(c.Call("CreateScheduledTask", scheduler, on+plan("a", `<scheduler xsi:type="DailyTaskScheduler"><interval>1</interval><minute>60</minute><hour>0</hour></scheduler>`,
		"PowerOnVM_Task", "")), "InvalidArgument", "spec.scheduler.minute")
	c.Must("ReconfigureScheduledTask", later, strings.Replace(power, "<enabled>true", "<enabled>false", 1))
	if got := c.Get(later, "info.nextRunTime"); got["info.nextRunTime"] != "" {
		t.Error("a disabled one has no next time: ", got)
	}

	vctest.Breaks(t, "scheduled.run")
	at := time.Now().Add(300 * time.Millisecond).UTC().Format("2006-01-02T15:04:05.000Z")
	soon := create(plan("soon", once(at), "PowerOnVM_Task", ""))
	vctest.Eventually(t, "the VM is on", func() bool { return c.Get(vm, "runtime.powerState")["runtime.powerState"] == "poweredOn" })
	state(soon, "success")
	if got := c.Get(soon, "info.prevRunTime", "info.nextRunTime", "info.activeTask"); got["info.prevRunTime"] == "" || got["info.nextRunTime"] != "" || got["info.activeTask"] != "" {
		t.Error(got)
	}
	a := c.Must("CreateCollectorForTasks", "TaskManager:TaskManager", `<filter>`+vctest.Ref("scheduledTask", soon)+`</filter>`)
	history := "TaskHistoryCollector:" + a.Text("returnval")
	if a := c.Must("ReadNextTasks", history, "<maxCount>10</maxCount>"); strings.Count(a.Body, "<returnval>") != 1 || !strings.Contains(a.Body, `xsi:type="TaskReasonSchedule"><name>soon</name>`) {
		t.Error("the task tells its reason: ", a.Body)
	}
	again := create(plan("again", once(""), "PowerOnVM_Task", "")) // at once, and refused: it is on
	state(again, "error")
	if got := c.Get(again, "info.error"); !strings.Contains(got["info.error"], "InvalidPowerState") {
		t.Error(got)
	}
	c.Must("ReconfigureScheduledTask", again, plan("again", once(""), "PowerOffVM_Task"))
	c.Must("RunScheduledTask", again, "")
	vctest.Eventually(t, "the VM is off", func() bool { return c.Get(vm, "runtime.powerState")["runtime.powerState"] == "poweredOff" })
	state(again, "success")
	spec := `<value xsi:type="VirtualMachineConfigSpec"><annotation>from a schedule</annotation></value>`
	state(create(plan("note", once(""), "ReconfigVM_Task", spec)), "success")
	if got := c.Get(vm, "config.annotation"); got["config.annotation"] != "from a schedule" {
		t.Error(got)
	}
	p := s.Login(t, "planner", "p")
	b := p.Must("CreateScheduledTask", scheduler, on+plan("planner's", once(""), "PowerOnVM_Task", ""))
	weak := "ScheduledTask:" + b.Text("returnval")
	state(weak, "error")
	if got := c.Get(weak, "info.error"); !strings.Contains(got["info.error"], "NoPermission") {
		t.Error("without the privilege it does nothing: ", got)
	}
	events := c.Must("QueryEvents", "EventManager:EventManager", `<filter><type>ScheduledTaskEvent</type></filter>`).Body
	for _, want := range []string{"ScheduledTaskCreatedEvent", "ScheduledTaskStartedEvent", "ScheduledTaskCompletedEvent", "ScheduledTaskFailedEvent", "ScheduledTaskReconfiguredEvent"} {
		if !strings.Contains(events, `xsi:type="`+want+`"`) {
			t.Error("no ", want)
		}
	}

	vctest.Breaks(t, "scheduled.running")
	long := create(plan("long", once("2030-01-01T00:00:00Z"), "Rename_Task", `<value xsi:type="xsd:string">renamed</value>`))
	c.Must("RunScheduledTask", long, "")
	vctest.Eventually(t, "activeTask", func() bool { return c.Get(long, "info.activeTask")["info.activeTask"] != "" })
	for _, m := range []string{"RunScheduledTask", "RemoveScheduledTask"} {
		c.Refused(c.Call(m, long, ""), "InvalidState")
	}
	c.Refused(c.Call("ReconfigureScheduledTask", long, power), "InvalidState")
	state(long, "success")
	c.Find("DC0/vm/renamed")
	c.Must("RemoveScheduledTask", long, "")
	c.Refused(c.Call("RunScheduledTask", long, ""), "ManagedObjectNotFound")
	if got := c.Get(scheduler, "scheduledTask")["scheduledTask"]; strings.Contains(got, strings.TrimPrefix(long, "ScheduledTask:")) || !strings.Contains(got, strings.TrimPrefix(soon, "ScheduledTask:")) {
		t.Error(got)
	}
}
