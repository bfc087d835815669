--- Every GPU of a fleet: where it is, in which state, and whose.
--
--   local fleet = require "gpupt.fleet"
--   local seen = gpupt.check(fleet.cards(vc))                       -- or fleet.cards(vc, { path = "/DC1/host/vdi-*" })
--   for _, card in ipairs(seen.cards) do print(card.host, card.address, card.state, card.free) end
--   seen.left_out  --> display controllers that are no GPUs to pass through, each with the reason
--   seen.dynamic   --> machines that will be given some card at power-on (a claim on a number, not on a card)
--   seen.elsewhere --> machines whose card is on a host that was not read (moved, or the host is gone)
--
-- A card belongs to whichever machine has it in its configuration, powered off or not: starting another one
-- with it fails. "enabled" is what was asked for, "active" what the host has done; only together they make a
-- card usable. The whole fleet is read by one property collection over one view, a page at a time.
local failure = require "gpupt.failure"
local host_records = require "gpupt.playbook.host"
local options = require "gpupt.options"
local vm_records = require "gpupt.playbook.vm"

local fleet = {}

local declared = options.declare("fleet.cards", {
  { "path", "string|table", doc = "inventory paths of hosts, clusters or folders; the whole inventory when absent" },
})

local host_paths = { "name", "parent", "runtime.connectionState", "runtime.powerState", "runtime.inMaintenanceMode",
  "summary.rebootRequired", "hardware.pciDevice", "config.pciPassthruInfo",
  "config.graphicsInfo" }

local function failed(message, code, detail) return nil, message, code, detail end

-- Of a machine only this is kept: the properties of thousands would fill the memory.
local function keep_machine(object, into)
  into.vms[object.ref] = { name = object.name, power = object["runtime.powerState"], host = object["runtime.host"],
    template = object["config.template"] == true or nil, cards = vm_records.cards(object["config.hardware.device"]) }
end

local function collect(vc, spec, take)
  return failure.catch(function()
    for object in vc:collect(spec) do take(object) end
    return true
  end)
end

-- Below one container: hosts, machines and the names of clusters, in one pass.
local function read_container(vc, under, into)
  return collect(vc, { under = under, types = { HostSystem = host_paths, VirtualMachine = vm_records.claim_paths,
    ComputeResource = { "name", "environmentBrowser" } } }, function(object)
    local kind = object.ref.type
    if kind == "HostSystem" then
      into.hosts[object.ref] = object
    elseif kind == "VirtualMachine" then
      keep_machine(object, into)
    else
      into.names[object.ref], into.browsers[object.ref] = object.name, object.environmentBrowser
    end
  end)
end

