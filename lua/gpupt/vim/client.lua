--- The client of one vCenter (or ESXi host): a session, its references, its calls.
local call = require "gpupt.vim.call"
local engine = require "gpupt.loop.engine"
local env = require "gpupt.vim.env"
local failure = require "gpupt.failure"
local login = require "gpupt.vim.login"
local logins = require "gpupt.logins"
local lost_task = require "gpupt.vim.lost_task"
local net = require "gpupt.net"
local options = require "gpupt.options"
local property_path = require "gpupt.vim.property_path"
local ref = require "gpupt.vim.ref"
local secrets = require "gpupt.vim.secrets"
local session = require "gpupt.vim.session"
local gpupt_version = require "gpupt.version"
local system = require "gpupt.core".system
local transport = require "gpupt.rest.transport"
local trust = require "gpupt.vim.trust"
local wait = require "gpupt.loop.wait"

local client = {}

local Client = { __name = "gpupt.client" }

local declared = options.declare("vim.connect", {
  { "url", "string", doc = "https://HOST/sdk, or just the host (GOVC_URL)" },
  { "username", "string", doc = "(GOVC_USERNAME)" },
  { "password", "string|function|table", doc = "a string, a function, or { file= | command= | env= } (GOVC_PASSWORD)" },
  { "token_file", "string", doc = "log in with the SAML token in this file (mode 0600), without a password" },
  { "token_command", "string", doc = "log in with the SAML token that this command prints" },
  { "token_key_file", "string", doc = "PEM private key (mode 0600) of a holder-of-key token's certificate" },
  { "ticket_file", "string", doc = "log in with the clone ticket in this file (mode 0600)" },
  { "ticket_command", "string", doc = "log in with the clone ticket that this command prints" },
  { "persist_session", "boolean", doc = "save the session for the next program, and resume a saved one "
    .. "(GOVC_PERSIST_SESSION=true); default: log out at the end" },
  { "ca_file", "string", doc = "PEM file of the CAs to trust (GOVC_TLS_CA_CERTS)" },
  { "thumbprint", "string", doc = "SHA-256 or SHA-1 thumbprint of the one certificate to trust; overrides insecure" },
  { "known_hosts", "string", doc = "file of lines 'host:port thumbprint', also of ESXi hosts "
    .. "(GOVC_TLS_KNOWN_HOSTS); an entry overrides insecure" },
  { "insecure", "boolean", doc = "trust any certificate (GOVC_INSECURE); one warning on stderr" },
  { "proxy", "string", doc = "URL of an HTTP proxy" },
  { "timeout", "number", default = 180, doc = "seconds for a whole call, including queueing and retries" },
  { "connect_timeout", "number", default = 15, doc = "seconds to connect, including TLS" },
  { "stall_timeout", "number", default = 120, doc = "seconds without any data received" },
  { "connections", "integer", default = 8, doc = "maximum number of connections" },
  { "retries", "integer", default = 4, doc = "how many times a read-only call is retried" },
  { "outage", "number", default = 0, doc = "seconds, in addition to timeout, for which calls that may be repeated "
    .. "and waits without a timeout go on while the server does not answer (a run sets its own)" },
  { "keep_alive", "number", default = 600, doc = "idle seconds after which a keep-alive call is sent" },
  { "probe_after", "number", default = 300, doc = "idle seconds after which a changing call first checks "
    .. "that the session still exists" },
  { "limits", "table", doc = "limits of a response: bytes (1 GiB; 4 MiB before the login), cells, text, "
    .. "depth (200; at most 256), attributes" },
  { "trace", "function|string", doc = "a function that gets an event table, or a file (GPUPT_TRACE): appended to, "
    .. "readable by its owner only, without secrets" },
  { "record", "table", doc = "gpupt.record.open(DIR): record requests and answers; refuse calls that change anything" },
  { "version", "string", doc = "use this version of vim25 instead of the newest that both sides support" },
  { "datacenter", "string", doc = "the datacenter of relative inventory paths (GOVC_DATACENTER)" },
  { "operation_id", "string", doc = "first part of every call's operationID" },
  { "login", "boolean", default = true, doc = "false: connect without logging in" },
  { "logins", "table", doc = "gpupt.logins.new(): which passwords were refused, for connections that share accounts" },
})

