--- One attempt at a vim25 call, and whether to retry it after a failure. Used by calls that return values
-- (gpupt.vim.call) and calls that return a tape (gpupt.vim.tape_call).
local away = require "gpupt.vim.away"
local engine = require "gpupt.loop.engine"
local fault = require "gpupt.vim.fault"
local secrets = require "gpupt.vim.secrets"
local transport = require "gpupt.rest.transport"
local wait = require "gpupt.loop.wait"

local attempt = {}

-- Calls that only read, by their first word, and calls whose repetition leaves only what the session's end removes.
local reading = { "^Retrieve", "^Query", "^Find", "^Current", "^Has", "^Read", "^List", "^Check", "^Validate", "^Get",
  "^Lookup", "^Compute", "^Estimate", "^Browse", "^Fetch", "^SessionIsActive$", "^CreateContainerView$",
  "^CreateListView$", "^ModifyListView$", "^CreatePropertyCollector$", "^CreateFilter$", "^Destroy.*View$",
  "^DestroyPropertyFilter$", "^DestroyPropertyCollector$", "^CancelRetrievePropertiesEx$",
  "^CancelWaitForUpdates$", "^CancelTask$", "^RefreshDatastore", "^Logout$",
  "^DirectPathProfileManagerQuery", "^DirectPathProfileManagerList$" }
-- the same call again has the same result, or leaves one more empty folder in a guest
local repeatable = { UpdatePassthruConfig = true, Refresh = true, RefreshStorageInfo = true, MountToolsInstaller = true,
  UnmountToolsInstaller = true, CreateTemporaryDirectoryInGuest = true,
  InitiateFileTransferFromGuest = true, SearchDatastore_Task = true, SearchDatastoreSubFolders_Task = true }
-- these consume a token or one-time address: a second call gives another result
local consuming = { ContinueRetrievePropertiesEx = true, WaitForUpdatesEx = true, ReadNextTasks = true,
  ReadNextEvents = true, ReadPreviousTasks = true, ReadPreviousEvents = true, CheckForUpdates = true }

-- Methods by those words that do change something, and tasks that only read.
local changing = { CancelTask = true, RefreshDatastore = true, RefreshDatastoreStorageInfo = true, Logout = true }
local reading_tasks = { SearchDatastore_Task = true, SearchDatastoreSubFolders_Task = true }
-- these ask for a secret, or try one
local secret = { "Ticket", "Credentials", "InGuest$", "^Acquire" }

--- Whether a method only reads on the server, or opens, uses or ends what the session's end removes.
function attempt.reads(name)
  for _, word in ipairs(secret) do
    if name:find(word) and not attempt.logs_in(name) then return false end
  end
  if changing[name] or repeatable[name] and not reading_tasks[name] then return false end
  return reading_tasks[name] or attempt.safe(name) or consuming[name] == true or attempt.logs_in(name)
end

local safety = {}

--- Whether a method may be sent again: it only reads, or the same call has the same result.
function attempt.safe(name)
  local known = safety[name]
  if known ~= nil then return known end
  known = repeatable[name] == true
  if not consuming[name] and not name:find "_Task$" then
    for _, pattern in ipairs(reading) do known = known or name:find(pattern) ~= nil end
  end
  safety[name] = known
  return known
end

--- Whether a method opens a session.
function attempt.logs_in(name)
  return name:find "^Login" ~= nil or name == "CloneSession" or name == "ImpersonateUser"
end

--- Whether a call that failed so may be sent again. `patient`: also after a try that has timed out.
function attempt.may_repeat(code, info, safe, patient)
  if code == "ETIMEDOUT" and not patient then return false end
  if (code == "ECONNECT" or code == "ETIMEDOUT") and not info.sent then return true end
  return safe and away.unanswered(code, info)
end

-- After the request was sent on a connection that then broke, libcurl opens another one. What fails there says nothing
-- of the request.
local lost = { ELOST = true, ETIMEDOUT = true, ETRUNCATED = true, EXML = true, ELIMIT = true, EPROTOCOL = true,
  EENTITY = true, EHTTP = true, ECONNECT = true, ETLS = true, EUNTRUSTED = true, EPROXY = true }

