--- The claims of a run: hosts, cards and roll slots that no other run of the same journal may change meanwhile.
--
--   host/UUID               a host whose configuration the run changes
--   card/UUID/ADDRESS       a card that the run gives to a VM
--   slot/VCENTER/CLUSTER    the right to take a host of a cluster out of service, when only one may be
--
-- They are in force while the process that works on the run renews them: before changes, and by a timer while it waits
-- (gpupt.playbook.watcher). A process that was stopped, or whose computer slept, for longer than leases.SECONDS has
-- lost them: it may change nothing more, because another run may have changed the fleet meanwhile. When the run ends
-- its claims are released. The claims of a host that it took out of service, and the slot of its cluster, are *kept*
-- from before that change until the host is back, even if the process is killed.
local clock = require "gpupt.clock"
local failure = require "gpupt.failure"
local holder = require "gpupt.playbook.holder"
local hosts = require "gpupt.fleet.host"
local loop = require "gpupt.loop"
local next_command = require "gpupt.next_command"
local out_of_service = require "gpupt.playbook.out_of_service"
local process = require "gpupt.process"
local units = require "gpupt.units"
local visible = require "gpupt.visible"

---@class gpupt.Leases
---@field journal userdata
---@field run string                the run's id
---@field process string            names this process as the one that works on the run
---@field until_time number         until when the claims are in force, on gpupt.clock
---@field renewed number            when they were renewed
---@field kept table<string, string>  resource -> why it is kept when the process ends
---@field claims table<string, table>  resource -> { host = name, object = reference of the host as text }
---@field slots table<table, string>   cluster -> resource

local leases = {}

--- How long claims are in force after they were renewed, and how old a renewal may be before a change is made.
leases.SECONDS = 300
leases.RENEW = 30
--- Seconds between two tries to get the slot of a cluster, and for the last look at hosts when a run ends.
leases.PAUSE = 5
leases.LAST_LOOK = 20

local Leases = {}
Leases.__index = Leases

--- Changes that take a host out of service, and what is said of the host if the run does not bring it back.
local takes_out = {
  ["maintenance-enter"] = "in maintenance mode", ["reboot-intent"] = "rebooting", reboot = "rebooting",
}

local function random_word()
  local file = assert(io.open("/dev/urandom", "rb"))
  local bytes = file:read(8)
  file:close()
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

local function renewed(self, moment)
  self.renewed, self.until_time = moment.now, moment.now + leases.SECONDS
end

--- Enters this process as the one that works on the run. nil, message, "EREFUSED" if another one does.
function leases.enter(journal, run)
  local moment, this = clock.read(), process.this()
  local self = setmetatable({ journal = journal, run = run, kept = {}, claims = {}, slots = {},
    process = random_word() }, Leases)
  local wanted = { run = run, process = self.process, pid = this.pid, started = this.started,
    client_host = this.client_host, seconds = leases.SECONDS }
  local ok, message, code = journal:enter(moment, wanted)
  if not ok and code == "EHELD" then
    local runner = journal:runner(moment, run)
    local clause, advice = holder.words(run, runner)
    if runner and holder.alive(runner) then
      return nil, ("cannot work on run %s, %s. %s"):format(run, clause, advice), "EREFUSED"
    end
    wanted.instead = runner and runner.process
    ok, message, code = journal:enter(moment, wanted)
  end
  if not ok then return nil, message, code == "EHELD" and "EREFUSED" or code end
  renewed(self, moment)
  holder.working[self.process] = true
  -- what an earlier process of the run has kept
  for lease in journal:leases(moment) do
    if lease.run == run and lease.kept and lease.object then
      self.kept[lease.resource], self.claims[lease.resource] = lease.kept, { host = lease.host, object = lease.object }
    end
  end
  return self
end

