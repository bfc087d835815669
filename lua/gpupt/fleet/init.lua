--- Every GPU of a fleet: its location, its state and the VM that holds it.
--
--   local fleet = require "gpupt.fleet"
--   local seen = gpupt.check(fleet.cards(vc))                       -- or fleet.cards(vc, { path = "/DC1/host/vdi-*" })
--   for _, card in ipairs(seen.cards) do print(card.host, card.address, card.state, card.free) end
--   seen.left_out  --> display controllers that are not GPUs to pass through, with the reason
--   seen.dynamic   --> VMs that get a card at power-on (they claim a number of cards, not a card)
--   seen.elsewhere --> VMs whose backing names an unknown host (removed or unreachable)
--   seen.away      --> hosts that are not connected, or do not answer, with the reason
--
-- gpupt.fleet.ownership decides who holds a card, from all VMs of the inventory. "enabled" is the configuration,
-- "active" the state since the last boot; a card is usable only if it is both. The whole fleet is read by one property
-- collection over one view, page by page.
local failure = require "gpupt.failure"
local host_records = require "gpupt.fleet.host"
local options = require "gpupt.options"
local ownership = require "gpupt.fleet.ownership"
local system_ids = require "gpupt.fleet.system_ids"
local vm_records = require "gpupt.fleet.vm"

local fleet = {}

local declared = options.declare("fleet.cards", {
  { "path", "string|table", doc = "inventory paths of hosts, clusters or folders; default: the whole inventory" },
})

local host_paths = { "name", "parent", "runtime.connectionState", "runtime.powerState", "runtime.inMaintenanceMode",
  "runtime.standbyMode", "summary.rebootRequired", "hardware.pciDevice", "config.pciPassthruInfo",
  "config.graphicsInfo" }

