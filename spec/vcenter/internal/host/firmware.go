package host

// firmware.go: the two switches of a server's own firmware that passthrough depends on. VT-d
// (on AMD: IOMMU) keeps a device's memory accesses within its VM: without it no device
// can be given away. "Above 4G decoding" lets the firmware place registers above 4 GB:
// without it a card with large BARs gets no addresses and works for no VM. Both are read
// at a boot only.

import "gpupt.test/vcenter/internal/fleet"

// below4G is the space below 4 GB for the 64-bit BARs of one card beside those of the board.
const below4G = 1 << 30

type firmware struct{ iommu, above4G bool }

// Capable is passthruCapable.
func (h *Host) Capable(c *Card) bool { return *c.Capable && h.firmware.iommu }

// Gives reports whether a VM may be given the device: a VM of the fleet file also on a
// host that has lost its IOMMU since.
func (h *Host) Gives(c *Card) bool { return *c.Capable && (h.firmware.iommu || !h.built) }

// passes reports whether a device that is enabled is active after a boot.
func (h *Host) passes(c *Card) bool {
	return h.firmware.iommu && (h.firmware.above4G || c.wide() <= below4G)
}

// wide is the sum of a function's 64-bit BARs.
func (c *Card) wide() (sum uint64) {
	for _, s := range c.BARs {
		if b, err := fleet.ParseBAR(s); err == nil && b.Is64 {
			sum += b.Size
		}
	}
	return sum
}

// UUID is what its firmware says.
func (h *Host) UUID() string { return h.HS.Hardware.SystemInfo.Uuid }

// Switched is a switch of its firmware, as the next boot will find it.
func (h *Host) Switched(name string) bool {
	if name == "iommu" {
		return h.setup.iommu
	}
	return h.setup.above4G
}

// Switch sets it.
func (h *Host) Switch(name string, on bool) {
	if name == "iommu" {
		h.setup.iommu = on
	} else {
		h.setup.above4G = on
	}
}
