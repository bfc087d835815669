--- Fibers: coroutines that park on events, held strongly, each in a scope.
-- run(fn) makes a scope, runs fn as its first fiber and returns when every fiber of the scope has ended: joined when
-- fn succeeded, cancelled when it raised. A fiber's body runs under pcall, because an error that kills a coroutine
-- would leave its to-be-closed values open. Cancelling raises where the fiber waits; coroutine.close is not
-- used (a __close method that waits would fail in it).
-- *System fibers* belong to no scope and are resumed by whatever pumps the engine; the client's helpers are system
-- fibers.
local aside = require "gpupt.loop.aside"
local engine = require "gpupt.loop.engine"
local failure = require "gpupt.failure"
local wait = require "gpupt.loop.wait"

local fiber = {}

local Fiber = {}
Fiber.__index = Fiber
Fiber.__name = "gpupt.fiber"

local ready = { first = 1, last = 0 }

local function push(queue, one)
  queue.last = queue.last + 1
  queue[queue.last] = one
end

function Fiber:wake()
  if not self.parked then return end
  self.parked = false
  push(self.system and engine.system or ready, self)
  -- wake a pump that sleeps in another loop's poll
  if wait.adapter then assert(engine.shared()):nudge() end
end

local function finish(self, ok, ...)
  self.ok, self.results = ok, table.pack(...)
  if self.scope then
    self.scope.living = self.scope.living - 1
    self.scope.fibers[self] = nil
    if not ok and not self.joined and not self.cancelled then self.scope.failed = self.scope.failed or self end
    engine.fire(self.scope.changed)
    self.scope.changed = engine.event()
  elseif not ok and not self.cancelled then
    wait.warn("internal error in a helper: " .. tostring((...)))
  end
  engine.fire(self.ended)
end

local function body(self, fn, ...)
  finish(self, pcall(fn, ...))
end

function Fiber:resume()
  local before = wait.current
  wait.current = self
  local ok, err = coroutine.resume(self.co, table.unpack(self.arguments, 1, self.arguments.n))
  wait.current = before
  self.arguments = { n = 0 }
  if not ok then error(err, 0) end -- body never raises: a bug of ours
  if coroutine.status(self.co) ~= "dead" and err ~= wait then
    -- the body yielded by itself: resume it
    self.parked = true
    self:wake()
  end
end

local function new(scope, system, fn, ...)
  local self = setmetatable(wait.context_fields {
    scope = scope, system = system, ended = engine.event(), parked = true,
  }, Fiber)
  self.arguments = table.pack(self, fn, ...)
  self.co = coroutine.create(body)
  if scope then
    scope.fibers[self] = true
    scope.living = scope.living + 1
  end
  self:wake()
  return self
end

--- "running", "done", "failed" or "cancelled".
function Fiber:status()
  if not self.ended.done then return "running" end
  return self.ok and "done" or self.cancelled and "cancelled" or "failed"
end

--- Waits for the fiber's end and gives its results, or raises what it raised.
function Fiber:join()
  self.joined = true
  if self.scope and self.scope.failed == self then self.scope.failed = nil end
  local stop = wait.wait(self.ended)
  if stop then error(stop, 0) end
  if self.ok then return table.unpack(self.results, 1, self.results.n) end
  error(self.results[1], 0)
end

--- Asks the fiber to stop: its wait is abandoned and raises. `reason` is for the message.
function Fiber:cancel(reason)
  if self.ended.done or self.cancelled then return end
  self.cancelled = failure.new(reason and ("cancelled: " .. tostring(reason)) or "cancelled", "ECANCELLED")
  if self.shields == 0 then return self:wake() end
  local loop = assert(engine.shared())
  self.grace = engine.now() + wait.GRACE
  loop:at(self.grace, { done = false, waiters = { self } })
end

local function new_scope()
  return { fibers = {}, living = 0, changed = engine.event() }
end

