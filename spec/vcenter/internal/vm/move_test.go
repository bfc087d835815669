package vm_test

import (
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vctest"
)

// events are the kinds of a VM's events since its creation, oldest first.
func (k *kit) events(vm string) string {
	k.t.Helper()
	a := k.c.Must("QueryEvents", "EventManager:EventManager", "<filter><entity>"+vctest.Ref("entity", vm)+"<recursion>self</recursion></entity></filter>")
	var out []string
	for _, part := range strings.Split(a.Body, `<returnval xsi:type="`)[1:] {
		kind, _, _ := strings.Cut(part, `"`)
		out = append([]string{strings.TrimSuffix(kind, "Event")}, out...)
	}
	return strings.Join(out, " ")
}

func TestMoves(t *testing.T) {
	k := startFleet(t, func(f *fleet.Fleet) {
		f.Clusters[0].Hosts = append(f.Clusters[0].Hosts, fleet.Host{Name: "esx-a-2"})
		f.Clusters[0].Resource = []string{"teams"}
		f.Clusters = append(f.Clusters, fleet.Cluster{Name: "gpu-b", Datastores: []string{"ds-2"}, Hosts: []fleet.Host{{Name: "esx-b-1"}}})
		f.Datastores = append(f.Datastores, fleet.Datastore{Name: "ds-2"})
	})
	k.rule("vm.relocate-pool", "vm.relocate-datastore", "power.migrate-target")
	two, b := k.c.Find("/DC0/host/gpu-a/esx-a-2"), k.c.Find("/DC0/host/gpu-b/esx-b-1")
	teams := k.c.Find("/DC0/host/gpu-a/Resources/teams")
	poolB := "ResourcePool:" + k.c.Get(k.c.Find("/DC0/host/gpu-b"), "resourcePool")["resourcePool"]
	ds1, ds2 := k.c.Find("/DC0/datastore/ds-1"), k.c.Find("/DC0/datastore/ds-2")
	vm := k.vm("a", append(disk("VirtualLsiLogicSASController"), network("VM Network"))...)
	id := strings.TrimPrefix(vm, "VirtualMachine:")
	has := func(ref, path string) bool { return strings.Contains(k.get(ref, path), ">"+id+"<") }
	move := func(in string) vctest.Result { return k.c.Task("RelocateVM_Task", vm, "<spec>"+in+"</spec>") }

	k.accepted(move(vctest.Ref("host", two)))
	if has(k.host, "vm") || !has(two, "vm") || "HostSystem:"+k.get(vm, "runtime.host") != two || "HostSystem:"+k.get(vm, "summary.runtime.host") != two {
		t.Errorf("hosts: %s / %s", k.get(k.host, "vm"), k.get(two, "vm"))
	}
	k.accepted(move(vctest.Ref("pool", teams)))
	if has(k.pool, "vm") || !has(teams, "vm") || "ResourcePool:"+k.get(vm, "resourcePool") != teams {
		t.Errorf("pools: %s / %s", k.get(k.pool, "vm"), k.get(teams, "vm"))
	}
	k.refused(move(vctest.Ref("pool", teams)+vctest.Ref("host", b)), "InvalidArgument", "spec.pool")
	k.refused(move(vctest.Ref("host", b)), "InvalidArgument", "spec.pool")
	k.refused(move(vctest.Ref("pool", poolB)+vctest.Ref("host", b)), "InaccessibleDatastore", "esx-b-1")
	k.refused(move("<diskMoveType>everywhere</diskMoveType>"+vctest.Ref("host", two)), "InvalidArgument", "diskMoveType")

	// the files move too
	text := k.file("a/a.vmx")
	k.accepted(move(vctest.Ref("datastore", ds2) + vctest.Ref("pool", poolB) + vctest.Ref("host", b)))
	if has(ds1, "vm") || !has(ds2, "vm") || k.get(vm, "config.files.vmPathName") != "[ds-2] a/a.vmx" || !strings.Contains(k.get(vm, "config.hardware.device"), "[ds-2] a/a.vmdk") ||
		!strings.Contains(k.get(vm, "layoutEx"), "[ds-2] a/a.vmx") || strings.Contains(k.get(vm, "layoutEx"), "[ds-1]") ||
		strings.Contains(k.get(vm, "layout"), "[ds-1]") || !strings.Contains(k.get(vm, "layout"), "[ds-2] a/a.vmdk") {
		t.Errorf("datastores: %s %s", k.get(vm, "config.files"), k.get(vm, "layoutEx"))
	}
	if code := k.http("GET", "/folder/a/a.vmx?dcPath=DC0&dsName=ds-1", "", k.c.Cookie); code != 404 {
		t.Errorf("the old file: %d", code)
	}
	if code := k.http("GET", "/folder/a/a.vmx?dcPath=DC0&dsName=ds-2", "", k.c.Cookie); code != 200 {
		t.Errorf("the new file: %d", code)
	}
	k.accepted(k.on(vm))
	if code := k.http("GET", "/folder/a/vmware.log?dcPath=DC0&dsName=ds-2", "", k.c.Cookie); code != 200 {
		t.Errorf("the log is not beside it: %d", code)
	}
	k.accepted(k.c.Task("PowerOffVM_Task", vm, ""))
	other := k.vm("other")
	k.c.Must("UnregisterVM", other, "")
	k.accepted(k.c.Task("Rename_Task", vm, "<newName>b</newName>"))
	k.vm("a")
	k.refused(move(vctest.Ref("datastore", ds1)+vctest.Ref("pool", k.pool)+vctest.Ref("host", k.host)), "FileAlreadyExists")
	k.accepted(k.c.Task("Destroy_Task", k.c.Find("/DC0/vm/a"), ""))
	k.accepted(move(vctest.Ref("datastore", ds1) + vctest.Ref("pool", k.pool) + vctest.Ref("host", k.host)))
	if now := k.file("a/a.vmx"); strings.Replace(now, `displayName = "b"`, `displayName = "a"`, 1) != text {
		t.Errorf("moving there and back changed the file:\n%s\n%s", text, now)
	}
}