-- Since 9.1 a host says which VM has which device.
local function paths_of(vc)
  if host_records.paths_of(vc) == host_records.paths then return host_paths end
  return table.move(host_paths, 1, #host_paths, 2, { "config.assignableHardwareBinding" })
end

local function failed(message, code, detail) return nil, message, code, detail end

-- Keeps only these properties of a VM: thousands of VMs would fill the memory.
local function keep_vm(object, into)
  local cards = vm_records.cards(object["config.hardware.device"])
  if #cards == 0 then return end
  into.vms[object.ref] = { ref = object.ref, name = object.name, power = object["runtime.powerState"],
    host = object["runtime.host"], template = object["config.template"] == true or nil, cards = cards }
end

local function take(object, into)
  local kind = object.ref.type
  if kind == "HostSystem" then
    into.hosts[object.ref] = object
  elseif kind == "VirtualMachine" then
    keep_vm(object, into)
  else
    into.names[object.ref], into.browsers[object.ref] = object.name, object.environmentBrowser
  end
end

local function collect(vc, into, spec)
  return failure.catch(function()
    for object in vc:collect(spec) do take(object, into) end
    return true
  end)
end

local compute_paths = { "name", "environmentBrowser" }

-- Reads named hosts, and the name and environment browser of their clusters.
local function read_hosts(vc, refs, into)
  local list, message, code, detail = vc:collect_all { objects = refs, type = "HostSystem", paths = paths_of(vc) }
  if not list then return failed(message, code, detail) end
  for _, object in ipairs(list) do
    take(object, into)
    if not into.names[object.parent] then
      local props
      props, message, code, detail = object.parent:get(compute_paths)
      if not props then return failed(message, code, detail) end
      into.names[object.parent], into.browsers[object.parent] = props.name, props.environmentBrowser
    end
  end
  return true
end

local containers = { Folder = true, Datacenter = true, ComputeResource = true, ClusterComputeResource = true }

-- Resolves one path: hosts are added to `named`, containers are read. What else a pattern matches (the resource pool
-- beside a cluster's hosts) has no cards.
local function read_path(vc, pattern, into, named)
  local refs, message, code, detail = vc:find(pattern)
  if not refs then return failed(message, code, detail) end
  local useful = false
  for _, ref in ipairs(refs) do
    if ref.type == "HostSystem" then
      named[#named + 1] = ref
      useful = true
    elseif containers[ref.type] then
      useful = true
      local ok
      ok, message, code, detail = collect(vc, into, { under = ref, types = { HostSystem = paths_of(vc),
        ComputeResource = compute_paths } })
      if not ok then return failed(message, code, detail) end
      if ref.type ~= "Folder" and ref.type ~= "Datacenter" then
        -- a view of a cluster does not contain the cluster itself
        local props
        props, message, code, detail = ref:get(compute_paths)
        if not props then return failed(message, code, detail) end
        into.names[ref], into.browsers[ref] = props.name, props.environmentBrowser
      end
    end
  end
  if useful then return true end
  return nil, ("'%s' is a %s. Give a path of hosts, clusters, folders or datacenters"):format(pattern, refs[1].type),
    "EINVAL"
end

local function read(vc, paths)
  local into, named = { hosts = {}, vms = {}, names = {}, browsers = {} }, {}
  local ok, message, code, detail
  if not paths then
    ok, message, code, detail = collect(vc, into, { types = { HostSystem = paths_of(vc),
      VirtualMachine = vm_records.claim_paths, ComputeResource = compute_paths } })
    if not ok then return failed(message, code, detail) end
    return into
  end
  for _, pattern in ipairs(type(paths) == "table" and paths or { paths }) do
    ok, message, code, detail = read_path(vc, pattern, into, named)
    if not ok then return failed(message, code, detail) end
  end
  if #named > 0 then
    ok, message, code, detail = read_hosts(vc, named, into)
    if not ok then return failed(message, code, detail) end
  end
  -- a VM that holds a card of these hosts may be registered on any host
  ok, message, code, detail = collect(vc, into, { type = "VirtualMachine", paths = vm_records.claim_paths })
  if not ok then return failed(message, code, detail) end
  return into
end

local function by_vm(a, b)
  if a.vm ~= b.vm then return a.vm < b.vm end
  return (a.address or "") < (b.address or "")
end

-- Claims on a number of cards, of VMs on these hosts (or on no host).
local function dynamic_claims(owners, records, everything)
  local list = {}
  for _, one in ipairs(owners.dynamic) do
    local on = records[one.vm.host]
    if on or everything then
      local allowed = {}
      for i, id in ipairs(one.card.allowed) do allowed[i] = ("%04x:%04x"):format(id.vendorId, id.deviceId) end
      list[#list + 1] = { vm = one.vm.name, power = one.vm.power, host = on and on.name, allowed = allowed,
        label = one.card.label ~= "" and one.card.label or nil }
    end
  end
  table.sort(list, by_vm)
  return list
end

-- Backings that name an unknown host, of VMs on these hosts.
local function elsewhere(owners, records)
  local list = {}
  for _, one in ipairs(owners.unknown) do
    if records[one.vm.host] then
      list[#list + 1] = { vm = one.vm.name, power = one.vm.power, address = one.card.address,
        system_id = one.card.system_id }
    end
  end
  table.sort(list, by_vm)
  return list
end

-- Hosts that are away, or that are connected and could not be asked: { host =, why =, connected = }.
local function away(records, ids)
  local list = {}
  for ref, record in pairs(records) do
    local why = host_records.away(record)
    local silence = not why and ids:silence(ref) or nil
    if why or silence then list[#list + 1] = { host = record.name, why = why or silence, connected = not why } end
  end
  table.sort(list, function(a, b) return a.host < b.host end)
  return list
end

-- Why the card is not free, or nil. `silence`: why its host could not be asked who holds its cards.
local function not_free(card, record, silence)
  if record.connection ~= "connected" then return "the host " .. host_records.disconnected(record.connection) end
  if not card.capable then return "not capable of passthrough" end
  if not (card.enabled and card.active) then return host_records.state(card) end
  if card.vgpu then return card.vgpu end
  if card.owners[1] then return "held by " .. card.owners[1].name end
  if silence then return "the host " .. silence end
end

local function id_of(device)
  return ("%04x:%04x"):format(device.vendor, device.device)
end

local function plain(device, record, cluster, slots)
  return {
    host = record.name, cluster = cluster, address = device.address, slot = slots[device.address], id = id_of(device),
    vendor = device.vendor, device = device.device, subvendor = device.subvendor, subdevice = device.subdevice,
    class = device.class, model = device.device_name, vendor_name = device.vendor_name,
  }
end

-- vSphere 9 reports the slots of cards.
local function slots_of(object)
  local slots = {}
  for _, device in ipairs(object["hardware.pciDevice"] or {}) do
    if device.slotDescription and device.slotDescription ~= "" then
      slots[device.id] = device.slotDescription
    elseif device.physicalSlot then
      slots[device.id] = tostring(device.physicalSlot)
    end
  end
  return slots
end

-- The public fields of a card's owners.
local function owners_of(owners, ref, address)
  local list = {}
  for i, one in ipairs(owners:holders(ref, address)) do
    list[i] = { name = one.name, power = one.power, template = one.template, stale = one.stale,
      unverified = one.unverified }
  end
  return list
end

--- The cards: { cards = {...}, left_out = {...}, dynamic = {...}, elsewhere = {...}, away = {{host=, why=,
-- connected=}...}, hosts = number }; nil, message, code.
-- A card has host, cluster, address, slot, id ("10de:20b5"), vendor, device, subvendor,
-- subdevice, class, model, capable, enabled, active, state (for people), label, owners ({name=, power=,
-- template=, stale=, unverified=}; stale: the VM is registered on another host and cannot start; unverified: only the
-- host says so), free, why (it is not free).
function fleet.cards(vc, given)
  local o = declared:check(given)
  local seen, message, code, detail = read(vc, o.path)
  if not seen then return failed(message, code, detail) end
  local records, list = {}, {}
  for ref, object in pairs(seen.hosts) do
    local record = host_records.record(ref, object)
    record.browser = seen.browsers[record.parent]
    records[ref], list[#list + 1] = record, record
  end
  local ids = system_ids.new(vc)
  ids:resolve(seen.vms, list)
  local owners = ownership.of(seen.vms, function(id, vm) return ids:named_by(id, vm) end)
  for ref, record in pairs(records) do
    for _, one in ipairs(record.bindings) do
      owners:bind(ref, one.address, one.vm, seen.vms[one.vm] and seen.vms[one.vm].name)
    end
  end
  local result = { cards = {}, left_out = {}, dynamic = dynamic_claims(owners, records, o.path == nil),
    elsewhere = elsewhere(owners, records), away = away(records, ids), hosts = #list }
  local function cluster_of(record)
    local name = seen.names[record.parent]
    return name ~= record.name and name or nil -- a standalone host
  end
  table.sort(list, function(a, b)
    local one, other = cluster_of(a) or "", cluster_of(b) or ""
    if one ~= other then return one < other end
    return (a.name or "") < (b.name or "")
  end)
  for _, record in ipairs(list) do
    local ref, cluster = record.ref, cluster_of(record)
    local slots = slots_of(seen.hosts[ref])
    for _, device in ipairs(record.cards) do
      local card = plain(device, record, cluster, slots)
      card.capable, card.enabled = device.capable == true, device.enabled == true
      card.active = device.active == true
      card.label, card.vgpu = device.label, device.vgpu
      card.owners = owners_of(owners, ref, device.address)
      card.state = host_records.state(card)
      card.maintenance = record.maintenance or nil
      card.away = record.connection ~= "connected" and (record.connection or "not readable") or nil
      card.why = not_free(card, record, ids:silence(ref))
      card.free = card.why == nil
      result.cards[#result.cards + 1] = card
    end
    table.sort(record.left_out, function(a, b) return a.device.address < b.device.address end)
    for _, one in ipairs(record.left_out) do
      local entry = plain(one.device, record, cluster, slots)
      entry.why = one.why
      result.left_out[#result.left_out + 1] = entry
    end
  end
  return result
end

return fleet
