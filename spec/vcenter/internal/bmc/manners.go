package bmc

// manners.go: what differs between vendors: paths, attributes, and how a change is made.

// manner is how a vendor's service behaves.
type manner struct {
	vendor, maker, model string
	system, manager      string // ids
	settings             string // of the settings resource, below Bios/
	registry             string // AttributeRegistry
	registryID           string // its id in the collection
	registryAt           string // where the document is
	applyTimes           bool
	jobs                 bool // of an iDRAC
	lenient              bool // accepts any value
	full                 bool // the settings resource lists everything
	flat                 bool
	needsMatch           bool
	custom               bool // Processors_* only in custom mode
	above4G, iommu       string
	attributes           []attribute
}

type attribute struct {
	name, kind string // Enumeration, Integer, String, Boolean, Password
	values     []value
	now        any
	low, high  int64
	readOnly   bool
	unless     [2]string // read-only unless this attribute has this value
}

type value struct{ name, text string }

func enum(name, now string, values ...string) attribute {
	a := attribute{name: name, kind: "Enumeration", now: now}
	for _, v := range values {
		a.values = append(a.values, value{v, v})
	}
	return a
}

func onOff(name, now string) attribute { return enum(name, now, "Enabled", "Disabled") }

// coded is an enumeration whose names are numbers and whose texts are shown.
func coded(name, now string, texts ...string) attribute {
	a := attribute{name: name, kind: "Enumeration", now: now}
	for i, t := range texts {
		a.values = append(a.values, value{string(rune('0' + i)), t})
	}
	return a
}

func fixed(a attribute) attribute { a.readOnly = true; return a }

func only(a attribute, name, value string) attribute { a.unless = [2]string{name, value}; return a }

func number(name string, now, low, high int64) attribute {
	return attribute{name: name, kind: "Integer", now: now, low: low, high: high}
}

func text(name, now string) attribute { return attribute{name: name, kind: "String", now: now} }

func secret(name string) attribute { return attribute{name: name, kind: "Password", now: nil} }

var dellAttributes = []attribute{onOff("MmioAbove4Gb", "Enabled"), enum("MemoryMappedIOH", "56TB", "12TB", "512GB", "56TB"),
	onOff("SriovGlobalEnable", "Disabled"), onOff("ProcVirtualization", "Enabled"), fixed(text("SystemServiceTag", "GPUPT01")),
	enum("BootMode", "Uefi", "Bios", "Uefi"), onOff("LogicalProc", "Enabled"), number("AcPwrRcvryUserDelay", 60, 60, 600),
	enum("SysProfile", "PerfOptimized", "PerfOptimized", "PerfPerWattOptimizedOs", "Custom"), secret("SysPassword"),
	only(onOff("ProcCStates", "Disabled"), "SysProfile", "Custom")}

var lenovoAttributes = []attribute{onOff("DevicesandIOPorts_PCI64BitResourceAllocation", "Enabled"),
	enum("DevicesandIOPorts_MMConfigBase", "MMConfigBase_3GB", "MMConfigBase_2GB", "MMConfigBase_3GB", "Auto"),
	onOff("DevicesandIOPorts_SRIOV", "Disabled"), onOff("DevicesandIOPorts_IntelVTforDirectedIOVTd", "Enabled"),
	enum("OperatingModes_ChooseOperatingMode", "MaximumPerformance", "MaximumPerformance", "CustomMode"),
	enum("Processors_CStates", "Disable", "Disable", "Legacy")}

var hpeAttributes = []attribute{enum("PciResourcePadding", "Normal", "Normal", "Medium", "High"), onOff("Sriov", "Disabled"),
	onOff("IntelProcVtd", "Enabled"), onOff("ProcHyperthreading", "Enabled"), text("ServerName", "")}

