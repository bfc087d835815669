--- Where to connect and as which user: options first, then govc's environment variables.
-- GOVC_URL (also "user:password@host", split at once), GOVC_USERNAME, GOVC_PASSWORD (its value may name a file),
-- GOVC_INSECURE, GOVC_TLS_CA_CERTS, GOVC_TLS_KNOWN_HOSTS, GOVC_DATACENTER; and GPUPT_TRACE, a file for what is sent.
local address = require "gpupt.rest.address"
local options = require "gpupt.options"
local read_file = require("gpupt.rest.password").read_file

local env = {}

local function variable(name)
  local value = os.getenv(name)
  return value ~= "" and value or nil
end

local function truthy(text) return text == "1" or text == "true" or text == "TRUE" or text == "yes" or text == "t" end

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
  local url, message, code = address.parse(text, o.url and options.word "url" or "GOVC_URL")
  o.url = nil -- it may hold a password
  if not url then return nil, message, code end
  o.address = url
  o.username = o.username or url.username or variable "GOVC_USERNAME"
  if o.password == nil then o.password = url.password or password_variable end
  url.username, url.password = nil, nil
  if o.proxy then
    local proxy
    proxy, message, code = address.parse(o.proxy, options.word "proxy", "proxy")
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
