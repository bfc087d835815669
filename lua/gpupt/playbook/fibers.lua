--- What waits for what in a run: one fiber per target. VMs wait for their host's fiber; hosts of a group wait for the
-- roll's slots; all wait for the canary of their scope. After a host that does not return or stays in maintenance mode
-- no other host is started.
local claims = require "gpupt.playbook.claim"
local failure = require "gpupt.failure"
local leases = require "gpupt.playbook.leases"
local loop = require "gpupt.loop"
local source = require "gpupt.source"
local steps = require "gpupt.playbook.steps"
local turns = require "gpupt.playbook.turns"
local watcher = require "gpupt.playbook.watcher"

local fibers = {}

--- What this run holds of each of the target's groups (gpupt.playbook.unavailable): `slots`, the hosts that it has
-- taken out of service (`ours`, by reference), and `short`, the reason why the group's hosts are deferred.
local function holds_of(self, target)
  local list = {}
  for i, group in ipairs(target.groups) do
    local hold = self.holds[group.key]
    if not hold then
      hold = { group = group, slots = loop.semaphore(group.most), ours = {} }
      self.holds[group.key] = hold
    end
    list[i] = hold
  end
  return list
end

--- Defers a host: it is not changed, and does not count as failed.
-- The other hosts of the group without a free slot are deferred without waiting for the same again.
local function defer(self, target, outcome, message, code, group)
  if code == "EDEFERRED" and group then self.holds[group.key].short = message end
  self.deferred = self.deferred + 1
  self.leases:release(leases.host(target.record))
  return steps.finish(self, outcome, "deferred", message, code)
end

--- Whether the changes of this target may take its host out of service.
local function takes_down(target) return leases.takes_down(target.entry) end

--- Waits for the other hosts of its groups, see gpupt.playbook.claim. The slot, or nil if the host was deferred.
local function claim_slot(self, target, outcome)
  local holds = holds_of(self, target)
  local slot = claims.slot(self.ctx, target, holds)
  self.ctx.slots[target.ref] = slot
  if not takes_down(target) then return slot end
  for _, hold in ipairs(holds) do
    if hold.short then return defer(self, target, outcome, hold.short, "EDEFERRED") end
  end
  local ok, message, code = slot:take()
  if ok then return slot end
  if code == "ECANCELLED" then return steps.finish(self, outcome, "not started", message) end
  return defer(self, target, outcome, message, code, slot.blocked)
end

-- Why no further host is started, or nil.
local function closed(self)
  if self.lost then
    return ("%s %s: no further hosts will be started"):format(self.lost, self.unguarded and "has no connected HA agent"
      or "is out of service")
  end
  return self.cancelled and "the run was cancelled" or self.stopping
end

-- Everything that the host needs before it may be taken out of service: the slot, or nil if its outcome is decided.
local function admit(self, target, outcome)
  local stop = closed(self)
  if stop then return steps.finish(self, outcome, "not started", stop) end
  if takes_down(target) then
    -- another run of this journal may be rolling the same group
    local ok, message, code, group = self.leases:await_slots(self.plan.vc, target, self.ctx)
    if code == "ECANCELLED" or code == "ELAPSED" then return steps.finish(self, outcome, "not started", message) end
    if not ok then return defer(self, target, outcome, "deferred and not changed: " .. message, code, group) end
  end
  local slot = claim_slot(self, target, outcome)
  -- a host may have been lost while this one waited
  if slot and self.lost then
    slot:give_back()
    slot = steps.finish(self, outcome, "not started", closed(self))
  end
  if not slot then self.leases:release_slots(target.record) end
  return slot
end

-- Closes a list of tokens.
local function tokens_of(self, target)
  local list = setmetatable({}, { __close = function(tokens)
    for _, token in ipairs(tokens) do token:release() end
  end })
  for i, hold in ipairs(holds_of(self, target)) do list[i] = hold.slots:acquire() end
  return list
end

-- Waits for the window before the host holds anything that others wait for; whether it goes on.
local function await_window(self, target, outcome)
  local record, slot = target.record, claims.slot(self.ctx, target, {})
  local down = record.maintenance or record.connection ~= "connected"
  if down or not takes_down(target) or slot:under_way() then return true end
  local ok, message, code = slot:await_window()
  if ok then return true end
  if code == "ECANCELLED" then
    steps.finish(self, outcome, "not started", message)
  else
    defer(self, target, outcome, message, code)
  end
  return false
end

-- Waits for the canary of the target's scope, if there is one; whether the target goes on.
local function await_canary(self, target, outcome)
  local first, group = self.canaries:before(target)
  if not first then return true end
  local outcomes = {}
  for i, one in ipairs(first) do
    self.started[one].fiber:join()
    outcomes[i] = self.started[one].outcome
  end
  local why, well = self.canaries.verdict(group, outcomes)
  if well and not group.noted then
    group.noted = true
    self.journal:append { run = self.id, kind = "canary", what = group.key }
  end
  if well then self.paused = self.paused or why end
  steps.finish(self, outcome, "not started", why, well and "EPAUSED" or nil)
  return false
