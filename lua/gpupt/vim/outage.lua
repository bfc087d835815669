--- A server that does not answer for a while: it restarts, and meanwhile the proxy in front of it answers 502, 503 or
-- 504, or connections fail. Calls that may be repeated go on until their deadline:
--
--   retries given with the call          that many tries
--   timeout given with the call          until then
--   neither                              until the client's timeout, and after that for its `outage` seconds
--
-- A client with outage = 0 (the default) gives up after its `retries`. Waits (gpupt.vim.watch) go on until their own
-- deadline in any client.
local attempt = require "gpupt.vim.attempt"
local away = require "gpupt.vim.away"
local engine = require "gpupt.loop.engine"

local outage = {}

local Tries = {}
Tries.__index = Tries

-- Seconds for a try that begins after the call's own timeout.
local ATTEMPT = 60

--- The tries of a call with these options.
function outage.tries(client, options)
  local now = engine.now()
  local self = { client = client, try = 1, retries = options.retries or client.retries,
    until_time = now + (options.timeout or client.timeout) }
  self.patient = not options.retries and client.outage > 0
  self.deadline = self.until_time + (self.patient and not options.timeout and client.outage or 0)
  return setmetatable(self, Tries)
end

--- When the next try has to be answered.
function Tries:limit()
  return math.max(self.until_time, math.min(self.deadline, engine.now() + ATTEMPT))
end

--- Whether a call that failed so is sent again; pauses before.
function Tries:again(code, info, safe)
  if engine.now() >= self.deadline or not attempt.may_repeat(code, info, safe, self.patient) then return false end
  if self.try > self.retries then
    if not self.patient then return false end
    away.announce(self.client, self.deadline)
  end
  attempt.pause(attempt.back_off(self.try), self.deadline)
  self.try = self.try + 1
  return true
end

--- After NotAuthenticated: logs in again, as often as the call may be repeated while the server does not answer.
-- true, or nil, message, code, detail.
function Tries:renew(generation)
  while true do
    local ok, message, code, detail = self.client:login_again(generation)
    if ok then return true end
    local info = { status = detail and detail.status, sent = true }
    if not away.unanswered(code, info) or not self:again(code, info, true) then return nil, message, code, detail end
  end
end

return outage
