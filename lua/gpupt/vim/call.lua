--- One call of vim25: encode, send, decode; what may be sent again, and what may not.
--   never sent (no connection)         any call is tried again, with back-off
--   answer lost, 502/503/504           calls that only read are tried again; a task is looked for by its operationID
--                                      and adopted; anything else ends in EUNKNOWN
--   NotAuthenticated                   one new login; calls that only read are repeated, others are not
-- A fault is nil, message, code (its type), detail {fault, messages, method, object, operation_id}.
local codec = require("gpupt.net").codec
local engine = require "gpupt.loop.engine"
local fault = require "gpupt.vim.fault"
local schema = require("gpupt.net").schema
local secrets = require "gpupt.vim.secrets"
local transport = require "gpupt.vim.transport"
local wait = require "gpupt.loop.wait"

local call = {}

-- Reading calls by their first word, and calls whose repetition leaves nothing but what the session's end removes.
local reading = { "^Retrieve", "^Query", "^Find", "^Current", "^Has", "^Read", "^List", "^Check", "^Validate", "^Get",
  "^Lookup", "^Compute", "^Estimate", "^Browse", "^Fetch", "^SessionIsActive$", "^CreateContainerView$",
  "^CreateListView$", "^CreatePropertyCollector$", "^CreateFilter$", "^Destroy.*View$", "^DestroyPropertyFilter$",
  "^DestroyPropertyCollector$", "^CancelRetrievePropertiesEx$", "^CancelWaitForUpdates$", "^CancelTask$",
  "^RefreshDatastore", "^Logout$" }
-- tokens and one-time addresses: asking twice is not the same as asking once
local consuming = { ContinueRetrievePropertiesEx = true, WaitForUpdatesEx = true, ReadNextTasks = true,
  ReadNextEvents = true, ReadPreviousTasks = true, ReadPreviousEvents = true, CheckForUpdates = true }

local safety = {}

--- Whether a method only reads, so that it may be sent again.
function call.safe(name)
  local known = safety[name]
  if known ~= nil then return known end
  known = false
  if not consuming[name] and not name:find "_Task$" then
    for _, pattern in ipairs(reading) do known = known or name:find(pattern) ~= nil end
  end
  safety[name] = known
  return known
end

local function logs_in(name) return name:find "^Login" ~= nil or name == "CloneSession" or name == "ImpersonateUser" end

local transient = { [502] = true, [503] = true, [504] = true }

local function may_repeat(code, info, safe)
  if code == "ECONNECT" and not info.sent then return true end
  if not safe then return false end
  return code == "ECONNECT" or code == "ELOST" or code == "ETRUNCATED" or (code == "EHTTP" and transient[info.status])
end

-- Whether the server may have acted although its answer did not come.
local function lost(code, info)
  if not info.sent then return false end
  return code == "ELOST" or code == "ETIMEDOUT" or code == "ETRUNCATED" or code == "EXML" or code == "ELIMIT"
    or code == "EPROTOCOL" or code == "EENTITY" or code == "EHTTP"
end

local function back_off(attempt)
  return math.min(5, 0.2 * 2 ^ (attempt - 1)) * (0.5 + math.random())
end

local function pause(seconds, until_time)
  local stop = wait.wait(engine.event(), math.min(engine.now() + seconds, until_time))
  if stop then error(stop, 0) end
end

-- Before the login anybody may answer who has the address: what is asked there takes a few kB.
local EARLY_BYTES, EARLY_CELLS = 4 << 20, 1 << 16

local function limits_of(client)
  if client.session_open then return client.limits end
  local limits = {}
  for name, value in pairs(client.limits or {}) do limits[name] = value end
  limits.bytes = math.min(limits.bytes or EARLY_BYTES, EARLY_BYTES)
  limits.cells = math.min(limits.cells or EARLY_CELLS, EARLY_CELLS)
  return limits
end

