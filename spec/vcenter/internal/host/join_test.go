package host_test

import (
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/host"
	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
)

func connect(name, thumbprint, user, password string) string {
	s := "<spec><hostName>" + name + "</hostName>"
	if thumbprint != "" {
		s += "<sslThumbprint>" + thumbprint + "</sslThumbprint>"
	}
	return s + "<userName>" + user + "</userName><password>" + password + "</password><force>false</force></spec>"
}

// withSpares is the demo fleet and two hosts that are in no inventory.
func withSpares(t *testing.T) (*vctest.Server, *vctest.Client) {
	f := fleet.Demo()
	f.Spares = []fleet.Host{{Name: "esx-new", RootPassword: "r00t", Cards: []fleet.Device{fleet.A100("0000:3b:00.0")}}, {Name: "esx-lone"}}
	s := vctest.Start(t, vcenter.Options{Fleet: f})
	return s, s.Login(t)
}

const inventoryPC = "PropertyCollector:propertyCollector"

func TestAddingAHost(t *testing.T) {
	vctest.Breaks(t, "host.add", "host.add-thumbprint")
	s, c := withSpares(t)
	cluster := c.Find("DC0/host/gpu-a")
	yes := "<asConnected>true</asConnected>"
	print := host.Thumbprint("esx-new")
	c.FailTask("NoHost", "AddHost_Task", cluster, connect("esx-none", print, "root", "r00t")+yes)
	c.FailTask("AlreadyConnected", "AddHost_Task", cluster, connect("esx-b-1", print, "root", "r00t")+yes)
	for _, wrong := range []string{"", "00:11"} {
		if r := c.FailTask("SSLVerifyFault", "AddHost_Task", cluster, connect("esx-new", wrong, "root", "r00t")+yes); !strings.Contains(r.Info, "<thumbprint>"+print+"</thumbprint>") {
			t.Fatal("the fault reports the thumbprint: ", r.Info)
		}
	}
	c.FailTask("InvalidLogin", "AddHost_Task", cluster, connect("esx-new", print, "root", "guess")+yes)
	c.Refused(c.Call("AddHost_Task", cluster, "<spec><force>false</force></spec>"+yes), "InvalidArgument", "hostName")

	view := "ContainerView:" + c.Must("CreateContainerView", "ViewManager:ViewManager", vctest.Ref("container", "Folder:group-d1")+"<type>HostSystem</type><recursive>true</recursive>").Text("returnval")
	c.Must("CreateFilter", inventoryPC, "<spec><propSet><type>HostSystem</type><pathSet>name</pathSet></propSet><objectSet>"+vctest.Ref("obj", view)+
		`<skip>true</skip><selectSet xsi:type="TraversalSpec"><type>ContainerView</type><path>view</path><skip>false</skip></selectSet></objectSet></spec><partialUpdates>false</partialUpdates>`)
	wait := func(version string) vctest.Answer {
		return c.Must("WaitForUpdatesEx", inventoryPC, "<version>"+version+"</version><options><maxWaitSeconds>5</maxWaitSeconds></options>")
	}
	version := wait("").Text("version")
	c.MustTask("AddHost_Task", cluster, connect("esx-new", print, "root", "r00t")+yes)
	news := wait(version)
	if news.Text("kind") != "enter" || !strings.Contains(news.Body, "esx-new") {
		t.Fatal("a client that waits for hosts gets the change: ", news.Body)
	}
	h := c.Find("DC0/host/gpu-a/esx-new")
	got := c.Get(h, "parent", "runtime.connectionState", "config.product.version", "datastore", "network", "configManager.pciPassthruSystem")
	if "ClusterComputeResource:"+got["parent"] != cluster || got["runtime.connectionState"] != "connected" || got["config.product.version"] != "8.0.3" ||
		got["datastore"] == "" || got["network"] == "" || strings.Count(c.Get(cluster, "host")["host"], "</ManagedObjectReference>") != 2 {
		t.Fatal(got)
	}
	c.MustTask("AddHost_Task", c.Find("DC0/host/gpu-b"), connect("esx-lone", host.Thumbprint("esx-lone"), "root", "any")+"<asConnected>false</asConnected>")
	if state := c.Get(c.Find("DC0/host/gpu-b/esx-lone"), "runtime.connectionState")["runtime.connectionState"]; state != "disconnected" {
		t.Fatal(state)
	}
	if v := s.W.Truth.Violations(); len(v) > 0 {
		t.Fatal(v)
	}
}

