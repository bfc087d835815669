--- Windows in the time zone of vCenter ("22:00-05:00 vcenter"): the plan reads it from the appliance, once. Where it
-- cannot be read the plan says so: a window in a zone that was guessed would let hosts reboot at the wrong hour.
local appliance = require "gpupt.vim.appliance"

local vcenter_zone = {}

--- For the host targets of a plan; problem(target, text, code) is called for each scope whose zone cannot be read.
function vcenter_zone.read(plan, problem)
  local seen, name, message, code = {}, nil, nil, nil
  for _, target in ipairs(plan.hosts) do
    local opening = target.scope.options.roll.opening
    if opening and not seen[opening] and opening:needs_vcenter() then
      seen[opening] = true
      if not (name or message) then name, message, code = appliance.time_zone(plan.vc) end
      local ok, why, how = nil, message, code
      if name then ok, why, how = opening:set_vcenter(name) end
      if how == "EREFUSED" then
        problem(target, ("roll: window = '%s': %s"):format(opening.text, why), how)
      elseif not ok then
        problem(target, ("roll: window = '%s': the time zone of %s cannot be read: %s. The account has to be an "
          .. "administrator of vCenter; or name the zone in the window, such as Europe/Berlin"):format(opening.text,
          plan.vc.host, (why:gsub("%.$", ""))), how)
      end
    end
  end
end

return vcenter_zone
