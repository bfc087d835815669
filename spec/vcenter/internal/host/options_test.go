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