local function vanished(self)
  local runner = self.journal:runner(clock.read(), self.run)
  if runner and runner.process ~= self.process then
    return ("run %s was resumed by %s, which works on it now"):format(self.run, holder.process(runner))
  elseif not runner then
    return ("the claims of run %s were released (gpupt release) while it was working"):format(self.run)
  end
  local span = units.span(math.max(1, (clock.now() - self.renewed) // 1))
  return ("the claims of run %s expired: they were not renewed for %s, because this process was stopped or its "
    .. "computer slept. Another run may have changed the fleet since"):format(self.run, span)
end

local function lost(self)
  self.gone = failure.new(("%s. Nothing more is changed; continue with: %s"):format(vanished(self),
    next_command.resume(self.run)), "ELAPSED")
  return nil, self.gone.message, self.gone.code
end

--- Renews the claims: true; nil, message, "ELAPSED" once they are lost, or the journal's failure.
function Leases:renew()
  if self.gone then return nil, self.gone.message, self.gone.code end
  local moment = clock.read()
  local ok, message, code = self.journal:renew(moment, self.run, self.process, leases.SECONDS)
  if ok then
    renewed(self, moment)
    return true
  end
  if code == "ELAPSED" then return lost(self) end
  return nil, ("the claims of run %s cannot be renewed: %s"):format(self.run, message), code
end

--- Renews them if that is due: true; nil, message, code.
function Leases:renew_if_due()
  if not self.gone and clock.now() - self.renewed < leases.RENEW then return true end
  return self:renew()
end

-- Between two renewals the claims may have been released, or another process may have taken the run over.
local function still_ours(self)
  local runner = self.journal:runner(clock.read(), self.run)
  return runner ~= nil and runner.process == self.process and runner.running == 1
end

--- Called before each change: raises if the claims are not in force. A host that the change takes out of service, and
-- the slot of its cluster, are kept from here on.
function Leases:before_change(target, action)
  failure.check(self:renew_if_due())
  if not still_ours(self) then failure.check(lost(self)) end
  if not (target and target.record and takes_out[action]) then return end
  local why = ("host %s %s"):format(target.name, takes_out[action])
  self:keep(leases.host(target.record), why)
  self:keep(self.slots[target.record.cluster], why)
end

function Leases:keep(resource, why)
  if not self.claims[resource or ""] or self.kept[resource] == why then return end
  failure.check(self.journal:keep(self.run, self.process, resource, why))
  self.kept[resource] = why
end

-- The claim ends with the run again, or when the process is gone.
local function keep_no_longer(self, resource)
  if not self.kept[resource or ""] then return end
  failure.check(self.journal:keep(self.run, self.process, resource))
  self.kept[resource] = nil
end

--- The host is in service again, and the run will take it out another time: its claims and the slot stay in force.
function Leases:in_service(record)
  keep_no_longer(self, leases.host(record))
  keep_no_longer(self, self.slots[record.cluster])
end

--- The host is in service again: its claims end with the run, and the slot of its cluster now.
function Leases:back(record)
  keep_no_longer(self, leases.host(record))
  local slot = self.slots[record.cluster]
  if slot then self:release_kept(slot) end
end

function leases.host(record) return "host/" .. record.uuid end

local function slot_of(vc, cluster)
  return ("slot/%s/%s"):format(vc.about.instanceUuid or vc.host, cluster.ref.value)
end

local claimed = {
  host = function(target)
    local record = target.record
    if not record then return {} end
    return { { resource = leases.host(record), what = "host " .. record.name, host = record.name,
      object = tostring(record.ref) } }
  end,
  cards = function(target)
    local list = {}
    for i, card in ipairs(target.cards or {}) do
      list[i] = { resource = ("card/%s/%s"):format(target.host.uuid, card.address), host = target.host.name,
        what = ("card %s of host %s (for VM %s)"):format(hosts.short(card.address), target.host.name, target.name),
        vm = target.name, object = tostring(target.host.ref) }
    end
    return list
  end,
}

--- What the plan's steps with changes claim: a list of { resource =, what =, host =, vm =, object = }.
function leases.wanted(plan)
  local list = {}
  for _, entry in ipairs(plan.entries) do
    for _, one in ipairs(entry.steps) do
      for _, kind in ipairs(#one.changes > 0 and one.instance.step.claims or {}) do
        for _, claim in ipairs(claimed[kind](entry.target)) do list[#list + 1] = claim end
      end
    end
  end
  return list
end

--- The cards that other runs than `run` have claimed: "UUID/0000:3b:00.0" -> { run =, vm = }, for the allocation.
function leases.cards(journal, run)
  local cards = {}
  for _, claim in ipairs(holder.claims(journal)) do
    local key = claim.resource:match "^card/(.+)$"
    if key and claim.run ~= run then cards[key] = { run = claim.run, vm = claim.vm } end
  end
  return cards
end

--- Whether the changes of an entry of the plan take its host out of service.
function leases.takes_down(entry)
  for _, one in ipairs(entry.steps) do
    for _, change in ipairs(one.changes) do if change.verb ~= "enable" then return true end end
  end
  return false
end

--- Those claims of other runs that are in the way of the plan, as gpupt.playbook.holder describes them: of what its
-- steps change, and of the hosts that cannot be planned (`problems`) or are skipped, perhaps because of that run.
function leases.in_the_way(plan, journal, run, problems)
  local wanted, list, stuck, rolls = {}, {}, {}, {}
  for _, claim in ipairs(leases.wanted(plan)) do wanted[claim.resource] = true end
  for _, problem in ipairs(problems) do stuck[problem.target or ""] = true end
  for _, target in ipairs(plan.hosts) do
    if stuck[target.name] then wanted[leases.host(target.record)] = true end
  end
  for _, skip in ipairs(plan.skipped) do
    if skip.record then wanted[leases.host(skip.record)] = true end
  end
  for _, entry in ipairs(plan.entries) do
    local record, roll = entry.target.record, entry.target.scope.options.roll
    if record and record.cluster and roll and roll.away == 1 and leases.takes_down(entry) then
      rolls[slot_of(plan.vc, record.cluster)] = true
    end
  end
  for _, resources in ipairs { wanted, rolls } do
    for _, claim in ipairs(holder.claims(journal)) do
      if resources[claim.resource] and claim.run ~= run then list[#list + 1] = claim end
    end
  end
  return list
end

-- true; nil, message, "EREFUSED", the claim in the way; nil, message, code
local function claim(self, wanted)
  wanted.run, wanted.process = self.run, self.process
  local ok, message, code = self.journal:claim(clock.read(), wanted)
  if ok then
    self.claims[wanted.resource] = wanted
    return true
  end
  if code == "ELAPSED" then return lost(self) end
  if code ~= "EHELD" then return nil, message, code end
  for _, one in ipairs(holder.claims(self.journal)) do
    if one.resource == wanted.resource then return nil, ("%s. %s"):format(one.text, one.next), "EREFUSED", one end
  end
  return nil, message, "EREFUSED", { alive = true, text = message } -- released just now
end

--- Claims what the plan's steps with changes declare. If other runs hold some of it, nothing stays claimed: nil, a
-- message about all of them, "EREFUSED", { again = true if only cards are in the way, of runs at work: a new plan finds
-- others }.
function Leases:claim_all(plan)
  local refused, again = {}, true
  for _, wanted in ipairs(leases.wanted(plan)) do
    local ok, message, code, held = claim(self, wanted)
    if not ok then
      if code ~= "EREFUSED" then return nil, message, code end
      refused[#refused + 1] = message
      again = again and held.alive == true and wanted.resource:find "^card/" ~= nil and held.vm ~= wanted.vm
    end
  end
  if #refused > 0 then return nil, visible.lines(refused), "EREFUSED", { again = again } end
  return true
end

function Leases:release_kept(resource)
  self.kept[resource] = nil
  return failure.check(self.journal:release(self.run, self.process, resource))
end

--- Releases a claim, unless it is kept.
function Leases:release(resource)
  if self.kept[resource] then return true end
  return self.journal:release(self.run, self.process, resource)
end

function Leases:release_slot(cluster)
  return not self.slots[cluster] or self:release(self.slots[cluster])
end

--- Looks at the hosts whose claims are kept, and no longer keeps those of hosts that are in service. `entered(name)`:
-- whether this run put the host into maintenance mode. A claim stays kept if its host cannot be seen.
local function settle(self, vc, entered)
  local objects, names = {}, {}
  for resource in pairs(self.kept) do
    local claimed_as = self.claims[resource]
    objects[#objects + 1], names[claimed_as.object] = claimed_as.object, claimed_as.host
  end
  local states = out_of_service.read_all(vc, objects, function(object) return entered(names[object]) end)
  for resource in pairs(self.kept) do
    local state = states[self.claims[resource].object]
    if not state or not (state.out or state.unread) then self:release_kept(resource) end
  end
end

--- Whether the slot is kept because of another host that this run left out of service.
function Leases:kept_for_another(resource, record)
  return self.kept[resource] ~= nil and self.claims[resource].host ~= record.name
end

--- Waits until the slot of the target's cluster is free, for at most claim_within, if the run that holds it is at work;
-- nil, message, code if it does not become free.
function Leases:await_slot(vc, target, ctx)
  local within = units.duration(target.scope.options.roll.claim_within)
  local deadline, said = clock.now() + within, nil
  local record = target.record
  local resource = slot_of(vc, record.cluster)
  if self:kept_for_another(resource, record) then
    settle(self, vc, function(name) return out_of_service.entered(ctx, name) end)
    if self:kept_for_another(resource, record) then
      return nil, ("this run left %s"):format(self.kept[resource]), "EDEFERRED"
    end
  end
  while true do
    local ok, message, code, detail = claim(self, { resource = resource, host = record.name,
      what = ("the roll of cluster %s (host %s)"):format(record.cluster.name, record.name),
      object = tostring(record.ref) })
    if ok then
      self.slots[record.cluster] = resource
      return true
    end
    if code ~= "EREFUSED" then return nil, message, code end
    local left = deadline - clock.now()
    if ctx.stopping then return nil, ctx.stopping, "ECANCELLED" end
    if left <= 0 or not detail.alive then return nil, message, "EDEFERRED" end
    if said ~= detail.run then
      said = detail.run
      ctx:note(target, "waiting for the roll: " .. detail.text)
    end
    loop.sleep(math.min(left, leases.PAUSE))
  end
end

--- The run ends: its claims are released, but for those of hosts that are out of service. nil, message, code.
function Leases:leave(vc, entered)
  local ok, message, code = true, nil, nil
  if next(self.kept) then
    -- the last look is short: the claims stay if the server does not answer
    ok, message, code = failure.catch(function()
      loop.deadline(leases.LAST_LOOK, settle, self, vc, entered)
      return true
    end)
  end
  holder.working[self.process] = nil
  local left, why, failed = self.journal:leave(self.run, self.process)
  if not left then return nil, why, failed end
  return ok, message, code
end

return leases
