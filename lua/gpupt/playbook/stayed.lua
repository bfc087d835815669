--- Hosts that were planned as if a VM had moved away, which is left out of the plan after all because its new host
-- cannot be used: they are planned again, with the VM on them.
local stayed = {}

-- The references to the VMs that were to move and are left out.
local function left_out(plan, vm_targets)
  local there, list = {}, {}
  for _, target in ipairs(plan.vms) do there[target] = true end
  for _, target in ipairs(vm_targets) do
    if target.moves and not there[target] then list[#list + 1] = target.ref end
  end
  return list
end

local function runs_one(fleet, record, refs)
  local on = {}
  for _, vm in ipairs(fleet:running_on(record)) do on[vm.ref] = true end
  for _, ref in ipairs(refs) do if on[ref] then return true end end
  return false
end

-- What the first plan of a host said of it.
local function without_notes(plan, target)
  local list = {}
  for _, event in ipairs(plan.notes) do if event.target ~= target.name then list[#list + 1] = event end end
  plan.notes = list
end

--- Plans the entries of such hosts again by `make(target)`, which gives an entry. `vm_targets`: those that the playbook
-- means; plan.vms are those that are left.
function stayed.plan_again(plan, vm_targets, make)
  local refs = left_out(plan, vm_targets)
  for _, ref in ipairs(refs) do plan.fleet:expect_off(ref, false) end
  for i, entry in ipairs(#refs > 0 and plan.entries or {}) do
    local target = entry.target
    if target.kind == "host" and entry.changes and runs_one(plan.fleet, target.record, refs) then
      without_notes(plan, target)
      target.forecast = nil
      plan.entries[i] = make(target)
    end
  end
end

return stayed
