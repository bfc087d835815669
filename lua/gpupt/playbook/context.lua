--- The context (ctx) that every function of a step gets. One per run.
--
--   ctx.vc  ctx.fleet                           the connection and the fleet's records
--   ctx:call(target, ref, method, args, what)   one changing call: a journal row before, a row with its result after;
--                                               what = { action = "reboot", text = "for people" }
--   ctx:task(target, ref, method, args, what)   the same for a ..._Task: waits for its end, with progress events
--   ctx:start, ctx:finish, ctx:cancel           its parts, for a step that has something to do while the task runs
--   ctx:note(target, text)                      an event for on_event
--   ctx:may(word)                               whether --allow WORD was given
--   ctx:did(target, action, object)             the detail of this change in this run's journal, or nil
--   ctx:newer(target, action, undone_by)        the same, unless such a change has undone it since
--   ctx:objects_of(target, action)              the objects of such changes
--   ctx:done_by(run, target)                    what another run of this journal did when it created VMs
--   ctx:unfinished(target, action, task, undone_by)  the change of this run that started this task and saw no end of it
--   ctx:slot(target)                            the right to take this host out of service (gpupt.playbook.claim)
--   ctx:takes_down(ref)                         whether this run is using that right for a host
--   ctx:wait_for(ref, paths, predicate, o)      waits until the predicate is true
--   ctx:at_end(fn)                              calls fn when the plan is made or the run has ended
--   ctx:observes_again(target, code, detail)    whether the run observes again after this failure of the step's apply
--                                               (the outcome is unknown): then nothing is to be undone
--
-- A step's plan gets a view of it (ctx:for_plan): note, may, did, newer. While a playbook is being planned there is no
-- journal, and a changing call is an error.
local again = require "gpupt.playbook.again"
local away = require "gpupt.fleet.away"
local failure = require "gpupt.failure"
local history = require "gpupt.playbook.history"
local json = require "gpupt.json"
local notes = require "gpupt.playbook.journal"
local kept = require "gpupt.playbook.kept"
local remembered = require "gpupt.playbook.remembered"
local rows = require "gpupt.playbook.rows"
local vim_ref = require "gpupt.vim.ref"

---@class gpupt.Context
---@field vc table                  the connection
---@field fleet table               gpupt.fleet.snapshot
---@field journal userdata?         nil while a playbook is planned
---@field run string?               the run's id
---@field book userdata?            the journal, for reading, also while a playbook is planned
---@field planning boolean?
---@field allow table<string, boolean>  approvals that were given
---@field history table             the changes of this run by target (gpupt.playbook.history)
---@field emit fun(event: table)
---@field shows_progress boolean?   emit gets the progress of tasks, which costs requests
---@field before_change fun(target: gpupt.Target?, action: string?)?  raises if the run may not change anything now
---@field attached fun(target: gpupt.Target)?  told when a VM has its cards in its configuration
---@field in_service fun(target: gpupt.Target)  told when a host that was taken out of service is back, to go later

local context = {}

local Context = {}
Context.__index = Context

--- A new context: { vc =, fleet =, journal =, run =, allow = {set}, emit = function(event) end, pace = 1 }.
function context.new(fields)
  local self = setmetatable({ allow = {}, emit = function() end, history = history.new(), slots = {} }, Context)
  for name, value in pairs(fields) do self[name] = value end
  return self
end

--- The context of a run that is over, with its changes; only for reading.
function context.of_run(journal, run)
  local self = context.new { journal = journal, run = run }
  self:remember()
  return self
end

--- Adds a row of this run; a change's is on disk when this returns (gpupt.playbook.rows). Raises if the journal cannot
-- be written, because then nothing may change. `what` is
-- { action =, object = reference, text = }: action and object, with target and step, identify the change; the text is
-- for people. A string is the text alone. `soon`, for a change that has no effect by itself: its row is written with
-- the next ones, and an item is returned instead of its number (gpupt.playbook.rows.soon).
function Context:row(target, kind, what, detail, more)
  if not self.journal then error("a plan must not change anything: no journal is open", 3) end
  if type(what) ~= "table" then what = { text = what } end
  if kind == "change" and self.before_change and not what.soon then self.before_change(target, what.action) end
  local instance = target and target.instance
  local text, stored
  if detail then text, stored = kept.encode(detail) end
  local row = { run = self.run, kind = kind, target = target and target.name, identity = target and target.identity,
    what = what.text, step = instance and instance.name, source = instance and instance.source, action = what.action,
    object = what.object and kept.plain(what.object), detail = text }
  for name, value in pairs(more or {}) do row[name] = value end
  local entry = kind == "change" and target and { step = row.step, action = row.action, object = row.object,
    what = row.what, source = row.source, detail = stored or {}, operation = row.operation }
  if entry and what.soon then
    local item
    item = rows.soon(self.journal, row, function(number) self.history:written(item, number) end)
    self.history:add(target.name, target.identity, entry, item)
    return item
  end
  local write = kind == "change" and rows.write or rows.add
  local number = failure.check(write(self.journal, row))
  if entry then
    entry.number = number
    self.history:add(target.name, target.identity, entry)
  end
  return number