-- Named hosts: their neighbours in the cluster too, because a machine that holds a card may be registered on
-- one of them.
local function read_hosts(vc, refs, into)
  local list, message, code, detail = vc:collect_all { objects = refs, type = "HostSystem", paths = host_paths }
  if not list then return failed(message, code, detail) end
  local parents, seen = {}, {}
  for _, object in ipairs(list) do
    into.hosts[object.ref] = object
    if not seen[object.parent] then
      seen[object.parent] = true
      parents[#parents + 1] = object.parent
    end
  end
  for _, parent in ipairs(parents) do
    local props
    props, message, code, detail = parent:get { "name", "host", "environmentBrowser" }
    if not props then return failed(message, code, detail) end
    into.names[parent], into.browsers[parent] = props.name, props.environmentBrowser
    list, message, code, detail = vc:collect_all { objects = props.host or {}, type = "HostSystem", paths = { "vm" } }
    if not list then return failed(message, code, detail) end
    local machines = {}
    for _, object in ipairs(list) do
      table.move(object.vm or {}, 1, #(object.vm or {}), #machines + 1, machines)
    end
    local ok
    ok, message, code, detail = collect(vc,
      { objects = machines, type = "VirtualMachine", paths = vm_records.claim_paths },
      function(object) keep_machine(object, into) end)
    if not ok then return failed(message, code, detail) end
  end
  return true
end

local containers = { Folder = true, Datacenter = true, ComputeResource = true, ClusterComputeResource = true }

local function read(vc, paths)
  local into = { hosts = {}, vms = {}, names = {}, browsers = {} }
  if not paths then
    local ok, message, code, detail = read_container(vc, nil, into)
    if not ok then return failed(message, code, detail) end
    return into
  end
  local hosts = {}
  for _, pattern in ipairs(type(paths) == "table" and paths or { paths }) do
    local refs, message, code, detail = vc:find(pattern)
    if not refs then return failed(message, code, detail) end
    for _, ref in ipairs(refs) do
      if ref.type == "HostSystem" then
        hosts[#hosts + 1] = ref
      elseif containers[ref.type] then
        local ok
        ok, message, code, detail = read_container(vc, ref, into)
        if not ok then return failed(message, code, detail) end
        if ref.type ~= "Folder" and ref.type ~= "Datacenter" then
          -- a view of a cluster does not hold the cluster itself
          local props
          props, message, code, detail = ref:get { "name", "environmentBrowser" }
          if not props then return failed(message, code, detail) end
          into.names[ref], into.browsers[ref] = props.name, props.environmentBrowser
        end
      else
        return nil, ("'%s' is a %s; hosts, clusters, folders and datacenters have "
          .. "cards"):format(pattern, ref.type), "EINVAL"
      end
    end
  end
  if #hosts > 0 then
    local ok, message, code, detail = read_hosts(vc, hosts, into)
    if not ok then return failed(message, code, detail) end
  end
  return into
end

-- The id by which a fixed backing names its host is none of the host's properties (it is not the BIOS UUID). A
-- running machine tells it, since it runs where its card is; for the others the host that they are registered
-- on is asked, and then its neighbours. Gives system id -> host reference.
local function system_ids(vc, seen, wanted)
  local known, asked = {}, {}
  for _, object in pairs(seen.vms) do
    if object.power == "poweredOn" then
      for _, card in ipairs(object.cards) do
        if card.kind == "fixed" then known[card.system_id] = object.host end
      end
    end
  end
  local function ask(ref)
    local object = seen.hosts[ref]
    if not object or asked[ref] then return end
    asked[ref] = true
    local browser = seen.browsers[object.parent]
    local target = browser and object["runtime.connectionState"] == "connected"
      and vc:call(browser, "QueryConfigTarget", { host = ref })
    for _, info in ipairs(target and target.pciPassthrough or {}) do known[info.systemId] = ref end
  end
  -- a host can only be meant when it has such a device
  local function has(object, address)
    for _, info in ipairs(object["config.pciPassthruInfo"] or {}) do
      if info.id == address and info.passthruCapable then return true end
    end
  end
  for id, want in pairs(wanted) do
    if not known[id] then ask(want.ref) end
    local parent = seen.hosts[want.ref] and seen.hosts[want.ref].parent
    for _, neighbour in ipairs { true, false } do
      for ref, object in pairs(seen.hosts) do
        if known[id] then break end
        if (object.parent == parent) == neighbour and has(object, want.address) then ask(ref) end
      end
    end
  end
  return known
end

-- owners[host][address] = list of { name, power, template }; the claims on a number; those on hosts that are
-- not here.
local function owners_of(vc, seen)
  local owners, dynamic, fixed, wanted, elsewhere = {}, {}, {}, {}, {}
  local function add(ref, address, owner)
    owners[ref] = owners[ref] or {}
    owners[ref][address] = owners[ref][address] or {}
    table.insert(owners[ref][address], owner)
  end
  for _, object in pairs(seen.vms) do
    for _, card in ipairs(object.cards) do
      local owner = { name = object.name, power = object.power, template = object.template }
      local ref = object.host
      local on = seen.hosts[ref]
      if card.kind == "fixed" then
        fixed[#fixed + 1] = { card = card, owner = owner, here = on ~= nil }
        wanted[card.system_id] = wanted[card.system_id] or { ref = ref, address = card.address }
      elseif card.kind == "dynamic" and card.assigned and on then
        add(ref, card.assigned, owner)
      elseif card.kind == "dynamic" then
        local allowed = {}
        for i, one in ipairs(card.allowed) do allowed[i] = ("%04x:%04x"):format(one.vendorId, one.deviceId) end
        dynamic[#dynamic + 1] = { vm = owner.name, power = owner.power, host = on and on.name, allowed = allowed,
          label = card.label ~= "" and card.label or nil }
      end
    end
  end
  local known = system_ids(vc, seen, wanted)
  for _, one in ipairs(fixed) do
    local ref = known[one.card.system_id]
    if ref then
      add(ref, one.card.address, one.owner)
    elseif one.here then
      elsewhere[#elsewhere + 1] = { vm = one.owner.name, power = one.owner.power, address = one.card.address,
        system_id = one.card.system_id }
    end
  end
  local function by_vm(a, b)
    if a.vm ~= b.vm then return a.vm < b.vm end
    return (a.address or "") < (b.address or "")
  end
  table.sort(dynamic, by_vm)
  table.sort(elsewhere, by_vm)
  return owners, dynamic, elsewhere
end

local function by_name(a, b) return a.name < b.name end

-- Why nobody can be given this card now; nil when it is free.
local function not_free(card, record)
  if record.connection ~= "connected" then return "the host is " .. (record.connection or "not readable") end
  if not card.capable then return "not capable of passthrough" end
  if not (card.enabled and card.active) then return host_records.state(card) end
  if card.vgpu then return card.vgpu end
  if card.owners[1] then return "held by " .. card.owners[1].name end
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

-- vSphere 9 says in which slot a card sits.
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

--- The cards: { cards = {...}, left_out = {...}, dynamic = {...}, elsewhere = {...}, hosts = number }; nil,
-- message, code. A card has host, cluster, address, slot, id ("10de:20b5"), vendor, device, subvendor,
-- subdevice, class, model, capable, enabled, active, state (a word for people), label, owners ({name=,
-- power=}), free, why (it is not free).
function fleet.cards(vc, given)
  local o = declared:check(given)
  local seen, message, code, detail = read(vc, o.path)
  if not seen then return failed(message, code, detail) end
  local owners, dynamic, elsewhere = owners_of(vc, seen)
  local result = { cards = {}, left_out = {}, dynamic = dynamic, elsewhere = elsewhere, hosts = 0 }
  for ref, object in pairs(seen.hosts) do
    result.hosts = result.hosts + 1
    local record = host_records.record(ref, object)
    local cluster, slots = seen.names[record.parent], slots_of(object)
    if cluster == record.name then cluster = nil end -- a standalone host
    for _, device in ipairs(record.cards) do
      local card = plain(device, record, cluster, slots)
      card.capable, card.enabled, card.active = device.capable == true, device.enabled == true, device.active == true
      card.label, card.vgpu = device.label, device.vgpu
      card.owners = (owners[ref] or {})[device.address] or {}
      table.sort(card.owners, by_name)
      card.state = host_records.state(card)
      card.maintenance = record.maintenance or nil
      card.why = not_free(card, record)
      card.free = card.why == nil
      result.cards[#result.cards + 1] = card
    end
    for _, one in ipairs(record.left_out) do
      local entry = plain(one.device, record, cluster, slots)
      entry.why = one.why
      result.left_out[#result.left_out + 1] = entry
    end
  end
  local function in_order(a, b)
    if (a.cluster or "") ~= (b.cluster or "") then return (a.cluster or "") < (b.cluster or "") end
    if a.host ~= b.host then return a.host < b.host end
    return a.address < b.address
  end
  table.sort(result.cards, in_order)
  table.sort(result.left_out, in_order)
  return result
end

return fleet
