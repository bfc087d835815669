package host_test

// cluster_test.go: what the cluster does about a host that is to be emptied: DRS at its
// levels, HA's admission control, vSAN's evacuation modes, standby and DPM.

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
)

// hosts is a cluster of n hosts esx-a-1...
func hosts(n int, drs string) *fleet.Fleet {
	f := pair(drs)
	for i := 3; i <= n; i++ {
		f.Clusters[0].Hosts = append(f.Clusters[0].Hosts, fleet.Host{Name: fmt.Sprintf("esx-a-%d", i)})
	}
	return f
}

func (r *rig) other(i int) string { return r.Find(fmt.Sprintf("DC0/host/gpu-a/esx-a-%d", i)) }

func (r *rig) on(vm string) string { return "HostSystem:" + r.Get(vm, "runtime.host")["runtime.host"] }

func (r *rig) cluster() string { return r.Find("DC0/host/gpu-a") }

func (r *rig) recommendation() string {
	return r.Get(r.cluster(), "recommendation")["recommendation"]
}

// enter starts entering maintenance mode and waits until the task waits for VMs.
func (r *rig) enter(more string) string {
	task := r.Start("EnterMaintenanceMode_Task", r.host, "<timeout>0</timeout>"+more)
	vctest.Eventually(r.t, "waiting", func() bool { return r.Get(task, "info.progress")["info.progress"] == "2" })
	return task
}

func (r *rig) ends(task, fault string) {
	r.t.Helper()
	if res := r.Wait(task); res.Fault != fault {
		r.t.Fatalf("wanted %q, got %+v", fault, res)
	}
}

func TestDrsRecommendsWhereItMayNotMove(t *testing.T) {
	vctest.Breaks(t, "host.drs-recommends")
	for _, level := range []string{"manual", "partiallyAutomated"} {
		r := newRig(t, pair(level))
		vm, gpu := r.machine("plain", ""), r.passthroughVM("gpu")
		r.MustTask("PowerOnVM_Task", vm, "")
		r.MustTask("PowerOnVM_Task", gpu, "")
		task := r.enter("")
		vctest.Eventually(t, "a recommendation", func() bool { return r.recommendation() != "" })
		text := r.recommendation()
		if between(text, "reason") != "hostMaint" || strings.Count(text, "</ClusterRecommendation>") != 1 ||
			!strings.Contains(text, `<vm type="VirtualMachine">`+strings.TrimPrefix(vm, "VirtualMachine:")+"</vm>") {
			t.Fatal(text)
		}
		if r.on(vm) != r.host {
			t.Fatal("moved without being asked to")
		}
		r.Refused(r.Call("ApplyRecommendation", r.cluster(), "<key>none</key>"), "InvalidArgument", "key")
		r.Must("ApplyRecommendation", r.cluster(), "<key>"+between(text, "key")+"</key>")
		vctest.Eventually(t, "moved", func() bool { return r.on(vm) == r.other(2) })
		if st := r.Get(task, "info.state")["info.state"]; st != "running" {
			t.Fatal("the passthrough VM still runs, the task is ", st)
		}
		r.MustTask("PowerOffVM_Task", gpu, "")
		r.ends(task, "")
		if r.recommendation() != "" {
			t.Fatal("left over: ", r.recommendation())
		}
	}
	// A recommendation disappears when it is cancelled, or when no host enters maintenance mode any longer.
	r := newRig(t, pair("manual"))
	r.MustTask("PowerOnVM_Task", r.machine("plain", ""), "")
	task := r.enter("")
	vctest.Eventually(t, "a recommendation", func() bool { return r.recommendation() != "" })
	r.Must("CancelRecommendation", r.cluster(), "<key>"+between(r.recommendation(), "key")+"</key>")
	r.Must("CancelTask", task, "")
	r.ends(task, "RequestCanceled")
	if r.recommendation() != "" {
		t.Fatal(r.recommendation())
	}
	r.expect("runtime.inMaintenanceMode", "false")
}

