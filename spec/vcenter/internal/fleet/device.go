package fleet

// device.go: a PCI function's defaults, and its base address registers.

import (
	"fmt"
	"strconv"
	"strings"
)

func (d *Device) fill() error {
	if d.Address == "" || d.Vendor == "" || d.Device == "" {
		return fmt.Errorf("address, vendor and device are needed")
	}
	d.Address = strings.ToLower(d.Address)
	if strings.Count(d.Address, ":") == 1 {
		d.Address = "0000:" + d.Address
	}
	if _, _, _, _, err := d.BDF(); err != nil {
		return err
	}
	if d.SubVendor == "" {
		d.SubVendor = d.Vendor
	}
	if d.SubDevice == "" {
		d.SubDevice = "0000"
	}
	if d.Class == "" {
		d.Class = "0302"
	}
	if d.Revision == "" {
		d.Revision = "a1"
	}
	for _, id := range []string{d.Vendor, d.Device, d.SubVendor, d.SubDevice, d.Class} {
		if _, err := strconv.ParseUint(id, 16, 16); err != nil {
			return fmt.Errorf("%q is not a 16-bit hexadecimal number", id)
		}
	}
	if d.VendorTxt == "" {
		d.VendorTxt = vendors[d.Vendor]
	}
	if d.Name == "" {
		d.Name = "PCI device " + d.Vendor + ":" + d.Device
	}
	if d.Capable == nil {
		yes := true
		d.Capable = &yes
	}
	if d.Active == nil {
		a := d.Enabled
		d.Active = &a
	}
	for _, b := range d.BARs {
		if _, err := ParseBAR(b); err != nil {
			return err
		}
	}
	return nil
}

var vendors = map[string]string{
	"10de": "NVIDIA Corporation", "1002": "Advanced Micro Devices, Inc. [AMD/ATI]", "8086": "Intel Corporation",
	"1a03": "ASPEED Technology, Inc.", "102b": "Matrox Electronics Systems Ltd.", "14e4": "Broadcom Inc. and subsidiaries",
	"1000": "Broadcom / LSI", "15b3": "Mellanox Technologies", "144d": "Samsung Electronics Co Ltd",
}

// BDF returns domain, bus, slot and function of the address.
func (d *Device) BDF() (domain, bus, slot, fn int, err error) {
	n, err := fmt.Sscanf(d.Address, "%x:%x:%x.%x", &domain, &bus, &slot, &fn)
	if err != nil || n != 4 || bus > 255 || slot > 31 || fn > 7 {
		err = fmt.Errorf("%q is not a PCI address", d.Address)
	}
	return
}

// ID returns one of the hexadecimal ids as a number.
func ID(hex string) uint16 {
	v, _ := strconv.ParseUint(hex, 16, 16)
	return uint16(v)
}

// BAR is a base address register.
type BAR struct {
	Size     uint64
	Is64     bool
	IO       bool
	Prefetch bool
}

// ParseBAR reads "16M:32", "128G:64p", "128:io"; "-" is an empty register.
func ParseBAR(s string) (BAR, error) {
	if s == "-" {
		return BAR{}, nil
	}
	size, kind, _ := strings.Cut(s, ":")
	unit := uint64(1)
	if size != "" {
		if i := strings.IndexByte("KMGT", size[len(size)-1]); i >= 0 {
			unit = 1 << (10 * (i + 1))
			size = size[:len(size)-1]
		}
	}
	n, err := strconv.ParseUint(size, 10, 64)
	b := BAR{Size: n * unit}
	switch kind {
	case "32", "":
	case "32p":
		b.Prefetch = true
	case "64":
		b.Is64 = true
	case "64p":
		b.Is64, b.Prefetch = true, true
	case "io":
		b.IO = true
	default:
		err = fmt.Errorf("unknown kind")
	}
	if err != nil || b.Size == 0 || b.Size&(b.Size-1) != 0 {
		return b, fmt.Errorf("%q is not a BAR (write 16M:32, 128G:64p or 128:io)", s)
	}
	return b, nil
}
