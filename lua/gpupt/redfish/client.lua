--- The client of one BMC: a session, requests, and waiting while it is busy. By DSP0266, the Redfish Specification.
--
--   local bmc <close> = client.open { url =, username =, password =, ca_file | thumbprint }    logs in
--   body, info = bmc:get(path)          info = { status, headers = { etag, location, allow... }, path }
--   body, info = bmc:send("PATCH", path, { Attributes = ... }, { etag = })
--
-- It logs in with the service's sessions, and with basic authentication only if there are none (the service root names
-- none, or 404, 405 or 501). The session is ended by close, in any case. A session that expired is renewed once. Which
-- password is sent where is decided by gpupt.logins: one that a BMC refused is tried at no other. Redirects are only
-- followed for GET, and within the same server: a token is sent nowhere else. Events of the trace have no headers, and
-- no password.
local answer = require "gpupt.redfish.answer"
local digest = require("gpupt.net").digest
local engine = require "gpupt.loop.engine"
local json = require "gpupt.json"
local logins = require "gpupt.logins"
local options = require "gpupt.options"
local parse_address = require("gpupt.rest.address").parse
local rest = require "gpupt.rest.client"
local units = require "gpupt.units"
local wait = require "gpupt.loop.wait"

local client = {}

local Client = { __name = "gpupt.redfish.client" }
Client.__index = Client

local declared = options.declare("redfish.open", {
  { "url", "string", required = true, doc = "https://BMC, or just its name or address" },
  { "username", "string", required = true, doc = "the account at the BMC" },
  { "password", "string|function|table", required = true,
    doc = "a string, a function, a p.secret, or { file= | command= | env= }" },
  { "ca_file", "string", doc = "PEM file of the CAs to trust" },
  { "thumbprint", "string", doc = "SHA-256 or SHA-1 thumbprint of the one certificate to trust" },
  { "timeout", "number", default = 120, doc = "seconds for a request, including waiting while the BMC is busy" },
  { "logins", "table", doc = "gpupt.logins.new(): which passwords were refused" },
  { "trace", "function", doc = "gets an event { method, path, status, seconds, request } of each request" },
})

local LOGOUT = 10    -- seconds
local REDIRECTS = 3

logins.kind("bmc", {
  noun = "BMC", refusal = "InvalidLogin",
  refused = function(code) return code == "InvalidLogin" end,
  lost = function(code) return logins.lost[code] == true end,
})

local secrets = rest.secrets -- of a client: { token =, basic =, sent = the password }

local wanted_headers = { "etag", "location", "retry-after", "x-auth-token", "content-type" }

function Client.__tostring(self)
  return ("Redfish client of %s%s"):format(self.base, self.closed and " (closed)" or "")
end

