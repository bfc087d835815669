--- The ways to log in: a user name with a password, a SAML token (LoginByToken), a ticket that clones an
-- existing session (CloneSession). A token and a ticket come from a file that only its owner can read, or from a
-- command; they are read when they are needed and not stored.
local net = require "gpupt.net"
local options = require "gpupt.options"
local passwords = require "gpupt.rest.password"
local secrets = require "gpupt.vim.secrets"
local token = require "gpupt.later" "gpupt.vim.token"

local login = {}

local function trimmed(text) return (text:match "^%s*(.-)%s*$") end

local function of_file(path, what)
  local text, message, code = net.private.read(path)
  if not text then return nil, ("the file with the %s: %s"):format(what, message), code end
  return text
end

-- The whole of what a command prints; its own messages go to the terminal.
local function of_command(line, what)
  local pipe = io.popen(line, "r")
  local text = pipe and pipe:read "a"
  local ok = pipe and pipe:close()
  if not ok then return nil, ("the command that prints the %s failed"):format(what), "ENOLOGIN" end
  return text
end

local function read(source, what)
  local text, message, code
  if source.file then text, message, code = of_file(source.file, what)
  else text, message, code = of_command(source.command, what) end
  if not text then return nil, message, code end
  text = trimmed(text)
  if text == "" then return nil, ("the %s is empty"):format(what), "ENOLOGIN" end
  return text
end

local ways = {}

function ways.password(client)
  local name = client.username
  if not name then return nil, "no user name: set GOVC_USERNAME or " .. options.word "username", "ENOLOGIN" end
  local password, message, code = passwords.of(secrets[client].password)
  if password == nil then
    return nil, message or "no password: set GOVC_PASSWORD" .. (options.flags and ", " or " or ")
      .. options.word "password", code or "ENOLOGIN"
  end
  return { method = "Login", arguments = { userName = name, password = password }, account = name,
    secret = password,
    refusal = ("%s refused the login as '%s': the user name or the password is wrong"):format(client.base, name) }
end

function ways.token(client)
  local kept = secrets[client]
  local text, message, code = read(kept.token, "SAML token")
  if not text then return nil, message, code end
  local assertion = token.assertion(text)
  if not assertion then return nil, "the SAML token is not a single Assertion element", "ENOLOGIN" end
  local key
  if token.needs_key(assertion) then
    if not kept.token_key then
      return nil, ("the SAML token is a holder-of-key token: set %s to the file with the private key of its "
        .. "certificate"):format(options.word "token_key_file"), "ENOLOGIN"
    end
    key, message, code = of_file(kept.token_key, "key of the SAML token")
    if not key then return nil, message, code end
  end
  local header, body_id, failed = token.header(assertion, key, client.content.sessionManager)
  if not header then return nil, ("%s: %s"):format(kept.token_key, body_id), failed end
  local expiry = token.expiry(assertion)
  return { method = "LoginByToken", arguments = {}, security = header, body_id = body_id, secret = assertion,
    refusal = ("%s refused the SAML token%s: it has expired, its user is unknown, or it is not from this server's "
      .. "single sign-on"):format(client.base, expiry and " (valid until " .. expiry .. ")" or "") }
end

function ways.ticket(client)
  local text, message, code = read(secrets[client].ticket, "clone ticket")
  if not text then return nil, message, code end
  return { method = "CloneSession", arguments = { cloneTicket = text }, secret = text, once = true,
    refusal = ("%s refused the clone ticket: it has been used already, or the session that it clones has ended")
      :format(client.base) }
end

--- How this client logs in: { method, arguments, security, body_id, secret, refusal, once }; or nil, message, code.
function login.prepare(client) return ways[secrets[client].way](client) end

--- Which way the options choose, for secrets[client]: { way =, password =, token =, token_key =, ticket = }; or nil,
-- message, code.
function login.chosen(o)
  local named = {}
  for _, name in ipairs { "token_file", "token_command", "ticket_file", "ticket_command" } do
    if o[name] then named[#named + 1] = name end
  end
  if #named > 1 then
    return nil, ("%s and %s cannot be combined: choose one way to log in"):format(options.spell(named[1]),
      options.spell(named[2])), "EINVAL"
  end
  if o.token_key_file and not (o.token_file or o.token_command) then
    return nil, ("%s needs %s or %s"):format(options.spell "token_key_file", options.spell "token_file",
      options.spell "token_command"), "EINVAL"
  end
  if #named > 0 and o.persist_session and not o.username then
    return nil, ("%s with %s needs %s, under which the session is kept"):format(options.spell "persist_session",
      options.spell(named[1]), options.spell "username"), "EINVAL"
  end
  if o.token_file or o.token_command then
    return { way = "token", token = { file = o.token_file, command = o.token_command }, token_key = o.token_key_file }
  end
  if o.ticket_file or o.ticket_command then
    return { way = "ticket", ticket = { file = o.ticket_file, command = o.ticket_command } }
  end
  return { way = "password", password = o.password }
end

return login
