--- CLAIM: whether a host may be taken out of service now. At most `unavailable` hosts of a cluster, or of another group
-- (gpupt.playbook.unavailable), may be out of service at once. Hosts that failed or that another user took down count
-- too: next to a dead host, a roll would take the second host of a cluster that tolerates one failure. So do hosts that
-- are on their way into maintenance mode (gpupt.fleet.away). A claim waits for them (`claim_within`); then the host is
-- DEFERRED, unchanged, and so are the other hosts of the group. A host that this run has already taken out of service
-- does not have to wait.
--
-- Two runs with separate journals do not see each other. Both may find a free slot and start EnterMaintenanceMode.
-- So each looks again after its own task has started: of the hosts that are out of service already, then of those that
-- are leaving, by queueTime and moref, the first `unavailable` stay. The others cancel their task and wait again
-- (gpupt.step.host_maintenance). A task is listed before its call is answered: of two runs, at least the later one
-- sees the other, and both count the same way.
--
-- A slot also needs the maintenance window, if the roll has one (gpupt.playbook.window), for as long as a reboot may
-- take. It is waited for (`window_within`), and looked at again just before the reboot. A host that this run has taken
-- out of service goes on at any time.
local away = require "gpupt.fleet.away"
local clock = require "gpupt.clock"
local conditions = require "gpupt.playbook.conditions"
local loop = require "gpupt.loop"
local units = require "gpupt.units"
local waits = require "gpupt.step.waits"

---@class gpupt.Slot               the right to take one host out of service
---@field ctx gpupt.Context
---@field target gpupt.Target
---@field holds table[]            of each of its groups: { group = gpupt.Group, ours = the hosts that this run holds }
---@field waited number            seconds that this host has waited so far
---@field blocked gpupt.Group?     the group that had no free slot

local claim = {}

--- Seconds between two checks of a group, about: not all runs shall look at the same moment.
claim.PAUSE = 10
--- Seconds between two looks at the wall clock, which may have been set.
claim.LOOK = 15

local Slot = {}
Slot.__index = Slot

--- The slot of a target, not taken yet. `holds`: what this run holds of each of its groups.
function claim.slot(ctx, target, holds)
  return setmetatable({ ctx = ctx, target = target, holds = holds, waited = 0 }, Slot)
end

local function pause(left)
  loop.sleep(math.max(0, math.min(left, claim.PAUSE * (0.75 + 0.5 * math.random()))))
end

local function text_of(group, list)
  local words = {}
  for i, one in ipairs(list) do words[i] = one.name .. " " .. one.why end
  return ("%s, and unavailable = '%s'"):format(table.concat(words, ", "), group.text)
end

--- Whether this run has taken the host out of service: it may go on then.
local function taken_by_us(self, entry)
  local ctx, target = self.ctx, self.target
  if entry.task then return ctx:unfinished(target, "maintenance-enter", entry.task) ~= nil end
  return ctx:did(target, "reboot-intent") ~= nil or ctx:did(target, "maintenance-enter") ~= nil
end

