--- Where to connect and as which user: options first, then govc's environment variables.
-- GOVC_URL (also "user:password@host", split at once), GOVC_USERNAME, GOVC_PASSWORD (its value may name a file),
-- GOVC_INSECURE, GOVC_TLS_CA_CERTS, GOVC_TLS_KNOWN_HOSTS, GOVC_DATACENTER; and GPUPT_TRACE, a file for what is sent.
local options = require "gpupt.options"
local env = {}

local function variable(name)
  local value = os.getenv(name)
  return value ~= "" and value or nil
end

local function truthy(text) return text == "1" or text == "true" or text == "TRUE" or text == "yes" or text == "t" end

local function unescape(text)
  return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

local schemes = {
  vcenter = { https = true, http = true },
  proxy = { http = true, https = true, socks4 = true, socks4a = true, socks5 = true, socks5h = true },
}

-- The characters that RFC 3986 and govc allow unencoded in a user name and a password; any other has to be
-- percent-encoded. A user name may hold an @ (administrator@vsphere.local), as in govc; a password may not.
local USER, PASSWORD = "^[%w%-._~!$&'()*+,;=%%@]*$", "^[%w%-._~!$&'()*+,;=%%:]*$"

local function encoded(text, allowed)
  return text:find(allowed) and not text:gsub("%%%x%x", ""):find("%", 1, true)
end

-- The refused text is not repeated, because any part of it may be a password.
local function malformed(what, expected)
  return nil, ("%s is not %s URL: use %s. A user name or password in it must be percent-encoded "
    .. "('/' is %%2F, '?' %%3F, '#' %%23, '@' %%40). The value is not shown because it may contain a password"):format(
    what, expected == "https://HOST/sdk" and "a vCenter" or "a proxy", expected), "EINVAL"
end

