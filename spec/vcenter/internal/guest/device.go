package guest

// device.go: PCI functions as a guest sees them, the drivers that take them, and what keeps
// a driver from working. The rules are the cases that administrators meet: no space for a
// BAR, no driver, nouveau bound to the card, an old GeForce driver that sees a hypervisor.

import (
	"fmt"
	"strconv"
	"strings"

	"gpupt.test/vcenter/internal/bars"
)

// Device is one function in the guest.
type Device struct {
	Address              string // 0000:13:00.0
	Vendor, Device       uint16
	SubVendor, SubDevice uint16
	Class                uint32 // 24 bits
	Revision             uint8
	VendorName, Name     string
	Bars                 []bars.Bar
	At                   []uint64 // address of each BAR, 0 = unassigned
	Passthrough          bool
	Host                 string // address on the host
	Serial               string
}

// Missing is the sum of the memory BARs that have no address.
func (d *Device) Missing() (n uint64) {
	for i, b := range d.Bars {
		if !b.IO && (i >= len(d.At) || d.At[i] == 0) {
			n += b.Size
		}
	}
	return n
}

// Slot returns the guest's bus address behind the n-th PCIe root port, and the number that
// the vmx calls pciSlotNumber: ports 15.0 16.0 17.0 18.0, then 15.1 16.1 and so on.
func Slot(n int) (address string, slotNumber int) {
	port, fn := n%4, n/4
	bus := 3 + 8*port + fn
	return fmt.Sprintf("0000:%02x:00.0", bus), 160 + 32*port + 1024*fn
}

// GPU reports whether it is a graphics or accelerator card.
func (d *Device) GPU() bool {
	return d.Passthrough && (d.Class>>16 == 0x03 || d.Class>>8 == 0x1200)
}

func (d *Device) intel() bool { return d.Vendor == 0x8086 && d.GPU() }

func (d *Device) nvidia() bool { return d.Vendor == 0x10de && d.GPU() }

// GeForce cards refused to work in a VM with drivers before 465.
func (d *Device) GeForce() bool {
	return d.nvidia() && (strings.Contains(d.Name, "GeForce") || strings.Contains(d.Name, "TITAN"))
}

func major(version string) int {
	n, _, _ := strings.Cut(version, ".")
	v, _ := strconv.Atoi(n)
	return v
}

// refused is the old driver's check for a hypervisor.
func (m *Machine) refused(d *Device) bool {
	return d.GeForce() && m.disk.Driver != "" && major(m.disk.Driver) < 465 && !m.hw.Hidden
}

// problemCode is ConfigManagerErrorCode.
func (m *Machine) problemCode(d *Device) int {
	if d.Missing() > 0 {
		return 12
	}
	if c, ok := m.problem[d.Host]; ok && d.Passthrough {
		return c
	}
	if !d.Passthrough {
		return 0
	}
	if d.nvidia() && m.disk.Driver != "" && m.misfit(d) == nil {
		if m.refused(d) {
			return 43
		}
		return 0
	}
	if d.Class>>8 == 0x0300 {
		return 0 // Microsoft Basic Display Adapter
	}
	return 28
}

func (m *Machine) windowsService(d *Device) string {
	switch {
	case d.nvidia() && m.disk.Driver != "" && m.misfit(d) == nil:
		return "nvlddmkm"
	case d.Class>>8 == 0x0300 && d.Passthrough:
		return "BasicDisplay"
	case d.Passthrough:
		return ""
	}
	return "vmware"
}

// blacklisted reads the module's blacklist as it was at the last update of the initramfs.
func (m *Machine) blacklisted(module string) bool { return m.disk.Initramfs[module] }

// nouveauTakes: the cards that the in-tree driver can drive.
func nouveauTakes(d *Device) bool {
	n := d.Name
	return d.nvidia() && !strings.Contains(n, "GA100") && !strings.Contains(n, "GH100") && !strings.Contains(n, "GB100") &&
		!strings.Contains(n, "AD10") && !strings.Contains(n, "GB20")
}

// linuxDriver names the driver that holds a device ("" none).
func (m *Machine) linuxDriver(d *Device) string {
	switch {
	case d.nvidia():
		if m.modules["nvidia"] && !m.modules["nouveau"] && d.Missing() == 0 && !m.refused(d) && m.misfit(d) == nil {
			if c := m.problem[d.Host]; c == 0 {
				return "nvidia"
			}
			return "nvidia" // bound, though RmInitAdapter failed
		}
		if m.modules["nouveau"] && nouveauTakes(d) {
			return "nouveau"
		}
		return ""
	case d.intel():
		if d.Missing() == 0 && m.modules["i915"] {
			return "i915"
		}
		return ""
	case d.Vendor == 0x1002 && d.GPU():
		if d.Missing() == 0 {
			return "amdgpu"
		}
		return ""
	}
	return map[string]string{"15ad:0405": "vmwgfx", "15ad:0740": "vmw_vmci", "15ad:07b0": "vmxnet3", "15ad:07c0": "vmw_pvscsi",
		"1000:0054": "mptsas", "1000:0030": "mptspi", "15ad:07e0": "ahci", "15ad:07f0": "nvme", "8086:10d3": "e1000e",
		"15ad:07a0": "pcieport", "8086:7191": "", "8086:7111": "ata_piix", "8086:100f": "e1000",
		"8086:7190": "agpgart-intel"}[d.id()]
}

