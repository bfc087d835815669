--- The id by which a fixed backing names its host (VirtualPCIPassthroughDeviceBackingInfo.systemId).
-- It is not a property of the host, nor its BIOS UUID. There are two ways to find it: a running VM has its card on its
-- own host, and QueryConfigTarget lists the devices of a host with their systemId. That costs a request per host, so it
-- is sent only if a backing may name the host, and once. A host that does not answer (`silent`) may have the id of any
-- backing that no other host has: the VMs on it are taken to hold its cards.
local fiber = require "gpupt.loop.fiber"
local host_records = require "gpupt.fleet.host"

local system_ids = {}

local SystemIds = {}
SystemIds.__index = SystemIds

--- `once`: hosts that have no id are asked once only, until ask_again: nothing changes while a plan is made.
function system_ids.new(vc, once)
  return setmetatable({ vc = vc, host_of = {}, id_of = {}, asked = {}, silent = {}, once = once }, SystemIds)
end

local function note(self, id, host)
  if id and id ~= "BYPASS" then
    self.host_of[id] = self.host_of[id] or host
    self.id_of[host] = self.id_of[host] or id
  end
end

--- Learns ids from running VMs.
function SystemIds:learn(vms)
  for _, vm in pairs(vms) do
    if vm.power == "poweredOn" and vm.host then
      for _, card in ipairs(vm.cards) do
        if card.kind == "fixed" then note(self, card.system_id, vm.host) end
      end
    end
  end
end

--- Whether a host (a record with `browser`) has to be asked for its id: not if it is known, nor if it was asked and has
-- none, nor if no card is active, because a host gets an id when its first card becomes active.
function SystemIds:to_ask(record)
  if self.id_of[record.ref] or self.asked[record.ref] or record.connection ~= "connected" then return false end
  for _, device in pairs(record.devices) do if device.active then return true end end
  return false
end

--- The id of a host, asked from the host; nil if it has no card that can be passed through; nil, message, code,
-- { skip = reason } if it cannot be asked.
function SystemIds:of(record)
  local host = record.ref
  if self.id_of[host] then return self.id_of[host] end
  if self.once and self.asked[host] or not record.browser then return nil end
  local known = self.once and self.silent[host]
  if known then return nil, table.unpack(known, 1, 3) end
  local target, message, code = self.vc:call(record.browser, "QueryConfigTarget", { host = host })
  if target == nil then
    local why = ("does not say which cards it offers (QueryConfigTarget: %s)"):format(message)
    self.silent[host] = { ("%s %s"):format(record.name, why), code, { skip = why } }
    return nil, table.unpack(self.silent[host], 1, 3)
  end
  self.asked[host], self.silent[host] = true, nil
  for _, info in ipairs(target and target.pciPassthrough or {}) do note(self, info.systemId, host) end
  return self.id_of[host]
end

--- Hosts that had no id are asked again from now on, whenever their id is wanted.
function SystemIds:ask_again() self.asked, self.once = {}, false end

-- A backing can name a host only if it has such a device.
local function has(record, address)
  local device = record.devices[address]
  return device ~= nil and device.capable == true
end

--- Finds the hosts of the ids that the VMs' fixed backings name and that are not known yet. `hosts` is a list of host
-- records with `browser` (of their cluster). The hosts that the VMs are registered on are asked first, side by side,
-- then their neighbours, then the others.
function SystemIds:resolve(vms, hosts)
  self:learn(vms)
  local wanted, by_ref, tried = {}, {}, {}
  for _, record in ipairs(hosts) do by_ref[record.ref] = record end
  for _, vm in pairs(vms) do
    for _, card in ipairs(vm.cards) do
      if card.kind == "fixed" and card.system_id ~= "BYPASS" and not self.host_of[card.system_id] then
        wanted[card.system_id] = wanted[card.system_id] or { host = vm.host, address = card.address }
      end
    end
  end
  local function ask(record)
    if not record or tried[record.ref] then return end
    tried[record.ref] = true
    if record.connection == "connected" then
      self:of(record)
    elseif not self.id_of[record.ref] then
      local why = host_records.disconnected(record.connection)
      self.silent[record.ref] = { ("%s %s"):format(record.name, why), "HostNotConnected", { skip = why } }
    end
  end
  local homes = {}
  for _, want in pairs(wanted) do homes[#homes + 1] = function() return ask(by_ref[want.host]) or true end end
  fiber.all(homes)
  for id, want in pairs(wanted) do
    local home = by_ref[want.host]
    for _, neighbour in ipairs { true, false } do
      for _, record in ipairs(hosts) do
        if self.host_of[id] then break end
        local near = home ~= nil and record.parent == home.parent
        if near == neighbour and has(record, want.address) then ask(record) end
      end
    end
  end
end

--- The host that a backing of this VM names, for gpupt.fleet.ownership: if no host is known to have the id, the VM's
-- own host when that could not be asked.
function SystemIds:named_by(id, vm)
  return self.host_of[id] or (vm.host and self.silent[vm.host] and not self.id_of[vm.host] and vm.host) or nil
end

--- Why a host could not be asked, or nil.
function SystemIds:silence(host)
  local silent = self.silent[host]
  return silent and not self.id_of[host] and silent[3].skip or nil
end

return system_ids
