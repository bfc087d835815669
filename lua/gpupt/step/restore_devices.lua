--- Sets a VM's devices back, as the journal of a run has them: what the run added is removed, what it edited gets its
-- settings back, and cards that it took away are attached again. What was changed since is left, and named.
--
--   added, still as the run left it     removed, unless something else uses it now
--   edited                              the fields that the run edited
--   a card that a step detached         attached again, if it is free and where it was
--   a backing that a repair replaced    both or none: the old one comes back only if its card is there, else the new
--                                       one stays, because the VM would have no card
local hosts = require "gpupt.fleet.host"

local restore_devices = {}

-- A field of a value as the server or the journal has it; nil also of a type that does not have it: a backing may be of
-- another kind than the run left.
local function field(value, name) return value and rawget(value, name) end

-- Whether a device has what the run gave it. The server adds fields of its own.
local function has(device, wanted)
  if type(wanted) ~= "table" or type(device) ~= "table" then return device == wanted end
  for name, value in pairs(wanted) do
    if name ~= "key" and name ~= "controllerKey" and name ~= "connected" and not has(field(device, name), value) then
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

local function address_of(device) return field(device.backing, "id") end

local function card_name(device)
  local id = address_of(device)
  return id and hosts.short(id) or "a dynamic card"
end

-- The devices of the VM that the run added and that are still there.
local function added(vm, done)
  local list, taken = {}, {}
  for _, change in ipairs(done) do
    local old = {}
    for _, key in ipairs(change.detail.keys or {}) do old[key] = true end
    -- a device may get the key of one that was removed with the same call
    for _, one in ipairs(change.detail.devices or {}) do
      if one.operation == "remove" and one.before then old[one.before.key] = nil end
    end
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

-- What a repair replaced: { old = device, new = device }, in the order of its spec.
local function replaced(done)
  local list = {}
  for _, change in ipairs(done) do
    local old, new = {}, {}
    for _, one in ipairs(change.action == "repair" and change.detail.devices or {}) do
      if one.operation == "remove" then old[#old + 1] = one.before end
      if one.operation == "add" then new[#new + 1] = one.after end
    end
    for i, device in ipairs(old) do
      if new[i] and device.backing then list[#list + 1] = { old = device, new = new[i] } end
    end
  end
  return list
end

-- Which replaced backings stay: a set of the run's devices (`new`), and of the devices before (`old`).
local function staying(vm, done, result, busy)
  local set = {}
  for _, pair in ipairs(replaced(done)) do
    local old, new
    for _, device in ipairs(vm.devices) do
      if same_kind(device, pair.old) then old = device elseif same_kind(device, pair.new) then new = device end
    end
    local why = not new and "the new one is not there any more" or not busy and "its card is not known"
      or busy(pair.old)
    if not old and why then
      set[pair.old], set[pair.new] = true, true
      result.left[#result.left + 1] = ("the backing %s, which the run set in place of %s: %s"):format(
        card_name(pair.new), card_name(pair.old), why)
    end
  end
  return set
end

local function remove_added(vm, done, result, stay)
  local list, taken = added(vm, done)
  for _, one in ipairs(list) do
    local device = one.device
    local file = device._type == "VirtualCdrom" and field(device.backing, "fileName")
    local users = {}
    for _, other in ipairs(vm.devices) do
      if other.controllerKey == device.key and not taken[other.key] then users[#users + 1] = describe(other) end
    end
    if stay[one.as] then
      taken[device.key] = nil
    elseif file and not (one.as.backing and file == field(one.as.backing, "fileName")) then
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
      if card then table.insert(result.freed, address_of(device) or false) end
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

-- The changes that take cards from a VM which had them. What gpu.attach removes it replaces: a card of the VM's own
-- host comes back, those of another host, which a copied VM names, are never attached again.
local takes = { ["remove-cards"] = true, detach = true, repair = true }

local function removed(vm, done, result, busy, stay)
  local used = {}
  for _, change in ipairs(done) do
    for _, one in ipairs(change.detail.devices or {}) do
      local device = one.operation == "remove" and one.before
      if device and device._type == "VirtualPCIPassthrough" and device.backing and not own(done, device)
        and not stay[device] then
        local there
        for _, now in ipairs(vm.devices) do
          if not there and not used[now.key] and same_kind(now, device) then there = now end
        end
        local why = busy and address_of(device) and busy(device)
        if there then
          used[there.key] = true
        elseif not takes[change.action] and not (busy and address_of(device) and not why) then
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

--- Adds to `result` what is to be done about the devices of a VM: devices (for deviceChange), lines (for the plan),
-- freed (addresses), left, lost. `busy(device)`: why the card of a backing that the run removed cannot be attached
-- again, or nil.
function restore_devices.compare(vm, done, result, busy)
  local stay = staying(vm, done, result, busy)
  remove_added(vm, done, result, stay)
  local taken = {}
  for _, one in ipairs(result.devices) do taken[one.device.key] = true end
  restore_edited(vm, done, taken, result)
  removed(vm, done, result, busy, stay)
end

return restore_devices
