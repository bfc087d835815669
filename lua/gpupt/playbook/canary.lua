--- canary: the first targets of a scope that have something to change are done alone; then the run ends for a look, and
-- the others are left to a resume. A canary that fails stops its scope as well: on resume it comes first again.
local turns = require "gpupt.playbook.turns"

local canary = {}

local Canary = {}
Canary.__index = Canary

--- How many targets of a scope are its canary: its option, else the most that one of its steps asks for.
local function count_of(scope)
  if scope.options.canary then return scope.options.canary end
  local most = 0
  for _, instance in ipairs(scope.children) do most = math.max(most, instance.step.canary or 0) end
  return most
end

--- What is wrong with the option, or nil.
function canary.problem(value)
  if value and value < 0 then return ("canary = %d is less than 0"):format(value) end
end

--- Why the canary of a scope of VMs cannot be kept, or nil: hosts whose cards are taken away wait for all of their VMs,
-- and these would wait for the canary, which waits for its host. `scopes`: those of a playbook.
function canary.conflict(scopes)
  local late
  for _, scope in ipairs(scopes) do
    if scope.kind == "hosts" and turns.is_late { scope = scope } then late = scope end
  end
  for _, scope in ipairs(late and scopes or {}) do
    if scope.kind == "vms" and (scope.options.canary or 0) > 0 then
      return ("canary of p.vms (%s) cannot be kept: the hosts of %s wait for all of their VMs. Set canary in p.hosts, "
        .. "or apply the VMs in a playbook of their own"):format(scope.source, late.source)
    end
  end
end

--- The scopes, by key, that an earlier part of a run has paused for.
function canary.passed(journal, run)
  local set = {}
  for row in journal:rows(run) do if row.kind == "canary" and row.what then set[row.what] = true end end
  return set
end

-- The scopes of a playbook by which the journal knows them: "hosts 1", by their place in it.
local function keys(pb)
  local by_scope = {}
  for i, scope in ipairs(pb.root.children) do by_scope[scope] = ("%s %d"):format(scope.kind, i) end
  return by_scope
end

--- The canaries of a plan. `passed`: what canary.passed gave.
function canary.of(plan, passed)
  local self, key = setmetatable({ groups = {}, of_scope = {} }, Canary), keys(plan.playbook)
  -- hosts that wait for their VMs (gpupt.playbook.turns) would wait for ever for VMs that wait for another VM
  local late = false
  for _, target in ipairs(plan.hosts) do late = late or turns.is_late(target) end
  for _, list in ipairs { plan.hosts, late and {} or plan.vms } do
    for _, target in ipairs(list) do
      local scope = target.scope
      local group = self.of_scope[scope]
      if not group and count_of(scope) > 0 and not (passed or {})[key[scope]] then
        group = { key = key[scope], count = count_of(scope), first = {}, rest = 0, is_first = {} }
        self.of_scope[scope], self.groups[#self.groups + 1] = group, group
      end
      if group and target.entry and target.entry.changes then
        if #group.first < group.count then
          table.insert(group.first, target)
          group.is_first[target] = true
        else
          group.rest = group.rest + 1
        end
      end
    end
  end
  return self
end

local function names(group)
  local words = {}
  for i, target in ipairs(group.first) do words[i] = target.name end
  return table.concat(words, ", ")
end

--- The canary that a target has to wait for, or nil: a list of targets.
function Canary:before(target)
  local group = self.of_scope[target.scope]
  if not group or group.is_first[target] or not target.entry.changes then return nil end
  return group.first, group
end

local well = { changed = true, ok = true }

--- Why the scope ends with its canary, from the canaries' outcomes; and whether that is for a look.
function Canary.verdict(group, outcomes)
  for i, target in ipairs(group.first) do
    local outcome = outcomes[i]
    if not well[outcome.status] then
      return ("the canary %s: %s"):format(target.name, outcome.message or outcome.status or "interrupted"), false
    end
  end
  return ("paused for a look at the canary %s"):format(names(group)), true
end

--- Lines for the plan.
function Canary:lines()
  local list = {}
  for _, group in ipairs(self.groups) do
    if group.rest > 0 then
      list[#list + 1] = ("pauses for a look after %s (canary = %d)"):format(names(group), group.count)
    end
  end
  return list
end

return canary
