--- gpupt inside cqueues: loop.use "cqueues".
-- A call inside a cqueues coroutine waits on a condition of its controller; a pump coroutine of that controller polls
-- our engine (it has pollfd, events and timeout, which is all that cqueues needs) while anything waits.
local condition = require "cqueues.condition"
local cqueues = require "cqueues"
local fiber = require "gpupt.loop.fiber"

local adapter = {}

local pumps = setmetatable({}, { __mode = "k" }) -- by controller
local waiting = setmetatable({}, { __mode = "k" }) -- tokens by controller

--- Whether the running coroutine is one of cqueues' own (not a generator inside one).
function adapter.mine()
  local controller, main = cqueues.running()
  return controller ~= nil and main
end

function adapter.wait(token)
  local controller = cqueues.running()
  if token.woken then return end
  token.condition, token.controller = condition.new(), controller
  waiting[controller] = (waiting[controller] or 0) + 1
  while not token.woken do token.condition:wait() end
end

-- The count goes down here and not when the coroutine resumes, which may be after the pump's next check.
function adapter.wake(token)
  if token.woken then return end
  token.woken = true
  if token.condition then
    waiting[token.controller] = waiting[token.controller] - 1
    token.condition:signal()
  end
end

--- Pumps `engine` from the running controller while one of its coroutines waits or a fiber is alive.
function adapter.watch(engine)
  local controller = cqueues.running()
  if not controller or pumps[controller] then return end
  pumps[controller] = true
  controller:wrap(function()
    local function busy()
      return (waiting[controller] or 0) > 0 or fiber.pending() or fiber.foreign_living() > 0
    end
    repeat
      if not fiber.pending() then cqueues.poll(engine) end
      local ok, message = engine:step()
      if not ok then
        pumps[controller] = nil
        error(message, 0)
      end
      fiber.turn()
      cqueues.poll(0) -- lets woken coroutines run and perhaps wait again
    until not busy()
    pumps[controller] = nil
  end)
end

return adapter
