package host_test

import (
	"strings"
	"testing"
	"time"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
)

const hostPath = "DC0/host/gpu-a/esx-a-1"

type rig struct {
	*vctest.Client
	s      *vctest.Server
	t      *testing.T
	host   string
	system string
}

func newRig(t *testing.T, f *fleet.Fleet) *rig {
	s := vctest.Start(t, vcenter.Options{Fleet: f})
	c := s.Login(t)
	r := &rig{Client: c, s: s, t: t, host: c.Find(hostPath)}
	r.system = "HostPciPassthruSystem:" + r.Get(r.host, "configManager.pciPassthruSystem")["configManager.pciPassthruSystem"]
	return r
}

func config(id, enabled, applyNow string) string {
	now := ""
	if applyNow != "" {
		now = "<applyNow>" + applyNow + "</applyNow>"
	}
	return "<config><id>" + id + "</id><passthruEnabled>" + enabled + "</passthruEnabled>" + now + "</config>"
}

// state reads enabled and active of a card.
func (r *rig) state(id string) (enabled, active string) {
	r.t.Helper()
	info := r.Get(r.host, "config.pciPassthruInfo")["config.pciPassthruInfo"]
	for _, part := range strings.Split(info, "<HostPciPassthruInfo") {
		a := vctest.Answer{Body: "<x><HostPciPassthruInfo" + part + "</x>"}
		if strings.Contains(part, "<id>"+id+"</id>") {
			a.Body = "<x " + part
			return between(part, "passthruEnabled"), between(part, "passthruActive")
		}
	}
	r.t.Fatalf("no passthrough info of %s", id)
	return
}

func between(s, name string) string {
	_, s, _ = strings.Cut(s, "<"+name+">")
	s, _, _ = strings.Cut(s, "</"+name+">")
	return s
}

func (r *rig) is(path, want string) bool { return r.Get(r.host, path)[path] == want }

func (r *rig) expect(path, want string) {
	r.t.Helper()
	if got := r.Get(r.host, path)[path]; got != want {
		r.t.Fatalf("%s is %q, want %q", path, got, want)
	}
}

func (r *rig) violations() string {
	text := ""
	for _, v := range r.s.W.Truth.Violations() {
		text += v.Rule + " "
	}
	return strings.TrimSpace(text)
}

const card = "0000:3b:00.0"

func TestPassthroughIsPendingUntilTheReboot(t *testing.T) {
	vctest.Breaks(t, "host.passthru-pending", "host.reboot-away", "host.not-connected")
	r := newRig(t, nil)
	r.expect("summary.rebootRequired", "false")
	r.Must("UpdatePassthruConfig", r.system, config(card, "true", "false"))
	if e, a := r.state(card); e != "true" || a != "false" {
		t.Fatalf("enabled %s, active %s", e, a)
	}
	r.expect("summary.rebootRequired", "true")
	before := r.Get(r.host, "runtime.bootTime")["runtime.bootTime"]
	r.MustTask("EnterMaintenanceMode_Task", r.host, "<timeout>0</timeout>")
	r.MustTask("RebootHost_Task", r.host, "<force>false</force>")
	vctest.Eventually(t, "host away", func() bool { return r.is("runtime.connectionState", "notResponding") })
	r.expect("runtime.powerState", "unknown")
	r.Refused(r.Call("UpdatePassthruConfig", r.system, config(card, "false", "false")), "HostNotReachable")
	vctest.Eventually(t, "host back", func() bool { return r.is("runtime.connectionState", "connected") })
	if r.is("runtime.bootTime", before) {
		t.Fatal("bootTime did not change")
	}
	r.expect("runtime.inMaintenanceMode", "true")
	r.expect("runtime.powerState", "poweredOn")
	r.expect("summary.rebootRequired", "false")
	if e, a := r.state(card); e != "true" || a != "true" {
		t.Fatalf("enabled %s, active %s", e, a)
	}
	r.MustTask("ExitMaintenanceMode_Task", r.host, "<timeout>0</timeout>")
	if v := r.violations(); v != "" {
		t.Fatal(v)
	}
}

