--- gpupt.loop: concurrent calls over one pollable engine.
-- Every call of gpupt that waits blocks when it is called plainly and yields inside a fiber:
--
--   loop.run(function()
--     local a = loop.spawn(first_host)
--     local b = loop.spawn(second_host)
--     a:join() b:join()
--   end)
--
-- Under another event loop: loop.use "cqueues" or loop.use "luv" (or an adapter of your own), and calls inside that
-- loop's coroutines yield to it. Any other loop can poll loop.engine(): pollfd, events, timeout, step.
local engine = require "gpupt.loop.engine"
local failure = require "gpupt.failure"
local fiber = require "gpupt.loop.fiber"
local sync = require "gpupt.loop.sync"
local wait = require "gpupt.loop.wait"

local loop = {
  run = fiber.run, spawn = fiber.spawn, all = fiber.all, race = fiber.race,
  deadline = wait.deadline, shield = wait.shield,
  semaphore = sync.semaphore, queue = sync.queue,
  now = engine.now,
}

--- Waits `seconds`.
function loop.sleep(seconds)
  if type(seconds) ~= "number" or seconds ~= seconds then error("loop.sleep: expected a number of seconds", 2) end
  local stop = wait.wait(engine.event(), engine.now() + math.max(0, seconds))
  if stop then error(stop, 0) end
  return true
end

--- Waits for an event made by loop.event; `seconds` bounds it. True, or nil, message, "ETIMEDOUT".
function loop.await(event, seconds)
  local stop = wait.wait(event, seconds and engine.now() + seconds)
  if stop then error(stop, 0) end
  if event.done then return true end
  return nil, ("timed out after %g s"):format(seconds), "ETIMEDOUT"
end

--- An event, and the function that fires it.
function loop.event()
  local event = engine.event()
  return event, function() engine.fire(event) end
end

local Pollable = {}
Pollable.__index = Pollable
Pollable.__name = "gpupt.engine"

function Pollable.pollfd(self) return self.inner:pollfd() end
function Pollable.events(self) return self.inner:events() end
function Pollable.timeout(self)
  if fiber.pending() then return 0 end
  return self.inner:timeout()
end

--- Handles everything that is ready, and resumes the fibers that became ready. Gives true, or
-- nil, message, code ("EBUSY" from inside itself, "EFORK" in a child process).
function Pollable.step(self)
  local ok, message, code = self.inner:step(0)
  if not ok then return nil, message, code end
  if not wait.current then fiber.turn() end
  return true
end

local pollables = setmetatable({}, { __mode = "k" })

--- The process's engine, for a loop that polls descriptors itself.
function loop.engine()
  local inner, message, code = engine.shared()
  if not inner then return nil, message, code end
  local pollable = pollables[inner]
  if not pollable then
    pollable = setmetatable({ inner = inner }, Pollable)
    pollables[inner] = pollable
  end
  return pollable
end

--- Makes calls inside another loop's coroutines yield to it: "cqueues", "luv", an adapter
-- { mine(), wait(token), wake(token), watch(engine) }, or nil for none.
function loop.use(adapter)
  if type(adapter) == "string" then
    local ok, found = pcall(require, "gpupt.loop." .. adapter)
    if not ok then error("loop.use: cannot load the adapter '" .. adapter .. "': " .. tostring(found), 2) end
    adapter = found
  end
  for _, name in ipairs { "mine", "wait", "wake", "watch" } do
    if adapter and not adapter[name] then error("loop.use: an adapter needs the function '" .. name .. "'", 2) end
  end
  wait.adapter = adapter
  return adapter
end

--- Where warnings go (a call that blocks all fibers, insecure TLS...): a function of one text; stderr by default.
function loop.on_warning(fn) wait.warn = fn end
function loop.warn(text) wait.warn(text) end

loop.is_cancelled = function(err) return failure.is(err) and err.code == "ECANCELLED" end

return loop
