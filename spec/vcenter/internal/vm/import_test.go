package vm_test

import (
	"net/http"
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/vctest"
)

// A client imports a VM as govc and ovftool do: it waits for the lease, uploads, and ends it.
func TestImportingAVM(t *testing.T) {
	k := start(t)
	k.rule("vm.import")
	ask := func(name string, more ...part) vctest.Answer {
		parts := append([]part{val("name", name), val("guestId", "ubuntu64Guest"), files(), val("numCPUs", "1"), val("memoryMB", "64")}, disk("ParaVirtualSCSIController")...)
		return k.c.Call("ImportVApp", k.pool, `<spec xsi:type="VirtualMachineImportSpec"><configSpec>`+spec(append(parts, more...)...)+`</configSpec></spec>`+
			vctest.Ref("folder", k.folder())+vctest.Ref("host", k.host))
	}
	begin := func(name string, more ...part) string {
		t.Helper()
		a := ask(name, more...)
		if a.Fault() != "" {
			t.Fatal(a.Body)
		}
		lease := "HttpNfcLease:" + a.Text("returnval")
		vctest.Eventually(t, "the lease is ready", func() bool { return k.c.Get(lease, "state")["state"] != "initializing" })
		return lease
	}
	tasks := func() string { // the state of the newest import
		refs := k.c.Get("TaskManager:TaskManager", "recentTask")["recentTask"]
		for _, ref := range strings.Split(refs, "<ManagedObjectReference")[1:] {
			id := ref[strings.Index(ref, ">")+1 : strings.Index(ref, "<")]
			if info := k.c.Get("Task:"+id, "info.name", "info.state"); info["info.name"] == "ImportVAppLRO" {
				refs = info["info.state"]
			}
		}
		return refs
	}

	lease := begin("one", cd(-120, 2, "[ds-1] one/medium.iso"))
	got := k.c.Get(lease, "state", "info.deviceUrl", "info.entity")
	if got["state"] != "ready" || !strings.Contains(got["info.deviceUrl"], "<importKey>/one/disk:0</importKey>") ||
		!strings.Contains(got["info.deviceUrl"], "<importKey>/one/cdrom:0</importKey>") {
		t.Fatal(got)
	}
	if s := tasks(); s != "running" {
		t.Error("the task lasts until the lease ends: ", s)
	}
	for _, part := range strings.Split(got["info.deviceUrl"], "<url>")[1:] {
		url := part[:strings.Index(part, "</url>")]
		req, err := http.NewRequest(http.MethodPut, url, strings.NewReader("content"))
		if err != nil {
			t.Fatal(err)
		}
		r, err := vctest.Trusting.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != http.StatusCreated {
			t.Error(url, r.Status)
		}
	}
	if a := k.c.Must("HttpNfcLeaseGetManifest", lease, ""); strings.Count(a.Body, "<sha1>040f06fd774092478d450774f5ba30c5da78acc8</sha1>") != 2 {
		t.Error("the manifest has the checksums of what came: ", a.Body)
	}
	k.c.Must("HttpNfcLeaseComplete", lease, "")
	vctest.Eventually(t, "the task ends", func() bool { return tasks() == "success" })
	if dev := k.get(k.c.Find("/DC0/vm/one"), "config.hardware.device"); !strings.Contains(dev, "[ds-1] one/medium.iso") {
		t.Error("the drive has the ISO that came: ", dev)
	}

	k.c.Refused(ask("one"), "DuplicateName")

	lease = begin("two")
	k.c.Must("HttpNfcLeaseAbort", lease, "")
	vctest.Eventually(t, "the task ends", func() bool { return tasks() == "error" })
	if a := k.c.Call("FindByInventoryPath", "SearchIndex:SearchIndex", "<inventoryPath>/DC0/vm/two</inventoryPath>"); a.Text("returnval") != "" {
		t.Error("an aborted import leaves no VM")
	}

	k.rule("vm.import-property")
	property := func(value string) part {
		return field("vAppConfig", `<vAppConfig xsi:type="VAppConfigSpec"><property><operation>add</operation><info><key>0</key><id>transfer</id><type>string</type>`+
			`<userConfigurable>false</userConfigurable><defaultValue>a</defaultValue><value>`+value+`</value></info></property></vAppConfig>`)
	}
	k.c.Refused(ask("three", property("b")), "NotUserConfigurableProperty")
	k.c.Must("HttpNfcLeaseComplete", begin("three", property("a")), "")
}
