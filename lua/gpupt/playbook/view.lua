--- What a function of the playbook sees of its target: a field that is a function of the target, and p.find's `filter`.
-- Plain data, read when the plan was made. Reading a field that it does not have raises, with the nearest name.
local host_records = require "gpupt.fleet.host"
local nearest = require "gpupt.nearest"
local vm_records = require "gpupt.fleet.vm"

local view = {}

local fields = {
  vm = { "kind", "name", "number", "path", "folder", "host", "cluster", "power", "template", "guest", "guest_id",
    "firmware", "hardware_version", "memory_mb", "cpus", "cards", "extra" },
  host = { "kind", "name", "path", "cluster", "version", "memory_mb", "cards", "maintenance" },
  card = { "address", "vendor", "device", "name", "label", "enabled", "active" },
}

--- `values` as a function of the playbook sees them; kind: "vm", "host" or "card". `list`: the names that it may read,
-- if not all of that kind.
function view.strict(kind, values, list)
  local known = {}
  list = list or fields[kind]
  for _, name in ipairs(list) do known[name] = true end
  return setmetatable({}, {
    __index = function(_, name)
      if known[name] then return values[name] end
      error(("a %s has no '%s'%s; it has %s"):format(kind == "vm" and "VM" or kind, tostring(name),
        nearest.hint(name, list), table.concat(list, ", ")), 2)
    end,
    __newindex = function(_, name) error(("%s cannot be set"):format(tostring(name)), 2) end,
    __pairs = function() return next, values, nil end,
  })
end

local function cards_of(record)
  local list = {}
  for i, card in ipairs(record.cards) do
    list[i] = view.strict("card", { address = card.address, vendor = card.vendor, device = card.device,
      name = card.name, label = card.label, enabled = card.enabled == true, active = card.active == true })
  end
  return list
end

--- A host, from its record. cards: { address, vendor, device, name, label, enabled, active }.
function view.host(fleet, record)
  return view.strict("host", { kind = "host", name = record.name, path = fleet:path(record.ref),
    cluster = record.cluster and record.cluster.name, version = record.version, memory_mb = record.memory_mb,
    cards = cards_of(record), maintenance = host_records.closed(record) ~= nil })
end

local powers = { poweredOn = "on", poweredOff = "off", suspended = "suspended" }

--- A VM. `place` is { name, number, ref, host, parent }, `record` that of a VM that exists: cards is the number of its
-- passthrough devices. Of a new VM there is its name and number only.
function view.vm(fleet, place, record)
  local values = { kind = "vm", name = place.name, number = place.number }
  if place.ref then
    values.path = fleet:path(place.ref)
    values.folder = place.parent and fleet:path(place.parent)
    local host = place.host and fleet:object(place.host)
    values.host = host and host.name
    local parent = host and host.parent and fleet:object(host.parent)
    values.cluster = parent and parent.name
  end
  if record then
    local extra = {}
    for name, value in pairs(record.extra) do extra[name] = value end
    values.power, values.template = powers[record.power], record.template
    values.guest = vm_records.family(record)
    values.guest_id, values.firmware = record.guest_id, record.firmware
    values.hardware_version = record.hardware_version
    values.memory_mb, values.cpus, values.cards, values.extra = record.memory_mb, record.cpus, #record.cards, extra
  end
  return view.strict("vm", values)
end

--- The same of a target. A target that was made by hand is what it is.
function view.of(target)
  if target.view then return target.view end
  local fleet = target.fleet
  if not fleet then return target end
  if target.kind == "host" then
    target.view = view.host(fleet, target.record)
  else
    local place = { name = target.name, number = target.number, ref = target.ref, parent = target.folder }
    local known = target.ref and fleet:place_of(target.ref)
    if known then place.host, place.parent = known.host, known.parent end
    target.view = view.vm(fleet, place, target.vm or target.ref and fleet:vm(target.ref))
  end
  return target.view
end

return view
