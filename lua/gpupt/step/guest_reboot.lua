--- A clean reboot of a guest: Tools stop during it, and what counts is that they come back.
local guest = require "gpupt.step.guest_session"

local reboot = {}

local WATCHED = { "guest.toolsRunningStatus", "guest.guestOperationsReady" }

--- Waits for the end of a reboot that has started. `notice`: seconds until Tools are seen to stop; after that it is
-- taken to be over already. true; nil, message, code.
function reboot.wait(ctx, target, notice)
  local stopped = false
  local back = ctx:wait_for(target.ref, WATCHED, function(props)
    local running = props["guest.toolsRunningStatus"] == "guestToolsRunning"
    stopped = stopped or not running
    return stopped and running and props["guest.guestOperationsReady"] == true
  end, { timeout = notice or 120 })
  if back then return true end
  -- not seen to stop, or a slow boot
  local ok, message, code = guest.wait(ctx, target, 900)
  if ok == nil then return nil, message, code end
  return true
end

--- Waits for the end of a reboot that an installer started, whose log is at `log` (optional): the installer's result
-- may have been fetched after it, and then all programs of the guest are younger than the log. true; nil, message,
-- code.
function reboot.by_installer(ctx, target, session, log)
  local list = log and ctx.vc.guest:files(target.ref, session.auth, log)
  local since = list and list[1] and list[1].modified
  if since and ctx.vc.guest:restarted(target.ref, session.auth, since) then return true end
  return reboot.wait(ctx, target, 30)
end

--- Requests one and waits for its end. `why`: a note for the user. true; nil, message, code, detail.
function reboot.request(ctx, target, why)
  ctx:note(target, why)
  local ok, message, code, detail = ctx:call(target, target.ref, "RebootGuest", {}, "RebootGuest")
  if not ok then return nil, message, code, detail end
  return reboot.wait(ctx, target)
end

return reboot
