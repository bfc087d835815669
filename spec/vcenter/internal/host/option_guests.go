package host

// option_guests.go: what a config option says of each guest operating system.

import (
	"regexp"
	"strings"

	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/rules"
)

var _ = rules.Add(rules.Rule{ID: "host.guest-descriptor", Sure: "inferred", As: "laxer: a real one lists only the guests that its release knows", Source: "API reference: GuestOsDescriptor, which fields are required, and VirtualMachineGuestOsIdentifier; Broadcom KB 312100 for the limits of a hardware version; none for what is recommended for a guest",
	Text: "Each GuestOsDescriptor has all required fields: names and families by the id, CPUs and memory by hardware version (32-bit guests: 64 GB), controllers, network card and firmware by the age of the guest. Laxer than a real one: ids that are newer than the server are listed too."})

// limits of a hardware version: vCPUs and memory in GB.
func limits(hw int) (cpus, memoryGB int32) {
	for _, row := range [][3]int32{{22, 960, 24560}, {18, 768, 24560}, {15, 256, 6128}, {12, 128, 6128}, {11, 128, 4080}, {10, 64, 1011}, {9, 64, 1011}} {
		if int32(hw) >= row[0] {
			return row[1], row[2]
		}
	}
	return 32, 1011
}

// guestTitles are the names that cannot be made from the id.
var guestTitles = map[string]string{
	"dos": "Microsoft MS-DOS", "win31": "Microsoft Windows 3.1", "win95": "Microsoft Windows 95", "win98": "Microsoft Windows 98",
	"winMe": "Microsoft Windows Millennium Edition", "winNT": "Microsoft Windows NT", "win2000Pro": "Microsoft Windows 2000 Professional",
	"win2000Serv": "Microsoft Windows 2000 Server", "win2000AdvServ": "Microsoft Windows 2000 Advanced Server",
	"winXPHome": "Microsoft Windows XP Home Edition", "winXPPro": "Microsoft Windows XP Professional",
	"winNetWeb": "Microsoft Windows Server 2003 Web Edition", "winNetStandard": "Microsoft Windows Server 2003 Standard",
	"winNetEnterprise": "Microsoft Windows Server 2003", "winNetDatacenter": "Microsoft Windows Server 2003 Datacenter",
	"winNetBusiness": "Microsoft Small Business Server 2003", "winLonghorn": "Microsoft Windows Server 2008", "winVista": "Microsoft Windows Vista",
	"windows7Server": "Microsoft Windows Server 2008 R2", "windows8Server": "Microsoft Windows Server 2012",
	"windows9": "Microsoft Windows 10", "windows9Server": "Microsoft Windows Server 2016", "windowsHyperV": "Microsoft Windows Hyper-V",
	"windows2019srv": "Microsoft Windows Server 2019", "windows2019srvNext": "Microsoft Windows Server 2022",
	"windows2022srvNext": "Microsoft Windows Server 2025", "redhat": "Red Hat Linux", "nld9": "Novell Linux Desktop 9",
	"oes": "Open Enterprise Server", "sjds": "Sun Java Desktop System", "mandrake": "Mandrake Linux", "mandriva": "Mandriva Linux",
	"turboLinux": "Turbolinux", "ubuntu": "Ubuntu Linux", "suse": "SUSE Linux", "opensuse": "SUSE openSUSE", "fedora": "Red Hat Fedora",
	"coreos": "CoreOS Linux", "vmwarePhoton": "VMware Photon OS", "otherLinux": "Other Linux", "genericLinux": "Other Linux",
	"other24xLinux": "Other 2.4.x Linux", "other26xLinux": "Other 2.6.x Linux", "other": "Other", "os2": "IBM OS/2",
	"eComStation": "Serenity Systems eComStation 1", "eComStation2": "Serenity Systems eComStation 2", "rockylinux": "Rocky Linux",
	"almalinux": "AlmaLinux", "fusionos": "FusionOS", "prolinux": "ProLinux", "kylinlinux": "Kylin Linux", "pardus": "Pardus",
	"miraclelinux": "MIRACLE LINUX", "vmkernel65": "VMware ESXi 6.5", "crxPod1": "VMware CRX Pod 1", "crxSys1": "VMware CRX System 1",
}

