--- Gives the VM targets of a plan their hosts and cards (gpupt.fleet.allocation), and says why that is not possible.
-- All problems are collected; VMs that are refused for one reason are one problem.
local allocation = require "gpupt.fleet.allocation"
local declare = require "gpupt.playbook.declare"
local each_model = require "gpupt.fleet.each_model"
local findings = require "gpupt.playbook.preflight.findings"
local hosts = require "gpupt.fleet.host"
local look = require "gpupt.playbook.preflight.look"
local shortage = require "gpupt.fleet.shortage"
local vms = require "gpupt.fleet.vm"

local cards = {}

--- The gpu.attach step of a scope, or nil.
local function attach_of(scope)
  if scope.undo then return end
  for _, instance in ipairs(scope.children) do
    if instance.name == "gpu.attach" then return instance end
  end
end

-- The memory that a VM will reserve: a new one all of it; an existing one what it has not reserved while it runs.
local function memory_of(target, o)
  local vm = target.vm
  if not vm then return target.memory_wish end
  if o.power_on == false then return 0 end
  local memory = target.memory_wish or vm.memory_mb or 0
  if target.moves then return memory end
  return math.max(0, memory - (vm.power == "poweredOn" and vm.reservation_mb or 0))
end

-- The host records of a target; one list for all targets of a scope.
local function records_of(fleet, target, lists)
  local refs = target.moves or target.host_refs
  local list = lists[refs]
  if not list then
    list = {}
    for _, ref in ipairs(refs) do list[#list + 1] = fleet.by_ref[ref] end
    lists[refs] = list
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
  local each, count
  if o.each then each, count = each_model.of(o.each) end
  return { whole = o.whole, accept = accept, dynamic = target.dynamic, name = target.name, instance = instance,
    node = o.devices, count = count or o.count, each = each, hosts = records_of(fleet, target, lists),
    spread = target.scope.options.spread, vm = not target.moves and target.vm or nil,
    memory_mb = memory_of(target, o),
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
  for i, ref in ipairs(target.moves or target.host_refs) do
    local record = fleet.by_ref[ref]
    local out = record and not record.ours and (record.skipped or hosts.unavailable(record)
      or hosts.closed(record))
    local why = not record and "cannot be read" or out or look.unfit(world, target, record)
    if not why then return record end
    away = away or record ~= nil and not record.ours and (hosts.away(record) or hosts.closed(record)) ~= nil
    list[i] = { name = record and record.name or ref.value, why = why }
  end
  return nil, ("%s: %s: no host can take the VM: %s"):format(target.scope.source, target.moves and "p.vm.move: to"
    or "place", shortage.text(list)), away
end

-- What the step that creates the VM says about it: its memory, and datastores that its host must mount.
local function add_wishes(fleet, target)
  target.memory_wish, target.must_mount = nil, nil
  if target.scope.undo then return end
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

-- Only a VM that has a fixed backing is compared with the id of its host; what a plan would add is the same with any.
local function if_it_has_cards(target, record)
  return target.vm and vms.names_host(target.vm) and record or nil
end

-- Takes out the VMs whose host is away: the other targets do not have to wait for it.
local function without_away(fleet, list, skipped)
  local left = {}
  for _, target in ipairs(list) do
    local record = target.vm and fleet.by_ref[target.vm.host]
    local why = record and not record.ours and hosts.away(record)
    if why then
      local because = ("its host %s %s"):format(record.name, why)
      skipped[#skipped + 1] = { target = target.name, kind = "vm", identity = target.identity, away = true,
        why = because, text = ("%s: skipped, because %s"):format(target.name, because) }
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

local function scopes_of(list)
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
local function check_spare(pool, list, scope, over)
  if scope.options.keep_free == 0 then return end
  for _, cluster in ipairs(clusters_of(pool, list, scope)) do
    local free = allocation.free_count(pool, cluster.hosts, cluster.nodes)
    if free < scope.options.keep_free then
      over[#over + 1] = ("keep_free = %d (%s), and only %d would stay free in %s"):format(scope.options.keep_free,
        scope.source, free, cluster.name)
    end
  end
end

-- The targets that have to give up a card first which this one was given; nil if there are none.
local function givers_of(pool, target)
  local list
  for _, card in ipairs(target.cards) do
    for _, owner in ipairs(pool.fleet:owners(card)) do
      local giver = pool.leaving[owner.ref]
      if giver and giver ~= target then
        list = list or {}
        list[#list + 1] = giver
        giver.gives = true
      end
    end
  end
  return list
end

--- Assigns a host and cards to every VM. Problems are appended to `problems`, what needs --allow over-commit to `over`,
-- and VMs that cannot be reached or placed because a host is away to `skipped`. Existing VMs choose first. `world`:
-- what gpupt.playbook.preflight.look read. Returns the pool, and the targets that are left.
function cards.allocate(fleet, list, problems, over, world, skipped)
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
      if target.vm and not target.moves then
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
    target.waits = givers_of(pool, target)
    return true
  end
  local gone, refused = {}, refusals()
  local function pass(existing_ones)
    for _, target in ipairs(list) do
      if (target.ref ~= nil) == existing_ones then
        local ok, message, code, detail = one(target)
        if not ok and detail and detail.away then
          gone[target] = true
          skipped[#skipped + 1] = { target = target.name, kind = "vm", identity = target.identity, away = true,
            why = message, text = "skipped: " .. message }
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
  ask_ids(fleet, list, function(target) return if_it_has_cards(target, target.vm and fleet.by_ref[target.vm.host]) end)
  for _, target in ipairs(list) do if target.moves then pool.leaving[target.ref] = target end end
  pass(true)
  pass(false)
  ask_ids(fleet, list, function(target) return if_it_has_cards(target, target.host) end)
  for _, some in ipairs { refused.problems(), found:problems() } do
    table.move(some, 1, #some, #problems + 1, problems)
  end
  for _, scope in ipairs(scopes_of(list)) do check_spare(pool, list, scope, over) end
  local left = {}
  for _, target in ipairs(list) do if not gone[target] then left[#left + 1] = target end end
  return pool, left
end

--- Gives a VM target for which there is no place one of the hosts that it is or may be on, if one is connected.
function cards.give_example(fleet, target)
  for _, ref in ipairs(target.vm and { target.vm.host } or target.host_refs) do
    local record = fleet.by_ref[ref]
    if record and record.connection == "connected" then
      target.host, target.host_is_example = record, true
      return
    end
  end
end

return cards
