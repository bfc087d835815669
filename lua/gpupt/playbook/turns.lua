--- What waits for what in a run. A VM waits for its host, because that activates its cards. A host whose cards are
-- taken away (steps with after_vms) is late: it waits for the VMs on it, which give the cards back. Those VMs go on
-- after it where a step says so (after_host, or a change with after_host): a VM that has to run again is started when
-- its host has ended. Such a VM begins only when the host has its slot: it is off for no other host's turn.
--
--   VM                    detach ---- gate closed                      power on
--   host   slot, ready --'                 `---- disable, reboot ----'
--
-- A VM that moves (a change with `goes`) waits for the host to which it goes, and the host that it leaves waits for
-- it, whatever becomes of their cards: where one host takes its VMs' cards away and another gets them, the one that is
-- left comes last. It begins when the canary and the window let the host go that it leaves. Where such hosts would wait
-- for each other, the plan says so (gpupt.playbook.circle).
--
--   VM                                        detach, move ---- gate closed     attach, power on
--   the host it leaves    canary, window, open --'                    `---- slot, reboot
--   the host it goes to   reboot ----------------'
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

--- Where a VM goes by its plan, { from =, to = } (references to hosts), or nil. A run that resumes plans again: then a
-- VM that has moved does not go anywhere.
function turns.way(target)
  for _, one in ipairs(target.kind == "vm" and target.entry and target.entry.steps or {}) do
    for _, change in ipairs(one.changes) do if change.goes then return change.goes end end
  end
end

--- Whether the plan has changes for this target: only such a host is waited for by VMs that come or go.
function turns.busy(target) return target.entry ~= nil and target.entry.changes == true end

--- The host target for which a VM waits before it begins, or nil. `hosts`: those of the plan, by reference.
function turns.host_before(target, hosts)
  local way = turns.way(target)
  local host = hosts[way and way.to or target.host and target.host.ref or false]
  if not host or way and not turns.busy(host) or not way and turns.is_late(host) then return nil end
  return host
end

--- The late host target on which a VM stays: it waits for the VM. Or nil.
function turns.late_host(target, hosts)
  local host = hosts[target.host and target.host.ref or false]
  return host and turns.is_late(host) and not turns.way(target) and host or nil
end

--- The host target that a VM leaves, or nil.
function turns.host_left(target, hosts)
  local way = turns.way(target)
  local host = way and hosts[way.from]
  return host and turns.busy(host) and host or nil
end

--- Host targets that are planned before the VMs, and those that are planned after them, because what the VMs free and
-- which of them are off decides what the host needs. An undo plans all hosts after the VMs.
function turns.split(list, undo)
  local early, late = {}, {}
  for _, target in ipairs(list) do table.insert((undo or turns.is_late(target)) and late or early, target) end
  return early, late
end

--- Whether the VM is off during its host's turn: it has to be started once its host has ended, or stays off.
function turns.goes_down(target)
  for _, one in ipairs(target.entry and target.entry.steps or {}) do
    for _, change in ipairs(one.changes) do
      local starts = one.instance.step.after_host and change.starts
      if change.after_host or change.off_meanwhile or starts then return true end
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

--- Says in a plan which VMs are started after their host, and which move after the host to which they go. Hosts are not
-- named where they are the VM's own: equal VMs are listed together.
function turns.tell(entries)
  local busy = {}
  for _, entry in ipairs(entries) do
    if entry.target.kind == "host" and entry.changes then busy[entry.target.ref] = true end
  end
  for _, entry in ipairs(entries) do
    local target = entry.target
    local way = turns.way(target)
    local host = target.kind == "vm" and target.host
    for _, one in ipairs(host and entry.steps or {}) do
      for _, change in ipairs(one.changes) do
        if change.goes and busy[change.goes.to] then
          change.what = change.what .. ", once that host is done"
        elseif not way and busy[host.ref] and (change.after_host or one.instance.step.after_host and change.starts) then
          change.what = change.what .. " once its host is done"
        end
      end
    end
  end
end

--- What a late host waits for, closed by the VM; and what the VM waits for, closed by the host.
function turns.gate() return loop.queue(1) end

--- Waits for the VMs that a host waits for ({ target, outcome } each): nil, or why the host is not started.
function turns.await_vms(vms)
  for _, vm in ipairs(vms) do
    vm.outcome.gate:pop()
    if vm.outcome.undone then
      return ("its VM %s: %s"):format(vm.outcome.target, vm.outcome.message or vm.outcome.status)
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

--- Waits until the late host of a VM that is off meanwhile has its slot: nil, or why the VM is not started.
function turns.await_turn(target, host)
  if not (host and turns.goes_down(target)) then return nil end
  host.outcome.ready:pop()
  return host.outcome.undone and turns.await_host(host) or nil
end

--- Waits until the canary and the window let the host go that a VM leaves: nil, or why the VM is not started.
function turns.await_leave(host)
  if not host then return nil end
  host.outcome.open:pop()
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

--- After a step of a VM: the host that it has left may go.
function turns.after_step(instance, outcome)
  if instance.step.goes then outcome.gate:close() end
end

return turns
