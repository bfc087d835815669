--- What a step works with: ctx. One per run, handed to every function of every step.
--
--   ctx.vc  ctx.world                           the connection and the fleet's records
--   ctx:call(target, ref, method, args, what)   one changing call: a journal row before, a row with its result after
--   ctx:task(target, ref, method, args, what)   the same for a ..._Task: waits for its end, with progress events
--   ctx:note(target, text)                      an event for whoever watches
--   ctx:may(word)                               whether --allow WORD was given
--   ctx:did(target, what)                       whether this run (before a resume) journalled it: its detail
--   ctx:wait_for(ref, paths, predicate, o)      until the properties are as wished
--
-- During plan there is no journal, and a changing call is an error: plans change nothing.
local failure = require "gpupt.failure"
local json = require "gpupt.json"
local kept = require "gpupt.playbook.kept"

local context = {}

local Context = {}
Context.__index = Context

--- Makes a context: { vc =, world =, journal =, run =, allow = {set}, emit = function(event) end, pace = 1 }.
function context.new(fields)
  local self = setmetatable({ allow = {}, emit = function() end, done = {} }, Context)
  for name, value in pairs(fields) do self[name] = value end
  return self
end

--- Appends a row of this run; raises when the journal cannot be written, because then nothing may change.
function Context:row(target, kind, what, detail, more)
  if not self.journal then error("a plan changes nothing: no journal is open", 3) end
  local row = { run = self.run, kind = kind, target = target and target.name, what = what,
    step = target and target.instance and target.instance.name,
    place = target and target.instance and target.instance.place, detail = detail and kept.encode(detail) or nil }
  for name, value in pairs(more or {}) do row[name] = value end
  local number = failure.check(self.journal:append(row))
  if kind == "change" and target then
    self.done[target.name .. "\0" .. what] = detail or true
  end
  return number
end

--- True (or the journalled detail) when this run announced `what` for the target already.
function Context:did(target, what) return self.done[target.name .. "\0" .. what] end

--- Loads the rows of an earlier part of this run, for did. What the server refused with a fault was not done.
function Context:remember()
  for row in self.journal:rows(self.run) do
    if row.kind == "result" and row.target and row.what then
      local result = row.detail and json.decode(row.detail)
      if result and result.ok == false and result.fault then self.done[row.target .. "\0" .. row.what] = nil end
    end
    if row.kind == "change" and row.target and row.what then
      local detail = row.detail and json.decode(row.detail)
      self.done[row.target .. "\0" .. row.what] = detail or true
    end
  end
end

function Context:may(word) return self.allow[word] == true end

--- Raises EAPPROVAL unless the word was given.
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

local function result_row(self, target, of, what, ok, message, code, detail)
  self:row(target, "result", what, ok and { ok = true } or { ok = false, message = message, code = code,
    fault = type(detail) == "table" and detail.fault or nil }, { of = of })
end

--- One changing call. Gives what the method gives, or nil, message, code, detail.
function Context:call(target, ref, method, args, what)
  what = what or method
  self.calls = (self.calls or 0) + 1
  local operation = ("%s-%d"):format(self.run or "plan", self.calls)
  local number = self:row(target, "change", what,
    { method = method, object = ref, args = kept.arguments(method, args) }, { operation = operation })
  local results = table.pack(ref[method](ref, args or {}, { operation_id = operation }))
  if results[1] == nil and results[2] ~= nil then
    result_row(self, target, number, what, false, results[2], results[3], results[4])
  else
    result_row(self, target, number, what, true)
  end
  return table.unpack(results, 1, results.n)
end

--- A changing call that starts a task: waits for its end. Gives the task's result (true when it has none).
function Context:task(target, ref, method, args, what, o)
  o = o or {}
  what = what or method
  self.calls = (self.calls or 0) + 1
  local operation = ("%s-%d"):format(self.run or "plan", self.calls)
  local number = self:row(target, "change", what,
    { method = method, object = ref, args = kept.arguments(method, args) }, { operation = operation })
  local task, message, code, detail = ref[method](ref, args or {}, { operation_id = operation })
  if not task then
    result_row(self, target, number, what, false, message, code, detail)
    return nil, message, code, detail
  end
  self:row(target, "sent", what, { task = task }, { of = number })
  local info
  info, message, code, detail = self.vc:wait(task, {
    timeout = o.timeout,
    progress = function(percent)
      self.emit { kind = "progress", target = target.name, step = target.instance and target.instance.name,
        text = what, percent = percent }
    end,
  })
  if info == nil then
    result_row(self, target, number, what, false, message, code, detail)
    return nil, message, code, detail
  end
  result_row(self, target, number, what, true)
  return info
end

--- Waits until predicate(properties) is true. Gives the properties, or nil, message, "ETIMEDOUT".
function Context:wait_for(ref, paths, predicate, o)
  return self.vc:wait_for(ref, paths, predicate, o or {})
end

function Context.sleep(_, seconds) return require "gpupt.loop".sleep(seconds) end

return context
