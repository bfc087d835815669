--- vm.clone: clones a template, a VM or a snapshot of it on the host with the cards, and has the guest customized.
-- Firmware, memory lock and settings are the source's; a source with passthrough devices is refused, because each clone
-- would have the same: gpu.attach gives every clone its own. An existing VM of that name in that folder is used.
--
-- A customization is applied by VMware Tools at the first start, so the clone is powered on and awaited
-- (gpupt.step.customization). The mark gpupt.run says which run made a clone; what the source has of gpupt's own marks
-- is not taken over.
local check = require "gpupt.failure".check
local customization = require "gpupt.step.customization"
local network_backing = require "gpupt.step.network_backing"
local power = require "gpupt.step.vm_power"
local removal = require "gpupt.step.vm_removal"
local restore = require "gpupt.step.vm_restore"
local size = require "gpupt.step.vm_size"
local source = require "gpupt.step.clone_source"
local units = require "gpupt.units"
local values = require "gpupt.step.vm_values"

local step = {
  name = "vm.clone", scope = "vms",
  options = {
    { "from", "string", required = true, late = true,
      doc = "the template or VM: its path below the datacenter's VM folder, such as gold/w11, or an inventory path" },
    { "snapshot", "string", late = true, doc = "clone this snapshot of the source, not what it is now" },
    { "linked", "boolean", default = false, late = true,
      doc = "a linked clone: its disks are children of the snapshot's; of the current one unless snapshot is given" },
    { "customization", "string", late = true,
      doc = "the name of a customization specification in vCenter; the clone is powered on, and its end awaited" },
    { "tpm", "string", choices = { "replace", "copy" }, late = true,
      doc = "the clone's vTPM, if the source has one: a new one, or a copy with the same secrets" },
    { "cpus", "integer", late = true, doc = "virtual CPUs; default: the source's" },
    { "memory", "string|integer", late = true, doc = "memory size, for example 16 GiB; default: the source's" },
    { "power_on", "boolean", late = true, doc = "power the clone on; default: if it is customized, or if a later step "
      .. "before gpu.attach runs in its guest" },
    { "customize_within", "string", default = "60m", late = true, doc = "how long the customization may take" },
  },
  needs = { "VirtualMachine.Inventory.CreateFromExisting", "VirtualMachine.Provisioning.Clone",
    "VirtualMachine.Provisioning.DeployTemplate", "VirtualMachine.Config.AdvancedConfig",
    "VirtualMachine.Config.Memory", "VirtualMachine.Config.CPUCount", "VirtualMachine.Interact.PowerOn",
    "Datastore.AllocateSpace", "Network.Assign", "Resource.AssignVMToPool" },
}

local CUSTOMIZES = { "VirtualMachine.Provisioning.Customize", "VirtualMachine.Provisioning.ReadCustSpecs" }

function step.also_needs(o)
  return o and o.customization == nil and {} or CUSTOMIZES
end

function step.check(o)
  if o.memory ~= nil and type(o.memory) ~= "function" then
    local _, message = units.mebibytes(o.memory)
    if message then return "memory: " .. message end
  end
  if math.type(o.cpus) == "integer" and o.cpus < 1 then return "cpus must be at least 1" end
  if type(o.customize_within) == "string" then
    local _, message = units.duration(o.customize_within)
    if message then return "customize_within: " .. message end
  end
  if o.customization ~= nil and o.power_on == false then
    return "power_on = false: a customization is applied at the first start of the clone"
  end
end

local function memory_of(o) return o.memory ~= nil and check(units.mebibytes(o.memory)) or nil end

--- The memory of the clone, and for a linked one the datastores of the disks that it needs.
function step.place(fleet, target, o)
  if target.ref then return nil end
  local memory = memory_of(o)
  if memory and not o.linked then return { memory_mb = memory } end
  local found = source.read(fleet, target, o)
  if not found then return { memory_mb = memory } end -- observe says why
  return { memory_mb = memory or found.as.memory_mb, stores = o.linked and found.stores or nil }
end

--- Whether a step that runs in the guest comes before the card.
local function guest_first(target)
  for _, instance in ipairs(target.scope.children) do
    if instance.name == "gpu.attach" then return false end
    if instance.step.login then return true end
  end
  return false
end

-- `customized`: its customization has ended already, which needed a start.
local function starts(target, customized)
  local o = target.options
  if o.power_on ~= nil then return o.power_on end
  return o.customization ~= nil and not customized or guest_first(target)
end

function step.observe(ctx, target)
  local o = target.options
  if target.ref then return { vm = ctx.fleet:vm(target.ref) } end
  if ctx.vc.about.apiType == "HostAgent" then
    return nil, ("%s is an ESXi host, and only vCenter clones VMs"):format(ctx.vc.host), "ENOTSUP"
  end
  local found, message, code, detail = source.read(ctx.fleet, target, o)
  if not found then return nil, ("%s: %s"):format(target.name, message), code, detail end
  local item
  if o.customization then
    item, message, code, detail = customization.read(ctx, o.customization)
    -- a plan can be made by an account that may not read it
    local unseen = code == "NoPermission" and ctx.planning
    if not item and not unseen then return nil, ("%s: %s"):format(target.name, message), code, detail end
  end
  return { source = found, item = item, unseen = o.customization and not item and message or nil,
    root = ctx.vc.content.rootFolder }
