--- Observing again: when the vCenter restarts under a change, its outcome is unknown. The step does not fail for that:
-- it observes what was done, plans what is left and goes on, a bounded number of times. Nothing is repeated blindly.
--
--   EUNKNOWN            the request was sent, and its answer or its task is lost
--   NotAuthenticated    the session had ended, so the change was refused; there is a new session
--
-- An earlier change of unknown outcome may also take effect late: faults that it explains (the name exists, the object
-- is busy, has another state or has changed) are reasons to observe again as well, but only after such an outcome.
local loop = require "gpupt.loop"
local unfinished = require "gpupt.playbook.unfinished"
local units = require "gpupt.units"
local waits = require "gpupt.step.waits"

local again = {}

--- How often one step of one target observes again.
again.MOST = 3

-- Seconds before each observation.
again.PAUSES = { 0, 5, 15 }

local unknown = { EUNKNOWN = true, NotAuthenticated = true }

local late = { DuplicateName = true, AlreadyExists = true, FileAlreadyExists = true, TaskInProgress = true,
  InvalidPowerState = true, InvalidState = true, ConcurrentAccess = true }

--- Begins the count for a step of a target.
function again.begin(target) target.again = { count = 0, reasons = {} } end

--- Whether a failure of the target's step will be followed by another observation: then the step leaves what it has
-- done as it is. A request that was given up because the run was stopped is none.
function again.follows(target, code, detail)
  local state = target.again
  if not state or state.count >= again.MOST then return false end
  if type(detail) == "table" and (detail.stop or detail.untried) then return false end
  return unknown[code] == true or (state.count > 0 and late[code] == true)
end

local function wait_for_task(ctx, target, detail)
  local task = type(detail) == "table" and type(detail.fault) == "table" and rawget(detail.fault, "task")
  if task then ctx.vc:wait(task, { timeout = waits.of(target, "busy_within") }) end -- whatever its end
end

--- Notes that the step observes again, in the journal and as an event, and waits before.
function again.note(ctx, target, message, code, detail)
  local state = target.again
  state.count = state.count + 1
  state.reasons[state.count] = message
  local text = ("%s: observing again (%d of %d)"):format(message, state.count, again.MOST)
  ctx:row(target, "event", { action = "observe-again", text = text }, { message = message, code = code })
  ctx:note(target, text)
  if code == "TaskInProgress" then wait_for_task(ctx, target, detail) end
  unfinished.note(ctx, unfinished.settle(ctx, target))
  local pause = again.PAUSES[state.count] or 0
  if pause > 0 then loop.sleep(pause) end
end

--- The message of a step that failed in the end, with what went before.
function again.history(target, message)
  local state = target.again
  if not state or state.count == 0 then return message end
  return ("%s; before that the outcome was unknown, and the step observed again %s: %s"):format(message,
    units.count(state.count, "time"), table.concat(state.reasons, "; "))
end

return again
