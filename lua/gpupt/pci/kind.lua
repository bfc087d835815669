--- What a device is: GPU or not, and whether it fits a pattern.
-- A class code does not make a GPU: every server has a management controller with a VGA of its own. So a GPU is a
-- display controller or a processing accelerator of a vendor that makes GPUs for passthrough, and is not the console.
local pci_address = require "gpupt.core".pci.address

local kind = {}

-- Vendors whose display controllers are GPUs worth passing through.
local allowed = { [0x10de] = "NVIDIA", [0x1002] = "AMD", [0x8086] = "Intel", [0x1da3] = "Intel Habana (Gaudi)" }

-- Display controllers of management processors and of VMware itself, named so that a reader sees what was excluded.
local denied = {
  [0x1a03] = "ASPEED management graphics", [0x102b] = "Matrox management graphics", [0x15ad] = "VMware's virtual "
    .. "display",
  [0x1234] = "a virtual display", [0x1b36] = "a virtual display", [0x1af4] = "a virtual display",
  [0x1013] = "a virtual display",
}

local companions = {
  [0x0403] = "the audio function of a card", [0x0680] = "a bridge",
  [0x0c03] = "a USB controller", [0x0c80] = "the USB-C controller of a card", [0x0604] = "a PCI bridge",
}

-- NVSwitches: HGX A100, HGX H100 and H200 (public lspci listings). Those of HGX B200 and B300 are no PCI devices.
local switches = { [0x1af1] = "HGX A100", [0x22a3] = "HGX H100 or H200" }

--- The board that an NVSwitch belongs to, or nil.
function kind.switch_of(dev) return dev.vendor == 0x10de and switches[dev.device] or nil end

--- True; or false, reason.
function kind.is_gpu(dev)
  local class = dev.class
  if not dev.vendor then return false, "its vendor is not known" end
  if not class then return false, "its class is not known" end
  local display, accelerator = class >> 8 == 0x03, class == 0x1200
  if denied[dev.vendor] and display then return false, denied[dev.vendor] end
  if kind.switch_of(dev) then
    return false, ("an NVSwitch of an %s board, which the board's GPUs need for NVLink"):format(kind.switch_of(dev))
  end
  if not display and not accelerator then
    return false, companions[class] or ("class %04x is neither a display controller nor an accelerator"):format(class)
  end
  if not allowed[dev.vendor] then
    return false, ("vendor %04x is not known to make GPUs for passthrough"):format(dev.vendor)
  end
  if dev.boot_vga then return false, "it is the console (boot VGA)" end
  if dev.vendor == 0x8086 and (dev.domain or 0) == 0 and dev.bus == 0 then
    return false, "Intel graphics of the processor, not a card"
  end
  return true
end

local function part_pattern(part, width)
  if part == "*" then return "^%x+$" end
  if not part:match "^[%x*?]+$" or (#part > width and not part:find "*") then return nil end
  if not part:find "[*?]" then part = ("0"):rep(width - #part) .. part end
  return "^" .. part:lower():gsub("*", "%%x*"):gsub("?", "%%x") .. "$"
end

local function bad(pattern)
  return nil, ("'%s' is not a pattern: write vendor:device[:subvendor:subdevice] with * for any, class=0302, an "
    .. "address, "
    .. "or gpu"):format(tostring(pattern)), "EINVAL"
end

local function fits(value, pattern)
  if pattern == "^%x+$" then return true end
  return value ~= nil and ("%04x"):format(value):match(pattern) ~= nil
end

local fields = { "vendor", "device", "subvendor", "subdevice" }

local function fit(dev, parts)
  for i, wanted in ipairs(parts) do
    if not fits(dev[fields[i]], wanted) then return false end
  end
  return true
end

-- The parts of a pattern as Lua patterns, or nil. A playbook asks the same of each card of a fleet, so they are kept.
local known, count = {}, 0

local function parts_of(pattern)
  local parts = known[pattern]
  if parts then return parts end
  parts = {}
  for part in (pattern .. ":"):gmatch "([^:]*):" do
    local wanted = part_pattern(part, 4)
    if not wanted then return nil end
    parts[#parts + 1] = wanted
  end
  if #parts < 2 or #parts > 4 then return nil end
  if count >= 100 then known, count = {}, 0 end
  known[pattern], count = parts, count + 1
  return parts
end

local function match_one(dev, pattern)
  if type(pattern) ~= "string" then error("pci.match: a pattern is a string, not a " .. type(pattern), 3) end
  if pattern == "gpu" then return (kind.is_gpu(dev)) end
  if known[pattern] then return fit(dev, known[pattern]) end
  local class = pattern:match "^class=(.*)$"
  if class then
    local wanted = part_pattern(class, 4)
    if not wanted then return bad(pattern) end
    return fits(dev.class, wanted)
  end
  if pattern:match "%." then
    local domain, bus, slot, func = pci_address(pattern)
    if not domain then return bad(pattern) end
    return dev.domain == domain and dev.bus == bus and dev.slot == slot and dev.func == func
  end
  local parts = parts_of(pattern)
  if not parts then return bad(pattern) end
  return fit(dev, parts)
end

function kind.match(dev, pattern)
  if type(pattern) ~= "table" then return match_one(dev, pattern) end
  local any = false
  for _, one in ipairs(pattern) do
    local found, message, code = match_one(dev, one)
    if found == nil then return nil, message, code end
    any = any or found
  end
  return any
end

return kind
