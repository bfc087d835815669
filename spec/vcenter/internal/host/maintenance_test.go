package host_test

import (
	"strings"
	"testing"
	"time"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/host"
	"gpupt.test/vcenter/internal/vctest"
)

// pair is a cluster of two hosts, the first with an active card.
func pair(drs string) *fleet.Fleet {
	f := fleet.Demo()
	f.Clusters[0].DRS = drs
	f.Clusters[0].Hosts[0].Cards[0].Enabled = true
	f.Clusters[0].Hosts = append(f.Clusters[0].Hosts, fleet.Host{Name: "esx-a-2"})
	return f
}

// machine creates a VM on the rig's host and returns its reference.
func (r *rig) machine(name string, devices string) string {
	r.t.Helper()
	pool := "ResourcePool:" + r.Get(r.Find("DC0/host/gpu-a"), "resourcePool")["resourcePool"]
	r.MustTask("CreateVM_Task", r.Find("DC0/vm"), `<config><name>`+name+`</name><guestId>otherGuest64</guestId><files><vmPathName>[ds-1]</vmPathName></files>`+
		`<numCPUs>1</numCPUs><memoryMB>1024</memoryMB>`+devices+`</config>`+vctest.Ref("pool", pool)+vctest.Ref("host", r.host))
	return r.Find("DC0/vm/" + name)
}

func (r *rig) passthroughVM(name string) string {
	target := r.Must("QueryConfigTarget", "EnvironmentBrowser:"+r.Get(r.Find("DC0/host/gpu-a"), "environmentBrowser")["environmentBrowser"], vctest.Ref("host", r.host))
	return r.machine(name, `<deviceChange><operation>add</operation><device xsi:type="VirtualPCIPassthrough"><key>-1</key>`+
		`<backing xsi:type="VirtualPCIPassthroughDeviceBackingInfo"><deviceName>GPU</deviceName><id>`+card+`</id><deviceId>20b5</deviceId><systemId>`+
		target.Text("systemId")+`</systemId><vendorId>4318</vendorId></backing></device></deviceChange>`+
		`<memoryAllocation><reservation>1024</reservation><limit>-1</limit></memoryAllocation>`+
		`<extraConfig xsi:type="OptionValue"><key>pciPassthru.use64bitMMIO</key><value xsi:type="xsd:string">TRUE</value></extraConfig>`+
		`<extraConfig xsi:type="OptionValue"><key>pciPassthru.64bitMMIOSizeGB</key><value xsi:type="xsd:string">256</value></extraConfig>`+
		`<firmware>efi</firmware><memoryReservationLockedToMax>true</memoryReservationLockedToMax>`)
}

func TestMaintenanceModeWaitsForRunningVMs(t *testing.T) {
	vctest.Breaks(t, "host.maintenance-waits")
	r := newRig(t, pair("manual"))
	vm := r.machine("plain", "")
	r.MustTask("PowerOnVM_Task", vm, "")
	r.FailTask("Timedout", "EnterMaintenanceMode_Task", r.host, "<timeout>40</timeout>")
	r.expect("runtime.inMaintenanceMode", "false")
	task := r.Start("EnterMaintenanceMode_Task", r.host, "<timeout>0</timeout>")
	time.Sleep(150 * time.Millisecond)
	if st := r.Get(task, "info.state")["info.state"]; st != "running" {
		t.Fatal("with a running VM the task is ", st)
	}
	r.MustTask("PowerOffVM_Task", vm, "")
	if res := r.Wait(task); res.State != "success" {
		t.Fatal(res)
	}
	r.expect("runtime.inMaintenanceMode", "true")
}

func TestAWaitingMaintenanceTaskCanBeCancelled(t *testing.T) {
	r := newRig(t, pair("manual"))
	vm := r.machine("plain", "")
	r.MustTask("PowerOnVM_Task", vm, "")
	task := r.Start("EnterMaintenanceMode_Task", r.host, "<timeout>0</timeout>")
	vctest.Eventually(t, "running", func() bool { return r.Get(task, "info.state")["info.state"] == "running" })
	r.Must("CancelTask", task, "")
	if res := r.Wait(task); res.Fault != "RequestCanceled" {
		t.Fatal(res)
	}
	r.expect("runtime.inMaintenanceMode", "false")
}

