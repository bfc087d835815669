--- IOMMU faults: a card that used an address which is not its own, by number of cards and by the stopped device.
local evidence = require "gpupt.vmlog.evidence"

local integer = evidence.integer

local function card_count(session)
  local count = 0
  for lower, setting in pairs(session.config) do
    if lower:find "^pcipassthru%d+%.present$" and setting.value:lower() == "true" then count = count + 1 end
  end
  return math.max(count, #session.devices)
end

--- Cards that talk to each other need both keys; a single card does not, so its reset, its driver or itself is at
-- fault.
local function by_cards(_, session)
  local count = card_count(session)
  local p2p = session.config["pcipassthru.allowp2p"]
  local one = "Update the card's firmware and the guest's driver; after a crash of the guest, power the host off and "
    .. "on. A card that faults after its reset needs another reset method in /etc/vmware/passthru.map."
  if count == 1 then return "The VM has one card, so peer-to-peer is not the cause. " .. one end
  if count > 1 and p2p and p2p.value:lower() == "true" then
    return ("The VM has %d cards, and pciPassthru.allowP2P is on already. "):format(count) .. one
  end
  if count > 1 then
    return ("The VM has %d cards: if they talk to each other, set pciPassthru.allowP2P and "
      .. "pciPassthru.RelaxACSforP2P to TRUE (that relaxes the isolation between them). Else: "):format(count) .. one
  end
  return "With several cards in the VM that talk to each other: pciPassthru.allowP2P and pciPassthru.RelaxACSforP2P. "
    .. "With one card: " .. one .. " The VM's vmware.log shows how many it has."
end

return {
  {
    code = "iommu-fault", severity = "error", word = "caused an IOMMU fault", address = 1, form = "vmware.log",
    match = "PCI passthru device (%x+:%x+:%x+%.%x) caused an IOMMU fault type (%d+) at address (0x%x+)",
    cause = function(captures)
      return ("The card %s used an address (%s) that is not mapped for the VM, so ESXi switched the VM off."):format(
        captures[1], captures[3])
    end,
    remedy = by_cards,
    detail = function(captures) return { type = integer(captures[2]), at = captures[3] } end,
    source = "Broadcom KB 392714; foureight84/encs5400-almalinux, docs/ESXI.md",
  },
  {
    code = "iommu-fault-host", severity = "error", word = "IOMMU Fault IOMMU Unit", address = 2,
    match = "IOMMU Fault IOMMU Unit #%d+: R/W=(%a), Device (%x+:%x+:%x+%.%x) Addr = (0x%x+)",
    cause = function(captures)
      return ("The host's IOMMU refused %s of %s at %s."):format(
        captures[1] == "W" and "a write" or "a read", captures[2], captures[3])
    end,
    remedy = by_cards,
    source = "foureight84/encs5400-almalinux, docs/ESXI.md",
  },
  {
    code = "iommu-reason", severity = "error", word = "VTD: ", consequence = true,
    match = "VTD: %d+: Reason = (0x%x+) %-> PTE not set to allow (%a+)",
    cause = function(captures)
      return ("The page was not mapped for %s (reason %s)."):format(
        captures[2] == "Write" and "writing" or "reading", captures[1])
    end,
    remedy = "See the IOMMU fault on the line before.",
    source = "foureight84/encs5400-almalinux, docs/ESXI.md",
  },
  {
    code = "iommu-psod-driver", severity = "error", word = "IOMMU Fault detected for",
    match = { "IOMMU Fault detected for (%x+:%x+:%x+%.%x) %((vmg%w+/nvidia)%)",
      "IOMMU Fault detected for %(?(vmgp%w*/nvidia)%)?" },
    cause = "The host crashed on an IOMMU fault of a card that its own NVIDIA driver (vGPU) holds; the card is not "
      .. "passed through.",
    remedy = "Update the vGPU manager on the host: Hopper and Ada with \"PTE not set to allow Read\" (and Xid 32) "
      .. "are fixed in vGPU software 16.10.",
    source = "Broadcom KB 394974; NVIDIA vGPU 16.10 release notes",
  },
  {
    code = "iommu-psod", severity = "error", address = 1, word = { "IOMMU Fault detected for", "VTDIommuFaultHandler",
      "IOMMUProcessFaults" },
    unless = { "vmg%w*/nvidia" },
    match = { "IOMMU Fault detected for (%x+:%x+:%x+%.%x)", "VTDIommuFaultHandler", "IOMMUProcessFaults" },
    detail = function(captures)
      return { device = captures[1] and captures[1]:find ":" and captures[1] or nil }
    end,
    cause = function(captures)
      return ("The host crashed (purple screen) on an IOMMU fault%s, caused by the device, its firmware or its "
        .. "driver."):format(captures[1] and captures[1]:find ":" and " of " .. captures[1] or "")
    end,
    remedy = "Update BIOS, the card's firmware and the driver to the versions that the hardware vendor certifies for "
      .. "this ESXi; if it happens again, the vendor must examine the card.",
    source = "Broadcom KB 345237",
  },
  {
    code = "iommu-invalidation", severity = "error", word = "queued invalidation wait descriptor",
    match = "IOMMU UNIT (%d+) did not complete processing of a queued invalidation wait descriptor",
    cause = function(captures)
      return ("The host's IOMMU unit %s did not answer: the CPU or BIOS does not support this ESXi release with VT-d "
        .. "on."):format(
        captures[1])
    end,
    remedy = "Update the BIOS, and ESXi to a release that supports this hardware (Broadcom Compatibility Guide). The "
      .. "card is not at fault.",
    source = "Broadcom KB 381094",
  },
  {
    code = "iommu-guest", severity = "error", side = "guest", form = "dmesg", address = 1,
    word = { "DMAR: [DMA", "IO_PAGE_FAULT" },
    match = { "DMAR: %[DMA [^%]]*%] .-device %[?(%x+:%x+%.%x)%]?", "AMD%-Vi: Event logged %[IO_PAGE_FAULT "
      .. ".-device=(%x+:%x+:%x+%.%x)",
      "IO_PAGE_FAULT device=(%x+:%x+%.%x)" },
    cause = function(captures)
      return ("An IOMMU that Linux sees (of the host itself, or a virtual one) refused an access of "
        .. "%s."):format(captures[1])
    end,
    remedy = "In a VM: switch the virtual IOMMU off (vvtd.enable = \"FALSE\") unless it is needed. On bare metal: "
      .. "driver and firmware of the device.",
    source = "Linux, drivers/iommu/intel/dmar.c and amd/iommu.c",
  },
}
