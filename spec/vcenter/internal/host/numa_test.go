package host_test

// numa_test.go: which PCI devices are on which NUMA node.

import (
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vctest"
)

func TestNUMANodesNameTheirDevices(t *testing.T) {
	vctest.Breaks(t, "host.numa")
	f := fleet.Demo()
	zero, one := 0, 1
	h := &f.Clusters[0].Hosts[0]
	h.CPUs, h.MemoryGB = 16, 256
	h.Cards = []fleet.Device{fleet.A100("0000:3b:00.0"), fleet.A100("0000:86:00.0"), fleet.A100("0000:af:00.0")}
	h.Cards[0].NUMA, h.Cards[1].NUMA = &zero, &one
	r := newRig(t, f)
	info := r.Get(r.host, "hardware.numaInfo")["hardware.numaInfo"]
	for _, want := range []string{"<numNodes>2</numNodes>", "<typeId>1</typeId>", "<pciId>0000:3b:00.0</pciId>",
		"<pciId>0000:86:00.0</pciId>", "<memorySize>137438953472</memorySize>"} {
		if !strings.Contains(info, want) {
			t.Errorf("%s is missing in %s", want, info)
		}
	}
	if strings.Contains(info, "0000:af:00.0") || strings.Index(info, "0000:86") < strings.Index(info, "<typeId>1<") {
		t.Errorf("a device is on the wrong node: %s", info)
	}
	other := r.Get(r.Find("DC0/host/gpu-b/esx-b-1"), "hardware.numaInfo")["hardware.numaInfo"]
	if strings.Contains(other, "pciId") {
		t.Errorf("the other host names devices: %s", other)
	}
}