local lazy = { datastore = "gpupt.vim.datastore", guest = "gpupt.vim.guest" }

function Client.__index(self, key)
  local method = Client[key]
  if method ~= nil then return method end
  local module = lazy[key]
  if not module then return nil end
  local made = require(module).new(self)
  rawset(self, key, made)
  return made
end

function Client.__tostring(self)
  return ("vSphere client of %s%s"):format(self.base, self.closed and " (closed)" or "")
end

--- Every method of vim25: `object` is a reference. Gives the result (true for void, false for an absent optional,
-- {} for an absent list), or nil, message, code, detail.
function Client:call(object, name, arguments, opts)
  if not ref.is(object) then error("vc:call: expected a reference, not a " .. type(object), 2) end
  if object.client ~= self then error(("vc:call: %s belongs to another connection"):format(tostring(object)), 2) end
  if opts ~= nil and type(opts) ~= "table" then error(name .. ": options must be a table", 2) end
  return call.invoke(self, object, name, arguments, opts, 2)
end

--- A reference from its text "VirtualMachine:vm-42".
function Client:ref(text, value)
  local kind = value and text or tostring(text):match "^(%a+):"
  local name = value or tostring(text):match "^%a+:(.+)$"
  if not kind or not name then error(("vc:ref: '%s' is not TYPE:VALUE"):format(tostring(text)), 2) end
  local found, message = net.schema.type(kind)
  if not found then error("vc:ref: " .. message, 2) end
  if found.kind ~= "managed" then error(("vc:ref: %s is not a managed type"):format(kind), 2) end
  return self.intern(kind, name)
end

--- ref:get{ "name", "config.hardware" } gives { [path] = value } and, for values that the server refused,
-- { [path] = fault }; ref:get "name" gives the one value (false when it is unset). Or nil, message, code.
function Client.get_properties(object, paths, opts)
  local self = object.client
  local one = type(paths) == "string" and paths or nil
  local list = one and { one } or paths
  if type(list) ~= "table" then error("ref:get: expected a property path or a list of property paths", 2) end
  for _, path in ipairs(list) do
    local message = property_path(object.type, path)
    if message then return nil, message, "InvalidProperty" end
  end
  local values, missing, code, detail
  if opts then
    values, missing, code, detail = require("gpupt.vim.collect").object(self, object, list, opts)
  else
    values, missing, code, detail = require("gpupt.vim.together").object(self, object, list)
  end
  if not values then return nil, missing, code, detail end
  if not one then return values, missing end
  if values[one] ~= nil then return values[one] end
  if missing and missing[one] then
    local fault = require "gpupt.vim.fault"
    local message, kind, more = fault.read(missing[one])
    return nil, ("%s of %s cannot be read: %s"):format(one, tostring(object), message), kind, more
  end
  return false
end

--- The name of an inventory object for a message: read once, nil when it has none or may not be read.
function Client:name_of(object)
  if not net.schema.is_a(object.type, "ManagedEntity") then return nil end
  local known = self.names[object]
  if known == nil then
    self.names[object] = false -- a name that may not be read is not requested again
    known = failure.catch(Client.get_properties, object, "name", { timeout = 5, retries = 0 })
    self.names[object] = known or false
  end
  return known or nil
end

--- Lazily: everything of the given objects' properties, a page at a time. See gpupt.vim.collect.
function Client:collect(spec) return require("gpupt.vim.collect").each(self, spec) end
function Client:collect_all(spec) return require("gpupt.vim.collect").all(self, spec) end

--- Inventory paths. See gpupt.vim.path.
function Client:find(pattern, opts) return require("gpupt.vim.path").find(self, pattern, opts) end
function Client:one(pattern, opts) return require("gpupt.vim.path").one(self, pattern, opts) end
function Client:path(object) return require("gpupt.vim.path").of(self, object) end

