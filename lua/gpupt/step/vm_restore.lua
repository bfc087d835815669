--- Takes back what a run changed in the configuration of a VM, by the values before that gpupt.step.vm_values put into
-- the run's journal: one reconfigure, guarded by changeVersion.
--
--   now = as the run left it    set back to the value before
--   now = as before             nothing to do: it was taken back already, or the change was not made
--   anything else               it was changed since: left as it is, and named
--
-- A field may have been changed several times: before the first change counts, and the results of all of them are the
-- run's (of one whose outcome is unknown too). In a plan the undo of an earlier step has not been made yet:
-- target.forecast.restored has what it will set.
local power = require "gpupt.step.vm_power"
local removal = require "gpupt.step.vm_removal"
local restore_devices = require "gpupt.step.restore_devices"
local values = require "gpupt.step.vm_values"

local restore = {}

local function id_of(entry) return entry.key and entry.name .. " " .. entry.key:lower() or entry.name end

--- The changed values of these journalled changes, in order: { id =, name =, key =, before =, after = { values } }.
function restore.fold(done)
  local list, by_id = {}, {}
  for _, change in ipairs(done) do
    for _, entry in ipairs(change.detail.values or {}) do
      local id = id_of(entry)
      local one = by_id[id]
      if not one then
        one = { id = id, name = entry.name, key = entry.key, before = entry.before, unknown = entry.unknown,
          after = {} }
        by_id[id], list[#list + 1] = one, one
      end
      table.insert(one.after, { entry.after })
    end
  end
  return list, by_id
end

local function text_of(value) return value == nil and "not set" or tostring(value) end

--- Whether a value is one that the run set.
function restore.is_ours(one, now)
  for _, after in ipairs(one.after) do if after[1] == now then return true end end
  return false
end

--- What is to be done about a value that is `now`: "restore", "nothing", or nil and why not.
function restore.judge(one, now)
  if one.unknown or type(one.before) == "table" then return nil, "its value before is not in the journal" end
  if now == one.before then return "nothing" end
  if restore.is_ours(one, now) then return "restore" end
  return nil, ("it is %s now, and the run set it from %s to %s"):format(text_of(now), text_of(one.before),
    text_of(one.after[#one.after][1]))
end

-- What a VM's record has for a changed value; false if it is no value of the configuration.
local function read(vm, one)
  if one.name == "extraConfig" then return true, vm.extra[one.key:lower()] end
  local part = one.name:match "^memoryAllocation%.(.+)$"
  if part then return true, vm[values.allocation[part] or ""] end
  local flag = one.name:match "^flags%.(.+)$"
  if flag then return true, vm[values.flags[flag] or ""] end
  if values.fields[one.name] then return true, vm[values.fields[one.name]] end
  return one.unknown == true
end

local labels = { memoryMB = "memory in MiB", numCPUs = "CPUs", memoryReservationLockedToMax = "memory locked",
  ["memoryAllocation.reservation"] = "memory reservation in MiB", ["memoryAllocation.limit"] = "memory limit in MiB",
  cpuHotAddEnabled = "CPU hot-add", memoryHotAddEnabled = "memory hot-add",
  nestedHVEnabled = "nested virtualization", ["flags.vbsEnabled"] = "virtualization-based security",
  ["flags.vvtdEnabled"] = "virtual IOMMU" }

local function label(one) return one.key or labels[one.name] or one.name end

-- Settings that only work together are set back together or not at all.
local TOGETHER = { { "pciPassthru.use64bitMMIO", "pciPassthru.64bitMMIOSizeGB" } }

local partners = {}
for _, keys in ipairs(TOGETHER) do
  for _, key in ipairs(keys) do
    for _, other in ipairs(keys) do
      if other ~= key then partners["extraConfig " .. key:lower()] = "extraConfig " .. other:lower() end
    end
  end
end

-- Why a value stays although it is as the run left it: what it works with was changed since. `all`: the values that any
-- step of the run changed, by id.
local function stays_with(vm, one, all, forecast)
  local other = all[partners[one.id] or ""]
  if not other then return nil end
  local _, now = read(vm, other)
  if forecast and forecast[other.id] then now = forecast[other.id][1] end
  if restore.judge(other, now) then return nil end
  return ("it stays with %s, which was changed since and works only together with it"):format(label(other))
end

-- What a VM with a card cannot have: VBS, and what it needs.
local EXCLUDED = { nestedHVEnabled = true, ["flags.vbsEnabled"] = true, ["flags.vvtdEnabled"] = true }

-- Why such a setting stays off, or nil: the VM still has a card after these device changes.
local function excluded(vm, one, devices)
  if not (EXCLUDED[one.name] and one.before == true) then return nil end
  local count = #vm.cards
  for _, change in ipairs(devices) do
    if change.device._type == "VirtualPCIPassthrough" then count = count + (change.operation == "add" and 1 or -1) end
  end
  return count > 0 and "it stays off, because the VM has a card that the run did not attach" or nil
end

-- Marks of gpupt can be changed while the VM runs; a plan names them in one line.
local function is_mark(one) return one.name == "extraConfig" and one.key:find "^gpupt%." ~= nil end

local function put(spec, one)
  local part, flag = one.name:match "^memoryAllocation%.(.+)$", one.name:match "^flags%.(.+)$"
  if one.name == "extraConfig" then
    spec.extraConfig = spec.extraConfig or {}
    table.insert(spec.extraConfig, { key = one.key, value = one.before or "" })
  elseif part then
    spec.memoryAllocation = spec.memoryAllocation or {}
    spec.memoryAllocation[part] = one.before
  elseif flag then
    spec.flags = spec.flags or {}
    spec.flags[flag] = one.before
  else
    spec[one.name] = one.before
  end
end

--- Compares the VM with what the run made of it: { spec = what to reconfigure or nil, lines = changes for the plan,
-- off = whether the VM has to be off for that, left =, lost =, freed = addresses of cards }.
function restore.compare(vm, done, forecast, busy)
  local result = { lines = {}, left = {}, lost = {}, devices = {}, freed = {}, restored = {} }
  local spec, marks = {}, 0
  local _, all = restore.fold(done.all or done)
  restore_devices.compare(vm, done, result, busy)
  for _, one in ipairs((restore.fold(done))) do
    local known, now = read(vm, one)
    local planned = forecast and forecast[one.id]
    if planned then now = planned[1] end
    local verdict, why
    if known then verdict, why = restore.judge(one, now) end
    local with = verdict == "restore" and (stays_with(vm, one, all, forecast) or excluded(vm, one, result.devices))
    if with then verdict, why = nil, with end
    if verdict == "restore" then
      put(spec, one)
      result.restored[one.id] = { one.before }
      if is_mark(one) then
        marks = marks + 1
      else
        table.insert(result.lines, { sign = "~", verb = "reconfigure", off = true,
          what = ("%s %s -> %s"):format(label(one), text_of(now), text_of(one.before)) })
      end
    elseif known and not verdict then
      result.left[#result.left + 1] = ("%s: %s"):format(label(one), why)
    end
  end
  if marks > 0 then
    table.insert(result.lines, { sign = "~", verb = "reconfigure",
      what = marks == 1 and "the mark of gpupt as before" or ("%d marks of gpupt as before"):format(marks) })
  end
  if #result.devices > 0 then spec.deviceChange = result.devices end
  for _, line in ipairs(result.lines) do result.off = result.off or line.off end
  if next(spec) then
    spec.changeVersion = vm.change_version
    result.spec = spec
  end
  return result
end

-- ---- as the undo of a step

local NEEDS = { "VirtualMachine.Config.AddRemoveDevice", "VirtualMachine.Config.EditDevice",
  "VirtualMachine.Config.AdvancedConfig", "VirtualMachine.Config.Resource", "VirtualMachine.Config.Settings",
  "VirtualMachine.Config.Memory", "VirtualMachine.Config.CPUCount" }

--- The privileges of setting a configuration back.
restore.needs = NEEDS

-- A VM without VMware Tools, that the run itself may have started, cannot be shut down.
local function without_tools(vm)
  return vm.power == "poweredOn" and not vm.guest.running and vm.guest.version_status == "guestToolsNotInstalled"
end

--- The change that shuts the guest down, if the VM has to be off. It is started again by the undo of its power state.
function restore.shutdown(vm)
  if without_tools(vm) then
    return { sign = "-", verb = "power off", what = "power off: it has no VMware Tools", allow = "power-off",
      make = removal.power_off }
  end
  return { sign = "-", verb = "guest shutdown", what = "shut down the guest",
    allow = power.delivered(vm) and "guest-shutdown" or nil,
    make = function(ctx, target) return power.off(ctx, target, ctx.fleet:vm(target.ref)) end }
end

local function reconfigure(done, busy)
  return function(ctx, target)
    local vm = ctx.fleet:vm(target.ref)
    local now = restore.compare(vm, done, nil, busy)
    if not now.spec then return true end
    return values.reconfigure(ctx, target, vm, now.spec, { action = "restore", text = "ReconfigVM (as before)" })
  end
end

--- The undo of a step that reconfigures its VM. `busy(device)`: why a card that was
-- detached is not free, or nil (gpupt.step.card_back).
function restore.undo(ctx, target, done, busy)
  local result = { changes = {}, lost = {}, left = {} }
  local vm = target.ref and ctx.fleet:vm(target.ref)
  if not vm then return result end
  local found = restore.compare(vm, done, target.forecast.restored, busy)
  result.lost, result.left = found.lost, found.left
  if not found.spec then return result end
  local restored = {}
  for _, set in ipairs { target.forecast.restored or {}, found.restored } do
    for id, value in pairs(set) do restored[id] = value end
  end
  result.forecast = { restored = restored }
  local changes = result.changes
  if found.off and vm.power == "poweredOn" and target.forecast.power ~= "poweredOff" then
    changes[1] = restore.shutdown(vm)
    result.forecast.power, result.forecast.off_meanwhile = "poweredOff", true
  end
  for i, line in ipairs(found.lines) do
    changes[#changes + 1] = { sign = line.sign, verb = line.verb, what = line.what,
      make = i == 1 and reconfigure(done, busy) or nil }
  end
  result.freed = found.freed
  changes.needs = table.move(NEEDS, 1, #NEEDS, 1, {})
  if changes[1].verb == "guest shutdown" or changes[1].verb == "power off" then
    table.insert(changes.needs, "VirtualMachine.Interact.PowerOff")
  end
  return result
end

--- The power state as before the run, once its steps are taken back: an undo of all its changes at this VM.
function restore.power(ctx, target, done)
  local result = { changes = {}, lost = {}, left = {} }
  local vm = target.ref and ctx.fleet:vm(target.ref)
  if not vm then return result end
  local _, by_id = restore.fold(done)
  local one = by_id.power
  local planned = target.forecast.power
  -- this undo itself may have shut it down
  local any_step = { name = target.name, identity = target.identity }
  local ours = planned == "poweredOff" or ctx:did(any_step, "guest-shutdown") ~= nil
  local now, wanted = planned or vm.power, nil
  if one then
    wanted = (ours and now == "poweredOff" or restore.is_ours(one, now)) and one.before or nil
    if not wanted and now ~= one.before then
      result.left[1] = ("power: it is %s now, and was %s before the run"):format(now, text_of(one.before))
    end
  elseif ours then
    wanted = "poweredOn"
  end
  if not wanted or wanted == now then return result end
  if wanted == "poweredOn" then
    result.changes[1] = { sign = "~", verb = "power on", what = "power on", starts = true,
      make = function(now_ctx, of) return power.on(now_ctx, of) end }
    result.changes.needs = { "VirtualMachine.Interact.PowerOn" }
    result.forecast = { power = "poweredOn" }
  elseif wanted == "poweredOff" then
    result.changes[1] = restore.shutdown(vm)
    result.forecast = { power = "poweredOff", off_meanwhile = true }
    result.changes.needs = { "VirtualMachine.Interact.PowerOff" }
  end
  return result
end

return restore
