--- A session with a Horizon Connection Server's REST interface.
--
--   local cs <close> = client.open { server =, domain =, username =, password =, ca_file = | thumbprint = }  logs in
--   body, info = cs:get("/inventory/v5/desktop-pools/ID")           info = { status =, headers = }
--   body, info = cs:send("PUT", "/inventory/v1/desktop-pools/ID", { ... })
--
-- An access token that has expired is renewed once by the refresh token, and by one new login if that has ended too.
-- gpupt.logins decides whether a password is sent: one that a server refused is tried at no other. close logs out.
-- Redirects are not followed: a token is sent nowhere else. Events of the trace have neither headers nor the password.
local engine = require "gpupt.loop.engine"
local env = require "gpupt.vim.env"
local hidden = require "gpupt.hidden"
local json = require "gpupt.json"
local logins = require "gpupt.logins"
local net = require "gpupt.net"
local options = require "gpupt.options"
local transport = require "gpupt.vim.transport"
local gpupt_version = require "gpupt.version"
local wait = require "gpupt.loop.wait"

local client = {}

local Client = { __name = "gpupt.horizon.client" }
Client.__index = Client

local declared = options.declare("horizon.open", {
  { "server", "string", required = true, doc = "the Connection Server: a name, or https://NAME[:PORT]" },
  { "domain", "string", required = true, doc = "the AD domain of the account" },
  { "username", "string", required = true, doc = "the account, without the domain" },
  { "password", "string|function|table", required = true,
    doc = "a string, a function, a p.secret, or { file= | command= | env= }" },
  { "ca_file", "string", doc = "PEM file of the CAs to trust" },
  { "thumbprint", "string", doc = "SHA-256 or SHA-1 thumbprint of the one certificate to trust" },
  { "timeout", "number", default = 120, doc = "seconds for a request, including waiting while the server is busy" },
  { "logins", "table", doc = "gpupt.logins.new(): which passwords were refused" },
  { "trace", "function", doc = "gets an event { method, path, status, seconds, request } of each request" },
})

local SHOWN = '{"refresh_token":"(secret)"}' -- what a trace has instead
local LOGOUT, CONNECT = 10, 15 -- seconds
local BYTES = 16 << 20         -- of an answer
local PAUSE, PAUSE_LEAST, PAUSE_MOST = 2, 1, 60

logins.kind("horizon", {
  noun = "Connection Server", refusal = "InvalidLogin", shared = true,
  refused = function(code) return code == "InvalidLogin" end,
  lost = function(code) return logins.lost[code] == true end,
})

-- { password =, access =, refresh = }, by client: listing its fields shows none of them.
local secrets = setmetatable({}, { __mode = "k" })

function Client.__tostring(self)
  return ("Horizon session at %s%s"):format(self.base, self.closed and " (closed)" or "")
end

local function sleep(seconds)
  local stop = wait.wait(engine.event(), engine.now() + seconds)
  if stop then error(stop, 0) end
end

-- What a server repeats of a request must not reach a message.
local function words_of(self)
  local kept = secrets[self]
  return { kept.access or "", kept.refresh or "", kept.sent or "" }
end

