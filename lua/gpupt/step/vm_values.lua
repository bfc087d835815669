--- What a reconfigure of a VM changes, with the values before and after, for the journal: undo needs them.
--
--   values   { { name = "memoryMB", before =, after = }, { name = "extraConfig", key =, before =, after = }... }
--            nil before: it was not set. Only what differs.
--   devices  { { operation = "add" | "edit" | "remove", before = device, after = device }... }
--   keys     the keys of all devices before: what is not among them is new
local values = {}

-- Fields of a VirtualMachineConfigSpec, by the field of the VM's record that has the value.
local fields = { memoryMB = "memory_mb", numCPUs = "cpus", memoryReservationLockedToMax = "locked",
  cpuHotAddEnabled = "cpu_hot_add", memoryHotAddEnabled = "memory_hot_add", nestedHVEnabled = "nested" }
local allocation = { reservation = "reservation_mb", limit = "limit_mb" }
local flags = { vbsEnabled = "vbs", vvtdEnabled = "vvtd" }
local apart = { changeVersion = true, extraConfig = true, deviceChange = true, memoryAllocation = true, flags = true }

values.fields, values.allocation, values.flags = fields, allocation, flags

local function add(list, entry)
  if entry.before ~= entry.after then list[#list + 1] = entry end
end

local function sorted(spec)
  local names = {}
  for name in pairs(spec) do if not apart[name] then names[#names + 1] = name end end
  table.sort(names)
  return names
end

local function device_changes(vm, list)
  if not list then return nil end
  local by_key, result = {}, {}
  for _, device in ipairs(vm.devices) do by_key[device.key] = device end
  for i, change in ipairs(list) do
    local remove = change.operation == "remove"
    result[i] = { operation = change.operation, before = change.operation ~= "add" and by_key[change.device.key] or nil,
      after = not remove and change.device or nil }
  end
  return result
end

--- What the spec changes of the VM (its record, as read before).
function values.of(vm, spec)
  local list, keys = {}, nil
  for _, name in ipairs(sorted(spec)) do
    -- a field that the record does not have: undo says that its value is not known
    local before = fields[name] and vm[fields[name]]
    add(list, { name = name, before = before, after = spec[name], unknown = not fields[name] or nil })
  end
  for name, field in pairs(allocation) do
    local after = spec.memoryAllocation and spec.memoryAllocation[name]
    if after ~= nil then add(list, { name = "memoryAllocation." .. name, before = vm[field], after = after }) end
  end
  for name, field in pairs(flags) do
    local after = spec.flags and spec.flags[name]
    if after ~= nil then add(list, { name = "flags." .. name, before = vm[field], after = after }) end
  end
  for _, pair in ipairs(spec.extraConfig or {}) do
    local after = pair.value ~= "" and pair.value or nil
    add(list, { name = "extraConfig", key = pair.key, before = vm.extra[pair.key:lower()], after = after })
  end
  if spec.deviceChange then
    keys = {}
    for i, device in ipairs(vm.devices) do keys[i] = device.key end
  end
  return { values = list, devices = device_changes(vm, spec.deviceChange), keys = keys }
end

--- Reconfigures the VM of a target, which was read as `vm`, with a row that has the values before and after.
function values.reconfigure(ctx, target, vm, spec, what)
  local change = { detail = values.of(vm, spec) }
  for name, value in pairs(what) do change[name] = value end
  return ctx:task(target, target.ref, "ReconfigVM_Task", { spec = spec }, change)
end

--- The row's detail for a change of the power state.
function values.power(before, after) return { values = { { name = "power", before = before, after = after } } } end

return values
