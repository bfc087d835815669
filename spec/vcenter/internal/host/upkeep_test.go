package host_test

import (
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
)

func TestWhatScriptsKeepInOrder(t *testing.T) {
	c := vctest.Start(t, vcenter.Options{Fleet: fleet.Demo(), Speed: 4000}).Login(t)
	host := c.Find("/DC0/host/gpu-a/esx-a-1")

	vctest.Breaks(t, "host.time-config")
	dates := manager(c, host, "dateTimeSystem")
	c.Must("UpdateDateTimeConfig", dates, `<config><ntpConfig><server>0.example</server><server>1.example</server></ntpConfig></config>`)
	for _, x := range [][2]string{{dates, "dateTimeInfo"}, {host, "config.dateTimeInfo"}} {
		if got := c.Get(x[0], x[1])[x[1]]; strings.Count(got, "<server>") != 2 || !strings.Contains(got, "<systemClockProtocol>ntp</systemClockProtocol>") {
			t.Error(x, got)
		}
	}
	c.Refused(c.Call("UpdateDateTimeConfig", dates, `<config><timeZone>Mars/Olympus</timeZone></config>`), "InvalidArgument", "config.timeZone")
	c.Refused(c.Call("UpdateDateTimeConfig", dates, `<config><protocol>sundial</protocol></config>`), "InvalidArgument", "config.protocol")

	vctest.Breaks(t, "host.hyperthreading")
	cpu := manager(c, host, "cpuScheduler")
	threads := func() string {
		got := c.Get(host, "config.hyperThread.active", "config.hyperThread.config")
		own := c.Get(cpu, "hyperthreadInfo.active", "hyperthreadInfo.config")
		if got["config.hyperThread.active"] != own["hyperthreadInfo.active"] || got["config.hyperThread.config"] != own["hyperthreadInfo.config"] {
			t.Error("host and scheduler differ: ", got, own)
		}
		return got["config.hyperThread.active"] + " " + got["config.hyperThread.config"]
	}
	c.Must("DisableHyperThreading", cpu, "")
	if got := threads(); got != "true false" {
		t.Error("before the boot: ", got)
	}
	c.MustTask("EnterMaintenanceMode_Task", host, "<timeout>0</timeout>")
	c.MustTask("RebootHost_Task", host, "<force>false</force>")
	vctest.Eventually(t, "active after the boot", func() bool { return c.Get(host, "config.hyperThread.active")["config.hyperThread.active"] == "false" })
	if got := threads(); got != "false false" { // asked once it has come up: two reads may be on either side of the boot
		t.Error("after the boot: ", got)
	}

	vctest.Breaks(t, "host.kernel-modules")
	modules := manager(c, host, "kernelModuleSystem")
	if a := c.Must("QueryConfiguredModuleOptionString", modules, "<name>tcpip4</name>"); a.Text("returnval") != "" {
		t.Error(a.Body)
	}
	c.Must("UpdateModuleOptionString", modules, "<name>tcpip4</name><options>ipv6=0</options>")
	if a := c.Must("QueryConfiguredModuleOptionString", modules, "<name>tcpip4</name>"); a.Text("returnval") != "ipv6=0" {
		t.Error(a.Body)
	}
	if a := c.Must("QueryModules", modules, ""); !strings.Contains(a.Body, "<name>nvmxnet3</name>") || !strings.Contains(a.Body, "<optionString>ipv6=0</optionString>") {
		t.Error(a.Body)
	}
	c.Refused(c.Call("UpdateModuleOptionString", modules, "<name>nosuch</name><options/>"), "NotFound")

	vctest.Breaks(t, "host.packages")
	if a := c.Must("fetchSoftwarePackages", manager(c, host, "imageConfigManager"), ""); strings.Count(a.Body, "<returnval>") < 10 ||
		!strings.Contains(a.Body, "<name>esx-base</name>") || !strings.Contains(a.Body, "<acceptanceLevel>vmware_certified</acceptanceLevel>") {
		t.Error(a.Body)
	}

	vctest.Breaks(t, "cluster.usage")
	a := c.Must("GetResourceUsage", c.Find("/DC0/host/gpu-a"), "")
	if a.Text("memCapacityMB") != "524288" || a.Text("cpuCapacityMHz") == "0" || a.Text("storageCapacityMB") == "0" {
		t.Error(a.Body)
	}

	options := manager(c, host, "advancedOption")
	if got := c.Get(options, "supportedOption")["supportedOption"]; !strings.Contains(got, "<key>Config.HostAgent.log.level</key>") || !strings.Contains(got, "<key>verbose</key>") {
		t.Error("what can be set is described: ", got)
	}
}