var manners = map[string]*manner{
	"dell": {vendor: "Dell", maker: "Dell Inc.", model: "PowerEdge R750xa", system: "System.Embedded.1", manager: "iDRAC.Embedded.1",
		settings: "Settings", registry: "BiosAttributeRegistry.v1_0_3", registryID: "BiosAttributeRegistry.v1_0_0",
		registryAt: "/redfish/v1/Systems/System.Embedded.1/Bios/BiosRegistry", applyTimes: true, jobs: true,
		above4G: "MmioAbove4Gb", iommu: "ProcVirtualization", attributes: dellAttributes},
	"dell-old": {vendor: "Dell", maker: "Dell Inc.", model: "PowerEdge R730", system: "System.Embedded.1", manager: "iDRAC.Embedded.1",
		settings: "Settings", registry: "BiosAttributeRegistry.1.0.0", registryID: "BiosAttributeRegistry.1.0.0",
		registryAt: "/redfish/v1/Registries/BiosAttributeRegistry/BiosRegistry", jobs: true,
		above4G: "MmioAbove4Gb", iommu: "ProcVirtualization", attributes: dellAttributes},
	"hpe": {vendor: "HPE", maker: "HPE", model: "ProLiant DL380 Gen11", system: "1", manager: "1", settings: "settings/",
		registry: "BiosAttributeRegistryU54.v1_1_74", registryID: "biosattributeregistryu54.v1_1_74",
		registryAt: "/redfish/v1/registrystore/registries/en/biosattributeregistryu54.v1_1_74", lenient: true, full: true,
		iommu: "IntelProcVtd", attributes: hpeAttributes},
	"ilo4": {vendor: "HPE", maker: "HP", model: "ProLiant DL380 Gen9", system: "1", manager: "1", settings: "settings/",
		registry: "HpBiosAttributeRegistryP89.1.1.00", registryID: "HpBiosAttributeRegistryP89.1.1.00",
		registryAt: "/redfish/v1/registrystore/registries/en/hpbiosattributeregistryp89.1.1.00", lenient: true, full: true, flat: true,
		iommu: "IntelProcVtd", attributes: hpeAttributes},
	"lenovo": {vendor: "Lenovo", maker: "Lenovo", model: "ThinkSystem SR675 V3", system: "1", manager: "1", settings: "Pending",
		registry: "BiosAttributeRegistry.1.0.0", registryID: "BiosAttributeRegistry.1.0.0",
		registryAt: "/redfish/v1/schemas/registries/BiosAttributeRegistry.1.0.0.json", full: true, custom: true,
		above4G: "DevicesandIOPorts_PCI64BitResourceAllocation", iommu: "DevicesandIOPorts_IntelVTforDirectedIOVTd", attributes: lenovoAttributes},
	"supermicro": {vendor: "Supermicro", maker: "Supermicro", model: "SYS-421GE-TNRT", system: "1", manager: "1", settings: "SD",
		registry: "BiosAttributeRegistry.v1_0_0", registryID: "BiosAttributeRegistry.v1_0_0",
		registryAt: "/registries/BiosAttributeRegistry.v1_0_0.json", above4G: "Above4GDecoding_00B1", iommu: "IntelVTforDirectedI_O_VT_d_0196",
		attributes: []attribute{coded("Above4GDecoding_00B1", "Enabled", "Disabled", "Enabled"),
			coded("SR_IOVSupport_002B", "Disabled", "Disabled", "Enabled"), coded("IntelVTforDirectedI_O_VT_d_0196", "Enable", "Disable", "Enable"),
			coded("Re_SizeBARSupport_0045", "Disabled", "Disabled", "Enabled", "Auto"),
			coded("MMIOHBase_0077", "56T", "56T", "40T", "32T", "24T", "16T", "4T", "2T", "1T", "512G")}},
	"ami": {vendor: "AMI", maker: "GIGABYTE", model: "G293-S40", system: "Self", manager: "Self", settings: "SD",
		registry: "BiosAttributeRegistry0ADXG.1.0.0", registryID: "BiosAttributeRegistry0ADXG.1.0.0",
		registryAt: "/redfish/v1/Registries/BiosAttributeRegistry0ADXG.1.0.0.json", applyTimes: true, needsMatch: true, above4G: "PCIS007",
		iommu: "IIOS1FE", attributes: []attribute{onOff("PCIS007", "Enabled"), onOff("IIOS1FE", "Enabled"), onOff("PCIS003", "Disabled"),
			onOff("Above4GDecoding", "Enabled"), {name: "QuietBoot", kind: "Boolean", now: true}}},
}

func init() { // an AMI board with readable names; PCIS007 stays as one without
	manners["ami"].above4G = "Above4GDecoding"
}
