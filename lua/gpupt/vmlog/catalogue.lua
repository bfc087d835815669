--- The messages that say why a passthrough VM does not start, or what a guest sees, as data.
-- Each entry:
--   code      stable word
--   severity  "error": the VM or the card does not work; "warning"; "info": says something, nothing is wrong
--   word      a fixed part of the message, sought first in the log (at least 4 bytes; entries may share one)
--   match     Lua pattern on the line, or a list of which any may fit; its captures go to the functions below
--   cause     text, or function(captures, session) -> text
--   remedy    the same
--   detail    function(captures, session) -> table of figures, or nil; false says that the line is no such finding
--   address   which capture is a PCI address
--   source    where the message is documented
local bar = require "gpupt.bar"

local function integer(text) return math.tointeger(tonumber(text)) end

local GO_TOGETHER = "EFI firmware, pciPassthru.use64bitMMIO = \"TRUE\" and pciPassthru.64bitMMIOSizeGB = \"%s\" go "
  .. "together; firmware cannot be changed under an installed operating system"

local function pages(captures) return bar.from_pages(integer(captures[1]) or 0) end

local function config(session, key)
  local entry = session.config[key]
  return entry and entry.value:lower()
end

local function mmio_cause(captures, session)
  local need = pages(captures)
  local limit = (integer(captures[2]) or 0) * 4096
  local text = ("The BARs of the card need %s, and the VM may map %s"):format(need.text,
    limit == bar.LIMIT and "3.5 GiB" or bar.format(limit))
  if limit ~= bar.LIMIT then return text .. ": the 64-bit window is on, but too small." end
  if config(session, "firmware") == "bios" then return text .. ": its firmware is BIOS, so it has no 64-bit "
    .. "window." end
  return text .. ": that is the limit without a 64-bit window (use64bitMMIO is off, or the firmware is BIOS)."
end

local device_manager = {
  [10] = { "The device cannot start; with a passthrough GPU often a driver that does not fit the card or the "
    .. "hypervisor.",
    "Install the vendor's current driver for this card; then look at the VM's vmware.log." },
  [12] = { "Windows finds no free resources for the card: the MMIO window of the VM is too small for its BARs.",
    "Set pciPassthru.use64bitMMIO = \"TRUE\" and a pciPassthru.64bitMMIOSizeGB as gpupt bar works it out, with "
      .. "EFI." },
  [28] = { "No driver is installed for the card.", "Install the vendor's driver in the guest." },
  [31] = { "Windows cannot load the driver of the card.", "Remove the driver, install the vendor's current one, "
    .. "reboot." },
  [43] = { "The driver stopped the card. GeForce drivers before 465 do this when they see a hypervisor.",
    "Update the driver to 465 or later; with an older one on a GeForce set hypervisor.cpuid.v0 = \"FALSE\". "
      .. "Datacentre and Quadro cards never need that key: look for MMIO and power problems there." },
}

-- What PowerShell's Get-PnpDevice calls the same problems.
local problem_names = {
  [10] = "CM_PROB_FAILED_START", [12] = "CM_PROB_NORMAL_CONFLICT", [28] = "CM_PROB_FAILED_INSTALL",
  [31] = "CM_PROB_FAILED_ADD", [43] = "CM_PROB_FAILED_POST_START",
}

-- What Device Manager says of them, where the sentence is told from any other; it is often copied without its number.
local sentences = {
  [12] = "cannot find enough free resources that it can use",
  [43] = "Windows has stopped this device because it has reported problems",
}

local function windows_entry(number)
  return {
    code = "windows-code-" .. number, severity = "error",
    word = { "(Code ", "ConfigManagerErrorCode", "Problem Code", "CM_PROB_", sentences[number] },
    match = { "%(Code " .. number .. "%)", "ConfigManagerErrorCode\"?%s*[:=]%s*" .. number .. "%f[%D]",
      "Problem Code%s*:%s*" .. number .. "%f[%D]", problem_names[number] .. "%f[^%w_]", sentences[number] },
    cause = device_manager[number][1], remedy = device_manager[number][2],
    source = number == 12 and "ReBarUEFI #381" or number == 43 and "NVIDIA release notes of R465" or "Windows "
      .. "Device Manager",
  }
end

