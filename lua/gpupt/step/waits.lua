--- The waits of p.hosts (roll) and p.vms that steps use, with their defaults: each is an option.
local units = require "gpupt.units"

local waits = {}

-- As the reference shows them. The scopes of an undo have these for VMs.
waits.defaults = {
  -- hosts
  answer_within = "10s", settle_within = "30s", cancel_after = "2m", cancel_within = "10m", watch_for = "60s",
  ha_within = "5m",
  -- VMs
  tools_within = "5m",
  -- both
  shutdown_within = "10m", power_on_within = "30m", busy_within = "30m",
}

--- Seconds of one of them for a target.
function waits.of(target, name)
  local o = target.scope.options
  return units.duration(o.roll and o.roll[name] or o[name] or waits.defaults[name])
end

return waits
