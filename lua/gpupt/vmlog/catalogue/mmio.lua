--- Address space: BARs that do not fit, on the host's side and in the guest.
local bar = require "gpupt.bar.sums"
local evidence = require "gpupt.vmlog.evidence"

local integer = evidence.integer

local function pages(captures) return bar.from_pages(integer(captures[1]) or 0) end

local function mmio_cause(captures, session)
  local need = pages(captures)
  local limit = (integer(captures[2]) or 0) * 4096
  local text = ("The BARs of the card need %s, and the VM may map %s"):format(need.text,
    limit == bar.LIMIT and "3.5 GiB" or bar.format(limit))
  if limit ~= bar.LIMIT then return text .. ": the 64-bit window is on, but too small." end
  if evidence.config(session, "firmware") == "bios" then
    return text .. ": its firmware is BIOS, so it has no 64-bit window."
  end
  return text .. ": that is the limit without a 64-bit window (use64bitMMIO is off, or the firmware is BIOS)."
end

local window_remedy = evidence.remedy_of_window

return {
  {
    code = "mmio-limit", severity = "error", word = "PCIPassthru: ",
    match = "PCIPassthru: total number of pages needed %((%d+)%) exceeds limit %((%d+)%)",
    cause = mmio_cause,
    remedy = function(captures) return evidence.window(pages(captures).gb) end,
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
    cause = "The firmware could not place the BARs of the VM's cards.", remedy = window_remedy,
    source = "Broadcom KB 334594",
  },
  {
    code = "map-mmio", severity = "error", word = "Failed to map MMIO", match = "Failed to map MMIO",
    cause = "ESXi could not map the card's registers into the VM.",
    remedy = "See the MMIO findings beside it; without any, check that no BAR shares a page with another device "
      .. "(Broadcom KB 2142307) and reboot the host.",
    source = "foureight84/encs5400-almalinux, docs/ESXI.md",
  },
  {
    code = "bar-memory", severity = "error", word = "Failed to add BAR memory", match = "Failed to add BAR memory",
    cause = "ESXi could not give the VM the memory behind a BAR of the card.",
    remedy = "Check the BARs against the window (gpupt bar); a BAR must be a power of two of whole pages and share "
      .. "none.",
    source = "damoke012/dareoke, ESXI_GPU_PASSTHROUGH_GUIDE.md (ESXi 8.0.2, Tesla P40); Broadcom KB 2142307",
  },
  {
    code = "bar-unassigned", severity = "error", side = "guest", form = "guest text", word = "Memory at <",
    match = "Region (%d): Memory at <unassigned>",
    -- the address of the device is in an earlier line, and several BARs are one finding
    cause = "A BAR of a device has no address in the guest: no 64-bit window, or too small, or BIOS firmware.",
    remedy = window_remedy,
    detail = function(captures) return { index = integer(captures[1]) } end,
    source = "lspci of a guest beside NVRM: BAR1 is 0M",
  },
  {
    code = "bar-no-space", severity = "error", side = "guest", form = "dmesg", address = 1,
    word = { ": failed to assign", ": no space for", "can't assign; no space" },
    match = { "pci (%x+:%x+:%x+%.%x): BAR (%d): failed to assign %[mem size (0x%x+) 64bit",
      "pci (%x+:%x+:%x+%.%x): BAR (%d): no space for %[mem size (0x%x+) 64bit",
      "pci (%x+:%x+:%x+%.%x): BAR (%d) %[mem size (0x%x+) 64bit[^%]]*%]: can't assign; no space" },
    cause = function(captures)
      return ("The guest has no room for BAR%s of %s (%s): there is no 64-bit window, or it is too "
        .. "small."):format(captures[2],
        captures[1], bar.format(integer(captures[3]) or 0))
    end,
    remedy = window_remedy,
    detail = function(captures)
      local size = integer(captures[3])
      if not size or size < 1 << 20 then return false end
      return { index = integer(captures[2]), size = size }
    end,
    source = "Linux, drivers/pci/setup-res.c (two wordings by kernel release)",
  },
}