--- One attempt: gives a tape and info, or nil, message, code, info.
local function attempt(client, body, what, options, until_time)
  local now = engine.now()
  local headers = {
    'Content-Type: text/xml; charset="utf-8"', "SOAPAction: " .. body:action(), "User-Agent: " .. client.agent,
  }
  if secrets[client].cookie then headers[4] = "Cookie: vmware_soap_session=" .. secrets[client].cookie end
  local tape, message, code, info = transport.exchange(client, {
    url = client.url, body = body, headers = headers, answer = "soap", limits = limits_of(client),
    timeout = math.max(0.001, until_time - now), connect_timeout = client.connect_timeout,
    stall_timeout = options.stall_timeout or client.stall_timeout, once = what.once,
  }, what)
  if tape then info = message end
  if logs_in(what.name) then
    if info.cookie then secrets[client].cookie = info.cookie end
    if tape and info.bad_cookie then
      tape:release()
      tape, message, code = nil, client.base .. " gives the session a cookie that is none", "EPROTOCOL"
    end
  end
  if client.trace then
    client:emit { method = what.name, object = tostring(what.object), operation_id = what.operation_id,
      seconds = engine.now() - now, status = info.status, code = code, message = not tape and message or nil,
      bytes = tape and tape:bytes(), request = body:redacted(), fault = tape and tape:kind() == "fault" or nil }
  end
  if not tape then return nil, message, code, info end
  client.last_answer = engine.now()
  return tape, info
end

local function detail_of(what, more)
  local detail = more or {}
  detail.method, detail.object, detail.operation_id = what.name, what.object, what.operation_id
  return detail
end

