--- Maintenance mode of a host: entering it without taking too many hosts of the cluster out of service, and leaving it.
--
-- Another run, with a journal of its own, may enter at the same moment. So the cluster is looked at again while this
-- host's task is queued or running (gpupt.playbook.claim). If other hosts go first, the task is cancelled; it is
-- cancellable by its documentation. A task that entered nevertheless is followed by leaving.
local away = require "gpupt.fleet.away"
local units = require "gpupt.units"
local waits = require "gpupt.step.waits"

local maintenance = {}

--- Whether this run put the host into maintenance mode and did not take it out again.
function maintenance.entered(ctx, target)
  return ctx:newer(target, "maintenance-enter", "maintenance-exit")
end

local ENTER = "EnterMaintenanceMode"

-- The request of this run that started this task, unless the host has left maintenance mode since.
local function unfinished(ctx, target, task)
  return ctx:unfinished(target, "maintenance-enter", task, "maintenance-exit")
end

-- The task of this run, started before an interruption or by a call whose answer was lost, as ctx:start gives it. It
-- may have ended.
local function arrived(ctx, target)
  local ref = target.record.ref
  local running, entered = away.tasks(ctx.vc, { ref })
  local task = running[ref] or entered[ref]
  local entry = task and unfinished(ctx, target, task)
  return entry and ctx:adopt(target, entry, task.ref, ENTER)
end

-- The row's detail, with the value before and after.
local function mode(before, after)
  return { values = { { name = "inMaintenanceMode", before = before, after = after } } }
end

