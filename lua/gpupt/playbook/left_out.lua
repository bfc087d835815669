--- What a plan left out of what its playbook means: hosts and VMs that could not be reached or used, hosts that a scope
-- does not concern, and targets that a resumed run has lost. A run's journal has a row of kind "skip" for each of them,
-- so that gpupt.playbook.account can say it of them. An undo has nothing to do with them.
local note = require "gpupt.playbook.journal".note
local rows_of = require "gpupt.playbook.rows"

local left_out = {}

-- The plan's list has notes about hosts as well, which are targets nevertheless: they have no reason.
local function each(plan)
  local list, seen = {}, {}
  for _, skip in ipairs(plan.skipped) do
    local key = skip.identity or skip.text -- a host may be in two scopes
    if skip.why and not seen[key] then
      seen[key] = true
      list[#list + 1] = skip
    end
  end
  return list
end

--- Those that are meant, because they or their host could not be reached or used: { target, kind, why }. Not hosts
-- without the wanted card.
function left_out.unreached(plan)
  local list = {}
  for _, skip in ipairs(each(plan)) do
    if skip.away then list[#list + 1] = { target = skip.target, kind = skip.kind, why = skip.why } end
  end
  return list
end

--- Whether the plan leaves out anything.
function left_out.any(plan) return #each(plan) > 0 end

--- Writes the rows of a plan that is applied: true; nil, message, code.
function left_out.write(store, run, plan)
  for _, skip in ipairs(each(plan)) do
    local ok, message, code = rows_of.add(store, { run = run, kind = "skip", target = skip.target,
      identity = skip.identity, what = skip.why, detail = note { kind = skip.kind, away = skip.away or nil } })
    if not ok then return nil, message, code end
  end
  return true
end

return left_out