--- Waiting for tasks and properties. See gpupt.vim.waits.
function Client:wait(task, opts) return require("gpupt.vim.waits").task(self, task, opts) end
function Client:wait_all(tasks, opts) return require("gpupt.vim.waits").tasks(self, tasks, opts) end
function Client:wait_for(object, paths, predicate, opts)
  return require("gpupt.vim.waits").property(self, object, paths, predicate, opts)
end
function Client:watching(object, paths) return require("gpupt.vim.waits").watching(self, object, paths) end

--- The recent task of `object` with this operationID; nil, message, "ENOENT" when there is none.
function Client:find_task(object, operation_id) return lost_task(self, object, operation_id) end

function Client:next_operation_id()
  self.calls = self.calls + 1
  return ("%s-%x"):format(self.operation_prefix, self.calls)
end

function Client:is_idle() return self.session_open and engine.now() - self.last_answer > self.probe_after end

--- Checks that the session exists; logs in again when it does not. true, or nil, message, code.
function Client:probe()
  local ok, message, code = call.invoke(self, self.instance, "CurrentTime", {}, {}, 2)
  if not ok then return nil, message, code end
  return true
end

--- From now on an outage of the server is waited for, for `seconds` (see the option outage), and what happens is
-- passed to `event`, a function of a text. Returns a function that restores the earlier behaviour.
function Client:be_patient(seconds, event)
  local earlier, told = self.outage, self.outage_event
  self.outage, self.outage_event = math.max(seconds, earlier), event
  return function() self.outage, self.outage_event = earlier, told end
end

function Client:login_again(generation) return session.again(self, generation) end

--- Passes an event to the trace. A trace that cannot be written gives one warning and does not stop the work.
function Client:emit(event)
  if type(self.trace) == "function" then return self.trace(event) end
  local file, message = system.open(self.trace, "renew")
  local ok = file
  if file then
    ok, message = file:write(("%s %s %s %.3fs HTTP %s%s\n%s\n"):format(event.operation_id, event.object, event.method,
      event.seconds, tostring(event.status), event.code and (" " .. event.code) or event.fault and " fault" or "",
      event.request))
    local closed, late = file:close()
    if ok and not closed then ok, message = nil, late end
  end
  if not ok and not self.trace_failed then
    self.trace_failed = true
    wait.warn(("the trace cannot be written: %s"):format(message))
  end
end

--- Logs out and closes every connection. Closing twice does nothing.
function Client:close()
  if self.closed then return true end
  self.closed = true
  if self.watch then self.watch:stop() end
  local guest = rawget(self, "guest")
  if guest then guest:close() end
  local ok, message, code = session.logout(self)
  if self.keeper_wake then engine.fire(self.keeper_wake) end
  if self.http then self.http:close() end
  self.http = nil
  client.open[self] = nil
  if not ok then return nil, message, code end
  return true
end
Client.__close = Client.close

-- Logging out needs the network, which a garbage collector must not wait for: it frees, and warns.
function Client:__gc()
  if self.closed or not self.http then return end
  self.closed = true
  self.http:close()
  self.http = nil
  client.leaked = client.leaked + 1
  if self.session_open then
    wait.warn(("a connection to %s was never closed: its session stays open on the server until the idle timeout")
      :format(self.base))
  end
end

client.leaked = 0
client.open = setmetatable({}, { __mode = "k" })

