--- The claims of a run: hosts, cards and roll slots that no other run of the same journal may change meanwhile.
--
--   host/UUID               a host whose configuration the run changes
--   card/UUID/ADDRESS       a card that the run gives to a VM
--   slot/VCENTER/GROUP      the right to take a host of a cluster, or of another group (gpupt.playbook.unavailable),
--   slot/VCENTER/GROUP/2    out of service: one for each host that may be at once
--
-- They are in force while the process that works on the run renews them: before changes, and by a timer while it waits
-- (gpupt.playbook.watcher). A process that was stopped, or whose computer slept, for longer than leases.SECONDS has
-- lost them: it may change nothing more, because another run may have changed the fleet meanwhile. When the run ends
-- its claims are released. The claims of a host that it took out of service, and its slots, are *kept* from before that
-- change until the host is back, even if the process is killed.
local clock = require "gpupt.clock"
local failure = require "gpupt.failure"
local holder = require "gpupt.playbook.holder"
local hosts = require "gpupt.fleet.host"
local loop = require "gpupt.loop"
local next_command = require "gpupt.next_command"
local out_of_service = require "gpupt.playbook.out_of_service"
local process = require "gpupt.process"
local rows = require "gpupt.playbook.rows"
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
---@field slots table<userdata, string[]>  host -> the resources of its slots
---@field users table<string, userdata>  a slot's resource -> the host that this process uses it for

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
  local self = setmetatable({ journal = journal, run = run, kept = {}, kept_since = {}, claims = {}, slots = {},
    users = {}, process = random_word() }, Leases)
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
  self:remember_kept()
  return self
end

--- What an earlier process of the run, or the run that this one undoes, has kept.
function Leases:remember_kept()
  for lease in self.journal:leases(clock.read()) do
    if lease.run == self.run and lease.kept and lease.object then
      self.kept[lease.resource], self.claims[lease.resource] = lease.kept, { host = lease.host, object = lease.object }
    end
  end
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

--- What is said of claims that are lost after the first message with the reason.
leases.LOST = "the claims of the run are lost"

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
  return self.journal:works(clock.read(), self.run, self.process) == true
end

--- Called before each change: raises if the claims are not in force. A host that the change takes out of service, and
-- its slots, are kept from here on.
function Leases:before_change(target, action)
  failure.check(self:renew_if_due())
  if not still_ours(self) then failure.check(lost(self)) end
  if not (target and target.record and takes_out[action]) then return end
  local why = ("host %s %s"):format(target.name, takes_out[action])
  self:keep(leases.host(target.record), why)
  for _, slot in ipairs(self.slots[target.record.ref] or {}) do self:keep(slot, why) end
end

-- What concerns the kept claims is written with the rows (gpupt.playbook.rows): with that of the change that it comes
-- before, if there is one.
local function with_rows(self, work)
  rows.work(self.journal, function(journal)
    local ok, message, code = work(journal)
    if ok == nil then return nil, message, code end
    return true
  end)
end

function Leases:keep(resource, why)
  if not self.claims[resource or ""] then return end
  local failures = rows.failures(self.journal)
  if self.kept[resource] == why and self.kept_since[resource] == failures then return end
  with_rows(self, function(journal) return journal:keep(self.run, self.process, resource, why) end)
  self.kept[resource], self.kept_since[resource] = why, failures
end

-- The claim ends with the run again, or when the process is gone.
local function keep_no_longer(self, resource)
  if not self.kept[resource or ""] then return end
  with_rows(self, function(journal) return journal:keep(self.run, self.process, resource) end)
  self.kept[resource] = nil
end

--- The host is in service again, and the run will take it out another time: its claims and the slots stay in force.
function Leases:in_service(record)
  keep_no_longer(self, leases.host(record))
  for _, slot in ipairs(self.slots[record.ref] or {}) do keep_no_longer(self, slot) end
  -- if the run is killed while the host waits, no operator has to release it
  failure.check(rows.flush(self.journal))
end

--- The host is in service again: its claims end with the run, and its slots now.
function Leases:back(record)
  keep_no_longer(self, leases.host(record))
  for _, slot in ipairs(self.slots[record.ref] or {}) do self:release_kept(slot) end
end

function leases.host(record) return "host/" .. record.uuid end

