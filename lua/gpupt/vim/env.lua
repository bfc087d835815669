--- Where to connect and as whom: options first, then the variables that govc's users have set already.
-- GOVC_URL (also "user:password@host"), GOVC_USERNAME, GOVC_PASSWORD (its value may name a file), GOVC_INSECURE,
-- GOVC_TLS_CA_CERTS, GOVC_TLS_KNOWN_HOSTS, GOVC_DATACENTER; and GPUPT_TRACE, a file for what is sent.
local env = {}

local function variable(name)
  local value = os.getenv(name)
  return value ~= "" and value or nil
end

local function truthy(text) return text == "1" or text == "true" or text == "TRUE" or text == "yes" or text == "t" end

local function unescape(text)
  return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

--- Takes a vCenter's address apart: "host", "host:port", "https://user:pw@host/sdk". Gives
-- { scheme, host, port, path, username, password }, or nil, message, "EINVAL".
function env.parse_url(text)
  local url = { scheme = "https" }
  local rest = text
  local scheme, behind = text:match "^(%a[%w+.-]*)://(.*)$"
  if scheme then url.scheme, rest = scheme:lower(), behind end
  if url.scheme ~= "https" and url.scheme ~= "http" then
    return nil, ("'%s' is not an address of a vCenter: https://HOST/sdk is expected"):format(text), "EINVAL"
  end
  local authority, path = rest:match "^([^/?#]*)(/?[^?#]*)"
  local user, host = authority:match "^(.*)@([^@]*)$"
  host = host or authority
  if user then
    local name, password = user:match "^([^:]*):(.*)$"
    url.username, url.password = unescape(name or user), password and unescape(password)
  end
  local name, port = host:match "^(%[[%x:.]+%]):?(%d*)$"
  if not name then name, port = host:match "^([^:%s%[%]]+):?(%d*)$" end
  if not name or (port ~= "" and (tonumber(port) < 1 or tonumber(port) > 65535)) then
    -- the text may hold a password: say only the host part
    return nil, ("'%s' is not an address of a vCenter: https://HOST/sdk is expected"):format(host), "EINVAL"
  end
  url.host, url.port = name, port ~= "" and port or nil
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
  if not ok then return nil, "the command that gives the password failed", "ENOLOGIN" end
  return (text:match "^([^\r\n]*)")
end

--- The password that an option means: a text, a function or an object with read() that gives one, or
-- { file = } / { command = } / { env = }.
function env.secret(value)
  local kind = type(value)
  if value == nil or kind == "string" then return value end
  if kind == "function" then return value() end
  if type(value.read) == "function" then return value:read() end
  if value.command then return from_command(value.command) end
  if value.env then
    local text = os.getenv(value.env)
    if not text then return nil, ("the variable %s with the password is not set"):format(value.env), "ENOLOGIN" end
    return text
  end
  if value.file then
    local text, message = read_file(value.file)
    if not text then return nil, "the file with the password cannot be read: " .. message, "ENOLOGIN" end
    return (text:match "^([^\r\n]*)")
  end
  error("password: a text, a function, or a table with file, command or env is needed", 0)
end

-- As govc does it: the value is a file's name if there is such a file, else the password itself.
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

--- The thumbprint that a known-hosts file has for "host:port", or nil.
function env.known_host(path, host, port)
  local text, message = read_file(path)
  if not text then return nil, "cannot read the known-hosts file: " .. message, "ETLS" end
  local wanted = host .. ":" .. (port or "443")
  for line in text:gmatch "[^\r\n]+" do
    local name, thumbprint = line:match "^%s*(%S+)%s+(%S+)"
    if name == wanted or name == host then return thumbprint end
  end
  return nil
end

--- Fills what the options leave out. Gives the options, or nil, message, code.
function env.complete(given)
  local o = {}
  for key, value in pairs(given) do o[key] = value end
  local text = o.url or variable "GOVC_URL"
  if not text then return nil, "no vCenter is named: set GOVC_URL, or give the option url", "ENOLOGIN" end
  local url, message, code = env.parse_url(text)
  if not url then return nil, message, code end
  o.address = url
  o.username = o.username or url.username or variable "GOVC_USERNAME"
  if o.password == nil then o.password = url.password or password_variable end
  if o.insecure == nil and not given.url then o.insecure = truthy(variable "GOVC_INSECURE") end
  if not o.ca_file and not o.thumbprint and not o.insecure then
    local known = o.known_hosts or variable "GOVC_TLS_KNOWN_HOSTS"
    if known then
      local thumbprint, why, failed = env.known_host(known, url.host, url.port)
      if failed then return nil, why, failed end
      o.thumbprint = thumbprint
    end
    local list = not o.thumbprint and variable "GOVC_TLS_CA_CERTS"
    if list then
      o.ca_bytes, message, code = authorities(list)
      if not o.ca_bytes then return nil, message, code end
    end
  end
  o.datacenter = o.datacenter or variable "GOVC_DATACENTER"
  o.trace = o.trace or variable "GPUPT_TRACE"
  return o
end

return env