// A host keeps its passthrough configuration when it moves from one place in the inventory to another.
func TestRemovingAHost(t *testing.T) {
	vctest.Breaks(t, "host.remove", "host.remove-alone")
	_, c := withSpares(t)
	cluster, folder := c.Find("DC0/host/gpu-a"), c.Find("DC0/host")
	c.MustTask("AddHost_Task", cluster, connect("esx-new", host.Thumbprint("esx-new"), "root", "r00t")+"<asConnected>true</asConnected>")
	h := c.Find("DC0/host/gpu-a/esx-new")
	sys := "HostPciPassthruSystem:" + c.Get(h, "configManager.pciPassthruSystem")["configManager.pciPassthruSystem"]
	c.Must("UpdatePassthruConfig", sys, "<config><id>0000:3b:00.0</id><passthruEnabled>true</passthruEnabled></config>")
	c.FailTask("InvalidState", "Destroy_Task", h, "")
	pool := "ResourcePool:" + c.Get(cluster, "resourcePool")["resourcePool"]
	vm := "VirtualMachine:" + vctest.Answer{Body: "<x>" + c.MustTask("CreateVM_Task", c.Find("DC0/vm"), "<config><name>x</name><guestId>otherGuest64</guestId><files><vmPathName>[ds-1]</vmPathName></files></config>"+
		vctest.Ref("pool", pool)+vctest.Ref("host", h)).Info + "</x>"}.Text("result")
	c.MustTask("EnterMaintenanceMode_Task", h, "<timeout>0</timeout>")
	c.FailTask("ResourceInUse", "Destroy_Task", h, "")
	c.MustTask("Destroy_Task", vm, "")
	c.MustTask("Destroy_Task", h, "")
	for _, gone := range []string{h, sys} {
		if a := c.Call("RetrievePropertiesEx", inventoryPC, "<specSet><propSet><type>"+strings.Split(gone, ":")[0]+"</type></propSet><objectSet>"+vctest.Ref("obj", gone)+"</objectSet></specSet><options/>"); a.Fault() != "ManagedObjectNotFound" {
			t.Fatal(gone, a.Body)
		}
	}
	if n := strings.Count(c.Get(cluster, "host")["host"], "</ManagedObjectReference>"); n != 1 {
		t.Fatal("the cluster has ", n)
	}
	c.MustTask("EnterMaintenanceMode_Task", c.Find("DC0/host/gpu-a/esx-a-1"), "<timeout>0</timeout>")

	r := c.MustTask("AddStandaloneHost_Task", folder, connect("esx-new", host.Thumbprint("esx-new"), "root", "r00t")+"<addConnected>true</addConnected>")
	if !strings.Contains(r.Info, `<result type="ComputeResource" xsi:type="ManagedObjectReference">`) {
		t.Fatal(r.Info)
	}
	alone := c.Find("DC0/host/esx-new")
	again := c.Find("DC0/host/esx-new/esx-new")
	info := c.Get(again, "config.pciPassthruInfo", "runtime.inMaintenanceMode")
	if again == h || !strings.Contains(info["config.pciPassthruInfo"], "<passthruEnabled>true</passthruEnabled>") || info["runtime.inMaintenanceMode"] != "true" {
		t.Fatal("the host is as it was, under a new reference: ", info)
	}
	c.Refused(c.Call("Destroy_Task", again, ""), "NotSupported")
	c.MustTask("Destroy_Task", alone, "")
	c.Refused(c.Call("Destroy_Task", alone, ""), "ManagedObjectNotFound")
	if a := c.Must("FindByInventoryPath", "SearchIndex:SearchIndex", "<inventoryPath>DC0/host/esx-new</inventoryPath>"); strings.Contains(a.Body, "returnval") {
		t.Fatal(a.Body)
	}
}

func TestAnEsxiAddsAndRemovesNoHosts(t *testing.T) {
	f := fleet.Demo()
	f.Endpoint = "esxi"
	s := vctest.Start(t, vcenter.Options{Fleet: f})
	c := s.Login(t)
	h := s.W.Reg.All("HostSystem")[0].Reference()
	c.Refused(c.Call("AddStandaloneHost_Task", "Folder:"+s.W.DC.HostFolder.Value, connect("x", "", "root", "x")+"<addConnected>true</addConnected>"), "NotSupported")
	c.Refused(c.Call("Destroy_Task", "HostSystem:"+h.Value, ""), "NotSupported")
}
