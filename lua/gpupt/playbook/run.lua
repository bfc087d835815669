--- A run: a plan that is being applied, from its first journal row to its last. One fiber per target
-- (gpupt.playbook.fibers) makes its steps (gpupt.playbook.steps). A run may be interrupted at any moment and resumed.
-- After max_failures no further targets are started.
local canary = require "gpupt.playbook.canary"
local caps = require "gpupt.playbook.caps"
local context = require "gpupt.playbook.context"
local failure = require "gpupt.failure"
local fibers = require "gpupt.playbook.fibers"
local journal = require "gpupt.playbook.journal"
local json = require "gpupt.json"
local left_out = require "gpupt.playbook.left_out"
local leases = require "gpupt.playbook.leases"
local limit = require "gpupt.playbook.limit"
local logins = require "gpupt.logins"
local loop = require "gpupt.loop"
local out_of_service = require "gpupt.playbook.out_of_service"
local preflight = require "gpupt.playbook.preflight"
local recheck = require "gpupt.playbook.recheck"
local remembered = require "gpupt.playbook.remembered"
local rows = require "gpupt.playbook.rows"
local scopes = require "gpupt.playbook.scopes"
local steps = require "gpupt.playbook.steps"
local unfinished = require "gpupt.playbook.unfinished"

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

function Run:emit(event)
  event.run = self.id
  event.time = os.time()
  if self.on_event then self.on_event(event) end
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

-- VMs that an earlier part of the run deleted, and whose last rows are missing: of one that is gone, the server has no
-- task to ask for.
local function end_deleted(self)
  local planned, ended = {}, {}
  for _, target in ipairs(self.plan.vms) do planned[target.identity or target.name] = true end
  for row in self.journal:rows(self.id) do
    if row.kind == "target" and row.target then ended[row.identity or row.target] = row.what == "changed" end
  end
  for _, one in ipairs(self.ctx.history:all()) do
    local last, which = one.changes[#one.changes], one.identity or one.name
    local deleted = last and last.action == "delete" and not planned[which] and not ended[which]
    if deleted and not last.ended and not self.plan.fleet:place_of(self.plan.vc:ref(last.object)) then
      last.ended = true
      failure.check(rows.add(self.journal, { run = self.id, kind = "result", target = one.name, identity = one.identity,
        step = last.step, action = last.action, object = last.object, what = last.what, of = last.number,
        detail = journal.note { ok = true } }))
    end
    if deleted and last.ended then
      failure.check(rows.add(self.journal, { run = self.id, kind = "target", target = one.name, identity = one.identity,
        step = last.step, what = "changed" }))
    end
  end
end

local function begin(self, o)
  local plan = self.plan
  if o.run then
    self.last_row = failure.check(self.journal:append { run = o.run, kind = "resume", what = "resumed" })
    self.ctx:remember()
    unfinished.note(self.ctx, plan.settled)
    if plan.playbook.inherit then plan.playbook.inherit(self.ctx) end
    failure.check(scopes.write(self.journal, self.id, plan))
    failure.check(left_out.write(self.journal, self.id, plan))
    end_deleted(self)
    return
  end
  self.last_row = 0
  failure.check(self.journal:begin { id = self.id, playbook = plan.playbook.path, hash = plan.playbook.hash,
    endpoint = plan.vc.host, who = journal.who(), client_host = journal.host_name(),
    kind = plan.playbook.undoes and "undo", undoes = plan.playbook.undoes and plan.playbook.undoes.id,
    note = journal.begin_note(plan.playbook, { limit = plan.limit, allow = o.allow, name = plan.playbook.name,
      vcenter = plan.playbook.vcenter, instance = plan.vc.about and plan.vc.about.instanceUuid or nil,
      max_failures = plan.playbook.root.options.max_failures }) })
  if plan.playbook.inherit then plan.playbook.inherit(self.ctx) end
  failure.check(scopes.write(self.journal, self.id, plan))
  for _, change in ipairs(plan:changes()) do
    failure.check(rows.add(self.journal, { run = self.id, kind = "plan", target = change.target,
      identity = change.identity, step = change.step, source = change.source,
      what = change.sign .. " " .. change.what }))
  end
  failure.check(left_out.write(self.journal, self.id, plan))
  remembered.journal(plan, function(row)
    row.run = self.id
    failure.check(rows.add(self.journal, row))
  end)
  failure.check(rows.flush(self.journal))
end

--- Runs all fibers. A Ctrl-C that the program does not handle (`asked`), or a second one, raises in the loop, outside
-- the fibers: then they are cancelled and waited for, so that each of them writes its last row.
local function drive(self)
  local ok, err = pcall(loop.run, fibers.work, self)
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
        local outcome = steps.new_outcome(self, target)
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
    emit = function(event) self:emit(event) end, shows_progress = o.on_event ~= nil and o.progress }
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
    self:emit { kind = "begin", text = self.id }
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

