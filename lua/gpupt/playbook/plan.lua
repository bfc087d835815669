--- A plan: what would change, per target and step, and the approvals it needs. Making a plan changes nothing.
-- plan:changes() is data, tostring(plan) is for people, plan:save writes a file that apply compares with the fleet
-- again, plan:apply applies it (gpupt.playbook.run).
local cards = require "gpupt.playbook.cards"
local canary = require "gpupt.playbook.canary"
local circle = require "gpupt.playbook.circle"
local clock = require "gpupt.clock"
local context = require "gpupt.playbook.context"
local done_with = require "gpupt.playbook.done_with"
local failure = require "gpupt.failure"
local findings = require "gpupt.playbook.preflight.findings"
local in_maintenance = require "gpupt.playbook.in_maintenance"
local leases = require "gpupt.playbook.leases"
local left_out = require "gpupt.playbook.left_out"
local look = require "gpupt.playbook.look"
local options = require "gpupt.options"
local patterns = require "gpupt.playbook.patterns"
local placed = require "gpupt.playbook.placed"
local preflight = require "gpupt.playbook.preflight"
local read_ahead = require "gpupt.playbook.read_ahead"
local remembered = require "gpupt.playbook.remembered"
local targets = require "gpupt.playbook.targets"
local turns = require "gpupt.playbook.turns"
local snapshot = require "gpupt.fleet.snapshot"
local stayed = require "gpupt.playbook.stayed"
local strayed = require "gpupt.playbook.strayed"
local unavailable = require "gpupt.playbook.unavailable"
local unfinished = require "gpupt.playbook.unfinished"
local units = require "gpupt.units"
local taken_away = require "gpupt.playbook.taken_away"
local vcenter_zone = require "gpupt.playbook.vcenter_zone"
local vim = require "gpupt.vim"
local visible = require "gpupt.visible"

local plan = {}

local Plan = {}
Plan.__index = Plan
Plan.__name = "gpupt.plan"

