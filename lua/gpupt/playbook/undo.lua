--- Undo: takes back what a run did, and nothing else. A plan like any other, whose targets are those that the run
-- changed and whose steps are the `undo` functions of the run's steps, the last step first. VMs go before their hosts.
-- It is applied as a run of its own (kind "undo"), so it is claimed, journalled, interrupted and resumed like any.
--
-- What a step's undo needs comes from the journal of the run: the changes with the values before, the targets, and the
-- limits of the roll. The playbook is loaded only for steps that are the user's own.
local card_back = require "gpupt.step.card_back"
local clock = require "gpupt.clock"
local context = require "gpupt.playbook.context"
local failure = require "gpupt.failure"
local holder = require "gpupt.playbook.holder"
local host_roll = require "gpupt.step.host_roll"
local journal = require "gpupt.playbook.journal"
local load_playbook = require "gpupt.playbook.load"
local options = require "gpupt.options"
local removal = require "gpupt.step.vm_removal"
local restore = require "gpupt.step.vm_restore"
local scopes = require "gpupt.playbook.scopes"
local steps = require "gpupt.step"
local unavailable = require "gpupt.playbook.unavailable"
local window = require "gpupt.playbook.window"
local variables = require "gpupt.playbook.variables"

local undo = {}

-- ---- what may be undone

local function time_of(at) return os.date("!%Y-%m-%d %H:%M:%SZ", math.floor(at)) end

-- No process may work on it, neither on the run nor on its undo.
local function at_rest(store, id)
  local runner = store:runner(clock.read(), id)
  if not holder.alive(runner) then return true, runner end
  local clause, advice = holder.words(id, runner)
  return nil, ("run %s, %s, cannot be undone now. %s"):format(id, clause, advice), "EREFUSED"
end

-- The run and its unfinished undo, if there is one; nil, message, code.
local function find(store, id)
  local record, message, code = journal.find(store, id)
  if not record then return nil, message, code end
  if record.kind == "undo" then
    return nil, ("run %s is the undo of run %s, and an undo cannot be undone. Apply the playbook again: gpupt plan %s")
      :format(record.id, record.undoes, record.playbook), "EREFUSED"
  end
  if (record.format or 1) < 4 then
    return nil, ("run %s was started by an earlier release of gpupt, whose journal does not have the values before its "
      .. "changes: it cannot be undone"):format(record.id), "EVERSION"
  end
  local earlier = journal.undo_of(store, record.id)
  if earlier and earlier.status == "done" then
    return nil, ("run %s was undone already, by run %s at %s"):format(record.id, earlier.id, time_of(earlier.at)),
      "EREFUSED"
  end
  for _, one in ipairs { record, earlier } do
    local ok
    ok, message, code = at_rest(store, one.id)
    if not ok then return nil, message, code end
  end
  return record, earlier
end

-- ---- what the run did, from its journal (gpupt.playbook.scopes)

