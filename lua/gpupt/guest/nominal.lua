--- Compares what cards report in a guest with their data sheets (gpupt.facts.nominal): memory, link, ECC, and whether
-- the cards of one VM are on one NUMA node. The findings are warnings.
local causes = require "gpupt.guest.causes"
local nominal = require "gpupt.facts.nominal"

local compare = {}

-- What reports a link and a memory, by the address of the card: PCI addresses in any form.
local function key(address)
  local domain, bus, slot = (address or ""):lower():match "^(%x+):(%x+):(%x+)"
  return domain and ("%x:%x:%x"):format(tonumber(domain, 16), tonumber(bus, 16), tonumber(slot, 16))
end

local function add(list, code, text, where)
  list[#list + 1] = causes.finding(code, text, where)
end

local function memory(list, device, sheet, where)
  local mib = tonumber((device.memory or ""):match "^(%d+) MiB")
  if mib and mib < sheet.memory_gb * 1000 * 1000 * 1000 / 1048576 * 0.9 then
    add(list, "memory-less", ("%s: %d MiB of %d GB"):format(device.address or device.id, mib, sheet.memory_gb), where)
  end
end

local function link(list, device, sheet, one, where)
  if not one then return end
  -- what the card and the slot can do together; a link that is narrower at the moment needs no data sheet
  if one.width_max < sheet.width then
    add(list, "link-width", ("%s: PCIe x%d, and the card has x%d"):format(device.address, one.width_max, sheet.width),
      where)
  end
  if one.generation_max < sheet.generation then
    add(list, "link-generation", ("%s: PCIe generation %d, and the card has %d"):format(device.address,
      one.generation_max, sheet.generation), where)
  end
end

-- A card that ships with ECC off (nil: not listed, so taken as on) needs no warning when it is.
local function ecc(list, one, sheet, where)
  if one.ecc ~= "Disabled" or sheet and not sheet.ecc then return end
  add(list, "ecc-off", ("%s: ECC Disabled%s"):format(one.bus_id,
    sheet and ", and the card ships with it switched on" or ""), where)
end

-- The data sheet of a card that nvidia-smi lists. Windows gives its devices no address: there it is known where all of
-- them are one model.
local function sheet_of(devices, one)
  local only
  for _, device in ipairs(devices) do
    if device.address and key(device.address) == key(one.bus_id) then return nominal(device.vendor, device.device) end
    local id = ("%04x:%04x"):format(device.vendor, device.device)
    only = (only == nil or only == id) and id or false
  end
  local first = devices[1]
  return only and not first.address and nominal(first.vendor, first.device) or nil
end

local function nodes(list, devices)
  local seen, count, words = {}, 0, {}
  for _, device in ipairs(devices) do
    local node = device.numa
    if node and node >= 0 then
      if not seen[node] then count = count + 1 end
      seen[node] = true
      words[#words + 1] = ("%s on %d"):format(device.address, node)
    end
  end
  if count > 1 then add(list, "numa-nodes", table.concat(words, ", ")) end
end

--- Adds its findings to a result of gpupt.guest.proof.
function compare.add(result)
  local links = {}
  for _, one in ipairs(result.links or {}) do links[key(one.bus_id) or ""] = one end
  for _, device in ipairs(result.devices) do
    local sheet = nominal(device.vendor, device.device)
    local where = { address = device.address, device = device }
    if sheet then
      memory(result.findings, device, sheet, where)
      link(result.findings, device, sheet, device.address and links[key(device.address) or "?"], where)
    end
  end
  for _, one in ipairs(result.links or {}) do
    ecc(result.findings, one, sheet_of(result.devices, one), { address = one.bus_id })
  end
  nodes(result.findings, result.devices)
end

return compare