-- The hosts of a group that are away or leaving, without this one; its own entry; and whether its record is now up to
-- date. `mine`, `with_record`: see away.of.
local function look(self, group, mine, with_record)
  local record, others, own = self.target.record, {}, nil
  local list, fresh = away.of(self.ctx.vc, group, mine, with_record and record)
  for _, one in ipairs(list) do
    -- its own missing HA agent does not keep a host from its reboot
    if one.ref ~= record.ref then others[#others + 1] = one elseif not one.unguarded then own = one end
  end
  return others, own, fresh
end

-- Nothing, or a text that says what has to be waited for in a group. true if the host is out of service already. Adds
-- to `leaving` the hosts of the group that are about to leave.
local function obstacle_in(self, hold, leaving)
  local others, own = look(self, hold.group)
  if own then
    -- the plan decides on a host that another user put into maintenance mode
    if taken_by_us(self, own) or own.maintenance then return nil, true end
    return text_of(hold.group, { own })
  end
  local foreign, count, gone = {}, 0, {}
  for _, one in ipairs(others) do
    if not hold.ours[one.ref] then foreign[#foreign + 1] = one end
    if one.task then leaving[one.ref] = true else gone[one.ref] = true end
  end
  for ref in pairs(hold.ours) do
    if ref ~= self.target.record.ref then count = count + 1 end
    if not gone[ref] then leaving[ref] = true end
  end
  if #foreign > 0 and #foreign + count >= hold.group.most then return text_of(hold.group, foreign) end
end

-- The hosts of the target's cluster among these, itself included.
local function of_cluster(self, leaving)
  local record, list = self.target.record, {}
  leaving[record.ref] = true
  for _, ref in ipairs(record.cluster.host_refs) do if leaving[ref] then list[#list + 1] = ref end end
  return list
end

local function obstacle(self)
  local leaving = {}
  for _, hold in ipairs(self.holds) do
    local text, down = obstacle_in(self, hold, leaving)
    if text then return text, hold.group end
    if down then return nil end
  end
  local cluster = self.target.record.cluster
  local why, own = conditions.refuse(self.ctx, self.target, of_cluster(self, leaving))
  if not why then return nil end
  -- what does not concern this host alone holds up the others of the cluster, too
  for _, hold in ipairs(own and {} or self.holds) do
    if hold.group.cluster == cluster.ref then return why, hold.group end
  end
  return why, { name = cluster.name }
end

-- Enters the host into its groups: nothing yields between the check and this, so two fibers cannot take the same slot.
local function enter(self)
  for _, hold in ipairs(self.holds) do
    hold.ours[self.target.record.ref], hold.entries = true, (hold.entries or 0) + 1
  end
  self.held, self.blocked = true, nil
end

-- Changes when a host of this run enters one of the groups: what was read before does not know of it.
local function entries(self)
  local sum = 0
  for _, hold in ipairs(self.holds) do sum = sum + (hold.entries or 0) end
  return sum
end

-- A group that is full of other hosts of this run, which may have entered while the last group was read; and a text.
local function full(self)
  for _, hold in ipairs(self.holds) do
    local count = 0
    for ref in pairs(hold.ours) do if ref ~= self.target.record.ref then count = count + 1 end end
    if count >= hold.group.most then return "other hosts of this run are out of service", hold.group end
  end
end

local function needed(roll) return units.duration(roll.back_within) end

local SHUT = "the window %s is not open long enough for a reboot (back_within = %s)"

--- Why the window is not open for a reboot of the host now, or nil; and when it is.
function Slot:shut()
  local roll = self.target.scope.options.roll
  if not roll.opening then return nil end
  local fits, when = roll.opening:fits(clock.wall(), needed(roll))
  if fits then return nil end
  return SHUT:format(roll.opening:title(), roll.back_within), when
end

--- Waits until the window is open for a reboot of the host: true; nil, message, "EDEFERRED" if it does not open within
-- `window_within`, "ECANCELLED" if the run is stopped.
function Slot:await_window()
  local roll, ctx = self.target.scope.options.roll, self.ctx
  local deadline, said = clock.now() + units.duration(roll.window_within), nil
  while true do
    local shut, opens = self:shut()
    if not shut then return true end
    local left = deadline - clock.now()
    local wait = opens and opens - clock.wall() or math.huge
    local at = opens and "it opens at " .. roll.opening:show(opens) or "it does not open in the next days"
    if wait > left then
      return nil, ("deferred and not changed: %s; %s, which is not within window_within = %s"):format(shut, at,
        roll.window_within), "EDEFERRED"
    end
    if ctx.stopping then return nil, ctx.stopping, "ECANCELLED" end
    if said ~= at then
      said = at
      ctx:note(self.target, ("waiting for the window: %s (%s)"):format(at, roll.opening.text))
    end
    loop.sleep(math.min(wait, claim.LOOK))
  end
end

--- Whether this run is taking the host out of service, or has done so and did not bring it back.
function Slot:under_way()
  local ctx, target = self.ctx, self.target
  return ctx:newer(target, "maintenance-enter", "maintenance-exit") ~= nil
    and ctx:newer(target, "maintenance-enter", "maintenance-enter-cancel") ~= nil
end

--- Takes a slot of each of the host's groups: true; nil, message, "EDEFERRED" if one does not become free within what
-- is left of `claim_within`, "ECANCELLED" if the run is stopped. Returns at once if they are already taken.
function Slot:take()
  if self.held then return true end
  local within, said = units.duration(self.target.scope.options.roll.claim_within), nil
  local start, before = clock.now(), self.waited
  while true do
    if self:shut() and not self:under_way() then
      local open, message, code = self:await_window()
      if not open then return nil, message, code end
      before, start = self.waited, clock.now()
    end
    local known = entries(self)
    local text, group = obstacle(self)
    self.waited = before + (clock.now() - start)
    if not text then text, group = full(self) end
    if not text and known == entries(self) and (self:under_way() or not self:shut()) then
      enter(self)
      return true
    end
    if text and self.waited >= within then
      self.blocked = group.key and group or nil
      return nil, ("deferred and not changed: in %s, %s; waited %s for a free slot"):format(group.name, text,
        units.span(within)), "EDEFERRED"
    end
    if self.ctx.stopping then return nil, self.ctx.stopping, "ECANCELLED" end
    if text and said ~= text then
      said = text
      self.ctx:note(self.target, ("waiting for a free slot in %s: %s"):format(group.name, text))
    end
    if text then pause(within - self.waited) end
  end
end

local function behind_in(self, group, mine)
  local others, own = look(self, group, mine)
  local ours = own and (own.task or own.entered)
  local first = {}
  for _, one in ipairs(others) do
    local theirs = one.task or one.entered
    if not theirs or not ours or away.before(theirs, ours) then first[#first + 1] = one end
  end
  if #first >= group.most then return text_of(group, first) end
end

--- Looks again after the host's own task (`mine`, if it is known) has started: nil if it stays, or a text that says
-- which hosts go first. A host whose task came later leaves by itself, even if it is in maintenance mode already.
function Slot:behind(mine)
  for _, hold in ipairs(self.holds) do
    local text = behind_in(self, hold.group, mine)
    if text then return text end
  end
end

-- The hosts of a group that are out of service, if they leave no slot for this one; and whether the host's own record
-- was brought up to date.
local function down_in(self, group, with_record)
  local others, _, fresh = look(self, group, nil, with_record)
  local first = {}
  for _, one in ipairs(others) do if not one.task then first[#first + 1] = one end end
  return #first >= group.most and text_of(group, first) or nil, fresh
end

-- The same of all its groups, the first that leaves none.
local function down(self, with_record)
  local fresh = false
  for _, hold in ipairs(self.holds) do
    local text, read = down_in(self, hold.group, with_record and not fresh)
    fresh = fresh or read
    if text then return text, fresh end
  end
  return nil, fresh
end

--- The last look before the reboot, when the host is in maintenance mode: its record is brought up to date, with what
-- the other hosts of its groups do. Gives nil, or a text, for Slot:lost.
function Slot:last_look()
  local text, fresh = down(self, true)
  if not fresh then self.ctx.fleet:refresh_state(self.target.record) end
  return text
end

--- Whether other hosts leave it no slot: nil, or a text. `text`: what the last look gave. A host of another run that
-- came later leaves maintenance mode at once; it gets the time for that (settle_within).
function Slot:lost(text)
  local deadline = clock.now() + waits.of(self.target, "settle_within")
  while true do
    if not text then return nil end
    local left = deadline - clock.now()
    if left <= 0 then return text end
    loop.sleep(math.min(left, claim.PAUSE / 5))
    text = down(self)
  end
end

function Slot:give_back()
  for _, hold in ipairs(self.holds) do hold.ours[self.target.record.ref] = nil end
  self.held = nil
end

return claim
