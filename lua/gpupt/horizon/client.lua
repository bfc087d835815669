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
local json = require "gpupt.json"
local logins = require "gpupt.logins"
local options = require "gpupt.options"
local parse_address = require("gpupt.rest.address").parse
local rest = require "gpupt.rest.client"
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
local LOGOUT = 10 -- seconds

logins.kind("horizon", {
  noun = "Connection Server", refusal = "InvalidLogin", shared = true,
  refused = function(code) return code == "InvalidLogin" end,
  lost = function(code) return logins.lost[code] == true end,
})

local secrets = rest.secrets -- of a client: { access =, refresh =, sent = the password }

function Client.__tostring(self)
  return ("Horizon session at %s%s"):format(self.base, self.closed and " (closed)" or "")
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
  local text, info, code, failed = rest.exchange(self, { method = method, path = path,
    url = self.base .. "/rest" .. path, headers = headers, body = o.body, shown = o.shown, left = left,
    answers = { "x-rate-limit-retry-after-seconds", "retry-after", "has_more_records" } })
  if not text then return nil, info, code, failed end
  local status = info.status
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
    complaint(rest.hide(self, body))), codes[status] or "EHORIZON"
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
    local pause = (status == 429 or status == 503)
      and rest.pause(headers["x-rate-limit-retry-after-seconds"] or headers["retry-after"], deadline)
    if pause then
      rest.sleep(pause)
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
  if not rest.is_token(token, 16384) then
    return nil, ("%s: the answer to the login has no usable %s"):format(self.base, name), "EPROTOCOL"
  end
  return token
end

function login(self)
  return rest.login(self, "horizon", self.account, function(password)
    local kept = secrets[self]
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
  rest.shut(self)
  if ended then return true end
  if not status then return nil, body, code end
  return nil, (failure(self, "POST", "/logout", status, body)), "EHORIZON"
end
Client.__close = Client.close

function Client:__gc()
  if not self.closed then rest.shut(self) end
end

--- The address of a server as "https://HOST[:PORT]"; nil, message, code.
function client.address(text)
  local url = parse_address(text:find "://" and text or "https://" .. text, "the address of the Connection Server")
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
  return rest.open(Client, { base = base, domain = o.domain, username = o.username,
    account = o.domain .. "\\" .. o.username }, { password = o.password, timeout = o.timeout, ca_file = o.ca_file,
    thumbprint = o.thumbprint, connections = 2, logins = o.logins, trace = o.trace }, login)
end

return client