end

local function start_change(name, running)
  if not name then return { sign = "~", verb = "power on", what = "power on", starts = true } end
  return { sign = "+", verb = "customize", starts = not running or nil,
    what = ("%swait until the guest is customized by '%s'"):format(running and "" or "power on, and ", name) }
end

-- An existing VM: its size, and what an interrupted run has not finished.
local function plan_existing(ctx, target, vm)
  local o = target.options
  if vm.template then return nil, target.name .. " is a template, not a clone", "EREFUSED" end
  local memory = memory_of(o)
  local changes, message, code = size.changes(target, vm, memory, o.cpus)
  if not changes then return nil, message, code end
  if not vm.extra["gpupt.run"] then ctx:note(target, "exists, and was not made by gpupt: it is used as it is") end
  local pending = vm.extra[customization.MARK]
  local fresh = #vm.cards == 0 and not power.delivered(vm)
  if pending or fresh and vm.power ~= "poweredOn" and starts(target, true) then
    changes[#changes + 1] = start_change(pending, vm.power == "poweredOn")
    changes.needs = table.move(size.NEEDS, 1, #size.NEEDS, 1, {})
    changes.needs[#changes.needs + 1] = "VirtualMachine.Interact.PowerOn"
    if pending then changes.needs[#changes.needs + 1] = "VirtualMachine.Config.AdvancedConfig" end
    return changes, { memory_mb = memory or vm.memory_mb, installs = true }
  end
  return changes, { memory_mb = memory or vm.memory_mb }
end

local function needs_of(target, seen)
  local o, from = target.options, seen.source.vm
  local function on_source(word)
    return { privilege = "VirtualMachine.Provisioning." .. word,
      objects = { { ref = from.ref, name = seen.source.path } } }
  end
  local list = { on_source(from.template and "DeployTemplate" or "Clone"),
    "VirtualMachine.Inventory.CreateFromExisting", "VirtualMachine.Config.AdvancedConfig",
    "Datastore.AllocateSpace", "Resource.AssignVMToPool" }
  if o.customization then
    list[#list + 1] = on_source "Customize"
    list[#list + 1] = { privilege = "VirtualMachine.Provisioning.ReadCustSpecs",
      objects = { { ref = seen.root, name = "of the inventory's root" } } }
  end
  if o.cpus then list[#list + 1] = "VirtualMachine.Config.CPUCount" end
  if o.memory then list[#list + 1] = "VirtualMachine.Config.Memory" end
  if target.network then list[#list + 1] = "Network.Assign" end
  if starts(target) then list[#list + 1] = "VirtualMachine.Interact.PowerOn" end
  return list
end

local function memory_text(memory)
  return memory % 1024 == 0 and ("%d GiB"):format(memory // 1024) or ("%d MiB"):format(memory)
end

-- What is cloned; where to follows, unless equal clones are one line.
local function clone_text(target, found, memory)
  local o, like = target.options, found.as
  local words = { like.firmware, units.count(o.cpus or like.cpus, "CPU"),
    memory_text(memory) .. (like.locked and " locked" or "") }
  if found.tpm then words[#words + 1] = "vTPM " .. (o.tpm == "replace" and "replaced" or "copied") end
  return ("%s of %s%s (%s)"):format(o.linked and "linked clone" or "clone", found.path,
    found.snapshot and " at snapshot " .. found.snapshot_name or "", table.concat(words, ", "))
end

-- All mistakes of a new clone, as one text; or nil.
local function mistakes(target, seen)
  local o, found = target.options, seen.source
  local list = source.refusals(found, o)
  if seen.item then list[#list + 1] = customization.misfit(seen.item, found, target.name) end
  if target.network and found.networks == 0 then
    list[#list + 1] = ("place: network = '%s', and %s has no network adapter"):format(target.network_name, found.path)
  end
  return #list > 0 and table.concat(list, "; ") or nil
end

function step.plan(ctx, target, seen)
  if seen.vm then return plan_existing(ctx, target, seen.vm) end
  local o, found = target.options, seen.source
  local wrong = mistakes(target, seen)
  if wrong then return nil, ("%s: %s"):format(target.name, wrong), "EREFUSED" end
  if not target.host then return nil, ("%s: no suitable host was found"):format(target.name), "ENOHOST" end
  if seen.unseen then ctx:note(target, "unverified: " .. seen.unseen) end
  local same = seen.item and customization.same_name(seen.item)
  if same and (target.scope.options.count or 1) > 1 then
    ctx:note(target, ("'%s' names every guest '%s': use a specification with the VM's name"):format(o.customization,
      same))
  end
  target.clone = found
  local memory = memory_of(o) or found.as.memory_mb
  local text = clone_text(target, found, memory)
  local changes = { { sign = "+", verb = "create", what = ("%s, on %s"):format(text, target.host.name), same = text },
    needs = needs_of(target, seen) }
  if starts(target) then changes[2] = start_change(o.customization) end
  -- what gpu.attach will find
  local like = setmetatable({ template = false, power = "poweredOff", memory_mb = memory }, { __index = found.as })
  return changes, { memory_mb = memory, guest_id = found.as.guest_id, firmware = found.as.firmware, like = like,
    installs = starts(target) or nil }
end

function step.requires(o, target, changes)
  local found = target.clone
  if not (found and changes[1] and changes[1].verb == "create") then return {} end
  -- the disks of a linked clone begin empty
  if o.linked then return { disk_bytes = 0 } end
  return { disk_bytes = found.capacity, disk_now = found.committed }
end

-- The first network adapter is connected to the network of `place`.
local function network_change(target, found)
  local backing = found.adapter and network_backing(target)
  if not backing then return nil end
  local adapter = found.adapter
  return { { operation = "edit", device = { _type = adapter._type, key = adapter.key, backing = backing,
    controllerKey = adapter.controllerKey, unitNumber = adapter.unitNumber,
    connectable = { startConnected = true, allowGuestControl = true, connected = false } } } }
end

local function clone(ctx, target, seen)
  local o, found = target.options, seen.source
  -- the source may have changed since the plan
  local wrong = mistakes(target, seen)
  if wrong then return nil, ("%s: %s"):format(target.name, wrong), "EREFUSED" end
  local extra = { { key = "gpupt.run", value = ctx.run } }
  if seen.item then extra[2] = { key = customization.MARK, value = o.customization } end
  for _, key in ipairs { "gpupt.proved", "gpupt.medium", customization.MARK } do
    if found.as.extra[key:lower()] and not (key == customization.MARK and seen.item) then
      extra[#extra + 1] = { key = key, value = "" }
    end
  end
  local ref, message, code, detail = ctx:task(target, found.vm.ref, "CloneVM_Task", {
    folder = target.folder, name = target.name, spec = {
      location = { datastore = target.datastore_ref, pool = target.pool, host = target.host.ref,
        diskMoveType = o.linked and "createNewChildDiskBacking" or nil, deviceChange = network_change(target, found) },
      template = false, powerOn = false, snapshot = found.snapshot, tpmProvisionPolicy = found.tpm and o.tpm or nil,
      config = { numCPUs = o.cpus, memoryMB = memory_of(o), extraConfig = extra },
      customization = seen.item and seen.item.spec or nil } },
    { action = "create", text = "CloneVM" })
  if not ref then return nil, message, code, detail end
  target.ref = ref
  return true
end

-- Powers the clone on, and waits for its customization.
local function start(ctx, target)
  local vm = ctx.fleet:vm(target.ref)
  local ok, message, code, detail = power.on(ctx, target, vm)
  local name = vm.extra[customization.MARK]
  if not ok or not name then return ok, message, code, detail end
  local item = customization.read(ctx, name) or { info = { name = name }, spec = { identity = {} } }
  ok, message, code, detail = customization.wait(ctx, target, item, units.duration(target.options.customize_within))
  if not ok then return nil, message, code, detail end
  return values.reconfigure(ctx, target, vm, { extraConfig = { { key = customization.MARK, value = "" } } },
    { action = "customized", text = "ReconfigVM (the guest is customized)" })
end

local function has(changes, ...)
  for _, change in ipairs(changes) do
    for _, verb in ipairs { ... } do if change.verb == verb then return true end end
  end
end

function step.apply(ctx, target, changes, seen)
  local ok, message, code, detail = true, nil, nil, nil
  if not seen.vm then
    ok, message, code, detail = clone(ctx, target, seen)
  elseif has(changes, "resize") then
    ok, message, code, detail = size.apply(ctx, target, seen.vm, memory_of(target.options), target.options.cpus)
  end
  if ok and has(changes, "customize", "power on") then ok, message, code, detail = start(ctx, target) end
  if not ok then return nil, message, code, detail end
  return true
end

function step.prove(ctx, target)
  if not target.ref then return nil, target.name .. " does not exist", "EPROOF" end
  local vm, found = ctx.fleet:vm(target.ref), target.clone
  if vm.extra[customization.MARK] then return nil, target.name .. ": the guest is not customized", "EPROOF" end
  if not found then return ("exists, %s, on %s"):format(vm.firmware, target.host.name) end
  local like = found.as
  if vm.firmware ~= like.firmware then
    return nil, ("%s boots with %s, and its source with %s"):format(target.name, vm.firmware, like.firmware), "EPROOF"
  end
  if vm.locked ~= like.locked then
    return nil, ("%s: the memory lock of the source was not kept"):format(target.name), "EPROOF"
  end
  return ("clone of %s, %s, on %s"):format(found.path, vm.firmware, target.host.name)
end

--- Deletes a clone that the run made; one that existed gets its values back.
function step.undo(ctx, target, done)
  return removal.undo(ctx, target, done) or restore.undo(ctx, target, done)
end

return step
