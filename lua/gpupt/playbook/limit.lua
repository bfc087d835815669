--- max_failures: after how many failed targets a run starts no further ones. A roll and a p.vms scope may have a limit
-- of their own; the failures of all other scopes count together, against the playbook's (default 2). Whichever is
-- reached stops the run from starting targets; those in progress finish.
local units = require "gpupt.units"

local limit = {}

limit.DEFAULT = 2

--- What is wrong with a value of max_failures, or nil.
function limit.problem(value)
  if value == nil or math.type(value) == "integer" and value >= 1 then return end
  local percent = type(value) == "string" and tonumber(value:match "^(%d+%.?%d*)%%$")
  if percent and percent > 0 and percent <= 100 then return end
  return ("max_failures = '%s' is neither a count from 1 nor a percentage such as 10%%"):format(tostring(value))
end

--- The count that a value stands for, at least 1.
local function count_of(value, total)
  if math.type(value) == "integer" then return value end
  return math.max(1, math.floor(tonumber(value:match "^[%d.]+") / 100 * total + 1e-9))
end

local function own(scope)
  local o = scope.options
  if o.roll then return o.roll.max_failures end
  return o.max_failures
end

local Limits = {}
Limits.__index = Limits

--- The limits of a plan: one for each scope with its own, and one for the rest of each playbook.
function limit.of(plan)
  local self = setmetatable({ groups = {}, of_scope = {} }, Limits)
  local rest, several = {}, false
  for _, scope in ipairs(plan.playbook.root.children) do
    several = several or scope.playbook ~= plan.playbook.root.children[1].playbook
  end
  for _, list in ipairs { plan.hosts, plan.vms } do
    for _, target in ipairs(list) do
      local scope = target.scope
      local group = self.of_scope[scope]
      if not group then
        local value, book = own(scope), scope.playbook
        group = not value and rest[book] or { value = value or book.options.max_failures or limit.DEFAULT,
          where = value and ("p.%s (%s)"):format(scope.kind, scope.source)
            or several and book.source:match "([^/]*):%d+$" or nil, targets = 0, failed = 0 }
        if not value then rest[book] = group end
        if group.targets == 0 then self.groups[#self.groups + 1] = group end
        self.of_scope[scope] = group
      end
      group.targets = group.targets + 1
    end
  end
  for _, group in ipairs(self.groups) do group.most = count_of(group.value, group.targets) end
  return self
end

--- Counts a failed target.
function Limits:count(target)
  local group = self.of_scope[target.scope]
  group.failed = group.failed + 1
end

--- Why no further targets are started, or nil.
function Limits:reached()
  for _, group in ipairs(self.groups) do
    if group.failed >= group.most then
      local share = math.type(group.value) ~= "integer" and (" (%d of %d)"):format(group.most, group.targets) or ""
      return ("%s%s failed, and max_failures = %s%s: no further targets will be started"):format(
        units.count(group.failed, "target"), group.where and " of " .. group.where or "", group.value, share)
    end
  end
end

--- One line for the plan.
function Limits:text()
  local words = {}
  for i, group in ipairs(self.groups) do
    words[i] = ("%s%s (max_failures = %s)"):format(units.count(group.most, "failure"),
      group.where and " in " .. group.where or "", group.value)
  end
  return "stops starting targets after " .. table.concat(words, ", or ")
end

return limit
