--- The function that creates a step in a playbook: p.gpu.attach { ... }.
-- It checks the options against the step's declaration and records the source line.
--   step_word(step)       of a user's own step
--   step_word.named(name) of a step of gpupt's, which is loaded when a playbook first uses it: the steps are a third of
--                         gpupt, and a playbook uses few of them
local declare = require "gpupt.playbook.declare"
local source = require "gpupt.source"
local steps = require "gpupt.step"

local function constructor(step)
  return declare.constructor("p." .. step.name, "step", step.options, {
    check = step.check and function(node) return step.check(node.options) end or nil,
  })
end

-- `load()` gives the step and its constructor.
local function word(load)
  return function(given)
    local step, make = load()
    local where = source.of(1)
    local ok, node = pcall(make, given)
    if not ok then error((tostring(node):gsub("^[^:]+:%d+: ", "")), 2) end
    node.source = where
    return steps.instance(step, node.options, where, node)
  end
end

local step_word = { all = {} }

--- The same for one of gpupt's steps by its name. step_word.all[name]() loads it, so that its options are declared.
function step_word.named(name)
  local step, make
  local function load()
    if not step then
      step = steps.load(name)
      make = constructor(step)
    end
    return step, make
  end
  step_word.all[name] = load
  return word(load)
end

return setmetatable(step_word, { __call = function(_, step)
  local make = constructor(step)
  return word(function() return step, make end)
end })
