--- What steps read from other servers than the vCenter, for all targets of a plan side by side, before they are planned
-- one after the other: a hundred BMCs that take ten seconds each. A step does it in `prepare`, and its observe uses it.
local failure = require "gpupt.failure"
local loop = require "gpupt.loop"

-- targets at the same time
local MOST = 16

-- The targets of scopes that have such a step: functions that read for one target each.
local function work(ctx, targets)
  local list = {}
  for _, target in ipairs(targets) do
    for _, instance in ipairs(target.scope.children) do
      if instance.step.prepare then
        list[#list + 1] = function()
          target.instance = instance
          target.options = instance:resolve(target)
          -- what goes wrong is found again, and reported, by observe
          if target.options then failure.catch(instance.step.prepare, ctx, target) end
        end
      end
    end
  end
  return list
end

return function(ctx, targets)
  local list = work(ctx, targets)
  if #list > 0 then loop.all(list, MOST) end
end
