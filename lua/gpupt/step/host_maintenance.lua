--- Maintenance mode of a host: entering it without taking too many hosts of the cluster out of service, and leaving it.
--
-- Another run, with a journal of its own, may enter at the same moment. So the cluster is looked at again while this
-- host's task is queued or running (gpupt.playbook.claim). If other hosts go first, the task is cancelled; it is
-- cancellable by its documentation. A task that entered nevertheless is followed by leaving.
local away = require "gpupt.fleet.away"
local units = require "gpupt.units"

local maintenance = {}

--- Seconds after `drain_within`, which the server observes, before the task is cancelled.
maintenance.GRACE = 120

--- Whether this run put the host into maintenance mode and did not take it out again.
function maintenance.entered(ctx, target)
  return ctx:newer(target, "maintenance-enter", "maintenance-exit")
end

local ENTER = "EnterMaintenanceMode"

-- The task of this run that was running when it was interrupted or when the answer was lost, as ctx:start gives it.
local function running(ctx, target)
  if not ctx:did(target, "maintenance-enter") then return nil end
  local ref = target.record.ref
  local task = away.tasks(ctx.vc, { ref })[ref]
  local entry = task and ctx:unfinished(target, "maintenance-enter", task)
  if not entry then return nil end
  ctx:note(target, ("%s, started before the interruption, is still running: waiting for it"):format(ENTER))
  return ctx:adopt(target, entry, task.ref, ENTER)
end

local function start(ctx, target, seconds)
  -- set explicitly, because the server's default differs: in a vSAN cluster all objects stay accessible
  return ctx:start(target, target.record.ref, "EnterMaintenanceMode_Task",
    { timeout = math.tointeger(seconds // 1), evacuatePoweredOffVms = false,
      maintenanceSpec = { vsanMode = { objectAction = "ensureObjectAccessibility" } } },
    { action = "maintenance-enter", text = ENTER })
end

local function withdraw(ctx, target, started, first)
  ctx:note(target, ("other hosts go first (%s): leaving maintenance mode to them"):format(first))
  ctx:cancel(started)
  local entered, message, code, detail = ctx:finish(started, { timeout = 600 })
  if not entered and code == "ETIMEDOUT" then return nil, message, code, detail end
  ctx.fleet:refresh_host(target.record)
  if entered then
    local ok
    ok, message, code, detail = maintenance.leave(ctx, target)
    if not ok then return nil, message, code, detail end
  end
  return false, first
end

--- Enters maintenance mode: true; false and a text if other hosts of the cluster go first (the host is as before then);
-- or nil, message, code, detail.
function maintenance.enter(ctx, target)
  local seconds = units.duration(target.scope.options.roll.drain_within)
  local slot = ctx:slot(target)
  local started, message, code, detail = running(ctx, target)
  if not started then started, message, code, detail = start(ctx, target, seconds) end
  if not started then return nil, message, code, detail end
  local first = slot and slot:behind()
  if first then return withdraw(ctx, target, started, first) end
  local ok
  ok, message, code, detail = ctx:finish(started, { timeout = seconds + maintenance.GRACE, cancel = true })
  if not ok then return nil, message, code, detail end
  ctx.fleet:refresh_host(target.record)
  if not target.record.maintenance then
    return nil, target.name .. " is not in maintenance mode after EnterMaintenanceMode", "EPROOF"
  end
  ctx:note(target, "entered maintenance mode")
  return true
end

function maintenance.leave(ctx, target)
  if not target.record.maintenance then return true end
  local ok, message, code, detail = ctx:task(target, target.record.ref, "ExitMaintenanceMode_Task", { timeout = 0 },
    { action = "maintenance-exit", text = "ExitMaintenanceMode" })
  if not ok then return nil, message, code, detail end
  ctx.fleet:refresh_host(target.record)
  ctx:note(target, "left maintenance mode")
  return true
end

--- Whether another user takes the host out of service, or has done so: nothing of it may be undone then. Refreshes the
-- record.
function maintenance.foreign(ctx, target)
  local ref = target.record.ref
  ctx.fleet:refresh_host(target.record)
  if target.record.maintenance then return not maintenance.entered(ctx, target) end
  local task = away.tasks(ctx.vc, { ref })[ref]
  return task ~= nil and not ctx:unfinished(target, "maintenance-enter", task)
end

return maintenance
