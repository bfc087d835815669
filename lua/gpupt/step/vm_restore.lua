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
local hosts = require "gpupt.fleet.host"
local power = require "gpupt.step.vm_power"
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
  if values.fields[one.name] then return true, vm[values.fields[one.name]] end
  return one.unknown == true
end

local labels = { memoryMB = "memory in MiB", numCPUs = "CPUs", memoryReservationLockedToMax = "memory locked",
  ["memoryAllocation.reservation"] = "memory reservation in MiB", ["memoryAllocation.limit"] = "memory limit in MiB",
  cpuHotAddEnabled = "CPU hot-add", memoryHotAddEnabled = "memory hot-add",
  nestedHVEnabled = "nested virtualization" }

local function label(one) return one.key or labels[one.name] or one.name end

-- Marks of gpupt can be changed while the VM runs; a plan names them in one line.
local function is_mark(one) return one.name == "extraConfig" and one.key:find "^gpupt%." ~= nil end

local function put(spec, one)
  local part = one.name:match "^memoryAllocation%.(.+)$"
  if one.name == "extraConfig" then
    spec.extraConfig = spec.extraConfig or {}
    table.insert(spec.extraConfig, { key = one.key, value = one.before or "" })
  elseif part then
    spec.memoryAllocation = spec.memoryAllocation or {}
    spec.memoryAllocation[part] = one.before
  else
    spec[one.name] = one.before
  end
end

-- ---- devices

-- Whether a device has what the run gave it. The server adds fields of its own.
local function has(device, wanted)
  if type(wanted) ~= "table" or type(device) ~= "table" then return device == wanted end
  for name, value in pairs(wanted) do
    if name ~= "key" and name ~= "controllerKey" and name ~= "connected" and not has(device[name], value) then
      return false
    end
  end
  return true
end

-- What identifies an added device: the backing of a card; of others their type and place.
local function same_kind(device, added)
  if device._type ~= added._type then return false end
  if device._type == "VirtualPCIPassthrough" then
    local a, b = device.backing or {}, added.backing or {}
    if a._type ~= b._type then return false end
    if b.id then return a.id == b.id and a.systemId == b.systemId end
    return (a.customLabel or "") == (b.customLabel or "") and has(a.allowedDevice, b.allowedDevice)
  end
  return device.unitNumber == added.unitNumber and (added.busNumber == nil or device.busNumber == added.busNumber)
end

local function card_name(device)
  local id = device.backing and device.backing.id
  return id and hosts.short(id) or "a card"
end

