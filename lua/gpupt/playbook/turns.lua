--- What waits for what in a run. A VM waits for its host, because that activates its cards. A host whose cards are
-- taken away (steps with after_vms) is late: it waits for the VMs on it, which give the cards back. Those VMs go on
-- after it where a step says so (after_host): a VM that has to run again is started when its host is back.
--
--   VM      detach ---- gate closed                      power on
--   host                      `---- disable, reboot ----'
local loop = require "gpupt.loop"

local turns = {}

--- Whether a host waits for its VMs.
function turns.is_late(target)
  for _, instance in ipairs(target.scope.children) do if instance.step.after_vms then return true end end
  return false
end

--- What a late host waits for; closed by the VM.
function turns.gate() return loop.queue(1) end

--- Waits for the VMs on a late host ({ target, outcome } each): nil, or why the host is not started.
function turns.await_vms(target, vms)
  for _, vm in ipairs(vms) do
    if vm.target.host and vm.target.host.ref == target.ref then
      vm.outcome.gate:pop()
      if vm.outcome.undone then
        return ("its VM %s: %s"):format(vm.outcome.target, vm.outcome.message or vm.outcome.status)
      end
    end
  end
end

--- Waits for a host ({ fiber, outcome }, or nil): nil, or why its VM is not started.
function turns.await_host(host)
  if not host then return nil end
  host.fiber:join()
  if not host.outcome.undone then return nil end
  return ("its host %s: %s"):format(host.outcome.target, host.outcome.message or host.outcome.status)
end

--- Before a step of a VM: lets its late host go first, if the step comes after it. nil, or why the step is not made.
function turns.before_step(instance, outcome, late_host)
  if not instance.step.after_host then return nil end
  outcome.gate:close()
  return turns.await_host(late_host)
end

return turns