end

local function each_done(self, target, action, object)
  local list, step = {}, target.instance and target.instance.name
  object = object and tostring(kept.plain(object))
  for _, entry in ipairs(self.history:of(target)) do
    if entry.action == action and (not object or entry.object == object) and (not step or entry.step == step) then
      list[#list + 1] = entry
    end
  end
  return list
end

--- The journalled detail of the newest such change of this run (also before a resume); nil if there is none.
function Context:did(target, action, object)
  local list = each_done(self, target, action, object)
  return list[#list] and list[#list].detail
end

--- The detail of the newest change of an action, if there is none of `undone_by` after it; otherwise nil.
function Context:newer(target, action, undone_by)
  local did, undone = each_done(self, target, action), each_done(self, target, undone_by)
  local last, undo = did[#did], undone[#undone]
  if last and not (undo and undo.ended and undo.number > last.number) then return last.detail end
end

--- The object that the newest change of an action created, as "Type:value"; nil if there was none.
function Context:made(target, action)
  local list = each_done(self, target, action)
  return list[#list] and list[#list].made
end

--- The objects of all changes of this action, as "Type:value", each once.
function Context:objects_of(target, action)
  local list, seen = {}, {}
  for _, entry in ipairs(each_done(self, target, action)) do
    if entry.object and not seen[entry.object] then
      seen[entry.object] = true
      list[#list + 1] = entry.object
    end
  end
  return list
end

--- The newest change of this action whose end the run has not seen, if it started this task { ref, operation }; for a
-- task that still runs after an interruption or a lost answer. Otherwise nil. One that a later change of `undone_by`
-- (optional) took back is over, though a killed run did not write its end.
function Context:unfinished(target, action, task, undone_by)
  local list, over = each_done(self, target, action), 0
  for _, entry in ipairs(undone_by and each_done(self, target, undone_by) or {}) do
    if entry.ended then over = entry.number end
  end
  for i = #list, 1, -1 do
    local entry = list[i]
    local same = entry.task == tostring(task.ref) or (entry.operation and entry.operation == task.operation)
    if same and not entry.ended and entry.number > over then return entry end
  end
end

--- Loads the rows of the earlier part of a resumed run, for did, and continues the numbers of its operationIDs: a task
-- is recognized by them.
function Context:remember()
  self.remembered = remembered.new()
  for row in self.journal:rows(self.run) do
    local number = row.operation and math.tointeger(row.operation:match "%-(%d+)$")
    if number then self.calls = math.max(self.calls or 0, number) end
    local entry = row.target and self.history:entry(row.of)
    local detail = row.detail and json.decode(row.detail)
    remembered.take(self.remembered, row, detail)
    self.remembered.deletes = self.remembered.deletes or row.kind == "change" and row.action == "delete"
    if row.kind == "result" and entry and detail then
      if detail.ok then entry.ended, entry.made = true, detail.made end
      if detail.ok == false and detail.fault and not detail.unknown then self.history:forget(row.of) end
    elseif row.kind == "sent" and entry and detail then
      entry.task = detail.task
    elseif row.kind == "change" and row.target then
      self.history:add(row.target, row.identity, { step = row.step, action = row.action, object = row.object,
        what = row.what, source = row.source, detail = detail or {}, number = row.number, operation = row.operation })
    end
  end
end

-- What a run may have left behind: its undo goes on from there as if it had done it itself.
local left_behind = { ["maintenance-enter"] = true, ["maintenance-exit"] = true, ["guest-shutdown"] = true }

--- Adds to this run what the run that it undoes left behind at a host ({ name =, identity = }): its maintenance mode,
-- and VMs that it shut down and did not start again. Those rows are older than all of its own.
function Context:inherit(target, done)
  local started = {}
  for _, change in ipairs(done) do
    if change.action == "power-on" and change.ended then started[change.object] = change.number end
  end
  for _, change in ipairs(done) do
    local restarted = change.action == "guest-shutdown" and (started[change.object] or 0) > change.number
    if left_behind[change.action] and not restarted then self.history:inherit(target, change) end
  end
end

--- The changes by which another run of this journal created VMs, those of unknown outcome only of this target; nil,
-- message, code.
function Context:done_by(run, target)
  local book = self.journal or self.book
  if not book then
    return nil, ("VMs of run %s can be deleted only with the journal that has this run"):format(run), "ENOENT"
  end
  local record
  for one in book:runs() do if one.id == run then record = one end end
  if not record then return nil, ("the journal contains no run '%s'"):format(run), "ENOENT" end
  local elsewhere = notes.elsewhere(record, self.vc)
  if elsewhere then return nil, elsewhere, "EINVAL" end
  local of, list = context.of_run(book, run), {}
  for _, one in ipairs(of.history:all()) do
    for _, change in ipairs(one.changes) do
      if change.made or one.name == target.name then list[#list + 1] = change end
    end
  end
  return list
end

--- What a step's plan may use: it only computes from what observe returned.
local view = { __index = function(_, name)
  error(failure.new(("ctx.%s is not available in plan: a step's plan only computes from what observe returned")
    :format(tostring(name)), "EPLAYBOOK"), 0)
end }

function Context:for_plan()
  local ctx = self
  return setmetatable({
    planning = ctx.planning or false,
    note = function(_, ...) return ctx:note(...) end,
    may = function(_, ...) return ctx:may(...) end,
    did = function(_, ...) return ctx:did(...) end,
    newer = function(_, ...) return ctx:newer(...) end,
  }, view)
end

function Context:may(word) return self.allow[word] == true end

--- Raises EAPPROVAL unless the approval was given.
function Context:require_approval(word, what)
  if not self:may(word) then
    failure.check(nil, ("%s needs --allow %s"):format(what, word), "EAPPROVAL")
  end
end

function Context:note(target, text, more)
  local event = { kind = "note", target = target and target.name, text = text,
    step = target and target.instance and target.instance.name }
  for name, value in pairs(more or {}) do event[name] = value end
  self.emit(event)
end

-- A fault that names another task does not say whose it is.
local function explain(message, code, detail)
  local other = code == "TaskInProgress" and detail and away.in_progress(detail.fault)
  return other and ("%s: %s is in progress"):format(message:gsub("%.$", ""), other) or message
end

-- `made`: the object that a call created, if it did.
local function result_row(self, target, of, change, ok, message, code, detail, made)
  local fault = type(detail) == "table" and detail.fault or nil
  local unknown = fault and change.refusals and not change.refusals[code] or nil
  self:row(target, "result", change, ok and { ok = true, made = made }
    or { ok = false, message = message, code = code, fault = fault, unknown = unknown }, { of = of })
  local entry = target and self.history:entry(of)
  if entry and ok then entry.ended, entry.made = true, made and tostring(made) end
  if not ok and fault and not unknown and target then self.history:forget(of) end
end

-- { action =, text = } or a text; both default to the method's name. `detail` is added to the row's. `refusals` are the
-- faults by which the server says that it did not begin, if the call may have had an effect after others. `timeout`:
-- seconds for the answer. `soon`: see Context:row.
local function change_of(what, method, ref)
  if type(what) ~= "table" then what = { text = what } end
  return { action = what.action or method, object = ref, text = what.text or method, detail = what.detail,
    refusals = what.refusals, timeout = what.timeout, soon = what.soon }
end

-- The row before the call, and the call's options.
local function announce(self, target, change, method, ref, args)
  self.calls = (self.calls or 0) + 1
  local operation = ("%s-%d"):format(self.run or "plan", self.calls)
  local detail = { method = method, object = ref, args = kept.arguments(method, args) }
  for name, value in pairs(change.detail or {}) do detail[name] = value end
  local number = self:row(target, "change", change, detail, { operation = operation })
  return number, { operation_id = operation, timeout = change.timeout }
end

--- One changing call. Returns the method's result, or nil, message, code, detail. `what` is { action = "a stable word",
-- text = "for people" }.
function Context:call(target, ref, method, args, what)
  local change = change_of(what, method, ref)
  local number, o = announce(self, target, change, method, ref, args)
  local results = table.pack(ref[method](ref, args or {}, o))
  if results[1] == nil and results[2] ~= nil then
    result_row(self, target, number, change, false, results[2], results[3], results[4])
  else
    result_row(self, target, number, change, true)
  end
  return table.unpack(results, 1, results.n)
end

--- A changing call that starts a task: waits for its end. Returns the task's result (true if it has none).
function Context:task(target, ref, method, args, what, o)
  local started, message, code, detail = self:start(target, ref, method, args, what)
  if not started then return nil, message, code, detail end
  return self:finish(started, o)
end

--- The first part of it: { task =, ... } for finish, or nil, message, code, detail.
function Context:start(target, ref, method, args, what)
  local change = change_of(what, method, ref)
  local number, sent = announce(self, target, change, method, ref, args)
  local task, message, code, detail = ref[method](ref, args or {}, sent)
  if not task then
    message = explain(message, code, detail)
    result_row(self, target, number, change, false, message, code, detail)
    return nil, message, code, detail
  end
  self:row(target, "sent", change, { task = task }, { of = number })
  local entry = target and self.history:entry(number)
  if entry then entry.task = tostring(task) end
  return { target = target, change = change, number = number, task = task }
end

--- The task of an unfinished change of this run, as start would give it.
function Context:adopt(target, entry, task, what)
  self:row(target, "sent", { action = entry.action, object = entry.object, text = what }, { task = task },
    { of = entry.number })
  return { target = target, change = { action = entry.action, object = entry.object, text = what },
    number = entry.number, task = task }
end

local function await(self, started, seconds)
  local target = started.target
  local result, info, code, detail = self.vc:wait(started.task, {
    timeout = seconds,
    progress = self.shows_progress and function(percent)
      self.emit { kind = "progress", target = target.name, step = target.instance and target.instance.name,
        text = started.change.text, percent = percent }
    end or nil,
  })
  if result ~= nil then away.ended(self.vc, started.task, info) end
  return result, info, code, detail
end

--- The second part: waits for the end. o.timeout: seconds; with o.cancel a task that takes longer is cancelled.
function Context:finish(started, o)
  local info, message, code, detail = await(self, started, o and o.timeout)
  if info == nil and code == "ETIMEDOUT" and o.cancel then
    self:cancel(started)
    local ended, why, how, more = await(self, started, 120)
    -- the message says why it was cancelled; the detail, that it was
    if ended ~= nil then info = ended elseif how ~= "ETIMEDOUT" then detail = more else message = why end
  end
  if info == nil then
    message = explain(message, code, detail)
    result_row(self, started.target, started.number, started.change, false, message, code, detail)
    return nil, message, code, detail
  end
  local made = vim_ref.is(info) and info or nil
  result_row(self, started.target, started.number, started.change, true, nil, nil, nil, made)
  return info
end

--- Asks the server to cancel a task that start returned. Whether it was in time is seen by its end.
function Context:cancel(started)
  local change = started.change
  return self:call(started.target, started.task, "CancelTask", {},
    { action = change.action .. "-cancel", text = change.text .. " (cancel)" })
end

--- Waits until predicate(properties) is true. Returns the properties, or nil, message, "ETIMEDOUT".
function Context:wait_for(ref, paths, predicate, o)
  return self.vc:wait_for(ref, paths, predicate, o or {})
end

--- The slot of a host target, or nil.
function Context:slot(target) return self.slots[target.ref] end

--- Whether this run is taking the host of this reference out of service: a VM must not go there now.
function Context:takes_down(ref)
  local slot = self.slots[ref]
  return slot ~= nil and slot.held == true
end

--- Lets the host of a VM target go first, if that waits for its VMs: true; nil, message, "EHOSTUNDONE" if the host was
-- not done. See gpupt.playbook.turns.
function Context:after_host(target)
  local why = self.host_ended and self.host_ended(target)
  if why then return nil, why, "EHOSTUNDONE" end
  return true
end

--- Calls fn at the end of this plan or run, whatever its end is: a session that a step opened and shares is closed.
function Context:at_end(fn)
  self.ends = self.ends or {}
  table.insert(self.ends, fn)
end

--- The end: an error in one of these functions keeps none of the others from its work.
function Context:leave()
  local ends = self.ends or {}
  self.ends = nil
  for _, fn in ipairs(ends) do pcall(fn) end
end

--- See gpupt.playbook.again.
function Context.observes_again(_, target, code, detail) return again.follows(target, code, detail) end

function Context.sleep(_, seconds) return require "gpupt.loop".sleep(seconds) end

return context
