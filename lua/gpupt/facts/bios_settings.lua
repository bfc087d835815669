--- How vendors name the BIOS settings that passthrough depends on. The attribute registry of the server decides: a name
-- counts only if the server has it, in whatever spelling (case and marks are ignored, and a suffix like _00B1), and
-- only values that the registry allows are set.
--
--   { key =, label =, effect =, rows = { { vendor =, names = { attributes }, on = { values }, off = , source = } },
--     none = { { vendor =, why =, source = } } }
--
-- A row without `on` is shown, and set only by its own value (set = { NAME = value }). Sources: [S] a capture or a
-- document that is public, [M] from memory: gpupt calls such a row unverified.
local facts = { settings = {} }

local LIBREDFISH = "[S] captures in NVIDIA/libredfish"
local IDRAC = "[S] dell/iDRAC-Redfish-Scripting; the BIOS attributes of PowerEdge in Dell's documents"
local ILO = "[S] servermanagementportal.ext.hpe.com: BIOS resource definitions of iLO 5 and iLO 6"
local XCC = "[S] pubs.lenovo.com: UEFI settings of ThinkSystem; captures in NVIDIA/libredfish"
local IMC = "[S] CiscoUcs/imcsdk: BiosVfMemoryMappedIOAbove4GB; intersight_bios_policy of cisco.intersight; "
  .. "an exported configuration of a CIMC 3.0 (C220 M4) has MemoryMappedIOAbove4GB, IntelVTD and SrIov with Enabled"
local AMI = "[M] names of AMI's Aptio as boards show them"

local ON = { "Enabled", "Enable", "1" }
local OFF = { "Disabled", "Disable", "0" }

