--- One request over one client: started on the engine, waited for, and always cleaned up.
local engine = require "gpupt.loop.engine"
local failure = require "gpupt.failure"
local logins = require "gpupt.logins"
local wait = require "gpupt.loop.wait"

local transport = {}

--- The error when the waiting fiber is stopped after a request was sent that may have changed something.
local function unknown(stop, what)
  return failure.new(("%s: %s was sent; whether it took effect is unknown"):format(stop.message, what.name),
    "EUNKNOWN", { stop = stop, operation_id = what.operation_id, method = what.name, object = what.object })
end

-- Waits for the event, calling what.tick(sent, received) twice a second.
local function await(op, event, what)
  if not what.tick then return wait.wait(event, what.until_time) end
  while not event.done do
    local stop = wait.wait(event, math.min(engine.now() + 0.5, what.until_time or math.huge))
    if stop then return stop end
    what.tick(op:progress())
    if not event.done and what.until_time and engine.now() >= what.until_time then return nil end
  end
end

-- A session's cookie is sent with every request: it has to be a short text of printable characters.
local COOKIE_MOST = 4096

-- The cookie of this name that an answer sets, and whether it is unusable.
local function cookie_of(op, name)
  local cookie
  for i = 1, 8 do
    local line = op:header("set-cookie", i)
    if not line then break end
    local key, value = line:match "^%s*([^=;]*)=([^;]*)"
    if key == name then cookie = value end
  end
  local good = not cookie or (#cookie <= COOKIE_MOST and not cookie:find "[^\32-\126]")
  return good and cookie or nil, not good
end

local harmless = { dcPath = true, dsName = true }

--- A server's message without the secrets of the request: error pages repeat URLs, which hold tickets for guest
-- files, and headers hold the session's cookie.
function transport.without_tickets(message, request)
  local function hide(word)
    if #word >= 8 then message = message:gsub(word:gsub("%p", "%%%0"), "(secret)") end
  end
  for name, value in (request.url or ""):gmatch "[?&]([^=&]*)=([^&#]+)" do
    if not harmless[name] then hide(value) end
  end
  for _, header in ipairs(request.headers or {}) do
    local cookie = header:match "^Cookie: [^=]*=(.*)$"
    if cookie then hide(cookie) end
  end
  return message
end

logins.kind("proxy", {
  noun = "proxy", refusal = "EPROXY", shared = true,
  refused = function(code) return code == "EPROXY" end,
  lost = function() return false end, -- a proxy answers, or there is no connection
})

--- What a client sends to its proxy, for the registry of logins: a function of the time until which to wait, or nil
-- for a proxy without a password. A function, so that listing the client's fields shows no password.
function transport.proxy_login(url)
  local user, host = (url or ""):match "^[^/]*//(.*)@([^@/]*)"
  user = user or (url or ""):match "^([^/]*)@[^@/]*"
  host = host or (url or ""):match "@([^@/]*)"
  if not user then return nil end
  local account, password = user:match "^([^:]*):?(.*)$"
  return function(until_time)
    return { kind = "proxy", id = host, target = "the proxy " .. host, account = account, password = password,
      until_time = until_time }
  end
end

--- Sends `request` (fields of net.http's request) and waits for its end.
-- Gives the result (a tape, text or count) and { status, seconds, sent, op }, or nil, message, code, info.
-- `what` = { name =, unsafe =, operation_id =, object = } is for the error when the caller is stopped while it waits;
-- what.headers: the names of headers of the answer, for info.headers; what.cookie: the name of one, for info.cookie.
function transport.exchange(client, request, what)
  if not client.proxy_login then return transport.send(client, request, what) end
  local login = client.proxy_login(engine.now() + (request.timeout or client.timeout))
  return client.logins:attempt(login, function() return transport.send(client, request, what) end)
end

--- The same without checking whether the proxy refused its password.
function transport.send(client, request, what)
  local loop, no_loop, no_code = engine.shared()
  if not loop then return nil, no_loop, no_code, {} end
  if not client.http then return nil, "this connection is closed", "ECLOSED", {} end
  local op, message, code = client.http:request(request)
  if not op then return nil, message, code, {} end
  local event
  event, message, code = loop:start(op)
  if not event then
    op:close()
    return nil, message, code, {}
  end
  what.op = op
  local ok, stop = pcall(await, op, event, what)
  what.op = nil
  if not ok or stop or not event.done then
    local sent = op:sent()
    loop:abandon(op)
    if not ok then error(stop, 0) end
    if stop then error(what.unsafe and sent and unknown(stop, what) or stop, 0) end
    return nil, what.late or "timed out", "ETIMEDOUT", { sent = sent }
  end
  local result
  result, message, code = op:result()
  local seconds, reused = op:seconds()
  local info = { status = op:status(), sent = op:sent(), seconds = seconds, reused = reused }
  if what.cookie then info.cookie, info.bad_cookie = cookie_of(op, what.cookie) end
  if request.keep then info.kept = op:kept() end
  info.headers = what.headers and {} or nil
  for _, name in ipairs(what.headers or {}) do info.headers[name] = op:header(name) end
  op:close()
  if result == nil then return nil, transport.without_tickets(message, request), code, info end
  return result, info
end

return transport
