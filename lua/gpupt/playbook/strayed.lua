--- Targets of a run that its playbook no longer finds when the run is resumed: the VM or host was deleted, renamed or
-- moved since. The plan names them, and the run is not done: what it had to do to them was not done.
local identity = require "gpupt.playbook.identity"

local strayed = {}

local over = { changed = true, ok = true }

-- The targets that the run planned to change and has not ended: { name, identity }, in the order of its plan.
local function unfinished(journal, run)
  local list, by_identity = {}, {}
  for row in journal:rows(run) do
    local key = row.target and row.identity
    if key and row.kind == "plan" and not by_identity[key] then
      by_identity[key] = { name = row.target, identity = key }
      list[#list + 1] = by_identity[key]
    elseif key and row.kind == "target" and by_identity[key] then
      by_identity[key].over = over[row.what] or nil
    end
  end
  return list
end

local function reason(fleet, one)
  local ref = fleet.vc:ref(one.identity)
  if not (fleet:place_of(ref) or fleet:object(ref)) then
    return "a target of this run that does not exist any more: left out"
  end
  return ("a target of this run that is now %s, where the playbook does not look: left out. Give it its name and "
    .. "folder back and resume the run, or apply the playbook again"):format(fleet:path(ref))
end

--- The targets that a plan, which resumes a run, has lost: a list of { target =, identity =, why =, text = }.
-- `planned`: its targets. Those whose VM the run itself deletes are none, nor those of an undo, which names them.
function strayed.of(plan, journal, planned)
  local list, known = {}, {}
  if plan.playbook.undoes or (plan.fleet.remembered and plan.fleet.remembered.deletes) then return list end
  for _, target in ipairs(planned) do
    known[target.identity or ""] = true
    if target.ref then known[identity.of(target.ref)] = true end
  end
  for _, one in ipairs(unfinished(journal, plan.run_id)) do
    local reference = one.identity:find "^VirtualMachine:" or one.identity:find "^HostSystem:"
    if reference and not one.over and not known[one.identity]
      and (not plan.patterns or plan.patterns:fits(one.name)) then
      local why = reason(plan.fleet, one)
      list[#list + 1] = { target = one.name, identity = one.identity, why = why, text = one.name .. ": " .. why }
    end
  end
  return list
end

return strayed
