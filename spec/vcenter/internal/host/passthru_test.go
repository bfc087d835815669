package host_test

// passthru_test.go: the fine print of passthrough: bridges, labels, devices that the host
// needs itself, graphics types, and what switching a host off looks like.

import (
	"strings"
	"testing"
	"time"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vctest"
)

// Two GPUs of one board behind a switch of the board.
func board() *fleet.Fleet {
	f := fleet.Demo()
	no := false
	bridge := fleet.Device{Address: "0000:60:00.0", Vendor: "10b5", Device: "8747", Class: "0604", Role: "bridge", Capable: &no}
	h := &f.Clusters[0].Hosts[0]
	h.Devices = append(fleet.BoardDevices(), bridge)
	for _, a := range []string{"0000:61:00.0", "0000:62:00.0"} {
		c := fleet.A100(a)
		c.Dependent, c.Parent = bridge.Address, bridge.Address
		h.Cards = append(h.Cards, c)
	}
	return f
}

func TestFunctionsBehindOneBridgeGoTogether(t *testing.T) {
	vctest.Breaks(t, "host.passthru-bridge")
	r := newRig(t, board())
	if info := r.Get(r.host, "config.pciPassthruInfo")["config.pciPassthruInfo"]; !strings.Contains(info,
		"<id>0000:61:00.0</id><dependentDevice>0000:60:00.0</dependentDevice>") || !strings.Contains(info, "<id>"+card+"</id><dependentDevice>"+card+"<") {
		t.Fatal(info)
	}
	r.Refused(r.Call("UpdatePassthruConfig", r.system, config("0000:60:00.0", "true", "false")), "HostConfigFault", "not capable")
	r.Must("UpdatePassthruConfig", r.system, config("0000:62:00.0", "true", "false"))
	for id, want := range map[string]string{"0000:61:00.0": "true", "0000:62:00.0": "true", "0000:60:00.0": "false", card: "false"} {
		if e, _ := r.state(id); e != want {
			t.Errorf("%s enabled %s, want %s", id, e, want)
		}
	}
	r.Must("UpdatePassthruConfig", r.system, config("0000:61:00.0", "false", "false"))
	if e, _ := r.state("0000:62:00.0"); e != "false" {
		t.Fatal("disabled together as well")
	}
}

func TestHardwareLabels(t *testing.T) {
	vctest.Breaks(t, "host.passthru-label")
	f := fleet.Demo()
	f.Clusters[0].Hosts[0].Rebind = true
	r := newRig(t, f)
	labelled := func(id, label string) string {
		return "<config><id>" + id + "</id><passthruEnabled>true</passthruEnabled><applyNow>true</applyNow><hardwareLabel>" + label + "</hardwareLabel></config>"
	}
	r.Refused(r.Call("UpdatePassthruConfig", r.system, labelled(card, "big")+config("0000:ff:00.0", "true", "false")), "HostConfigFault")
	label := func() string {
		info := r.Get(r.host, "config.pciPassthruInfo")["config.pciPassthruInfo"]
		_, rest, _ := strings.Cut(info, "<id>"+card+"</id>")
		rest, _, _ = strings.Cut(rest, "</HostPciPassthruInfo>")
		return between(rest, "hardwareLabel")
	}
	if label() != "" {
		t.Fatal("a refused call set a label")
	}
	r.Must("UpdatePassthruConfig", r.system, labelled(card, "big"))
	if label() != "big" {
		t.Fatal(label())
	}
	browser := "EnvironmentBrowser:" + r.Get(r.Find("DC0/host/gpu-a"), "environmentBrowser")["environmentBrowser"]
	target := r.Must("QueryConfigTarget", browser, vctest.Ref("host", r.host))
	if !strings.Contains(target.Body, "<customLabel>big</customLabel>") {
		t.Fatal(target.Body)
	}
	r.Must("UpdatePassthruConfig", r.system, config(card, "true", "false")) // unset leaves it
	if label() != "big" {
		t.Fatal(label())
	}
	old := r.s.Login(t)
	old.Version = "7.0.1.0" // the label came with 7.0.2
	old.Refused(old.Call("UpdatePassthruConfig", r.system, labelled(card, "x")), "InvalidRequest")
}

