--- A clean reboot of a guest: Tools stop during it, and what counts is that they come back. true; nil, message, code,
-- detail. `why`: a note for the user.
local guest = require "gpupt.step.guest_session"

return function(ctx, target, why)
  ctx:note(target, why)
  local ok, message, code, detail = ctx:call(target, target.ref, "RebootGuest", {}, "RebootGuest")
  if not ok then return nil, message, code, detail end
  local stopped = false
  local back = ctx:wait_for(target.ref, { "guest.toolsRunningStatus", "guest.guestOperationsReady" }, function(props)
    local running = props["guest.toolsRunningStatus"] == "guestToolsRunning"
    stopped = stopped or not running
    return stopped and running and props["guest.guestOperationsReady"] == true
  end, { timeout = 120 })
  if back then return true end
  -- not seen to stop, or a slow boot
  ok, message, code = guest.wait(ctx, target, 900)
  if ok == nil then return nil, message, code end
  return true
end
