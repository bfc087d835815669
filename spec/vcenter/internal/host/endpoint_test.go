package host_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
)

func esxi() *fleet.Fleet {
	f := fleet.Demo()
	f.Endpoint = "esxi"
	return f
}

// loginESXi logs in by the names that an ESXi host uses.
func loginESXi(t *testing.T, s *vctest.Server) *vctest.Client {
	c := s.Client(t)
	c.Must("Login", "SessionManager:ha-sessionmgr", "<userName>"+vctest.User+"</userName><password>"+vctest.Password+"</password>")
	return c
}

func TestAnEsxiEndpointDiesWithItsReboot(t *testing.T) {
	vctest.Breaks(t, "host.esxi-endpoint")
	s := vctest.Start(t, vcenter.Options{Fleet: esxi()})
	c := loginESXi(t, s)
	if a := c.Must("RetrieveServiceContent", "ServiceInstance:ServiceInstance", ""); a.Text("apiType") != "HostAgent" || a.Text("apiVersion") != "8.0.3.0" {
		t.Fatal(a.Body)
	}
	host := "HostSystem:" + s.W.Reg.All("HostSystem")[0].Reference().Value
	c.MustOn("ha-property-collector", host, "name")
	c.Must("EnterMaintenanceMode_Task", host, "<timeout>0</timeout>")
	vctest.Eventually(t, "maintenance", func() bool {
		return c.MustOn("ha-property-collector", host, "runtime.inMaintenanceMode")["runtime.inMaintenanceMode"] == "true"
	})
	task := "Task:" + c.Must("RebootHost_Task", host, "<force>false</force>").Text("returnval")
	c.MustOn("ha-property-collector", task, "info.state")
	vctest.Eventually(t, "no answer", func() bool { return c.Call("CurrentTime", "ServiceInstance:ServiceInstance", "").Err != nil })
	vctest.Eventually(t, "answers again", func() bool {
		return c.Call("RetrieveServiceContent", "ServiceInstance:ServiceInstance", "").Status == 200
	})
	c.Refused(c.Call("CurrentTime", "ServiceInstance:ServiceInstance", ""), "NotAuthenticated")
	again := loginESXi(t, s)
	gone := again.Call("RetrievePropertiesEx", "PropertyCollector:ha-property-collector", "<specSet><propSet><type>Task</type><pathSet>info</pathSet></propSet><objectSet>"+
		vctest.Ref("obj", task)+"</objectSet></specSet><options/>")
	again.Refused(gone, "ManagedObjectNotFound")
	if m := again.MustOn("ha-property-collector", host, "recentTask"); m["recentTask"] != "" {
		t.Fatal("tasks outlived the reboot: ", m)
	}
	if m := again.MustOn("ha-property-collector", host, "runtime.inMaintenanceMode"); m["runtime.inMaintenanceMode"] != "true" {
		t.Fatal("maintenance mode did not outlive the reboot")
	}
}

func TestLockdown(t *testing.T) {
	vctest.Breaks(t, "host.lockdown")
	r := newRig(t, nil)
	r.expect("config.lockdownMode", "lockdownDisabled")
	r.Refused(r.Call("ExitLockdownMode", r.host, ""), "HostConfigFault")
	r.Must("EnterLockdownMode", r.host, "")
	r.expect("config.lockdownMode", "lockdownNormal")
	r.Refused(r.Call("EnterLockdownMode", r.host, ""), "HostConfigFault")
	r.Must("UpdatePassthruConfig", r.system, config(card, "true", "false")) // vCenter goes on working
	r.Must("ExitLockdownMode", r.host, "")

	f := esxi()
	f.Clusters[0].Hosts[0].Lockdown = "lockdownStrict"
	s := vctest.Start(t, vcenter.Options{Fleet: f})
	c := s.Client(t)
	c.Refused(c.Call("Login", "SessionManager:ha-sessionmgr", "<userName>"+vctest.User+"</userName><password>"+vctest.Password+"</password>"), "NoPermission")
	s.Control(t, "POST", "/set", map[string]any{"host": "esx-a-1", "lockdown": "lockdownDisabled"})
	loginESXi(t, s)
}

func TestHardwareVersionsOfTheHost(t *testing.T) {
	vctest.Breaks(t, "host.hardware-versions")
	for version, want := range map[string]string{"8.0.3.0": "vmx-21", "8.0.1.0": "vmx-20", "7.0.2.0": "vmx-19", "6.7.3": "vmx-15"} {
		s := vctest.Start(t, vcenter.Options{Version: version})
		c := s.Client(t)
		c.Version = version
		c.Must("Login", "SessionManager:SessionManager", "<userName>"+vctest.User+"</userName><password>"+vctest.Password+"</password>")
		cluster := c.Find("DC0/host/gpu-a")
		a := c.Must("QueryConfigOptionDescriptor", "EnvironmentBrowser:"+c.Get(cluster, "environmentBrowser")["environmentBrowser"], "")
		keys := a.Texts("key")
		if keys[len(keys)-1] != want || keys[0] != "vmx-08" {
			t.Fatal(version, keys)
		}
	}
}