local function add(setting) facts.settings[#facts.settings + 1] = setting end

add { key = "above_4g", label = "above 4G decoding",
  effect = "without it cards with large BARs get no addresses and never become active",
  rows = {
    { vendor = "Dell", names = { "MmioAbove4Gb" }, on = ON, off = OFF, source = LIBREDFISH .. "; " .. IDRAC },
    { vendor = "Lenovo", names = { "DevicesandIOPorts_PCI64BitResourceAllocation",
      "DevicesandIOPorts_PCI64-BitResourceAllocation" }, on = ON, off = OFF, source = XCC },
    { vendor = "Supermicro", names = { "Above4GDecoding" }, on = ON, off = OFF, source = LIBREDFISH },
    { vendor = "Cisco", names = { "MemoryMappedIOAbove4GB", "MemoryMappedIoAbove4gb" }, on = ON, off = OFF,
      source = IMC .. "; the form over Redfish is [M]" },
    { vendor = "Intel", names = { "MemoryMappedIOAbove4GB", "MemMappedIOAbove4GB", "MemoryMappedIOabove4GB" }, on = ON,
      off = OFF, source = "[M] Intel Server Board BIOS setup guide" },
    { vendor = "AMI", names = { "Above4GDecoding", "Above4GMMIOBIOSAssignment" }, on = ON, off = OFF, source = AMI },
  },
  none = { { vendor = "HPE", why = "ProLiant Gen10 and later decode above 4 GB always; PciResourcePadding is the "
    .. "space that is reserved", source = "[M] one DL360" } } }

add { key = "iommu", label = "IOMMU (VT-d, AMD-Vi)", effect = "without it no device is capable of passthrough",
  rows = {
    { vendor = "Dell", names = { "ProcVirtualization" }, on = ON, off = OFF, source = LIBREDFISH .. "; " .. IDRAC,
      note = "one switch for VT-x and VT-d, or AMD-V and the IOMMU" },
    { vendor = "Dell", names = { "IommuSupport" }, on = ON, off = OFF, source = "[M] PowerEdge with AMD EPYC" },
    { vendor = "HPE", names = { "IntelProcVtd", "ProcAmdIoVt" }, on = ON, off = OFF, source = ILO },
    { vendor = "Lenovo", names = { "DevicesandIOPorts_IntelVTforDirectedIOVTd",
      "DevicesandIOPorts_IntelVTforDirectedIO_VTd", "DevicesandIOPorts_IntelVTforDirectedI_O_VT_d",
      "DevicesandIOPorts_IOMMU" }, on = ON, off = OFF, source = XCC },
    { vendor = "Supermicro", names = { "IntelVTforDirectedI_O_VT_d", "IntelVTforDirectedIOVTd", "IOMMU" }, on = ON,
      off = OFF, source = LIBREDFISH },
    { vendor = "Cisco", names = { "IntelVTD", "IntelVTForDirectedIO" }, on = ON, off = OFF,
      source = IMC .. "; the form over Redfish is [M]" },
    { vendor = "Intel", names = { "IntelVTforDirectedIO", "VTdSupport", "IntelVTd" }, on = ON, off = OFF,
      source = "[M] Intel Server Board BIOS setup guide" },
    { vendor = "AMI", names = { "IOMMU", "VTd", "VTdSupport", "IntelVTforDirectedIOVTd" }, on = ON, off = OFF,
      source = AMI },
  },
  none = {} }

add { key = "sr_iov", label = "SR-IOV", effect = "without it a card offers no virtual functions",
  rows = {
    { vendor = "Dell", names = { "SriovGlobalEnable" }, on = ON, off = OFF, source = LIBREDFISH .. "; " .. IDRAC },
    { vendor = "HPE", names = { "Sriov" }, on = ON, off = OFF, source = ILO },
    { vendor = "Lenovo", names = { "DevicesandIOPorts_SRIOV" }, on = ON, off = OFF, source = XCC },
    { vendor = "Supermicro", names = { "SR_IOVSupport", "SRIOVSupport" }, on = ON, off = OFF, source = LIBREDFISH },
    { vendor = "Cisco", names = { "SrIov", "SingleRootIOVirtualization" }, on = ON, off = OFF,
      source = IMC .. "; the form over Redfish is [M]" },
    { vendor = "Intel", names = { "SRIOVSupport" }, on = ON, off = OFF,
      source = "[M] Intel Server Board BIOS setup guide" },
    { vendor = "AMI", names = { "SRIOVSupport", "SR_IOVSupport" }, on = ON, off = OFF, source = AMI },
  },
  none = {} }

add { key = "mmio_base", label = "base of the MMIO range", shown = true,
  effect = "where the addresses above 4 GB begin; cards with fewer address bits need a low base",
  rows = {
    { vendor = "Dell", names = { "MemoryMappedIOH" }, source = LIBREDFISH, note = "base and size in one, as 56TB" },
    { vendor = "Lenovo", names = { "DevicesandIOPorts_MMConfigBase" }, source = XCC },
    { vendor = "Supermicro", names = { "MMIOHBase", "MMIOHighBase" }, source = "[M] X11 to X13" },
    { vendor = "Intel", names = { "MMIOHighBase" }, source = "[M] Intel Server Board BIOS setup guide" },
    { vendor = "AMI", names = { "MMIOHighBase" }, source = AMI },
  },
  none = {} }

add { key = "mmio_size", label = "size of the MMIO range", shown = true,
  effect = "too small a range leaves large cards without addresses",
  rows = {
    { vendor = "HPE", names = { "PciResourcePadding" }, source = ILO },
    { vendor = "Supermicro", names = { "MMIOHighGranularitySize", "MMIOHighSize" }, source = "[M] X11 to X13" },
    { vendor = "Cisco", names = { "MmiohBase", "MmiohSize" }, source = "[M] UCS" },
    { vendor = "Intel", names = { "MMIOHighGranularitySize", "MMIOSize" },
      source = "[M] Intel Server Board BIOS setup guide" },
    { vendor = "AMI", names = { "MMIOHighGranularitySize" }, source = AMI },
  },
  none = {} }

add { key = "large_bar", label = "large (resizable) BARs", shown = true,
  effect = "lets workstation cards show all of their memory as one BAR",
  rows = {
    { vendor = "Supermicro", names = { "ReSizeBARSupport", "Re_SizeBARSupport" }, source = "[M] X12, X13, H12, H13" },
    { vendor = "Lenovo", names = { "DevicesandIOPorts_ResizableBAR" }, source = "[M] ThinkSystem V3" },
    { vendor = "Cisco", names = { "ResizeBarSupport" }, source = "[M] UCS M6, M7" },
    { vendor = "AMI", names = { "ReSizeBARSupport" }, source = AMI },
  },
  none = {} }

--- Where the manners of the services are from that gpupt.redfish follows.
facts.MANNERS = {
  { vendor = "Dell", text = "with SupportedApplyTimes a PATCH needs ApplyTime OnReset: 202 and a job; an older iDRAC "
    .. "needs POST Jobs with TargetSettingsURI; SYS011 while a job waits; the reboot not before 'Task successfully "
    .. "scheduled.'", source = IDRAC .. "; " .. LIBREDFISH },
  { vendor = "HPE", text = "wrong values get 200, and the verdict is in @Redfish.Settings.Messages after the boot; "
    .. "registries are compressed; iLO 4 is flat", source = "[S] HPE iLO REST API documents" },
  { vendor = "HPE", text = "iLO 4 with a BIOS administrator password takes a change only with the header "
    .. "X-HPRESTFULAPI-AuthToken (message TokenRequired); iLO 5 and later need the privilege to configure the BIOS",
    source = "[S] HPE: migrating from iLO 4 to iLO 5, BIOS Password Authentication HTTP Header" },
  { vendor = "Lenovo", text = "the settings resource is Bios/Pending and lists everything", source = XCC },
  { vendor = "Supermicro", text = "the settings resource is Bios/SD and lists changes; values are shown as text",
    source = LIBREDFISH },
  { vendor = "AMI", text = "a PATCH without If-Match is 428", source = "[S] captures in NVIDIA/libredfish" },
}

local function bare(name) return (name:lower():gsub("[^%w]", "")) end

--- Whether an attribute of a server is the one that a row names: "Above4GDecoding_00B1" is Above4GDecoding.
function facts.is(attribute, name)
  local wanted = bare(name)
  return bare(attribute) == wanted or bare(attribute:gsub("_%x%x%x%x$", "")) == wanted
end

--- The rows of a setting for a vendor; without a known vendor all rows. Second: why the vendor has no such switch.
-- Third: whether the vendor is in the table.
function facts.rows(setting, vendor)
  local list, none, known = {}, nil, false
  for _, row in ipairs(setting.rows) do
    if row.vendor == vendor then list[#list + 1] = row end
  end
  for _, one in ipairs(setting.none) do if one.vendor == vendor then none = one end end
  for _, one in ipairs(facts.vendors()) do known = known or one == vendor end
  if #list == 0 and not none and not known then list = setting.rows end
  return list, none, known
end

--- The vendors of the table.
function facts.vendors()
  local set, list = {}, {}
  for _, setting in ipairs(facts.settings) do
    for _, rows in ipairs { setting.rows, setting.none } do
      for _, row in ipairs(rows) do
        if not set[row.vendor] then
          set[row.vendor] = true
          list[#list + 1] = row.vendor
        end
      end
    end
  end
  table.sort(list)
  return list
end

return facts
