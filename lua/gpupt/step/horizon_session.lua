--- Sessions with Connection Servers, for steps: one for each server and account of a plan or a run, logged out at its
-- end. The password is read from its secret for each login; a refused one is tried at no other server of the run. A
-- login that fails has failed for the whole plan, and in a run for all targets that waited for it: a server that is
-- down is not waited for 40 times.
local client = require "gpupt.horizon.client"
local loop = require "gpupt.loop"
local secret = require "gpupt.secret"

local session = {}

--- The domain and the name of an account "DOMAIN\user"; nil and why not: the REST interface takes no other form.
function session.account(login)
  local user = login.options and login.options.user or ""
  local domain, name = user:match "^([^\\@]+)\\([^\\@]+)$"
  if domain then return domain, name end
  return nil, ("login: '%s' must be DOMAIN\\user: the REST interface of Horizon asks for the AD domain"):format(user)
end

local function shared(ctx)
  if not ctx.horizon then
    ctx.horizon = { sessions = {}, failures = {}, opening = loop.semaphore(1), locks = {} }
    ctx:at_end(function()
      for _, one in pairs(ctx.horizon.sessions) do one:close() end
      ctx.horizon = nil
    end)
  end
  return ctx.horizon
end

--- The session for these options { server, login, ca_file, thumbprint }; nil, message, code, detail.
function session.open(ctx, o)
  local kept, since = shared(ctx), loop.now()
  local token <close> = kept.opening:acquire() -- luacheck: ignore
  local domain, name = session.account(o.login)
  if not domain then return nil, name, "EINVAL" end
  local key = table.concat({ o.server, domain, name }, "\0"):lower()
  if kept.sessions[key] then return kept.sessions[key] end
  local failure = kept.failures[key]
  if failure and (ctx.planning or failure.began >= since) then return nil, table.unpack(failure, 1, 3) end
  local began = loop.now()
  local password, message, code = secret.reveal(o.login.options.password)
  if not password then return nil, message, code end
  local opened, detail
  opened, message, code, detail = client.open { server = o.server, domain = domain, username = name,
    password = password, ca_file = o.ca_file, thumbprint = o.thumbprint, logins = ctx.logins or ctx.vc.logins }
  if not opened then
    kept.failures[key] = { message, code, detail, began = began }
    return nil, message, code, detail
  end
  kept.sessions[key] = opened
  return opened
end

--- The lock of a thing at a server that several targets change: a semaphore of one.
function session.lock(ctx, ...)
  local kept = shared(ctx)
  local key = table.concat({ ... }, "\0"):lower()
  kept.locks[key] = kept.locks[key] or loop.semaphore(1)
  return kept.locks[key]
end

return session
