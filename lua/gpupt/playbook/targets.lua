--- The targets of a playbook's scopes in this fleet: hosts, and VMs with their cards.
-- A target is { kind = "host" | "vm", name, scope = node, ref?, record? (host), host?, cards?, folder?, pool?... }. All
-- problems are collected, so that one plan reports all of them.
local failure = require "gpupt.failure"
local declare = require "gpupt.playbook.declare"
local find = require "gpupt.playbook.find"
local hosts = require "gpupt.fleet.host"
local identity = require "gpupt.playbook.identity"
local placement = require "gpupt.fleet.placement"
local steps = require "gpupt.step"
local unavailable = require "gpupt.playbook.unavailable"
local units = require "gpupt.units"

local check = failure.check

---@class gpupt.Target              what a step works on: one host or one VM of a scope
---@field kind "host"|"vm"
---@field name string
---@field identity string?          which of that name (gpupt.playbook.identity)
---@field scope table               the p.hosts or p.vms node
---@field ref userdata?             nil for a VM that does not exist yet
---@field instance table            the step that runs now (gpupt.step), set before each of its functions
---@field options table             that step's options for this target
---@field forecast table            what earlier changes will make true: { memory_mb, guest_id, firmware, installs }
---@field entry table               its part of the plan: { target, steps = { { instance, changes } }, changes }
---@field record gpupt.Host?        of a host target
---@field host gpupt.Host?          of a VM target: where it is, or will be created
---@field dynamic true?             of a VM target: its backings are dynamic, and `cards` stand for those that it gets
---@field card_notes string[]?     of a VM target: what its plan notes about these cards
---@field wanted table?             of a VM target with gpu.attach: the p.gpus that it asks for
---@field cards gpupt.Card[]?       of a VM target: the cards that it was given
---@field system_id string?         of a VM target: the id by which fixed backings name its host
---@field vm gpupt.VM?              of a VM target that exists: as the plan read it
---@field known table?             { record, at }: the VM as the step before has just read it
---@field misplaced true?           of a VM target whose place names no hosts: it gets none, and that is reported
---@field host_is_example true?     no host can take this VM target; `host` is one that it may be on, so that the plan,
---                                 which fails anyway, lists the VM's other mistakes as well
---@field moves userdata[]?        of a VM target that is to move: the hosts that it may go to
---@field host_is_late true?        of a VM target: its host waits for its VMs (gpupt.playbook.turns)
---@field waits gpupt.Target[]?     of a VM target: those that give up a card which it was given
---@field gives true?             of a VM target: another one waits for its card
---@field released boolean?         of a VM target that moves: it has given up its cards, or has ended
---@field number integer?           of a VM target that is one of several of a name
---@field fleet table               gpupt.fleet.snapshot
---@field place table?              of a VM target that is named: its `place`, as the playbook gives it
---@field values table?             what functions of the playbook gave: node's key -> { field -> { value } }
---@field remembered table?         the same, of the run to resume or the saved plan
---@field folder userdata?          placement of a VM target: folder, pool, datastore, datastore_ref, network,
---                                 network_name, host_refs

local targets = {}

