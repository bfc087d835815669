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

--- Requests one and waits for its end. `why`: a note for the user. true; nil, message, code, detail.
function reboot.request(ctx, target, why)
  ctx:note(target, why)
  local ok, message, code, detail = ctx:call(target, target.ref, "RebootGuest", {}, "RebootGuest")
  if not ok then return nil, message, code, detail end
  return reboot.wait(ctx, target)
end

return reboot