-- An undo that could not reach all of its hosts and VMs is not done yet; nor is a run some of whose targets are no
-- longer found.
local function incomplete(self)
  return self.failures > 0 or #(self.plan.strayed or {}) > 0
    or self.deferred > 0 or self.plan.playbook.undoes ~= nil and left_out.any(self.plan)
end

--- The hosts and VMs that the plan left out, because they or their host could not be reached or used: { target, kind,
-- why }.
function Run:unreached() return self.plan:unreached() end

-- "partial" if something was left out of what else went well.
local function well(self, status) return #self:unreached() > 0 and "partial" or status end

--- Writes the last row and releases the claims, except those of hosts that are out of service.
function Run:close(ok, message, code)
  self.ctx:leave()
  if self.id then
    local failed = not ok or incomplete(self)
    rows.flush(self.journal)
    self.journal:append { run = self.id, kind = "end", what = code == "ECANCELLED" and "interrupted"
      or failed and "failed" or self.paused and "paused" or well(self, "done"),
      detail = message and journal.note { message = message, code = code } or nil }
    local left, why = self.leases:leave(self.plan.vc, function(name, object)
      return out_of_service.entered(self.ctx, name, object)
    end)
    if not left then self.ctx:note(nil, why) end
  end
  if self.own_journal then
    self.journal:close()
    self.own_journal = nil
  end
end

--- { id =, status = "nothing" | "done" | "partial" (done, but for hosts and VMs that could not be reached) | "paused"
-- (after a canary) | "failed" | "interrupted", skipped = { {target, kind, why} }: those hosts and VMs,
-- targets = { {target, kind, status, step, source = "file:line" of it, message, code, changed, proofs} } }
function Run:result()
  local list = {}
  for i, outcome in ipairs(self.outcomes) do
    list[i] = { target = outcome.target, kind = outcome.kind, status = outcome.status or "interrupted",
      step = outcome.step, source = outcome.source, message = outcome.message, code = outcome.code,
      changed = outcome.changed, proofs = outcome.proofs }
  end
  local status = self.nothing and well(self, "nothing") or self.code == "ECANCELLED" and "interrupted"
    or (incomplete(self) or self.code) and "failed" or self.paused and "paused" or well(self, "done")
  local undoes = self.plan.playbook.undoes
  return { id = self.id, status = status, targets = json.array(list), message = self.message or self.paused,
    skipped = json.array(self:unreached()),
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

--- Ends the run as soon as the steps in flight are finished: nothing more is started. The run can be resumed. `brief`:
-- the reason in few words, where a target tells it in full.
function Run:drain(reason, brief)
  if self.stopping or self.cancelled then return end
  self.stopping = tostring(reason or "stopped")
  self.ctx.stopping = self.stopping
  self.ctx:note(nil, (brief or self.stopping) .. ": finishing the steps in progress, starting nothing more")
end

--- Cancels every fiber: no step in flight is finished. The run can be resumed.
function Run:cancel(reason)
  self.cancelled = tostring(reason or "cancelled")
  for _, fiber in ipairs(self.fibers or {}) do fiber:cancel(reason) end
end

return run
