--- The function that creates a step in a playbook: p.gpu.attach { ... }.
-- It checks the options against the step's declaration and records the source line.
local declare = require "gpupt.playbook.declare"
local source = require "gpupt.source"
local steps = require "gpupt.step"

return function(step)
  local make = declare.constructor("p." .. step.name, "step", step.options, {
    check = step.check and function(node) return step.check(node.options) end or nil,
  })
  return function(given)
    local where = source.of(1)
    local ok, node = pcall(make, given)
    if not ok then error((tostring(node):gsub("^[^:]+:%d+: ", "")), 2) end
    node.source = where
    return steps.instance(step, node.options, where, node)
  end
end