func TestEventsOfAHost(t *testing.T) {
	vctest.Breaks(t, "host.events")
	r := newRig(t, nil)
	r.MustTask("EnterMaintenanceMode_Task", r.host, "<timeout>0</timeout>")
	r.MustTask("RebootHost_Task", r.host, "<force>false</force>")
	vctest.Eventually(t, "away", func() bool { return r.is("runtime.connectionState", "notResponding") })
	vctest.Eventually(t, "back", func() bool { return r.is("runtime.connectionState", "connected") })
	r.MustTask("ExitMaintenanceMode_Task", r.host, "<timeout>0</timeout>")
	a := r.Must("QueryEvents", "EventManager:EventManager", "<filter><entity>"+vctest.Ref("entity", r.host)+"<recursion>self</recursion></entity></filter>")
	got := strings.Join(eventTypes.FindAllString(a.Body, -1), " ") // newest first
	want := ""
	for _, e := range []string{"ExitMaintenanceMode", "HostConnected", "HostConnectionLost", "HostShutdown", "EnteredMaintenanceMode", "EnteringMaintenanceMode"} {
		want += `xsi:type="` + e + `Event" `
	}
	if got != strings.TrimSpace(want) {
		t.Fatal(got)
	}
}

var eventTypes = regexp.MustCompile(`xsi:type="\w+Event"`)

func TestGraphicsOfAHost(t *testing.T) {
	vctest.Breaks(t, "host.graphics-type", "host.graphics-vm")
	f := pair("manual")
	r := newRig(t, f)
	manager := "HostGraphicsManager:" + r.Get(r.host, "configManager.graphicsManager")["configManager.graphicsManager"]
	list := strings.Split(r.Get(manager, "graphicsInfo")["graphicsInfo"], "</HostGraphicsInfo>")
	types := map[string]string{}
	for _, x := range list {
		if id := between(x, "pciId"); id != "" {
			types[id] = between(x, "graphicsType")
		}
	}
	if types["0000:03:00.0"] != "basic" || types[card] != "direct" || types["0000:86:00.0"] != "basic" || len(types) != 3 {
		t.Fatal(types)
	}
	gpu := r.passthroughVM("gpu")
	named := func() bool {
		return strings.Contains(r.Get(manager, "graphicsInfo")["graphicsInfo"], strings.TrimPrefix(gpu, "VirtualMachine:"))
	}
	if named() {
		t.Fatal("a VM that does not run uses no card")
	}
	if r.MustTask("PowerOnVM_Task", gpu, ""); !named() {
		t.Fatal("the VM that has the card is not named")
	}
	r.Must("RefreshGraphicsManager", manager, "")
	if !named() {
		t.Fatal("a refresh lost the VM")
	}
	if r.MustTask("PowerOffVM_Task", gpu, ""); named() {
		t.Fatal("it has given the card back")
	}
	r.Refused(r.Call("RefreshGraphicsManager", "HostGraphicsManager:none", ""), "ManagedObjectNotFound")
}

func TestTheHaAgentFollowsTheHost(t *testing.T) {
	vctest.Breaks(t, "host.ha-agent")
	f := pair("manual")
	f.Clusters[0].HA = true
	r := newRig(t, f)
	state := func() string { return r.Get(r.host, "runtime.dasHostState.state")["runtime.dasHostState.state"] }
	if s := state(); s != "master" {
		t.Fatal(s)
	}
	other := r.Find("DC0/host/gpu-a/esx-a-2")
	if s := r.Get(other, "runtime.dasHostState.state")["runtime.dasHostState.state"]; s != "connectedToMaster" {
		t.Fatal(s)
	}
	r.MustTask("EnterMaintenanceMode_Task", r.host, "<timeout>0</timeout>")
	if s := state(); s != "" {
		t.Fatalf("in maintenance mode: %s", s)
	}
	if s := r.Get(other, "runtime.dasHostState.state")["runtime.dasHostState.state"]; s != "master" {
		t.Fatalf("the other host is the master now, not %s", s)
	}
	r.MustTask("RebootHost_Task", r.host, "<force>false</force>")
	back := func() bool { return r.Get(r.host, "runtime.connectionState")["runtime.connectionState"] == "connected" }
	vctest.Eventually(t, "away", func() bool { return !back() })
	vctest.Eventually(t, "back", back)
	if s := state(); s != "" {
		t.Fatalf("in maintenance mode after the reboot: %s", s)
	}
	r.MustTask("ExitMaintenanceMode_Task", r.host, "<timeout>0</timeout>")
	if s := state(); s != "election" {
		t.Fatalf("right after maintenance mode: %s", s)
	}
	vctest.Eventually(t, "in again", func() bool { return state() == "connectedToMaster" })
	r.s.Control(t, "POST", "/set", map[string]any{"host": "esx-a-1", "lost": true})
	vctest.Eventually(t, "down", func() bool { return state() == "hostDown" })
	r.s.Control(t, "POST", "/set", map[string]any{"host": "esx-a-1", "ha_agent": "fdmUnreachable", "revive": true})
	vctest.Eventually(t, "stuck", func() bool { return state() == "fdmUnreachable" })
}

func TestDelaysOfTheFleetFile(t *testing.T) {
	f := fleet.Demo()
	f.Delays = map[string]float64{"ExitMaintenanceMode_Task": 200}
	r := newRig(t, f)
	r.MustTask("EnterMaintenanceMode_Task", r.host, "<timeout>0</timeout>")
	start := time.Now()
	r.MustTask("ExitMaintenanceMode_Task", r.host, "<timeout>0</timeout>")
	if d := time.Since(start); d < 400*time.Millisecond {
		t.Fatal("200 s at speed 400 took ", d)
	}
}
