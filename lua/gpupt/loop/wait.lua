--- Waiting: how a caller waits for an event is decided here only.
--   a fiber of ours                  parks and yields to the scheduler
--   a coroutine of an adapted loop   parks in that loop (cqueues, luv)
--   anything else                    blocks, stepping the engine until the event is done
-- The last also works for a generator inside a fiber, table.sort, gsub, require: correct, but not concurrent.
--
-- Each fiber (and each coroutine that is not one) has a *context*: its cancellation, its deadlines, its shields.
-- A cancelled or late context may not wait: wait returns the failure, and the caller raises it after cleaning up. Every
-- later wait returns it again, except inside shield and inside __close methods that run because of it, which get a
-- grace period of 10 seconds.
local engine = require "gpupt.loop.engine"
local failure = require "gpupt.failure"
local printer = require "gpupt.printer"
local source = require "gpupt.source"

local wait = { GRACE = 10, adapter = nil, current = nil }

local contexts = setmetatable({}, { __mode = "k" })
local now = engine.now

--- A context's fields; fibers carry them too.
function wait.context_fields(table)
  table.deadlines = {}
  table.shields = 0
  return table
end

--- The running code's context: the fiber that is being resumed (also from a generator inside it), or the
-- coroutine's own.
function wait.context()
  if wait.current then return wait.current end
  local co = coroutine.running()
  local context = contexts[co]
  if not context then
    context = wait.context_fields {}
    contexts[co] = context
  end
  return context
end

-- While an error unwinds, Lua runs __close methods as callees of the pcall that will catch it. So a wait belongs to
-- such a method when there is a pcall at the same stack level as when the failure was raised, called from the same
-- line, but with another function above it.
local protected = { [pcall] = true, [xpcall] = true }

local function walk(visit)
  local levels = 0
  while debug.getinfo(levels + 2, "l") do levels = levels + 1 end
  for level = 3, levels do
    local info = debug.getinfo(level, "fl")
    if info and protected[info.func] then
      local caller, callee = debug.getinfo(level + 1, "fl"), debug.getinfo(level - 1, "fn")
      visit(levels - level, caller and caller.func, caller and caller.currentline, callee)
    end
  end
end

local function mark(context)
  local marks = {}
  walk(function(depth, func, line, callee)
    marks[depth] = { func = func, line = line, callee = callee and callee.func }
  end)
  context.marks = marks
  context.grace = context.grace or now() + wait.GRACE
end

local function closing(context)
  local marks, found = context.marks, false
  if not marks then return false end
  for level = 3, 40 do
    local info = debug.getinfo(level, "n")
    if not info then break end
    if info.namewhat == "metamethod" and info.name == "close" then return true end
  end
  walk(function(depth, func, line, callee)
    local seen = marks[depth]
    if seen and seen.func == func and seen.line == line and callee and seen.callee ~= callee.func then found = true end
  end)
  return found
end

local function cancelled(context) return context.cancelled end

-- The innermost deadline that has passed, or else when the earliest one will.
local function late(context, time)
  local earliest
  for i = #context.deadlines, 1, -1 do
    local deadline = context.deadlines[i]
    if deadline.at <= time then return deadline end
    if not earliest or deadline.at < earliest then earliest = deadline.at end
  end
  return nil, earliest
end

--- The failure that keeps this context from waiting, or nil and the time until which it may wait.
local function stopped(context)
  local time = now()
  local reason, limit = cancelled(context), nil
  if not reason then
    local deadline, earliest = late(context, time)
    reason, limit = deadline and deadline.failure, earliest
  end
  if not reason then return nil, limit end
  context.grace = context.grace or time + wait.GRACE
  if time < context.grace and (context.shields > 0 or closing(context)) then return nil, context.grace end
  return reason
end

--- Gives the failure if the running code has been cancelled or is late, else nil.
function wait.stopped()
  local context = wait.context()
  local reason = stopped(context)
  if reason then mark(context) end
  return reason
end

local Foreign = {}
Foreign.__index = Foreign
function Foreign:wake()
  if self.woken then return end
  self.woken = true
  wait.adapter.wake(self.token)
end

