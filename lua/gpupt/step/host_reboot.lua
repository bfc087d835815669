--- The reboot of a host, and the wait until it is back.
-- A reboot is proved by a different boot time (not a later one, because clocks skew). A request whose answer was lost
-- is not simply sent again: it may have arrived, and a host stays connected for a while before it goes down. Only a
-- host that stays connected with its old boot time for `resend_after` gets one more request, and never a third,
-- however often the run is resumed. What was not seen because the server did not answer does not count.
local away = require "gpupt.vim.away"
local clock = require "gpupt.clock"
local hosts = require "gpupt.fleet.host"
local loop = require "gpupt.loop"
local since = require "gpupt.step.since"
local units = require "gpupt.units"
local waits = require "gpupt.step.waits"

local reboot = {}

-- 15 minutes: by then a host that was asked has gone down
local RESEND_SECONDS = 900
-- seconds between two tries to watch a host whose server cannot be reached
local PAUSE = 5

--- The properties that show whether a host is back.
local watched = { "runtime.connectionState", "runtime.bootTime" }

-- The faults by which a server says that it did not begin. After any other the request may have arrived.
local refusals = {}
for _, name in ipairs { "InvalidState", "InvalidArgument", "InvalidRequest", "NoPermission", "NotAuthenticated",
  "NotSupported", "TaskInProgress", "ManagedObjectNotFound", "RestrictedVersion" } do
  refusals[name] = true
end

--- Seconds after which a request that seems lost is sent once more.
function reboot.resend_after(roll)
  return roll.resend_after and units.duration(roll.resend_after)
    or math.min(RESEND_SECONDS, units.duration(roll.back_within) / 2)
end

--- The journalled boot time before this run's reboot of the host, or nil.
function reboot.started(ctx, target) return ctx:did(target, "reboot-intent") end

-- Sends the request: true if it arrived or may have arrived. From its start on the host is watched.
local function send(ctx, target, before, action, eye)
  local started, ok, message, code, detail
  started, message, code, detail = ctx:start(target, target.record.ref, "RebootHost_Task", { force = false },
    { action = action, text = "RebootHost", refusals = refusals, detail = { sent = since.stamp(ctx.vc) } })
  if started then
    eye:open()
    ok, message, code, detail = ctx:finish(started)
  end
  if ok then
    ctx:note(target, "rebooting")
    return true
  end
  if not refusals[code] then
    ctx:note(target, ("the reboot request was sent, but its result is not known (%s): watching the host instead of "
      .. "sending it again"):format(message))
    return true
  end
  -- the host may disconnect before the end of the task was read
  local props = target.record.ref:get(watched)
  if props and (props["runtime.connectionState"] ~= "connected" or props["runtime.bootTime"] ~= before) then
    return true
  end
  return nil, message, code, detail
end

-- What the host shows: "back", "connected" (with its old boot time) or "gone".
local function state(props, before)
  if props["runtime.connectionState"] ~= "connected" then return "gone" end
  local boot = props["runtime.bootTime"]
  return boot ~= nil and boot ~= before and "back" or "connected"
end

-- What watches a host while it is away: its changes are waited for one after the other, with one request for all.
local Eye = {}
Eye.__index = Eye

--- Nothing, or message, code if it cannot be watched now.
function Eye:open()
  if self.watched then return end
  local list, message, code = self.vc:watching(self.host, watched)
  self.watched = list
  return message, code
end

function Eye:close()
  if self.watched then self.watched:close() end
  self.watched = nil
end
Eye.__close = Eye.close

-- Waits until the host shows another state than `known`: the state, or nil when `seconds` have passed; nil, message,
-- code if the server has another certificate: nothing more is sent to it.
local function change_of(eye, before, known, seconds)
  local deadline = clock.now() + seconds
  while true do
    local left = deadline - clock.now()
    if left <= 0 then return nil end
    local now
    local message, code = eye:open()
    if eye.watched then
      now, message, code = eye.watched:wait_for(function(props)
        local shown = state(props, before)
        return shown ~= known and shown
      end, { timeout = left })
    end
    if now then return now end
    if code == "EUNTRUSTED" then return nil, message, code end
    if code ~= "ETIMEDOUT" then
      eye:close()
      loop.sleep(math.min(PAUSE, left))
    end
  end
end