func TestAVMsOwnDrsSetting(t *testing.T) {
	vctest.Breaks(t, "host.drs-override")
	r := newRig(t, pair("fullyAutomated"))
	stays, goes := r.machine("stays", ""), r.machine("goes", "")
	r.MustTask("PowerOnVM_Task", stays, "")
	r.MustTask("PowerOnVM_Task", goes, "")
	override := func(operation, info string) {
		r.MustTask("ReconfigureComputeResource_Task", r.cluster(), `<spec xsi:type="ClusterConfigSpecEx"><drsVmConfigSpec><operation>`+operation+`</operation><info>`+
			vctest.Ref("key", stays)+info+`</info></drsVmConfigSpec></spec><modify>true</modify>`)
	}
	override("add", "<enabled>false</enabled>")
	task := r.enter("")
	vctest.Eventually(t, "the other moved", func() bool { return r.on(goes) == r.other(2) })
	time.Sleep(100 * time.Millisecond)
	if r.on(stays) != r.host || r.recommendation() != "" {
		t.Fatal("a VM that DRS must not move was moved")
	}
	override("edit", "<enabled>true</enabled><behavior>manual</behavior>")
	vctest.Eventually(t, "only recommended", func() bool { return r.recommendation() != "" })
	override("edit", "<enabled>true</enabled><behavior>fullyAutomated</behavior>")
	r.ends(task, "")
	if r.on(stays) != r.other(2) {
		t.Fatal(r.on(stays))
	}
}

// The second host cannot take the VM, for one reason at a time; the third can.
func TestDrsMovesOnlyWhereAVMCanRun(t *testing.T) {
	vctest.Breaks(t, "host.drs-compatible")
	for name, spoil := range map[string]func(*fleet.Fleet, *rig){
		"no shared datastore": func(f *fleet.Fleet, r *rig) {
			if r == nil {
				f.Datastores = append(f.Datastores, fleet.Datastore{Name: "local"})
				f.Clusters[0].Hosts[1].Datastores = []string{"local"}
			}
		},
		"too little memory": func(f *fleet.Fleet, r *rig) {
			if r == nil {
				f.Clusters[0].Hosts[1].MemoryGB = 1
				f.VMs = []fleet.VM{{Name: "big", Host: "esx-a-1", MemoryMB: 4096, MemoryLock: true, Power: "poweredOn"}}
			}
		},
		"maintenance": func(f *fleet.Fleet, r *rig) { f.Clusters[0].Hosts[1].Maintenance = true },
		"standby":     func(f *fleet.Fleet, r *rig) { f.Clusters[0].Hosts[1].Standby = true },
		"quarantine": func(f *fleet.Fleet, r *rig) {
			if r != nil {
				r.s.Control(t, "POST", "/set", map[string]any{"host": "esx-a-2", "quarantine": true})
			}
		},
		"entering": func(f *fleet.Fleet, r *rig) {
			if r != nil {
				r.s.Trouble(t, `{"match":{"method":"PowerOffVM_Task"},"do":{"kind":"task-hang"}}`)
				f.Clusters[0].Hosts[1].EnterSeconds = 4000
				r.Start("EnterMaintenanceMode_Task", r.other(2), "<timeout>0</timeout>")
				time.Sleep(50 * time.Millisecond)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := hosts(3, "fullyAutomated")
			if name == "entering" {
				f.Clusters[0].Hosts[1].EnterSeconds = 4000
			}
			spoil(f, nil)
			r := newRig(t, f)
			spoil(f, r)
			vm := ""
			if len(f.VMs) > 0 {
				vm = r.Find("DC0/vm/big")
			} else {
				vm = r.machine("plain", "")
				r.MustTask("PowerOnVM_Task", vm, "")
			}
			r.MustTask("EnterMaintenanceMode_Task", r.host, "<timeout>0</timeout>")
			if r.on(vm) != r.other(3) {
				t.Fatal("it went to ", r.on(vm))
			}
		})
	}
}

func TestPoweredOffVMsThatFitNowhereStay(t *testing.T) {
	vctest.Breaks(t, "host.maintenance-evacuate")
	r := newRig(t, pair("fullyAutomated"))
	plain, gpu := r.machine("plain", ""), r.passthroughVM("gpu")
	r.MustTask("EnterMaintenanceMode_Task", r.host, "<timeout>0</timeout><evacuatePoweredOffVms>true</evacuatePoweredOffVms>")
	if r.on(plain) != r.other(2) || r.on(gpu) != r.host {
		t.Fatal("a fixed device binds its VM to the host, nothing else does: ", r.on(plain), r.on(gpu))
	}
}