// guestMakers are the names that a number follows.
var guestMakers = map[string]string{
	"windows": "Microsoft Windows", "rhel": "Red Hat Enterprise Linux", "centos": "CentOS", "oracleLinux": "Oracle Linux",
	"sles": "SUSE Linux Enterprise", "debian": "Debian GNU/Linux", "asianux": "Asianux", "freebsd": "FreeBSD", "solaris": "Oracle Solaris",
	"netware": "Novell NetWare", "openServer": "SCO OpenServer", "unixWare": "SCO UnixWare", "darwin": "Apple Mac OS X", "vmkernel": "VMware ESXi",
	"amazonlinux": "Amazon Linux",
}

var (
	guestID     = regexp.MustCompile(`^(.*?)_?(64)?Guest(64)?$`)
	guestNumber = regexp.MustCompile(`^([A-Za-z]+?)([0-9]*)$`)
	otherLinux  = regexp.MustCompile(`^other([0-9])xLinux$`)
)

// GuestName is the full name of a guest id, with its word length; an unknown id is its own name.
func GuestName(id string) string {
	m := guestID.FindStringSubmatch(id)
	if m == nil {
		return id
	}
	name := guestTitles[m[1]]
	if n := otherLinux.FindStringSubmatch(m[1]); n != nil {
		name = "Other " + n[1] + ".x or later Linux"
	}
	if n := guestNumber.FindStringSubmatch(m[1]); name == "" && n != nil && guestMakers[n[1]] != "" {
		name = strings.TrimSpace(guestMakers[n[1]] + " " + n[2])
	}
	if name == "" {
		return id
	}
	if wide(id) {
		return name + " (64-bit)"
	}
	return name + " (32-bit)"
}

var always64 = regexp.MustCompile(`^(vmkernel|crx|windowsHyperV)`)

func wide(id string) bool {
	m := guestID.FindStringSubmatch(id)
	return m != nil && (m[2] != "" || m[3] != "") || always64.MatchString(id)
}

func guestFamily(id string) types.VirtualMachineGuestOsFamily {
	for _, row := range []struct {
		start  string
		family types.VirtualMachineGuestOsFamily
	}{
		{"win", types.VirtualMachineGuestOsFamilyWindowsGuest}, {"darwin", types.VirtualMachineGuestOsFamilyDarwinGuestFamily},
		{"solaris", types.VirtualMachineGuestOsFamilySolarisGuest}, {"netware", types.VirtualMachineGuestOsFamilyNetwareGuest},
		{"otherGuest", types.VirtualMachineGuestOsFamilyOtherGuestFamily}, {"dos", types.VirtualMachineGuestOsFamilyOtherGuestFamily},
		{"os2", types.VirtualMachineGuestOsFamilyOtherGuestFamily}, {"eCom", types.VirtualMachineGuestOsFamilyOtherGuestFamily},
		{"freebsd", types.VirtualMachineGuestOsFamilyOtherGuestFamily}, {"openServer", types.VirtualMachineGuestOsFamilyOtherGuestFamily},
		{"unixWare", types.VirtualMachineGuestOsFamilyOtherGuestFamily}, {"vmkernel", types.VirtualMachineGuestOsFamilyOtherGuestFamily},
		{"crx", types.VirtualMachineGuestOsFamilyOtherGuestFamily},
	} {
		if strings.HasPrefix(id, row.start) {
			return row.family
		}
	}
	return types.VirtualMachineGuestOsFamilyLinuxGuest
}

var (
	legacy = regexp.MustCompile(`^(dos|win31|win95|win98|winMe|winNT|win2000|winXP|winNet|winVista|redhat|rhel2|suseG|suse64|nld9|oes|sjds|mandr|turbo|solaris[6-9]|os2|eCom|netware|openServer|unixWare|vmkernelG|vmkernel5|debian[4-7]|other24)`)
	uefi   = regexp.MustCompile(`^(windows(9|1|2)|rhel([89]|10)|centos[89]|oracleLinux([89]|10)|sles1[56]|debian1|ubuntu|rocky|alma|vmwarePhoton|other[4-7]xLinux|vmkernel[6-9]|darwin|amazon|fedora|freebsd1)`)
	tpm    = regexp.MustCompile(`^windows1[12]_`)
)

