--- The cards that dynamic backings will need, in the allocation of cards.
-- A dynamic backing names a model and perhaps a label; the server chooses the card at power-on. Until then it needs one
-- card of its kind, whichever. Each such device has a seat: a free card that stands for the one that it will get. If
-- that card is needed for a fixed backing, the device gets another seat; only if there is none the card is not free.
--
--   local places = seats.new(fleet, function(card, ref) return whether nothing else holds the card end)
--   places:on(card)                    the device that sits there, or nil
--   places:seat(device)                finds a card for { name =, ref =, fits =, hosts = }; true or false
--   places:put(card, device)           gives it this card
--   places:vacate(card, banned)        whether the device on this card has found another one, none of `banned`
--
-- With DRS a VM is powered on on any host of its cluster, without it on its own. All devices of a VM are on one host.
-- Finding seats is a matching of devices and cards: a device may displace another one that finds another card.
local ranges = require "gpupt.ranges"

local seats = {}

local Seats = {}
Seats.__index = Seats

--- Whether a dynamic backing ({ allowed =, label = }) may get a card.
function seats.fits(backing, card)
  if backing.label and backing.label ~= card.label then return false end
  for _, id in ipairs(backing.allowed) do
    if id.vendorId == card.vendor and id.deviceId == card.device
      and (not id.subVendorId or id.subVendorId == 0 or id.subVendorId == card.subvendor)
      and (not id.subDeviceId or id.subDeviceId == 0 or id.subDeviceId == card.subdevice) then
      return true
    end
  end
  return false
end

-- Finds a card for a device. `visited`: cards that were tried, or are not to be used.
local function place(self, device, visited)
  for pass = 1, 2 do -- a free one, before others have to move
    for _, record in ipairs(device.hosts) do
      for _, card in ipairs(record.cards) do
        local other = self.at[card]
        if not visited[card] and (pass == 2) == (other ~= nil) and device.fits(card)
          and self.usable(card, device.ref) then
          visited[card] = true
          if not other or place(self, other, visited) then
            self.at[card], device.card = device, card
            return true
          end
        end
      end
    end
  end
  return false
end

local function note(self, device)
  local vm = device.ref or device.name
  self.of[vm] = self.of[vm] or {}
  table.insert(self.of[vm], device)
end

--- Finds a seat for a device; false if there is none.
function Seats:seat(device)
  if not place(self, device, {}) then return false end
  note(self, device)
  return true
end

--- Gives a device this card, on which there is none.
function Seats:put(card, device)
  self.at[card], device.card = device, card
  note(self, device)
end

function Seats:on(card) return self.at[card] end

--- The cards on which the devices of a VM sit.
function Seats:cards_of(ref)
  local list = {}
  for i, device in ipairs(self.of[ref] or {}) do list[i] = device.card end
  table.sort(list, function(a, b) return a.address < b.address end)
  return list
end

--- Takes the devices of a VM out.
function Seats:remove(ref)
  for _, device in ipairs(self.of[ref] or {}) do self.at[device.card] = nil end
  self.of[ref] = nil
end

--- Whether the device on this card has found another card, none of `banned` (a set).
function Seats:vacate(card, banned)
  local device, visited = self.at[card], { [card] = true }
  if not device then return true end
  for one in pairs(banned or {}) do visited[one] = true end
  self.at[card] = nil
  if place(self, device, visited) then return true end
  self.at[card] = device
  return false
end

--- Finds seats for all devices of a VM, on one host: the first of `hosts` that has them. The host, or nil.
function Seats:seat_all(devices, hosts)
  for _, record in ipairs(hosts) do
    local done = 0
    for _, device in ipairs(devices) do
      device.hosts = { record }
      if not self:seat(device) then break end
      done = done + 1
    end
    if done == #devices then return record end
    if devices[1] then self:remove(devices[1].ref or devices[1].name) end
  end
end

--- The hosts on which a VM of this host can be powered on: with DRS those of its cluster, its own first.
function seats.hosts_of(record)
  local cluster = record.cluster
  if not cluster or cluster.drs == "off" then return { record } end
  local others = {}
  for _, one in ipairs(cluster.hosts) do if one ~= record then others[#others + 1] = one end end
  table.sort(others, function(a, b) return ranges.before(a.name, b.name) end)
  table.insert(others, 1, record)
  return others
end

-- The VMs with dynamic devices that have no card yet, by name: { vm =, devices = }.
local function waiting(fleet)
  local list, by_vm = {}, {}
  for _, one in ipairs(fleet.ownership.dynamic) do
    local vm = one.vm
    if not by_vm[vm] then
      by_vm[vm] = { vm = vm, devices = {} }
      list[#list + 1] = by_vm[vm]
    end
    table.insert(by_vm[vm].devices, { name = vm.name, ref = vm.ref,
      fits = function(card) return seats.fits(one.card, card) end })
  end
  table.sort(list, function(a, b)
    if a.vm.name ~= b.vm.name then return (a.vm.name or "") < (b.vm.name or "") end
    return tostring(a.vm.ref) < tostring(b.vm.ref)
  end)
  return list
end

-- A VM that also has a fixed backing cannot be moved.
local function bound(vm)
  for _, card in ipairs(vm.cards) do if card.kind == "fixed" or card.assigned then return true end end
  return false
end

--- The seats of the VMs that wait for their cards. `short` lists those for which there are not enough cards.
function seats.new(fleet, usable)
  local self = setmetatable({ at = {}, of = {}, usable = usable, short = {} }, Seats)
  for _, one in ipairs(waiting(fleet)) do
    local record = fleet.by_ref[one.vm.host]
    if record then
      local hosts = bound(one.vm) and { record } or seats.hosts_of(record)
      if #one.devices == 1 then
        one.devices[1].hosts = hosts
        if not self:seat(one.devices[1]) then self.short[#self.short + 1] = one.vm.name end
      elseif not self:seat_all(one.devices, hosts) then
        self.short[#self.short + 1] = one.vm.name
      end
    end
  end
  return self
end

return seats