local function make(o)
  local loop, message, code = engine.shared()
  if not loop then return nil, message, code end
  if o.address.scheme == "http" and not o.insecure then
    return nil, o.thumbprint and "http:// has no certificate to check a thumbprint against: use https://"
      or "http:// sends the password unencrypted: use https://, or set " .. options.word "insecure", "ETLS"
  end
  local http
  http, message, code = net.http.client(loop.core, {
    ca_file = o.ca_file, ca_bytes = o.ca_bytes, thumbprint = o.thumbprint, insecure = o.insecure,
    proxy = o.proxy, connections = o.connections,
  })
  if not http then return nil, message, code end
  local a = o.address
  local base = a.scheme .. "://" .. a.host .. (a.port and (":" .. a.port) or "")
  if o.insecure then trust.warn_unchecked(base) end
  local self = setmetatable({
    http = http, base = base, host = a.host, url_path = a.path, url = base .. a.path, username = o.username,
    timeout = o.timeout, connect_timeout = o.connect_timeout, stall_timeout = o.stall_timeout,
    retries = o.retries, outage = o.outage, keep_alive = o.keep_alive, probe_after = o.probe_after,
    limits = o.limits, trace = o.trace, record = o.record,
    persist = o.persist_session, datacenter = o.datacenter, names = setmetatable({}, { __mode = "k" }),
    logins = o.logins or logins.new(), proxy_login = transport.proxy_login(o.proxy),
    agent = gpupt_version:gsub(" ", "/"), calls = 0, generation = 0,
    session_open = false, last_answer = engine.now(), trust = { insecure = o.insecure, known_hosts = o.known_hosts },
    operation_prefix = o.operation_id or ("gpupt-%08x"):format(math.random(0, 0xffffffff)),
  }, Client)
  secrets[self] = o.chosen
  o.chosen.proxy = o.proxy -- its URL may hold a password
  self.refs, self.make_ref, self.intern = ref.factory(self)
  self.instance = self.intern("ServiceInstance", "ServiceInstance")
  return self
end

local function open(self, o)
  local version, message, code, detail
  if o.version then
    version = o.version
  else
    version, message, code = session.negotiate(self)
    if not version then return nil, message, code end
  end
  self.version = version
  self.content, message, code, detail = self:call(self.instance, "RetrieveServiceContent", {}, {})
  if not self.content then return nil, message, code, detail end
  for _, field in ipairs { "about", "rootFolder", "propertyCollector" } do
    if type(self.content) ~= "table" or type(rawget(self.content, field)) ~= "table" then
      return nil, ("%s returned a ServiceContent without %s"):format(self.base, field), "EPROTOCOL"
    end
  end
  if o.login and not rawget(self.content, "sessionManager") then
    return nil, self.base .. " has no session manager to log in to", "EPROTOCOL"
  end
  self.about = self.content.about
  if not o.login then return self end
  local ok
  ok, message, code, detail = session.enter(self)
  if not ok then return nil, message, code, detail end
  session.keep_alive(self)
  return self
end

local function connect(checked)
  local o, message, code = env.complete(checked)
  if not o then return nil, message, code end
  o.chosen, message, code = login.chosen(o)
  if not o.chosen then return nil, message, code end
  if type(o.trace) == "string" then
    local file
    file, message, code = system.open(o.trace, "renew")
    if not file then return nil, "trace: " .. message, code end
    file:close()
  end
  local self
  self, message, code = make(o)
  if not self then return nil, message, code end
  local results = table.pack(pcall(open, self, o))
  if not results[1] or not results[2] then
    self:close()
    if not results[1] then error(results[2], 0) end
    return table.unpack(results, 2, results.n)
  end
  client.open[self] = true
  return self
end

--- Connects and logs in. Gives the client, or nil, message, code: ECONNECT, EPROXY (the proxy refuses the password),
-- ETLS, EUNTRUSTED, ETIMEDOUT, InvalidLogin, ENOLOGIN (no credentials), EUNSAFE (other users can read the file with a
-- secret), EINVAL.
function client.connect(given) return connect(declared:check(given)) end

--- Ends the session that persist_session saved for these options, on the server too, and deletes the file. Whether
-- there was one; or nil, message, code.
function client.logout(given)
  local o = declared:check(given)
  o.login, o.persist_session = false, true
  local self, message, code = connect(o)
  if not self then return nil, message, code end
  local closing <close> = self -- luacheck: ignore
  return session.discard(self)
end

return client
