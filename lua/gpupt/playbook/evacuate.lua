--- The playbook that empties a dying host of its VMs with cards: it moves them to other hosts, where they get cards.
-- It is a file like any other: planned, read by a person, applied with its approvals, resumed and undone.
local each_model = require "gpupt.fleet.each_model"
local failure = require "gpupt.failure"
local options = require "gpupt.options"
local snapshot = require "gpupt.fleet.snapshot"
local system = require "gpupt.core".system
local hosts = require "gpupt.fleet.host"

local evacuate = {}

local function host_of(fleet, name)
  local refs, message, code
  if name:sub(1, 1) == "/" then
    refs, message, code = fleet:resolve_hosts { name }
    if not refs then return nil, message, code end
  else
    refs = fleet:hosts_named(name)
  end
  if #refs == 1 then return refs[1] end
  if #refs == 0 then return nil, ("there is no host '%s'"):format(name), "ENOENT" end
  return nil, ("'%s' matches %d hosts: name one"):format(name, #refs), "EAMBIGUOUS"
end

-- The models of a VM's cards on its host: { model -> count }, how many cards, and why a card is not among them.
local function models_of(fleet, record, claim)
  local models, count, why = {}, 0, {}
  for _, card in ipairs(claim.cards) do
    local device = card.kind == "fixed" and fleet:names(card, record) and record.devices[card.address]
    if device then
      local model = ("%04x:%04x"):format(device.vendor, device.device)
      models[model], count = (models[model] or 0) + 1, count + 1
    else
      why[#why + 1] = card.kind == "fixed" and "has a backing that names no card of this host: p.doctor.repair"
        or "has a card that is not fixed: it starts on any host with such a card"
    end
  end
  return models, count, why
end

-- The VMs of the host that hold cards of it, in groups of the same models and numbers; and what is left to a person.
local function groups_of(fleet, record)
  local groups, by_key, left = {}, {}, {}
  for ref, place in pairs(fleet.vms) do
    local claim = place.host == record.ref and fleet.claims[ref]
    local models, count, why = models_of(fleet, record, claim or { cards = {} })
    for _, text in ipairs(why) do left[#left + 1] = { name = place.name, why = text } end
    if count > 0 then
      local each = each_model.of(models)
      local key = each_model.text(each)
      if not by_key[key] then
        by_key[key] = { key = key, each = each, count = count, paths = {} }
        groups[#groups + 1] = by_key[key]
      end
      table.insert(by_key[key].paths, fleet:path(ref))
    end
  end
  table.sort(groups, function(a, b) return a.key < b.key end)
  for _, group in ipairs(groups) do table.sort(group.paths) end
  table.sort(left, function(a, b) return a.name < b.name end)
  return groups, left
end

-- The arguments of p.gpu.attach for a group.
local function wanted(group)
  if #group.each == 1 then
    return ("devices = p.gpus { match = %q }, count = %d"):format(group.each[1].pattern, group.count)
  end
  local names, counts = {}, {}
  for i, one in ipairs(group.each) do
    names[i], counts[i] = ("%q"):format(one.pattern), ("[%q] = %d"):format(one.pattern, one.count)
  end
  return ("devices = p.gpus { match = { %s } },\n      each = { %s }"):format(table.concat(names, ", "),
    table.concat(counts, ", "))
end

local function quoted(list)
  local words = {}
  for i, one in ipairs(list) do words[i] = ("%q"):format(one) end
  return "{ " .. table.concat(words, ", ") .. " }"
end

local function text_of(record, groups, left, to)
  local lines = { ("-- The VMs with cards of %s move to other hosts, where they get cards. Made by gpupt evacuate.")
    :format(record.name) }
  for _, one in ipairs(left) do lines[#lines + 1] = ("-- Not included: %s %s."):format(one.name, one.why) end
  lines[#lines + 1] = ("local p = %s %q\n"):format("require", "gpupt.playbook")
  lines[#lines + 1] = ("local to = %s\n"):format(quoted(to))
  lines[#lines + 1] = "-- VMs that are off stay off\nlocal function was_on(vm) return vm.power == \"on\" end\n"
  lines[#lines + 1] = ("return p.playbook { name = %q,"):format("evacuate-" .. record.name)
  for _, group in ipairs(groups) do
    lines[#lines + 1] = ("  p.vms { where = %s,\n    p.vm.move { to = to },\n"
      .. "    p.gpu.attach { %s, power_on = was_on } },"):format(quoted(group.paths), wanted(group))
  end
  lines[#lines + 1] = "}\n"
  return table.concat(lines, "\n")
end

-- The inventory paths of the hosts to move to: those that were given, else the others of the cluster.
local function destinations(fleet, record, given)
  local list = {}
  if given then
    for _, one in ipairs(given) do
      local refs, message, code = fleet:hosts_named(one), nil, nil
      if one:sub(1, 1) == "/" then refs, message, code = fleet:resolve_hosts { one } end
      if not refs or #refs == 0 then return nil, message or ("there is no host '%s'"):format(one), code or "ENOENT" end
      for _, ref in ipairs(refs) do if ref ~= record.ref then list[#list + 1] = fleet:path(ref) end end
    end
  else
    for _, ref in ipairs(record.cluster.host_refs) do
      if ref ~= record.ref then list[#list + 1] = fleet:path(ref) end
    end
  end
  table.sort(list)
  if #list == 0 then
    return nil, ("%s: say with %s to which hosts its VMs go"):format(given and "the VMs of " .. record.name
      .. " cannot go to that host itself" or record.name .. " is the only host of its cluster", options.word "to"),
      "ENOHOST"
  end
  return list
end

--- Writes the playbook for a host to o.out: { path =, vms = number, left = { { name, why } } }; nil, message, code.
function evacuate.write(vc, name, o)
  return failure.catch(function()
    local fleet = snapshot.new(vc)
    fleet:whole()
    local ref, message, code = host_of(fleet, name)
    if not ref then return nil, message, code end
    fleet:read_hosts { ref }
    fleet:read_owners()
    local record = fleet.by_ref[ref]
    local away = hosts.away(record)
    if away then
      return nil, ("%s %s: its VMs cannot be changed there. Register them on another host, then use p.doctor.repair")
        :format(record.name, away), "EREFUSED"
    end
    local to
    to, message, code = destinations(fleet, record, o.to)
    if not to then return nil, message, code end
    local groups, left = groups_of(fleet, record)
    local count = 0
    for _, group in ipairs(groups) do count = count + #group.paths end
    if count == 0 then
      return nil, ("no VM on %s holds one of its cards, so there is nothing to move cold"):format(record.name), "ENOENT"
    end
    local path = o.out or ("evacuate-%s.lua"):format((record.name:gsub("[^%w.-]", "_")))
    if io.open(path) then
      return nil, ("%s exists: use another name (%s), or delete it"):format(path, options.word "out"), "EEXIST"
    end
    local ok
    ok, message, code = system.write(path, text_of(record, groups, left, to))
    if not ok then return nil, message, code end
    return { path = path, vms = count, left = left, host = record.name }
  end)
end

return evacuate