func TestApplyNowNeedsAHostThatCanRebind(t *testing.T) {
	vctest.Breaks(t, "host.passthru-apply-now")
	f := fleet.Demo()
	f.Clusters[0].Hosts[0].Rebind = true
	r := newRig(t, f)
	r.Must("UpdatePassthruConfig", r.system, config(card, "true", "false"))
	if _, a := r.state(card); a != "false" {
		t.Fatal("applyNow false must not rebind")
	}
	r.Must("UpdatePassthruConfig", r.system, config(card, "true", "true"))
	if _, a := r.state(card); a != "true" {
		t.Fatal("applyNow true rebinds on such a host")
	}
	r.Must("UpdatePassthruConfig", r.system, config("0000:86:00.0", "true", ""))
	if _, a := r.state("0000:86:00.0"); a != "true" {
		t.Fatal("unset applyNow means automatic")
	}
	plain := newRig(t, nil)
	plain.Must("UpdatePassthruConfig", plain.system, config(card, "true", "true"))
	if e, a := plain.state(card); e != "true" || a != "false" {
		t.Fatalf("a host that cannot rebind: enabled %s active %s", e, a)
	}
}

func TestUnknownAndIncapableDevicesAreRefusedAsAWhole(t *testing.T) {
	vctest.Breaks(t, "host.passthru-unknown", "host.passthru-not-capable")
	r := newRig(t, nil)
	both := func(bad string) string { return config(card, "true", "false") + config(bad, "true", "false") }
	r.Refused(r.Call("UpdatePassthruConfig", r.system, both("0000:ff:00.0")), "HostConfigFault", "does not exist")
	r.Refused(r.Call("UpdatePassthruConfig", r.system, both("0000:02:00.0")), "HostConfigFault", "not capable")
	if e, _ := r.state(card); e != "false" {
		t.Fatal("half of a refused call took effect")
	}
	r.Must("UpdatePassthruConfig", r.system, both("0000:86:00.0"))
}

func TestDependentDevicesGoTogether(t *testing.T) {
	vctest.Breaks(t, "host.passthru-dependent")
	r := newRig(t, nil)
	r.Must("UpdatePassthruConfig", r.system, config("0000:18:00.1", "true", "false"))
	if e, _ := r.state("0000:18:00.0"); e != "true" {
		t.Fatal("the other function of the NIC was left out")
	}
	if e, _ := r.state(card); e != "false" {
		t.Fatal("a device of its own was taken along")
	}
}

func TestAHostThatBootsFromUsbNeedsItsUsbController(t *testing.T) {
	vctest.Breaks(t, "host.boot-device-lost")
	for _, usb := range []bool{false, true} {
		f := fleet.Demo()
		f.Clusters[0].Hosts[0].USBBoot = usb
		r := newRig(t, f)
		r.Must("UpdatePassthruConfig", r.system, config("0000:00:14.0", "true", "false"))
		r.MustTask("EnterMaintenanceMode_Task", r.host, "<timeout>0</timeout>")
		r.MustTask("RebootHost_Task", r.host, "<force>false</force>")
		vctest.Eventually(t, "away", func() bool { return r.is("runtime.connectionState", "notResponding") })
		if usb {
			vctest.Eventually(t, "violation", func() bool { return r.violations() == "host-device-lost" })
		} else {
			vctest.Eventually(t, "back", func() bool { return r.is("runtime.connectionState", "connected") })
		}
	}
}