func TestRename(t *testing.T) {
	k := start(t)
	k.rule("vm.rename")
	vm := k.vm("a")
	k.vm("b")
	k.refused(k.c.Task("Rename_Task", vm, "<newName>b</newName>"), "DuplicateName")
	k.refused(k.c.Task("Rename_Task", vm, "<newName>"+strings.Repeat("x", 81)+"</newName>"), "InvalidName")
	k.accepted(k.c.Task("Rename_Task", vm, "<newName>c</newName>"))
	got := k.c.Get(vm, "name", "config.name", "summary.config.name")
	if got["name"] != "c" || got["config.name"] != "c" || got["summary.config.name"] != "c" || k.c.Find("/DC0/vm/c") != vm {
		t.Errorf("after the rename: %v", got)
	}
	k.vm("a", field("files", "<files><vmPathName>[ds-1] a-2</vmPathName></files>")) // its name is free again
}

func TestEvents(t *testing.T) {
	k := startFleet(t, func(f *fleet.Fleet) {
		f.Clusters[0].Hosts = append(f.Clusters[0].Hosts, fleet.Host{Name: "esx-a-2"})
		f.Clusters = append(f.Clusters, fleet.Cluster{Name: "gpu-b", DRS: "off", Hosts: []fleet.Host{{Name: "esx-b-1"}}})
	})
	k.rule("vm.events")
	vm := k.vm("a", fixed(-1, "0000:3b:00.0", "20b5", k.sys, 4318), val("version", "vmx-19"))
	before := k.events(vm)
	k.refused(k.c.Task("SuspendVM_Task", vm, ""), "InvalidPowerState")
	k.accepted(k.reconfigure(vm, extra("pciPassthru.64bitMMIOSizeGB", "64")))
	k.refused(k.on(vm), onFault)
	a := k.c.Must("QueryEvents", "EventManager:EventManager", "<filter><eventTypeId>VmFailedToPowerOnEvent</eventTypeId></filter>")
	if !strings.Contains(a.Body, "The firmware could not allocate") || a.Text("userName") != vctest.User {
		t.Errorf("the failure's event: %s", a.Body)
	}
	k.accepted(k.reconfigure(vm, extra("pciPassthru.64bitMMIOSizeGB", "256")))
	k.accepted(k.on(vm))
	k.refused(k.c.Task("MigrateVM_Task", vm, vctest.Ref("host", k.c.Find("/DC0/host/gpu-a/esx-a-2"))+"<priority>defaultPriority</priority>"), "VMotionNotSupported")
	k.accepted(k.c.Task("ResetVM_Task", vm, ""))
	k.accepted(k.c.Task("PowerOffVM_Task", vm, ""))
	k.accepted(k.c.Task("UpgradeVM_Task", vm, ""))
	k.accepted(k.c.Task("RelocateVM_Task", vm, "<spec>"+vctest.Ref("host", k.c.Find("/DC0/host/gpu-a/esx-a-2"))+"</spec>"))
	k.accepted(k.c.Task("Rename_Task", vm, "<newName>z</newName>"))
	want := " VmFailedToSuspend VmReconfigured VmStarting VmFailedToPowerOn VmReconfigured VmStarting DrsVmPoweredOn VmFailedMigrate VmResetting VmStopping VmPoweredOff" +
		" VmUpgradeComplete VmRelocated VmRenamed"
	if got := strings.TrimPrefix(k.events(vm), before); got != want {
		t.Errorf("events:\n%s\nwanted\n%s", got, want)
	}
	plain := k.vm("plain")
	k.accepted(k.on(plain))
	k.accepted(k.c.Task("MigrateVM_Task", plain, vctest.Ref("host", k.c.Find("/DC0/host/gpu-a/esx-a-2"))+"<priority>defaultPriority</priority>"))
	k.accepted(k.c.Task("SuspendVM_Task", plain, ""))
	if got := k.events(plain); !strings.HasSuffix(got, "VmStarting DrsVmPoweredOn VmMigrated VmSuspending VmSuspended") {
		t.Errorf("events: %s", got)
	}
	// without DRS
	cluster := k.c.Find("/DC0/host/gpu-b")
	k.accepted(k.c.Task("CreateVM_Task", k.folder(), "<config>"+spec(val("name", "n"), files(), val("memoryMB", "4096"), val("numCPUs", "1"))+"</config>"+
		vctest.Ref("pool", "ResourcePool:"+k.c.Get(cluster, "resourcePool")["resourcePool"])+vctest.Ref("host", k.c.Find("/DC0/host/gpu-b/esx-b-1"))))
	n := k.c.Find("/DC0/vm/n")
	k.accepted(k.on(n))
	if got := k.events(n); !strings.HasSuffix(got, "VmStarting VmPoweredOn") {
		t.Errorf("events: %s", got)
	}
}

