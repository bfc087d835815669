--- A clean reboot of a guest: Tools stop during it, and what counts is that they come back.
local guest = require "gpupt.step.guest_session"
local loop = require "gpupt.loop"

local reboot = {}

local WATCHED = { "guest.toolsRunningStatus", "guest.guestOperationsReady" }

-- Seconds of a look before the guest's own programs are asked.
local LOOK = 5

--- Waits for the end of a reboot that was started. `notice`: seconds until Tools are seen to stop; after that it is
-- taken to be over already. `over` (optional): a function that says whether the guest has restarted, for a restart that
-- was too quick to be seen. true; nil, message, code.
function reboot.wait(ctx, target, notice, over)
  local until_time, stopped = loop.now() + (notice or 120), false
  repeat
    local left = math.max(0.1, until_time - loop.now())
    local back, _, code = ctx:wait_for(target.ref, WATCHED, function(props)
      local running = props["guest.toolsRunningStatus"] == "guestToolsRunning"
      stopped = stopped or not running
      return stopped and running and props["guest.guestOperationsReady"] == true
    end, { timeout = over and math.min(LOOK, left) or left })
    if back then return true end
  until stopped or code ~= "ETIMEDOUT" or loop.now() >= until_time or over and over()
  -- a slow boot, or one that is over
  local ok, message, failed = guest.wait(ctx, target, 900)
  if ok == nil then return nil, message, failed end
  return true
end

-- Whether all programs of the guest are younger than `since`, by its own clock; nil without that.
local function restarted(ctx, target, session, since)
  return since and function()
    return ctx.vc.guest:restarted(target.ref, session.auth, since, { timeout = LOOK }) == true
  end
end

--- Waits for the end of a reboot that an installer started, whose log is at `log` (optional): the installer's result
-- may have been fetched after it, and then all programs of the guest are younger than the log. true; nil, message,
-- code.
function reboot.by_installer(ctx, target, session, log)
  local list = log and ctx.vc.guest:files(target.ref, session.auth, log)
  local over = restarted(ctx, target, session, list and list[1] and list[1].modified)
  if over and over() then return true end
  return reboot.wait(ctx, target, 30, over)
end

-- When the youngest program of the guest started, by its own clock; nil if that cannot be read.
local function youngest(ctx, target, session)
  local latest
  for _, process in ipairs(ctx.vc.guest:list(target.ref, session.auth, nil, { timeout = LOOK }) or {}) do
    if process.started and (not latest or process.started > latest) then latest = process.started end
  end
  return latest
end

--- Requests one and waits for its end. `why`: a note for the user. true; nil, message, code, detail.
function reboot.request(ctx, target, session, why)
  ctx:note(target, why)
  guest.leave(target)
  local over = restarted(ctx, target, session, youngest(ctx, target, session))
  local ok, message, code, detail = ctx:call(target, target.ref, "RebootGuest", {}, "RebootGuest")
  if not ok then return nil, message, code, detail end
  return reboot.wait(ctx, target, nil, over)
end

return reboot
