--- gpupt inside luv: loop.use "luv".
-- luv has no coroutines of its own, so the adapter must know which may be suspended: start them with
-- require "gpupt.loop.luv".go(fn, ...), or use loop.spawn. A poll handle on the engine's descriptor and a timer pump
-- the engine while anything waits; then both are stopped, so that uv.run() can end.
local fiber = require "gpupt.loop.fiber"
local uv = require "luv"

local adapter = {}

local own = setmetatable({}, { __mode = "k" })
local waiting, woken = 0, {}
local poll, timer, busy_engine

--- Runs fn(...) in a coroutine in which calls of gpupt yield to luv. An error in it is raised into uv.run: after its
-- first wait as a text, because luv ends the program then, with "Uncaught Error: (null)" for anything else.
function adapter.go(fn, ...)
  local co = coroutine.create(fn)
  own[co] = true
  local ok, err = coroutine.resume(co, ...)
  if not ok then error(err, 0) end
  return co
end

function adapter.mine() return own[coroutine.running()] == true end

local function stop()
  if poll then
    poll:stop()
    poll:close()
    timer:stop()
    timer:close()
    poll, timer, busy_engine = nil, nil, nil
  end
end

local pump

local function arm()
  local seconds = (#woken > 0 or fiber.pending()) and 0 or busy_engine:timeout()
  timer:stop()
  if seconds then timer:start(math.ceil(seconds * 1000), 0, pump) end
end

function pump()
  if not busy_engine then return end
  local ok, message = busy_engine:step()
  if not ok then error(tostring(message), 0) end
  fiber.turn()
  local list = woken
  woken = {}
  for _, co in ipairs(list) do
    waiting = waiting - 1
    local alive, err = coroutine.resume(co)
    if not alive then error(tostring(err), 0) end
  end
  if not busy_engine then return end
  if waiting == 0 and #woken == 0 and not fiber.pending() and fiber.foreign_living() == 0 then
    stop()
  else
    arm()
  end
end

function adapter.watch(engine)
  if busy_engine == engine then return end
  stop()
  busy_engine = engine
  poll, timer = uv.new_poll(engine:pollfd()), uv.new_timer()
  poll:start("r", function() pump() end)
  timer:start(0, 0, pump)
end

function adapter.wait(token)
  token.co = coroutine.running()
  waiting = waiting + 1
  if token.woken then woken[#woken + 1] = token.co end
  if timer then arm() end
  coroutine.yield()
end

function adapter.wake(token)
  token.woken = true
  if token.co then woken[#woken + 1] = token.co end
end

return adapter