func TestMaintenanceModeTwiceAndLeavingItOutside(t *testing.T) {
	vctest.Breaks(t, "host.maintenance-again")
	r := newRig(t, nil)
	r.FailTask("InvalidState", "ExitMaintenanceMode_Task", r.host, "<timeout>0</timeout>")
	r.MustTask("EnterMaintenanceMode_Task", r.host, "<timeout>0</timeout>")
	r.FailTask("InvalidState", "EnterMaintenanceMode_Task", r.host, "<timeout>0</timeout>")
	r.MustTask("ExitMaintenanceMode_Task", r.host, "<timeout>0</timeout>")
}

func TestTwoTasksOnOneHost(t *testing.T) {
	vctest.Breaks(t, "task.in-progress", "task.cancel")
	r := newRig(t, nil)
	r.s.Trouble(t, `{"match":{"method":"EnterMaintenanceMode_Task"},"do":{"kind":"task-hang"}}`)
	first := r.Start("EnterMaintenanceMode_Task", r.host, "<timeout>0</timeout>")
	vctest.Eventually(t, "first task running", func() bool { return r.Get(first, "info.state")["info.state"] == "running" })
	res := r.FailTask("TaskInProgress", "EnterMaintenanceMode_Task", r.host, "<timeout>0</timeout>")
	if !strings.Contains(res.Info, strings.TrimPrefix(first, "Task:")) {
		t.Fatal("TaskInProgress does not name the task: ", res.Info)
	}
	r.Must("CancelTask", first, "")
	if got := r.Wait(first); got.Fault != "RequestCanceled" || !strings.Contains(got.Info, "<cancelled>true") {
		t.Fatalf("cancelled task: %+v", got)
	}
	r.Refused(r.Call("CancelTask", first, ""), "InvalidState")
	r.MustTask("EnterMaintenanceMode_Task", r.host, "<timeout>0</timeout>")
}

func TestARebootTaskCannotBeCancelled(t *testing.T) {
	vctest.Breaks(t, "task.cancel")
	r := newRig(t, nil)
	r.MustTask("EnterMaintenanceMode_Task", r.host, "<timeout>0</timeout>")
	r.s.Trouble(t, `{"match":{"method":"RebootHost_Task"},"do":{"kind":"task-hang"}}`)
	task := r.Start("RebootHost_Task", r.host, "<force>false</force>")
	r.Refused(r.Call("CancelTask", task, ""), "NotSupported")
}

func TestLateBootsAndLostDevices(t *testing.T) {
	f := fleet.Demo()
	f.Clusters[0].Hosts[0].BootSeconds = 40
	r := newRig(t, f)
	set := func(m map[string]any) { m["host"] = "esx-a-1"; r.s.Control(t, "POST", "/set", m) }
	reboot := func() {
		r.MustTask("RebootHost_Task", r.host, "<force>false</force>")
		vctest.Eventually(t, "away", func() bool { return r.is("runtime.connectionState", "notResponding") })
	}
	back := func() bool { return r.is("runtime.connectionState", "connected") }
	r.MustTask("EnterMaintenanceMode_Task", r.host, "<timeout>0</timeout>")
	set(map[string]any{"boot": "without:" + card})
	reboot()
	vctest.Eventually(t, "back", back)
	if strings.Contains(r.Get(r.host, "hardware.pciDevice")["hardware.pciDevice"], card) {
		t.Fatal("the lost device is still there")
	}
	set(map[string]any{"boot": "late:400"})
	start := time.Now()
	reboot()
	vctest.Eventually(t, "back", back)
	if time.Since(start) < time.Second {
		t.Fatal("not late: ", time.Since(start))
	}
	set(map[string]any{"boot": "never"})
	reboot()
	time.Sleep(200 * time.Millisecond)
	if back() {
		t.Fatal("came back")
	}
	set(map[string]any{"revive": true})
	if !back() {
		t.Fatal("a revived host is connected")
	}
}