--- Takes a vCenter's address apart: "host", "host:port", "https://user:pw@host/sdk". Gives
-- { scheme, host, port, path, username, password }, or nil, message, "EINVAL". `what` names the text in the message,
-- which never repeats it. With kind "proxy" it is the address of a proxy.
-- The host is what follows the last @. An @ after the first '/', '?' or '#' means that one of these is in a
-- password, and that what looks like the host is none: refused.
function env.parse_url(text, what, kind)
  what = what or "the URL"
  local expected = kind == "proxy" and "http://HOST:PORT" or "https://HOST/sdk"
  local url = { scheme = kind == "proxy" and "http" or "https" }
  local rest = text
  local scheme, behind = text:match "^(%a[%w+.-]*)://(.*)$"
  if scheme then url.scheme, rest = scheme:lower(), behind end
  if not schemes[kind or "vcenter"][url.scheme] then return malformed(what, expected) end
  local authority, path = rest:match "^([^/?#]*)(.*)$"
  if path:find("@", 1, true) then return malformed(what, expected) end
  local user, host = authority:match "^(.*)@([^@]*)$"
  host = host or authority
  if user then
    local name, password = user:match "^([^:]*):(.*)$"
    name = name or user
    if not encoded(name, USER) or not encoded(password or "", PASSWORD) then return malformed(what, expected) end
    url.username, url.password = unescape(name), password and unescape(password)
  end
  local name, port = host:match "^(%[[%x:.]+%]):?(%d*)$"
  if not name then name, port = host:match "^([%w%-._\x80-\xff]+):?(%d*)$" end
  if not name or (port ~= "" and (#port > 5 or tonumber(port) < 1 or tonumber(port) > 65535)) then
    return malformed(what, expected)
  end
  url.host, url.port = name, port ~= "" and port or nil
  path = path:match "^/?[^?#]*"
  if path:find "[%c\x7f ]" then return malformed(what, expected) end
  url.path = (path == "" or path == "/") and "/sdk" or path
  return url
end

local function read_file(path)
  local file, message = io.open(path, "rb")
  if not file then return nil, message end
  local text = file:read "a"
  file:close()
  if not text then return nil, path .. " cannot be read" end
  return text
end

local function from_command(line)
  local pipe = io.popen(line, "r")
  local text = pipe and pipe:read "a"
  local ok = pipe and pipe:close()
  if not ok then return nil, "the command that prints the password failed", "ENOLOGIN" end
  return (text:match "^([^\r\n]*)")
end

--- The password that an option stands for: a text, a function or an object with read() that gives one, or
-- { file = } / { command = } / { env = }.
function env.secret(value)
  local kind = type(value)
  if value == nil or kind == "string" then return value end
  if kind == "function" then return value() end
  if type(value.read) == "function" then return value:read() end
  if value.command then return from_command(value.command) end
  if value.env then
    local text = os.getenv(value.env)
    if not text then
      return nil, ("the environment variable %s, which should contain the password, is not set"):format(value.env),
        "ENOLOGIN"
    end
    return text
  end
  if value.file then
    local text, message = read_file(value.file)
    if not text then return nil, "the file with the password cannot be read: " .. message, "ENOLOGIN" end
    return (text:match "^([^\r\n]*)")
  end
  error("password: expected a string, a function, or a table with file, command or env", 0)
end

-- As in govc: the name of a file if that file exists, else the password itself.
local function password_variable()
  local value = variable "GOVC_PASSWORD"
  local text = value and value:find "^[^%z\n]+$" and read_file(value)
  if text then return (text:match "^([^\r\n]*)") end
  return value
end

-- govc's list of certificate files, joined.
local function authorities(list)
  local parts = {}
  for path in list:gmatch "[^:]+" do
    local text, message = read_file(path)
    if not text then return nil, "cannot read a file of GOVC_TLS_CA_CERTS: " .. message, "ETLS" end
    parts[#parts + 1] = text
  end
  return table.concat(parts, "\n")
end

-- What is wrong with a thumbprint, or nil.
local function thumbprint_problem(text)
  local digits = text:gsub("[: -]", "")
  if digits:find "^%x+$" and (#digits == 40 or #digits == 64) then return nil end
  return ("'%s' is not a thumbprint: 40 (SHA-1) or 64 (SHA-256) hexadecimal digits"):format(text:sub(1, 100))
end

--- The thumbprint that a known-hosts file has for "host:port", or nil; nil, message, code when it cannot be read or the
-- line for the host is malformed.
function env.known_host(path, host, port)
  local text, message = read_file(path)
  if not text then return nil, "cannot read the known-hosts file: " .. message, "ETLS" end
  host = host:lower()
  local wanted, number = host .. ":" .. (port or "443"), 0
  for line in (text .. "\n"):gmatch "(.-)\r?\n" do
    number = number + 1
    local name, thumbprint = line:match "^%s*(%S+)%s*(%S*)"
    name = name and name:lower()
    if name == wanted or name == host then
      local problem = thumbprint == "" and ("the thumbprint of %s is missing"):format(name)
        or thumbprint_problem(thumbprint)
      if problem then return nil, ("%s:%d: %s"):format(path, number, problem), "EINVAL" end
      return thumbprint
    end
  end
  return nil
end

-- Which certificate is trusted: the one with the thumbprint; else the one in the known-hosts file for this address;
-- else any, with `insecure`; else one signed by the authorities. So a thumbprint overrides `insecure`, wherever it is
-- set.
local function trust(o, url)
  local problem = o.thumbprint and thumbprint_problem(o.thumbprint)
  if problem then return nil, ("%s: %s"):format(options.spell "thumbprint", problem), "EINVAL" end
  local named = o.known_hosts
  o.known_hosts = named or variable "GOVC_TLS_KNOWN_HOSTS"
  if not o.thumbprint and (named or o.known_hosts and not o.ca_file) then
    local thumbprint, message, code = env.known_host(o.known_hosts, url.host, url.port)
    if code then return nil, message, code end
    o.thumbprint = thumbprint
  end
  if o.thumbprint then o.insecure = false end
  local list = not (o.thumbprint or o.insecure or o.ca_file) and variable "GOVC_TLS_CA_CERTS"
  if list then
    local bytes, message, code = authorities(list)
    if not bytes then return nil, message, code end
    o.ca_bytes = bytes
  end
  return true
end

--- Completes the options from the environment. Gives the options, or nil, message, code.
function env.complete(given)
  local o = {}
  for key, value in pairs(given) do o[key] = value end
  local text = o.url or variable "GOVC_URL"
  if not text then return nil, "no vCenter given: set GOVC_URL or " .. options.word "url", "ENOLOGIN" end
  local url, message, code = env.parse_url(text, o.url and options.word "url" or "GOVC_URL")
  o.url = nil -- it may hold a password
  if not url then return nil, message, code end
  o.address = url
  o.username = o.username or url.username or variable "GOVC_USERNAME"
  if o.password == nil then o.password = url.password or password_variable end
  url.username, url.password = nil, nil
  if o.proxy then
    local proxy
    proxy, message, code = env.parse_url(o.proxy, options.word "proxy", "proxy")
    if not proxy then return nil, message, code end
  end
  if o.insecure == nil and not given.url then o.insecure = truthy(variable "GOVC_INSECURE") end
  local ok
  ok, message, code = trust(o, url)
  if not ok then return nil, message, code end
  if o.persist_session == nil then o.persist_session = truthy(variable "GOVC_PERSIST_SESSION") end
  o.datacenter = o.datacenter or variable "GOVC_DATACENTER"
  o.trace = o.trace or variable "GPUPT_TRACE"
  return o
end

return env
