--- CPUs and memory of an existing VM: the difference to the options of a step, and the reconfigure.
local values = require "gpupt.step.vm_values"

local size = {}

size.NEEDS = { "VirtualMachine.Config.Memory", "VirtualMachine.Config.CPUCount" }

--- The changes of a VM record to so many MiB and CPUs (nil: as they are), with what they need; nil, message, code.
function size.changes(target, vm, memory_mb, cpus)
  local changes = {}
  if memory_mb and vm.memory_mb ~= memory_mb then
    changes[1] = { sign = "~", verb = "resize", what = ("memory %d -> %d MiB"):format(vm.memory_mb, memory_mb),
      settings = { { name = "memory", before = vm.memory_mb .. " MiB", after = memory_mb .. " MiB" } } }
  end
  if cpus and vm.cpus ~= cpus then
    changes[#changes + 1] = { sign = "~", verb = "resize", what = ("CPUs %d -> %d"):format(vm.cpus, cpus),
      settings = { { name = "CPUs", before = tostring(vm.cpus), after = tostring(cpus) } } }
  end
  changes.needs = size.NEEDS
  if #changes > 0 and vm.power ~= "poweredOff" then
    return nil, ("%s: %s: the VM is running. Shut it down first"):format(target.name, changes[1].what), "EREFUSED"
  end
  return changes
end

--- Makes them: true, or nil, message, code, detail.
function size.apply(ctx, target, vm, memory_mb, cpus)
  return values.reconfigure(ctx, target, vm, { changeVersion = vm.change_version, memoryMB = memory_mb,
    numCPUs = cpus }, { action = "resize", text = "ReconfigVM (memory and CPUs)" })
end

return size
