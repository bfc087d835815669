--- A binary heap of events by their time on the clock (gpupt.clock).
-- add gives a handle; cancel marks it, and it is dropped when it reaches the top: nothing is searched.
local timers = {}
timers.__index = timers

function timers.new() return setmetatable({ n = 0 }, timers) end

--- `event` will be due at `at` (seconds).
function timers:add(at, event)
  local handle = { at = at, event = event }
  local i = self.n + 1
  self.n = i
  while i > 1 do
    local parent = i // 2
    if self[parent].at <= at then break end
    self[i] = self[parent]
    i = parent
  end
  self[i] = handle
  return handle
end

function timers.cancel(handle) handle.event = nil end

local function drop_top(self)
  local last, n = self[self.n], self.n - 1
  self[self.n] = nil
  self.n = n
  if n == 0 then return end
  local i = 1
  while true do
    local child = 2 * i
    if child > n then break end
    if child < n and self[child + 1].at < self[child].at then child = child + 1 end
    if last.at <= self[child].at then break end
    self[i] = self[child]
    i = child
  end
  self[i] = last
end

--- The earliest time at which an event is due, or nil.
function timers:earliest()
  while self.n > 0 and not self[1].event do drop_top(self) end
  return self.n > 0 and self[1].at or nil
end

--- The next event due at `now`, taken out, and whether it was an idle one; nil when none is due.
function timers:take(now)
  local at = self:earliest()
  if not at or at > now then return nil end
  local handle = self[1]
  local event = handle.event
  handle.event = nil -- cancelling it later does nothing
  drop_top(self)
  return event, handle.idle
end

return timers