-- The only request that may follow the first: true; false if the host went away or rebooted meanwhile, as it shows when
-- it is read for this; nil, message, code, detail.
local function send_again(ctx, target, before, enabled, seconds, eye)
  local ok, message, code = enabled()
  if not ok then return ok, message, code end
  local record = target.record
  if record.connection ~= "connected" or record.boot_time ~= before then return false end
  ctx:note(target, ("has not rebooted within %s: sending the request once more"):format(units.span(seconds)))
  return send(ctx, target, before, "reboot-again", eye)
end

-- AWAY. `quiet` is the moment since which the host has been connected with its old boot time: the request's, or that of
-- its reconnection, because it may still show the old boot time then.
local function wait_away(ctx, target, before, quiet, enabled, eye)
  local roll, now = target.scope.options.roll, clock.now()
  local resend, deadline = reboot.resend_after(roll), now + units.duration(roll.back_within)
  -- a run that was resumed, or whose server did not answer for a time, watches the host for a while before it sends the
  -- second request: the host may have rebooted unseen
  local watched_for, known, outages = math.min(waits.of(target, "watch_for"), resend), "connected", ctx.vc.outages
  local not_before = now + watched_for
  while true do
    local left, due = deadline - clock.now(), nil
    if known == "connected" and not ctx:did(target, "reboot-again") then
      due = math.max(resend - since.elapsed(ctx.vc, quiet), not_before - clock.now())
    end
    local seen, why, how = change_of(eye, before, known, math.max(0, math.min(left, due or left)))
    if how then return nil, why, how end
    if seen == "back" then return true end
    if away.now(ctx.vc) or ctx.vc.outages ~= outages then
      outages, not_before = ctx.vc.outages, clock.now() + watched_for
    end
    if seen then
      known, quiet = seen, since.here()
    elseif clock.now() >= deadline then
      return nil
    elseif due and clock.now() >= not_before and since.elapsed(ctx.vc, quiet) >= resend then
      local ok, message, code, detail = send_again(ctx, target, before, enabled, resend, eye)
      if ok == nil then return nil, message, code, detail end
    end
  end
end

--- Reboots the host and waits until it is back: true; nil, message, code, detail. If a killed run has the row of the
-- request in its journal, it is unknown whether the request was sent: so this run watches the host first. `ready()` is
-- called just before the first request: if it is not true, nothing is sent, and its results are returned. `enabled()`
-- is called before the second: false if the host is away.
function reboot.cycle(ctx, target, ready, enabled)
  local record = target.record
  local eye <close> = setmetatable({ vc = ctx.vc, host = record.ref }, Eye)
  local earlier, sent = reboot.started(ctx, target), ctx:did(target, "reboot")
  if earlier and record.connection == "connected" and record.boot_time ~= earlier.boot_time then return true end
  if record.connection ~= "connected" then
    ctx:note(target, ("the host %s since the reboot request: waiting for it"):format(
      hosts.disconnected(record.connection)))
  elseif sent then
    ctx:note(target, "the reboot may have been requested before the run was interrupted: watching the host instead "
      .. "of sending the request again")
  else
    local ok, message, code, detail = ready()
    if not ok then return ok, message, code, detail end
    if not earlier then
      -- journalled before the request is sent, with its row, so that a resumed run can see whether the host rebooted
      earlier = { boot_time = record.boot_time }
      local intent = { action = "reboot-intent", object = record.ref, text = "RebootHost (boot time before)",
        soon = true }
      local number = ctx:row(target, "change", intent, earlier)
      ctx:row(target, "result", intent, { ok = true }, { of = number })
    end
    ok, message, code, detail = send(ctx, target, earlier.boot_time, "reboot", eye)
    if not ok then return nil, message, code, detail end
    sent = ctx:did(target, "reboot")
  end
  local quiet = sent and sent.sent
  if not since.elapsed(ctx.vc, quiet) then quiet = since.here() end
  local back, message, code, detail = wait_away(ctx, target, earlier.boot_time, quiet, enabled, eye)
  if back then
    ctx:note(target, "connected again")
    return true
  end
  if message then return nil, message, code, detail end
  local silent = away.now(ctx.vc)
  if silent then
    return nil, ("%s: %s does not answer %s, so it is not known whether the host is back from its reboot. Resume the "
      .. "run when it answers"):format(target.name, ctx.vc.base, silent), "ECONNECT"
  end
  return nil, ("%s did not reconnect within %s of the reboot. Check its console, then resume the run"):format(
    target.name, units.span(units.duration(target.scope.options.roll.back_within))), "ELOST"
end

return reboot