func TestHaAdmissionControlKeepsDrsFromEmptyingAHost(t *testing.T) {
	vctest.Breaks(t, "host.ha-admission")
	f := pair("fullyAutomated")
	f.Clusters[0].HA, f.Clusters[0].HostFailures = true, 1
	r := newRig(t, f)
	if p := r.Get(r.cluster(), "configurationEx")["configurationEx"]; !strings.Contains(p, "<admissionControlEnabled>true") || !strings.Contains(p, "<failoverLevel>1") {
		t.Fatal(p)
	}
	vm := r.machine("plain", "")
	r.MustTask("PowerOnVM_Task", vm, "")
	task := r.enter("")
	time.Sleep(150 * time.Millisecond)
	if r.on(vm) != r.host || r.Get(task, "info.state")["info.state"] != "running" {
		t.Fatal("emptied in spite of admission control")
	}
	r.MustTask("ReconfigureComputeResource_Task", r.cluster(), `<spec xsi:type="ClusterConfigSpecEx"><dasConfig><admissionControlEnabled>false</admissionControlEnabled></dasConfig></spec><modify>true</modify>`)
	r.ends(task, "")
	if r.on(vm) != r.other(2) {
		t.Fatal(r.on(vm))
	}
	// With three hosts it is allowed, and an empty host may always enter.
	f = hosts(3, "fullyAutomated")
	f.Clusters[0].HA, f.Clusters[0].HostFailures = true, 1
	r = newRig(t, f)
	vm = r.machine("plain", "")
	r.MustTask("PowerOnVM_Task", vm, "")
	r.MustTask("EnterMaintenanceMode_Task", r.host, "<timeout>0</timeout>")
	if r.on(vm) == r.host {
		t.Fatal("not moved")
	}
}

func TestHaAdmissionControlRefusesPowerOn(t *testing.T) {
	vctest.Breaks(t, "host.ha-power-on")
	f := pair("fullyAutomated")
	f.Clusters[0].HA, f.Clusters[0].HostFailures = true, 1
	r := newRig(t, f)
	vm := r.machine("plain", "")
	r.MustTask("EnterMaintenanceMode_Task", r.other(2), "<timeout>0</timeout>")
	r.FailTask("InsufficientFailoverResourcesFault", "PowerOnVM_Task", vm, "")
	r.MustTask("ExitMaintenanceMode_Task", r.other(2), "<timeout>0</timeout>")
	r.MustTask("PowerOnVM_Task", vm, "")
}

func vsan(action string) string {
	return "<maintenanceSpec><vsanMode><objectAction>" + action + "</objectAction></vsanMode></maintenanceSpec>"
}

