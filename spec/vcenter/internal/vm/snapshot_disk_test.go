package vm_test

// snapshot_disk_test.go: what deleting snapshots takes, and what it leaves.

import (
	"strings"
	"testing"
	"time"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vctest"
)

const taken = "<memory>false</memory><quiesce>false</quiesce>"

// chains are the chains of a VM's disks in layoutEx, by their descriptors.
func (k *kit) chains(vm string) string {
	k.t.Helper()
	text := k.get(vm, "layoutEx")
	names := map[string]string{}
	for _, f := range strings.Split(text, "<file>")[1:] {
		a := vctest.Answer{Body: "<x>" + f[:strings.Index(f, "</file>")] + "</x>"}
		if a.Text("type") == "diskDescriptor" {
			names[a.Text("key")] = a.Text("name")
		}
	}
	var out []string
	for _, d := range strings.Split(text, "<disk><key>")[1:] {
		var chain []string
		for _, unit := range strings.Split(d, "<chain>")[1:] {
			for _, key := range strings.Split(unit, "<fileKey>")[1:] {
				if name := names[key[:strings.Index(key, "<")]]; name != "" {
					chain = append(chain, name)
				}
			}
		}
		out = append(out, strings.Join(chain, " < "))
	}
	return strings.Join(out, "; ")
}

func (k *kit) written(vm string, megabytes int) {
	k.t.Helper()
	k.Control(k.t, "POST", "/set", map[string]any{"vm": k.get(vm, "name"), "written": megabytes})
}

func TestTheDisksOfSnapshots(t *testing.T) {
	k := start(t)
	k.rule("vm.snapshot-delta", "vm.snapshot-version")
	vm := k.vm("a", disk("ParaVirtualSCSIController")...)
	if got := k.chains(vm); got != "[ds-1] a/a.vmdk" {
		t.Fatal(got)
	}
	before := k.get(vm, "config.changeVersion")
	first := k.snapshot(vm, "one", "false")
	version := k.get(vm, "config.changeVersion")
	if version == before {
		t.Error("a snapshot does not change the version")
	}
	k.snapshot(vm, "two", "false")
	// the current chain, then that of each snapshot
	if got := k.chains(vm); got != "[ds-1] a/a.vmdk < [ds-1] a/a-000001.vmdk < [ds-1] a/a-000002.vmdk; [ds-1] a/a.vmdk; [ds-1] a/a.vmdk < [ds-1] a/a-000001.vmdk" {
		t.Error(got)
	}
	// beside the second
	k.accepted(k.c.Task("RevertToSnapshot_Task", first, ""))
	k.snapshot(vm, "three", "false")
	if got := k.chains(vm); !strings.HasPrefix(got, "[ds-1] a/a.vmdk < [ds-1] a/a-000001.vmdk < [ds-1] a/a-000003.vmdk; ") {
		t.Error(got)
	}
	version = k.get(vm, "config.changeVersion")
	k.accepted(k.c.Task("RemoveAllSnapshots_Task", vm, ""))
	if got := k.chains(vm); got != "[ds-1] a/a.vmdk" || k.get(vm, "snapshot") != "" || k.get(vm, "config.changeVersion") == version {
		t.Error(got, k.get(vm, "snapshot"))
	}
}

// At 2,000 times the speed, 200 MiB a second.
func TestDeletingSnapshotsTakesTime(t *testing.T) {
	k := start(t)
	k.rule("vm.snapshot-delete")
	vm := k.vm("a", disk("ParaVirtualSCSIController")...)
	k.accepted(k.c.Task("RemoveAllSnapshots_Task", vm, "")) // there is none
	k.snapshot(vm, "one", "false")
	k.written(vm, 400_000)
	start := time.Now()
	work := k.c.Start("RemoveAllSnapshots_Task", vm, "")
	vctest.Eventually(t, "the deletion runs", func() bool { return k.c.Get(work, "info.state")["info.state"] == "running" })
	k.refused(k.on(vm), "TaskInProgress", strings.TrimPrefix(work, "Task:"))
	k.refused(k.c.Task("CreateSnapshot_Task", vm, "<name>x</name>"+taken), "TaskInProgress")
	if k.get(vm, "snapshot") == "" {
		t.Error("the snapshot is gone before the end")
	}
	change := k.c.Start("ReconfigVM_Task", vm, "<spec><numCPUs>2</numCPUs></spec>")
	if r := k.c.Wait(work); r.State != "success" {
		t.Fatal(r)
	}
	if took := time.Since(start); took < 800*time.Millisecond { // 2,000 seconds
		t.Error("it took ", took)
	}
	if r := k.c.Wait(change); r.State != "success" {
		t.Fatal(r)
	}
	// in a VM that runs, too
	k.accepted(k.on(vm))
	k.snapshot(vm, "two", "false")
	k.accepted(k.c.Task("RemoveAllSnapshots_Task", vm, "<consolidate>true</consolidate>"))
	if now := k.get(vm, "snapshot"); now != "" || k.get(vm, "runtime.consolidationNeeded") != "false" {
		t.Error(now)
	}
}

func TestRoomForMergedDisks(t *testing.T) {
	k := startFleet(t, func(f *fleet.Fleet) { f.Datastores[0].FreeGB = 90 }) // each disk takes 40
	k.rule("vm.snapshot-space")
	thin := k.vm("thin", disk("ParaVirtualSCSIController")...)
	parts := disk("ParaVirtualSCSIController")
	parts[1].xml = strings.Replace(parts[1].xml, "<thinProvisioned>true<", "<thinProvisioned>false<", 1)
	thick := k.vm("thick", parts...)
	needed := func(vm string) string { return k.get(vm, "runtime.consolidationNeeded") }
	for _, vm := range []string{thin, thick} {
		k.snapshot(vm, "one", "false")
		k.written(vm, 11<<10)
	}
	k.accepted(k.c.Task("RemoveAllSnapshots_Task", thick, ""))
	k.refused(k.c.Task("RemoveAllSnapshots_Task", thin, ""), "NoDiskSpace", "'ds-1'")
	if k.get(thin, "snapshot") != "" || needed(thin) != "true" || needed(thick) != "false" {
		t.Fatal(k.get(thin, "snapshot"), needed(thin), needed(thick))
	}
	k.refused(k.c.Task("ConsolidateVMDisks_Task", thin, ""), "NoDiskSpace")
	// left as they are
	k.snapshot(thick, "two", "false")
	k.accepted(k.c.Task("RemoveAllSnapshots_Task", thick, "<consolidate>false</consolidate>"))
	if k.get(thick, "snapshot") != "" || needed(thick) != "true" {
		t.Fatal(needed(thick))
	}
	k.accepted(k.c.Task("ConsolidateVMDisks_Task", thick, ""))
	if needed(thick) != "false" {
		t.Fatal(needed(thick))
	}
}

func TestAMethodThatAnotherProductHasDisabled(t *testing.T) {
	k := start(t)
	k.rule("vm.method-disabled")
	vm := k.vm("a")
	k.snapshot(vm, "one", "false")
	disable := func(method string) {
		k.Control(t, "POST", "/set", map[string]any{"vm": "a", "disabled": method})
	}
	disable("RemoveAllSnapshots_Task")
	if list := k.get(vm, "disabledMethod"); !strings.Contains(list, ">RemoveAllSnapshots_Task<") {
		t.Error(list)
	}
	k.c.Refused(k.c.Call("RemoveAllSnapshots_Task", vm, ""), "MethodDisabled", "<source>another product</source>")
	disable("")
	k.accepted(k.c.Task("RemoveAllSnapshots_Task", vm, ""))
}
