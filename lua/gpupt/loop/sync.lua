--- Semaphores and queues between fibers. They hold no descriptor; waiting on them yields like any other wait.
local engine = require "gpupt.loop.engine"
local failure = require "gpupt.failure"
local wait = require "gpupt.loop.wait"

local sync = {}

local function pause(list)
  local event = engine.event()
  list[#list + 1] = event
  local stop = wait.wait(event)
  if not stop then return end
  for i, one in ipairs(list) do
    if one == event then
      table.remove(list, i)
      error(stop, 0)
    end
  end
  -- woken and stopped at the same time: the turn passes to the next
  return stop
end

local Semaphore = {}
Semaphore.__index = Semaphore
Semaphore.__name = "gpupt.semaphore"

local Token = {}
Token.__index = Token
function Token:release()
  if self.semaphore then
    self.semaphore:release()
    self.semaphore = nil
  end
end
Token.__close = Token.release

--- A semaphore with `count` slots.
function sync.semaphore(count)
  if math.type(count) ~= "integer" or count < 1 then error("loop.semaphore: expected a count of at least 1", 2) end
  return setmetatable({ free = count, waiting = {} }, Semaphore)
end

--- Waits for a slot; gives a token whose release (or __close) returns it.
function Semaphore:acquire()
  if self.free > 0 then
    self.free = self.free - 1
  else
    local stop = pause(self.waiting) -- release hands its slot over directly
    if stop then
      self:release()
      error(stop, 0)
    end
  end
  return setmetatable({ semaphore = self }, Token)
end

function Semaphore:release()
  local event = table.remove(self.waiting, 1)
  if event then engine.fire(event) else self.free = self.free + 1 end
end

--- Runs fn(...) while holding a slot.
function Semaphore:with(fn, ...)
  local token <close> = self:acquire() -- luacheck: ignore
  return fn(...)
end

local Queue = {}
Queue.__index = Queue
Queue.__name = "gpupt.queue"

--- A queue that holds at most `capacity` values (default: no limit).
function sync.queue(capacity)
  return setmetatable({ capacity = capacity or math.huge, first = 1, last = 0, readers = {}, writers = {} }, Queue)
end

local function wake_one(list)
  local event = table.remove(list, 1)
  if event then engine.fire(event) end
end

--- Appends a value (not nil); waits while the queue is full. Raises when it is closed.
function Queue:push(value)
  if value == nil then error("queue:push: nil cannot be queued", 2) end
  while not self.closed and self.last - self.first + 1 >= self.capacity do
    local stop = pause(self.writers)
    if stop then
      wake_one(self.writers)
      error(stop, 0)
    end
  end
  if self.closed then error(failure.new("the queue is closed", "ECLOSED"), 0) end
  self.last = self.last + 1
  self[self.last] = value
  wake_one(self.readers)
  return true
end

--- Takes the oldest value; waits while there is none; nil once the queue is closed and empty.
function Queue:pop()
  while self.first > self.last do
    if self.closed then return nil end
    local stop = pause(self.readers)
    if stop then
      wake_one(self.readers)
      error(stop, 0)
    end
  end
  local value = self[self.first]
  self[self.first] = nil
  self.first = self.first + 1
  wake_one(self.writers)
  return value
end

--- Accepts no more values; readers get the remaining ones, then nil.
function Queue:close()
  self.closed = true
  for _, list in ipairs { self.readers, self.writers } do
    while list[1] do wake_one(list) end
  end
end
Queue.__close = Queue.close

function Queue:__len() return self.last - self.first + 1 end

return sync
