--- The targets of a playbook's scopes in this fleet: hosts, and VMs with their cards.
-- A target is { kind = "host" | "vm", name, scope = node, ref?, record? (host), host?, cards?, folder?, pool?... }. All
-- problems are collected, so that one plan reports all of them.
local allocation = require "gpupt.fleet.allocation"
local check = require "gpupt.failure".check
local declare = require "gpupt.playbook.declare"
local find = require "gpupt.playbook.find"
local findings = require "gpupt.playbook.preflight.findings"
local hosts = require "gpupt.fleet.host"
local look = require "gpupt.playbook.preflight.look"
local placement = require "gpupt.fleet.placement"
local shortage = require "gpupt.fleet.shortage"
local steps = require "gpupt.step"
local unavailable = require "gpupt.playbook.unavailable"
local units = require "gpupt.units"

---@class gpupt.Target              what a step works on: one host or one VM of a scope
---@field kind "host"|"vm"
---@field name string
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
      for _, ref in ipairs(check(fleet:find(pattern, { type = "VirtualMachine" }))) do
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
    local refs, message, code = fleet:resolve_hosts(find.paths(entry))
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
  target.remembered = fleet.remembered and fleet.remembered.values[target.name]
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

--- Targets of a p.hosts scope; hosts that cannot be used are added to `skipped`. `ours(name)`: whether the run to
-- resume is rebooting the host; then it is out of service because of that run, and not skipped.
function targets.hosts(fleet, scope, limit, skipped, ours)
  local refs, entry_of, code = matching_hosts(fleet, scope)
  if not refs then return nil, ("%s: where: %s"):format(scope.source, entry_of), code end
  fleet:read_hosts(refs)
  refs = chosen_hosts(fleet, refs, entry_of)
  local list = {}
  for _, ref in ipairs(refs) do
    local record = fleet.by_ref[ref]
    if record and (not limit or limit:fits(record.name)) then
      local why = hosts.unavailable(record)
      record.ours = why and ours and ours(record.name) ~= nil or nil
      if why and not record.ours then
        record.skipped = why
        local counted = record.connection ~= "connected"
          and (", counted as out of service (unavailable = %s)"):format(unavailable.text(scope.options.roll)) or ""
        skipped[#skipped + 1] = { target = record.name, record = record,
          text = ("%s %s: skipped%s"):format(record.name, why, counted) }
      else
        list[#list + 1] = made(fleet, { kind = "host", name = record.name, scope = scope, record = record,
          ref = ref })
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

--- The gpu.attach step of a scope, or nil.
local function attach_of(scope)
  for _, instance in ipairs(scope.children) do
    if instance.name == "gpu.attach" then return instance end
  end
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