local function add_waiter(event, waiter)
  local waiters = event.waiters
  if waiters then waiters[#waiters + 1] = waiter else event.waiters = { waiter } end
end

local function remove_waiter(event, waiter)
  local waiters = event.waiters
  if not waiters then return end
  for i = 1, #waiters do
    if waiters[i] == waiter then
      table.remove(waiters, i)
      return
    end
  end
end

local warned = {}

-- Once per source line: the call was correct, but every other fiber had to wait.
local function warn_blocking()
  for level = 4, 30 do
    local info = debug.getinfo(level, "Sl")
    if not info then return end
    local inside = info.source:find("gpupt/loop/", 1, true) or info.source:find("gpupt/vim/", 1, true)
    if info.what ~= "C" and not inside then
      local place = source.place(info)
      if not warned[place] then
        warned[place] = true
        wait.warn(place .. ": this call inside a fiber cannot yield (it is called from a generator, "
          .. "table.sort, gsub or require), so it blocks all fibers")
      end
      return
    end
  end
end

--- What to do with a warning: a function of one text.
function wait.warn(text) printer.err("gpupt: %s", text) end

--- Resumes the fibers that are ready; gives how many (set by gpupt.loop.fiber).
function wait.turn() return 0 end

--- Whether the running code is a fiber of ours that can park.
function wait.can_park()
  local fiber = wait.current
  return fiber ~= nil and fiber.co == coroutine.running() and coroutine.isyieldable()
end

local function step_until(loop, event, limit)
  while not event.done do
    local patience = limit and math.max(0, limit - now()) or math.huge
    if limit and patience == 0 then return end
    if not loop:alive() and wait.turn() > 0 then
      patience = 0 -- only another fiber can fire the event: run it from here
    elseif patience == math.huge and not loop:alive() then
      error("deadlock: no operation, timer or fiber is left that could end this wait", 0)
    end
    local ok, message, code = loop:step(patience)
    if not ok then error(failure.new(message, code), 0) end
  end
end

local function block(loop, event, limit)
  if wait.current then warn_blocking() end
  -- the poll's own time-out stands still while the computer sleeps; a timer does not
  local timer = limit and loop:at(limit, engine.event(), true)
  step_until(loop, event, limit)
  if timer then loop:cancel(timer) end
end

--- Waits until `event` is done. Gives nil, or the failure for which the caller has to stop (cancelled, too late).
-- `until_time` bounds this wait alone: when it passes, wait gives nil and event.done is still false. `idle`: a helper
-- that waits like this does not keep the loop running by itself.
function wait.wait(event, until_time, idle)
  local context = wait.context()
  local reason, limit = stopped(context)
  if reason then
    mark(context)
    return reason
  end
  if event.done then return nil end
  if until_time and (not limit or until_time < limit) then limit = until_time end
  local loop = assert(engine.shared())
  local fiber = wait.current
  if wait.can_park() then
    local timer = limit and loop:at(limit, { done = false, waiters = { fiber } }, idle)
    add_waiter(event, fiber)
    fiber.parked = true
    coroutine.yield(wait)
    remove_waiter(event, fiber)
    if timer then loop:cancel(timer) end
  elseif not fiber and wait.adapter and wait.adapter.mine() then
    local waiter = setmetatable({ token = {} }, Foreign)
    local timer = limit and loop:at(limit, { done = false, waiters = { waiter } })
    add_waiter(event, waiter)
    wait.adapter.watch(loop)
    wait.adapter.wait(waiter.token)
    remove_waiter(event, waiter)
    if timer then loop:cancel(timer) end
  else
    block(loop, event, limit)
  end
  if event.done then return nil end
  reason = stopped(context)
  if reason then mark(context) end
  return reason
end

local function unshield(context, ...)
  context.shields = context.shields - 1
  if not (...) then error((select(2, ...)), 0) end
  return select(2, ...)
end

--- Runs fn(...) so that a cancellation or deadline does not stop its waits, for at most the grace period.
function wait.shield(fn, ...)
  local context = wait.context()
  context.shields = context.shields + 1
  return unshield(context, pcall(fn, ...))
end

local function end_deadline(context, deadline, ok, ...)
  for i = #context.deadlines, 1, -1 do
    if context.deadlines[i] == deadline then table.remove(context.deadlines, i) end
  end
  if not context.cancelled and #context.deadlines == 0 then context.marks, context.grace = nil, nil end
  if ok then return ... end
  local err = ...
  -- a call in flight fails with its own EUNKNOWN, whose detail names this stop
  local mine = err == deadline.failure or (failure.is(err) and err.detail and err.detail.stop == deadline.failure)
  if mine then return nil, err.message, err.code, err.detail end
  error(err, 0)
end

--- Runs fn(...); if it takes longer than `seconds`, its wait is abandoned and this returns
-- nil, message, "ETIMEDOUT". The earliest of nested deadlines counts.
function wait.deadline(seconds, fn, ...)
  local context = wait.context()
  local deadline = { at = now() + seconds,
    failure = failure.new(("timed out after %g s"):format(seconds), "ETIMEDOUT") }
  table.insert(context.deadlines, deadline)
  return end_deadline(context, deadline, pcall(fn, ...))
end

return wait