--- Whether the server may have acted although its answer did not come.
function attempt.lost(code, info)
  return info.sent == true and lost[code] == true
end

--- Seconds to wait before another try.
function attempt.back_off(try)
  return math.min(5, 0.2 * 2 ^ (try - 1)) * (0.5 + math.random())
end

--- Waits; raises when the caller is stopped during the wait.
function attempt.pause(seconds, until_time)
  local stop = wait.wait(engine.event(), math.min(engine.now() + seconds, until_time))
  if stop then error(stop, 0) end
end

-- Before the login the server is not authenticated to us by a session; answers needed there take a few kB.
local EARLY_BYTES, EARLY_CELLS = 4 << 20, 1 << 16

local function limits_of(client)
  if client.session_open then return client.limits end
  local limits = {}
  for name, value in pairs(client.limits or {}) do limits[name] = value end
  limits.bytes = math.min(limits.bytes or EARLY_BYTES, EARLY_BYTES)
  limits.cells = math.min(limits.cells or EARLY_CELLS, EARLY_CELLS)
  return limits
end

--- Sends `body` once: gives a tape and info, or nil, message, code, info.
function attempt.send(client, body, what, options, until_time)
  if client.record then
    local refusal, why = client.record:refuses(what.name)
    if refusal then return nil, refusal, why, {} end
  end
  local now = engine.now()
  local headers = {
    'Content-Type: text/xml; charset="utf-8"', "SOAPAction: " .. body:action(), "User-Agent: " .. client.agent,
  }
  what.cookie = attempt.logs_in(what.name) and "vmware_soap_session" or nil
  if secrets[client].cookie then headers[4] = "Cookie: vmware_soap_session=" .. secrets[client].cookie end
  local tape, message, code, info = transport.exchange(client, {
    url = client.url, body = body, headers = headers, answer = "soap", limits = limits_of(client),
    timeout = math.max(0.001, until_time - now), connect_timeout = client.connect_timeout,
    stall_timeout = options.stall_timeout or client.stall_timeout, once = what.once, keep = client.record ~= nil,
  }, what)
  if tape then info = message end
  if attempt.logs_in(what.name) then
    if info.cookie then secrets[client].cookie = info.cookie end
    if tape and info.bad_cookie then
      tape:release()
      tape, message, code = nil, client.base .. " sent an invalid session cookie", "EPROTOCOL"
    end
  end
  if client.record and what.name ~= "Logout" then
    local ok, problem, kind = client.record:call { name = what.name, version = body:action(), request = body:redacted(),
      answer = info.kept, status = info.status, code = code, logs_in = attempt.logs_in(what.name) }
    if not ok and tape then
      tape:release()
      tape, message, code = nil, problem, kind
    end
  end
  if client.trace then
    client:emit { method = what.name, object = tostring(what.object), operation_id = what.operation_id,
      seconds = engine.now() - now, status = info.status, code = code, message = not tape and message or nil,
      bytes = tape and tape:bytes(), request = body:redacted(), fault = tape and tape:kind() == "fault" or nil }
  end
  if not tape then
    away.failed(client, message, code, info)
    return nil, message, code, info
  end
  away.over(client)
  client.last_answer = engine.now()
  return tape, info
end

--- The detail of a failure: which call it was.
function attempt.detail_of(what, more)
  local detail = more or {}
  detail.method, detail.object, detail.operation_id = what.name, what.object, what.operation_id
  return detail
end

--- A fault as nil, message, code, detail.
function attempt.fault_of(client, tape, what)
  local message, code, detail = tape:fault(client.refs, client.make_ref)
  if code == "NoPermission" and detail.fault then
    message = fault.explain(message, code, detail.fault, function(object) return client:name_of(object) end)
  end
  return nil, message, code, attempt.detail_of(what, detail)
end

return attempt
