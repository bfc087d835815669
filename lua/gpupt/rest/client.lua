--- What the clients of REST services with a login have in common: opening, one request with its trace, waiting, and
-- keeping secrets out of messages. Each client has its own paths, headers, logins and errors.
--
--   local Client = {}; Client.__index = Client                       with Client.close
--   local self = rest.open(Client, { base = "https://host" }, options, enter)      enter(self) logs in
--   rest.exchange(self, { method =, path =, url =, headers =, ... })               text, info
--   rest.secrets[self] = { password =, ... }                    what must not be seen when the client is printed
--
-- A client has: base (for messages), timeout, http, logins, trace (a function or nil) and agent (its User-Agent).
local engine = require "gpupt.loop.engine"
local gpupt_version = require "gpupt.version"
local hidden = require "gpupt.hidden"
local logins = require "gpupt.logins"
local net = require "gpupt.net"
local passwords = require "gpupt.rest.password"
local transport = require "gpupt.rest.transport"
local wait = require "gpupt.loop.wait"

local rest = {}

--- The most bytes of an answer: attribute registries of current servers have 1 to 4 MiB.
rest.BYTES = 16 << 20

local CONNECT = 15 -- seconds
--- Seconds between two tries if the server names none, and the shortest and longest that a number of the server counts.
rest.PAUSE, rest.PAUSE_LEAST, rest.PAUSE_MOST = 2, 1, 60

--- By client: { password = as given, and what the client keeps }. Listing a client's fields shows none of it.
rest.secrets = setmetatable({}, { __mode = "k" })

--- Waits; raises when the caller is stopped meanwhile.
function rest.sleep(seconds)
  local stop = wait.wait(engine.event(), engine.now() + seconds)
  if stop then error(stop, 0) end
end

-- What the client has sent.
local function words_of(self)
  local words = {}
  for name, word in pairs(rest.secrets[self]) do
    if type(word) == "string" and name ~= "password" then words[#words + 1] = word end
  end
  return words
end

--- A server's message, or what was decoded from its answer, without the secrets of the client: what it repeats of a
-- request must not reach a message. Answers before their texts are shortened.
function rest.hide(self, said)
  if type(said) == "string" then return hidden.text(said, words_of(self)) end
  return hidden.tree(said, words_of(self))
end

--- Whether a text may be sent as a token in a header.
function rest.is_token(text, most)
  return type(text) == "string" and text ~= "" and #text <= most and not text:find "[^\33-\126]"
end

--- One request: text, info = { status =, headers =, seconds =, sent = }, whatever the status is; nil, message, code,
-- info. o: method, path (for messages and the trace), url, headers, body, shown (what the trace has in place of the
-- body), left (seconds), answers (the names of headers that info.headers has).
function rest.exchange(self, o)
  local changing = o.method ~= "GET"
  local text, info, code, failed = transport.exchange(self, {
    url = o.url, method = o.method, body = o.body, headers = o.headers, answer = "bytes", any_status = true,
    max_bytes = rest.BYTES, timeout = o.left, connect_timeout = math.min(CONNECT, o.left), once = changing,
  }, { name = o.method .. " " .. o.path, headers = o.answers, unsafe = changing })
  if self.trace then
    local seen = text and info or failed or {}
    self.trace { method = o.method, path = o.path, object = self.base, status = seen.status,
      seconds = seen.seconds or 0, code = not text and code or nil, request = o.shown or o.body or "" }
  end
  if text then return text, info end
  return nil, ("%s: %s %s: %s"):format(self.base, o.method, o.path, rest.hide(self, info)), code, failed
end

--- Seconds to wait before the same request again, which the server asked for (its header's text, or nil); nil if that
-- would be after the deadline.
function rest.pause(asked, deadline, otherwise)
  local seconds = tonumber(asked or "")
  local pause = seconds and seconds >= 0 and math.max(rest.PAUSE_LEAST, math.min(seconds, rest.PAUSE_MOST))
    or otherwise or rest.PAUSE
  if engine.now() + pause >= deadline then return nil end
  return pause
end

--- Logs in with the client's password, if gpupt.logins allows it: what send(password) gives; nil, message, code.
-- `kind`: of gpupt.logins; `account`: its name there and in messages.
function rest.login(self, kind, account, send)
  local password, message, code = passwords.of(rest.secrets[self].password)
  if not password or password == "" then
    return nil, message or ("%s: no password was given for the login as '%s'"):format(self.base, account),
      code or "ENOLOGIN"
  end
  return self.logins:attempt({ kind = kind, id = self.base, target = self.base, account = account,
    password = password, until_time = engine.now() + self.timeout }, function() return send(password) end)
end

--- Opens a client with these fields and runs enter(self): the client; nil, message, code, detail after closing it.
-- o: password, timeout, ca_file, thumbprint, connections, logins, trace.
function rest.open(Client, fields, o, enter)
  local loop, message, code = engine.shared()
  if not loop then return nil, message, code end
  local http
  http, message, code = net.http.client(loop.core, { ca_file = o.ca_file, thumbprint = o.thumbprint,
    connections = o.connections })
  if not http then return nil, message, code end
  fields.http, fields.timeout, fields.trace = http, o.timeout, o.trace
  fields.logins, fields.agent = o.logins or logins.new(), gpupt_version:gsub(" ", "/")
  local self = setmetatable(fields, Client)
  rest.secrets[self] = { password = o.password }
  local results = table.pack(pcall(enter, self))
  if results[1] and results[2] then return self end
  self:close()
  if not results[1] then error(results[2], 0) end
  return nil, table.unpack(results, 3, results.n)
end

--- Closes the connections and forgets the secrets. A client's close calls it after its logout, its __gc without one.
function rest.shut(self)
  self.closed = true
  if self.http then self.http:close() end
  self.http, rest.secrets[self] = nil, {}
end

return rest
