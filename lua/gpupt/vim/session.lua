--- Connecting, logging in, staying logged in, logging out.
local away = require "gpupt.vim.away"
local engine = require "gpupt.loop.engine"
local failure = require "gpupt.failure"
local fiber = require "gpupt.loop.fiber"
local kept_sessions = require "gpupt.vim.kept"
local login = require "gpupt.vim.login"
local logins = require "gpupt.logins"
local net = require "gpupt.net"
local secrets = require "gpupt.vim.secrets"
local transport = require "gpupt.rest.transport"
local wait = require "gpupt.loop.wait"

local session = {}

local LOGOUT = 5 -- seconds; a server that does not answer must not keep a script from ending

--- Asks the server which versions of vim25 it speaks and chooses the newest that we support.
function session.negotiate(client)
  local text, message, code, info_of_error = transport.exchange(client, {
    url = client.base .. client.url_path:gsub("/+$", "") .. "/vimServiceVersions.xml",
    headers = { "User-Agent: " .. client.agent }, answer = "bytes", max_bytes = 1024 * 1024,
    timeout = math.min(client.timeout, 60), connect_timeout = client.connect_timeout,
    stall_timeout = client.stall_timeout,
  }, { name = "vimServiceVersions.xml" })
  if not text and code ~= "EHTTP" then return nil, message, code end
  local info = text and message or info_of_error
  if client.record then
    local ok, problem, failed = client.record:versions(text, info.status)
    if not ok then return nil, problem, failed end
  end
  if info.status ~= 200 then
    if away.unanswered("EHTTP", info) then
      return nil, ("%s answers HTTP %d for %s/vimServiceVersions.xml: the server is starting, or a proxy cannot reach "
        .. "it. Try again in a few minutes"):format(client.base, info.status, client.url_path), "EHTTP"
    end
    local to = info.status // 100 == 3 and " (a redirect, which is not followed)" or ""
    return nil, ("%s does not offer the vSphere API: HTTP %d%s for %s/vimServiceVersions.xml"):format(client.base,
      info.status, to, client.url_path), info.status >= 500 and "EHTTP" or "ECONNECT"
  end
  local versions, ours = {}, false
  for block in (text .. "<namespace>"):gmatch "(.-)<namespace>" do
    if block:find("urn:vim25%s*</name>") then
      ours = true
      for version in block:gmatch "<version>%s*([%w.]+)%s*</version>" do versions[#versions + 1] = version end
    end
  end
  if not ours then return nil, client.base .. " does not offer the vSphere API: it lists no vim25", "EPROTOCOL" end
  return net.schema.choose(versions)
end

-- Saves the session for the next program. If it cannot be saved, it ends with this program as usual.
local function keep(client)
  if not client.persist then return end
  local ok, message = kept_sessions.save(client)
  if ok then return end
  client.persist = false
  wait.warn("the session is not saved: " .. message)
end

logins.kind("vcenter", {
  noun = "server", refusal = "InvalidLogin",
  refused = function(code) return code == "InvalidLogin" or code == "PasswordExpired" end,
  locked = { SystemError = true, NoPermission = true },
  lost = function(code) return logins.lost[code] == true end,
})

-- A password is checked against the registry of refused ones first; a token or ticket is sent directly.
local function send(client, way)
  local function call()
    return client:call(client.content.sessionManager, way.method, way.arguments,
      { no_login = true, security = way.security, body_id = way.body_id, retries = client.session_open and 0 or nil })
  end
  if not way.account then return call() end
  return client.logins:attempt({ kind = "vcenter", id = client.base, target = client.base, account = way.account,
    password = way.secret, until_time = engine.now() + client.timeout }, call)
end

--- Logs in. true, or nil, message, code ("InvalidLogin"...). A password, token or ticket that was refused once is not
-- sent a second time, however many calls find the session ended: servers lock an account for that.
function session.login(client)
  local way, problem, code = login.prepare(client)
  if not way then return nil, problem, code end
  local kept = secrets[client]
  if kept.refused and kept.refused == way.secret then return nil, kept.refusal, "InvalidLogin" end
  kept.cookie = nil
  local found, message, kind, detail = send(client, way)
  if way.once then -- whatever the result
    kept.refused, kept.refusal = way.secret, "the session has ended, and a clone ticket opens one session only: get a "
      .. "new ticket"
  end
  if not found then
    local untried = detail and detail.untried
    if kind == "InvalidLogin" and (not untried or detail.refused_by == client.base) then
      message = way.refusal .. (untried and ", and it is not sent again" or "")
      if not way.account then kept.refused, kept.refusal = way.secret, message end
    end
    return nil, message, kind, detail
  end
  client.user = found
  client.session_open = true
  client.generation = client.generation + 1
  client.last_answer = engine.now()
  keep(client)
  return true
end

-- Resumes the session that an earlier program saved, if it still exists on the server. true; false when there is none;
-- nil, message, code.
local function resume(client)
  local cookie, user, code = kept_sessions.load(client)
  if not cookie then
    if code then return nil, user, code end
    return false
  end
  secrets[client].cookie = cookie
  local found, message, failed = client.get_properties(client.content.sessionManager, "currentSession")
  if not found or found.userName ~= user then
    secrets[client].cookie = nil
    local dead = failed == "NotAuthenticated" or failed == "ManagedObjectNotFound" -- the latter: it was reinstalled
    if found or found == false or dead then return false end
    return nil, message, failed
  end
  client.user = found
  client.session_open = true
  client.generation = client.generation + 1
  return true
end

--- Logs in, or resumes a saved session. true, or nil, message, code.
function session.enter(client)
  if client.persist then
    local resumed, message, code = resume(client)
    if resumed == nil then return nil, message, code end
    if resumed then return true end
  end
  return session.login(client)
end

--- Ends the session saved for this client's server and user, and deletes the file. Whether there was one; or nil,
-- message, code.
function session.discard(client)
  local found, message, code = resume(client)
  if found == nil then return nil, message, code end
  client.persist = false
  local ok, why, failed
  if found then
    ok, why, failed = session.logout(client)
  end
  local gone
  gone, message, code = kept_sessions.forget(client)
  if not gone then return nil, message, code end
  if found and not ok then return nil, why, failed end
  return found
end

-- Logs out and in. The logout is also a question without a password: a server that does not answer it is not sent one.
local function renew(client)
  -- a server may answer NotAuthenticated for a missing right: the current session must not stay open
  local ok, message, code, detail = client:call(client.content.sessionManager, "Logout", {},
    { timeout = LOGOUT, retries = 0, no_login = true })
  if not ok and away.unanswered(code, detail or {}) then return nil, message, code, detail end
  return session.login(client)
end

--- After NotAuthenticated: one new login for all callers that got it. `seen` is the generation that the caller used.
-- true, or nil, message, code, detail.
function session.again(client, seen)
  while client.generation == seen do
    local event = client.logging_in
    if not event then break end
    local stop = wait.wait(event)
    if stop then error(stop, 0) end
    if client.generation == seen and event.outcome then return table.unpack(event.outcome, 1, 4) end
  end
  if client.generation ~= seen then return true end
  local event = engine.event()
  client.logging_in = event
  local results = table.pack(pcall(renew, client))
  if results[1] then event.outcome = table.pack(table.unpack(results, 2, results.n)) end
  engine.fire(event)
  client.logging_in = nil
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

--- A small call while nothing else happens, so that the server keeps the session.
function session.keep_alive(client)
  client.keeper = fiber.helper(function()
    while not client.closed do
      local wake = engine.event()
      client.keeper_wake = wake
      if wait.wait(wake, engine.now() + client.keep_alive / 2, true) or client.closed then return end
      if client.session_open and engine.now() - client.last_answer >= client.keep_alive then
        client:call(client.instance, "CurrentTime", {}, { retries = 0 })
      end
    end
  end)
end

--- Logs out, for at most 5 seconds, also while the caller is being cancelled. A saved session stays open.
function session.logout(client)
  if not client.session_open then return true end
  client.session_open = false
  if client.persist then -- the next program resumes it
    secrets[client].cookie = nil
    return true
  end
  local ok, message, code = wait.shield(function()
    return failure.catch(function()
      return client:call(client.content.sessionManager, "Logout", {},
        { timeout = LOGOUT, retries = 0, no_login = true })
    end)
  end)
  secrets[client].cookie = nil
  if ok or code == "NotAuthenticated" then return true end
  return nil, message, code
end

return session
