--- Reads `lspci -Dnnkvv` of a Linux guest: which cards, their BARs, their driver.
-- lspci is not translated, and `-nn` prints the numbers with the names, so an old pci.ids does not matter.
--
--   lspci.parse(text)
--     --> { { address="0000:0b:00.0", class=0x0302, vendor=0x10de, device=0x20b5, name="NVIDIA ...", subvendor=,
--             subdevice=, driver="nvidia", numa=0, regions={ {index=1, kind="mem64", size=137438953472} } } }
local text = require "gpupt.text"

local lspci = {}

local units = { [""] = 0, K = 10, M = 20, G = 30, T = 40 }

local function size_of(line)
  local number, unit = line:match "%[size=(%d+)([KMGT]?)%]"
  return number and math.tointeger(number) << units[unit] or nil
end

local function region(line)
  local index, where = line:match "^%s+Region (%d): Memory at (%S+)"
  if index then
    return {
      index = math.tointeger(index), kind = line:find "64%-bit" and "mem64" or "mem32", size = size_of(line),
      unassigned = where == "<unassigned>" or where == "<ignored>" or nil,
      prefetchable = line:find("non-prefetchable", 1, true) == nil,
    }
  end
  index = line:match "^%s+Region (%d): I/O ports"
  if index then return { index = math.tointeger(index), kind = "io", size = size_of(line) } end
end

local function head(line)
  local address, rest = line:match "^(%x+:%x+:%x+%.%x)%s+(.*)$"
  if not address then
    address, rest = line:match "^(%x%x:%x%x%.%x)%s+(.*)$"
    if not address then return nil end
    address = "0000:" .. address
  end
  local class, named = rest:match "%[(%x%x%x%x)%]:%s*(.*)$"
  if not class then return nil end
  -- the last pair in brackets: a model name may have brackets of its own before it
  local name, vendor, device = named:match "^(.*)%s*%[(%x%x%x%x):(%x%x%x%x)%]"
  if not vendor then return nil end
  return {
    address = address:lower(), class = tonumber(class, 16), vendor = tonumber(vendor, 16),
    device = tonumber(device, 16), name = text.trim(name), regions = {},
  }
end

--- The devices in the text, in its order.
function lspci.parse(output)
  local devices, current = {}, nil
  for line in text.lines(output) do
    local device = head(line)
    if device then
      current = device
      devices[#devices + 1] = device
    elseif current and line:find "^%s" then
      local bar = region(line)
      local subvendor, subdevice = line:match "^%s+Subsystem:.*%[(%x%x%x%x):(%x%x%x%x)%]"
      if bar then
        current.regions[#current.regions + 1] = bar
      elseif line:find "^%s+NUMA node:" then
        current.numa = math.tointeger(tonumber(line:match "^%s+NUMA node:%s*(%-?%d+)"))
      elseif subvendor then
        current.subvendor, current.subdevice = tonumber(subvendor, 16), tonumber(subdevice, 16)
      else
        current.driver = line:match "^%s+Kernel driver in use:%s*(%S+)" or current.driver
      end
    elseif line ~= "" then
      current = nil
    end
  end
  return devices
end

return lspci
