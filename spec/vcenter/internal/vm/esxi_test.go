package vm_test

import (
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
)

// An ESXi endpoint has VMs too: with network cards and with the cards of the host.
func TestVMsOfAnESXiEndpoint(t *testing.T) {
	f := fleet.Demo()
	f.Endpoint, f.Networks = "esxi", []string{"VM Network", "lab"}
	f.Clusters = []fleet.Cluster{{Hosts: []fleet.Host{{Name: "esx-a-1", Cards: cards(a100("0000:3b:00.0"))}}}}
	f.VMs = []fleet.VM{{Name: "desk", Host: "esx-a-1", Firmware: "efi", MemoryMB: 4096, MemoryLock: true, Devices: []string{"0000:3b:00.0"},
		Power: "poweredOn", ExtraConfig: map[string]string{"pciPassthru.use64bitMMIO": "TRUE", "pciPassthru.64bitMMIOSizeGB": "256"}}}
	s := vctest.Start(t, vcenter.Options{Fleet: f, Speed: 2000})
	c := s.Client(t)
	c.Must("Login", "SessionManager:ha-sessionmgr", "<userName>"+vctest.User+"</userName><password>"+vctest.Password+"</password>")
	all := func(kind string) (refs []string) {
		s.W.RLock()
		defer s.W.RUnlock()
		for _, e := range s.W.Reg.All(kind) {
			refs = append(refs, kind+":"+e.Reference().Value)
		}
		return
	}
	get := func(ref, path string) string { return c.MustOn("ha-property-collector", ref, path)[path] }
	if all := all("VirtualMachine"); len(all) != 1 || get(all[0], "runtime.powerState") != "poweredOn" {
		t.Fatal(all)
	}
	if nets := get(all("HostSystem")[0], "network"); strings.Count(nets, "Network") < 2 {
		t.Fatal("networks: ", nets)
	}
	create := func(name, nic string) string {
		return c.Must("CreateVM_Task", "Folder:ha-folder-vm", "<config><name>"+name+"</name><guestId>otherGuest64</guestId><files><vmPathName>[ds-1]</vmPathName></files>"+
			"<numCPUs>1</numCPUs><memoryMB>1024</memoryMB>"+nic+"</config>"+vctest.Ref("pool", all("ResourcePool")[0])).Text("returnval")
	}
	end := func(task, want string) {
		t.Helper()
		vctest.Eventually(t, "the task's end", func() bool { s := get("Task:"+task, "info.state"); return s == "success" || s == "error" })
		if have := get("Task:"+task, "info.state"); have != want {
			t.Fatalf("%s: %s", have, get("Task:"+task, "info"))
		}
	}
	end(create("a", network("lab").xml), "success")
	end(create("b", network("nowhere").xml), "error")
}
