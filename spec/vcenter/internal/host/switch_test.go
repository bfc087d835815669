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

func TestHostsOfADistributedSwitch(t *testing.T) {
	vctest.Breaks(t, "switch.members", "switch.ports")
	c := vctest.Start(t, vcenter.Options{Speed: 400}).Login(t)
	c.MustTask("CreateDVS_Task", c.Find("/DC0/network"), `<spec><configSpec xsi:type="VMwareDVSConfigSpec"><name>dvs</name><uplinkPortPolicy xsi:type="DVSNameArrayUplinkPortPolicy"><uplinkPortName>up-1</uplinkPortName><uplinkPortName>up-2</uplinkPortName></uplinkPortPolicy></configSpec></spec>`)
	dvs, host, other := c.Find("/DC0/network/dvs"), c.Find("DC0/host/gpu-a/esx-a-1"), c.Find("DC0/host/gpu-b/esx-b-1")
	for _, name := range []string{"one", "two"} {
		c.MustTask("AddDVPortgroup_Task", dvs, `<spec><name>`+name+`</name><numPorts>8</numPorts><defaultPortConfig xsi:type="VMwareDVSPortSetting"><uplinkTeamingPolicy><inherited>false</inherited><policy><inherited>false</inherited><value>failover_explicit</value></policy></uplinkTeamingPolicy></defaultPortConfig><type>earlyBinding</type></spec>`)
	}
	if got := c.Get(c.Find("/DC0/network/two"), "config.defaultPortConfig")["config.defaultPortConfig"]; !strings.Contains(got, "failover_explicit") || !strings.Contains(got, "<reversePolicy>") {
		t.Error("a policy inherits what it does not say: ", got)
	}
	change := func(operation, host, inside string) string {
		return `<spec><host><operation>` + operation + `</operation>` + vctest.Ref("host", host) + inside + `</host></spec>`
	}
	nics := func(inside string) string {
		return `<backing xsi:type="DistributedVirtualSwitchHostMemberPnicBacking">` + inside + `</backing>`
	}
	ports := func(criteria string) vctest.Answer {
		return c.Must("FetchDVPorts", dvs, `<criteria>`+criteria+`</criteria>`)
	}
	if n := len(ports(`<uplinkPort>true</uplinkPort>`).Texts("returnval")); n != 0 {
		t.Error("uplink ports without a host: ", n)
	}
	c.FailTask("NotFound", "ReconfigureDvs_Task", dvs, change("edit", host, ""))
	c.FailTask("NotFound", "ReconfigureDvs_Task", dvs, change("remove", host, ""))
	c.MustTask("ReconfigureDvs_Task", dvs, change("add", host, ""))
	c.FailTask("AlreadyExists", "ReconfigureDvs_Task", dvs, change("add", host, ""))
	c.MustTask("ReconfigureDvs_Task", dvs, change("add", other, ""))
	up := ports(`<uplinkPort>true</uplinkPort>` + vctest.Ref("host", host))
	keys, names := up.Texts("key"), up.Texts("name")
	if len(keys) != 2 || strings.Join(names, " ") != "up-1 up-2" {
		t.Fatal(up.Body)
	}
	c.FailTask("InvalidArgument", "ReconfigureDvs_Task", dvs, change("edit", host, nics(`<pnicSpec><pnicDevice>vmnic9</pnicDevice></pnicSpec>`)))
	c.FailTask("InvalidArgument", "ReconfigureDvs_Task", dvs, change("edit", host, nics(`<pnicSpec><pnicDevice>vmnic0</pnicDevice><uplinkPortKey>0</uplinkPortKey></pnicSpec>`)))
	c.MustTask("ReconfigureDvs_Task", dvs, change("edit", host, nics(`<pnicSpec><pnicDevice>vmnic0</pnicDevice><uplinkPortKey>`+keys[1]+`</uplinkPortKey></pnicSpec>`)))
	if got := c.Get(dvs, "config.host")["config.host"]; strings.Count(got, "<status>up</status>") != 2 || !strings.Contains(got, "<pnicDevice>vmnic0</pnicDevice><uplinkPortKey>"+keys[1]+"<") {
		t.Error(got)
	}
	if a := ports(`<connected>true</connected>`); strings.Join(a.Texts("nicKey"), " ") != "vmnic0" || a.Text("key") != keys[1] {
		t.Error(a.Body)
	}
	seen := map[string]bool{}
	for _, key := range ports("").Texts("key") {
		if seen[key] {
			t.Error("two ports have the key ", key)
		}
		seen[key] = true
	}
	if len(seen) != 8+8+2*2 {
		t.Error("ports: ", len(seen))
	}
	c.MustTask("ReconfigureDvs_Task", dvs, change("remove", host, ""))
	if n := len(ports(`<uplinkPort>true</uplinkPort>`).Texts("portgroupKey")); n != 2 {
		t.Error("uplink ports of one host: ", n)
	}
}
