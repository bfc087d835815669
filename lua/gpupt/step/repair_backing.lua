--- Stale fixed backings of a VM: they name another host, an address where there is no card, or a card of another model
-- (it was replaced or put into another slot). Such a VM cannot start. A backing is replaced only if its host has
-- exactly one matching card that is active and free; otherwise it is a proposal for a person.
local hosts = require "gpupt.fleet.host"

local backing = {}

local function id_of(device)
  local id = device.backing.deviceId
  return id and math.tointeger(tonumber((tostring(id):gsub("^0[xX]", "")), 16))
end

-- Vendor and device of a fixed backing; nil where it does not say.
local function model_of(device)
  local vendor, id = device.backing.vendorId, id_of(device)
  return vendor and vendor & 0xffff, id and id & 0xffff
end

local function same_model(card, vendor, id)
  return card.vendor == vendor and (id == nil or id == 0 or card.device == id)
end

-- Why this card of the host is not what the backing names; nil if it is.
local function stale_why(record, system_id, card, device)
  if card.system_id ~= "BYPASS" and system_id and card.system_id ~= system_id then return "names another host" end
  local there, vendor, id = record.devices[card.address], model_of(device)
  if not there then return "names an address where there is no card" end
  if vendor and not same_model(there, vendor, id) then return "names another model than is at its address" end
end

--- The VM's stale backings: { { key, address, why, vendor, device } }.
function backing.stale(vm, record, system_id)
  local by_key, list = {}, {}
  for _, device in ipairs(vm.devices) do by_key[device.key] = device end
  for _, card in ipairs(vm.cards) do
    if card.kind == "fixed" then
      local why = stale_why(record, system_id, card, by_key[card.key])
      local vendor, id = model_of(by_key[card.key])
      if why then
        list[#list + 1] = { key = card.key, address = card.address, why = why, vendor = vendor, device = id }
      end
    end
  end
  return list
end

-- The cards of this host that could take the place of a stale backing: active, and no other VM has them.
local function candidates(fleet, vm, record, one, taken)
  local list = {}
  for _, card in ipairs(record.cards) do
    local free = card.enabled and card.active and not card.vgpu and not taken[card]
    for _, owner in ipairs(free and fleet:owners(card) or {}) do
      -- another VM's stale backing of this card is as good as any
      if owner.ref ~= vm.ref then free = false end
    end
    for _, own in ipairs(vm.cards) do
      if own.kind == "fixed" and own.address == card.address and own.key ~= one.key and not taken[own.key] then
        free = false
      end
    end
    if free and one.vendor and same_model(card, one.vendor, one.device) then list[#list + 1] = card end
  end
  return list
end

--- Finds for each stale backing the one card that matches: sets `card`, or `problem` in words. `taken`: cards that
-- earlier VMs of the plan got.
function backing.match(fleet, vm, record, list, taken)
  local mine = {}
  for _, one in ipairs(list) do mine[one.key] = true end
  for _, one in ipairs(list) do
    local seen = setmetatable({}, { __index = function(_, key) return taken[key] or mine[key] end })
    local found = candidates(fleet, vm, record, one, seen)
    if #found == 1 then
      one.card = found[1]
      mine[found[1]] = true
    else
      local words = {}
      for i, card in ipairs(found) do words[i] = hosts.short(card.address) end
      one.problem = #found == 0 and ("%s has no free card of that model"):format(record.name)
        or ("%s has %d free cards of that model (%s): which one is not known"):format(record.name, #found,
          table.concat(words, " "))
    end
  end
end

--- "3b:00.0 -> 86:00.0"
function backing.text(one) return ("%s -> %s"):format(hosts.short(one.address), hosts.short(one.card.address)) end

return backing