func TestVsanEvacuationModes(t *testing.T) {
	vctest.Breaks(t, "host.vsan-mode", "host.vsan-nodes", "host.vsan-resync")
	f := hosts(4, "fullyAutomated")
	f.Clusters[0].VSAN = true
	r := newRig(t, f)
	if on := r.Get(r.cluster(), "configurationEx")["configurationEx"]; !strings.Contains(on, "<vsanConfigInfo><enabled>true") {
		t.Fatal(on)
	}
	if on := r.Get(r.host, "config.vsanHostConfig")["config.vsanHostConfig"]; !strings.Contains(on, "<enabled>true") {
		t.Fatal(on)
	}
	r.Refused(r.Call("EnterMaintenanceMode_Task", r.host, "<timeout>0</timeout>"+vsan("evacuateSome")), "InvalidArgument", "objectAction")
	took := map[string]time.Duration{}
	syncing := func() bool {
		inner := r.Get(r.host, "configManager.vsanInternalSystem")["configManager.vsanInternalSystem"]
		text := r.Must("QuerySyncingVsanObjects", "HostVsanInternalSystem:"+inner, "").Text("returnval")
		if !strings.Contains(text, `"dom_objects":`) {
			t.Fatal(text)
		}
		return !strings.Contains(text, `"dom_objects":{}`)
	}
	for _, a := range []string{"noAction", "ensureObjectAccessibility", "evacuateAllData", ""} {
		spec := ""
		if a != "" {
			spec = vsan(a)
		}
		start := time.Now()
		r.MustTask("EnterMaintenanceMode_Task", r.host, "<timeout>0</timeout><evacuatePoweredOffVms>false</evacuatePoweredOffVms>"+spec)
		took[a] = time.Since(start)
		r.MustTask("ExitMaintenanceMode_Task", r.host, "<timeout>0</timeout>")
		if want := a != "evacuateAllData"; syncing() != want {
			t.Fatalf("%q: resynchronizing %t", a, !want)
		}
		vctest.Eventually(t, "synchronized", func() bool { return !syncing() })
	}
	if took["noAction"] > 140*time.Millisecond || took["ensureObjectAccessibility"] < 150*time.Millisecond || took[""] < 150*time.Millisecond ||
		took["evacuateAllData"] < 1500*time.Millisecond || // 600 s at speed 400
		took["ensureObjectAccessibility"] > took["evacuateAllData"]/2 || took[""] > took["evacuateAllData"]/2 {
		t.Fatal(took)
	}
	// A fourth host away is one too few for all data, not for the others.
	r.MustTask("EnterMaintenanceMode_Task", r.other(4), "<timeout>0</timeout>"+vsan("noAction"))
	res := r.FailTask("VsanFault", "EnterMaintenanceMode_Task", r.host, "<timeout>0</timeout>"+vsan("evacuateAllData"))
	if !strings.Contains(res.Message, "insufficient nodes") {
		t.Fatal(res.Message)
	}
	r.expect("runtime.inMaintenanceMode", "false")
	r.MustTask("EnterMaintenanceMode_Task", r.host, "<timeout>0</timeout>"+vsan("ensureObjectAccessibility"))

	plain := newRig(t, nil) // without vSAN the values are checked, and have no effect
	plain.Refused(plain.Call("EnterMaintenanceMode_Task", plain.host, "<timeout>0</timeout>"+vsan("all")), "InvalidArgument")
	plain.MustTask("EnterMaintenanceMode_Task", plain.host, "<timeout>0</timeout>"+vsan("evacuateAllData"))
}

func TestStandby(t *testing.T) {
	vctest.Breaks(t, "host.standby", "host.standby-wake", "host.standby-connection", "invariant.too-many-hosts-away")
	f := pair("off")
	no := false
	f.Clusters[0].Hosts[1].StandbySupported = &no
	f.Clusters[0].Hosts[0].BootSeconds = 40
	r := newRig(t, f)
	vm := r.machine("plain", "")
	r.MustTask("PowerOnVM_Task", vm, "")
	r.FailTask("NotSupported", "PowerDownHostToStandBy_Task", r.other(2), "<timeoutSec>0</timeoutSec>")
	r.FailTask("InvalidState", "PowerUpHostFromStandBy_Task", r.host, "<timeoutSec>0</timeoutSec>")
	r.FailTask("Timedout", "PowerDownHostToStandBy_Task", r.host, "<timeoutSec>20</timeoutSec>")
	r.expect("runtime.standbyMode", "none")
	task := r.Start("PowerDownHostToStandBy_Task", r.host, "<timeoutSec>0</timeoutSec>")
	vctest.Eventually(t, "entering", func() bool { return r.is("runtime.standbyMode", "entering") })
	r.expect("runtime.powerState", "poweredOn")
	r.Must("UpdatePassthruConfig", r.system, config("0000:86:00.0", "true", "false"))
	r.MustTask("PowerOffVM_Task", vm, "")
	r.ends(task, "")
	r.expect("runtime.standbyMode", "in")
	r.expect("runtime.powerState", "standBy")
	r.expect("runtime.connectionState", "notResponding")
	r.Refused(r.Call("UpdatePassthruConfig", r.system, config(card, "false", "false")), "HostNotReachable")
	r.FailTask("HostNotReachable", "EnterMaintenanceMode_Task", r.host, "<timeout>0</timeout>")
	r.FailTask("Timedout", "PowerUpHostFromStandBy_Task", r.host, "<timeoutSec>10</timeoutSec>")
	r.expect("runtime.standbyMode", "in")
	before := r.Get(r.host, "runtime.bootTime")["runtime.bootTime"]
	task = r.Start("PowerUpHostFromStandBy_Task", r.host, "<timeoutSec>600</timeoutSec>")
	vctest.Eventually(t, "exiting", func() bool { return r.is("runtime.standbyMode", "exiting") })
	r.expect("runtime.powerState", "standBy")
	r.ends(task, "")
	r.expect("runtime.standbyMode", "none")
	r.expect("runtime.connectionState", "connected")
	if _, active := r.state("0000:86:00.0"); active != "true" || r.is("runtime.bootTime", before) {
		t.Fatal("waking is a boot")
	}
	if v := r.violations(); v != "" {
		t.Fatal(v)
	}
	events := r.Must("QueryEvents", "EventManager:EventManager", "<filter><entity>"+vctest.Ref("entity", r.host)+"<recursion>self</recursion></entity></filter>")
	got := ""
	for _, e := range eventTypes.FindAllString(events.Body, -1) {
		if e = strings.TrimSuffix(strings.TrimPrefix(e, `xsi:type="`), `Event"`); !strings.HasPrefix(e, "Vm") {
			got += e + " "
		}
	}
	if want := "ExitedStandbyMode HostConnected ExitingStandbyMode ExitStandbyModeFailed ExitingStandbyMode EnteredStandbyMode HostConnectionLost " +
		"EnteringStandbyMode CanceledHostOperation EnteringStandbyMode"; !strings.HasPrefix(got, want) {
		t.Fatal(got)
	}
	// One host of the cluster in standby by a request, another one away: one too many.
	r.MustTask("PowerDownHostToStandBy_Task", r.host, "<timeoutSec>0</timeoutSec>")
	r.MustTask("EnterMaintenanceMode_Task", r.other(2), "<timeout>0</timeout>")
	r.MustTask("RebootHost_Task", r.other(2), "<force>false</force>")
	if v := r.violations(); v != "too-many-hosts-away" {
		t.Fatal(v)
	}
	// The other way round as well: a host is away, and another one is put in standby.
	f = pair("off")
	f.Clusters[0].Hosts[1].BootSeconds = 4000
	r = newRig(t, f)
	r.MustTask("EnterMaintenanceMode_Task", r.other(2), "<timeout>0</timeout>")
	r.MustTask("RebootHost_Task", r.other(2), "<force>false</force>")
	r.MustTask("PowerDownHostToStandBy_Task", r.host, "<timeoutSec>0</timeoutSec>")
	if v := r.only("too-many-hosts-away"); v.By == nil || v.By.Method != "PowerDownHostToStandBy_Task" {
		t.Fatalf("%+v", v)
	}
}

