--- Decides which VMs hold a card, for gpus, plan, attach and doctor.
--
-- A VM holds a card if its configuration names it, even if it is powered off: another VM with that card cannot start.
-- - A fixed backing names a host by its systemId and a card by its address. The card of that host is held,
--   wherever the VM is registered. Where VM and card are on different hosts (a copied or moved VM) the backing is
--   stale: the VM cannot start, and the other host's card is not free until the backing is removed.
-- - systemId "BYPASS" skips this check: it means the card of the host on which the VM is registered.
-- - Since vSphere 9.1 a host says which running VM has which device (bind); that counts as well.
-- - A dynamic backing holds the card assigned at power-on; before that it only claims a number of cards.
--
--   local owners = ownership.of(vms, function(system_id, vm) return host_reference_or_nil end)
--   owners:holders(host_reference, "0000:3b:00.0") --> { { ref =, name =, power =, template =, stale = } ... }
--   owners:naming(host_reference)                  --> references of the VMs with a fixed backing of that host
--   owners.dynamic  { { vm =, card = } }           not yet assigned
--   owners.unknown  { { vm =, card = } }           the systemId belongs to no known host
--
-- `vms` is a list of { ref =, name =, power =, template =, host = reference, cards = gpupt.fleet.vm.cards(...) }.
-- Nothing here calls the server.
local ownership = {}

local Ownership = {}
Ownership.__index = Ownership

local function add(self, host, address, vm, stale)
  local of_host = self.held[host]
  if not of_host then
    of_host = {}
    self.held[host] = of_host
  end
  local list = of_host[address]
  if not list then
    list = {}
    of_host[address] = list
  end
  list[#list + 1] = { ref = vm.ref, name = vm.name, power = vm.power, template = vm.template, stale = stale or nil }
end

local function fixed(self, vm, card, host_of)
  local host = card.system_id == "BYPASS" and vm.host or host_of(card.system_id, vm)
  if not host then
    self.unknown[#self.unknown + 1] = { vm = vm, card = card }
    return
  end
  add(self, host, card.address, vm, host ~= vm.host)
  local naming = self.names[host]
  if not naming then
    naming = {}
    self.names[host] = naming
  end
  naming[vm.ref] = true
end

local function by_name(a, b)
  if a.name ~= b.name then return (a.name or "") < (b.name or "") end
  return tostring(a.ref) < tostring(b.ref)
end

--- The holders of every card in these VMs' configurations.
function ownership.of(vms, host_of)
  local self = setmetatable({ held = {}, names = {}, dynamic = {}, unknown = {} }, Ownership)
  for _, vm in pairs(vms) do
    for _, card in ipairs(vm.cards) do
      if card.kind == "fixed" then
        fixed(self, vm, card, host_of)
      elseif card.kind == "dynamic" and card.assigned and vm.host then
        add(self, vm.host, card.assigned, vm)
      elseif card.kind == "dynamic" then
        self.dynamic[#self.dynamic + 1] = { vm = vm, card = card }
      end
    end
  end
  for _, of_host in pairs(self.held) do
    for _, list in pairs(of_host) do table.sort(list, by_name) end
  end
  return self
end

--- The host says that this running VM has the device. If its configuration says so too, nothing changes; otherwise it
-- holds the device as well, `unverified`: perhaps this account does not see the VM.
function Ownership:bind(host, address, ref, name)
  for _, one in ipairs(self:holders(host, address)) do if one.ref == ref then return end end
  add(self, host, address, { ref = ref, name = name or tostring(ref), power = "poweredOn" })
  local list = self.held[host][address]
  list[#list].unverified = true
  table.sort(list, by_name)
end

--- The VMs that hold the card at this address of this host; empty if none does.
function Ownership:holders(host, address)
  local of_host = self.held[host]
  return of_host and of_host[address] or {}
end

--- The VMs with a fixed backing that names this host, wherever they are registered.
function Ownership:naming(host)
  local list = {}
  for ref in pairs(self.names[host] or {}) do list[#list + 1] = ref end
  return list
end

return ownership
