--- HA admission control of the clusters whose hosts are taken out of service: a host that may not even leave while all
-- others are in service will never be granted. If others are out of service, the run waits for them.
local admission = require "gpupt.fleet.admission"
local away = require "gpupt.fleet.away"
local failure = require "gpupt.failure"
local leases = require "gpupt.playbook.leases"

local ADVICE = ". Power off or move VMs, or switch admission control off for the roll"

-- The connected clusters concerned, with their targets: { { cluster, targets } }.
local function concerned(plan)
  local list, by_cluster = {}, {}
  for _, entry in ipairs(plan.entries) do
    local target = entry.target
    local cluster = target.kind == "host" and target.record.cluster
    if cluster and cluster.guarded and leases.takes_down(entry) and not target.record.maintenance
      and target.record.connection == "connected" then
      local one = by_cluster[cluster]
      if not one then
        one = { cluster = cluster, targets = {} }
        by_cluster[cluster], list[#list + 1] = one, one
      end
      table.insert(one.targets, target)
    end
  end
  return list
end

return function(plan, _, found)
  for _, one in ipairs(concerned(plan)) do
    local state, message = failure.catch(admission.read, plan.vc, one.cluster.ref)
    for _, target in ipairs(one.targets) do
      local why, open
      if state then why, open = admission.refuses(state, { target.ref }) end
      local about = { source = target.scope.source, target = target.name }
      if not state and message or open then
        about.text, about.why = ("HA admission control of %s"):format(one.cluster.name), message or open
        found:open(about)
      elseif why and #away.of(plan.vc, one.cluster.ref) == 0 then
        about.text = ("roll: %s cannot do without %s: %s%s"):format(one.cluster.name, target.name, why, ADVICE)
        about.code = "EADMISSION"
        found:problem(about)
      elseif why then
        table.insert(plan.notes, { kind = "note", target = target.name, text = ("%s; the run waits for the hosts of %s "
          .. "that are out of service"):format(why, one.cluster.name) })
      end
    end
  end
end
