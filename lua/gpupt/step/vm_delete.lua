--- vm.delete: deletes the VMs of a run. Only VMs that the run created, as its journal says, and that still carry its id
-- (ExtraConfig gpupt.run). Nothing brings a deleted VM back.
local removal = require "gpupt.step.vm_removal"

local step = {
  name = "vm.delete", scope = "vms",
  options = {
    { "run", "string", required = true, late = true, doc = "the run that created the VMs, as its journal says" },
  },
  approvals = removal.approvals,
  needs = { "VirtualMachine.Inventory.Delete", "VirtualMachine.Interact.PowerOff", "Datastore.FileManagement" },
}

function step.observe(ctx, target)
  local done, message, code = ctx:done_by(target.options.run, target)
  if not done then return nil, message, code end
  if not target.ref then return { gone = true } end
  local vm = ctx.fleet:vm(target.ref)
  return { vm = vm, why = removal.refusal(vm, target.options.run, removal.made(done, vm)) }
end

function step.plan(_, target, seen)
  if seen.gone then return {} end
  if seen.why then return nil, ("%s %s"):format(target.name, seen.why), "EREFUSED" end
  local changes = removal.changes(seen.vm)
  for _, change in ipairs(changes) do change.lost = change.verb == "delete" and "deleted VMs" or nil end
  return changes, { freed = true }
end

function step.apply(ctx, target, changes, seen)
  if seen.gone then return true end
  for _, change in ipairs(changes) do
    local ok, message, code, detail = change.make(ctx, target)
    if not ok then return nil, message, code, detail end
  end
  target.ref = nil
  return true
end

function step.prove(_, target)
  if target.ref then return nil, target.name .. " still exists", "EPROOF" end
  return "deleted"
end

return step