// On a host that rebinds at once, giving the management NIC away loses the host at once;
// a port without vmk0 it can do without.
func TestRebindingTheManagementNicLosesTheHost(t *testing.T) {
	vctest.Breaks(t, "invariant.host-device-lost")
	f := fleet.Demo()
	spare := fleet.Device{Address: "0000:1c:00.0", Vendor: "14e4", Device: "16d7", Class: "0200", Role: "nic"}
	f.Clusters[0].Hosts[0].Rebind = true
	f.Clusters[0].Hosts[0].Devices = append(fleet.BoardDevices(), spare)
	r := newRig(t, f)
	r.Must("UpdatePassthruConfig", r.system, config(spare.Address, "true", "true"))
	time.Sleep(20 * time.Millisecond)
	r.expect("runtime.connectionState", "connected")
	if v := r.violations(); v != "" {
		t.Fatal(v)
	}
	r.Must("UpdatePassthruConfig", r.system, config("0000:18:00.0", "true", "true"))
	r.expect("runtime.connectionState", "notResponding")
	if v := r.only("host-device-lost"); v.By == nil || v.By.Method != "UpdatePassthruConfig" {
		t.Fatalf("%+v", v)
	}
}

func TestGraphicsTypesOfCards(t *testing.T) {
	vctest.Breaks(t, "host.graphics-config", "host.graphics-shared")
	f := fleet.Demo()
	f.Clusters[0].Hosts[0].Rebind, f.Clusters[0].Hosts[0].BootSeconds = true, 40
	r := newRig(t, f)
	manager := "HostGraphicsManager:" + r.Get(r.host, "configManager.graphicsManager")["configManager.graphicsManager"]
	set := func(standard, policy, device, kind string) string {
		if device != "" {
			device = "<deviceType><deviceId>" + device + "</deviceId><graphicsType>" + kind + "</graphicsType></deviceType>"
		}
		return "<config><hostDefaultGraphicsType>" + standard + "</hostDefaultGraphicsType><sharedPassthruAssignmentPolicy>" + policy +
			"</sharedPassthruAssignmentPolicy>" + device + "</config>"
	}
	for _, wrong := range []string{set("direct", "performance", "", ""), set("shared", "random", "", ""),
		set("shared", "performance", "0000:ff:00.0", "shared"), set("shared", "performance", "0000:19:00.0", "shared"), set("shared", "performance", card, "basic")} {
		r.Refused(r.Call("UpdateGraphicsConfig", manager, wrong), "InvalidArgument", "config.")
	}
	kind := func(id string) string {
		info := r.Get(r.host, "config.graphicsInfo")["config.graphicsInfo"]
		for _, x := range strings.Split(info, "</HostGraphicsInfo>") {
			if between(x, "pciId") == id {
				return between(x, "graphicsType")
			}
		}
		return "none"
	}
	r.Must("UpdateGraphicsConfig", manager, set("shared", "consolidation", card, "sharedDirect"))
	if got := r.Get(manager, "graphicsConfig")["graphicsConfig"]; !strings.Contains(got, "consolidation") || kind(card) != "basic" {
		t.Fatal(got, kind(card))
	}
	reboot := func() {
		r.MustTask("RebootHost_Task", r.host, "<force>false</force>")
		vctest.Eventually(t, "away", func() bool { return r.is("runtime.connectionState", "notResponding") })
		vctest.Eventually(t, "back", func() bool { return r.is("runtime.connectionState", "connected") })
	}
	r.MustTask("EnterMaintenanceMode_Task", r.host, "<timeout>0</timeout>")
	reboot()
	if kind(card) != "sharedDirect" || kind("0000:86:00.0") != "basic" {
		t.Fatal(kind(card), kind("0000:86:00.0"))
	}
	r.Must("UpdatePassthruConfig", r.system, config(card, "true", "true")+config("0000:86:00.0", "true", "true"))
	if _, a := r.state(card); a != "false" {
		t.Fatal("rebound under the driver that has it")
	}
	if _, a := r.state("0000:86:00.0"); a != "true" {
		t.Fatal("the other card is free")
	}
	reboot()
	if _, a := r.state(card); a != "true" || kind(card) != "direct" {
		t.Fatal(a, kind(card))
	}
}

func TestAHostThatIsSwitchedOffStaysOff(t *testing.T) {
	vctest.Breaks(t, "host.shutdown", "host.reboot-outside")
	f := fleet.Demo()
	f.Clusters[0].Hosts[0].BootSeconds = 20
	r := newRig(t, f)
	r.FailTask("InvalidState", "ShutdownHost_Task", r.host, "<force>false</force>")
	r.MustTask("EnterMaintenanceMode_Task", r.host, "<timeout>0</timeout>")
	r.MustTask("ShutdownHost_Task", r.host, "<force>false</force>")
	vctest.Eventually(t, "off", func() bool { return r.is("runtime.powerState", "poweredOff") })
	r.expect("runtime.connectionState", "notResponding")
	r.FailTask("HostNotReachable", "ReconnectHost_Task", r.host, "")
	time.Sleep(200 * time.Millisecond)
	r.expect("runtime.powerState", "poweredOff")
	r.s.Control(t, "POST", "/set", map[string]any{"host": "esx-a-1", "revive": true})
	r.expect("runtime.powerState", "poweredOn")
	r.expect("runtime.inMaintenanceMode", "true")
}
