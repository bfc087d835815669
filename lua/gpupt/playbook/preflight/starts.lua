--- HA admission control of the clusters in which VMs are powered on: one that guards more than the cluster tolerates
-- now admits no power-on at all. What the VMs of the plan will reserve is not counted: that the server does.
local admission = require "gpupt.fleet.admission"
local away = require "gpupt.fleet.away"
local failure = require "gpupt.failure"

local function starts(entry)
  for _, step in ipairs(entry.steps) do
    for _, change in ipairs(step.changes) do if change.starts then return step.instance end end
  end
end

-- The guarded clusters in which VMs that are off are started: { { cluster, list = { { target, instance } } } }.
local function concerned(plan)
  local list, by_cluster = {}, {}
  for _, entry in ipairs(plan.entries) do
    local target = entry.target
    local cluster = target.kind == "vm" and target.host and target.host.cluster
    local off = not (target.vm and target.vm.power == "poweredOn")
    local instance = cluster and cluster.guarded and off and starts(entry)
    if instance then
      local one = by_cluster[cluster]
      if not one then
        one = { cluster = cluster, list = {} }
        by_cluster[cluster], list[#list + 1] = one, one
      end
      table.insert(one.list, { target = target, instance = instance })
    end
  end
  return list
end

local frees = { ["guest shutdown"] = true, ["power off"] = true, move = true, delete = true }

-- Whether the plan itself may change what the cluster tolerates.
local function changes_it(plan)
  for _, entry in ipairs(plan.entries) do
    if entry.target.kind == "host" and entry.changes then return true end
    for _, step in ipairs(entry.steps) do
      for _, change in ipairs(step.changes) do if frees[change.verb] then return true end end
    end
  end
  return false
end

return function(plan, _, found)
  if plan.playbook.undoes then return end -- an undo takes back what it can
  for _, one in ipairs(concerned(plan)) do
    local state = failure.catch(admission.read, plan.vc, one.cluster.ref)
    local why = state and admission.refuses(state, {})
    local may_change = why and (changes_it(plan) or #away.of(plan.vc, one.cluster.ref) > 0)
    for _, vm in ipairs(why and one.list or {}) do
      local about = { source = vm.instance.source, target = vm.target.name, code = "EADMISSION" }
      about.text = ("%s admits no power-on: %s"):format(one.cluster.name, why)
      if may_change then
        about.why = "hosts or VMs change meanwhile"
        found:open(about)
      else
        about.text = about.text .. ". Power off VMs or switch admission control off, or set power_on = false"
        found:problem(about)
      end
    end
  end
end
