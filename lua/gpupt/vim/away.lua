--- What is known, and said, about a server that does not answer: once at the start of an outage, once at its end, to
-- the function client.outage_event (a run's; see Client:be_patient).
local engine = require "gpupt.loop.engine"
local units = require "gpupt.units"

local away = {}

local transient = { [502] = true, [503] = true, [504] = true }

--- Whether the failure is that of a server that does not answer: no connection, or a proxy answers for it.
function away.unanswered(code, info)
  return code == "ECONNECT" or code == "ELOST" or code == "ETRUNCATED" or code == "ETIMEDOUT"
    or (code == "EHTTP" and transient[info.status] == true)
end

local function say(client, text)
  if client.outage_event then pcall(client.outage_event, text) end -- its errors are not the call's
end

--- A request has failed: notes the start of an outage. client.outages: how many there were.
function away.failed(client, message, code, info)
  if client.away or not away.unanswered(code, info) then return end
  client.outages = (client.outages or 0) + 1
  client.away = { since = os.time(), why = code == "EHTTP" and "HTTP " .. info.status or message }
end

--- Tells that the server does not answer, once in an outage. `deadline` (of engine.now) is that of the caller.
function away.announce(client, deadline)
  local state = client.away
  if not state or state.said then return end
  state.said = true
  local till = deadline < math.huge and os.date("%H:%M:%S", os.time() + math.ceil(deadline - engine.now()))
  say(client, ("%s does not answer since %s (%s); waiting%s"):format(client.base, os.date("%H:%M:%S", state.since),
    state.why, till and " until " .. till or ""))
end

--- "since 03:12:45 (Connection refused)" while the server does not answer, else nil.
function away.now(client)
  local state = client.away
  return state and ("since %s (%s)"):format(os.date("%H:%M:%S", state.since), state.why)
end

--- The server has answered.
function away.over(client)
  local state = client.away
  if not state then return end
  client.away = nil
  if not state.said then return end
  say(client, ("%s answers again, after %s"):format(client.base, units.span(math.max(1, os.time() - state.since))))
end

return away