local function cancel_all(scope, reason)
  local list = {}
  for one in pairs(scope.fibers) do list[#list + 1] = one end
  for _, one in ipairs(list) do one:cancel(reason) end
end

--- Resumes every fiber that is ready now; gives how many were.
fiber.turn = aside(function()
  -- a fiber that blocks inside a generator runs others itself: the queue may have changed after each resume
  local count, most = 0, ready.last - ready.first + 1
  while count < most and ready.first <= ready.last do
    local one = ready[ready.first]
    ready[ready.first] = nil
    ready.first = ready.first + 1
    if ready.first > ready.last then ready.first, ready.last = 1, 0 end
    count = count + 1
    one:resume()
  end
  return count
end)

wait.turn = fiber.turn

--- Whether a fiber waits to be resumed.
function fiber.pending() return ready.first <= ready.last end

-- Plain: this call itself drives everything until the scope is empty.
local function drive(scope)
  local loop = assert(engine.shared())
  while scope.living > 0 do
    fiber.turn()
    if scope.living == 0 then break end
    local patience = fiber.pending() and 0 or math.huge
    if patience > 0 and not loop:alive() then
      scope.deadlock = failure.new("deadlock: every fiber waits for another fiber", "EDEADLOCK")
      cancel_all(scope, "deadlock")
      patience = 0
    end
    local ok, message, code = loop:step(patience)
    if not ok then error(failure.new(message, code), 0) end
  end
end

-- The scope's end: waits until no fiber is left, cancelling the rest as soon as one fails.
local function settle(scope, root)
  while scope.living > 0 do
    if scope.failed or (root.ended.done and not root.ok) then cancel_all(scope, "another fiber failed") end
    local stop = wait.wait(scope.changed)
    if stop then
      cancel_all(scope, "the enclosing fiber was stopped")
      wait.shield(function()
        while scope.living > 0 do
          if wait.wait(scope.changed) then break end
        end
      end)
      error(stop, 0)
    end
  end
end

local function results_of(scope, root)
  if scope.failed and (root.ok or root.cancelled) then error(scope.failed.results[1], 0) end
  if scope.deadlock then error(scope.deadlock, 0) end
  if not root.ok then error(root.results[1], 0) end
  return table.unpack(root.results, 1, root.results.n)
end

--- Runs fn(...) as a fiber and everything it spawns; returns fn's results when all have ended.
function fiber.run(fn, ...)
  local scope = new_scope()
  local watcher
  local root
  if wait.can_park() or (not wait.current and wait.adapter and wait.adapter.mine()) then
    root = new(scope, false, fn, ...)
    if wait.adapter then wait.adapter.watch(assert(engine.shared())) end
    settle(scope, root)
  else
    root = new(scope, false, fn, ...)
    -- a fiber of no scope that cancels the others when one fails
    watcher = new(nil, false, function()
      while scope.living > 0 do
        if scope.failed or (root.ended.done and not root.ok) then cancel_all(scope, "another fiber failed") end
        if wait.wait(scope.changed) then return end
      end
    end)
    local ok, err = pcall(drive, scope)
    if not ok then
      -- raised outside every fiber, as by Ctrl-C: cancel all so that nothing stays open; a second one is final
      cancel_all(scope, tostring(err):find "interrupted!$" and "interrupted" or tostring(err))
      drive(scope)
    end
    while not watcher.ended.done do
      if fiber.turn() == 0 then break end
    end
    if not ok then error(err, 0) end
  end
  return results_of(scope, root)
end

--- Starts fn(...) as a fiber of the running scope.
function fiber.spawn(fn, ...)
  if type(fn) ~= "function" and not (getmetatable(fn) or {}).__call then
    error("loop.spawn: expected a function, not a " .. type(fn), 2)
  end
  local scope = wait.current and wait.current.scope
  if not scope then
    if not wait.adapter then error("loop.spawn: only inside loop.run, or with another loop adapted by loop.use", 2) end
    fiber.foreign_scope = fiber.foreign_scope or new_scope()
    scope = fiber.foreign_scope
    wait.adapter.watch(assert(engine.shared()))
  end
  return new(scope, false, fn, ...)
end

--- How many fibers live that were spawned under another loop.
function fiber.foreign_living() return fiber.foreign_scope and fiber.foreign_scope.living or 0 end

--- A system fiber: see the head of this file.
function fiber.helper(fn, ...) return new(nil, true, fn, ...) end

--- True inside a fiber of ours that may spawn.
function fiber.inside() return wait.current ~= nil and wait.current.scope ~= nil end

local function in_scope(fn)
  if fiber.inside() then return fn() end
  return fiber.run(fn)
end

-- The items of a list for all and race, as functions, and those that are fibers. Their failure is raised by all or
-- race, so it does not end their own scope.
local function items_of(list, name)
  local function refuse(format, ...) error(("loop.%s: "):format(name) .. format:format(...), 4) end
  if getmetatable(list) == Fiber then refuse "expected a list of functions and fibers, not a fiber" end
  if type(list) ~= "table" then refuse("expected a list of functions and fibers, not a %s", type(list)) end
  local functions, fibers, last = {}, {}, 0
  for key in pairs(list) do
    if math.type(key) ~= "integer" or key < 1 then
      refuse("expected a list of functions and fibers, but it has the key '%s'", tostring(key))
    end
    last = math.max(last, key)
  end
  for i = 1, last do
    local one = list[i]
    if getmetatable(one) == Fiber then
      functions[i] = function() return one:join() end
      fibers[#fibers + 1] = one
    elseif one == nil then
      refuse("item %d is missing", i)
    elseif type(one) == "function" or (getmetatable(one) or {}).__call then
      functions[i] = one
    else
      refuse("item %d is a %s; expected functions and fibers", i, type(one))
    end
  end
  for _, one in ipairs(fibers) do
    one.joined = true
    if one.scope and one.scope.failed == one then one.scope.failed = nil end
  end
  return functions, fibers
end

-- Cancels the fibers that still run, and waits for their end.
local function stop(fibers, reason)
  for _, one in ipairs(fibers) do one:cancel(reason) end
  wait.shield(function()
    for _, one in ipairs(fibers) do
      if not one.ended.done and wait.wait(one.ended) then return end
    end
  end)
end

--- Runs all functions of a list side by side (at most `limit` at a time, when given) and gives the list of their
-- first results. An item may also be a fiber: it is joined. The first that raises cancels the rest, and its error is
-- raised.
function fiber.all(list, limit)
  if limit ~= nil and (math.type(limit) ~= "integer" or limit < 1) then
    error("loop.all: the limit must be an integer of at least 1", 2)
  end
  local functions, joined = items_of(list, "all")
  return in_scope(function()
    local results, next_one, fibers = {}, 1, {}
    local width = math.min(#functions, limit or math.huge)
    local scope = new_scope()
    local function worker()
      while next_one <= #functions do
        local i = next_one
        next_one = i + 1
        results[i] = functions[i]()
      end
      return true
    end
    for i = 1, width do fibers[i] = new(scope, false, worker) end
    if width > 0 then
      local first = fibers[1]
      local ok, err = pcall(settle, scope, { ended = first.ended, ok = true })
      if not ok or scope.failed then stop(joined, "another item of loop.all failed") end
      if not ok then error(err, 0) end
      for i = 1, width do
        if not fibers[i].ok and not fibers[i].cancelled then error(fibers[i].results[1], 0) end
      end
      if scope.failed then error(scope.failed.results[1], 0) end
    end
    return results
  end)
end

--- Runs all functions of a list side by side until the first ends; the others are cancelled and waited for. An item may
-- also be a fiber. Gives the winner's index and its results, or raises what it raised.
function fiber.race(list)
  local functions, joined = items_of(list, "race")
  return in_scope(function()
    local scope, fibers, winner = new_scope(), {}, nil
    for i, fn in ipairs(functions) do
      fibers[i] = new(scope, false, function(...)
        local results = table.pack(pcall(fn, ...))
        winner = winner or i
        if not results[1] then error(results[2], 0) end
        return table.unpack(results, 2, results.n)
      end)
      fibers[i].joined = true
    end
    while not winner and scope.living > 0 do
      local stopped = wait.wait(scope.changed)
      if stopped then
        pcall(settle, scope, { ended = { done = true }, ok = false })
        stop(joined, "the enclosing fiber was stopped")
        error(stopped, 0)
      end
    end
    cancel_all(scope, "another function finished first")
    wait.shield(function()
      while scope.living > 0 do
        if wait.wait(scope.changed) then break end
      end
    end)
    stop(joined, "another item of loop.race finished first")
    local first = fibers[winner]
    if not first then return nil end
    if not first.ok then error(first.results[1], 0) end
    return winner, table.unpack(first.results, 1, first.results.n)
  end)
end

return fiber
