package host

// firmware.go: the two switches of a server's own firmware that passthrough hangs on. VT-d
// (on AMD: IOMMU) keeps a device's memory accesses within its machine: without it no device
// can be given away. "Above 4G decoding" lets the firmware place registers above 4 GB:
// without it a card with large BARs gets no addresses, and works for nobody. Both are read
// at a boot only.

import "gpupt.test/vcenter/internal/fleet"

// below4G is what 64-bit BARs of one card find below 4 GB beside those of the board.
const below4G = 1 << 30

type firmware struct{ iommu, above4G bool }

// Capable is passthruCapable.
func (h *Host) Capable(c *Card) bool { return *c.Capable && h.firmware.iommu }

// Gives tells whether a machine may be given the device: a machine of the fleet file also on a
// host that has lost its IOMMU since.
func (h *Host) Gives(c *Card) bool { return *c.Capable && (h.firmware.iommu || !h.begun) }

// passes tells whether a device that is enabled is active after a boot.
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