-- What the run did to the targets of a scope: { { name =, identity =, done = { key -> changes }, all = changes } }, by
-- name.
local function targets_of(of, scope)
  local list = {}
  for _, target in ipairs(of.history:all()) do
    local one = { name = target.name, identity = target.identity, done = {}, all = { run = of.run }, scope = scope }
    for _, change in ipairs(target.changes) do
      local key = scopes.key_of(change.step, change.source)
      if scope.step_of[key] then
        local done = one.done[key]
        if not done then
          done = { run = of.run, all = one.all }
          one.done[key] = done
        end
        done[#done + 1], one.all[#one.all + 1] = change, change
      end
    end
    if #one.all > 0 then list[#list + 1] = one end
  end
  table.sort(list, function(a, b)
    if a.name ~= b.name then return a.name < b.name end
    return (a.identity or "") < (b.identity or "")
  end)
  return list
end

-- The hosts where a VM was before the run moved it.
local function hosts_before(vc, one)
  local list = {}
  for _, change in ipairs(one.all) do
    local before = change.action == "move" and change.detail.before
    if before and type(before.host) == "string" then list[#list + 1] = vc:ref(before.host) end
  end
  return list
end

-- The target's reference: as the plan of the run knew it, as the run created it, or, if that is not known, by its name.
local function reference(vc, one)
  local text = one.scope.refs[one.identity or one.name] or removal.reference(one.all)
  if text then return vc:ref(text) end
  local folder = removal.folder(one.all)
  if not folder then return nil end
  return failure.check(vc.content.searchIndex:FindChild { entity = failure.check(vc:ref(folder)), name = one.name })
    or nil
end

-- ---- the steps, the other way

-- All approvals that an undo may ask for.
local function approvals_of(step)
  local set = {}
  for _, words in ipairs { step.approvals or {}, removal.approvals, host_roll.approvals } do
    for word, doc in pairs(words) do set[word] = doc end
  end
  return set
end

-- Calls a step's undo; a VM that is not there any more has nothing to undo.
local function ask(fn, ctx, target, done)
  local forecast = target.forecast
  if not ctx.planning then target.forecast = {} end -- what this run has done is to be seen
  local result, message, code, detail = failure.catch(fn, ctx, target, done)
  if result == nil and code == "ManagedObjectNotFound" and target.kind == "vm" then
    target.ref = nil
    result, message, code, detail = failure.catch(fn, ctx, target, done)
  end
  target.forecast = forecast
  return result, message, code, detail
end

-- Adds the texts about a target to the plan's list, each once.
local function collect(list, target, texts)
  for _, text in ipairs(texts or {}) do
    local one = { target = target.name, identity = target.identity, text = text }
    local key = ("%s\0%s\0%s"):format(target.name, target.identity or "", text)
    if not list[key] then
      list[key] = true
      list[#list + 1] = one
    end
  end
end

-- A VM that will be deleted frees all cards, another those that are detached.
local function freed_by(result)
  if result.gone then return true end
  local set = {}
  for _, address in ipairs(result.freed or {}) do if address then set[address] = true end end
  return set
end

-- The step that undoes another, by the contract of gpupt.step. `state` is shared by the steps of one target.
local function reversed(tree, step, done, state)
  local back = { name = step.name, scope = step.scope, approvals = approvals_of(step), claims = step.claims,
    -- cards that a step took out of passthrough come back before the VMs that had them
    after_vms = step.scope == "hosts" and not step.after_vms, after_host = step.after_host }
  back.prepare = step.prepare and function(ctx, target) return step.prepare(ctx, target, done) end
  function back.observe(ctx, target)
    if state.gone and not state.decides[back] then return { changes = {} } end
    if tree.kept[target.ref] then return { changes = {}, left = { tree.kept[target.ref] } } end
    local result, message, code, detail = ask(step.undo, ctx, target, done)
    if result == nil then return nil, message, code, detail end
    if result.gone then state.gone, state.decides[back] = true, true end
    return result
  end
  function back.plan(ctx, target, result)
    if ctx.planning then
      collect(tree.lost, target, result.lost)
      collect(tree.left, target, result.left)
    end
    local changes, forecast = result.changes, { freed = freed_by(result) }
    changes.needs = changes.needs or result.needs or {}
    for name, value in pairs(result.forecast or {}) do forecast[name] = value end
    local before = target.forecast and target.forecast.freed
    if before == true then forecast.freed = true end
    for address in pairs(forecast.freed ~= true and before or {}) do forecast.freed[address] = true end
    return changes, forecast
  end
  function back.apply(ctx, target, changes)
    for _, change in ipairs(changes) do
      if change.make then
        local ok, message, code, detail = change.make(ctx, target)
        if not ok then return nil, message, code, detail end
      end
    end
    return true
  end
  function back.prove(ctx, target)
    local result, message, code = ask(step.undo, ctx, target, done)
    if result == nil then return nil, message, code end
    local change = result.changes[1]
    if change then return nil, ("%s: not taken back: %s"):format(target.name, change.what), "EPROOF" end
    return "as before"
  end
  return failure.check(steps.contract(back))
end

-- A step that has no undo: what it did is named.
local function without_undo(name, scope, why)
  return { name = name, scope = scope, claims = {}, undo = function(_, _, done)
    local words, seen = {}, {}
    for _, change in ipairs(done) do
      local what = change.what or change.action or "?"
      if not seen[what] then words[#words + 1] = what end
      seen[what] = true
    end
    return { changes = {}, lost = { ("what %s did (%s): %s"):format(name, table.concat(words, ", "), why) } }
  end }
end

-- The user's own steps by key, from the playbook as it was when the run was started; nil, message.
local function own_steps(store, record, o)
  local note = journal.read_note(store, record)
  local vars = note.vars
  for name, value in pairs(o.vars or {}) do vars[name] = value end
  local book, message = load_playbook.file(record.playbook, vars, { expect = note.expect, since = note.since,
    argv = o.argv })
  if not book then return nil, message end
  local list = {}
  for _, scope in ipairs(book.root.children) do
    for _, instance in ipairs(scope.children) do list[scopes.key_of(instance.name, instance.source)] = instance.step end
  end
  return list
end

-- Finds a step of the run by its name and source, with an undo in any case.
local function finder(store, record, o)
  local own, message
  return function(name, source, scope)
    local step
    if steps.is_own(name) then
      if own == nil then
        own, message = own_steps(store, record, o)
        own = own or false
      end
      step = own and own[scopes.key_of(name, source)]
      if not step then
        return without_undo(name, scope, message and "its undo is in the playbook, which cannot be loaded: " .. message
          or "the playbook does not have this step any more")
      end
    else
      step = steps.load(name)
    end
    if step.undo then return step end
    return without_undo(name, scope, "the step has no undo")
  end
end

-- ---- the plan

-- An option of the run: a list is one, but a journal has no functions, only a mark in their place.
local function kept_value(value)
  if type(value) == "table" and value["$missing"] then return nil end
  return value
end

-- The roll as the run had it. Hosts that a function grouped are rolled one per cluster. Guests may be shut down with
-- the approval alone, because there is no playbook.
local function roll_of(scope)
  local declared, given = options.declared["p.hosts roll"], {}
  for name, value in pairs(scope.roll or {}) do
    given[name] = declared.by_name[name] and kept_value(value) or nil
  end
  given.guests, given.max_failures = "shutdown-idle", nil
  local roll = declared:check(given)
  roll.opening = roll.window and window.parse(roll.window) or nil
  roll.limits = unavailable.limits(roll)
  if not roll.limits then
    roll.unavailable, roll.per = "1/cluster", nil
    roll.limits = failure.check(unavailable.limits(roll))
  end
  return roll
end

-- The options of a p.vms of the run that hold for its undo too: how long its waits may take, how many VMs at once.
local function vm_options(scope)
  local declared, result = options.declared["p.vms"], { spread = "even", keep_free = 0 }
  for name, value in pairs(scope.waits or {}) do
    if declared.by_name[name] then result[name] = kept_value(value) end
  end
  return result
end

local HOST_OPTIONS = { apply = "auto", foreign_maintenance = true }

-- The instances that undo one target, in order.
local function instances(tree, find_step, one, kind)
  local list, state, early = {}, { decides = {} }, 0
  local first
  for i = #one.scope.order, 1, -1 do
    local key = one.scope.order[i]
    local done, known = one.done[key], one.scope.step_of[key]
    if done then
      local step = find_step(known.name, known.source, kind)
      local instance = steps.instance(reversed(tree, step, done, state), kind == "hosts" and HOST_OPTIONS or {},
        known.source)
      -- whether the VM goes as a whole is decided first
      if removal.tried(done) then
        first = instance
      elseif step.undo_first then
        early = early + 1
        table.insert(list, early, instance)
      else
        list[#list + 1] = instance
      end
    end
  end
  if first then table.insert(list, 1, first) end
  if kind == "vms" then
    local power = { name = "vm.power", scope = "vms", claims = {}, undo = restore.power, after_host = true }
    list[#list + 1] = steps.instance(reversed(tree, power, one.all, state), {}, one.scope.source)
  end
  return list
end

local function scope_for(tree, find_step, vc, one)
  local kind = one.scope.kind
  local ref = reference(vc, one)
  -- an earlier part of this undo may have deleted it
  local function gone()
    if not tree.run then collect(tree.left, one, { "it does not exist any more" }) end
  end
  if not ref then gone() end
  return { gone = gone, kind = kind, source = one.scope.source, undo = true, target_name = one.name,
    identity = one.identity, refs = { ref }, hosts = hosts_before(vc, one),
    playbook = tree.root,
    options = kind == "hosts" and { roll = one.roll, spread = "even", keep_free = 0 } or vm_options(one.scope),
    children = instances(tree, find_step, one, kind), resolve = function(self) return self.options end }
end

-- The cards that the run gave a VM, and those that it took from it, as sets.
local function cards_of(done)
  local given, taken = {}, {}
  for _, change in ipairs(done) do
    for _, one in ipairs(change.detail.devices or {}) do
      local device = one.operation == "add" and one.after or one.operation == "remove" and one.before
      local backing = device and device._type == "VirtualPCIPassthrough" and device.backing
      if backing and backing.id then
        local key = card_back.key(backing)
        if one.operation == "add" then given[key] = true elseif not given[key] then taken[key] = true end
      end
    end
  end
  return given, taken
end

-- VMs that give a card up come before those that get it back, so that none waits for a place that the other one keeps.
-- Also gives who gives what: { card -> { reference -> scope } }.
local function in_order(list)
  local givers, wants, sorted, seen = {}, {}, {}, {}
  for _, one in ipairs(list) do
    local given, taken = cards_of(one.all)
    wants[one] = taken
    for key in pairs(one.tree.refs[1] and given or {}) do
      givers[key] = givers[key] or {}
      givers[key][tostring(one.tree.refs[1])] = one.tree
    end
  end
  local of = {}
  for _, one in ipairs(list) do of[one.tree] = one end
  local function visit(one)
    if seen[one] then return end
    seen[one] = true
    for key in pairs(wants[one]) do
      for _, scope in pairs(givers[key] or {}) do visit(of[scope]) end
    end
    sorted[#sorted + 1] = one.tree
  end
  for _, one in ipairs(list) do visit(one) end
  return sorted, givers
end

-- Takes over the claims of the undone run, whose process is gone: true; nil, message, code.
local function take_claims(id, store, leases)
  local ok, runner, code = at_rest(store, id)
  if not ok then return nil, runner, code end
  if runner then
    local left, message, failed = store:leave(id, runner.process)
    if not left then return nil, message, failed end
  end
  local count, message, failed = store:inherit(leases.run, leases.process, id)
  if not count then return nil, message, failed end
  leases:remember_kept()
  return true
end

--- Whether a run can be undone, as far as the journal says: its record; nil, message, code.
function undo.check(store, id)
  local record, message, code = find(store, id)
  if not record then return nil, message, code end
  return record
end

--- The playbook that undoes a run: what gpupt.playbook.plan takes; nil, message, code. o: vars, argv (for a playbook
-- with steps of the user's own).
function undo.tree(store, vc, id, o)
  local record, earlier, code = find(store, id)
  if not record then return nil, earlier, code end
  local elsewhere = journal.elsewhere(record, vc)
  if elsewhere then return nil, elsewhere .. ": connect to that one to undo it", "EINVAL" end
  local note = scopes.decoded(record.note)
  local tree = { name = "undo " .. (note.name or record.id), path = record.playbook, hash = record.hash, files = {},
    vars = {}, variables = variables.new({}, {}), source = {}, undoes = record, run = earlier and earlier.id,
    limit = earlier and scopes.decoded(earlier.note).limit, lost = {}, left = {}, kept = {},
    root = { options = { name = "undo", max_failures = note.max_failures }, children = {} } }
  local of, find_step = context.of_run(store, record.id), finder(store, record, o)
  local list, inherited = {}, {}
  for _, scope in ipairs(scopes.read(store, record.id)) do
    local roll = scope.kind == "hosts" and roll_of(scope) or nil
    for _, one in ipairs(targets_of(of, scope)) do
      one.roll = roll
      one.tree = scope_for(tree, find_step, vc, one)
      list[#list + 1] = one
      if scope.kind == "hosts" then inherited[#inherited + 1] = one end
    end
  end
  tree.root.children, tree.root.givers = in_order(list)
  function tree.keep(target, why)
    tree.kept[target.ref] = why
    collect(tree.left, target, { why })
  end
  function tree.inherit(ctx) for _, one in ipairs(inherited) do ctx:inherit(one, one.all) end end
  function tree.entered(leases) return take_claims(record.id, store, leases) end
  return tree
end


return undo
