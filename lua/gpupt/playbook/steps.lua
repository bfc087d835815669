--- The steps of one target in a run, in their order: each observes and plans again before it changes anything, so a
-- run may be interrupted at any moment and resumed: finished changes are not made twice.
local again = require "gpupt.playbook.again"
local failure = require "gpupt.failure"
local guests = require "gpupt.step.guest_session"
local in_maintenance = require "gpupt.playbook.in_maintenance"
local journal = require "gpupt.playbook.journal"
local leases = require "gpupt.playbook.leases"
local look = require "gpupt.playbook.look"
local loop = require "gpupt.loop"
local rows = require "gpupt.playbook.rows"
local turns = require "gpupt.playbook.turns"

---@class gpupt.Outcome             how a target ended
---@field target string             its name
---@field kind "host"|"vm"
---@field status string?            "changed", "ok", "failed", "deferred", "not started", "interrupted"
---@field step string?              where it failed
---@field source string?            file:line of that step in the playbook
---@field message string?
---@field brief string?             the message in few words, for tables
---@field code string?
---@field changed integer           number of changes made
---@field proofs table<string, string>  step -> what its prove returned
---@field undone boolean?           its work was not done, though the run went on
---@field target_record gpupt.Target

local steps = {}

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

-- The step's apply. What it has in the guest of a VM goes with it, however it ends.
local function apply(ctx, target, step, changes, seen)
  local left <close> = guests.leaving(target) -- luacheck: ignore
  return failure.catch(step.apply, ctx, target, changes, seen)
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
    self:emit { kind = "step", target = target.name, step = instance.name, text = title(changes) }
    ok, message, code, detail = apply(ctx, target, instance.step, changes, seen)
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
  self:emit { kind = "proved", target = target.name, step = instance.name, text = tostring(proof) }
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

-- The statuses of targets whose changes were not all made.
local undone = { failed = true, ["not started"] = true, deferred = true }

-- The first target that ends because the claims are lost says why; the others say it briefly.
local function told_once(self, outcome, message)
  local gone = self.leases and self.leases.gone
  if not (gone and message and message:find(gone.message, 1, true)) then return message end
  outcome.brief = leases.LOST
  if self.told_lost then return leases.LOST end
  self.told_lost = true
  return message
end

--- How a target ended: its outcome, an event and its last row. Returns nothing.
function steps.finish(self, outcome, status, message, code)
  if status == "failed" and code == "ECANCELLED" then status = "interrupted" end
  message = told_once(self, outcome, message)
  if status == "failed" or status == "interrupted" then
    message = in_maintenance.add(message, outcome.target_record)
    if outcome.brief then outcome.brief = in_maintenance.add(outcome.brief, outcome.target_record) end
  end
  outcome.status, outcome.message, outcome.code, outcome.undone = status, message, code, undone[status]
  if outcome.target_record then outcome.target_record.released = true end
  if status == "failed" then
    self.failures = self.failures + 1
    self.limits:count(outcome.target_record)
  end
  self:emit { kind = status, target = outcome.target, step = outcome.step, source = outcome.source,
    text = message, code = code }
  rows.add(self.journal, { run = self.id, kind = "target", target = outcome.target, step = outcome.step,
    source = outcome.source, identity = outcome.target_record and outcome.target_record.identity, what = status,
    detail = message and journal.note { message = message, code = code } or nil })
end

--- The outcome of a target that was not started yet.
function steps.new_outcome(self, target)
  local outcome = { target = target.name, kind = target.kind, changed = 0, proofs = {}, target_record = target }
  self.outcomes[#self.outcomes + 1] = outcome
  return outcome
end

--- All steps of a target in order. message, code, group if a step defers its host: the caller ends it.
function steps.carry_out(self, target, outcome)
  target.forecast = {}
  local stop = self.cancelled and "the run was cancelled" or self.stopping or self.limits:reached()
  if stop then return steps.finish(self, outcome, "not started", stop) end
  for i, instance in ipairs(target.scope.children) do
    outcome.step, outcome.source = instance.name, instance.source
    if self.stopping and i > 1 then return steps.finish(self, outcome, "interrupted", self.stopping, "ECANCELLED") end
    stop = turns.before_step(instance, outcome, self.late_host and self:late_host(target))
    if stop then return steps.finish(self, outcome, "not started", stop) end
    local ok, message, code = step(self, target, instance, outcome)
    if not ok and code == "EDEFERRED" and target.kind == "host" then
      return message, code, self.ctx.slots[target.ref].blocked
    end
    if not ok and code == "EHOSTUNDONE" then return steps.finish(self, outcome, "not started", message) end
    if not ok then return steps.finish(self, outcome, "failed", message, code) end
    turns.after_step(instance, outcome)
  end
  outcome.step, outcome.source = nil, nil
  return steps.finish(self, outcome, outcome.changed > 0 and "changed" or "ok")
end

return steps