-- The devices of the VM that the run added and that are still there.
local function added(vm, done)
  local list, taken = {}, {}
  for _, change in ipairs(done) do
    local old = {}
    for _, key in ipairs(change.detail.keys or {}) do old[key] = true end
    for _, one in ipairs(change.detail.devices or {}) do
      for _, device in ipairs(one.operation == "add" and vm.devices or {}) do
        if not old[device.key] and not taken[device.key] and same_kind(device, one.after) then
          taken[device.key] = true
          list[#list + 1] = { device = device, as = one.after }
          break
        end
      end
    end
  end
  return list, taken
end

local function describe(device)
  if device._type == "VirtualCdrom" then return "the CD drive" end
  if device._type == "VirtualMachineVideoCard" then return "the video card" end
  return device._type:gsub("^Virtual", "")
end

local function remove_added(vm, done, result)
  local list, taken = added(vm, done)
  for _, one in ipairs(list) do
    local device = one.device
    local file = device._type == "VirtualCdrom" and device.backing and device.backing.fileName
    local users = {}
    for _, other in ipairs(vm.devices) do
      if other.controllerKey == device.key and not taken[other.key] then users[#users + 1] = describe(other) end
    end
    if file and not (one.as.backing and file == one.as.backing.fileName) then
      result.left[#result.left + 1] = ("%s that the run added: %s is in it now"):format(describe(device), file)
      taken[device.key] = nil
    elseif #users > 0 then
      result.left[#result.left + 1] = ("%s that the run added: it is used by %s"):format(describe(device),
        table.concat(users, ", "))
    else
      table.insert(result.devices, { operation = "remove", device = { _type = device._type, key = device.key } })
      local card = device._type == "VirtualPCIPassthrough"
      table.insert(result.lines, { sign = "-", verb = card and "detach" or "reconfigure",
        what = card and "detach " .. card_name(device) or "remove " .. describe(device), off = true })
      if card then table.insert(result.freed, device.backing and device.backing.id or false) end
    end
  end
end

-- Edited devices: the device before the first edit, and what the run made of it.
local function edited(done)
  local list, by_key, new = {}, {}, {}
  for _, change in ipairs(done) do
    for _, one in ipairs(change.detail.devices or {}) do
      local key = one.before and one.before.key
      if one.operation == "edit" and key and not new[key] then
        if not by_key[key] then
          by_key[key] = { before = one.before, after = {} }
          list[#list + 1] = by_key[key]
        end
        table.insert(by_key[key].after, one.after)
      end
    end
  end
  return list
end

-- Only what the run edited is set back.
local function back(device, one)
  local result = { _type = device._type, key = device.key, controllerKey = device.controllerKey,
    unitNumber = device.unitNumber }
  for _, after in ipairs(one.after) do
    for name in pairs(after) do if result[name] == nil then result[name] = one.before[name] end end
  end
  local connect = result.connectable -- its other fields are a state
  if connect then
    result.connectable = { startConnected = connect.startConnected, allowGuestControl = connect.allowGuestControl,
      connected = false }
  end
  return result
end

local function restore_edited(vm, done, taken, result)
  for _, one in ipairs(edited(done)) do
    local now
    for _, device in ipairs(vm.devices) do if device.key == one.before.key then now = device end end
    local wanted = now and back(now, one)
    if now and not taken[now.key] and not has(now, wanted) then
      local ours = false
      for _, after in ipairs(one.after) do ours = ours or has(now, after) end
      if ours then
        table.insert(result.devices, { operation = "edit", device = wanted })
        table.insert(result.lines, { sign = "~", verb = "reconfigure", what = describe(now) .. " as before",
          off = now._type ~= "VirtualCdrom" })
      else
        result.left[#result.left + 1] = describe(now) .. ": its settings were changed since"
      end
    end
  end
end

-- Whether the run itself had added a device.
local function own(done, device)
  for _, change in ipairs(done) do
    for _, one in ipairs(change.detail.devices or {}) do
      if one.operation == "add" and same_kind(device, one.after) then return true end
    end
  end
end

-- A card as a new device of the VM.
local function again(device, key)
  local from, backing = device.backing, { _type = device.backing._type, deviceName = device.backing.deviceName or "" }
  for _, name in ipairs { "id", "deviceId", "systemId", "vendorId", "allowedDevice", "customLabel" } do
    backing[name] = from[name]
  end
  return { _type = device._type, key = key, backing = backing }
end

-- Cards that the run took from the VM are attached again, unless they are in use (`busy`). Cards of another host, which
-- gpu.attach removes from a copied VM, never are.
local function removed(vm, done, result, busy)
  local used = {}
  for _, change in ipairs(done) do
    for _, one in ipairs(change.detail.devices or {}) do
      local device = one.operation == "remove" and one.before
      if device and device._type == "VirtualPCIPassthrough" and device.backing and not own(done, device) then
        local there
        for _, now in ipairs(vm.devices) do
          if not there and not used[now.key] and same_kind(now, device) then there = now end
        end
        local why = busy and device.backing.id and busy(device.backing.id)
        if there then
          used[there.key] = true
        elseif change.action ~= "remove-cards" then
          result.lost[#result.lost + 1] = ("%s, which the run removed from the VM, is not attached again")
            :format(card_name(device))
        elseif why then
          result.left[#result.left + 1] = ("%s is not attached again: %s"):format(card_name(device), why)
        else
          table.insert(result.devices, { operation = "add", device = again(device, -100 - #result.devices) })
          table.insert(result.lines, { sign = "+", verb = "attach", what = "attach " .. card_name(device), off = true })
        end
      end
    end
  end
end

local function devices(vm, done, result, busy)
  remove_added(vm, done, result)
  local taken = {}
  for _, one in ipairs(result.devices) do taken[one.device.key] = true end
  restore_edited(vm, done, taken, result)
  removed(vm, done, result, busy)
end

--- Compares the VM with what the run made of it: { spec = what to reconfigure or nil, lines = changes for the plan,
-- off = whether the VM has to be off for that, left =, lost =, freed = addresses of cards }.
function restore.compare(vm, done, forecast, busy)
  local result = { lines = {}, left = {}, lost = {}, devices = {}, freed = {}, restored = {} }
  local spec, marks = {}, 0
  devices(vm, done, result, busy)
  for _, one in ipairs((restore.fold(done))) do
    local known, now = read(vm, one)
    local planned = forecast and forecast[one.id]
    if planned then now = planned[1] end
    local verdict, why
    if known then verdict, why = restore.judge(one, now) end
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

-- The change that shuts the guest down, if the VM has to be off. It is started again by the undo of its power state.
local function shutdown(vm)
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

--- The undo of a step that reconfigures its VM. `busy(address)`: why a card that was detached is not free, or nil.
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
    changes[1] = shutdown(vm)
    result.forecast.power, result.forecast.off_meanwhile = "poweredOff", true
  end
  for i, line in ipairs(found.lines) do
    changes[#changes + 1] = { sign = line.sign, verb = line.verb, what = line.what,
      make = i == 1 and reconfigure(done, busy) or nil }
  end
  result.freed = found.freed
  changes.needs = table.move(NEEDS, 1, #NEEDS, 1, {})
  if changes[1].verb == "guest shutdown" then table.insert(changes.needs, "VirtualMachine.Interact.PowerOff") end
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
    result.changes[1] = shutdown(vm)
    result.forecast = { power = "poweredOff", off_meanwhile = true }
    result.changes.needs = { "VirtualMachine.Interact.PowerOff" }
  end
  return result
end

return restore
