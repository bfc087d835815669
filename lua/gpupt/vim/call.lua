--- One call of vim25: encode, send, decode; and which calls may be sent again.
--   never sent (no connection)         any call is tried again, with back-off
--   answer lost, 502/503/504           calls that only read are tried again; a task is found by its operationID
--                                      and used; anything else ends in EUNKNOWN
--   NotAuthenticated                   one new login; calls that only read are repeated, others are not
-- How often and how long calls are tried again: gpupt.vim.outage.
-- A fault is nil, message, code (its type), detail {fault, messages, method, object, operation_id}.
local attempt = require "gpupt.vim.attempt"
local codec = require("gpupt.net").codec
local lost_task = require "gpupt.vim.lost_task"
local outage = require "gpupt.vim.outage"
local schema = require("gpupt.net").schema
local secrets = require "gpupt.vim.secrets"

local call = {}

-- After a lost answer to a call that is not safe: the task that it started, or EUNKNOWN.
local function recover(client, what, starts_task, message, code)
  if starts_task and (code ~= "ETIMEDOUT" or client.outage > 0) then
    for try = 1, 3 do
      local task = lost_task(client, what.object, what.operation_id)
      if task then return task end
      if try < 3 then attempt.pause(0.3 * try, math.huge) end
    end
  end
  return nil, ("%s on %s was sent, but its response was lost (%s); whether it took effect is unknown"):format(what.name,
    what.object, message), "EUNKNOWN", attempt.detail_of(what, { cause = code })
end

-- A session that the caller opened or ended through the session manager still belongs to the client: it is kept alive
-- and logged out at the end, or not opened again without the caller's knowledge.
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
  if safe == nil then safe = attempt.safe(name) end
  local what = { name = name, object = object, unsafe = not safe and not attempt.logs_in(name), once = not safe,
    operation_id = options.operation_id or client:next_operation_id() }
  local body, message, code = codec.encode(name, object.type, object.value, arguments,
    { version = client.version, operation_id = what.operation_id, security = options.security,
      body_id = options.body_id })
  if not body then
    if code == "EARGUMENT" then error(("%s: %s"):format(name, message), level + 1) end
    return nil, ("%s: %s"):format(name, message), code, attempt.detail_of(what)
  end
  local tries, relogged = outage.tries(client, options), false
  -- an idle session may have ended: find out with a call that may be repeated, not with one that may not
  if what.unsafe and client:is_idle() and name ~= "Logout" then
    local alive, why, failed = client:probe()
    if not alive then return nil, why, failed end
  end
  local info
  while true do
    local generation = client.generation
    local tape
    tape, message, code, info = attempt.send(client, body, what, options, tries:limit())
    if tape and tape:kind() ~= "fault" then
      body:release()
      if not options.no_login and (name == "Logout" or attempt.logs_in(name)) then session_changed(client, name) end
      return tape:value(client.refs, client.make_ref)
    end
    if tape then
      local _, text, kind, detail = attempt.fault_of(client, tape, what)
      if kind ~= "NotAuthenticated" or relogged or not client.session_open or options.no_login then
        body:release()
        return nil, text, kind, detail
      end
      relogged = true
      local ok, why, failed = tries:renew(generation)
      if not ok then
        body:release()
        return nil, why, failed, detail
      end
      if what.unsafe then
        body:release()
        return nil, text .. "; logged in again, but " .. name .. " was not repeated", kind, detail
      end
    elseif tries:again(code, info, safe) then
      relogged = false -- a server that restarts may end the new session too
    else
      break
    end
  end
  body:release()
  if what.unsafe and attempt.lost(code, info) then return recover(client, what, starts_task, message, code) end
  return nil, message, code, attempt.detail_of(what, { status = info.status })
end

return call
