--- The engine as the loop uses it: operations of the C core, timers, and events that wake their waiters.
-- An *event* is { done = false, waiters = nil }: fired once, it wakes its waiters, and stays done. A waiter is a
-- table with wake(waiter). The pump (a plain blocking call, loop.run, another loop's adapter) calls step: the
-- core runs, finished operations and due timers fire their events, and then the *system fibers* run: the client's
-- own helpers, which have to run under every pump.
-- Every engine offers pollfd, events, timeout and step, so any loop that polls descriptors can drive it.
local aside = require "gpupt.loop.aside"
local clock = require "gpupt.clock"
local net = require "gpupt.net"
local timers = require "gpupt.loop.timers"

local engine = { system = { first = 1, last = 0 } }
engine.__index = engine

local now = clock.now
engine.now = now

--- Makes an event.
function engine.event() return { done = false } end

--- Fires an event: it is done, and its waiters are woken. Firing twice does nothing.
function engine.fire(event)
  if event.done then return end
  event.done = true
  local waiters = event.waiters
  event.waiters = nil
  if not waiters then return end
  for i = 1, #waiters do
    local waiter = waiters[i]
    if waiter then waiter:wake() end
  end
end

function engine.new()
  local core, message, code = net.engine.new()
  if not core then return nil, message, code end
  return setmetatable({
    core = core, timers = timers.new(), operations = {}, in_flight = 0, pending_timers = 0,
  }, engine)
end

local shared

--- The process's engine. In a child after fork a new one: the parent's refuses to work there.
function engine.shared()
  if not shared or shared.core:forked() then
    local fresh, message, code = engine.new()
    if not fresh then return nil, message, code end
    shared = fresh
    engine.system = { first = 1, last = 0 }
  end
  return shared
end

--- Starts an operation of the core; its event fires when it is done.
function engine:start(op)
  local event = { done = false }
  local id = op:id()
  self.operations[id] = event
  self.in_flight = self.in_flight + 1
  local ok, message, code = op:start()
  if not ok then
    self.operations[id] = nil
    self.in_flight = self.in_flight - 1
    return nil, message, code
  end
  return event
end

--- Ends an operation that is no longer waited for, and frees it.
function engine:abandon(op)
  local id = op:id()
  if self.operations[id] then
    self.operations[id] = nil
    self.in_flight = self.in_flight - 1
  end
  op:close()
end

--- `event` fires at this time of the clock (gpupt.clock). Gives a handle for cancel. An *idle* timer (keep-alive) is no
-- work in progress.
function engine:at(when, event, idle)
  local handle = self.timers:add(when, event)
  handle.idle = idle
  if not idle then self.pending_timers = self.pending_timers + 1 end
  self:arm()
  return handle
end

function engine:cancel(handle)
  if handle.event and not handle.idle then self.pending_timers = self.pending_timers - 1 end
  timers.cancel(handle)
end

-- The core's alarm mirrors the earliest timer, so that a foreign poller wakes in time.
function engine:arm()
  local at = self.timers:earliest()
  at = at and at - clock.offset()
  if at ~= self.armed then
    self.armed = at
    self.core:alarm(at)
  end
end

--- Makes the descriptor readable now, because something became ready outside step.
function engine:nudge()
  if self.stepping then return end
  self.armed = 0
  self.core:alarm(now() - clock.offset())
end

local function ready(queue) return queue.first <= queue.last end

--- True while an operation, timer or system fiber is pending.
function engine:alive()
  return self.in_flight > 0 or self.pending_timers > 0 or ready(engine.system)
end

--- Runs the system fibers that are ready; they park on events and never block.
local function run_system()
  local queue = engine.system
  while ready(queue) do
    local fiber = queue[queue.first]
    queue[queue.first] = nil
    queue.first = queue.first + 1
    if queue.first > queue.last then queue.first, queue.last = 1, 0 end
    fiber:resume()
  end
end

-- The part of a step in which nothing else may step.
local function turn(self, seconds)
  local count, message, code = self.core:step(seconds or 0)
  local core, operations = self.core, self.operations
  for id in core.take, core do
    local event = operations[id]
    operations[id] = nil
    if event then
      self.in_flight = self.in_flight - 1
      engine.fire(event)
    end
  end
  local time = now()
  while true do
    local event, idle = self.timers:take(time)
    if not event then break end
    if not idle then self.pending_timers = self.pending_timers - 1 end
    engine.fire(event)
  end
  return count, message, code
end

--- Waits at most `seconds` (default 0) for events and handles them.
engine.step = aside(function(self, seconds)
  if self.stepping then return nil, "step was called from inside step: it is not re-entrant", "EBUSY" end
  self:arm() -- the clock may have been moved
  if ready(engine.system) then seconds = 0 end
  self.stepping = true
  -- what an event resumes in an adapted loop may raise: the engine must keep working
  local ok, count, message, code = pcall(turn, self, seconds)
  self.stepping = false
  if not ok then error(count, 0) end
  if not count then return nil, message, code end
  run_system()
  self:arm()
  return count
end)

function engine:pollfd() return self.core:pollfd() end
function engine:events() return self.core:events() end

--- Seconds until step has a timer to handle; nil when only the descriptor can say.
function engine:timeout()
  if ready(engine.system) then return 0 end
  return self.core:timeout()
end

return engine
