--- Connecting, logging in, staying logged in, logging out.
local engine = require "gpupt.loop.engine"
local env = require "gpupt.vim.env"
local failure = require "gpupt.failure"
local fiber = require "gpupt.loop.fiber"
local net = require "gpupt.net"
local secrets = require "gpupt.vim.secrets"
local transport = require "gpupt.vim.transport"
local wait = require "gpupt.loop.wait"

local session = {}

local LOGOUT = 5 -- seconds; a server that does not answer must not keep a script from ending

--- Asks the server which versions of vim25 it speaks and takes the newest that we know.
function session.negotiate(client)
  local text, message, code, info_of_error = transport.exchange(client, {
    url = client.base .. client.url_path:gsub("/+$", "") .. "/vimServiceVersions.xml",
    headers = { "User-Agent: " .. client.agent }, answer = "bytes", max_bytes = 1024 * 1024,
    timeout = math.min(client.timeout, 60), connect_timeout = client.connect_timeout,
    stall_timeout = client.stall_timeout,
  }, { name = "vimServiceVersions.xml" })
  if not text and code ~= "EHTTP" then return nil, message, code end
  local info = text and message or info_of_error
  if info.status ~= 200 then
    local to = info.status // 100 == 3 and " (a redirect, which is not followed)" or ""
    return nil, ("%s does not speak the vSphere API: HTTP %d%s for %s/vimServiceVersions.xml"):format(client.base,
      info.status, to, client.url_path), info.status >= 500 and "EHTTP" or "ECONNECT"
  end
  local versions, ours = {}, false
  for block in (text .. "<namespace>"):gmatch "(.-)<namespace>" do
    if block:find("urn:vim25%s*</name>") then
      ours = true
      for version in block:gmatch "<version>%s*([%w.]+)%s*</version>" do versions[#versions + 1] = version end
    end
  end
  if not ours then return nil, client.base .. " does not speak the vSphere API: it lists no vim25", "EPROTOCOL" end
  return net.schema.choose(versions)
end

local function credentials(client)
  local name = client.username
  if not name then return nil, "no user name is given: set GOVC_USERNAME, or give the option username", "ENOLOGIN" end
  local password, message, code = env.secret(secrets[client].password)
  if password == nil then
    return nil, message or "no password is given: set GOVC_PASSWORD, or give the option password", code or "ENOLOGIN"
  end
  return name, password
end

--- Logs in. true, or nil, message, code ("InvalidLogin"...). A password that was refused once is not sent a second
-- time, however many calls find the session ended: servers lock an account for that.
function session.login(client)
  local name, password, code = credentials(client)
  if not name then return nil, password, code end
  local kept = secrets[client]
  if kept.refused == password then return nil, kept.refusal, "InvalidLogin" end
  kept.cookie = nil
  local found, message, kind, detail = client:call(client.content.sessionManager, "Login",
    { userName = name, password = password }, { no_login = true })
  if not found then
    if kind == "InvalidLogin" then
      message = ("%s refuses the login of '%s': the user name or the password is wrong"):format(client.base, name)
      kept.refused, kept.refusal = password, message
    end
    return nil, message, kind, detail
  end
  client.user = found
  client.session_open = true
  client.generation = client.generation + 1
  client.last_answer = engine.now()
  return true
end

--- After NotAuthenticated: one new login for all who noticed. `seen` is the generation that the caller used.
function session.again(client, seen)
  if client.generation ~= seen then return true end
  if client.logging_in then
    local stop = wait.wait(client.logging_in)
    if stop then error(stop, 0) end
    if client.generation ~= seen then return true end
    return nil, "the session ended, and logging in again failed", "NotAuthenticated"
  end
  client.logging_in = engine.event()
  local results = table.pack(pcall(function()
    -- a server may say NotAuthenticated for want of rights: the session that we have must not be left behind
    client:call(client.content.sessionManager, "Logout", {}, { timeout = LOGOUT, retries = 0, no_login = true })
    return session.login(client)
  end))
  engine.fire(client.logging_in)
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

--- Logs out, for at most 5 seconds, also while the caller is being cancelled.
function session.logout(client)
  if not client.session_open then return true end
  client.session_open = false
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