-- The texts of an error: { errors = { { error_message = } } }, { error_message = } or nothing.
local function complaint(body)
  local list = {}
  local errors = type(body) == "table" and (body.errors or { body })
  for i, one in ipairs(type(errors) == "table" and errors or {}) do
    local text = type(one) == "table" and (one.error_message or one.message)
    if type(text) == "string" and i <= 4 then list[#list + 1] = text:gsub("%s+", " "):sub(1, 300) end
  end
  return #list > 0 and ": " .. table.concat(list, "; ") or ""
end

local codes = { [400] = "EINVAL", [401] = "NotAuthenticated", [403] = "NoPermission", [404] = "ENOENT",
  [405] = "ENOTSUP", [429] = "EBUSY", [503] = "EBUSY" }

-- One request: status, body, info; nil, message, code, info.
local function exchange(self, method, path, o, left)
  local headers = { "Accept: application/json", "User-Agent: " .. self.agent }
  if o.body then headers[#headers + 1] = "Content-Type: application/json" end
  if not o.open then headers[#headers + 1] = "Authorization: Bearer " .. (secrets[self].access or "") end
  local text, info, code, failed = transport.exchange(self, { url = self.base .. "/rest" .. path, method = method,
    body = o.body, headers = headers, answer = "bytes", any_status = true, max_bytes = BYTES, timeout = left,
    connect_timeout = math.min(CONNECT, left), once = method ~= "GET" },
    { name = method .. " " .. path, unsafe = method ~= "GET",
      headers = { "x-rate-limit-retry-after-seconds", "retry-after", "has_more_records" } })
  local status = text and info.status
  if self.trace then
    self.trace { method = method, path = path, object = self.base, status = status, code = not text and code or nil,
      seconds = (text and info or failed or {}).seconds or 0, request = o.shown or o.body or "" }
  end
  if not text then
    return nil, ("%s: %s %s: %s"):format(self.base, method, path, hidden.text(info, words_of(self))), code, failed
  end
  local body = {}
  if text:find "%S" then
    body = json.decode(text)
    if type(body) ~= "table" then -- an error may be any text
      if status // 100 == 2 then
        return nil, ("%s: %s %s: the answer is %s"):format(self.base, method, path,
          body == nil and "not JSON" or "neither a JSON object nor a list"), "EPROTOCOL", info
      end
      body = {}
    end
  end
  return status, body, info
end

local function failure(self, method, path, status, body)
  local redirect = status // 100 == 3 and " (a redirect, which is not followed)" or ""
  return ("%s: %s %s: HTTP %d%s%s"):format(self.base, method, path, status, redirect,
    complaint(hidden.tree(body, words_of(self)))), codes[status] or "EHORIZON"
end

local login, refresh

-- A request with its repeats: body, info; nil, message, code, info.
local function request(self, method, path, o)
  local deadline, renewed = engine.now() + self.timeout, false
  while true do
    local status, body, info, failed = exchange(self, method, path, o, math.max(1, deadline - engine.now()))
    if not status then return nil, body, info, failed end
    if status // 100 == 2 then return body, info end
    local headers = info.headers
    local asked = tonumber(headers["x-rate-limit-retry-after-seconds"] or headers["retry-after"] or "")
    local pause = (status == 429 or status == 503)
      and math.max(PAUSE_LEAST, math.min(asked and asked >= 0 and asked or PAUSE, PAUSE_MOST))
    if pause and engine.now() + pause < deadline then
      sleep(pause)
    elseif status == 401 and not o.open and not renewed then
      renewed = true
      local ok, message, code, detail = refresh(self)
      if not ok then return nil, message, code, detail end
    else
      local message, code = failure(self, method, path, status, body)
      return nil, message, code, info
    end
  end
end

--- GET: the object, info; nil, message, code, info.
function Client:get(path) return request(self, "GET", path, {}) end

--- A changing request: the object of the answer, info; nil, message, code, info.
function Client:send(method, path, body)
  local text, message, code = json.encode(body)
  if not text then return nil, message, code end
  return request(self, method, path, { body = text })
end

local function take(self, body, name)
  local token = body[name]
  if type(token) ~= "string" or #token > 16384 or token:find "[^\33-\126]" or token == "" then
    return nil, ("%s: the answer to the login has no usable %s"):format(self.base, name), "EPROTOCOL"
  end
  return token
end

function login(self)
  local kept = secrets[self]
  local password, message, code = env.secret(kept.password)
  if not password or password == "" then
    return nil, message or ("%s: no password was given for '%s'"):format(self.base, self.account), code or "ENOLOGIN"
  end
  return self.logins:attempt({ kind = "horizon", id = self.base, target = self.base, account = self.account,
    password = password, until_time = engine.now() + self.timeout }, function()
    local text, problem, kind = json.encode { domain = self.domain, username = self.username, password = password }
    if not text then return nil, ("%s: the login cannot be sent as JSON: %s"):format(self.base, problem), kind end
    kept.sent = password
    local body, why, failed, info = request(self, "POST", "/login",
      { open = true, shown = '{"password":"(secret)"}', body = text })
    -- whatever a server has against a login, it is not sent again
    if not body and info and (info.status == 400 or info.status == 401 or info.status == 403) then
      return nil, ("%s refused the login as '%s' (%s)"):format(self.base, self.account, why:match "HTTP.*$"),
        "InvalidLogin"
    end
    if not body then return nil, why, failed, info end
    local access
    access, problem, kind = take(self, body, "access_token")
    if not access then return nil, problem, kind end
    kept.access, kept.refresh = access, take(self, body, "refresh_token")
    return true
  end)
end

-- One new access token for all that found it expired.
function refresh(self)
  local kept, before = secrets[self], secrets[self].access
  while self.refreshing do
    local stop = wait.wait(self.refreshing)
    if stop then error(stop, 0) end
  end
  if kept.access ~= before then return true end
  local event = engine.event()
  self.refreshing = event
  local results = table.pack(pcall(function()
    local body, message, code, info
    if kept.refresh then
      body, message, code, info = request(self, "POST", "/refresh", { open = true, shown = SHOWN,
        body = json.encode { refresh_token = kept.refresh } })
    end
    local ended = not kept.refresh or info and (info.status == 401 or info.status == 400)
    if not body and ended then return login(self) end
    if not body then return nil, message, code, info end
    local access, problem, kind = take(self, body, "access_token")
    if not access then return nil, problem, kind end
    kept.access = access
    return true
  end))
  self.refreshing = nil
  engine.fire(event)
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

--- Logs out. true; nil, message, code if the session ends by itself, with its tokens.
function Client:close()
  if self.closed then return true end
  self.closed = true
  local kept, status, body, code = secrets[self], nil, nil, nil
  if kept.refresh then
    wait.shield(function()
      status, body, code = exchange(self, "POST", "/logout", { open = true, shown = SHOWN,
        body = json.encode { refresh_token = kept.refresh } }, LOGOUT)
    end)
  end
  local ended = not kept.refresh or status and status // 100 == 2
  self.http:close()
  self.http, kept.access, kept.refresh, kept.sent = nil, nil, nil, nil
  if ended then return true end
  if not status then return nil, body, code end
  return nil, (failure(self, "POST", "/logout", status, body)), "EHORIZON"
end
Client.__close = Client.close

function Client:__gc()
  if self.closed or not self.http then return end
  self.closed = true
  self.http:close()
  self.http = nil
end

--- The address of a server as "https://HOST[:PORT]"; nil, message, code.
function client.address(text)
  local url = env.parse_url(text:find "://" and text or "https://" .. text, "the address of the Connection Server")
  if not url or url.username or text:find "@" or text:match "^%a+://[^/]*/." then
    return nil, "server: use the name of the Connection Server, or https://NAME:PORT", "EINVAL"
  end
  if url.scheme ~= "https" then
    return nil, ("server: %s would send the password unencrypted: use https://"):format(text), "ETLS"
  end
  return ("https://%s%s"):format(url.host, url.port and ":" .. url.port or "")
end

--- Connects and logs in: the session, or nil, message, code: ECONNECT, ETLS, EUNTRUSTED, ETIMEDOUT, InvalidLogin (also
-- without a request, if another server refused this password), ENOLOGIN, EINVAL, EPROTOCOL.
function client.open(given)
  local o = declared:check(given)
  local base, message, code = client.address(o.server)
  if not base then return nil, message, code end
  local loop
  loop, message, code = engine.shared()
  if not loop then return nil, message, code end
  local http
  http, message, code = net.http.client(loop.core, { ca_file = o.ca_file, thumbprint = o.thumbprint, connections = 2 })
  if not http then return nil, message, code end
  local self = setmetatable({ http = http, base = base, domain = o.domain, username = o.username, timeout = o.timeout,
    account = o.domain .. "\\" .. o.username, logins = o.logins or logins.new(), trace = o.trace,
    agent = gpupt_version:gsub(" ", "/") }, Client)
  secrets[self] = { password = o.password }
  local results = table.pack(pcall(login, self))
  if results[1] and results[2] then return self end
  self:close()
  if not results[1] then error(results[2], 0) end
  return nil, table.unpack(results, 3, results.n)
end

return client
