--- A session of vCenter's REST interface (vSphere Automation API), for what is not in vim25: tags, the appliance's time
-- zone. It is opened with the user name and password of the client's own login, and ends at once; the certificate is
-- checked as for SOAP. From vSphere 8.0 on the paths are those below /api, before those below /rest, which are
-- deprecated since 7.0 Update 2 (vSphere Automation API reference: Cis Session).
local digest = require("gpupt.net").digest
local engine = require "gpupt.loop.engine"
local failure = require "gpupt.failure"
local json = require "gpupt.json"
local login = require "gpupt.vim.login"
local secrets = require "gpupt.vim.secrets"
local transport = require "gpupt.rest.transport"
local wait = require "gpupt.loop.wait"

local automation = {}

-- The two forms: the path of the session, and whether an answer is in `value`.
local old = { session = "/rest/com/vmware/cis/session", value = true }
local new = { session = "/api/session" }

local BYTES, LOGOUT = 16 << 20, 5

local Session = {}
Session.__index = Session

-- What the server says is wrong: { messages = { { default_message = } } }, in `value` below /rest.
local function complaint(body)
  local value = type(body) == "table" and (body.value or body)
  local list = type(value) == "table" and value.messages
  local first = type(list) == "table" and list[1]
  local text = type(first) == "table" and first.default_message
  return type(text) == "string" and ": " .. text:gsub("%s+", " "):sub(1, 300) or ""
end

local codes = { [401] = "NotAuthenticated", [403] = "NoPermission", [404] = "ENOENT" }

--- One request: the `value` of the answer (true if there is none); nil, message, code. o: body, basic, timeout.
function Session:request(method, path, o)
  local client, headers = self.client, { "Accept: application/json", "User-Agent: " .. self.client.agent }
  local body = o.body and json.encode(o.body)
  if body then headers[#headers + 1] = "Content-Type: application/json" end
  headers[#headers + 1] = o.basic and "Authorization: Basic " .. o.basic or "vmware-api-session-id: " .. self.id
  local now = engine.now()
  local text, info, code = transport.exchange(client, { url = client.base .. path, method = method, body = body,
    headers = headers, answer = "bytes", any_status = true, max_bytes = BYTES, timeout = o.timeout or client.timeout,
    connect_timeout = client.connect_timeout, stall_timeout = client.stall_timeout, once = method ~= "GET" },
    { name = method .. " " .. path, unsafe = false })
  if client.trace then
    client:emit { method = method .. " " .. path, object = client.base, operation_id = "-",
      seconds = engine.now() - now,
      status = text and info.status or nil, code = not text and code or nil,
      request = body or "" }
  end
  if not text then return nil, info, code end
  local answer = text:find "%S" and json.decode(text) or nil
  if info.status // 100 == 2 then
    if self.form.value and type(answer) == "table" then answer = answer.value end
    if text:find "%S" and answer == nil then
      return nil, ("%s%s: the answer is not JSON"):format(client.base, path), "EPROTOCOL"
    end
    return answer or true
  end
  return nil, ("%s%s: HTTP %d%s"):format(client.base, path, info.status, complaint(answer)),
    codes[info.status] or "EHTTP"
end

-- Opens the session: true; nil, message, code.
local function enter(self, what)
  local client = self.client
  if secrets[client].way ~= "password" then
    return nil, ("%s are read with a user name and a password, and this login has a token or a ticket"):format(what),
      "ENOLOGIN"
  end
  local way, message, code = login.prepare(client)
  if not way then return nil, message, code end
  return client.logins:attempt({ kind = "vcenter", id = client.base, target = client.base, account = way.account,
    password = way.secret, until_time = engine.now() + client.timeout }, function()
    local id, why, failed = self:request("POST", self.form.session,
      { basic = digest.base64(way.account .. ":" .. way.secret) })
    if failed == "NotAuthenticated" then return nil, way.refusal, "InvalidLogin" end
    if failed == "ENOENT" then
      return nil, ("%s has no %s: it is no vCenter, or does not serve %s"):format(client.base, what,
        self.form.session), "ENOTSUP"
    end
    if not id then return nil, why, failed end
    if type(id) ~= "string" or id:find "[^\33-\126]" or #id > 4096 then
      return nil, client.base .. self.form.session .. ": the answer is no session id", "EPROTOCOL"
    end
    self.id = id
    return true
  end)
end

--- Opens a session to read `what` (a word for messages, in the plural): a session, whose `new` says that the paths are
-- those below /api; nil, message, code. It has to be closed.
function automation.open(client, what)
  local major = tonumber((client.about and client.about.version or ""):match "^%d+") or 0
  local self = setmetatable({ client = client, id = "", new = major >= 8, form = major >= 8 and new or old }, Session)
  local ok, message, code = enter(self, what)
  if not ok then return nil, message, code end
  return self
end

--- Ends the session; whether that works does not matter.
function Session:close()
  wait.shield(function()
    return failure.catch(self.request, self, "DELETE", self.form.session, { timeout = LOGOUT })
  end)
end

return automation