func TestPowerOnMany(t *testing.T) {
	k := start(t)
	k.rule("power.many")
	good, bad, on := k.vm("good"), k.vm("bad", fixed(-1, "0000:3b:00.0", "20b5", k.sys, 4318), extra("pciPassthru.64bitMMIOSizeGB", "64")), k.vm("on")
	k.accepted(k.on(on))
	r := k.c.Task("PowerOnMultiVM_Task", k.c.Find("/DC0"), vctest.Ref("vm", good)+vctest.Ref("vm", bad)+vctest.Ref("vm", on))
	k.accepted(r)
	a := vctest.Answer{Body: "<x xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">" + r.Info + "</x>"}
	attempted, not := strings.Join(a.Texts("attempted"), " "), a.Texts("notAttempted")
	if len(a.Texts("attempted")) != 2 || len(not) != 1 || !strings.Contains(not[0], strings.TrimPrefix(on, "VirtualMachine:")) || !strings.Contains(r.Info, `xsi:type="InvalidPowerState"`) {
		t.Fatalf("the result: %s", r.Info)
	}
	for _, part := range strings.Split(attempted, " ") {
		_, id, ok := strings.Cut(part, "task-")
		if !ok {
			t.Fatalf("no task in %q", part)
		}
		switch res := k.c.Wait("Task:task-" + id); {
		case strings.HasPrefix(part, strings.TrimPrefix(good, "VirtualMachine:")):
			k.accepted(res)
		default:
			k.refused(res, onFault, "The firmware could not allocate")
		}
	}
	if p := k.get(good, "runtime.powerState") + k.get(bad, "runtime.powerState"); p != "poweredOnpoweredOff" {
		t.Error(p)
	}
}