func (d *Device) id() string { return fmt.Sprintf("%04x:%04x", d.Vendor, d.Device) }

func (d *Device) short() string { return strings.TrimPrefix(d.Address, "0000:") }

// working reports whether the vendor's driver really runs the card (nvidia-smi lists it).
func (m *Machine) working(d *Device) bool {
	if !d.nvidia() || d.Missing() > 0 || m.disk.Driver == "" || m.refused(d) || m.misfit(d) != nil || m.problem[d.Host] != 0 {
		return false
	}
	if m.disk.OS == "windows" {
		return true
	}
	return m.linuxDriver(d) == "nvidia"
}

// className is pci.ids' word for a class.
func className(class uint32) string {
	if n, ok := map[uint32]string{0x0300: "VGA compatible controller", 0x0302: "3D controller", 0x0380: "Display controller",
		0x1200: "Processing accelerators", 0x0403: "Audio device", 0x0200: "Ethernet controller", 0x0107: "Serial Attached SCSI controller",
		0x0100: "SCSI storage controller", 0x0106: "SATA controller", 0x0108: "Non-Volatile memory controller",
		0x0600: "Host bridge", 0x0601: "ISA bridge", 0x0604: "PCI bridge", 0x0101: "IDE interface", 0x0680: "Bridge",
		0x0880: "System peripheral", 0x0c03: "USB controller", 0x0104: "RAID bus controller"}[class>>8]; ok {
		return n
	}
	return fmt.Sprintf("Class %04x", class>>8)
}

// memory of a card as nvidia-smi reports it: the largest BAR is not the memory, but the
// name says it for datacentre cards ("80GB"); else the largest 64-bit BAR counts.
func (d *Device) memoryMiB() int {
	if i := strings.Index(d.Name, "GB"); i > 0 {
		j := i
		for j > 0 && d.Name[j-1] >= '0' && d.Name[j-1] <= '9' {
			j--
		}
		if n, err := strconv.Atoi(d.Name[j:i]); err == nil && n > 0 {
			return n * 1024
		}
	}
	var most uint64
	for _, b := range d.Bars {
		if b.Mem64 && b.Size > most {
			most = b.Size
		}
	}
	if most < 1<<30 {
		return 16384
	}
	return int(most >> 20)
}

// model is the product name without the chip: "GA100 [A100 PCIe 80GB]" is "NVIDIA A100 PCIe 80GB".
func (d *Device) model() string {
	n := d.Name
	if i, j := strings.IndexByte(n, '['), strings.IndexByte(n, ']'); i >= 0 && j > i {
		n = n[i+1 : j]
	}
	if d.Vendor == 0x10de && !strings.HasPrefix(n, "NVIDIA") {
		n = "NVIDIA " + n
	}
	return n
}

// Virtual creates one of VMware's own devices.
func Virtual(address, id string, class uint32, vendor, name string, list ...string) *Device {
	b, err := bars.Parse(list)
	if err != nil {
		panic(err)
	}
	d := &Device{Address: address, Class: class, VendorName: vendor, Name: name, Bars: b, Revision: 1}
	fmt.Sscanf(id, "%x:%x", &d.Vendor, &d.Device)
	d.SubVendor, d.SubDevice = 0x15ad, d.Device
	d.At = make([]uint64, len(b))
	next := uint64(0xfd000000)
	for i, bar := range b {
		if bar.IO {
			d.At[i] = 0x5000
			continue
		}
		next = next &^ (bar.Size - 1)
		d.At[i] = next
		next -= bar.Size
	}
	return d
}

// Board is what every VM has: chipset, VMCI, SVGA, root ports.
func Board() []*Device {
	list := []*Device{
		Virtual("0000:00:00.0", "8086:7190", 0x060000, "Intel Corporation", "440BX/ZX/DX - 82443BX/ZX/DX Host bridge"),
		Virtual("0000:00:01.0", "8086:7191", 0x060400, "Intel Corporation", "440BX/ZX/DX - 82443BX/ZX/DX AGP bridge"),
		Virtual("0000:00:07.0", "8086:7110", 0x060100, "Intel Corporation", "82371AB/EB/MB PIIX4 ISA"),
		Virtual("0000:00:07.3", "8086:7113", 0x068000, "Intel Corporation", "82371AB/EB/MB PIIX4 ACPI"),
		Virtual("0000:00:07.7", "15ad:0740", 0x088000, "VMware", "Virtual Machine Communication Interface", "64:io", "256K:64p"),
		Virtual("0000:00:0f.0", "15ad:0405", 0x030000, "VMware", "SVGA II Adapter", "16:io", "128M:32p", "8M:32"),
		Virtual("0000:00:11.0", "15ad:0790", 0x060401, "VMware", "PCI bridge"),
	}
	for port := 0x15; port <= 0x18; port++ {
		list = append(list, Virtual(fmt.Sprintf("0000:00:%02x.0", port), "15ad:07a0", 0x060400, "VMware", "PCI Express Root Port"))
	}
	return list
}
