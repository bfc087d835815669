package host_test

import (
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
)

// manager is the reference of one of a host's managers, "Type:value".
func manager(c *vctest.Client, host, name string) string {
	kinds := map[string]string{"serviceSystem": "HostServiceSystem", "powerSystem": "HostPowerSystem", "autoStartManager": "HostAutoStartManager", "vsanSystem": "HostVsanSystem",
		"dateTimeSystem": "HostDateTimeSystem", "cpuScheduler": "HostCpuSchedulerSystem", "kernelModuleSystem": "HostKernelModuleSystem", "imageConfigManager": "HostImageConfigManager",
		"advancedOption": "OptionManager", "networkSystem": "HostNetworkSystem", "virtualNicManager": "HostVirtualNicManager"}
	return kinds[name] + ":" + c.Get(host, "configManager."+name)["configManager."+name]
}

func TestServicesOfAHost(t *testing.T) {
	vctest.Breaks(t, "host.services")
	s := vctest.Start(t, vcenter.Options{})
	c := s.Login(t)
	h, other := c.Find("DC0/host/gpu-a/esx-a-1"), c.Find("DC0/host/gpu-b/esx-b-1")
	sys := manager(c, h, "serviceSystem")
	id := func(key string) string { return "<id>" + key + "</id>" }
	c.Refused(c.Call("StopService", sys, id("TSM-SSH")), "InvalidState", "")
	c.Must("StartService", sys, id("TSM-SSH"))
	c.Refused(c.Call("StartService", sys, id("TSM-SSH")), "InvalidState", "")
	c.Refused(c.Call("StartService", sys, id("nothing")), "NotFound", "")
	c.Refused(c.Call("UpdateServicePolicy", sys, id("ntpd")+"<policy>maybe</policy>"), "InvalidArgument", "policy")
	c.Must("UpdateServicePolicy", sys, id("ntpd")+"<policy>automatic</policy>")
	c.Must("RestartService", sys, id("ntpd"))
	c.Must("RefreshServices", sys, "")
	runs := func(host string) bool {
		body := c.Get(host, "config.service")["config.service"]
		i := strings.Index(body, "TSM-SSH")
		return i >= 0 && strings.Contains(body[i:], "<running>true</running>") && strings.Index(body[i:], "<running>true") < strings.Index(body[i:]+"</service>", "</service>")
	}
	if !runs(h) || runs(other) {
		t.Fatal("the service runs on the host where it was started, and on no other")
	}
}

func TestPowerPolicyAndAutostart(t *testing.T) {
	vctest.Breaks(t, "host.power-policy", "host.autostart")
	f := fleet.Demo()
	f.VMs = []fleet.VM{{Name: "here", Host: "esx-a-1"}, {Name: "there", Host: "esx-b-1"}}
	s := vctest.Start(t, vcenter.Options{Fleet: f})
	c := s.Login(t)
	h := c.Find("DC0/host/gpu-a/esx-a-1")
	power := manager(c, h, "powerSystem")
	c.Refused(c.Call("ConfigurePowerPolicy", power, "<key>99</key>"), "InvalidArgument", "key")
	c.Must("ConfigurePowerPolicy", power, "<key>1</key>")
	start := manager(c, h, "autoStartManager")
	info := func(vm string) string {
		return "<spec><powerInfo>" + vctest.Ref("key", vm) + "<startOrder>1</startOrder><startDelay>-1</startDelay><waitForHeartbeat>no</waitForHeartbeat>" +
			"<startAction>powerOn</startAction><stopDelay>-1</stopDelay><stopAction>systemDefault</stopAction></powerInfo></spec>"
	}
	c.Refused(c.Call("ReconfigureAutostart", start, info(c.Find("DC0/vm/there"))), "NotFound", "")
	c.Must("ReconfigureAutostart", start, info(c.Find("DC0/vm/here")))
	if body := c.Get(start, "config")["config"]; !strings.Contains(body, "powerOn") {
		t.Fatal("the VM starts with its host: ", body)
	}
}

func TestWhatIsAskedBeforeAHostIsChosen(t *testing.T) {
	vctest.Breaks(t, "host.connection-info", "host.recommend", "search.dns-name-host", "cluster.remove")
	f := fleet.Demo()
	f.Clusters[1].DRS = "off"
	f.Clusters[0].Hosts = append(f.Clusters[0].Hosts, fleet.Host{Name: "esx-a-2"})
	f.VMs = []fleet.VM{{Name: "v", Host: "esx-a-1"}}
	s := vctest.Start(t, vcenter.Options{Fleet: f})
	c := s.Login(t)
	h := c.Find("DC0/host/gpu-a/esx-a-1")
	if a := c.Must("QueryHostConnectionInfo", h, ""); !strings.Contains(a.Body, "<clusterSupported>true</clusterSupported>") || !strings.Contains(a.Body, "esx-a-1") {
		t.Fatal(a.Body)
	}
	vm := vctest.Ref("vm", c.Find("DC0/vm/v"))
	a := c.Must("RecommendHostsForVm", c.Find("DC0/host/gpu-a"), vm)
	free := c.Find("DC0/host/gpu-a/esx-a-2")
	if at := strings.Index(a.Body, free[strings.Index(free, ":")+1:]+"<"); at < 0 || at > strings.Index(a.Body, "<rating>5</rating>") {
		t.Fatal("the host without VMs is the best: ", a.Body)
	}
	if a := c.Must("RecommendHostsForVm", c.Find("DC0/host/gpu-b"), vm); strings.Contains(a.Body, "<rating>") {
		t.Fatal("a cluster without DRS recommends nothing: ", a.Body)
	}
	find := func(name, more string) string {
		return c.Must("FindByDnsName", "SearchIndex:SearchIndex", more+"<dnsName>"+name+"</dnsName><vmSearch>false</vmSearch>").Text("returnval")
	}
	if "HostSystem:"+find("ESX-A-1", "") != h || find("nobody", "") != "" || "HostSystem:"+find("esx-a-1", vctest.Ref("datacenter", c.Find("DC0"))) != h {
		t.Fatal("a host is found by its name")
	}
	cluster := "ClusterComputeResource:" + c.Must("CreateClusterEx", c.Find("DC0/host"), "<name>empty</name><spec/>").Text("returnval")
	c.MustTask("Destroy_Task", cluster, "")
	c.FailTask("ResourceInUse", "Destroy_Task", c.Find("DC0/host/gpu-a"), "")
	if a := c.Must("QueryHostStatus", manager(c, h, "vsanSystem"), ""); !strings.Contains(a.Body, "<health>") {
		t.Fatal(a.Body)
	}
}