end

local function out_of_service(record) return record.maintenance or record.connection ~= "connected" end

-- `leaving`: VMs that move away first. `staying`: of a late host, those that it waits for; they go on when it has its
-- slot, so they are off for its own turn only.
local function host_fiber(self, target, outcome, leaving, staying)
  local open <close> = outcome.open -- luacheck: ignore
  local ready <close> = outcome.ready -- luacheck: ignore
  if not await_canary(self, target, outcome) then return end
  if not await_window(self, target, outcome) then return end
  open:close()
  local left = turns.await_vms(leaving)
  if left then return steps.finish(self, outcome, "not started", left) end
  local tokens <close> = tokens_of(self, target) -- luacheck: ignore
  local slot = admit(self, target, outcome)
  if not slot then return end
  ready:close()
  local record = target.record
  local given = turns.await_vms(staying)
  if given then
    steps.finish(self, outcome, "not started", given)
  else
    local why, code, group = steps.carry_out(self, target, outcome)
    if why then defer(self, target, outcome, why, code, group) end
  end
  local broken = outcome.status == "failed" or outcome.status == "interrupted"
  if broken and (outcome.code == "ELOST" or outcome.code == "EHA" or out_of_service(record)) then
    self.unguarded = not self.lost and outcome.code == "EHA" or self.unguarded
    self.lost = self.lost or target.name
  else
    slot:give_back()
    if outcome.status == "changed" or outcome.status == "ok" then self.leases:back(record) end
    self.leases:release_slots(record)
  end
end

local function vm_fiber(self, target, outcome)
  local gate <close> = outcome.gate -- luacheck: ignore
  if not await_canary(self, target, outcome) then return end
  local why = turns.await_host(self.started[turns.host_before(target, self.hosts)])
    or turns.await_leave(self.started[turns.host_left(target, self.hosts)])
  -- a VM that another target waits for holds up none by waiting for a place
  local late = self:late_host(target)
  why = why or turns.await_turn(target, late)
  if why then return steps.finish(self, outcome, "not started", why) end
  local places <close> = not (late or target.gives) and self.caps:enter(target) or nil -- luacheck: ignore
  steps.carry_out(self, target, outcome)
end

local function guarded(self, outcome, fn, ...)
  local ok, err = pcall(fn, ...)
  if ok then return end
  local message = failure.is(err) and err.message or source.whole(tostring(err))
  local code = failure.is(err) and err.code or "EINTERNAL"
  local record = outcome.kind == "host" and outcome.target_record.record
  -- the others would wait for its slot
  if record and out_of_service(record) then self.lost = self.lost or outcome.target end
  pcall(steps.finish, self, outcome, "failed", message, code)
  if code == "ECANCELLED" then error(err, 0) end
end

local function start_fiber(self, outcome, fn, ...)
  local args = table.pack(...)
  local fiber = loop.spawn(function()
    guarded(self, outcome, fn, self, outcome.target_record, outcome, table.unpack(args, 1, args.n))
  end)
  self.fibers[#self.fibers + 1] = fiber
  self.started[outcome.target_record] = { fiber = fiber, outcome = outcome }
end

-- The VMs for which a host waits: those that leave it, and, if it is late, those that stay on it.
local function vms_of(self, target, vms)
  local leaving, staying = {}, {}
  for _, vm in ipairs(vms) do
    if turns.host_left(vm.target, self.hosts) == target then leaving[#leaving + 1] = vm end
    if turns.late_host(vm.target, self.hosts) == target then staying[#staying + 1] = vm end
  end
  return leaving, staying
end

--- Starts a fiber for each target and waits for all of them.
function fibers.work(self)
  local vms, hosts = {}, {}
  self.fibers, self.started, self.hosts = {}, {}, {}
  --- Of the late host on which a VM stays: { fiber =, outcome = }, or nil.
  function self.late_host(_, target) return self.started[turns.late_host(target, self.hosts)] end
  function self.ctx.host_ended(target)
    return turns.host_first(self.started[target].outcome, self:late_host(target))
  end
  for i, target in ipairs(self.plan.hosts) do
    hosts[i] = steps.new_outcome(self, target)
    hosts[i].open, hosts[i].ready = turns.gate(), turns.gate()
    self.hosts[target.ref] = target
  end
  for i, target in ipairs(self.plan.vms) do
    vms[i] = { target = target, outcome = steps.new_outcome(self, target) }
    vms[i].outcome.gate = turns.gate()
  end
  for i, target in ipairs(self.plan.hosts) do
    start_fiber(self, hosts[i], host_fiber, vms_of(self, target, vms))
  end
  for _, vm in ipairs(vms) do start_fiber(self, vm.outcome, vm_fiber) end
  local beside = loop.spawn(watcher.watch, self)
  for _, fiber in ipairs(self.fibers) do fiber:join() end
  beside:cancel "the run has ended"
end

return fibers
