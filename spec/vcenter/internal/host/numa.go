package host

// numa.go: hardware.numaInfo, which says of each NUMA node which PCI devices are on it.

import (
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/rules"
)

var _ = rules.Add(rules.Rule{ID: "host.numa", Sure: "documented", As: "real", Source: "API reference: HostNumaNode.pciId (6.7): the PCI devices of the node, as Segment:Bus:Device.Function; numNodes",
	Text: "A host of whose devices the fleet file says the NUMA node has these nodes in hardware.numaInfo, each with the addresses of its devices; a device without a node is in none. A host of which it says nothing has the simulator's one node without devices."})

// publishNUMA writes the nodes from the devices that have one.
func (h *Host) publishNUMA() {
	last := -1
	for _, c := range h.Cards {
		if c.NUMA != nil {
			last = max(last, *c.NUMA)
		}
	}
	if last < 0 {
		return
	}
	info := &types.HostNumaInfo{Type: "NUMA", NumNodes: int32(last) + 1}
	threads, memory := 2*h.Desc.CPUs/(last+1), (int64(h.Desc.MemoryGB)<<30)/int64(last+1)
	for i := 0; i <= last; i++ {
		node := types.HostNumaNode{TypeId: byte(i), MemorySize: memory, MemoryRangeLength: memory}
		for t := range threads {
			node.CpuID = append(node.CpuID, int16(i*threads+t))
		}
		for _, c := range h.Cards {
			if c.NUMA != nil && *c.NUMA == i && !c.Absent {
				node.PciId = append(node.PciId, c.Address)
			}
		}
		info.NumaNode = append(info.NumaNode, node)
	}
	h.HS.Hardware.NumaInfo = info
}