--- A path of this server from an @odata.id, a Location or a redirect: nil, message, code for anything else.
function Client:path_of(text, from)
  if type(text) ~= "string" or text:find "[%c%s]" or #text > 2000 then
    return nil, ("%s: %s names no resource"):format(self.base, from or "the answer"), "EPROTOCOL"
  end
  local tail = text
  if text:find "^%a[%w+.-]*://" then
    tail = text:sub(1, #self.base):lower() == self.base:lower() and text:sub(#self.base + 1) or nil
    local default = not tail and text:gsub("^(https://[^/]*):443", "%1")
    if default and default:sub(1, #self.base):lower() == self.base:lower() then tail = default:sub(#self.base + 1) end
  end
  if not tail or not tail:find "^/" or tail:find "^//" then
    return nil, ("%s: %s leads to another server (%s), where the login is not sent"):format(self.base,
      from or "the answer", text:sub(1, 100)), "EUNTRUSTED"
  end
  return tail
end

--- The path of a Location, which may be absolute and name the BMC otherwise than we do. It is used with this server.
function Client:location(text, from)
  local tail = type(text) == "string" and text:gsub("^https?://[^/]*", "") or text
  return self:path_of(tail, from)
end

local function headers_of(self, o)
  local kept = secrets[self]
  local list = { "Accept: application/json", "OData-Version: 4.0", "User-Agent: " .. self.agent }
  if o.body then list[#list + 1] = "Content-Type: application/json" end
  if o.etag then list[#list + 1] = "If-Match: " .. o.etag end
  if not o.open and kept.token then list[#list + 1] = "X-Auth-Token: " .. kept.token end
  if not o.open and kept.basic then list[#list + 1] = "Authorization: Basic " .. kept.basic end
  return list
end

-- One request: status, text, headers; nil, message, code, info.
local function exchange(self, method, path, o, left)
  local text, info, code, failed = rest.exchange(self, { method = method, path = path, url = self.base .. path,
    headers = headers_of(self, o), body = o.body, shown = o.shown, left = left, answers = wanted_headers })
  if not text then return nil, info, code, failed end
  return info.status, text, info.headers
end

-- Whether the request can be sent again: it changed nothing, or the server said that it did not begin.
local function patience(self, method, status, headers, deadline)
  local busy = status == 503 or status == 429 or (method == "GET" and (status == 502 or status == 504))
  return busy and rest.pause(headers["retry-after"], deadline, self.pause) or nil
end

local function decoded(self, method, path, status, text, headers)
  local body = {}
  if text:find "%S" then
    local message, code
    body, message, code = answer.decode(text)
    -- an error, or the answer to a change, may be any text
    if not body and (status == 200 and method == "GET") then
      return nil, ("%s: %s %s: %s"):format(self.base, method, path, rest.hide(self, message)), code
    end
    body = body or {}
  end
  local info = { status = status, headers = headers, path = path, body = body }
  if status // 100 == 2 then return body, info end
  info.body = rest.hide(self, body) -- before its texts are shortened
  local message, code = answer.failure(status, info.body)
  local asked = tonumber(headers["retry-after"] or "")
  if asked and asked > rest.PAUSE_MOST and (status == 503 or status == 429) then
    message = ("%s (it asks to try again in %d minutes)"):format(message, math.min(asked, 1e9) // 60)
  end
  return nil, ("%s: %s %s: %s"):format(self.base, method, path, message), code, info
end

local login

-- A request with its repeats. o: body, etag, open = true (without the login), once = true (no second session).
local function request(self, method, path, o)
  local deadline, redirects, renewed = engine.now() + self.timeout, 0, false
  while true do
    local left = deadline - engine.now()
    if left <= 0 then
      return nil, ("%s: %s %s: the BMC stayed busy"):format(self.base, method, path), "ETIMEDOUT", {}
    end
    local status, text, headers, info = exchange(self, method, path, o, left)
    if not status then return nil, text, headers, info end
    local pause = patience(self, method, status, headers, deadline)
    if pause then
      rest.sleep(pause)
    elseif status // 100 == 3 and status ~= 304 then
      local target, message, code = self:path_of(headers.location, ("the redirect of %s"):format(path))
      redirects = redirects + 1
      if not target then return nil, message, code end
      if method ~= "GET" or redirects > REDIRECTS then
        return nil, ("%s: %s %s: HTTP %d redirects to %s, which is not followed"):format(self.base, method, path,
          status, target), "EREDFISH"
      end
      path = target
    elseif status == 401 and not o.open and secrets[self].token and not renewed then
      renewed = true
      secrets[self].token = nil -- the session has expired
      local ok, message, code, detail = login(self)
      if not ok then return nil, message, code, detail end
    else
      return decoded(self, method, path, status, text, headers)
    end
  end
end

--- GET: the object, info; nil, message, code, info.
function Client:get(path) return request(self, "GET", path, {}) end

--- A changing request: the object of the answer, info; nil, message, code, info. o.etag: only if the resource still is
-- as it was read.
function Client:send(method, path, body, o)
  local text, message, code = json.encode(body or {})
  if not text then return nil, message, code end
  return request(self, method, path, { body = text, etag = o and o.etag, shown = o and o.shown })
end

--- The path that a link of an object names; nil, message, code.
function Client:link(object, name, where)
  local link = type(object) == "table" and object[name]
  local id = type(link) == "table" and link["@odata.id"]
  if not id then return nil, ("%s: %s has no %s"):format(self.base, where, name), "ENOTSUP" end
  return self:path_of(id, where)
end

-- The most pages of a collection: the links of a service may go on for ever.
local PAGES = 20

--- The members of a collection, over all its pages (at most 20): links, or with `expand` whole objects from a service
-- that offers that ($expand, DSP0266). nil, message, code ("ELIMIT": there are more pages).
function Client:members(path, expand)
  local features = type(self.root.ProtocolFeaturesSupported) == "table" and self.root.ProtocolFeaturesSupported
  local offered = features and type(features.ExpandQuery) == "table" and features.ExpandQuery.ExpandAll == true
  local list, from = {}, expand and offered and path .. "?$expand=*($levels=1)" or path
  for _ = 1, PAGES do
    local page, message, code = self:get(from)
    if not page then return nil, message, code end
    local members = type(page.Members) == "table" and page.Members or {}
    table.move(members, 1, #members, #list + 1, list)
    local more = page["Members@odata.nextLink"]
    if type(more) ~= "string" then return list end
    from, message, code = self:path_of(more, path)
    if not from then return nil, message, code end
  end
  return nil, ("%s: %s has more than %d pages, of which %s are read. Remove finished entries of it at the "
    .. "BMC, then try again"):format(self.base, path, PAGES, units.count(#list, "member")), "ELIMIT"
end

-- ---- the session

local no_sessions = { [404] = true, [405] = true, [501] = true }

local function refused(self, message)
  return nil, ("%s refused the login as '%s' (%s)"):format(self.base, self.username, message:match "HTTP %d+.*$"
    or message), "InvalidLogin"
end

-- Asks for a session: true; false if the service has none; nil, message, code.
local function new_session(self, password)
  local kept = secrets[self]
  local text, problem, kind = json.encode { UserName = self.username, Password = password }
  if not text then return nil, ("%s: the login cannot be sent as JSON: %s"):format(self.base, problem), kind end
  kept.sent = password
  local shown = json.encode { UserName = self.username, Password = "(secret)" }
  local body, info, code, failed = request(self, "POST", self.sessions, { open = true, body = text, shown = shown })
  if not body then
    local status = failed and failed.status
    if no_sessions[status] then return false end
    -- an iLO refuses a password with 400: whatever a BMC has against a login, it is not sent again
    if status and status // 100 == 4 and status ~= 429 then return refused(self, info) end
    return nil, info, code, failed
  end
  local token = info.headers["x-auth-token"]
  if not rest.is_token(token, 4096) then
    return nil, ("%s: the session has no usable X-Auth-Token"):format(self.base), "EPROTOCOL"
  end
  kept.token = token
  -- a service without a Location says where the session is in the body
  self.session = self:location(info.headers.location or body["@odata.id"], "the session")
  return true
end

-- Basic authentication is proved by a resource that needs a login.
local function try_basic(self, password)
  local kept = secrets[self]
  kept.basic = digest.base64(self.username .. ":" .. password)
  local body, message, code, info = request(self, "GET", self.proof, {})
  if body then return true end
  kept.basic = nil
  if info and info.status == 401 then return refused(self, message) end
  return nil, message, code, info
end

function login(self)
  return rest.login(self, "bmc", self.username, function(password)
    if secrets[self].basic == nil and self.sessions then
      local ok, why, failed, detail = new_session(self, password)
      if ok ~= false then return ok, why, failed, detail end
    end
    return try_basic(self, password)
  end)
end

--- Ends the session. Closing twice does nothing. true; nil, message, code if the session stays open until its idle
-- timeout.
function Client:close()
  if self.closed then return true end
  self.closed = true
  local kept, ok, message, code = secrets[self], true, nil, nil
  if kept.token and self.session then
    wait.shield(function()
      local status, text, headers = exchange(self, "DELETE", self.session, {}, LOGOUT)
      if not status then
        ok, message, code = nil, text, headers
      elseif status // 100 ~= 2 and status ~= 401 and status ~= 404 then
        ok, message, code = nil, ("%s: the session was not ended: HTTP %d"):format(self.base, status), "EREDFISH"
      end
    end)
  end
  rest.shut(self)
  return ok, message, code
end
Client.__close = Client.close

function Client:__gc()
  if not self.closed then rest.shut(self) end
end

local function enter(self)
  local root, info, code, detail = request(self, "GET", "/redfish/v1/", { open = true })
  if not root then
    if code == "ENOENT" then info = ("%s offers no Redfish: %s"):format(self.base, info) end
    return nil, info, code, detail
  end
  self.root = root
  local systems, message, failed = self:link(root, "Systems", "the service root")
  if not systems then return nil, message, failed end
  self.proof = systems
  local links = type(root.Links) == "table" and root.Links or {}
  -- a service that names no sessions may answer their creation with 401, as if it refused the password (sushy-tools)
  self.sessions = self:link(links, "Sessions", "the service root")
  return login(self)
end

local function address(text)
  local url, message, code = parse_address(text:find "://" and text or "https://" .. text, "the address of the BMC")
  if not url then return nil, message, code end
  if url.scheme ~= "https" then
    return nil, ("%s: http:// sends the password unencrypted: use https://"):format(text), "ETLS"
  end
  if url.userinfo or text:find "@" then
    return nil, "the address of the BMC must not contain a login: set login = p.login(user, secret)", "EINVAL"
  end
  return ("https://%s%s"):format(url.host, url.port and ":" .. url.port or "")
end

--- Connects and logs in: the client, or nil, message, code: ECONNECT, ETLS, EUNTRUSTED, ETIMEDOUT, InvalidLogin (also
-- without a request, if another BMC refused this password), ENOLOGIN, EINVAL, EPROTOCOL, ENOTSUP (no Redfish).
function client.open(given)
  local o = declared:check(given)
  local base, message, code = address(o.url)
  if not base then return nil, message, code end
  return rest.open(Client, { base = base, username = o.username }, { password = o.password, timeout = o.timeout,
    ca_file = o.ca_file, thumbprint = o.thumbprint, connections = 1, logins = o.logins, trace = o.trace }, enter)
end

return client
