--- Deletes VMs that a run created, and no others: a VM has to carry the run's id (ExtraConfig gpupt.run), and the run's
-- journal has to say that it created this VM. A VM whose disks are elsewhere, or that another run has changed since, is
-- left. It is shut down by its guest; one whose Tools do not run needs --allow power-off.
local hosts = require "gpupt.fleet.host"
local medium = require "gpupt.step.install_medium"
local power = require "gpupt.step.vm_power"
local values = require "gpupt.step.vm_values"
local vms = require "gpupt.fleet.vm"

local removal = {}

removal.approvals = {
  ["delete-vm"] = "delete VMs that a run created",
  ["guest-shutdown"] = "shut down the guests of running VMs",
  ["power-off"] = "power off VMs to be deleted whose Tools do not run",
}

removal.needs = { "VirtualMachine.Inventory.Delete" }
removal.more_needs = { "VirtualMachine.Interact.PowerOff" }

--- The changes of a run that create a VM.
local creating = { create = true, clone = true }

--- What the journal says of the creation of this VM by these changes of a run: true, or nil. A call whose outcome is
-- unknown may have created it: then the VM's name, folder and mark decide.
function removal.made(done, vm)
  for _, change in ipairs(done) do
    if creating[change.action] then
      if change.made == tostring(vm.ref) then return true end
      if not change.ended and removal.folder { change } == tostring(vm.parent) then return true end
    end
  end
end

--- Whether a run has tried to create its target.
function removal.tried(done)
  for _, change in ipairs(done) do if creating[change.action] then return true end end
end

--- The folder in which these changes would have created the VM, as text.
function removal.folder(done)
  for _, change in ipairs(done) do
    if creating[change.action] then return change.detail.args and change.detail.args.folder or change.object end
  end
end

--- The reference of the VM that these changes created, as text; nil if that is not known.
function removal.reference(done)
  for i = #done, 1, -1 do
    if creating[done[i].action] and done[i].made then return done[i].made end
  end
end

-- A disk that is not in the VM's own folder: deleting the VM would delete it too.
local function foreign_disk(vm)
  local own = (vm.path or ""):match "^(%[[^%]]+%] .*/)[^/]*$"
  local _, disks = vms.devices_of(vm, "VirtualDisk")
  for _, disk in ipairs(disks) do
    local file = disk.backing and disk.backing.fileName
    if file and own and file:sub(1, #own) ~= own then return file end
  end
end

--- Why a VM is not deleted, or nil. `run`: the id that it has to carry; `made`: what removal.made says.
function removal.refusal(vm, run, made)
  local mark = vm.extra["gpupt.run"]
  if mark ~= run then
    return mark and ("is not deleted: it carries the id of run %s, not of %s. Undo that run first"):format(mark, run)
      or ("is not deleted: it does not carry the id of run %s"):format(run)
  end
  if not made then
    return ("is not deleted: the journal does not say that run %s created it"):format(run)
  end
  local disk = foreign_disk(vm)
  if disk then return ("is not deleted: its disk %s is outside of its folder. Detach the disk first"):format(disk) end
end

--- Shuts the guest of a VM down; without VMware Tools it is powered off, with the approval.
function removal.power_off(ctx, target)
  local vm = ctx.fleet:vm(target.ref)
  if vm.power == "poweredOff" then return true end
  if vm.guest.running and vm.power == "poweredOn" then return power.off(ctx, target, vm) end
  ctx:require_approval("power-off", "powering off " .. target.name)
  return ctx:task(target, target.ref, "PowerOffVM_Task", {}, { action = "power-off", text = "PowerOffVM",
    detail = values.power(vm.power, "poweredOff") })
end

-- The medium has a password, and is not one of the VM's files.
local function delete_medium(ctx, target)
  local path = medium.of(ctx.fleet:vm(target.ref))
  if not path then return true end
  return medium.remove(ctx, target, path)
end

local function delete(ctx, target)
  local ok, message, code, detail = delete_medium(ctx, target)
  if not ok then return nil, message, code, detail end
  ok, message, code, detail = ctx:task(target, target.ref, "Destroy_Task", {}, { action = "delete", text = "Destroy" })
  if not ok then return nil, ("%s: %s"):format(target.name, message), code, detail end
  ctx:note(target, "deleted")
  return true
end

local function cards_of(vm)
  local list = {}
  for i, card in ipairs(vm.cards) do list[i] = card.address and hosts.short(card.address) or "a dynamic card" end
  return #list > 0 and ", which frees " .. table.concat(list, " ") or ""
end

--- The changes that delete the VM; each has make.
function removal.changes(vm)
  local changes = { needs = table.move(removal.needs, 1, #removal.needs, 1, {}) }
  if vm.power ~= "poweredOff" then
    local guest = vm.power == "poweredOn" and vm.guest.running
    changes[1] = { sign = "-", verb = guest and "guest shutdown" or "power off", make = removal.power_off,
      what = guest and "shut down the guest" or ("power off: it is %s, and its Tools do not run"):format(vm.power),
      allow = not guest and "power-off" or power.delivered(vm) and "guest-shutdown" or nil }
    table.insert(changes.needs, "VirtualMachine.Interact.PowerOff")
  end
  -- deleting needs it on the VM and on its folder
  table.insert(changes.needs, { privilege = removal.needs[1], objects = { { ref = vm.parent, name = "folder of "
    .. vm.name } } })
  local path = medium.of(vm)
  if path then table.insert(changes.needs, "Datastore.FileManagement") end
  changes[#changes + 1] = { sign = "-", verb = "delete", allow = "delete-vm", make = delete,
    what = ("delete the VM and its disks%s%s"):format(cards_of(vm), path and ", and " .. path or "") }
  return changes
end

--- The undo of a step that creates its VM. Without a creation in `done` the VM existed: then nil.
function removal.undo(ctx, target, done)
  if not removal.tried(done) then return nil end
  if not target.ref then return { changes = {}, gone = true } end
  local vm = ctx.fleet:vm(target.ref)
  local why = removal.refusal(vm, done.run, removal.made(done, vm))
  if why then return { changes = {}, left = { why } } end
  local changes = removal.changes(vm)
  return { changes = changes, gone = true, needs = changes.needs, freed = vm.cards }
end

return removal