func TestDpmPutsIdleHostsInStandby(t *testing.T) {
	vctest.Breaks(t, "host.dpm")
	f := hosts(3, "fullyAutomated")
	f.Clusters[0].DPM = "automated"
	f.Clusters[0].HA, f.Clusters[0].HostFailures = true, 1
	for i := range f.Clusters[0].Hosts {
		f.Clusters[0].Hosts[i].BootSeconds = 400
	}
	s := vctest.Start(t, vcenter.Options{Fleet: f, Speed: 20000})
	c := s.Login(t)
	r := &rig{Client: c, s: s, t: t, host: c.Find(hostPath)}
	asleep := func() (list []string) {
		for i := 1; i <= 3; i++ {
			if h := r.other(i); r.Get(h, "runtime.standbyMode")["runtime.standbyMode"] == "in" {
				list = append(list, h)
			}
		}
		return
	}
	vctest.Eventually(t, "one parked", func() bool { return len(asleep()) == 1 })
	time.Sleep(400 * time.Millisecond) // more than two hours
	if n := len(asleep()); n != 1 {
		t.Fatalf("%d hosts asleep: HA's failover level needs two awake", n)
	}
	// Both others go to maintenance, and one reboots: DPM wakes the third, which was away
	// without a request.
	down, rebooted := asleep()[0], false
	for i := 1; i <= 3; i++ {
		if h := r.other(i); h != down {
			r.MustTask("EnterMaintenanceMode_Task", h, "<timeout>0</timeout>")
			if !rebooted {
				r.MustTask("RebootHost_Task", h, "<force>false</force>")
			}
			rebooted = true
		}
	}
	vctest.Eventually(t, "woken", func() bool { return r.Get(down, "runtime.connectionState")["runtime.connectionState"] == "connected" })
	if v := r.violations(); v != "" {
		t.Fatal(v)
	}
	manual := hosts(3, "fullyAutomated")
	manual.Clusters[0].DPM = "manual"
	m := vctest.Start(t, vcenter.Options{Fleet: manual, Speed: 20000})
	mc := m.Login(t)
	time.Sleep(500 * time.Millisecond)
	if got := mc.Get(mc.Find(hostPath), "runtime.standbyMode")["runtime.standbyMode"]; got != "none" {
		t.Fatal("DPM at the level manual moved by itself: ", got)
	}
}