// Of two hosts that enter, every client sees which was first, from the queue on; the later task can be cancelled.
func TestTwoHostsEnteringAreSeenByAll(t *testing.T) {
	f := pair("manual")
	f.Clusters[0].Hosts[1].EnterSeconds = 1e7 // it is cancelled, however slow this computer is
	r := newRig(t, f)
	stays := r.machine("stays", "")
	r.MustTask("PowerOnVM_Task", stays, "")
	watcher := r.s.Login(t)
	r.OpID = "run-a-1"
	first := r.Start("EnterMaintenanceMode_Task", r.host, "<timeout>0</timeout>")
	if state := watcher.Get(first, "info.state")["info.state"]; state != "queued" && state != "running" {
		t.Fatal("the task is ", state)
	}
	r.OpID = "run-b-1"
	second := r.Start("EnterMaintenanceMode_Task", r.other(2), "<timeout>0</timeout>")
	r.OpID = ""
	a, b := watcher.Get(first, "info.queueTime", "info.activationId"), watcher.Get(second, "info.queueTime", "info.activationId")
	if a["info.activationId"] != "run-a-1" || b["info.activationId"] != "run-b-1" {
		t.Fatal(a, b)
	}
	if at, err := time.Parse(time.RFC3339Nano, a["info.queueTime"]); err != nil {
		t.Fatal(err)
	} else if bt, err := time.Parse(time.RFC3339Nano, b["info.queueTime"]); err != nil || bt.Before(at) {
		t.Fatal(a, b, err)
	}
	for host, task := range map[string]string{r.host: first, r.other(2): second} {
		if list := watcher.Get(host, "recentTask")["recentTask"]; !strings.Contains(list, strings.TrimPrefix(task, "Task:")) {
			t.Fatal(host, list)
		}
	}
	watcher.Must("CancelTask", second, "")
	r.ends(second, "RequestCanceled")
	if got := r.Get(r.other(2), "runtime.inMaintenanceMode")["runtime.inMaintenanceMode"]; got != "false" {
		t.Fatal(got)
	}
	r.MustTask("PowerOffVM_Task", stays, "")
	r.ends(first, "")
	r.expect("runtime.inMaintenanceMode", "true")
}

func TestFullyAutomatedDrsMovesWhatCanMove(t *testing.T) {
	vctest.Breaks(t, "host.maintenance-passthrough")
	r := newRig(t, pair("fullyAutomated"))
	plain, gpu := r.machine("plain", ""), r.passthroughVM("gpu")
	r.MustTask("PowerOnVM_Task", plain, "")
	r.MustTask("PowerOnVM_Task", gpu, "")
	other := strings.TrimPrefix(r.Find("DC0/host/gpu-a/esx-a-2"), "HostSystem:")
	task := r.Start("EnterMaintenanceMode_Task", r.host, "<timeout>0</timeout>")
	vctest.Eventually(t, "the plain VM moved", func() bool { return r.Get(plain, "runtime.host")["runtime.host"] == other })
	time.Sleep(100 * time.Millisecond)
	if st := r.Get(task, "info.state", "info.progress"); st["info.state"] != "running" || st["info.progress"] != "2" {
		t.Fatal("a running passthrough VM must block: ", st)
	}
	if r.Get(gpu, "runtime.host")["runtime.host"] == other {
		t.Fatal("a passthrough VM moved")
	}
	r.MustTask("PowerOffVM_Task", gpu, "")
	if res := r.Wait(task); res.State != "success" {
		t.Fatal(res)
	}
	if r.Get(gpu, "runtime.host")["runtime.host"] == other {
		t.Fatal("a powered-off VM moved without evacuatePoweredOffVms")
	}
}

func TestDrsFollowsTheClustersConfiguration(t *testing.T) {
	r := newRig(t, pair("manual"))
	vm := r.machine("plain", "")
	r.MustTask("PowerOnVM_Task", vm, "")
	r.FailTask("Timedout", "EnterMaintenanceMode_Task", r.host, "<timeout>20</timeout>")
	r.MustTask("ReconfigureComputeResource_Task", r.Find("DC0/host/gpu-a"), `<spec xsi:type="ClusterConfigSpecEx"><drsConfig>`+
		`<defaultVmBehavior>fullyAutomated</defaultVmBehavior></drsConfig></spec><modify>true</modify>`)
	r.MustTask("EnterMaintenanceMode_Task", r.host, "<timeout>0</timeout>")
}

func TestEvacuationOfPoweredOffVMs(t *testing.T) {
	vctest.Breaks(t, "host.maintenance-evacuate")
	r := newRig(t, pair("fullyAutomated"))
	vm := r.machine("plain", "")
	r.MustTask("EnterMaintenanceMode_Task", r.host, "<timeout>0</timeout><evacuatePoweredOffVms>true</evacuatePoweredOffVms>")
	if h := r.Get(vm, "runtime.host")["runtime.host"]; h == strings.TrimPrefix(r.host, "HostSystem:") {
		t.Fatal("the powered-off VM stayed")
	}
	manual := newRig(t, pair("off"))
	manual.machine("plain", "")
	manual.FailTask("Timedout", "EnterMaintenanceMode_Task", manual.host, "<timeout>40</timeout><evacuatePoweredOffVms>true</evacuatePoweredOffVms>")
	manual.MustTask("EnterMaintenanceMode_Task", manual.host, "<timeout>0</timeout><evacuatePoweredOffVms>false</evacuatePoweredOffVms>")
}

