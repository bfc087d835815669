--- A run: a plan that is being applied. One fiber per target; VMs wait for their host's fiber; hosts of a group wait
-- for the roll's slots. Every step observes and plans again before it changes anything, so a run may be interrupted at
-- any moment and resumed: finished changes are not made twice. After max_failures no further targets are started;
-- after a host that does not return or stays in maintenance mode no other host is started.
local again = require "gpupt.playbook.again"
local canary = require "gpupt.playbook.canary"
local caps = require "gpupt.playbook.caps"
local claims = require "gpupt.playbook.claim"
local context = require "gpupt.playbook.context"
local failure = require "gpupt.failure"
local journal = require "gpupt.playbook.journal"
local leases = require "gpupt.playbook.leases"
local limit = require "gpupt.playbook.limit"
local logins = require "gpupt.logins"
local look = require "gpupt.playbook.look"
local loop = require "gpupt.loop"
local out_of_service = require "gpupt.playbook.out_of_service"
local preflight = require "gpupt.playbook.preflight"
local recheck = require "gpupt.playbook.recheck"
local remembered = require "gpupt.playbook.remembered"
local rows = require "gpupt.playbook.rows"
local scopes = require "gpupt.playbook.scopes"
local turns = require "gpupt.playbook.turns"
local unfinished = require "gpupt.playbook.unfinished"
local watcher = require "gpupt.playbook.watcher"

---@class gpupt.Outcome             how a target ended
---@field target string             its name
---@field kind "host"|"vm"
---@field status string?            "changed", "ok", "failed", "deferred", "not started", "interrupted"
---@field step string?              where it failed
---@field message string?
---@field code string?
---@field changed integer           number of changes made
---@field proofs table<string, string>  step -> what its prove returned
---@field undone boolean?           its work was not done, though the run went on
---@field target_record gpupt.Target

local run = {}

local Run = {}
Run.__index = Run
Run.__name = "gpupt.run"

local function new_id(name)
  local file = io.open("/dev/urandom", "rb")
  local bytes = file and file:read(3) or string.char(math.random(0, 255), math.random(0, 255), math.random(0, 255))
  if file then file:close() end
  local word = name:lower():gsub("[^%w]+", "-"):sub(1, 24)
  return ("%s-%s-%s"):format(word, os.date "!%Y%m%d%H%M%S", (bytes:gsub(".", function(c)
    return ("%02x"):format(c:byte())
  end)))
end

