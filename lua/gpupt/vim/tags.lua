--- Tags of vCenter, which are not in vim25 but in its REST interface: read only, in a session of its own that ends at
-- once.
--
--   tags.of(client, "rack", refs)  ->  { [ref] = { "r1" } }, the names of the tags of this category on each object
--
-- The session is opened with the user name and password of the client's own login; the certificate is checked as for
-- SOAP. From vSphere 8.0 on the paths are those below /api, before those below /rest, which are deprecated since 7.0
-- Update 2 (vSphere Automation API reference: Cis Session, Cis Tagging).
local digest = require("gpupt.net").digest
local engine = require "gpupt.loop.engine"
local failure = require "gpupt.failure"
local json = require "gpupt.json"
local login = require "gpupt.vim.login"
local secrets = require "gpupt.vim.secrets"
local transport = require "gpupt.rest.transport"
local wait = require "gpupt.loop.wait"

local tags = {}

-- The two forms: paths, what is before an id and an action in them, and whether the answer is in `value`.
local old = { session = "/rest/com/vmware/cis/session", tagging = "/rest/com/vmware/cis/tagging/", id = "id:",
  action = "~action", value = true }
local new = { session = "/api/session", tagging = "/api/cis/tagging/", id = "", action = "action" }

local BYTES, LOGOUT = 16 << 20, 5

-- What the server says is wrong: { messages = { { default_message = } } }, in `value` below /rest.
local function complaint(body)
  local value = type(body) == "table" and (body.value or body)
  local list = type(value) == "table" and value.messages
  local first = type(list) == "table" and list[1]
  local text = type(first) == "table" and first.default_message
  return type(text) == "string" and ": " .. text:gsub("%s+", " "):sub(1, 300) or ""
end

local codes = { [401] = "NotAuthenticated", [403] = "NoPermission", [404] = "ENOENT" }

-- One request: the `value` of the answer (true if there is none); nil, message, code.
local function request(self, method, path, o)
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
local function enter(self)
  local client = self.client
  if secrets[client].way ~= "password" then
    return nil, "tags are read with a user name and a password, and this login has a token or a ticket", "ENOLOGIN"
  end
  local way, message, code = login.prepare(client)
  if not way then return nil, message, code end
  return client.logins:attempt({ kind = "vcenter", id = client.base, target = client.base, account = way.account,
    password = way.secret, until_time = engine.now() + client.timeout }, function()
    local id, why, failed = request(self, "POST", self.form.session,
      { basic = digest.base64(way.account .. ":" .. way.secret) })
    if failed == "NotAuthenticated" then return nil, way.refusal, "InvalidLogin" end
    if failed == "ENOENT" then
      return nil, client.base .. " has no tags: it is no vCenter, or does not serve " .. self.form.session, "ENOTSUP"
    end
    if not id then return nil, why, failed end
    if type(id) ~= "string" or id:find "[^\33-\126]" or #id > 4096 then
      return nil, client.base .. self.form.session .. ": the answer is no session id", "EPROTOCOL"
    end
    self.id = id
    return true
  end)
end

-- A list of texts, or raises.
local function texts(value, what)
  local list = {}
  for i, one in ipairs(type(value) == "table" and value or {}) do
    failure.check(type(one) == "string" or nil, what .. " is not a list of ids", "EPROTOCOL")
    list[i] = one
  end
  return list
end

local function get(self, path) return failure.check(request(self, "GET", self.form.tagging .. path, {})) end

local function one_of(self, kind, id)
  local word = id:gsub("[^%w%-._~:]", function(c) return ("%%%02X"):format(c:byte()) end)
  local one = get(self, ("%s/%s%s"):format(kind, self.form.id, word))
  return type(one) == "table" and one or {}
end

-- The id of the category of this name. Raises.
local function category_of(self, name)
  local names = {}
  for _, id in ipairs(texts(get(self, "category"), "the answer about categories")) do
    local one = one_of(self, "category", id)
    if one.name == name then return id end
    names[#names + 1] = tostring(one.name)
  end
  table.sort(names)
  failure.check(nil, ("vCenter has no tag category '%s' that the account may read (it has %s)"):format(name,
    #names > 0 and table.concat(names, ", ") or "none"), "ENOENT")
end

-- What is attached to the objects: { { ref, tag ids } }. Raises.
local function attached(self, refs)
  local by_key, objects, list = {}, {}, {}
  for i, ref in ipairs(refs) do
    objects[i] = { type = ref.type, id = ref.value }
    by_key[ref.type .. ":" .. ref.value] = ref
  end
  local path = ("%stag-association?%s=list-attached-tags-on-objects"):format(self.form.tagging, self.form.action)
  local answer = failure.check(request(self, "POST", path, { body = { object_ids = json.array(objects) } }))
  for _, one in ipairs(type(answer) == "table" and answer or {}) do
    local object = type(one) == "table" and one.object_id
    local ref = type(object) == "table" and by_key[("%s:%s"):format(object.type, object.id)]
    if ref then list[#list + 1] = { ref, texts(one.tag_ids, "the answer about attached tags") } end
  end
  return list
end

local function read(self, category, refs)
  local wanted, known, result = category_of(self, category), {}, {}
  for _, one in ipairs(attached(self, refs)) do
    local ref, ids = table.unpack(one)
    for _, id in ipairs(ids) do
      known[id] = known[id] or one_of(self, "tag", id)
      if known[id].category_id == wanted and type(known[id].name) == "string" then
        result[ref] = result[ref] or {}
        table.insert(result[ref], known[id].name)
      end
    end
  end
  for _, list in pairs(result) do table.sort(list) end
  return result
end

--- The names of the tags of a category on each of these objects: { [ref] = names }; nil, message, code.
function tags.of(client, category, refs)
  if client.record then return nil, "tags are not read while a recording is made", "ENOTSUP" end
  local major = tonumber((client.about and client.about.version or ""):match "^%d+") or 0
  local self = { client = client, id = "", form = major >= 8 and new or old }
  local ok, message, code = enter(self)
  if not ok then return nil, message, code end
  local results = table.pack(failure.catch(read, self, category, refs))
  wait.shield(function() return failure.catch(request, self, "DELETE", self.form.session, { timeout = LOGOUT }) end)
  return table.unpack(results, 1, results.n)
end

return tags
