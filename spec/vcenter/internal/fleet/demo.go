package fleet

// BoardDevices are the functions that every server has beside its GPUs: the BMC's VGA,
// two network ports (vmk0 uses the first), a boot HBA, an NVMe disk, a USB controller.
func BoardDevices() []Device {
	no := false
	return []Device{
		{Address: "0000:00:00.0", Vendor: "8086", Device: "09a2", SubVendor: "8086", Class: "0600", Revision: "04",
			Name: "Ice Lake Memory Map/VT-d", Capable: &no, Role: "bridge"},
		{Address: "0000:00:14.0", Vendor: "8086", Device: "a1af", SubVendor: "17aa", SubDevice: "7c3d", Class: "0c03",
			Name: "C620 Series Chipset Family USB 3.0 xHCI Controller", BARs: []string{"64K:64"}, Role: "usb"},
		{Address: "0000:02:00.0", Vendor: "1a03", Device: "1150", SubVendor: "1a03", SubDevice: "1150", Class: "0604",
			Name: "AST1150 PCI-to-PCI Bridge", Capable: &no, Role: "bridge"},
		{Address: "0000:03:00.0", Vendor: "1a03", Device: "2000", SubVendor: "1a03", SubDevice: "2000", Class: "0300", Revision: "41",
			Name: "ASPEED Graphics Family", BARs: []string{"16M:32", "128K:32", "128:io"}, Parent: "0000:02:00.0", Role: "vga"},
		{Address: "0000:18:00.0", Vendor: "14e4", Device: "16d7", SubVendor: "14e4", SubDevice: "1402", Class: "0200",
			Name: "BCM57414 NetXtreme-E 10Gb/25Gb RDMA Ethernet Controller", BARs: []string{"64K:64p", "1M:64p"},
			Dependent: "0000:18:00.1", Role: "nic"},
		{Address: "0000:18:00.1", Vendor: "14e4", Device: "16d7", SubVendor: "14e4", SubDevice: "1402", Class: "0200",
			Name: "BCM57414 NetXtreme-E 10Gb/25Gb RDMA Ethernet Controller", BARs: []string{"64K:64p", "1M:64p"},
			Dependent: "0000:18:00.0", Role: "nic"},
		{Address: "0000:19:00.0", Vendor: "1000", Device: "10e2", SubVendor: "1000", SubDevice: "40d5", Class: "0104",
			Name: "MegaRAID 12GSAS/PCIe Secure SAS39xx", BARs: []string{"1M:64p", "1M:64p"}, Role: "hba"},
		{Address: "0000:1a:00.0", Vendor: "144d", Device: "a808", SubVendor: "144d", SubDevice: "a801", Class: "0108",
			Name: "NVMe SSD Controller SM981/PM981/PM983", BARs: []string{"16K:64"}, Role: "nvme"},
	}
}

// A100 is an NVIDIA A100 80GB PCIe at an address.
func A100(address string) Device {
	return Device{Address: address, Vendor: "10de", Device: "20b5", SubVendor: "10de", SubDevice: "1533", Class: "0302",
		Name: "GA100 [A100 PCIe 80GB]", BARs: []string{"16M:32", "128G:64p", "32M:64p"}, Role: "gpu"}
}

// Demo is the fleet that is used without a file.
func Demo() *Fleet {
	cards := func() []Device { return []Device{A100("0000:3b:00.0"), A100("0000:86:00.0")} }
	return &Fleet{
		Clusters: []Cluster{
			{Name: "gpu-a", Hosts: []Host{{Name: "esx-a-1", Cards: cards()}}},
			{Name: "gpu-b", Hosts: []Host{{Name: "esx-b-1", Cards: cards()}}},
		},
		Datastores: []Datastore{{Name: "ds-1", Files: map[string]File{
			"iso/windows-2022.iso":    {OS: "windows"},
			"iso/ubuntu-24.04.iso":    {OS: "ubuntu"},
			"iso/windows-answer.iso":  {Source: "builtin:windows-answer"},
			"iso/ubuntu-answer.iso":   {Source: "builtin:ubuntu-answer"},
			"iso/vmware-tools-12.iso": {Source: "builtin:tools"},
		}}},
	}
}