local function missing_words(plan, allow)
  local list = {}
  for _, word in ipairs(plan.words) do if not allow[word] then list[#list + 1] = word end end
  return list
end

local function set_of(list)
  local set = {}
  for _, word in ipairs(list) do set[word] = true end
  return set
end

--- Journals the files that the playbook loads from now on, so that a resumed run may load them too.
local function keep_loads(self)
  self.plan.playbook.source.on_load = function(file)
    failure.check(rows.add(self.journal, { run = self.id, kind = "load", what = file.path,
      detail = journal.note { hash = file.hash } }))
  end
end

--- Enters this process as the one that works on the run, before the run's first row of this process. Rows that come
-- after `last_row` are of this part of the run.
local function enter(self, o)
  local id = o.run or new_id(self.plan.playbook.name)
  self.leases = failure.check(leases.enter(self.journal, id))
  local tree = self.plan.playbook
  if tree.entered then failure.check(tree.entered(self.leases)) end
  self.id, self.ctx.run = id, id
  function self.ctx.before_change(target, action) self.leases:before_change(target, action) end
  function self.ctx.attached(target) self.leases:release_cards(target) end
  function self.ctx.in_service(target) self.leases:in_service(target.record) end
end

local function begin(self, o)
  local plan = self.plan
  if o.run then
    self.last_row = failure.check(self.journal:append { run = o.run, kind = "resume", what = "resumed" })
    self.ctx:remember()
    unfinished.note(self.ctx, plan.settled)
    if plan.playbook.inherit then plan.playbook.inherit(self.ctx) end
    failure.check(scopes.write(self.journal, self.id, plan))
    return
  end
  self.last_row = 0
  failure.check(self.journal:begin { id = self.id, playbook = plan.playbook.path, hash = plan.playbook.hash,
    endpoint = plan.vc.host, who = journal.who(), client_host = journal.host_name(),
    kind = plan.playbook.undoes and "undo", undoes = plan.playbook.undoes and plan.playbook.undoes.id,
    note = journal.begin_note(plan.playbook, { limit = plan.limit, allow = o.allow, name = plan.playbook.name,
      vcenter = plan.playbook.vcenter, max_failures = plan.playbook.root.options.max_failures }) })
  if plan.playbook.inherit then plan.playbook.inherit(self.ctx) end
  failure.check(scopes.write(self.journal, self.id, plan))
  for _, change in ipairs(plan:changes()) do
    failure.check(rows.add(self.journal, { run = self.id, kind = "plan", target = change.target, step = change.step,
      source = change.source, what = change.sign .. " " .. change.what }))
  end
  remembered.journal(plan, function(row)
    row.run = self.id
    failure.check(rows.add(self.journal, row))
  end)
  failure.check(rows.flush(self.journal))
end

local function emit(self, event)
  event.run = self.id
  event.time = os.time()
  if self.on_event then self.on_event(event) end
end

-- What a step is about to do, in one line: what it adds says more than what has to go first.
local function title(changes)
  local first = changes[1]
  for _, change in ipairs(changes) do
    if change.sign == "+" then
      first = change
      break
    end
  end
  local more = #changes - 1
  return first.what .. (more > 0 and (" (and %d more change%s)"):format(more, more == 1 and "" or "s") or "")
end

--- One step of one target: observe, plan, apply, prove. Returns true, or nil, message, code, detail. `earlier`: the
-- number of changes that an attempt of unknown outcome was to make.
local function attempt(self, target, instance, outcome, earlier)
  local ctx = self.ctx
  local found, message, code, detail = look(ctx, target, instance)
  if not found then return nil, message, code, detail end
  local seen, changes = found.seen, found.changes
  if #changes == 0 and earlier == 0 then
    outcome.proofs[instance.name] = outcome.proofs[instance.name] or "nothing to change"
    return true
  end
  for _, change in ipairs(changes) do
    if change.allow and not self.allow[change.allow] then
      return nil, ("%s: %s needs --allow %s"):format(target.name, change.what, change.allow), "EAPPROVAL"
    end
  end
  local ok, proof
  if #changes > 0 then
    emit(self, { kind = "step", target = target.name, step = instance.name, text = title(changes) })
    ok, message, code, detail = failure.catch(instance.step.apply, ctx, target, changes, seen)
    if ok == nil then return nil, message or "failed without a message", code, detail, #changes end
  end
  ctx.fleet:just_read(target.ref)
  proof, message, code = failure.catch(instance.step.prove, ctx, target)
  local record = proof ~= nil and target.kind == "vm" and ctx.fleet:just_read(target.ref)
  target.known = record and { record = record, at = loop.now() } or nil
  if proof == nil then return nil, message or "not proved", code or "EPROOF" end
  -- later steps now observe what was forecast
  target.forecast = {}
  outcome.changed = outcome.changed + math.max(#changes, earlier)
  outcome.proofs[instance.name] = proof
  emit(self, { kind = "proved", target = target.name, step = instance.name, text = tostring(proof) })
  return true
end

--- The same, observing again after changes of unknown outcome (gpupt.playbook.again).
local function step(self, target, instance, outcome)
  again.begin(target)
  local earlier = 0
  while true do
    local ok, message, code, detail, changes = attempt(self, target, instance, outcome, earlier)
    if ok then return true end
    if not again.follows(target, code, detail) then
      -- the connection to the vCenter was lost, not the host
      if code == "ELOST" and type(detail) == "table" and detail.method then code = "ECONNECT" end
      return nil, again.history(target, message), code
    end
    earlier = math.max(earlier, changes or 0)
    target.known = nil -- nothing that was read before counts
    if target.ref then self.ctx.fleet:keep(target.ref, nil) end
    again.note(self.ctx, target, message, code, detail)
  end
end

--- The statuses of targets whose changes were not all made.
local undone = { failed = true, ["not started"] = true, deferred = true }

local function finish(self, outcome, status, message, code)
  if status == "failed" and code == "ECANCELLED" then status = "interrupted" end
  outcome.status, outcome.message, outcome.code, outcome.undone = status, message, code, undone[status]
  if outcome.target_record then outcome.target_record.released = true end
  if status == "failed" then
    self.failures = self.failures + 1
    self.limits:count(outcome.target_record)
  end
  emit(self, { kind = status, target = outcome.target, step = outcome.step, text = message, code = code })
  rows.add(self.journal, { run = self.id, kind = "target", target = outcome.target, step = outcome.step,
    what = status, detail = message and journal.note { message = message, code = code } or nil })
end

--- What this run holds of each of the target's groups (gpupt.playbook.unavailable): `slots`, the hosts that it has
-- taken out of service (`ours`, by reference), and `short`, the reason why the group's hosts are deferred.
local function holds_of(self, target)
  local list = {}
  for i, group in ipairs(target.groups) do
    local hold = self.holds[group.key]
    if not hold then
      hold = { group = group, slots = loop.semaphore(group.most), ours = {} }
      self.holds[group.key] = hold
    end
    list[i] = hold
  end
  return list
end

--- Defers a host: it is not changed, and does not count as failed.
-- The other hosts of the group without a free slot are deferred without waiting for the same again.
local function defer(self, target, outcome, message, code, group)
  if code == "EDEFERRED" and group then self.holds[group.key].short = message end
  self.deferred = self.deferred + 1
  self.leases:release(leases.host(target.record))
  return finish(self, outcome, "deferred", message, code)
end

--- All steps of a target in order.
local function carry_out(self, target, outcome)
  target.forecast = {}
  local stop = self.cancelled and "the run was cancelled" or self.stopping or self.limits:reached()
  if stop then return finish(self, outcome, "not started", stop) end
  for i, instance in ipairs(target.scope.children) do
    outcome.step = instance.name
    if self.stopping and i > 1 then return finish(self, outcome, "interrupted", self.stopping, "ECANCELLED") end
    stop = turns.before_step(instance, outcome, target.host and self.late_hosts[target.host.ref])
    if stop then return finish(self, outcome, "not started", stop) end
    local ok, message, code = step(self, target, instance, outcome)
    if not ok and code == "EDEFERRED" and target.kind == "host" then
      return defer(self, target, outcome, message, code, self.ctx.slots[target.ref].blocked)
    end
    if not ok then return finish(self, outcome, "failed", message, code) end
  end
  outcome.step = nil
  return finish(self, outcome, outcome.changed > 0 and "changed" or "ok")
end

--- Whether the changes of this target may take its host out of service.
local function takes_down(target) return leases.takes_down(target.entry) end

--- Waits for the other hosts of its groups, see gpupt.playbook.claim. The slot, or nil if the host was deferred.
local function claim_slot(self, target, outcome)
  local holds = holds_of(self, target)
  local slot = claims.slot(self.ctx, target, holds)
  self.ctx.slots[target.ref] = slot
  if not takes_down(target) then return slot end
  for _, hold in ipairs(holds) do
    if hold.short then return defer(self, target, outcome, hold.short, "EDEFERRED") end
  end
  local ok, message, code = slot:take()
  if ok then return slot end
  if code == "ECANCELLED" then return finish(self, outcome, "not started", message) end
  return defer(self, target, outcome, message, code, slot.blocked)
end

-- Why no further host is started, or nil.
local function closed(self)
  if self.lost then return ("%s is out of service: no further hosts will be started"):format(self.lost) end
  return self.cancelled and "the run was cancelled" or self.stopping
end

-- Everything that the host needs before it may be taken out of service: the slot, or nil if its outcome is decided.
local function admit(self, target, outcome)
  local stop = closed(self)
  if stop then return finish(self, outcome, "not started", stop) end
  if takes_down(target) then
    -- another run of this journal may be rolling the same group
    local ok, message, code, group = self.leases:await_slots(self.plan.vc, target, self.ctx)
    if code == "ECANCELLED" or code == "ELAPSED" then return finish(self, outcome, "not started", message) end
    if not ok then return defer(self, target, outcome, "deferred and not changed: " .. message, code, group) end
  end
  local slot = claim_slot(self, target, outcome)
  -- a host may have been lost while this one waited
  if slot and self.lost then
    slot:give_back()
    slot = finish(self, outcome, "not started", closed(self))
  end
  if not slot then self.leases:release_slots(target.record) end
  return slot
end

-- Closes a list of tokens.
local function tokens_of(self, target)
  local list = setmetatable({}, { __close = function(tokens)
    for _, token in ipairs(tokens) do token:release() end
  end })
  for i, hold in ipairs(holds_of(self, target)) do list[i] = hold.slots:acquire() end
  return list
end

-- Waits for the window before the host holds anything that others wait for; whether it goes on.
local function await_window(self, target, outcome)
  local record, slot = target.record, claims.slot(self.ctx, target, {})
  local down = record.maintenance or record.connection ~= "connected"
  if down or not takes_down(target) or slot:under_way() then return true end
  local ok, message, code = slot:await_window()
  if ok then return true end
  if code == "ECANCELLED" then
    finish(self, outcome, "not started", message)
  else
    defer(self, target, outcome, message, code)
  end
  return false
end

-- Waits for the canary of the target's scope, if there is one; whether the target goes on.
local function await_canary(self, target, outcome)
  local first, group = self.canaries:before(target)
  if not first then return true end
  local outcomes = {}
  for i, one in ipairs(first) do
    self.started[one].fiber:join()
    outcomes[i] = self.started[one].outcome
  end
  local why, well = self.canaries.verdict(group, outcomes)
  if well and not group.noted then
    group.noted = true
    self.journal:append { run = self.id, kind = "canary", what = group.key }
  end
  if well then self.paused = self.paused or why end
  finish(self, outcome, "not started", why, well and "EPAUSED" or nil)
  return false
end

local function host_fiber(self, target, outcome)
  if not await_canary(self, target, outcome) then return end
  if not await_window(self, target, outcome) then return end
  local tokens <close> = tokens_of(self, target) -- luacheck: ignore
  local slot = admit(self, target, outcome)
  if not slot then return end
  local record = target.record
  carry_out(self, target, outcome)
  local broken = outcome.status == "failed" or outcome.status == "interrupted"
  if broken and (outcome.code == "ELOST" or record.maintenance or record.connection ~= "connected") then
    self.lost = self.lost or target.name
  else
    slot:give_back()
    if outcome.status == "changed" or outcome.status == "ok" then self.leases:back(record) end
    self.leases:release_slots(record)
  end
end

local function late_host_fiber(self, target, outcome, vms)
  local why = turns.await_vms(target, vms)
  if why then return finish(self, outcome, "not started", why) end
  return host_fiber(self, target, outcome)
end

local function vm_fiber(self, target, outcome)
  local gate <close> = outcome.gate -- luacheck: ignore
  if not await_canary(self, target, outcome) then return end
  local why = turns.await_host(target.host and self.hosts[target.host.ref])
  if why then return finish(self, outcome, "not started", why) end
  -- a VM that its host waits for holds up no other by waiting for a place
  local late = target.host and self.late_hosts[target.host.ref]
  local places <close> = not late and self.caps:enter(target) or nil -- luacheck: ignore
  return carry_out(self, target, outcome)
end

local function new_outcome(self, target)
  local outcome = { target = target.name, kind = target.kind, changed = 0, proofs = {}, target_record = target }
  self.outcomes[#self.outcomes + 1] = outcome
  return outcome
end

local function guarded(self, outcome, fn, ...)
  local ok, err = pcall(fn, ...)
  if ok then return end
  local message = failure.is(err) and err.message or tostring(err)
  local code = failure.is(err) and err.code or "EINTERNAL"
  pcall(finish, self, outcome, "failed", message, code)
  if code == "ECANCELLED" then error(err, 0) end
end

local function start_fiber(self, outcome, fn, ...)
  local args = table.pack(...)
  local fiber = loop.spawn(function()
    guarded(self, outcome, fn, self, outcome.target_record, outcome, table.unpack(args, 1, args.n))
  end)
  self.fibers[#self.fibers + 1] = fiber
  self.started[outcome.target_record] = { fiber = fiber, outcome = outcome }
  return fiber
end

local function all_fibers(self)
  local vms = {}
  self.fibers, self.started, self.hosts, self.late_hosts = {}, {}, {}, {}
  local hosts = {}
  for i, target in ipairs(self.plan.hosts) do hosts[i] = new_outcome(self, target) end
  for i, target in ipairs(self.plan.vms) do
    vms[i] = { target = target, outcome = new_outcome(self, target) }
    vms[i].outcome.gate = turns.gate()
  end
  for i, target in ipairs(self.plan.hosts) do
    local outcome = hosts[i]
    if turns.is_late(target) then
      self.late_hosts[target.ref] = { outcome = outcome, fiber = start_fiber(self, outcome, late_host_fiber, vms) }
    else
      self.hosts[target.ref] = { outcome = outcome, fiber = start_fiber(self, outcome, host_fiber) }
    end
  end
  for _, vm in ipairs(vms) do start_fiber(self, vm.outcome, vm_fiber) end
  local beside = loop.spawn(watcher.watch, self)
  for _, fiber in ipairs(self.fibers) do fiber:join() end
  beside:cancel "the run has ended"
end

--- Runs all fibers. A Ctrl-C that the program does not handle (`asked`), or a second one, raises in the loop, outside
-- the fibers: then they are cancelled and waited for, so that each of them writes its last row.
local function drive(self)
  local ok, err = pcall(loop.run, all_fibers, self)
  if ok then return true end
  if type(err) ~= "string" or not err:find "interrupted!" then error(err, 0) end
  self:cancel "interrupted"
  pcall(loop.run, function()
    for _, fiber in ipairs(self.fibers or {}) do pcall(fiber.join, fiber) end
  end)
  error(failure.new("interrupted", "ECANCELLED"), 0)
end

--- Why the run was stopped before all of its targets were finished; nil if it was not.
local function cut_short(self)
  local why = self.cancelled or self.stopping
  for _, outcome in ipairs(self.outcomes) do
    if outcome.status == "interrupted" or why and outcome.status == "not started" then return why or "interrupted" end
  end
end

--- The run waits for a vCenter that does not answer, and says so. Returns a function that ends it.
local function be_patient(self, seconds)
  return self.plan.vc:be_patient(seconds, function(text)
    rows.add(self.journal, { run = self.id, kind = "event", what = text })
    self.ctx:note(nil, text)
  end)
end

--- Starts a run and waits for its end. See Plan:apply.
function run.start(plan, o)
  if plan.read_only and #plan:changes() > 0 then return nil, plan.read_only, "NoPermission" end
  local allow = set_of(o.allow)
  local missing = missing_words(plan, allow)
  if #missing > 0 then
    return nil, ("the plan needs --allow %s"):format(table.concat(missing, ",")), "EAPPROVAL", { words = missing }
  end
  local self = setmetatable({ plan = plan, allow = allow, on_event = o.on_event, asked = o.asked, outcomes = {},
    holds = {}, failures = 0, deferred = 0, limits = limit.of(plan) }, Run)
  if #plan:changes() == 0 and not o.run then
    self.nothing = true
    for _, list in ipairs { plan.hosts, plan.vms } do
      for _, target in ipairs(list) do
        local outcome = new_outcome(self, target)
        outcome.status = "ok"
      end
    end
    return self
  end
  local ok, message, code, detail
  ok, message, code = failure.catch(preflight.secrets, plan)
  if not ok then return nil, message, code end
  self.journal = o.journal
  if not self.journal then
    self.journal, message, code = journal.open()
    if not self.journal then return nil, message, code end
    self.own_journal, self.default_journal = true, true
  end
  self.ctx = context.new { vc = plan.vc, fleet = plan.fleet, journal = self.journal, allow = allow,
    logins = logins.new(plan.vc.logins),
    emit = function(event) emit(self, event) end }
  ok, message, code, detail = failure.catch(function()
    enter(self, o)
    begin(self, o)
    keep_loads(self)
    self.caps = caps.new(plan.vms)
    self.canaries = canary.of(plan, o.run and canary.passed(self.journal, self.id))
    failure.check(self.leases:claim_all(plan))
    return failure.check(recheck(plan, self.journal, self.id))
  end)
  if ok then
    emit(self, { kind = "begin", text = self.id })
    local hasty = be_patient(self, o.outage)
    ok, message, code, detail = failure.catch(drive, self)
    hasty()
    local why = ok and cut_short(self)
    if why then ok, message, code = nil, why, "ECANCELLED" end
  end
  self:close(ok, message, code)
  if not ok and #self.outcomes == 0 then return nil, message, code, detail end
  self.message, self.code = message, code
  return self
end

-- An undo that could not reach all of its hosts and VMs is not done yet.
local function incomplete(self)
  return self.failures > 0 or self.deferred > 0 or self.plan.playbook.undoes ~= nil and #self.plan.skipped > 0
end

--- Writes the last row and releases the claims, except those of hosts that are out of service.
function Run:close(ok, message, code)
  if self.id then
    local failed = not ok or incomplete(self)
    rows.flush(self.journal)
    self.journal:append { run = self.id, kind = "end", what = code == "ECANCELLED" and "interrupted"
      or failed and "failed" or self.paused and "paused" or "done",
      detail = message and journal.note { message = message, code = code } or nil }
    local left, why = self.leases:leave(self.plan.vc, function(name)
      return out_of_service.entered(self.ctx, name)
    end)
    if not left then self.ctx:note(nil, why) end
  end
  if self.own_journal then
    self.journal:close()
    self.own_journal = nil
  end
end

--- { id =, status = "nothing" | "done" | "paused" (after a canary) | "failed" | "interrupted",
-- targets = { {target, kind, status, step, message,
-- code, changed, proofs} } }
function Run:result()
  local list = {}
  for i, outcome in ipairs(self.outcomes) do
    list[i] = { target = outcome.target, kind = outcome.kind, status = outcome.status or "interrupted",
      step = outcome.step, message = outcome.message, code = outcome.code, changed = outcome.changed,
      proofs = outcome.proofs }
  end
  local status = self.nothing and "nothing" or self.code == "ECANCELLED" and "interrupted"
    or (incomplete(self) or self.code) and "failed" or self.paused and "paused" or "done"
  local undoes = self.plan.playbook.undoes
  return { id = self.id, status = status, targets = list, message = self.message or self.paused,
    undoes = undoes and undoes.id,
    lost = undoes and self.plan:lost(), left = undoes and self.plan:left() }
end

--- The result of the run as tables for people.
function Run:__tostring() return require("gpupt.playbook.report").text(self) end

--- What takes back what this run did, as playbook.undo(journal, id) gives it; nil, message, code if it cannot be
-- undone.
function Run:undo()
  if not self.id then return nil, "the run changed nothing: there is nothing to undo", "ENOENT" end
  local store, message, code = self.journal, nil, nil
  if self.default_journal then store, message, code = journal.open() end
  if not store then return nil, message, code end
  return self.plan.undo(store, self.id)
end

--- Ends the run as soon as the steps in flight are finished: nothing more is started. The run can be resumed.
function Run:drain(reason)
  if self.stopping or self.cancelled then return end
  self.stopping = tostring(reason or "stopped")
  self.ctx.stopping = self.stopping
  self.ctx:note(nil, self.stopping .. ": finishing the steps in progress, starting nothing more")
end

--- Cancels every fiber: no step in flight is finished. The run can be resumed.
function Run:cancel(reason)
  self.cancelled = tostring(reason or "cancelled")
  for _, fiber in ipairs(self.fibers or {}) do fiber:cancel(reason) end
end

return run
