--- What a change of a .vmx key, as the doctor offers it, is in a ConfigSpec of a server.
local vbs = require "gpupt.step.gpu_vbs"

local repair_values = {}

local function truth(text) return text ~= nil and tostring(text):lower() == "true" end

local function reserve(spec, vm)
  spec.memoryReservationLockedToMax = true
  spec.memoryAllocation = spec.memoryAllocation or {}
  spec.memoryAllocation.reservation = vm.memory_mb
end

local fields = {
  ["sched.mem.min"] = reserve, ["sched.mem.minsize"] = reserve, ["sched.mem.pin"] = reserve,
  ["sched.mem.max"] = function(spec)
    spec.memoryAllocation = spec.memoryAllocation or {}
    spec.memoryAllocation.limit = -1
  end,
  ["vcpu.hotadd"] = function(spec, _, change) spec.cpuHotAddEnabled = truth(change.value) end,
  ["mem.hotadd"] = function(spec, _, change) spec.memoryHotAddEnabled = truth(change.value) end,
  ["vhv.enable"] = function(spec, _, change) spec.nestedHVEnabled = truth(change.value) end,
  ["windows.vbs.enabled"] = function(spec, vm) spec.flags = vbs.off(vm).flags end,
}

-- Keys of fields that a repair never changes: another firmware keeps an installed system from booting.
local never = { firmware = true, memsize = true, ["virtualhw.version"] = true }

--- Adds a change to the spec; false if there is no such change on a server, or it is never made.
function repair_values.add(spec, vm, change)
  local key = change.key and change.key:lower()
  if not key or never[key] or key:find "^pcipassthru%d" then return false end
  if fields[key] then
    fields[key](spec, vm, change)
    return true
  end
  if not (key:find "^pcipassthru%." or key == "hypervisor.cpuid.v0") then return false end
  spec.extraConfig = spec.extraConfig or {}
  table.insert(spec.extraConfig, { key = change.key, value = change.remove and "" or tostring(change.value) })
  return true
end

local LOCKED = "all memory locked and reserved"
local said = { ["sched.mem.min"] = LOCKED, ["sched.mem.minsize"] = LOCKED, ["sched.mem.pin"] = LOCKED,
  ["sched.mem.max"] = "no memory limit",
  ["vcpu.hotadd"] = "CPU hot-add off", ["mem.hotadd"] = "memory hot-add off",
  ["vhv.enable"] = "nested virtualization off", ["windows.vbs.enabled"] = "virtualization-based security off" }

--- The change in words: "use64bitMMIO TRUE".
function repair_values.text(change)
  if said[change.key:lower()] then return said[change.key:lower()] end
  local key = change.key:gsub("^pciPassthru%.", "")
  return change.remove and key .. " removed" or ("%s %s"):format(key, change.value)
end

return repair_values