local function add_problem(problems, target, source, message, code)
  local problem = { target = target, text = source and not findings.mentions(message, source)
    and source .. ": " .. message or message, code = code }
  problems[#problems + 1] = problem
  return problem
end

--- Observes and plans every step of one target. A failure becomes a problem, and the target's later steps are skipped.
-- Cards that a change will activate count as usable when cards are allocated to VMs.
function plan.steps(ctx, target, problems)
  local entry = { target = target, steps = {} }
  target.entry = entry
  for _, instance in ipairs(target.scope.children) do
    local found, message, code, detail = look(ctx, target, instance)
    if not found then
      entry.problem = add_problem(problems, target.name, instance.source, message, code)
      entry.skip, entry.away = type(detail) == "table" and detail.skip, type(detail) == "table" and detail.away
      return entry
    end
    entry.steps[#entry.steps + 1] = { instance = instance, changes = found.changes, options = found.options }
    for _, change in ipairs(found.changes) do
      entry.changes = true
      for _, card in ipairs(change.activates or {}) do ctx.fleet:expect_active(card) end
      for _, card in ipairs(change.labels or {}) do ctx.fleet:expect_label(card, change.label) end
    end
  end
  return entry
end

-- The problem of a VM without a host is known; its steps are planned as far as possible, for what the preflight finds.
local function plan_vm(self, target, problems)
  if target.host then return plan.steps(self.ctx, target, problems) end
  cards.give_example(self.fleet, target)
  if target.host then return plan.steps(self.ctx, target, {}) end
  return { target = target, steps = {}, problem = true }
end

local function each_scope(pb, kind)
  local list = {}
  for _, scope in ipairs(pb.root.children) do if scope.kind == kind then list[#list + 1] = scope end end
  return list
end

-- Reads the hosts of all scopes at once. What is wrong with a scope is found again, and reported, with its targets.
local function read_hosts(self, limit)
  local refs = {}
  for _, scope in ipairs(self.playbook.root.children) do
    local list = failure.catch(targets.hosts_of, self.fleet, scope, limit)
    table.move(list or {}, 1, #(list or {}), #refs + 1, refs)
  end
  self.fleet:read_hosts(refs)
end

local function read_vms(self, list)
  local refs, seen = {}, {}
  for _, target in ipairs(list) do
    if target.ref and not seen[target.ref] then
      seen[target.ref] = true
      refs[#refs + 1] = target.ref
    end
  end
  self.fleet:read_vms(refs)
end

-- A host or VM that is a target of two scopes would be changed by both at the same time.
local function once_only(host_targets, vm_targets, found)
  local first = {}
  for _, list in ipairs { host_targets, vm_targets } do
    for _, target in ipairs(list) do
      local key = target.ref or ("%s/%s"):format(target.folder, target.name)
      local earlier = first[key]
      if earlier then
        found:problem { source = target.scope.source, target = target.name, code = "EPLAYBOOK", text =
          ("p.%s: %s is a target of p.%s (%s) as well. Put all steps of a target into one scope"):format(
          target.scope.kind, target.name, earlier.scope.kind, earlier.scope.source) }
      end
      first[key] = earlier or target
    end
  end
end

-- Whether a playbook without a target is one whose p.finds found nothing: then there is nothing to do.
local function found_nothing(self)
  local found = self.fleet.found or {}
  for _, one in ipairs(found) do if #one.refs > 0 then return false end end
  return #found > 0 and #self.skipped == 0
end

-- A p.find that finds nothing is no error, but its user should know.
local function note_found(self)
  for _, one in ipairs(self.fleet.found or {}) do
    if #one.refs == 0 then
      self.notes[#self.notes + 1] = { kind = "note", target = one.source, text = ("p.find found none of %s"):format(
        units.count(one.of, "object")) }
    end
  end
end

local function read_fleet(self, problems)
  local limit, found = self.patterns, findings.new()
  local vm_targets, done = {}, done_with.of(self.journal, self.run_id)
  self.hosts, self.vms = {}, {}
  self.fleet:whole()
  read_hosts(self, limit)
  for _, scope in ipairs(each_scope(self.playbook, "hosts")) do
    local list, message, code = failure.catch(targets.hosts, self.fleet, scope, limit, self.skipped, function(target)
      return not done[target.identity] and self.ctx:did(target, "reboot-intent")
    end)
    if list then
      table.move(list, 1, #list, #self.hosts + 1, self.hosts)
    else
      add_problem(problems, "p.hosts", scope.source, message, code)
    end
  end
  unavailable.assign(self.fleet, self.hosts, function(target, text)
    found:problem { source = target.scope.source, text = "roll: " .. text, target = target.name, code = "EPLAYBOOK" }
  end)
  vcenter_zone.read(self, function(target, text, code)
    found:problem { source = target.scope.source, text = text, target = target.name, code = code }
  end)
  for _, scope in ipairs(each_scope(self.playbook, "vms")) do
    local list, message, code = failure.catch(targets.vms, self.fleet, scope, limit, found, function(target)
      return self.ctx:made(target, "create")
    end)
    if list then
      table.move(list, 1, #list, #vm_targets + 1, vm_targets)
    else
      add_problem(problems, "p.vms", scope.source, message, code)
    end
  end
  once_only(self.hosts, vm_targets, found)
  note_found(self)
  for _, target in ipairs(vm_targets) do
    if target.note then self.notes[#self.notes + 1] = { kind = "note", target = target.name, text = target.note } end
  end
  for _, problem in ipairs(found:problems()) do problems[#problems + 1] = problem end
  -- objects that a plan file's or a run's limit named may be gone since
  local unmatched = #problems == 0 and self.new_limit and limit:unmatched()
  if unmatched then add_problem(problems, nil, nil, unmatched, "ENOENT") end
  self.fleet:read_owners()
  read_vms(self, vm_targets)
  return vm_targets
end

local function without(list, set)
  local left = {}
  for _, one in ipairs(list) do if not set[one] then left[#left + 1] = one end end
  return left
end

-- Skips the hosts that a scope does not concern (without the wanted card), unless it concerns none of its hosts; and
-- the VMs whose host does not answer.
local function skip(self, problems)
  local concerned, gone = {}, {}
  for _, entry in ipairs(self.entries) do
    if not entry.skip then concerned[entry.target.scope] = true end
  end
  for _, entry in ipairs(self.entries) do
    if entry.skip and (entry.away or concerned[entry.target.scope]) then
      gone[entry], gone[entry.target], gone[entry.problem] = true, true, true
      self.skipped[#self.skipped + 1] = { target = entry.target.name, kind = entry.target.kind,
        identity = entry.target.identity, away = entry.away, why = entry.skip,
        text = ("%s %s: skipped"):format(entry.target.name, entry.skip) }
    end
  end
  self.entries, self.hosts, self.vms = without(self.entries, gone), without(self.hosts, gone), without(self.vms, gone)
  return without(problems, gone)
end

-- The window goes by this computer's clock: whether that is wrong, the server's tells.
local SKEW = 120

local function note_clock(self)
  local used = false
  for _, target in ipairs(self.hosts) do used = used or target.scope.options.roll.opening ~= nil end
  local server = used and vim.seconds(self.vc.instance:CurrentTime())
  local ahead = server and clock.wall() - server or 0
  if math.abs(ahead) > SKEW then
    self.notes[#self.notes + 1] = { kind = "note", text = ("the clock of this computer is %s %s that of %s; the window "
      .. "goes by this computer's"):format(units.span(math.abs(ahead)), ahead > 0 and "ahead of" or "behind",
      self.vc.host) }
  end
end

local function words_needed(self)
  local set, list, attaches = {}, {}, false
  for _, entry in ipairs(self.entries) do
    for _, step in ipairs(entry.steps) do
      attaches = attaches or #step.changes > 0 and step.instance.name == "gpu.attach"
      for _, change in ipairs(step.changes) do
        if change.allow and not set[change.allow] then
          set[change.allow] = true
          list[#list + 1] = change.allow
        end
      end
    end
  end
  -- cards that an earlier run attached need no second approval
  if not attaches then self.over = {} end
  if #self.over > 0 then list[#list + 1] = "over-commit" end
  table.sort(list)
  return list
end

local function first_code(problems)
  for _, problem in ipairs(problems) do if problem.code then return problem.code end end
  return "EPLAN"
end

--- The problems, each once, the claims of other runs, which may be their cause, and the command that helps.
local function text_of(problems, claims, advice)
  local lines, seen = {}, {}
  for _, problem in ipairs(problems) do
    if not seen[problem.text] then
      seen[problem.text] = true
      lines[#lines + 1] = problem.text
    end
  end
  for _, claim in ipairs(claims or {}) do lines[#lines + 1] = ("%s. %s"):format(claim.text, claim.next) end
  lines[#lines + 1] = advice
  return visible.lines(lines)
end

local function plan_hosts(self, list, problems)
  read_ahead(self.ctx, list)
  for _, target in ipairs(list) do
    self.entries[#self.entries + 1] = plan.steps(self.ctx, target, problems)
  end
  problems = skip(self, problems)
  in_maintenance.note(self, list)
  return problems
end

-- `later`: the hosts that are planned after the VMs.
local function plan_vms(self, vm_targets, later, problems)
  in_maintenance.expect(self, later)
  local late = turns.late(later)
  preflight.look(self, vm_targets)
  -- if the journal cannot be read, the plan notes it below
  self.world.claims = self.journal and failure.catch(leases.cards, self.journal, self.run_id) or nil
  self.pool, vm_targets = cards.allocate(self.fleet, vm_targets, problems, self.over, self.world, self.skipped)
  self.placed_otherwise = placed.otherwise(self.world, vm_targets)
  for _, target in ipairs(vm_targets) do
    self.vms[#self.vms + 1] = target
    target.host_is_late = target.host and not target.moves and late[target.host.ref] ~= nil or nil
    local entry = plan_vm(self, target, problems)
    in_maintenance.leave_out(entry)
    self.entries[#self.entries + 1] = entry
    local forecast = target.ref and target.forecast
    if forecast then
      self.fleet:expect_off(target.ref, forecast.freed == true or forecast.off_meanwhile or turns.off_meanwhile(entry)
        or turns.way(target) ~= nil)
    end
  end
  return skip(self, problems)
end

--- Makes the plan of a playbook. If there are problems: nil, message, code, { problems = }, with all of them.
function plan.make(playbook, vc, o)
  local limit = o.patterns -- shared by the plans of several vCenters
  if o.limit and not limit then
    local message, code
    limit, message, code = patterns.compile(o.limit)
    if not limit then return nil, message, code end
  end
  local self = setmetatable({ playbook = playbook, vc = vc, limit = limit and limit.text, patterns = limit,
    new_limit = o.new_limit, journal = o.journal, run_id = o.run, fleet = snapshot.new(vc), entries = {},
    skipped = {}, over = {}, notes = {}, placed_otherwise = {}, unverified = {}, began = os.time() }, Plan)
  local problems = {}
  self.ctx = context.new { vc = vc, fleet = self.fleet, planning = true, run = o.run, book = o.journal,
    emit = function(event) self.notes[#self.notes + 1] = event end }
  if o.run and o.journal then
    self.canary_passed = canary.passed(o.journal, o.run)
    self.ctx.journal = o.journal
    self.ctx:remember()
    self.ctx.journal = nil
    local settled, message, code = failure.catch(unfinished.settle, self.ctx)
    if not settled then return nil, message, code end
    self.settled = settled
    self.fleet.resumed = true
  end
  self.fleet.remembered = o.run and self.ctx.remembered
    or playbook.saved and remembered.saved(playbook.saved.remembered) or nil
  if playbook.inherit then playbook.inherit(self.ctx) end
  local ok, message, code, detail = failure.catch(function()
    local vm_targets = read_fleet(self, problems)
    local every = table.move(vm_targets, 1, #vm_targets, #self.hosts + 1, table.move(self.hosts, 1, #self.hosts, 1, {}))
    local early, late = turns.split(self.hosts, playbook.undoes)
    -- a VM that moves is gone before the host is changed that it leaves
    for _, target in ipairs(vm_targets) do if target.moves then self.fleet:expect_off(target.ref, true) end end
    problems = plan_hosts(self, early, problems)
    problems = plan_vms(self, vm_targets, late, problems)
    stayed.plan_again(self, vm_targets, function(target) return plan.steps(self.ctx, target, problems) end)
    problems = plan_hosts(self, late, problems)
    taken_away.check(self, function(...) add_problem(problems, ...) end)
    local round = circle.problem(self, canary.of(self, self.canary_passed))
    if round then add_problem(problems, round.target, round.source, round.text, round.code) end
    turns.tell(self.entries)
    self.strayed = o.run and o.journal and strayed.of(self, o.journal, every) or {}
    table.move(self.strayed, 1, #self.strayed, #self.skipped + 1, self.skipped)
    preflight.check(self, problems, o)
    note_clock(self)
    self.fleet:planned()
    return true
  end)
  self.ctx:leave()
  if not ok then return nil, message, code, detail end
  if o.journal then
    local claims, unreadable = failure.catch(leases.in_the_way, self, o.journal, o.run, problems)
    if not claims then
      self.notes[#self.notes + 1] = { kind = "note", text = "the claims of other runs cannot be shown: " .. unreadable }
    end
    self.claims = claims
  end
  if #problems > 0 then
    return nil, text_of(problems, self.claims, self.advice), first_code(problems), { problems = problems }
  end
  -- of an undo: what the run changed is gone, or it changed nothing
  local gone = playbook.undoes and (#playbook.left > 0 or #playbook.root.children == 0) and #self.skipped == 0
  if #self.entries == 0 and not gone and not found_nothing(self)
    and not (self.fleet.remembered and self.fleet.remembered.deletes) then
    return nil, self.skipped[1] and text_of(self.skipped) or limit and limit:nothing_left()
      or "the playbook matches no hosts or VMs", "ENOENT"
  end
  self.words = words_needed(self)
  if playbook.saved then
    ok, message, code = require("gpupt.playbook.saved").compare(self, playbook.saved)
    if not ok then return nil, message, code end
  end
  return self
end

--- A flat list of the changes: { target, identity, kind, step, source, sign, what, allow, verb, settings }. The
-- identity tells targets of one name apart (gpupt.playbook.identity).
function Plan:changes()
  local list = {}
  for _, entry in ipairs(self.entries) do
    for _, step in ipairs(entry.steps) do
      for _, change in ipairs(step.changes) do
        list[#list + 1] = { target = entry.target.name, identity = entry.target.identity, kind = entry.target.kind,
          step = step.instance.name, source = step.instance.source, sign = change.sign or "~",
          what = change.what, allow = change.allow, verb = change.verb, settings = change.settings }
      end
    end
  end
  return list
end

--- The claims of other runs that are in the way, as playbook.claims gives them; empty if the plan was made without a
-- journal.
function Plan:claimed() return table.move(self.claims or {}, 1, #(self.claims or {}), 1, {}) end

-- Copies of { target =, text = }.
local function texts(list)
  local copy = {}
  for i, one in ipairs(list or {}) do copy[i] = { target = one.target, text = one.text } end
  return copy
end

--- The hosts and VMs that the plan leaves out: a list of { target =, text =, kind =, why =, unreached = true if it or
-- its host could not be reached or used, and not because it is without the wanted card }.
function Plan:left_out()
  local list = texts(self.skipped)
  for i, one in ipairs(self.skipped) do list[i].kind, list[i].why, list[i].unreached = one.kind, one.why, one.away end
  return list
end

--- Those that are meant and could not be reached or used, each once: a list of { target =, kind =, why = }.
function Plan:unreached() return left_out.unreached(self) end

--- VMs that exist and are not where `place` says, which a plan does not change: a list of { names =, label =, what =,
-- text = }, those with the same difference together.
function Plan:misplaced() return table.move(self.placed_otherwise, 1, #self.placed_otherwise, 1, {}) end

--- Of the plan of an undo: what cannot be undone, as a list of { target =, text = }.
function Plan:lost() return texts(self.playbook.lost) end

--- Of the plan of an undo: what was changed since the run and is left as it is.
function Plan:left() return texts(self.playbook.left) end

--- Of a plan: what its changes do that no undo takes back ("reboot"), sorted.
function Plan:irreversible()
  local set, list = {}, {}
  for _, entry in ipairs(self.entries) do
    for _, step in ipairs(entry.steps) do
      local words = step.changes.lost
      if #step.changes > 0 and not words and not step.instance.step.undo then words = step.instance.name end
      for _, word in ipairs(#step.changes == 0 and {} or type(words) == "table" and words or { words }) do
        set[word] = true
      end
      for _, change in ipairs(step.changes) do if change.lost then set[change.lost] = true end end
    end
  end
  for word in pairs(set) do list[#list + 1] = word end
  table.sort(list)
  return list
end

--- The approvals that the plan needs.
function Plan:needs() return table.move(self.words, 1, #self.words, 1, {}) end

function Plan:__tostring() return require "gpupt.playbook.plan_text"(self) end

local text_options = options.declare("plan.text", {
  { "width", "integer", doc = "columns of the terminal; without it lines are not folded" },
  { "diff", "boolean", default = false, doc = "each setting before and after" },
})

--- The plan as text for people. tostring(plan) is the same without options.
function Plan:text(o) return require "gpupt.playbook.plan_text"(self, text_options:check(o)) end

--- Targets with equal changes together: a list of { kind =, names = {}, label = "esx-[01-40]", changes = { { step,
-- source, sign, what, allow, verb, settings = { { name, before, after } } } }, place = of several VMs: where they are,
-- in words }.
function Plan:groups() return require "gpupt.playbook.plan_groups".of(self.entries) end

--- The cards of each cluster: a list of { cluster =, cards =, used =, free =, used_after =, free_after =, hosts =,
-- hosts_read =, hosts_total =, short = how many cards there are too few if the fullest host fails }. Only the hosts
-- that the plan read count; short is nil if the cluster has others.
function Plan:capacity() return require "gpupt.playbook.capacity".of(self) end

--- What is out of service, and for how many seconds at most: { hosts = { { names =, seconds =, why = } }, vms = ... }.
function Plan:stops() return require "gpupt.playbook.stops".of(self.entries) end

--- Writes the plan for a later apply; true, or nil, message, code.
function Plan:save(path) return require "gpupt.playbook.saved".write(self, path) end

local apply_options = options.declare("plan.apply", {
  { "journal", "userdata", doc = "an open journal (gpupt.store.open); default: the user's own file" },
  { "on_event", "function", doc = "called with each event { kind =, target =, text =, percent = }" },
  { "progress", "boolean", default = true, doc = "false: no events with the progress of tasks, for which it is "
    .. "read from the server again and again" },
  { "allow", "table", default = {}, doc = "the approvals, for example { 'reboot' }" },
  { "run", "string", doc = "the run to resume" },
  { "asked", "function", doc = "called once a second during the run; what it returns stops the run: 'drain' to finish "
    .. "the steps in progress and start nothing more, 'cancel' to stop at once; a reason in words; and what to show "
    .. "instead of it" },
  { "outage", "string|number", default = "15m", doc = "how long to wait for a vCenter that does not answer" },
})

--- Applies the plan. Returns a run (see gpupt.playbook.run), even if parts of it failed; nil, message, code if it did
-- not start: EAPPROVAL if approvals are missing, ESTALE, the journal's errors.
function Plan:apply(o)
  o = apply_options:check(o)
  o.run = o.run or self.run_id
  local seconds, message, code = units.duration(o.outage)
  if not seconds then return nil, "outage: " .. message, code end
  o.outage = seconds
  return require("gpupt.playbook.run").start(self, o)
end

return plan
