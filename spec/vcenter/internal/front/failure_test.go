package front_test

import (
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
)

// What the simulator's own code cannot do is NotSupported, with the method's name; that it failed, and how,
// is on the truth page only.
func TestAMethodThatTheSimulatorDoesNotFinish(t *testing.T) {
	s := vctest.Start(t, vcenter.Options{})
	c := s.Login(t)
	vm := func() string { return c.Find("DC0/vm/x") }
	pool := "ResourcePool:" + c.Get(c.Find("DC0/host/gpu-a"), "resourcePool")["resourcePool"]
	c.MustTask("CreateVM_Task", c.Find("DC0/vm"), "<config><name>x</name><guestId>otherGuest64</guestId><files><vmPathName>[ds-1]</vmPathName></files></config>"+vctest.Ref("pool", pool))
	c.MustTask("CreateSnapshot_Task", vm(), "<name>s</name><memory>false</memory><quiesce>false</quiesce>")
	snapshot := "VirtualMachineSnapshot:" + c.Get(vm(), "snapshot.currentSnapshot")["snapshot.currentSnapshot"]
	a := c.Call("ExportSnapshot", snapshot, "")
	c.Refused(a, "NotSupported", "VirtualMachineSnapshot.ExportSnapshot is not implemented")
	if strings.Contains(a.Body, "nil pointer") {
		t.Error(a.Body)
	}
	told := false
	for _, e := range s.Control(t, "GET", "/truth", nil)["timeline"].([]any) {
		told = told || e.(map[string]any)["kind"] == "not-implemented"
	}
	if !told {
		t.Error("the truth page says nothing of it")
	}
}

// vsanConfig without a defaultConfig of its own: the cluster's is extended (API reference: ClusterConfigSpecEx.vsanConfig).
func TestVsanIsEnabledInACluster(t *testing.T) {
	s := vctest.Start(t, vcenter.Options{})
	c := s.Login(t)
	cluster := c.Find("DC0/host/gpu-a")
	c.MustTask("ReconfigureComputeResource_Task", cluster, `<spec xsi:type="ClusterConfigSpecEx"><vsanConfig><enabled>true</enabled></vsanConfig></spec><modify>true</modify>`)
	if got := c.Get(cluster, "configurationEx")["configurationEx"]; !strings.Contains(got, "<vsanConfigInfo><enabled>true</enabled><defaultConfig><uuid>") {
		t.Error(got)
	}
}

// esxcli's way into a host, as govc host.esxcli and pyVmomi go it: it is in no WSDL.
func TestMethodExecuterOfAHost(t *testing.T) {
	vctest.Breaks(t, "host.method-executer")
	s := vctest.Start(t, vcenter.Options{})
	c := s.Login(t)
	host := c.Find("DC0/host/gpu-a/esx-a-1")
	_, id, _ := strings.Cut(host, ":")
	if a := c.Must("RetrieveManagedMethodExecuter", host, ""); !strings.Contains(a.Body, `<returnval type="ReflectManagedMethodExecuter">`+id+`</returnval>`) {
		t.Fatal(a.Body)
	}
	if a := c.Must("RetrieveDynamicTypeManager", host, ""); !strings.Contains(a.Body, `<returnval type="InternalDynamicTypeManager">`+id+`</returnval>`) {
		t.Fatal(a.Body)
	}
	const soap = "<moid>ha-cli-handler-network-firewall</moid><version>urn:vim25/5.0</version><method>vim.EsxCLI.network.firewall.get</method>"
	if a := c.Must("ExecuteSoap", "ReflectManagedMethodExecuter:"+id, soap); !strings.Contains(a.Text("response"), "Enabled") {
		t.Fatal(a.Body)
	}
	c.Refused(c.Call("ExecuteSoap", "ReflectManagedMethodExecuter:none", soap), "ManagedObjectNotFound")
	c.Refused(c.Call("ExecuteSoap", "InternalDynamicTypeManager:"+id, soap), "ManagedObjectNotFound")
	if got := c.Get("ReflectManagedMethodExecuter:" + id); len(got) != 0 { // it has no properties, but it is there
		t.Fatal(got)
	}
}
