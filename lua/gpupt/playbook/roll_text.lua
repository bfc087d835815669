--- What a plan says of the roll of its hosts: how many at once, when, and after which targets it pauses. Lines.
local canary = require "gpupt.playbook.canary"
local clock = require "gpupt.clock"
local leases = require "gpupt.playbook.leases"
local unavailable = require "gpupt.playbook.unavailable"
local units = require "gpupt.units"

-- The windows of the scopes whose hosts are taken out of service.
local function windows(plan)
  local list, seen = {}, {}
  for _, entry in ipairs(plan.entries) do
    local roll = entry.target.scope.options.roll
    local text = roll and roll.opening and leases.takes_down(entry)
      and roll.opening:line(clock.wall(), units.duration(roll.back_within))
    if text and not seen[text] then list[#list + 1] = text end
    seen[text or ""] = true
  end
  return list
end

return function(plan)
  local list = { unavailable.line(plan.hosts) }
  for _, lines in ipairs { windows(plan), canary.of(plan, plan.canary_passed):lines() } do
    table.move(lines, 1, #lines, #list + 1, list)
  end
  return list
end
