package host_test

import (
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
)

func TestConfigOptionFiltersByGuestIds(t *testing.T) {
	vctest.Breaks(t, "host.config-option-guests")
	s := vctest.Start(t, vcenter.Options{})
	c := s.Login(t)
	eb := c.Get(c.Find("/DC0/host/gpu-a"), "environmentBrowser")["environmentBrowser"]
	count := func(ids ...string) int {
		inside := "<spec>"
		for _, id := range ids {
			inside += "<guestId>" + id + "</guestId>"
		}
		return strings.Count(c.Must("QueryConfigOptionEx", "EnvironmentBrowser:"+eb, inside+"</spec>").Body, "<guestOSDescriptor>")
	}
	if n := count("ubuntu64Guest", "windows2022srvNext_64Guest", "nonsenseGuest"); n != 2 {
		t.Fatal("two ids of three are known, and it listed ", n)
	}
	if all, none := count(), count("nonsenseGuest"); all < 100 || none != all {
		t.Fatal("without a match the whole list is due: ", none, " of ", all)
	}
}

func TestConfigOptionHasEveryRequiredField(t *testing.T) {
	vctest.Breaks(t, "host.config-option", "host.guest-descriptor")
	s := vctest.Start(t, vcenter.Options{})
	c := s.Login(t)
	browser := "EnvironmentBrowser:" + c.Get(c.Find("/DC0/host/gpu-a"), "environmentBrowser")["environmentBrowser"]
	for key, want := range map[string][3]string{"": {"vmx-21", "768", "25149440"}, "vmx-17": {"vmx-17", "256", "6275072"}, "vmx-08": {"vmx-08", "32", "1035264"}} {
		inside := ""
		if key != "" {
			inside = "<key>" + key + "</key>"
		}
		a := c.Must("QueryConfigOption", browser, inside)
		if v := a.Text("version"); v != want[0] {
			t.Fatal(key, " has the version ", v)
		}
		rest := strings.Split(a.Body, "<guestOSDescriptor>")[1:]
		if len(rest) < 150 {
			t.Fatal("guests: ", len(rest))
		}
		for _, one := range rest {
			one, _, _ = strings.Cut(one, "</guestOSDescriptor>")
			for _, field := range []string{"id", "family", "fullName", "supportedMaxCPUs", "numSupportedPhysicalSockets", "numSupportedCoresPerSocket",
				"supportedMinMemMB", "supportedMaxMemMB", "recommendedMemMB", "recommendedColorDepth", "supportedDiskControllerList",
				"recommendedDiskController", "supportedNumDisks", "recommendedDiskSizeMB", "recommendedCdromController", "supportedEthernetCard",
				"smcRequired", "supportsWakeOnLan", "supportsVMI", "supportsMemoryHotAdd", "supportsCpuHotAdd", "supportsCpuHotRemove",
				"supportedFirmware", "recommendedFirmware", "supports3D", "recommended3D", "smcRecommended", "ich7mRecommended", "usbRecommended",
				"supportLevel", "supportedForCreate", "vRAMSizeInKB", "numSupportedFloppyDevices", "supportsPvscsiControllerForBoot",
				"diskUuidEnabled", "supportsHotPlugPCI"} {
				if !strings.Contains(one, "<"+field+">") || strings.Contains(one, "<"+field+"></") {
					t.Fatal("no ", field, " in ", one)
				}
			}
			if name, id := between(one, "fullName"), between(one, "id"); name == id {
				t.Error(id, " has no name of its own")
			}
		}
		if a.Text("supportedMaxCPUs") != want[1] || !strings.Contains(a.Body, "<supportedMaxMemMB>"+want[2]+"</supportedMaxMemMB>") {
			t.Fatal(key, ": limits of another hardware version")
		}
		for _, field := range []string{"description", "guestOSDefaultIndex", "hwVersion", "numCPU", "numCoresPerSocket", "memoryMB", "resourceConfigOption",
			"capabilities", "datastore", "supportedMonitorType"} {
			if !strings.Contains(a.Body, "<"+field+">") && !strings.Contains(a.Body, "<"+field+"/>") {
				t.Fatal("no ", field)
			}
		}
	}
	if a := c.Must("QueryConfigOption", browser, "<key>vmx-99</key>"); strings.Contains(a.Body, "returnval") {
		t.Fatal("no host offers vmx-99: ", a.Body)
	}
	other := c.Must("QueryConfigOption", browser, vctest.Ref("host", c.Find("/DC0/host/gpu-a/esx-a-1")))
	if other.Text("version") != "vmx-21" {
		t.Fatal(other.Body)
	}
	c.Refused(c.Call("QueryConfigOption", browser, vctest.Ref("host", c.Find("/DC0/host/gpu-b/esx-b-1"))), "InvalidArgument", "host")
}

func TestNetworksListTheirHosts(t *testing.T) {
	vctest.Breaks(t, "host.network-hosts")
	f := fleet.Demo()
	f.Networks = []string{"VM Network", "Storage"}
	f.Clusters[1].Hosts[0].Networks = []string{"VM Network"}
	s := vctest.Start(t, vcenter.Options{Fleet: f})
	c := s.Login(t)
	hosts := func(name string) int {
		return strings.Count(c.Get(c.Find("/DC0/network/"+name), "host")["host"], "host-")
	}
	if a, b := hosts("VM Network"), hosts("Storage"); a != 2 || b != 1 {
		t.Fatal("hosts of the networks: ", a, b)
	}
}
