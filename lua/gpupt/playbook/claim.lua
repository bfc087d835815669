--- CLAIM: whether a host may be taken out of service now. At most `unavailable` hosts of a cluster may be out of
-- service at once. Hosts that failed or that another user took down count too: next to a dead host, a roll would take
-- the second host of a cluster that tolerates one failure. So do hosts that are on their way into maintenance mode
-- (gpupt.fleet.away). A claim waits for them (`claim_within`); then the host is DEFERRED, unchanged, and so are the
-- other hosts of its cluster. A host that this run has already taken out of service does not have to wait.
--
-- Two runs with separate journals do not see each other. Both may find a free slot and start EnterMaintenanceMode.
-- So each looks again after its own task has started: of the hosts that are out of service already, then of those that
-- are leaving, by queueTime and moref, the first `unavailable` stay. The others cancel their task and wait again
-- (gpupt.step.host_maintenance). A task is listed before its call is answered: of two runs, at least the later one
-- sees the other, and both count the same way.
local away = require "gpupt.fleet.away"
local clock = require "gpupt.clock"
local loop = require "gpupt.loop"
local units = require "gpupt.units"

---@class gpupt.Slot               the right to take one host out of service
---@field ctx gpupt.Context
---@field target gpupt.Target
---@field ours table<userdata, boolean>  the hosts that this run holds in the cluster
---@field waited number            seconds that this host has waited so far

local claim = {}

--- Seconds between two checks of the cluster, about: not all runs shall look at the same moment.
claim.PAUSE = 10
--- Seconds for which a host of another run, which lost the slot to this one, may stay in maintenance mode.
claim.SETTLE = 30

local Slot = {}
Slot.__index = Slot

--- The slot of a target, not taken yet. `ours`: one set per cluster and run.
function claim.slot(ctx, target, ours)
  return setmetatable({ ctx = ctx, target = target, ours = ours, waited = 0 }, Slot)
end

local function pause(left)
  loop.sleep(math.max(0, math.min(left, claim.PAUSE * (0.75 + 0.5 * math.random()))))
end

local function text_of(self, list)
  local words = {}
  for i, one in ipairs(list) do words[i] = one.name .. " " .. one.why end
  return ("%s, and unavailable = '%s'"):format(table.concat(words, ", "), self.target.scope.options.roll.unavailable)
end

--- Whether this run has taken the host out of service: it may go on then.
local function taken_by_us(self, entry)
  local ctx, target = self.ctx, self.target
  if entry.task then return ctx:unfinished(target, "maintenance-enter", entry.task) ~= nil end
  return ctx:did(target, "reboot-intent") ~= nil or ctx:did(target, "maintenance-enter") ~= nil
end

-- The hosts that are away or leaving, this one apart; and its own entry.
local function look(self)
  local record, others, own = self.target.record, {}, nil
  for _, one in ipairs(away.of(self.ctx.vc, record.cluster.ref)) do
    if one.ref == record.ref then own = one else others[#others + 1] = one end
  end
  return others, own
end

-- Nothing, or a text that says what has to be waited for.
local function obstacle(self)
  local others, own = look(self)
  if own then
    -- the plan decides on a host that another user put into maintenance mode
    if own.maintenance or taken_by_us(self, own) then return nil end
    return text_of(self, { own })
  end
  local foreign, count = {}, 0
  for _, one in ipairs(others) do if not self.ours[one.ref] then foreign[#foreign + 1] = one end end
  for ref in pairs(self.ours) do if ref ~= self.target.record.ref then count = count + 1 end end
  if #foreign > 0 and #foreign + count >= self.target.scope.options.roll.away then return text_of(self, foreign) end
end

--- Takes one of the cluster's slots for the host: true; nil, message, "EDEFERRED" if it does not become free within
-- what is left of `claim_within`, "ECANCELLED" if the run is stopped. Returns at once if the slot is already taken.
function Slot:take()
  local record, roll = self.target.record, self.target.scope.options.roll
  if self.held then return true end
  local within, said = units.duration(roll.claim_within), nil
  local start, before = clock.now(), self.waited
  while true do
    local text = obstacle(self)
    self.waited = before + (clock.now() - start)
    if not text then
      -- nothing yields between the check and this entry, so two fibers cannot take the same slot
      self.ours[record.ref], self.held = true, true
      return true
    end
    if self.waited >= within then
      return nil, ("deferred and not changed: in %s, %s; waited %s for a free slot"):format(record.cluster.name, text,
        units.span(within)), "EDEFERRED"
    end
    if self.ctx.stopping then return nil, self.ctx.stopping, "ECANCELLED" end
    if said ~= text then
      said = text
      self.ctx:note(self.target, ("waiting for a free slot in %s: %s"):format(record.cluster.name, text))
    end
    pause(within - self.waited)
  end
end

--- Looks again after the host's own task has started: nil if it stays, or a text that says which hosts go first. A host
-- whose task came later leaves by itself, even if it is in maintenance mode already.
function Slot:behind()
  local others, own = look(self)
  local ours = own and (own.task or own.entered)
  local first = {}
  for _, one in ipairs(others) do
    local theirs = one.task or one.entered
    if not theirs or not ours or away.before(theirs, ours) then first[#first + 1] = one end
  end
  if #first >= self.target.scope.options.roll.away then return text_of(self, first) end
end

--- The last look before the reboot, when the host is in maintenance mode: nil, or a text. A host of another run that
-- came later leaves maintenance mode at once; it gets the time for that.
function Slot:lost()
  local deadline = clock.now() + claim.SETTLE
  while true do
    local first = {}
    for _, one in ipairs((look(self))) do if not one.task then first[#first + 1] = one end end
    if #first < self.target.scope.options.roll.away then return nil end
    local left = deadline - clock.now()
    if left <= 0 then return text_of(self, first) end
    loop.sleep(math.min(left, claim.PAUSE / 5))
  end
end

function Slot:give_back()
  self.ours[self.target.record.ref], self.held = nil, nil
end

return claim