-- What a p.find means of what its paths match: as a run's journal or a plan file remembers it, or what `choose` gives.
local function found_by(fleet, node, refs, choose)
  local remembered = fleet.remembered and fleet.remembered.found[node.key]
  if not remembered then return choose(fleet, node, refs) end
  local wanted, list = {}, {}
  for _, name in ipairs(remembered) do wanted[name] = true end
  for _, ref in ipairs(refs) do if wanted[tostring(ref)] then list[#list + 1] = ref end end
  return list
end

-- Notes what a p.find found, for the journal and the plan file.
local function note_found(fleet, node, refs, all)
  local list = {}
  for i, ref in ipairs(refs) do list[i] = tostring(ref) end
  fleet.found = fleet.found or {}
  fleet.found[#fleet.found + 1] = { key = node.key, source = node.source, refs = list, of = #all }
end

-- The existing VMs that a scope's paths match, as references; raises. `choose`: which of them a p.find means.
local function matching_vms(fleet, scope, limit, choose)
  local list, seen = {}, {}
  for _, entry in ipairs(check(find.where(scope.options.where, "vms"))) do
    local refs, known = {}, {}
    for _, pattern in ipairs(find.paths(entry)) do
      local found, message, code = fleet:find(pattern, { type = "VirtualMachine" })
      -- what it matched when the run to resume began may be gone: the run deleted it, or gpupt.playbook.strayed tells
      if not found and code == "ENOENT" and fleet.resumed then found = {} end
      for _, ref in ipairs(check(found, message, code)) do
        if not known[ref] then refs[#refs + 1] = ref end
        known[ref] = true
      end
    end
    if declare.is(entry, "find") then
      local all = refs
      refs = found_by(fleet, entry, refs, choose)
      if choose == find.vms then note_found(fleet, entry, refs, all) end
    end
    for _, ref in ipairs(refs) do
      if not seen[ref] and (not limit or limit:fits(fleet:place_of(ref).name)) then list[#list + 1] = ref end
      seen[ref] = true
    end
  end
  return list
end

-- The hosts that a scope's paths match, as references, and for each the entry of `where`; nil, message, code.
local function matching_hosts(fleet, scope)
  local list, entry_of = {}, {}
  for _, entry in ipairs(check(find.where(scope.options.where, "hosts"))) do
    local refs, message, code = failure.catch(fleet.resolve_hosts, fleet, find.paths(entry))
    if not refs and code == "ENOENT" and fleet.resumed then refs = {} end
    if not refs then return nil, message, code end
    for _, ref in ipairs(refs) do
      if not entry_of[ref] then
        list[#list + 1], entry_of[ref] = ref, { entry }
      else
        table.insert(entry_of[ref], entry)
      end
    end
  end
  return list, entry_of
end

-- Those of the hosts, which have been read, that are meant: by a path, or by a p.find.
local function chosen_hosts(fleet, refs, entry_of)
  local meant, finds = {}, {}
  local function choose(_, node, list)
    local some = {}
    for _, ref in ipairs(list) do
      local record = fleet.by_ref[ref]
      if record and find.host(fleet, node, record) then some[#some + 1] = ref end
    end
    return some
  end
  for _, ref in ipairs(refs) do
    for _, entry in ipairs(entry_of[ref]) do
      if declare.is(entry, "find") then
        if not finds[entry] then
          finds[entry] = {}
          finds[#finds + 1] = entry
        end
        table.insert(finds[entry], ref)
      else
        meant[ref] = true
      end
    end
  end
  for _, node in ipairs(finds) do
    local some = found_by(fleet, node, finds[node], choose)
    note_found(fleet, node, some, finds[node])
    for _, ref in ipairs(some) do meant[ref] = true end
  end
  local list = {}
  for _, ref in ipairs(refs) do if meant[ref] then list[#list + 1] = ref end end
  return list
end

-- A target, with what functions of the playbook see of it, and what they gave earlier.
local function made(fleet, target)
  target.fleet = fleet
  local values = fleet.remembered and fleet.remembered.values
  target.remembered = values and (values[target.identity or ""] or values[target.name])
  return target
end

-- The new VMs of a scope, each with its place and what is wrong with that: { target, where, wrong }. Looked up once.
local function places(fleet, scope, limit)
  fleet.places = fleet.places or {}
  if fleet.places[scope] then return fleet.places[scope] end
  local list, resolved = {}, {}
  for n = 1, scope.options.count do
    local name = units.numbered(scope.options.name, n)
    if not limit or limit:fits(name) then
      local target = made(fleet, { kind = "vm", name = name, number = n, scope = scope })
      target.place = check(scope:resolve(target)).place or {}
      local key = {}
      for field, value in pairs(target.place) do key[#key + 1] = field .. "=" .. tostring(value) end
      table.sort(key)
      key = table.concat(key, "\0")
      if not resolved[key] then resolved[key] = table.pack(placement.resolve(fleet, scope, target.place)) end
      list[#list + 1] = { target = target, where = resolved[key][1], wrong = resolved[key][2] }
    end
  end
  fleet.places[scope] = list
  return list
end

-- Whether the server may choose the cards of a scope's VMs, among those of their cluster.
local function may_be_dynamic(scope)
  for _, instance in ipairs(scope.children) do
    local backing = instance.name == "gpu.attach" and instance.options.backing
    if backing == "dynamic" or type(backing) == "function" then return true end
  end
  return false
end

--- References to the hosts that a scope's targets are on or may be created on; raises, or nil.
function targets.hosts_of(fleet, scope, limit)
  if scope.refs then
    local hosts_of = {}
    for i, ref in ipairs(scope.refs) do
      hosts_of[i] = scope.kind == "hosts" and ref or (fleet:place_of(ref) or {}).host
    end
    -- where a VM that is undone was before
    for _, ref in ipairs(scope.hosts or {}) do if fleet:object(ref) then hosts_of[#hosts_of + 1] = ref end end
    return hosts_of
  end
  local refs, seen = {}, {}
  if scope.kind == "hosts" then return (matching_hosts(fleet, scope)) end
  if scope.options.name then
    for _, one in ipairs(places(fleet, scope, limit)) do
      table.move(one.where.hosts, 1, #one.where.hosts, #refs + 1, refs)
    end
    return refs
  end
  for _, ref in ipairs(matching_vms(fleet, scope, limit, find.candidates)) do
    local host = fleet:place_of(ref).host
    refs[#refs + 1] = host
    -- the free cards of the cluster's other hosts count as well
    local place = host and (scope.options.keep_free > 0 or may_be_dynamic(scope)) and fleet:object(host)
    local cluster = place and place.parent and fleet:object(place.parent)
    if cluster and not seen[cluster] then
      seen[cluster] = true
      table.move(cluster.host or {}, 1, #(cluster.host or {}), #refs + 1, refs)
    end
  end
  return refs
end

--- Targets of a p.hosts scope; hosts that cannot be used are added to `skipped`, each { target,
-- kind, text, away = true: it was meant and could not be reached, why }. `ours(target)`: whether the run to
-- resume is rebooting the host; then it is out of service because of that run, and not skipped.
function targets.hosts(fleet, scope, limit, skipped, ours)
  local refs, entry_of, code = scope.refs, nil, nil
  if not refs then refs, entry_of, code = matching_hosts(fleet, scope) end
  if not refs then return nil, ("%s: where: %s"):format(scope.source, entry_of), code end
  fleet:read_hosts(refs)
  if entry_of then refs = chosen_hosts(fleet, refs, entry_of) end
  local list = {}
  for _, ref in ipairs(refs) do
    local record = fleet.by_ref[ref]
    if record and (not limit or limit:fits(record.name)) then
      local why = hosts.unavailable(record)
      record.ours = why and ours and ours { name = record.name, identity = identity.of(ref) } and true or nil
      if why and not record.ours then
        record.skipped = why
        local counted = record.connection ~= "connected" and why ~= "is in standby"
          and (", counted as out of service (unavailable = %s)"):format(unavailable.text(scope.options.roll)) or ""
        skipped[#skipped + 1] = { target = record.name, kind = "host", identity = identity.of(ref), record = record,
          away = true, why = why, text = ("%s %s: skipped%s"):format(record.name, why, counted) }
      else
        list[#list + 1] = made(fleet, { kind = "host", name = record.name, identity = identity.of(ref),
          scope = scope, record = record, ref = ref })
      end
    end
  end
  -- hosts that are already down come first: no other host of their cluster may go down before they are done
  local function down(one) return one.record.connection ~= "connected" or one.record.maintenance end
  table.sort(list, function(a, b)
    if down(a) ~= down(b) then return down(a) end
    return a.name < b.name
  end)
  return list
end

-- Whether a step of a scope may create its VMs.
local function creates(scope)
  for _, instance in ipairs(scope.children) do
    local name = instance.name
    if name == "vm.create" or name == "vm.clone" or steps.is_own(name) then return true end
  end
end

-- A VM that is not there and that no step creates; names the VMs of that name elsewhere.
local function missing(fleet, target)
  local text = ("p.vms: the VM does not exist in %s, and no step creates it: put p.vm.create or p.vm.clone first")
    :format(fleet:path(target.folder))
  local paths = fleet:vms_named(target.name)
  if #paths > 0 then
    text = ("%s, or select an existing VM with where = '%s'"):format(text, paths[1])
    if #paths > 1 then text = ("%s (or %s)"):format(text, table.concat(paths, ", ", 2)) end
  end
  return { source = target.scope.source, text = text, target = target.name, code = "ENOENT" }
end

-- A VM that the run to resume created and that is no longer where it was; nil if it was deleted.
local function strayed(fleet, target, created)
  local ref = created and fleet.vc:ref(created)
  if not (ref and fleet:place_of(ref)) then return end
  return { source = target.scope.source, target = target.name, code = "EREFUSED", text = ("p.vms: %s was created by "
    .. "this run as %s, which is now %s. Give it its name and folder back, or delete it, and resume the run"):format(
    target.name, created, fleet:path(ref)) }
end

-- Two VMs of one name are allowed in different folders, and often a mistake.
local function elsewhere(fleet, target)
  local paths = fleet:vms_named(target.name)
  if #paths == 0 then return end
  return ("a VM of this name exists at %s; this creates another one in %s"):format(table.concat(paths, ", ", 1,
    math.min(3, #paths)), fleet:path(target.folder))
end

-- Where the server has a VM of the name, if that is not the cluster (or the host without one) that `place` names: then
-- "nothing to change" would be said of a VM that is not where the playbook has it. Hosts of one cluster are alike, as
-- DRS moves VMs between them.
local function misplaced(fleet, target)
  for _, instance in ipairs(target.scope.children) do if instance.step.goes then return end end
  local host = (fleet:place_of(target.ref) or {}).host
  local at = host and fleet:object(host)
  local meant = target.host_refs[1] and fleet:object(target.host_refs[1])
  if not at or not meant or at.parent == meant.parent then return end
  return { source = target.scope.source, target = target.name, code = "EREFUSED", text = ("p.vms: %s exists, but on "
    .. "host %s in %s, and place says %s. Set place to where it is, give the new VM another name or folder, or move it "
    .. "with p.vm.move"):format(fleet:path(target.ref), at.name, fleet:path(at.parent), fleet:path(meant.parent)) }
end

local function named(fleet, scope, limit, found, created)
  local list = {}
  for _, one in ipairs(places(fleet, scope, limit)) do
    local target, where, wrong = one.target, one.where, one.wrong
    for _, problem in ipairs(wrong) do found:problem(problem) end
    fleet:read_hosts(where.hosts)
    target.folder, target.pool, target.datastore = where.folder, where.pool, where.datastore
    target.identity = identity.named(where.folder, target.name)
    target.datastore_ref, target.network, target.network_name = where.datastore_ref, where.network, where.network_name
    target.host_refs, target.misplaced = where.hosts, #wrong > 0 and #where.hosts == 0 or nil
    target.ref = where.folder and fleet:find_vm(target)
    local lost
    if target.ref and #wrong == 0 then
      lost = misplaced(fleet, target)
    elseif #wrong == 0 then
      lost = not creates(scope) and missing(fleet, target) or strayed(fleet, target, created(target))
    end
    if lost then
      target.misplaced, target.host_refs = true, {}
      found:problem(lost)
    elseif not target.ref and where.folder and created(target) == nil then
      target.note = elsewhere(fleet, target)
    end
    list[#list + 1] = target
  end
  return list
end

-- The hosts that a step may move the VM to, unless it is on one of them already.
local function add_destinations(fleet, target, now)
  for _, instance in ipairs(target.scope.children) do
    if instance.step.goes then
      target.instance = instance
      local refs = check(instance.step.goes(fleet, target, check(instance:resolve(target))))
      fleet:read_hosts(refs)
      for _, ref in ipairs(refs) do if ref == now then return end end
      target.moves = refs
      table.move(refs, 1, #refs, 2, target.host_refs)
    end
  end
end

local function existing(fleet, scope, limit)
  local list = {}
  for i, ref in ipairs(matching_vms(fleet, scope, limit, find.vms)) do
    local place = fleet:place_of(ref)
    list[i] = made(fleet, { kind = "vm", name = place.name, identity = identity.of(ref), scope = scope, ref = ref,
      folder = place.parent, host_refs = { place.host } })
    add_destinations(fleet, list[i], place.host)
  end
  return list
end

-- The VM of a scope that undoes what a run did to it, by the name that it had then; one that is gone is none, and told.
local function known(fleet, scope, limit)
  local list = {}
  for _, ref in ipairs(scope.refs) do
    local place, wanted = fleet:place_of(ref), not limit or limit:fits(scope.target_name)
    if wanted and not place then scope.gone() end
    if wanted and place then
      scope.target = { kind = "vm", name = scope.target_name, identity = scope.identity or identity.of(ref),
        scope = scope, ref = ref, folder = place.parent, host_refs = { place.host } }
      list[#list + 1] = scope.target
    end
  end
  return list
end

--- Targets of a p.vms scope, without cards yet. What is wrong with their place is added to `found`
-- (gpupt.playbook.preflight.findings); what can be checked of such targets is. `created(target)`: the VM
-- that the run to resume created for a target, "VirtualMachine:vm-9", or nil.
function targets.vms(fleet, scope, limit, found, created)
  if scope.refs then return known(fleet, scope, limit) end
  if scope.options.name then return named(fleet, scope, limit, found, created) end
  return existing(fleet, scope, limit)
end

return targets
