package host_test

import (
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
)

func TestSwitchesAndPortGroups(t *testing.T) {
	f := fleet.Demo()
	f.VMs = []fleet.VM{{Name: "x", Host: "esx-a-1"}}
	c := vctest.Start(t, vcenter.Options{Fleet: f, Speed: 400}).Login(t)
	a, b := c.Find("/DC0/host/gpu-a/esx-a-1"), c.Find("/DC0/host/gpu-b/esx-b-1")
	na, nb := manager(c, a, "networkSystem"), manager(c, b, "networkSystem")

	vctest.Breaks(t, "host.switches")
	if got := c.Get(na, "networkConfig.pnic", "networkInfo.vswitch"); !strings.Contains(got["networkConfig.pnic"], "<device>vmnic0</device>") ||
		!strings.Contains(got["networkInfo.vswitch"], "<allowPromiscuous>false</allowPromiscuous>") {
		t.Error(got)
	}
	c.Must("AddVirtualSwitch", na, `<vswitchName>vSwitch9</vswitchName><spec><numPorts>64</numPorts><mtu>9000</mtu></spec>`)
	c.Refused(c.Call("AddVirtualSwitch", na, `<vswitchName>vSwitch9</vswitchName>`), "AlreadyExists")
	c.Refused(c.Call("AddVirtualSwitch", na, `<vswitchName>s</vswitchName><spec><numPorts>64</numPorts><bridge xsi:type="HostVirtualSwitchBondBridge"><nicDevice>vmnic77</nicDevice></bridge></spec>`), "InvalidArgument")
	c.Must("AddVirtualSwitch", nb, `<vswitchName>vSwitch9</vswitchName>`)
	for _, path := range []string{"networkInfo.vswitch", "networkConfig.vswitch"} {
		if got := c.Get(na, path)[path]; !strings.Contains(got, "<mtu>9000</mtu>") || !strings.Contains(got, "<name>vSwitch9</name>") {
			t.Error(path, got)
		}
	}
	if got := c.Get(a, "config.network.vswitch")["config.network.vswitch"]; !strings.Contains(got, "<mtu>9000</mtu>") {
		t.Error("the host's config: ", got)
	}

	vctest.Breaks(t, "host.portgroups")
	group := func(name, inside string) string {
		return `<portgrp><name>` + name + `</name><vlanId>20</vlanId><vswitchName>vSwitch9</vswitchName><policy>` + inside + `</policy></portgrp>`
	}
	c.Must("AddPortGroup", na, group("gpu-net", `<security><macChanges>false</macChanges></security>`))
	c.Must("AddPortGroup", nb, group("gpu-net", ""))
	c.Refused(c.Call("AddPortGroup", na, group("gpu-net", "")), "AlreadyExists")
	c.Refused(c.Call("AddPortGroup", na, strings.Replace(group("y", ""), "vSwitch9", "vSwitch8", 1)), "NotFound")
	net := c.Find("/DC0/network/gpu-net")
	if got := c.Get(net, "host")["host"]; strings.Count(got, "</ManagedObjectReference>") != 2 {
		t.Error("one network of both hosts: ", got)
	}
	got := c.Get(a, "config.network.portgroup")["config.network.portgroup"]
	got = got[strings.Index(got, "gpu-net"):]
	if policy := got[strings.Index(got, "<computedPolicy>"):]; !strings.Contains(policy, "<macChanges>false</macChanges>") || !strings.Contains(policy, "<forgedTransmits>true</forgedTransmits>") {
		t.Error("its own policy, and the switch's: ", policy)
	}
	c.Refused(c.Call("RemoveVirtualSwitch", na, `<vswitchName>vSwitch9</vswitchName>`), "ResourceInUse")
	vm := c.Find("/DC0/vm/x")
	c.MustTask("ReconfigVM_Task", vm, `<spec><deviceChange><operation>add</operation><device xsi:type="VirtualVmxnet3"><key>-1</key>`+
		`<backing xsi:type="VirtualEthernetCardNetworkBackingInfo"><deviceName>gpu-net</deviceName>`+vctest.Ref("network", net)+`</backing></device></deviceChange></spec>`)
	c.Refused(c.Call("RemovePortGroup", na, `<pgName>gpu-net</pgName>`), "ResourceInUse")
	c.MustTask("Destroy_Task", vm, "")
	c.Must("UpdatePortGroup", na, `<pgName>gpu-net</pgName>`+group("gpu-new", ""))
	c.Find("/DC0/network/gpu-new")
	c.Must("RemovePortGroup", na, `<pgName>gpu-new</pgName>`)
	c.Must("RemovePortGroup", nb, `<pgName>gpu-net</pgName>`)
	c.Refused(c.Call("RemovePortGroup", nb, `<pgName>gpu-net</pgName>`), "NotFound")
	for _, name := range []string{"gpu-net", "gpu-new"} {
		if a := c.Must("FindByInventoryPath", "SearchIndex:SearchIndex", "<inventoryPath>/DC0/network/"+name+"</inventoryPath>"); a.Text("returnval") != "" {
			t.Error(name, " goes with its last host")
		}
	}
	c.Must("RemoveVirtualSwitch", na, `<vswitchName>vSwitch9</vswitchName>`)
	c.Refused(c.Call("RemoveVirtualSwitch", na, `<vswitchName>vSwitch9</vswitchName>`), "NotFound")

	vctest.Breaks(t, "host.vmkernel-types")
	nics := manager(c, a, "virtualNicManager")
	for _, kind := range []string{"management", "vmotion", "vsan", "faultToleranceLogging"} {
		if a := c.Must("QueryNetConfig", nics, "<nicType>"+kind+"</nicType>"); a.Text("nicType") != kind || !strings.Contains(a.Body, "<candidateVnic>") {
			t.Error(a.Body)
		}
	}
	c.Refused(c.Call("QueryNetConfig", nics, "<nicType>teleport</nicType>"), "InvalidArgument")
}
