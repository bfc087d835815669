package host_test

import (
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
)

func TestDistributedSwitches(t *testing.T) {
	vctest.Breaks(t, "switch.defaults")
	c := vctest.Start(t, vcenter.Options{Speed: 400}).Login(t)
	c.MustTask("CreateDVS_Task", c.Find("/DC0/network"), `<spec><configSpec xsi:type="VMwareDVSConfigSpec"><name>dvs</name><maxMtu>9000</maxMtu></configSpec></spec>`)
	dvs := c.Find("/DC0/network/dvs")
	got := c.Get(dvs, "config")["config"]
	for _, want := range []string{"<maxMtu>9000</maxMtu>", "<protocol>cdp</protocol>", "<activeFlowTimeout>60</activeFlowTimeout>", "<multicastFilteringMode>legacyFiltering</multicastFilteringMode>",
		"<uplinkPortName>Uplink 4</uplinkPortName>", "<uplinkPortgroup type=\"DistributedVirtualPortgroup\">", "<forgedTransmits>false</forgedTransmits>"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s: %s", want, got)
		}
	}
	c.MustTask("AddDVPortgroup_Task", dvs, `<spec><name>one</name><numPorts>8</numPorts><type>earlyBinding</type></spec>`+
		`<spec><name>two</name><numPorts>8</numPorts><defaultPortConfig xsi:type="VMwareDVSPortSetting"><securityPolicy><inherited>false</inherited><forgedTransmits><inherited>false</inherited><value>true</value></forgedTransmits></securityPolicy></defaultPortConfig><type>earlyBinding</type></spec>`)
	for name, want := range map[string]string{"one": "false", "two": "true"} {
		got := c.Get(c.Find("/DC0/network/"+name), "config.defaultPortConfig")["config.defaultPortConfig"]
		mac := got[strings.Index(got, "<macManagementPolicy>"):]
		if !strings.Contains(mac, "<forgedTransmits>"+want+"</forgedTransmits>") || !strings.Contains(got, "<activeUplinkPort>Uplink 1</activeUplinkPort>") {
			t.Error(name, got)
		}
	}
	if r := c.MustTask("CreateDVPortgroup_Task", dvs, `<spec><name>three</name><numPorts>8</numPorts><type>earlyBinding</type></spec>`); !strings.HasPrefix(c.Find("/DC0/network/three"), "DistributedVirtualPortgroup:") {
		t.Error(r)
	}
	c.FailTask("DuplicateName", "AddDVPortgroup_Task", dvs, `<spec><name>one</name><numPorts>8</numPorts><type>earlyBinding</type></spec>`)
}