local function send(ctx, target, seconds)
  -- set explicitly, because the server's default differs: in a vSAN cluster all objects stay accessible
  return ctx:start(target, target.record.ref, "EnterMaintenanceMode_Task",
    { timeout = math.tointeger(seconds // 1), evacuatePoweredOffVms = false,
      maintenanceSpec = { vsanMode = { objectAction = "ensureObjectAccessibility" } } },
    { action = "maintenance-enter", text = ENTER, timeout = waits.of(target, "answer_within"),
      detail = mode(false, true) })
end

-- Whether the host is in maintenance mode although the task that took it there is not known: a vCenter that restarted
-- may have lost it. The host was in service when this run sent its request.
local function inside(ctx, target)
  ctx.fleet:refresh_state(target.record)
  if not target.record.maintenance then return false end
  local ref = target.record.ref
  local running, entered = away.tasks(ctx.vc, { ref })
  if running[ref] or entered[ref] then return false end -- another user's: one of this run would have been found
  ctx:note(target, ("in maintenance mode; the task of %s is not known to the server any more"):format(ENTER))
  return true
end

-- What became of a request whose outcome is unknown: its task, true if the host is in maintenance mode, or nil. The
-- task may appear late.
local function outcome(ctx, target)
  for _ = 1, 4 do
    local found = arrived(ctx, target) or inside(ctx, target)
    if found then return found end
    ctx:sleep(waits.of(target, "answer_within") / 5)
  end
end

-- The request may have arrived although its answer did not: its task is looked for a few times before another is sent.
-- The task, true if the host entered without one that is known, or nil, message, code, detail. Then: whether an earlier
-- request may still take effect.
local function start(ctx, target, seconds)
  if ctx:did(target, "maintenance-enter") then
    local earlier = arrived(ctx, target)
    if earlier then
      ctx:note(target, ENTER .. ", which this run started earlier, is still running: waiting for it")
      return earlier
    end
  end
  local unknown, started, message, code, detail = false, nil, nil, nil, nil
  for _ = 1, 3 do
    started, message, code, detail = send(ctx, target, seconds)
    if code == "EUNKNOWN" then
      started = outcome(ctx, target)
      if unknown then break end
      unknown = true
    elseif code == "ECONNECT" or code == "TaskInProgress" then
      started = arrived(ctx, target) -- this read waits for a server that does not answer
    elseif code == "InvalidState" and unknown then
      started = inside(ctx, target) or nil
    end
    if started or (code ~= "EUNKNOWN" and code ~= "ECONNECT") then break end
  end
  if started then return started, unknown end
  return nil, message, code, detail
end

-- Waits for the end of a request that was cancelled: true if the host has entered nevertheless, false if not; nil,
-- message, code, detail if it is still running.
local function await_cancelled(ctx, target, started)
  ctx:cancel(started)
  local seconds = waits.of(target, "cancel_within")
  local entered, _, code, detail = ctx:finish(started, { timeout = seconds })
  if entered then return true end
  if code ~= "ETIMEDOUT" then return false end
  return nil, ("%s: EnterMaintenanceMode was cancelled and did not end within %s (cancel_within). Continue when it has "
    .. "ended"):format(target.name, units.span(seconds)), code, detail
end

local function withdraw(ctx, target, started, first)
  ctx:note(target, ("other hosts go first (%s): leaving maintenance mode to them"):format(first))
  local entered, message, code, detail = started == true, nil, nil, nil
  if not entered then entered, message, code, detail = await_cancelled(ctx, target, started) end
  if entered == nil then return nil, message, code, detail end
  ctx.fleet:refresh_state(target.record)
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
  local started, message, code, detail = start(ctx, target, seconds)
  if not started then return nil, message, code, detail end
  local first = slot and slot:behind(started ~= true and started.task or nil)
  if first then return withdraw(ctx, target, started, first) end
  local ok, unknown = started == true, message
  if not ok then
    ok, message, code, detail = ctx:finish(started,
      { timeout = seconds + waits.of(target, "cancel_after"), cancel = true })
    ok = ok or (unknown and code == "InvalidState" and inside(ctx, target))
  end
  if not ok then return nil, message, code, detail end
  target.record.maintenance = true -- it is read before the reboot
  ctx:note(target, "entered maintenance mode")
  return true
end

--- Whether a request of this run, or of the run that it undoes, to enter maintenance mode is still running.
function maintenance.earlier(ctx, target)
  if not ctx:did(target, "maintenance-enter") then return false end
  local ref = target.record.ref
  local running = away.tasks(ctx.vc, { ref })[ref]
  return running ~= nil and unfinished(ctx, target, running) ~= nil
end

--- Cancels such a request and waits for its end; the host may have entered nevertheless.
function maintenance.end_earlier(ctx, target)
  if not maintenance.earlier(ctx, target) then return true end
  local started = arrived(ctx, target)
  if not started then return true end
  local entered, message, code, detail = await_cancelled(ctx, target, started)
  if entered == nil then return nil, message, code, detail end
  ctx.fleet:refresh_state(target.record)
  return true
end

function maintenance.leave(ctx, target)
  if not target.record.maintenance then return true end
  local ok, message, code, detail = ctx:task(target, target.record.ref, "ExitMaintenanceMode_Task", { timeout = 0 },
    { action = "maintenance-exit", text = "ExitMaintenanceMode", detail = mode(true, false) },
    { timeout = units.duration(target.scope.options.roll.exit_within) })
  if not ok then return nil, message, code, detail end
  target.record.maintenance = false -- the proof of the step reads it
  ctx:note(target, "left maintenance mode")
  return true
end

--- Waits until HA counts on the host again, in a cluster with HA: its agent has joined the others a while after the
-- host left maintenance mode. true; nil, message, "EHA": the next host of the cluster must not go yet.
function maintenance.await_ha(ctx, target)
  if not target.record.cluster.ha then return true end
  local seconds, state = waits.of(target, "ha_within"), nil
  local ok, message, code, detail = ctx:wait_for(target.record.ref, { "runtime.dasHostState" }, function(props)
    local agent = props["runtime.dasHostState"]
    state = agent and agent.state
    return away.joined[state or ""]
  end, { timeout = seconds })
  if ok then return true end
  if code ~= "ETIMEDOUT" then return nil, message, code, detail end
  return nil, ("%s is in service, but its HA agent is not connected after %s (ha_within): %s. Reconfigure the host for "
    .. "vSphere HA, then resume the run"):format(target.name, units.span(seconds), state or "the host reports none"),
    "EHA"
end

--- Whether another user takes the host out of service, or has done so: nothing of it may be undone then. Refreshes the
-- record.
function maintenance.foreign(ctx, target)
  local ref = target.record.ref
  ctx.fleet:refresh_state(target.record)
  if target.record.maintenance then return not maintenance.entered(ctx, target) end
  local task = away.tasks(ctx.vc, { ref })[ref]
  return task ~= nil and not unfinished(ctx, target, task)
end

return maintenance