local function named(fleet, scope, limit, found, created)
  local list = {}
  for _, one in ipairs(places(fleet, scope, limit)) do
    local target, where, wrong = one.target, one.where, one.wrong
    for _, problem in ipairs(wrong) do found:problem(problem) end
    fleet:read_hosts(where.hosts)
    target.folder, target.pool, target.datastore = where.folder, where.pool, where.datastore
    target.datastore_ref, target.network, target.network_name = where.datastore_ref, where.network, where.network_name
    target.host_refs, target.misplaced = where.hosts, #wrong > 0 and #where.hosts == 0 or nil
    target.ref = where.folder and fleet:find_vm(target)
    local lost
    if not target.ref and #wrong == 0 then
      lost = not creates(scope) and missing(fleet, target) or strayed(fleet, target, created(target.name))
    end
    if lost then
      target.misplaced, target.host_refs = true, {}
      found:problem(lost)
    end
    list[#list + 1] = target
  end
  return list
end

local function existing(fleet, scope, limit)
  local list = {}
  for i, ref in ipairs(matching_vms(fleet, scope, limit, find.vms)) do
    local place = fleet:place_of(ref)
    list[i] = made(fleet, { kind = "vm", name = place.name, scope = scope, ref = ref, folder = place.parent,
      host_refs = { place.host } })
  end
  return list
end

--- Targets of a p.vms scope, without cards yet. What is wrong with their place is added to `found`
-- (gpupt.playbook.preflight.findings); what can be checked of such targets is. `created(name)`: the VM
-- that the run to resume created for a target, "VirtualMachine:vm-9", or nil.
function targets.vms(fleet, scope, limit, found, created)
  if scope.options.name then return named(fleet, scope, limit, found, created) end
  return existing(fleet, scope, limit)
end

-- The memory that a VM will reserve: a new one all of it; an existing one what it has not reserved while it runs.
local function memory_of(target, o)
  local vm = target.vm
  if not vm then return target.memory_wish end
  if o.power_on == false then return 0 end
  local memory = target.memory_wish or vm.memory_mb or 0
  return math.max(0, memory - (vm.power == "poweredOn" and vm.reservation_mb or 0))
end

-- The host records of a target; one list for all targets of a scope.
local function records_of(fleet, target, lists)
  local list = lists[target.host_refs]
  if not list then
    list = {}
    for _, ref in ipairs(target.host_refs) do list[#list + 1] = fleet.by_ref[ref] end
    lists[target.host_refs] = list
  end
  return list
end

local function request_of(fleet, target, instance, world, lists)
  target.instance = instance
  local o, message, code = instance:resolve(target)
  if not o then return nil, message, code end
  if not declare.is(o.devices, "gpus") then
    return nil, instance.source .. ": p.gpu.attach: devices must be p.gpus { ... }", "EPLAYBOOK"
  end
  target.wanted = o.devices
  local accept = {}
  for _, word in ipairs(o.accept) do accept[word] = true end
  target.dynamic = o.backing == "dynamic" or nil
  return { whole = o.whole, accept = accept, dynamic = target.dynamic, name = target.name, instance = instance,
    node = o.devices, count = o.count, hosts = records_of(fleet, target, lists),
    spread = target.scope.options.spread, vm = target.vm, memory_mb = memory_of(target, o),
    unfit = function(record) return look.unfit(world, target, record) end }
end

--- Why no host can take a new VM, whatever its cards; or nil.
local function nowhere(fleet, target, world)
  if target.ref or #target.host_refs == 0 then return end
  local list = {}
  for i, ref in ipairs(target.host_refs) do
    local record = fleet.by_ref[ref]
    local why = record and look.unfit(world, target, record)
    if not why then return end
    list[i] = { name = record.name, why = why }
  end
  return ("%s: place: no host can take the VM: %s"):format(target.scope.source, shortage.text(list))
end

-- The host of a new VM without cards: the first that can take it; or nil, message, and whether one of them is away.
local function any_host(fleet, target, world)
  local list, away = {}, false
  for i, ref in ipairs(target.host_refs) do
    local record = fleet.by_ref[ref]
    local out = record and not record.ours and (record.skipped or hosts.unavailable(record)
      or hosts.closed(record))
    local why = not record and "cannot be read" or out or look.unfit(world, target, record)
    if not why then return record end
    away = away or record ~= nil and not record.ours and (hosts.away(record) or hosts.closed(record)) ~= nil
    list[i] = { name = record and record.name or ref.value, why = why }
  end
  return nil, ("%s: place: no host can take the VM: %s"):format(target.scope.source, shortage.text(list)), away
end

-- What the step that creates the VM says about it: its memory, and datastores that its host must mount.
local function add_wishes(fleet, target)
  target.memory_wish, target.must_mount = nil, nil
  for _, instance in ipairs(target.scope.children) do
    if instance.step.place then
      local o = instance:resolve(target)
      local wish = o and instance.step.place(fleet, target, o)
      if wish then target.memory_wish, target.must_mount = wish.memory_mb, wish.stores end
      return
    end
  end
end

-- Asks the hosts that `choose` gives for targets for their ids.
local function ask_ids(fleet, list, choose)
  local records = {}
  for _, target in ipairs(list) do
    if attach_of(target.scope) then records[#records + 1] = choose(target) end
  end
  fleet:read_system_ids(records)
end

local function host_if_it_has_cards(fleet, target)
  for _, card in ipairs(target.vm and target.vm.cards or {}) do
    if card.kind == "fixed" then return fleet.by_ref[target.vm.host] end
  end
end

-- Takes out the VMs whose host is away: the other targets do not have to wait for it.
local function without_away(fleet, list, skipped)
  local left = {}
  for _, target in ipairs(list) do
    local record = target.vm and fleet.by_ref[target.vm.host]
    local why = record and not record.ours and hosts.away(record)
    if why then
      skipped[#skipped + 1] = { target = target.name, text = ("%s: skipped, because its host %s %s"):format(target.name,
        record.name, why) }
    else
      left[#left + 1] = target
    end
  end
  return left
end

-- detail.same: what new VMs have in common that are refused for one reason. A later one finds no more cards and memory.
local function no_cards(target, request, message, code, detail)
  detail = detail or {}
  if not target.ref then
    detail.same = ("%s %s %p %d %d %s"):format(request.instance.source, code, request.node, request.count,
      request.memory_mb or 0, request.whole or request.dynamic)
  end
  return nil, ("%s: %s"):format(request.instance.source, message), code, detail
end

-- The problems of targets; new VMs that are refused for the same reason are one.
local function refusals()
  local list, by_reason = {}, {}
  local self = {}
  function self.add(target, message, code, reason)
    local first = by_reason[reason]
    if first then
      table.insert(first.others, target.name)
      return
    end
    local one = { target = target.name, text = message, code = code, others = {} }
    list[#list + 1] = one
    if reason then by_reason[reason] = one end
  end
  function self.problems()
    for _, one in ipairs(list) do
      if #one.others > 0 then one.text = ("%s. The same for %s"):format(one.text, findings.names(one.others)) end
      one.others = nil
    end
    return list
  end
  return self
end

--- Assigns a host and cards to every VM. Problems are appended to `problems`, what needs --allow over-commit to `over`,
-- and VMs that cannot be reached or placed because a host is away to `skipped`. Existing VMs choose first. `world`:
-- what gpupt.playbook.preflight.look read. Returns the pool, and the targets that are left.
function targets.allocate(fleet, list, problems, over, world, skipped)
  local pool, found, lists = allocation.pool(fleet, world.claims), findings.new(), {}
  local function one(target)
    if target.misplaced then return true end
    add_wishes(fleet, target)
    local instance = attach_of(target.scope)
    local lost = nowhere(fleet, target, world)
    if lost then
      found:problem { text = lost, target = target.name, code = "EPLACE" }
      return true
    end
    if not instance then
      if target.vm then
        target.host = fleet.by_ref[target.vm.host]
      else
        local away
        target.host, lost, away = any_host(fleet, target, world)
        if lost and away then return nil, ("%s: %s"):format(target.name, lost), "EPLACE", { away = true } end
        if lost then found:problem { text = lost, target = target.name, code = "EPLACE" } end
      end
      return true
    end
    local request, message, code = request_of(fleet, target, instance, world, lists)
    if not request then return nil, message, code end
    local given, detail
    given, message, code, detail = allocation.take(pool, request)
    if not given then return no_cards(target, request, message, code, detail) end
    target.host, target.cards, target.card_notes = given.host, given.cards, given.notes
    return true
  end
  local gone, refused = {}, refusals()
  local function pass(existing_ones)
    for _, target in ipairs(list) do
      if (target.ref ~= nil) == existing_ones then
        local ok, message, code, detail = one(target)
        if not ok and detail and detail.away then
          gone[target] = true
          skipped[#skipped + 1] = { target = target.name, text = "skipped: " .. message }
        elseif not ok then
          refused.add(target, message, code, detail and detail.same)
        end
      end
    end
  end
  for _, target in ipairs(list) do
    if target.ref then target.vm = fleet:vm(target.ref) end
  end
  list = without_away(fleet, list, skipped)
  ask_ids(fleet, list, function(target) return host_if_it_has_cards(fleet, target) end)
  pass(true)
  pass(false)
  ask_ids(fleet, list, function(target) return target.host end)
  for _, some in ipairs { refused.problems(), found:problems() } do
    table.move(some, 1, #some, #problems + 1, problems)
  end
  for _, scope in ipairs(targets.scopes_of(list)) do targets.check_spare(pool, list, scope, over) end
  local left = {}
  for _, target in ipairs(list) do if not gone[target] then left[#left + 1] = target end end
  return pool, left
end

--- Gives a VM target for which there is no place one of the hosts that it is or may be on, if one is connected.
function targets.give_example(fleet, target)
  for _, ref in ipairs(target.vm and { target.vm.host } or target.host_refs) do
    local record = fleet.by_ref[ref]
    if record and record.connection == "connected" then
      target.host, target.host_is_example = record, true
      return
    end
  end
end

function targets.scopes_of(list)
  local scopes, seen = {}, {}
  for _, target in ipairs(list) do
    if not seen[target.scope] then
      seen[target.scope] = true
      scopes[#scopes + 1] = target.scope
    end
  end
  return scopes
end

-- The clusters of a scope's targets with all hosts of each that were read, and the selectors of the VMs in it.
local function clusters_of(pool, list, scope)
  local clusters, by_cluster = {}, {}
  for _, target in ipairs(list) do
    for _, ref in ipairs(target.scope == scope and target.wanted and target.host_refs or {}) do
      local record = pool.fleet.by_ref[ref]
      local one = record and by_cluster[record.cluster]
      if record and not one then
        one = { name = record.cluster.name, hosts = record.cluster.hosts, nodes = {}, known = {} }
        by_cluster[record.cluster], clusters[#clusters + 1] = one, one
      end
      if one and not one.known[target.wanted] then
        one.known[target.wanted] = true
        one.nodes[#one.nodes + 1] = target.wanted
      end
    end
  end
  return clusters
end

--- keep_free: how many cards must stay free in each cluster of the scope.
function targets.check_spare(pool, list, scope, over)
  if scope.options.keep_free == 0 then return end
  for _, cluster in ipairs(clusters_of(pool, list, scope)) do
    local free = allocation.free_count(pool, cluster.hosts, cluster.nodes)
    if free < scope.options.keep_free then
      over[#over + 1] = ("keep_free = %d (%s), and only %d would stay free in %s"):format(scope.options.keep_free,
        scope.source, free, cluster.name)
    end
  end
end

return targets