// descriptor of a guest id on a hardware version.
func descriptor(id string, hw int) types.GuestOsDescriptor {
	cpus, memoryGB := limits(hw)
	memoryMB, modern := memoryGB<<10, wide(id) && !legacy.MatchString(id)
	if !wide(id) {
		memoryMB = min(memoryMB, 64<<10)
	}
	family := guestFamily(id)
	windows, mac := family == types.VirtualMachineGuestOsFamilyWindowsGuest, family == types.VirtualMachineGuestOsFamilyDarwinGuestFamily
	efi := wide(id) && uefi.MatchString(id)
	yes, no := true, false
	d := types.GuestOsDescriptor{Id: id, Family: string(family), FullName: GuestName(id),
		SupportedMaxCPUs: cpus, NumSupportedPhysicalSockets: cpus, NumSupportedCoresPerSocket: min(cpus, 256),
		SupportedMinMemMB: 32, SupportedMaxMemMB: memoryMB, RecommendedMemMB: 1024, RecommendedColorDepth: 32,
		SupportedDiskControllerList: []string{"VirtualBusLogicController", "VirtualLsiLogicController", "VirtualIDEController"},
		RecommendedSCSIController:   "VirtualLsiLogicController", RecommendedDiskController: "VirtualLsiLogicController",
		SupportedNumDisks: 254, RecommendedDiskSizeMB: 16 << 10, RecommendedCdromController: "VirtualIDEController",
		SupportedEthernetCard: []string{"VirtualPCNet32", "VirtualE1000"}, RecommendedEthernetCard: "VirtualE1000",
		SupportsSlaveDisk: &yes, SmcRequired: mac, SmcRecommended: mac, SupportsWakeOnLan: true,
		SupportedFirmware: []string{"bios"}, RecommendedFirmware: "bios",
		SupportedUSBControllerList: []string{"VirtualUSBController"}, RecommendedUSBController: "VirtualUSBController",
		Supports3D: windows, SupportLevel: string(types.GuestOsDescriptorSupportLevelLegacy), SupportedForCreate: true,
		VRAMSizeInKB:              types.IntOption{Min: 1 << 10, Max: 128 << 10, DefaultValue: 4 << 10},
		NumSupportedFloppyDevices: 2, SupportsSecureBoot: &no, DefaultSecureBoot: &no, SupportsTPM20: &no,
		NumRecommendedPhysicalSockets: 1, NumRecommendedCoresPerSocket: 1}
	if modern {
		d.SupportedDiskControllerList = []string{"ParaVirtualSCSIController", "VirtualLsiLogicSASController", "VirtualLsiLogicController", "VirtualAHCIController", "VirtualIDEController"}
		d.RecommendedSCSIController, d.RecommendedEthernetCard = "ParaVirtualSCSIController", "VirtualVmxnet3"
		d.SupportedEthernetCard = []string{"VirtualVmxnet3", "VirtualE1000e", "VirtualE1000"}
		d.RecommendedCdromController = "VirtualAHCIController"
		d.SupportedUSBControllerList = append(d.SupportedUSBControllerList, "VirtualUSBXHCIController")
		d.RecommendedUSBController = "VirtualUSBXHCIController"
		d.RecommendedMemMB, d.SupportsMemoryHotAdd, d.SupportsCpuHotAdd = 4096, true, true
		d.SupportsPvscsiControllerForBoot, d.DiskUuidEnabled, d.SupportsHotPlugPCI = true, true, true
		d.SupportLevel = string(types.GuestOsDescriptorSupportLevelSupported)
		if hw >= 13 {
			d.SupportedDiskControllerList = append(d.SupportedDiskControllerList, "VirtualNVMEController")
		}
		if windows {
			d.RecommendedSCSIController, d.RecommendedDiskSizeMB = "VirtualLsiLogicSASController", 48<<10
		}
		d.RecommendedDiskController = d.RecommendedSCSIController
	}
	if mac {
		d.RecommendedDiskController, d.SupportLevel = "VirtualAHCIController", string(types.GuestOsDescriptorSupportLevelUnsupported)
	}
	if efi {
		secure := hw >= 13 && !mac
		d.SupportedFirmware, d.RecommendedFirmware = []string{"bios", "efi"}, "efi"
		d.SupportsSecureBoot, d.DefaultSecureBoot = &secure, &secure
		d.SupportsTPM20 = types.NewBool(hw >= 14 && !mac)
		d.RecommendedTPM20 = types.NewBool(tpm.MatchString(id) && hw >= 14)
	}
	if tpm.MatchString(id) {
		d.SupportedFirmware = []string{"efi"}
	}
	return d
}