func TestForcedRebootUnderRunningVMs(t *testing.T) {
	vctest.Breaks(t, "host.reboot-vms", "invariant.reboot-under-running-vms")
	r := newRig(t, pair("manual"))
	vm := r.machine("plain", "")
	r.MustTask("PowerOnVM_Task", vm, "")
	r.MustTask("RebootHost_Task", r.host, "<force>true</force>")
	if v := r.violations(); v != "reboot-outside-maintenance reboot-under-running-vms" {
		t.Fatal(v)
	}
	vctest.Eventually(t, "away", func() bool { return r.is("runtime.connectionState", "notResponding") })
	got := r.Get(vm, "runtime.powerState", "runtime.connectionState")
	if got["runtime.connectionState"] != "disconnected" {
		t.Fatal(got)
	}
	vctest.Eventually(t, "back", func() bool { return r.is("runtime.connectionState", "connected") })
	got = r.Get(vm, "runtime.powerState", "runtime.connectionState")
	if got["runtime.powerState"] != "poweredOff" || got["runtime.connectionState"] != "connected" {
		t.Fatal(got)
	}
}

func TestACardInUseCannotBeTakenFromPassthrough(t *testing.T) {
	vctest.Breaks(t, "host.passthru-in-use")
	r := newRig(t, pair("manual"))
	gpu := r.passthroughVM("gpu")
	r.MustTask("PowerOnVM_Task", gpu, "")
	r.Refused(r.Call("UpdatePassthruConfig", r.system, config(card, "false", "false")), "HostConfigFault", "in use by virtual machine gpu", "ResourceInUse",
		"<type>HostPciDevice</type>") // a name of the model: typed clients look it up
	r.MustTask("PowerOffVM_Task", gpu, "")
	r.Must("UpdatePassthruConfig", r.system, config(card, "false", "false"))
}

func TestAHostEnteringMaintenanceTakesNoVM(t *testing.T) {
	vctest.Breaks(t, "host.maintenance-closed")
	r := newRig(t, pair("off"))
	runs, off := r.machine("runs", ""), r.machine("off", "")
	r.MustTask("PowerOnVM_Task", runs, "")
	r.MustTask("MigrateVM_Task", off, vctest.Ref("host", r.other(2))+"<priority>defaultPriority</priority>")
	pool := "ResourcePool:" + r.Get(r.cluster(), "resourcePool")["resourcePool"]
	create := func(name string) vctest.Result {
		return r.Task("CreateVM_Task", r.Find("DC0/vm"), `<config><name>`+name+`</name><guestId>otherGuest64</guestId><files><vmPathName>[ds-1]</vmPathName></files>`+
			`<numCPUs>1</numCPUs><memoryMB>1024</memoryMB></config>`+vctest.Ref("pool", pool)+vctest.Ref("host", r.host))
	}
	refused := func(when string) {
		t.Helper()
		for what, res := range map[string]vctest.Result{
			"create":  create("new"),
			"migrate": r.Task("MigrateVM_Task", off, vctest.Ref("host", r.host)+"<priority>defaultPriority</priority>"),
			"clone": r.Task("CloneVM_Task", off, vctest.Ref("folder", r.Find("DC0/vm"))+"<name>copy</name><spec><location>"+vctest.Ref("pool", pool)+
				vctest.Ref("host", r.host)+"</location><template>false</template><powerOn>false</powerOn></spec>"),
		} {
			if res.Fault != "InvalidState" {
				t.Errorf("%s %s: %+v", what, when, res)
			}
		}
	}
	stays := r.machine("stays", "")
	task := r.enter("")
	r.FailTask("InvalidState", "PowerOnVM_Task", stays, "")
	refused("while entering")
	r.MustTask("PowerOffVM_Task", runs, "")
	r.ends(task, "")
	r.FailTask("InvalidState", "PowerOnVM_Task", stays, "")
	refused("in maintenance mode")
	r.MustTask("ExitMaintenanceMode_Task", r.host, "<timeout>0</timeout>")
	r.MustTask("MigrateVM_Task", off, vctest.Ref("host", r.host)+"<priority>defaultPriority</priority>")
	r.MustTask("PowerOnVM_Task", stays, "")
	if res := create("new"); res.State != "success" {
		t.Fatal(res)
	}
	if v := r.violations(); v != "" {
		t.Fatal(v)
	}
}

// A host that was added to the inventory later refuses VMs as well.
func TestAHostAddedLaterClosesForMaintenance(t *testing.T) {
	vctest.Breaks(t, "host.maintenance-closed")
	f := pair("off")
	f.Spares = []fleet.Host{{Name: "esx-new"}}
	r := newRig(t, f)
	r.MustTask("AddHost_Task", r.cluster(), connect("esx-new", host.Thumbprint("esx-new"), "root", "x")+"<asConnected>true</asConnected>")
	added, vm := r.Find("DC0/host/gpu-a/esx-new"), r.machine("plain", "")
	r.MustTask("EnterMaintenanceMode_Task", added, "<timeout>0</timeout>")
	r.FailTask("InvalidState", "MigrateVM_Task", vm, vctest.Ref("host", added)+"<priority>defaultPriority</priority>")
	r.MustTask("ExitMaintenanceMode_Task", added, "<timeout>0</timeout>")
	r.MustTask("MigrateVM_Task", vm, vctest.Ref("host", added)+"<priority>defaultPriority</priority>")
}
