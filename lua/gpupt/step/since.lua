--- How long ago something was journalled, also before an interruption of the run. After a reboot of the computer, or
-- on another one, the server's clock tells: both readings are then of one clock, however wrong it is.
local clock = require "gpupt.clock"
local vim = require "gpupt.vim"

local since = {}

local function server_time(vc)
  local text = vc.instance:CurrentTime()
  return text and vim.seconds(text)
end

--- Seconds for which the server's clock is not asked again, but worked out from this computer's.
local FRESH = 60

local asked = setmetatable({}, { __mode = "k" }) -- connection -> what its server's clock was when

local function server_now(vc)
  local now, known = clock.now(), asked[vc]
  if not known or now - known.now > FRESH then
    local server = server_time(vc)
    if not server then return nil end
    known = { now = clock.now(), server = server }
    asked[vc] = known
  end
  return known.server + clock.now() - known.now
end

--- The moment, for a journal row.
function since.stamp(vc)
  local server = server_now(vc)
  local stamp = clock.read()
  stamp.server = server
  return stamp
end

--- The moment, for this process alone.
function since.here() return clock.read() end

--- Seconds since the moment of a stamp; nil if no clock can tell.
function since.elapsed(vc, stamp)
  if type(stamp) ~= "table" then return nil end
  if stamp.now and stamp.boot == clock.boot() and clock.boot() ~= "?" then
    return math.max(0, clock.now() - stamp.now)
  end
  local now = stamp.server and server_time(vc)
  return now and math.max(0, now - stamp.server)
end

return since