func TestConfigTargetOfEachHost(t *testing.T) {
	vctest.Breaks(t, "host.config-target", "host.config-target-dynamic", "host.signed-ids")
	f := fleet.Demo()
	f.Clusters[0].Hosts[0].Cards[0].Enabled = true
	f.Clusters[0].Hosts = append(f.Clusters[0].Hosts, fleet.Host{Name: "esx-a-2", UUID: "11111111-2222-3333-4444-555555555555",
		Cards: []fleet.Device{{Address: "0000:86:00.0", Vendor: "10de", Device: "b100", Enabled: true, Label: "big"}}})
	r := newRig(t, f)
	cluster := r.Find("DC0/host/gpu-a")
	browser := "EnvironmentBrowser:" + r.Get(cluster, "environmentBrowser")["environmentBrowser"]
	other := r.Find("DC0/host/gpu-a/esx-a-2")
	one := r.Must("QueryConfigTarget", browser, vctest.Ref("host", r.host))
	if n := len(one.Texts("pciPassthrough")); n != 1 {
		t.Fatalf("%d devices on the first host: %s", n, one.Body)
	}
	two := r.Must("QueryConfigTarget", browser, vctest.Ref("host", other))
	if two.Text("systemId") != "11111111-2222-3333-4444-555555555555" {
		t.Fatal(two.Body)
	}
	pci := two.Text("pciPassthrough")
	_ = pci
	if !strings.Contains(two.Body, "<bus>-122</bus>") || !strings.Contains(two.Body, "<deviceId>-20224</deviceId>") {
		t.Fatal("ids and bus are signed on the wire: ", two.Body)
	}
	if !strings.Contains(two.Body, "<deviceId>45312</deviceId>") || !strings.Contains(two.Body, "<customLabel>big</customLabel>") {
		t.Fatal("the dynamic list has unsigned ids: ", two.Body)
	}
	if n := len(r.Must("QueryConfigTarget", browser, "").Texts("pciPassthrough")); n != 2 {
		t.Fatalf("%d devices in the cluster", n)
	}
	foreign := r.Find("DC0/host/gpu-b/esx-b-1")
	r.Refused(r.Call("QueryConfigTarget", browser, vctest.Ref("host", foreign)), "InvalidArgument")
}

func TestDisconnectAndReconnect(t *testing.T) {
	vctest.Breaks(t, "host.not-connected")
	r := newRig(t, nil)
	r.MustTask("DisconnectHost_Task", r.host, "")
	r.Refused(r.Call("UpdatePassthruConfig", r.system, config(card, "true", "false")), "HostNotConnected")
	r.FailTask("HostNotConnected", "EnterMaintenanceMode_Task", r.host, "<timeout>0</timeout>")
	r.MustTask("ReconnectHost_Task", r.host, "")
	r.Must("UpdatePassthruConfig", r.system, config(card, "true", "false"))
}

func TestAPowerFailureDuringAReboot(t *testing.T) {
	f := fleet.Demo()
	f.Clusters[0].Hosts[0].BootSeconds = 200
	r := newRig(t, f)
	set := func(m map[string]any) { m["host"] = "esx-a-1"; r.s.Control(t, "POST", "/set", m) }
	r.MustTask("EnterMaintenanceMode_Task", r.host, "<timeout>0</timeout>")
	r.MustTask("RebootHost_Task", r.host, "<force>false</force>")
	vctest.Eventually(t, "away", func() bool { return r.is("runtime.connectionState", "notResponding") })
	set(map[string]any{"lost": true})
	time.Sleep(time.Second) // the boot would have taken half of it
	r.expect("runtime.connectionState", "notResponding")
	set(map[string]any{"revive": true})
	r.expect("runtime.connectionState", "connected")
	r.expect("runtime.inMaintenanceMode", "true")
	// The same host reboots as usual afterwards.
	r.MustTask("RebootHost_Task", r.host, "<force>false</force>")
	vctest.Eventually(t, "away", func() bool { return r.is("runtime.connectionState", "notResponding") })
	vctest.Eventually(t, "back", func() bool { return r.is("runtime.connectionState", "connected") })
}
