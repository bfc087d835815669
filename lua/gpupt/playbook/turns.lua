--- What waits for what in a run. A VM waits for its host, because that activates its cards. A host whose cards are
-- taken away (steps with after_vms) is late: it waits for the VMs on it, which give the cards back. Those VMs go on
-- after it where a step says so (after_host, or a change with after_host): a VM that has to run again is started when
-- its host has ended. Such a VM begins only when the host's canary and its window let the host go: it is not off
-- for longer than needed.
--
--   VM             detach ---- gate closed                      power on
--   host   ready --'                 `---- disable, reboot ----'
local loop = require "gpupt.loop"

local turns = {}

--- Whether a host waits for its VMs.
function turns.is_late(target)
  for _, instance in ipairs(target.scope.children) do if instance.step.after_vms then return true end end
  return false
end

--- The late ones of these host targets, by reference.
function turns.late(list)
  local set = {}
  for _, target in ipairs(list) do if turns.is_late(target) then set[target.ref] = target end end
  return set
end

--- Host targets that are planned before the VMs, and those that are planned after them, because what the VMs free and
-- which of them are off decides what the host needs. An undo plans all hosts after the VMs.
function turns.split(list, undo)
  local early, late = {}, {}
  for _, target in ipairs(list) do table.insert((undo or turns.is_late(target)) and late or early, target) end
  return early, late
end

-- Whether the VM has to be started once its host has ended.
local function comes_back(target)
  for _, one in ipairs(target.entry and target.entry.steps or {}) do
    for _, change in ipairs(one.changes) do
      if change.after_host or one.instance.step.after_host and change.starts then return true end
    end
  end
  return false
end

--- Whether a VM with this plan entry will be off when its host's turn comes: nothing starts it before.
function turns.off_meanwhile(entry)
  local off = false
  for _, one in ipairs(entry.steps) do
    for _, change in ipairs(one.changes) do
      if change.off_meanwhile then off = true end
      if change.starts and not change.after_host and not one.instance.step.after_host then off = false end
      if change.after_host then return true end
    end
  end
  return off
end

--- Says in a plan which VMs are started after their host. Hosts are not named: equal VMs are listed together.
function turns.tell(entries)
  local busy = {}
  for _, entry in ipairs(entries) do if entry.target.record and entry.changes then busy[entry.target.ref] = true end end
  for _, entry in ipairs(entries) do
    local host = entry.target.kind == "vm" and entry.target.host
    for _, one in ipairs(host and busy[host.ref] and entry.steps or {}) do
      for _, change in ipairs(one.changes) do
        if change.after_host or one.instance.step.after_host and change.starts then
          change.what = change.what .. " once its host is done"
        end
      end
    end
  end
end

--- What a late host waits for, closed by the VM; and what the VM waits for, closed by the host.
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

--- Waits until the late host of a VM that it will hold up may go: nil, or why the VM is not started.
function turns.await_turn(target, host)
  if not (host and comes_back(target)) then return nil end
  host.outcome.ready:pop()
  return host.outcome.undone and turns.await_host(host) or nil
end

--- Lets the late host of a VM go first, if there is one: nil, or why the VM does not go on.
function turns.host_first(outcome, late_host)
  outcome.gate:close()
  return turns.await_host(late_host)
end

--- The same before a step of a VM, if the step comes after its host.
function turns.before_step(instance, outcome, late_host)
  return instance.step.after_host and turns.host_first(outcome, late_host) or nil
end

return turns