return {
  {
    code = "mmio-limit", severity = "error", word = "PCIPassthru: ",
    match = "PCIPassthru: total number of pages needed %((%d+)%) exceeds limit %((%d+)%)",
    cause = mmio_cause,
    remedy = function(captures) return GO_TOGETHER:format(pages(captures).gb) .. "." end,
    detail = function(captures)
      local need, limit = pages(captures), integer(captures[2])
      if not need or not limit then return false end
      return { needed_bytes = need.bytes, limit_bytes = limit * 4096, sizes = need.sizes, gb = need.gb }
    end,
    source = "Dell KB 000199172; A100 on ESXi 8",
  },
  {
    code = "mmio-firmware", severity = "error", word = "could not allocate",
    match = "[Ff]irmware could not allocate (%d+) ?KB of PCI MMIO",
    cause = function(captures)
      return ("The firmware found no room for 64-bit BARs of %s in the MMIO window."):format(
        bar.from_kb(integer(captures[1])).text)
    end,
    remedy = function(captures)
      return ("Set pciPassthru.64bitMMIOSizeGB = \"%d\" or more."):format(bar.from_kb(integer(captures[1])).gb)
    end,
    detail = function(captures)
      local kb = integer(captures[1])
      local need = kb and bar.from_kb(kb)
      if not need then return false end
      return { needed_bytes = need.bytes, sizes = need.sizes, gb = need.gb }
    end,
    source = "Broadcom KB 334594",
  },
  {
    code = "mmio-error", severity = "error", word = "pciMmioError", match = "pciMmioError",
    cause = "The firmware could not place the BARs of the VM's cards.",
    remedy = "Enlarge pciPassthru.64bitMMIOSizeGB as gpupt bar works it out for the cards of the VM.",
    source = "Broadcom KB 334594",
  },
  {
    code = "device-power-on", severity = "error", word = "DevicePowerOn",
    match = "Module '?\"?DevicePowerOn'?\"? power on failed",
    cause = "A device of the VM could not be switched on; this message alone does not say why.",
    remedy = "Look at the other findings of this power-on; through the API, at every faultMessage of the fault.",
    source = "Dell KB 000199172",
  },
  {
    code = "iommu-fault", severity = "error", word = "caused an IOMMU fault", address = 1,
    match = "PCI passthru device (%x+:%x+:%x+%.%x) caused an IOMMU fault type (%d+) at address (0x%x+)",
    cause = function(captures)
      return ("The card %s used an address (%s) that is not mapped for the VM, so ESXi switched the VM off."):format(
        captures[1], captures[3])
    end,
    remedy = "If cards of this VM talk to each other, set pciPassthru.allowP2P and pciPassthru.RelaxACSforP2P to "
      .. "TRUE; else reboot the host, and give the card a working reset method in /etc/vmware/passthru.map.",
    detail = function(captures) return { type = integer(captures[2]), at = captures[3] } end,
    source = "Broadcom KB 392714; a write-up of ESXi on ENCS",
  },
  {
    code = "iommu-fault-host", severity = "error", word = "VTD: ", address = 2,
    match = "VTD: IOMMU Fault IOMMU Unit #%d+: R/W=(%a), Device (%x+:%x+:%x+%.%x) Addr = (0x%x+)",
    cause = function(captures)
      return ("The host's IOMMU refused %s of %s at %s."):format(
        captures[1] == "W" and "a write" or "a read", captures[2], captures[3])
    end,
    remedy = "As for iommu-fault: peer-to-peer keys, reset method, or a reboot of the host.",
    source = "a write-up of ESXi on ENCS",
  },
  {
    code = "iommu-reason", severity = "error", word = "VTD: ",
    match = "VTD: %d+: Reason = (0x%x+) %-> PTE not set to allow (%a+)",
    cause = function(captures)
      return ("The page was not mapped for %s (reason %s)."):format(
        captures[2] == "Write" and "writing" or "reading", captures[1])
    end,
    remedy = "It explains the IOMMU fault on the line before; see there.",
    source = "a write-up of ESXi on ENCS",
  },
  {
    code = "no-device-hints", severity = "error", word = "No device hints found", match = "AH No device hints found",
    cause = "No device of the host fits what the VM asks for: usually pciPassthruN.id is hexadecimal where ESXi "
      .. "reads decimal.",
    remedy = "Write the id decimal: 0000:0d:00.0 is \"00000:013:00.0\" (gpupt pci prints addresses, gpupt vmx "
      .. "check finds such ids).",
    source = "a write-up of ESXi on ENCS",
  },
  {
    code = "no-predicates", severity = "error", word = "pciPassthru",
    match = "Failed to generate predicates for (pciPassthru%d+)",
    cause = function(captures)
      return captures[1] .. " is incomplete or contradictory, so ESXi cannot look for its device."
    end,
    remedy = function(captures)
      return ("Give %s.id (decimal), deviceId, vendorId and systemId of one device, or remove "
        .. "%s.*."):format(captures[1],
        captures[1])
    end,
    source = "a write-up of ESXi on ENCS",
  },
  {
    code = "no-suitable-device", severity = "error", word = "pciPassthru",
    match = "AH Failed to find a suitable device for (pciPassthru%d+)",
    cause = function(captures)
      return ("No free device that is active for passthrough fits %s on this host."):format(captures[1])
    end,
    remedy = "Check that the card is enabled and active (after the host's reboot), not held by another VM, and "
      .. "that id, deviceId and vendorId are its own.",
    source = "a write-up of ESXi on ENCS",
  },
  {
    code = "map-mmio", severity = "error", word = "Failed to map MMIO", match = "Failed to map MMIO",
    cause = "ESXi could not map the card's registers into the VM.",
    remedy = "See the MMIO findings beside it; without any, check that no BAR shares a page with another device "
      .. "(Broadcom KB 2142307) and reboot the host.",
    source = "a write-up of ESXi on ENCS",
  },
  {
    code = "vmx-panic", severity = "error", word = "devices/pcipassthru",
    match = "VERIFY bora/devices/pcipassthru/([%w_]+%.c:%d+)",
    cause = function(captures) return "The VM's process stopped at a check of its own (" .. captures[1] .. ")." end,
    remedy = "Undo experimental keys such as pciPassthru.useActualBases; update ESXi; else a case for the vendor.",
    source = "a write-up of ESXi on ENCS",
  },
  {
    code = "not-passthrough", severity = "error", word = "is not a passthrough device",
    match = "Device (%d+:%d+%.%d) is not a passthrough device",
    cause = function(captures)
      return ("The device at %s (decimal) is not given to passthrough on this host now."):format(captures[1])
    end,
    remedy = "Enable it and reboot the host; if it loses passthrough at each reboot: esxcli system settings kernel "
      .. "set -s enablePCIEHotplug -v FALSE.",
    source = "Broadcom and HPE on PCIe hot-plug",
  },
  {
    code = "system-id", severity = "error", word = "The systemId does not match",
    match = "The systemId does not match the current system or the deviceId, and the vendorId does not match the "
      .. "device currently at (%d+:%d+%.%d)",
    cause = function(captures)
      return ("The VM was set up for a card of another host, or another card now sits at %s (decimal): copied, "
        .. "restored or moved VMs keep the old one's ids."):format(captures[1])
    end,
    remedy = "Remove the pciPassthruN entries and add the card of this host.",
    source = "a public PowerCLI post",
  },
  {
    code = "memory-reservation", severity = "error", word = "Invalid memory setting",
    match = "Invalid memory setting: memory reservation %(sched%.mem%.min%) should be equal to memsize ?%((%d+)%)",
    cause = "A VM with a passthrough device must have all its memory reserved, and it is not.",
    remedy = function(captures)
      return ("Set the reservation to %s MB (sched.mem.min and sched.mem.minSize), sched.mem.pin = \"TRUE\", limit "
        .. "unlimited."):format(captures[1])
    end,
    detail = function(captures) return { memory_mb = integer(captures[1]) } end,
    source = "Broadcom KB 2002779",
  },
  {
    code = "nested-hv", severity = "error", word = "Nested Hardware-Assisted Virtualization",
    match = "PCI passthrough devices cannot be added when Nested Hardware%-Assisted Virtualization is enabled",
    cause = "The VM exposes hardware virtualization to its guest, which excludes passthrough.",
    remedy = "Switch it off: vhv.enable = \"FALSE\" (nestedHVEnabled), and virtualization-based security with it.",
    source = "a public troubleshooting write-up",
  },
  {
    code = "link-down", severity = "error", word = "PCIe link to the device is down", address = 1,
    match = "Skipping device reset on (%x+:%x+:%x+%.%x) because PCIe link to the device is down",
    cause = function(captures)
      return ("The host does not reach %s any more: its PCIe link is down."):format(captures[1])
    end,
    remedy = "Power the host off and on (not a warm reboot); check power cable, riser and the card's firmware.",
    source = "a public troubleshooting write-up",
  },
  {
    code = "domain-disabled", severity = "info", word = "PCIPassthru: ", address = 1,
    match = "PCIPassthru: %d+: Disable Domain for device (%x+:%x+:%x+%.%x)",
    cause = "The VM let go of the card.", remedy = "Nothing, unless it happened while the VM should run.",
    source = "a public troubleshooting write-up",
  },
  {
    code = "device-released", severity = "info", word = "PCIPassthru: ", address = 1,
    match = "PCIPassthru: %d+: pcipdevInfo: 0x%x+ ?%((%x+:%x+:%x+%.%x)%), state %d+, destroyed",
    cause = "ESXi closed the card's passthrough state.",
    remedy = "Nothing, unless it happened while the VM should run.",
    source = "a public troubleshooting write-up",
  },
  {
    code = "device-taken", severity = "info", word = "PCIPassthru: ", address = 1,
    match = "PCIPassthru: %d+: pcipDevInfo%(0x%x+%) allocated for (%x+:%x+:%x+%.%x)",
    cause = "ESXi gave the card to a VM.", remedy = "Nothing.",
    source = "a public troubleshooting write-up",
  },
  {
    code = "no-migration", severity = "info",
    word = { "pciPassthru", "PCI DirectPath I/O device" },
    match = { "msg%.pciPassthru%.noMigration",
      "PCI hot%-plug cannot be used for a virtual machine with PCI DirectPath I/O device" },
    cause = "vMotion, Storage vMotion, Fault Tolerance and hot-plug are off for a VM with a DirectPath I/O device.",
    remedy = "Nothing: plan maintenance of this host with the VM shut down.",
    source = "public posts",
  },
  {
    code = "no-suspend", severity = "info",
    word = { "pciPassthru", "PCI DirectPath I/O device" },
    match = { "msg%.pciPassthru%.noSuspend", "PCI DirectPath I/O device cannot be suspended" },
    cause = "A VM with this device cannot be suspended.", remedy = "Nothing: shut it down instead.",
    source = "public posts",
  },
  {
    code = "no-pcie-slot",
    severity = "error", word = "No PCIe slot available", match = "No PCIe slot available for (%S+)",
    cause = function(captures)
      return ("There is no place on the virtual PCI bus for %s: the .vmx lacks its PCIe bridges, or has too many "
        .. "devices."):format(
        captures[1])
    end,
    remedy = "Give the .vmx pciBridge0.present and pciBridge4 to pciBridge7 with virtualDev = \"pcieRootPort\" and "
      .. "functions = \"8\", or remove devices.",
    source = "real files",
  },
  {
    code = "slot-reservation", severity = "error", word = "failed to reserve slot",
    match = "(%S+) PCI: failed to reserve slot for (%S+) PCIe device",
    cause = function(captures) return ("There is no PCIe slot left for the %s."):format(captures[2]) end,
    remedy = "As for no-pcie-slot: the PCIe bridges of the .vmx, or fewer devices.",
    source = "real files",
  },
  {
    code = "bar-memory", severity = "error", word = "Failed to add BAR memory", match = "Failed to add BAR memory",
    cause = "ESXi could not give the VM the memory behind a BAR of the card.",
    remedy = "Check the BARs against the window (gpupt bar); a BAR must be a power of two of whole pages and share "
      .. "none.",
    source = "public posts; Broadcom KB 2142307",
  },
  {
    code = "vgpu-iommu", severity = "error", word = "IOMMU virtualization is not allowed",
    match = "IOMMU virtualization is not allowed with VGPU",
    cause = "The VM has a virtual IOMMU and a vGPU, which exclude each other.",
    remedy = "Switch the virtual IOMMU off (vvtd.enable = \"FALSE\", and virtualization-based security with it).",
    source = "Broadcom KB 88161",
  },
  {
    code = "nvrm-bar-invalid", severity = "error", word = "NVRM: ",
    match = "NVRM: This PCI I/O region assigned to your NVIDIA device is invalid",
    cause = "The guest's firmware gave a BAR of the card no address: there is no 64-bit window, or it is too small.",
    remedy = GO_TOGETHER:format("...") .. "; gpupt bar works out the size.",
    source = "NVIDIA kernel module, nv-pci.c",
  },
  {
    code = "nvrm-bar-unassigned", severity = "error", word = "NVRM: ", address = 4,
    match = "NVRM: BAR(%d) is (%d+)M @ (0x%x+) %(PCI:(%x+:%x+:%x+%.%x)%)",
    detail = function(captures)
      if captures[2] ~= "0" and tonumber(captures[3]) ~= 0 then return false end
      return { index = integer(captures[1]), address = captures[4] }
    end,
    cause = function(captures)
      return ("BAR%s of %s has no address in the guest: there is no 64-bit window, or it is too "
        .. "small."):format(captures[1],
        captures[4])
    end,
    remedy = GO_TOGETHER:format("...") .. "; gpupt bar works out the size.",
    source = "NVIDIA kernel module, nv-pci.c",
  },
  {
    code = "nvrm-region", severity = "error", word = "NVRM: ",
    match = "NVRM: request_mem_region failed for (%d+)M @ (0x%x+)",
    cause = "Another driver of the guest (often nouveau, or a frame buffer) holds the card's memory.",
    remedy = "Blacklist nouveau, rebuild the initramfs, reboot the guest.",
    source = "NVIDIA kernel module, nv-pci.c",
  },
  {
    code = "nvrm-no-gpu", severity = "error", word = "NVRM: ", match = "NVRM: No NVIDIA GPU found",
    cause = "The guest has NVIDIA's driver but no card.",
    remedy = "Check with lspci -d 10de: in the guest; if nothing is there, the VM has no card assigned or did not "
      .. "get it.",
    source = "NVIDIA kernel module, nv.c",
  },
  {
    code = "nvrm-probe", severity = "error", word = "NVRM: ",
    match = "NVRM: The NVIDIA probe routine failed for (%d+) device",
    cause = function(captures) return ("The driver could not take over %s of the cards."):format(captures[1]) end,
    remedy = "The lines before it say why: BARs without address, another driver, or a card that this driver does "
      .. "not know.",
    source = "NVIDIA kernel module, nv.c",
  },
  {
    code = "nvrm-none", severity = "error", word = "NVRM: ",
    match = "NVRM: None of the NVIDIA devices were initialized",
    cause = "No card could be started by the driver.", remedy = "The lines before it say why.",
    source = "NVIDIA kernel module, nv.c",
  },
  {
    code = "nvrm-init", severity = "error", word = { "NVRM: ", "rm_init_adapter failed" },
    match = { "NVRM: GPU (%S+): RmInitAdapter failed! %((%S-)%)", "rm_init_adapter failed" },
    cause = "The driver found the card but could not start it.",
    remedy = "Check the MMIO window and the power of the card; a GeForce with the open kernel modules may need "
      .. "NVreg_OpenRmEnableUnsupportedGpus=1, GSP firmware can be tried off with NVreg_EnableGpuFirmware=0.",
    detail = function(captures) return captures[2] and { status = captures[2] } or nil end,
    source = "NVIDIA kernel module, nv.c",
  },
  {
    code = "nvrm-resized-bar", severity = "warning", word = "NVRM: ",
    match = "NVRM: No address space to allocate resized BAR1",
    cause = "The driver wanted to enlarge BAR1 and the window of the VM has no room for it.",
    remedy = "Resizable BAR is not supported with passthrough on ESXi (Broadcom KB 312208); the size that the "
      .. "host's firmware sets counts. Enlarge the window only if the card must have the larger BAR.",
    source = "NVIDIA kernel module, nv-pci.c",
  },
  {
    code = "bar-unassigned", severity = "error", word = "Memory at <", match = "Region (%d): Memory at <unassigned>",
    cause = function(captures)
      return ("BAR %s of a device has no address in the guest: no 64-bit window, or too small, or BIOS "
        .. "firmware."):format(
        captures[1])
    end,
    remedy = GO_TOGETHER:format("...") .. "; gpupt bar works out the size.",
    detail = function(captures) return { index = integer(captures[1]) } end,
    source = "lspci of a guest beside NVRM: BAR1 is 0M",
  },
  {
    code = "amdgpu-memory", severity = "error", word = "failed with error -12", address = 1,
    match = "amdgpu:? ?.-(%x+:%x+:%x+%.%x).*failed with error %-12%f[%D]",
    cause = "amdgpu found no memory BAR for the card (ENOMEM): the window is missing or too small.",
    remedy = GO_TOGETHER:format("...") .. "; gpupt bar works out the size.",
    source = "amdgpu, public reports",
  },
  windows_entry(10), windows_entry(12), windows_entry(28), windows_entry(31), windows_entry(43),
}
