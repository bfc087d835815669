--- Maintenance mode and the reboot of a host.
-- A reboot is proved by a different boot time (not a later one, because clocks skew). A reboot request whose answer was
-- lost is not simply sent again; only a host that stays connected with the old boot time for 15 minutes gets another.
local units = require "gpupt.units"

local reboot = {}

reboot.RESEND_SECONDS = 900

--- The properties that show whether a host is back.
local watched = { "runtime.connectionState", "runtime.bootTime", "runtime.inMaintenanceMode" }

function reboot.enter_maintenance(ctx, target)
  local seconds = units.duration(target.scope.options.roll.drain_within)
  -- set explicitly, because the server's default differs: in a vSAN cluster all objects stay accessible
  local ok, message, code, detail = ctx:task(target, target.record.ref, "EnterMaintenanceMode_Task",
    { timeout = math.tointeger(seconds // 1), evacuatePoweredOffVms = false,
      maintenanceSpec = { vsanMode = { objectAction = "ensureObjectAccessibility" } } },
    { action = "maintenance-enter", text = "EnterMaintenanceMode" },
    { timeout = seconds + 120 })
  if not ok then return nil, message, code, detail end
  ctx.fleet:refresh_host(target.record)
  if not target.record.maintenance then
    return nil, target.name .. " is not in maintenance mode after EnterMaintenanceMode", "EPROOF"
  end
  ctx:note(target, "entered maintenance mode")
  return true
end

function reboot.leave_maintenance(ctx, target)
  if not target.record.maintenance then return true end
  local ok, message, code, detail = ctx:task(target, target.record.ref, "ExitMaintenanceMode_Task", { timeout = 0 },
    { action = "maintenance-exit", text = "ExitMaintenanceMode" })
  if not ok then return nil, message, code, detail end
  ctx.fleet:refresh_host(target.record)
  ctx:note(target, "left maintenance mode")
  return true
end

--- Codes of RebootHost after which the request may have arrived.
local unknown = { EUNKNOWN = true, ECONNECT = true, ETIMEDOUT = true, ERESET = true }

local function send(ctx, target, before)
  local ok, message, code, detail = ctx:task(target, target.record.ref, "RebootHost_Task", { force = false },
    { action = "reboot", text = "RebootHost" })
  if ok then return true end
  if unknown[code] then
    ctx:note(target, "the response to the reboot request was lost: watching the host instead of sending it again")
    return true
  end
  -- the host may disconnect before the end of the task was read
  local props = target.record.ref:get(watched)
  if props and (props["runtime.connectionState"] ~= "connected" or props["runtime.bootTime"] ~= before) then
    return true
  end
  return nil, message, code, detail
end

local function wait_away(ctx, target, before, seconds)
  return ctx:wait_for(target.record.ref, watched, function(props)
    return props["runtime.connectionState"] == "connected" and props["runtime.bootTime"] ~= nil
      and props["runtime.bootTime"] ~= before
  end, { timeout = seconds })
end

--- The journalled boot time before this run's reboot of the host, or nil.
function reboot.started(ctx, target) return ctx:did(target, "reboot-intent") end

--- Reboots the host and waits until it is back. If a killed run has the row of the request in its journal, it is
-- unknown whether the request was sent, and a host stays connected for a while after it: so this run watches the host
-- first.
function reboot.cycle(ctx, target)
  local record = target.record
  local within = units.duration(target.scope.options.roll.back_within)
  local earlier = reboot.started(ctx, target)
  local announced = earlier and ctx:did(target, "reboot")
  local before = earlier and earlier.boot_time or record.boot_time
  if not earlier then
    -- journalled before the request is sent, so that a resumed run can see whether the host rebooted
    local intent = { action = "reboot-intent", object = record.ref, text = "RebootHost (boot time before)" }
    local number = ctx:row(target, "change", intent, { boot_time = before })
    ctx:row(target, "result", intent, { ok = true }, { of = number })
  elseif record.connection == "connected" and record.boot_time ~= before then
    return true
  end
  local ok, message, code, detail
  if record.connection ~= "connected" then
    ctx:note(target, ("%s since the reboot request: waiting for the host"):format(record.connection or "not readable"))
  elseif announced then
    ctx:note(target, "the reboot may have been requested before the run was interrupted: watching the host instead "
      .. "of sending the request again")
  else
    ok, message, code, detail = send(ctx, target, before)
    if not ok then return nil, message, code, detail end
    ctx:note(target, "rebooting")
  end
  local patience = math.min(within, reboot.RESEND_SECONDS)
  local back = wait_away(ctx, target, before, patience)
  if not back and within > patience then
    local props = record.ref:get(watched)
    if props and props["runtime.connectionState"] == "connected" and props["runtime.bootTime"] == before then
      ctx:note(target, "has not rebooted within 15 minutes: sending the request once more")
      ok, message, code, detail = send(ctx, target, before)
      if not ok then return nil, message, code, detail end
    end
    back = wait_away(ctx, target, before, within - patience)
  end
  if not back then
    return nil, ("%s did not reconnect within %s of the reboot. Check its console, then resume the run")
      :format(target.name, units.span(within)), "ELOST"
  end
  ctx:note(target, "connected again")
  return true
end

return reboot