// What HA guards is in the summary of the cluster, by each policy, and changes with the hosts and with what runs.
func TestWhatHaGuardsIsInTheSummary(t *testing.T) {
	vctest.Breaks(t, "host.ha-level-now", "host.ha-percent-now", "host.ha-hosts-now")
	f := hosts(3, "fullyAutomated")
	f.Clusters[0].HA, f.Clusters[0].HostFailures = true, 1
	for i := range f.Clusters[0].Hosts {
		f.Clusters[0].Hosts[i].MemoryGB = 4
	}
	r := newRig(t, f)
	says := func(want string) {
		t.Helper()
		vctest.Eventually(t, want, func() bool {
			return strings.Contains(r.Get(r.cluster(), "summary.admissionControlInfo")["summary.admissionControlInfo"], want)
		})
	}
	says("<currentFailoverLevel>2<")
	if level := r.Get(r.cluster(), "summary.currentFailoverLevel")["summary.currentFailoverLevel"]; level != "2" {
		t.Fatal(level)
	}
	// a host in maintenance mode can no longer fail
	r.MustTask("EnterMaintenanceMode_Task", r.other(3), "<timeout>0</timeout>")
	says("<currentFailoverLevel>1<")
	r.MustTask("ExitMaintenanceMode_Task", r.other(3), "<timeout>0</timeout>")
	says("<currentFailoverLevel>2<")
	// 3 GB that are reserved fit on one host of 4 GB, 6 GB need two
	for i, name := range []string{"one", "two"} {
		vm := r.machine(name, "<memoryAllocation><reservation>1024</reservation></memoryAllocation>")
		r.MustTask("ReconfigVM_Task", vm, "<spec><memoryMB>3072</memoryMB><memoryAllocation><reservation>3072</reservation></memoryAllocation></spec>")
		if i == 1 {
			r.MustTask("RelocateVM_Task", vm, "<spec>"+vctest.Ref("host", r.other(2))+"</spec>")
		}
		r.MustTask("PowerOnVM_Task", vm, "")
		says(fmt.Sprintf("<currentFailoverLevel>%d<", 2-i))
	}
	policy := func(xml string) {
		t.Helper()
		r.MustTask("ReconfigureComputeResource_Task", r.cluster(), `<spec xsi:type="ClusterConfigSpecEx"><dasConfig>`+xml+`</dasConfig></spec><modify>true</modify>`)
	}
	// 6 of 12 GB are reserved
	policy(`<admissionControlPolicy xsi:type="ClusterFailoverResourcesAdmissionControlPolicy"><cpuFailoverResourcesPercent>30</cpuFailoverResourcesPercent><memoryFailoverResourcesPercent>30</memoryFailoverResourcesPercent></admissionControlPolicy>`)
	says("<currentMemoryFailoverResourcesPercent>50<")
	// 6 of 8 GB would be: less than 30 % are left, so the host is not emptied
	task := r.enter("")
	time.Sleep(150 * time.Millisecond)
	if r.Get(task, "info.state")["info.state"] != "running" {
		t.Fatal("emptied in spite of admission control")
	}
	policy(`<admissionControlPolicy xsi:type="ClusterFailoverResourcesAdmissionControlPolicy"><cpuFailoverResourcesPercent>25</cpuFailoverResourcesPercent><memoryFailoverResourcesPercent>25</memoryFailoverResourcesPercent></admissionControlPolicy>`)
	r.ends(task, "")
	policy(`<admissionControlPolicy xsi:type="ClusterFailoverHostAdmissionControlPolicy">` +
		`<failoverHosts type="HostSystem">` + strings.TrimPrefix(r.host, "HostSystem:") + `</failoverHosts>` +
		`<failoverHosts type="HostSystem">` + strings.TrimPrefix(r.other(3), "HostSystem:") + `</failoverHosts></admissionControlPolicy>`)
	says("<status>red<")
	says("<status>green<")
	policy(`<admissionControlEnabled>false</admissionControlEnabled>`)
	if info := r.Get(r.cluster(), "summary.admissionControlInfo")["summary.admissionControlInfo"]; info != "" {
		t.Fatal("admission control is off: ", info)
	}
}