-- Among recent tasks: the object's own first, then all that the server lists (the last 200 that ended).
local function find_recent(client, object, operation_id)
  local collect = require "gpupt.vim.collect"
  local places, seen = {}, {}
  if schema.is_a(object.type, "ManagedEntity") then places[1] = object end
  if client.content.taskManager then places[#places + 1] = client.content.taskManager end
  for _, place in ipairs(places) do
    local tasks, message, code = client.get_properties(place, "recentTask")
    if tasks == nil then return nil, message, code end
    local fresh = {}
    for _, task in ipairs(tasks or {}) do
      if not seen[task] then fresh[#fresh + 1] = task end
      seen[task] = true
    end
    -- one that the server forgot meanwhile may fail the whole reading: the history is asked then
    local found = #fresh > 0
      and collect.all(client, { type = "Task", paths = { "info.activationId" }, objects = fresh })
    for _, one in ipairs(found or {}) do
      if one["info.activationId"] == operation_id then return one.ref end
    end
  end
end

-- In the server's history of tasks, which goes back further. ESXi has none.
local function find_past(client, operation_id)
  local manager = client.content.taskManager
  local again = { safe = true } -- a second collector goes with the session
  local history = manager and client:call(manager, "CreateCollectorForTasks",
    { filter = { activationId = { operation_id } } }, again)
  if not history then return nil end
  local tasks, message, code = client:call(history, "ReadNextTasks", { maxCount = 10 }, again)
  client:call(history, "DestroyCollector", {}, again)
  if not tasks then return nil, message, code end
  return tasks[1] and tasks[1].task
end

--- The task that carries this operationID, looked for in the object's and the server's recent tasks and in the history.
-- Gives the reference, or nil, message, "ENOENT" (no such task there) or the failure of looking.
function call.find_task(client, object, operation_id)
  local task, message, code = find_recent(client, object, operation_id)
  if not task and not message then task, message, code = find_past(client, operation_id) end
  if task then return task end
  if message then return nil, message, code end
  return nil, ("no task carries the operationID %s"):format(operation_id), "ENOENT"
end

-- After a lost answer to a call that is not safe: the task that it started, or EUNKNOWN.
local function recover(client, what, starts_task, message, code)
  if starts_task and code ~= "ETIMEDOUT" then
    for try = 1, 3 do
      local task = call.find_task(client, what.object, what.operation_id)
      if task then return task end
      if try < 3 then pause(0.3 * try, math.huge) end
    end
  end
  return nil, ("%s on %s was sent, but its answer was lost (%s); whether it took effect is unknown"):format(what.name,
    what.object, message), "EUNKNOWN", detail_of(what, { cause = code })
end

local function fault_of(client, tape, what)
  local message, code, detail = tape:fault(client.refs, client.make_ref)
  if code == "NoPermission" and detail.fault then
    message = fault.explain(message, code, detail.fault, function(object) return client:name_of(object) end)
  end
  return nil, message, code, detail_of(what, detail)
end

-- A session that the caller opened or ended by calling the session manager is the client's all the same: it is kept
-- alive and logged out at the end, or not opened again behind the caller's back.
local function session_changed(client, name)
  client.session_open = name ~= "Logout"
  client.generation = client.generation + 1
  if name == "Logout" then
    secrets[client].cookie = nil
    if client.persist then require("gpupt.vim.kept").forget(client) end
  elseif not client.keeper then
    require("gpupt.vim.session").keep_alive(client)
  end
end

--- Calls `name` on the reference `object`. `options`: timeout, operation_id, stall_timeout, retries, safe,
-- no_login, security and body_id (a WS-Security header and what it signs).
-- `level` is where misuse is reported, as in error().
function call.invoke(client, object, name, arguments, options, level)
  options = options or {}
  if client.closed and name ~= "Logout" then return nil, "this connection is closed", "ECLOSED" end
  local _, starts_task = schema.find(object.type, name)
  if not _ then error(starts_task, level + 1) end
  local safe = options.safe
  if safe == nil then safe = call.safe(name) end
  local what = { name = name, object = object, unsafe = not safe and not logs_in(name), once = not safe,
    operation_id = options.operation_id or client:next_operation_id() }
  local body, message, code = codec.encode(name, object.type, object.value, arguments,
    { version = client.version, operation_id = what.operation_id, security = options.security,
      body_id = options.body_id })
  if not body then
    if code == "EARGUMENT" then error(("%s: %s"):format(name, message), level + 1) end
    return nil, ("%s: %s"):format(name, message), code, detail_of(what)
  end
  local until_time = engine.now() + (options.timeout or client.timeout)
  -- an idle session may have ended: find out with a call that may be repeated, not with one that may not
  if what.unsafe and client:is_idle() and name ~= "Logout" then
    local alive, why, failed = client:probe()
    if not alive then return nil, why, failed end
  end
  local retries, relogged = options.retries or client.retries, false
  local try = 1
  local info
  while true do
    local generation = client.generation
    local tape
    tape, message, code, info = attempt(client, body, what, options, until_time)
    if tape and tape:kind() ~= "fault" then
      body:release()
      if not options.no_login and (name == "Logout" or logs_in(name)) then session_changed(client, name) end
      return tape:value(client.refs, client.make_ref)
    end
    if tape then
      local _, text, kind, detail = fault_of(client, tape, what)
      if kind ~= "NotAuthenticated" or relogged or not client.session_open or options.no_login then
        body:release()
        return nil, text, kind, detail
      end
      relogged = true
      local ok, why, failed = client:login_again(generation)
      if not ok then
        body:release()
        return nil, why, failed, detail
      end
      if what.unsafe then
        body:release()
        return nil, text .. "; logged in again, but " .. name .. " was not repeated", kind, detail
      end
    elseif try <= retries and engine.now() < until_time and may_repeat(code, info, safe) then
      pause(back_off(try), until_time)
      try = try + 1
    else
      break
    end
  end
  body:release()
  if what.unsafe and lost(code, info) then return recover(client, what, starts_task, message, code) end
  return nil, message, code, detail_of(what, { status = info.status })
end

--- As invoke, but gives the tape itself (for pages). nil, message, code, detail on a fault.
function call.tape(client, object, name, arguments, options)
  local safe = call.safe(name)
  local what = { name = name, object = object, operation_id = client:next_operation_id(), once = not safe }
  local until_time = engine.now() + (options.timeout or client.timeout)
  local relogged, try = false, 1
  while true do
    local body, message, code = codec.encode(name, object.type, object.value, arguments,
      { version = client.version, operation_id = what.operation_id })
    if not body then return nil, message, code, detail_of(what) end
    local generation = client.generation
    local tape, why, failed, info = attempt(client, body, what, options, until_time)
    body:release()
    if tape and tape:kind() ~= "fault" then return tape end
    if tape then
      local _, text, kind, detail = fault_of(client, tape, what)
      if kind ~= "NotAuthenticated" or relogged or not safe or not client.session_open then
        return nil, text, kind, detail
      end
      relogged = true
      local ok, no, refused = client:login_again(generation)
      if not ok then return nil, no, refused, detail end
    elseif try <= client.retries and engine.now() < until_time and may_repeat(failed, info, safe) then
      pause(back_off(try), until_time)
      try = try + 1
    else
      return nil, why, failed, detail_of(what, { status = info.status })
    end
  end
end

return call
