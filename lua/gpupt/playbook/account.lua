--- What became of a run, told from its journal: of each target the outcome, the cause, the rows that show it, and the
-- command to type next. Nothing is asked of the server.
local clock = require "gpupt.clock"
local holder = require "gpupt.playbook.holder"
local identity = require "gpupt.playbook.identity"
local json = require "gpupt.json"
local runs = require "gpupt.playbook.journal"
local next_command = require "gpupt.next_command"
local shell = require "gpupt.shell"

local account = {}

-- What earlier releases called the outcomes.
local renamed = { ["not begun"] = "not started", ["cut off"] = "interrupted" }

--- The state of a run: "done", "partial", "failed" or "interrupted" as its last row says, "running" or "stopped" (by a
-- signal) while a process works on it, "interrupted" if that process is gone. And what is known of the process.
function account.state(journal, record)
  local runner = journal:runner(clock.read(), record.id)
  local state = holder.state(runner)
  if state == "running" or state == "unseen" then return "running", runner, state end
  if state == "stopped" then return "stopped", runner, state end
  return record.status or "interrupted", runner, state
end

local function decoded(text)
  local value = text and json.decode(text)
  return type(value) == "table" and value or {}
end

-- A function that gives the target of a row, by its identity, and one that gives the text for it. A row of an earlier
-- release is about the one of its name.
local function finder(rows, order)
  local list, by_key, only = {}, {}, {}
  for _, row in ipairs(rows) do
    if row.target and row.identity then
      list[#list + 1] = { name = row.target, identity = row.identity }
      if only[row.target] == nil then only[row.target] = row.identity end
      if only[row.target] ~= row.identity then only[row.target] = false end
    end
  end
  local label = identity.labels(list)
  local function of(row)
    local which = row.identity or only[row.target] or nil
    local key = which or "\0" .. row.target
    if not by_key[key] then
      by_key[key] = { target = label(row.target, which), identity = which, changes = {}, planned = false }
      order[#order + 1] = by_key[key]
    end
    return by_key[key]
  end
  return of, function(row) return row.target and label(row.target, row.identity) end
end

-- The rows of a run, by what they say of its targets. `part` counts the times that the run was started or resumed.
local function read(journal, id)
  local seen = { order = {}, rows = {}, part = 1 }
  local by_number = {}
  for row in journal:rows(id) do seen.rows[#seen.rows + 1] = row end
  local target, label = finder(seen.rows, seen.order)
  seen.label = label
  for _, row in ipairs(seen.rows) do
    by_number[row.number] = row
    if row.kind == "resume" then seen.part = seen.part + 1 end
    row.part = seen.part
    if row.kind == "plan" and row.target then
      target(row).planned = true
    elseif row.kind == "change" and row.target and row.operation then
      local one = target(row)
      one.changes[#one.changes + 1] = row
    elseif row.kind == "result" or row.kind == "sent" then
      local change = by_number[row.of]
      if change then change[row.kind] = decoded(row.detail) end
    elseif row.kind == "target" and row.target then
      target(row).last = row
    elseif row.kind == "skip" and row.target then
      target(row).skip = row
    end
  end
  return seen
end

local function evidence_of(row, working)
  local result = row.result
  local fault, failed = result and result.fault, result and not result.ok
  local word = not result and (working and "in progress" or "unknown") or failed and "failed" or "done"
  return { row = row.number, at = row.at, step = row.step, what = row.what, object = row.object,
    operation = row.operation, task = row.sent and row.sent.task, result = word,
    fault = type(fault) == "table" and fault._type or failed and result.code or nil,
    message = failed and result.message or nil }
end

local over = { changed = true, ok = true }

-- Outcomes of what the plan left out (gpupt.playbook.left_out).
local left_out = { skipped = true, ["not concerned"] = true }

-- Whether the newest part of the run left a target out, and if it did not concern it: no card of that host was meant.
local function skipped(one, seen)
  if not one.skip or one.skip.part ~= seen.part then return nil end
  local meant = one.planned or #one.changes > 0 or decoded(one.skip.detail).away
  return meant and "skipped" or "not concerned"
end

-- The outcome of a target: by its last row, unless a later part of the run has gone on with it.
local function outcome_of(one, seen, working)
  local out = skipped(one, seen)
  if out then return out end
  local last, newest = one.last, one.changes[#one.changes]
  if last and (last.part == seen.part or not (newest and newest.part > last.part)) then
    local outcome = renamed[last.what] or last.what
    if last.part == seen.part or over[outcome] or not working then return outcome end
  end
  if working then return newest and newest.part == seen.part and "running" or "waiting" end
  if newest and not newest.result then return "unknown" end
  return newest and "interrupted" or "not started"
end

-- The changes that show the outcome: those without a result, and of a failed target the last that failed.
local function evidence(one, outcome, part)
  local list = {}
  if over[outcome] then return list end
  local failed
  for _, row in ipairs(one.changes) do
    if not row.result then
      list[#list + 1] = evidence_of(row, row.part == part)
    elseif not row.result.ok then
      failed = row
    end
  end
  if failed and outcome == "failed" and failed.step == one.last.step then list[#list + 1] = evidence_of(failed) end
  return list
end

local function cause(one, outcome)
  if left_out[outcome] then
    local done = one.last and over[one.last.what] and "; an earlier part of this run was done with it" or ""
    return { message = one.skip.what .. done }
  end
  if outcome == "unknown" then
    return { code = "EUNKNOWN", message = "the process was gone before the result of a change was known; resuming "
      .. "looks at the target first" }
  end
  local detail = one.last and not over[outcome] and decoded(one.last.detail) or {}
  if not detail.message then return nil end
  return { code = detail.code, message = detail.message }
end

-- The "step" where it is or failed, or its file:line, "source".
local function where(field, one, outcome, part)
  if over[outcome] or left_out[outcome] then return nil end
  local newest, last = one.changes[#one.changes], one.last
  return last and last.part == part and last[field] or newest and newest[field] or last and last[field] or nil
end

-- ---- the next command

local function resume(run, more, o)
  local words, known = {}, {}
  for _, list in ipairs { type(run.allow) == "table" and run.allow or {}, more } do
    for _, word in ipairs(list) do
      if type(word) == "string" and not known[word] then words[#words + 1] = word end
      known[word] = true
    end
  end
  return next_command.resume(run.id, words, o.journal)
end

-- Steps after which the doctor can tell more of a VM.
local examined = { ["gpu.attach"] = true, ["guest.verify"] = true }

local function next_of(one, outcome, why, run, o)
  -- a run that was undone, or in part, cannot be resumed
  if over[outcome] or outcome == "running" or outcome == "waiting" or outcome == "not concerned" or run.undone_by then
    return nil
  end
  if (run.format or 1) < 2 then return { "gpupt plan " .. shell.word(run.playbook) } end
  local list, more = {}, {}
  if outcome == "failed" and examined[one.last.step or ""] then
    local vm
    for _, row in ipairs(one.changes) do
      if row.object and row.object:find "^VirtualMachine:" then vm = row.object end
    end
    if vm and why and why.code ~= "EAPPROVAL" then list[1] = "gpupt doctor " .. vm end
  end
  if why and why.code == "EAPPROVAL" then more = { why.message:match "%-%-allow ([%w-]+)" } end
  list[#list + 1] = resume(run, more, o)
  return list
end

-- The run that undid this one, or began to: { id, at, state }, or nil.
local function undone_by(journal, record)
  local undo = runs.undo_of(journal, record.id)
  return undo and { id = undo.id, at = undo.at, state = (account.state(journal, undo)) }
end

--- The account of a run: { run = { the columns of its record, state =, process = { pid, client_host, state }, undone_by
-- = { id, at, state } of the run that undid it, or began to }, targets
-- = { { target, identity, outcome, step, source, cause = { code, message }, evidence = { { row, at, step, what, object,
-- operation, task, result, fault, message } }, next = { command... } } }, claims, release = the command that frees
-- them, about = what its process does, next = what to do about that, rows, label(row) = the
-- text for a row's target }. o.journal: what --journal has to be for the commands, if not the default.
function account.of(journal, record, o)
  o = o or {}
  local state, runner, known = account.state(journal, record)
  local seen, working = read(journal, record.id), state == "running" or state == "stopped"
  local run = { allow = decoded(record.note).allow, undone_by = undone_by(journal, record) }
  for name, value in pairs(record) do run[name] = value end
  local result = { run = {}, targets = {}, rows = seen.rows, label = seen.label,
    claims = holder.claims(journal, record.id) }
  for name, value in pairs(record) do result.run[name] = value end
  result.run.state, result.run.undone_by = state, run.undone_by
  if runner then
    result.run.process = { pid = runner.pid, client_host = runner.client_host, state = known }
    local words = { gone = "is gone", stopped = "is stopped", none = "has ended" }
    result.about = ("%s %s"):format(holder.process(runner), words[known] or "works on it")
    if working then result.next = select(2, holder.words(record.id, runner)) end
  end
  if not working and #result.claims > 0 then result.release = next_command.release(record.id, nil, o.journal) end
  for i, one in ipairs(seen.order) do
    local outcome = outcome_of(one, seen, working)
    local why = cause(one, outcome)
    result.targets[i] = { target = one.target, identity = one.identity, outcome = outcome, cause = why,
      evidence = evidence(one, outcome, working and seen.part), source = where("source", one, outcome, seen.part),
      step = where("step", one, outcome, seen.part), next = next_of(one, outcome, why, run, o) }
  end
  return result
end

return account