-- The slots of a group, one for each host that may be out of service at once.
local function slots_of(vc, group)
  local list, first = {}, ("slot/%s/%s"):format(vc.about.instanceUuid or vc.host, group.key)
  for i = 1, group.most do list[i] = i == 1 and first or ("%s/%d"):format(first, i) end
  return list
end

-- The cards that a VM gets, and those that a step takes from it.
local function cards_of(target)
  local list = table.move(target.cards or {}, 1, #(target.cards or {}), 1, {})
  return table.move(target.taken or {}, 1, #(target.taken or {}), #list + 1, list)
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
    for i, card in ipairs(cards_of(target)) do
      -- of a dynamic backing, the cards stand for their number: each run that needs one claims another one
      local record = card.host or target.host
      list[i] = { resource = ("card/%s/%s"):format(record.uuid, card.address), host = record.name,
        what = ("card %s of host %s (for VM %s)"):format(hosts.short(card.address), record.name, target.name),
        vm = target.name, object = tostring(record.ref) }
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

-- Changes of the configuration alone, which take effect with a reboot or without one: that is a change of its own.
local configures = { enable = true, disable = true, label = true }

--- Whether the changes of an entry of the plan take its host out of service.
function leases.takes_down(entry)
  for _, one in ipairs(entry.steps) do
    for _, change in ipairs(one.changes) do
      if not configures[change.verb] then return true end
    end
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
    for _, group in ipairs(leases.takes_down(entry) and entry.target.groups or {}) do
      for _, slot in ipairs(slots_of(plan.vc, group)) do rolls[slot] = true end
    end
  end
  for _, resources in ipairs { wanted, rolls } do
    for _, claim in ipairs(holder.claims(journal)) do
      if resources[claim.resource] and claim.run ~= run then list[#list + 1] = claim end
    end
  end
  return list
end

-- Asks for claims with one commit, after the rows that are due: perhaps their release is among those. A list of what
-- the journal answered to each: { true } or { nil, message, code }; nil, message, code if nothing was written.
local function ask(self, list)
  local answers = {}
  local ok, message, code = rows.flush(self.journal, function(journal)
    local moment = clock.read()
    for i, wanted in ipairs(list) do
      wanted.run, wanted.process = self.run, self.process
      local granted, why, failed = journal:claim(moment, wanted)
      if not granted and failed ~= "EHELD" and failed ~= "ELAPSED" then return nil, why, failed end
      answers[i] = { granted, why, failed }
    end
    return true
  end)
  if not ok then return nil, message, code end
  return answers
end

-- What an answer means: true; nil, message, "EREFUSED", the claim in the way; nil, message, code
local function judge(self, wanted, answer)
  if answer[1] then
    self.claims[wanted.resource] = wanted
    return true
  end
  if answer[3] == "ELAPSED" then return lost(self) end
  for _, one in ipairs(holder.claims(self.journal)) do
    if one.resource == wanted.resource then return nil, ("%s. %s"):format(one.text, one.next), "EREFUSED", one end
  end
  return nil, answer[2], "EREFUSED", { alive = true, text = answer[2] } -- released just now
end

local function claim(self, wanted)
  local answers, message, code = ask(self, { wanted })
  if not answers then return nil, message, code end
  return judge(self, wanted, answers[1])
end

--- Claims what the plan's steps with changes declare. If other runs hold some of it, nothing stays claimed: nil, a
-- message about all of them, "EREFUSED", { again = true if only cards are in the way, of runs at work: a new plan finds
-- others }.
function Leases:claim_all(plan)
  local refused, again, list = {}, true, leases.wanted(plan)
  local answers, why, failed = ask(self, list)
  if not answers then return nil, why, failed end
  for i, wanted in ipairs(list) do
    local ok, message, code, held = judge(self, wanted, answers[i])
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
  with_rows(self, function(journal) return journal:release(self.run, self.process, resource) end)
end

--- Releases a claim, unless it is kept.
function Leases:release(resource)
  if self.kept[resource] then return end
  with_rows(self, function(journal) return journal:release(self.run, self.process, resource) end)
end

--- The VM has its cards in its configuration: they need no claim any more. Those of a dynamic backing would count
-- twice, because the server may choose other cards than the claimed ones.
function Leases:release_cards(target)
  for _, one in ipairs(claimed.cards(target)) do self:release(one.resource) end
end

--- The host needs its slots no longer: they are free, but for those that are kept.
function Leases:release_slots(record)
  for _, slot in ipairs(self.slots[record.ref] or {}) do
    if self.users[slot] == record.ref then self.users[slot] = nil end
    self:release(slot)
  end
  self.slots[record.ref] = nil
end

--- Looks at the hosts whose claims are kept, and no longer keeps those of hosts that are in service. `entered(name,
-- object)`: whether this run put the host into maintenance mode. A claim stays kept if its host cannot be seen.
local function settle(self, vc, entered)
  local objects, names = {}, {}
  for resource in pairs(self.kept) do
    local claimed_as = self.claims[resource]
    objects[#objects + 1], names[claimed_as.object] = claimed_as.object, claimed_as.host
  end
  local states = out_of_service.read_all(vc, objects, function(object) return entered(names[object], object) end)
  for resource in pairs(self.kept) do
    local state = states[self.claims[resource].object]
    if not state or not (state.out or state.unread) then self:release_kept(resource) end
  end
end

-- Whether a slot is kept because of another host that this run left out of service.
local function kept_for_another(self, resource, record)
  return self.kept[resource] ~= nil and self.claims[resource].host ~= record.name
end

-- The slots of a group that the host may try, its own first; and the reason why one is not among them: that a host of
-- this run was left out of service; and whether other hosts of this process use some.
local function candidates(self, vc, group, record)
  local list, left_out, busy = {}, nil, false
  for _, resource in ipairs(slots_of(vc, group)) do
    local user = self.users[resource]
    if user and user ~= record.ref then
      busy = true
    elseif kept_for_another(self, resource, record) then
      left_out = self.kept[resource]
    elseif self.kept[resource] then
      table.insert(list, 1, resource)
    else
      list[#list + 1] = resource
    end
  end
  return list, left_out, busy
end

-- One of the slots of a group now: its resource; nil, message, code, the claim in the way.
local function claim_one(self, list, group, record)
  local message, code, detail
  for _, resource in ipairs(list) do
    local ok, why, failed, other = claim(self, { resource = resource, host = record.name, object = tostring(record.ref),
      what = ("the roll of %s%s (host %s)"):format(group.cluster and "cluster " or "", group.name, record.name) })
    if ok then return resource end
    if failed ~= "EREFUSED" then return nil, why, failed end
    -- of several, the one that may become free is waited for
    if not detail or not detail.alive then message, code, detail = why, failed, other end
  end
  return nil, message, code, detail
end

-- Waits until one of the slots of a group is free, until `deadline`, if the run that holds it is at work.
local function await_one(self, vc, target, group, ctx, deadline)
  local record, said, looked = target.record, nil, false
  while true do
    local list, left_out, busy = candidates(self, vc, group, record)
    if #list == 0 and left_out and not looked then
      looked = true
      settle(self, vc, function(name, object) return out_of_service.entered(ctx, name, object) end)
      list, left_out, busy = candidates(self, vc, group, record)
    end
    if #list == 0 and not busy then return nil, ("this run left %s"):format(left_out), "EDEFERRED" end
    local resource, message, code, detail = claim_one(self, list, group, record)
    if resource then return resource end
    if ctx.stopping then return nil, ctx.stopping, "ECANCELLED" end
    local left = math.huge -- other hosts of this process give their slots back
    if not busy then
      if code ~= "EREFUSED" then return nil, message, code end
      left = deadline - clock.now()
      if left <= 0 or not detail.alive then return nil, message, "EDEFERRED" end
      if said ~= detail.run then
        said = detail.run
        ctx:note(target, "waiting for the roll: " .. detail.text)
      end
    end
    loop.sleep(math.min(left, leases.PAUSE))
  end
end

--- Waits until a slot of each of the target's groups is free, for at most claim_within, if the runs that hold them are
-- at work; nil, message, code, the group if one does not become free.
function Leases:await_slots(vc, target, ctx)
  local deadline = clock.now() + units.duration(target.scope.options.roll.claim_within)
  local record = target.record
  self.slots[record.ref] = {}
  for _, group in ipairs(target.groups) do
    local resource, message, code = await_one(self, vc, target, group, ctx, deadline)
    if not resource then
      self:release_slots(record)
      return nil, message, code, group
    end
    table.insert(self.slots[record.ref], resource)
    self.users[resource] = record.ref
  end
  return true
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
  rows.flush(self.journal)
  local left, why, failed = self.journal:leave(self.run, self.process)
  if not left then return nil, why, failed end
  return ok, message, code
end

return leases
