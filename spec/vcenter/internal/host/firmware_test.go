package host_test

// firmware_test.go: hosts whose own BIOS keeps passthrough from working, and what a change
// there needs to come into force.

import (
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vctest"
)

// switched sets a switch of the host's firmware and boots it.
func (r *rig) switched(name string, on bool) {
	r.t.Helper()
	r.s.Control(r.t, "POST", "/set", map[string]any{"host": "esx-a-1", name: on})
	r.boot()
}

func (r *rig) boot() {
	r.t.Helper()
	before := r.Get(r.host, "runtime.bootTime")["runtime.bootTime"]
	r.MustTask("EnterMaintenanceMode_Task", r.host, "<timeout>0</timeout>")
	r.MustTask("RebootHost_Task", r.host, "<force>false</force>")
	vctest.Eventually(r.t, "a new bootTime", func() bool {
		now := r.Get(r.host, "runtime.bootTime", "runtime.connectionState")
		return now["runtime.bootTime"] != before && now["runtime.connectionState"] == "connected"
	})
	r.MustTask("ExitMaintenanceMode_Task", r.host, "<timeout>0</timeout>")
}

func (r *rig) capable(id string) string {
	_, info, _ := strings.Cut(r.Get(r.host, "config.pciPassthruInfo")["config.pciPassthruInfo"], "<id>"+id+"</id>")
	return between(info, "passthruCapable")
}

func TestAHostWithoutIOMMUGivesNothingAway(t *testing.T) {
	vctest.Breaks(t, "host.iommu-off")
	f := fleet.Demo()
	off := false
	f.Clusters[0].Hosts[0].IOMMU = &off
	f.Clusters[0].Hosts[0].Rebind = true
	f.Clusters[0].Hosts[0].Cards[1].Enabled = true // by someone, before VT-d was switched off
	other := f.Clusters[0].Hosts[0].Cards[1].Address
	r := newRig(t, f)
	if c := r.capable(card); c != "false" {
		t.Fatalf("capable: %s", c)
	}
	r.Refused(r.Call("UpdatePassthruConfig", r.system, config(card, "true", "false")), "HostConfigFault", "not capable")
	if e, a := r.state(other); e != "true" || a != "false" {
		t.Fatalf("enabled %s, active %s", e, a)
	}
	if !r.is("summary.rebootRequired", "true") {
		t.Fatal("what is enabled is pending")
	}
	r.boot()
	if e, a := r.state(other); e != "true" || a != "false" {
		t.Fatalf("after a boot: enabled %s, active %s", e, a)
	}
	// switched on in the BIOS: nothing happens before a boot
	r.s.Control(t, "POST", "/set", map[string]any{"host": "esx-a-1", "iommu": true})
	if c := r.capable(card); c != "false" {
		t.Fatal("the BIOS is read at a boot only")
	}
	r.boot()
	if _, a := r.state(other); a != "true" || r.capable(card) != "true" || !r.is("summary.rebootRequired", "false") {
		t.Fatalf("with the IOMMU on: active %s", a)
	}
	r.Must("UpdatePassthruConfig", r.system, config(card, "true", "true"))
	if _, a := r.state(card); a != "true" {
		t.Fatal("the valid request")
	}
}

func TestAHostThatDecodesNothingAbove4G(t *testing.T) {
	vctest.Breaks(t, "host.above-4g-off")
	f := fleet.Demo()
	small := fleet.Device{Address: "0000:af:00.0", Vendor: "10de", Device: "1eb8", Class: "0302", Role: "gpu",
		BARs: []string{"16M:32", "256M:64p", "32M:64p"}}
	f.Clusters[0].Hosts[0].Cards = append(f.Clusters[0].Hosts[0].Cards, small)
	f.Clusters[0].Hosts[0].Rebind = true
	r := newRig(t, f)
	r.switched("above_4g", false)
	if r.capable(card) != "true" {
		t.Fatal("capable")
	}
	r.Must("UpdatePassthruConfig", r.system, config(card, "true", "true")+config(small.Address, "true", "false"))
	r.boot()
	if e, a := r.state(card); e != "true" || a != "false" || !r.is("summary.rebootRequired", "true") {
		t.Fatalf("a card with 128 GB: enabled %s, active %s", e, a)
	}
	if _, a := r.state(small.Address); a != "true" {
		t.Fatal("a card whose registers fit below 4 GB works")
	}
	r.switched("above_4g", true)
	if _, a := r.state(card); a != "true" || !r.is("summary.rebootRequired", "false") {
		t.Fatal("with the switch on it is active")
	}
}
