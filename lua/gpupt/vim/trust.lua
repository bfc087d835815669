--- Trust in an ESXi host that files are transferred to directly. In this order: the thumbprint that the known-hosts
-- file has for the host; with `insecure` (which a thumbprint of the vCenter overrides) any certificate, with one
-- warning on stderr; the certificate or thumbprint that the trusted vCenter reports for the host. Without any of them
-- the transfer is refused: the vCenter's own thumbprint says nothing about another server.
local collect = require "gpupt.vim.collect"
local engine = require "gpupt.loop.engine"
local env = require "gpupt.vim.env"
local net = require "gpupt.net"
local options = require "gpupt.options"
local secrets = require "gpupt.vim.secrets"
local sha256 = require "gpupt.sha256"
local wait = require "gpupt.loop.wait"

local trust = {}

local warned = {}

--- Warns once that the certificate of "https://host:port" is not checked.
function trust.warn_unchecked(base)
  if warned[base] then return end
  warned[base] = true
  wait.warn("the certificate of " .. base .. " is not checked (insecure)")
end

local alphabet = {}
for i = 1, 64 do
  alphabet[("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"):byte(i)] = i - 1
end

--- The bytes of base64 text, or nil.
local function decode(text)
  local out, bits, held = {}, 0, 0
  for i = 1, #text do
    local value = alphabet[text:byte(i)]
    if value then
      held, bits = (held << 6) | value, bits + 6
      if bits >= 8 then
        bits = bits - 8
        out[#out + 1] = string.char((held >> bits) & 255)
        held = held & ((1 << bits) - 1)
      end
    end
  end
  return table.concat(out)
end

--- The SHA-256 thumbprint of the first certificate of a PEM text, or nil.
function trust.thumbprint(pem)
  local body = pem:match "%-%-%-%-%-BEGIN CERTIFICATE%-%-%-%-%-(.-)%-%-%-%-%-END"
  if not body then return nil end
  return sha256(decode(body))
end

local function bytes_of(value)
  if type(value) == "string" then return value end
  local out = {}
  for i, byte in ipairs(value or {}) do out[i] = string.char(byte & 255) end
  return table.concat(out)
end

-- The one address at which a host is managed, or nil when there are several (which of them is reachable from here
-- is not known) or none.
local function management_address(net_config)
  local found
  for _, config in ipairs(net_config or {}) do
    if config.nicType == "management" then
      local chosen = {}
      for _, key in ipairs(config.selectedVnic or {}) do chosen[key] = true end
      for _, nic in ipairs(config.candidateVnic or {}) do
        local ip = chosen[nic.key] and nic.spec and nic.spec.ip
        local address = ip and ip.ipAddress
        if address and address ~= "" then
          if found then return nil end
          found = address
        end
      end
    end
  end
  return found and (found:find(":", 1, true) and "[" .. found .. "]" or found)
end

-- The thumbprint that the known-hosts file has for one of a host's names; nil when it has none, or nil, message, code.
local function known(path, names, port)
  if not path then return nil end
  for _, name in ipairs(names) do
    local thumbprint, message, code = env.known_host(path, name, port)
    if thumbprint or code then return thumbprint, message, code end
  end
end

-- What the vCenter reports: the certificate itself, or the thumbprint under which it manages the host.
local function reported(values)
  local thumbprint = trust.thumbprint(bytes_of(values["config.certificate"]))
  local text = not thumbprint and values["summary.config.sslThumbprint"]
  return thumbprint or (text and text ~= "" and text) or nil
end

--- What has to be known of a host.
trust.paths = { "name", "config.certificate", "summary.config.sslThumbprint", "config.virtualNicManagerInfo.netConfig" }

-- The host on which a VM runs now, and what has to be known of it; or nil, message, code. `first`: one that was read
-- before; it is this one if its name or its address is that of the transfer.
local function host_of(client, vm, name, first)
  if first and (first.name == name or management_address(first["config.virtualNicManagerInfo.netConfig"]) == name) then
    return first.ref, first
  end
  local list, message, code = collect.all(client, { objects = { vm }, follow = { VirtualMachine = "runtime.host" },
    types = { VirtualMachine = { "runtime.host" }, HostSystem = trust.paths } })
  if not list then return nil, message, code end
  for _, object in ipairs(list) do
    if object.ref.type == "HostSystem" then return object.ref, object end
  end
  return nil, "the VM is not on a host, or its host may not be read", "InvalidState"
end

--- An HTTP client that trusts the host on which `vm` runs, and the address to connect to: its management
-- address, or nil to use `name`, which it has in the inventory and which need not resolve here.
-- nil, message, code when there is no certificate to trust. `first`: a host that was read before.
function trust.host_client(client, vm, name, port, first)
  local loop, message, code = engine.shared()
  if not loop then return nil, message, code end
  local host, values
  host, values, code = host_of(client, vm, name, first)
  if not host then return nil, values, code end
  local address = management_address(values["config.virtualNicManagerInfo.netConfig"])
  local thumbprint
  thumbprint, message, code = known(client.trust.known_hosts, { name, address }, port)
  if code then return nil, message, code end
  local insecure = not thumbprint and client.trust.insecure
  if not thumbprint and not insecure then thumbprint = reported(values) end
  if not thumbprint and not insecure then
    return nil, ("the vCenter reports no certificate for %s (%s), so nothing is sent to it. Add its thumbprint to a "
      .. "known-hosts file (%s, GOVC_TLS_KNOWN_HOSTS), as a line '%s:%s THUMBPRINT'")
      :format(tostring(host), name, options.word "known_hosts", name, port or "443"), "EUNTRUSTED"
  end
  if insecure then trust.warn_unchecked(("https://%s:%s"):format(name, port or "443")) end
  local http
  -- a vCenter behind a proxy has its hosts behind the same proxy
  http, message, code = net.http.client(loop.core, { thumbprint = thumbprint, insecure = insecure or nil,
    proxy = secrets[client].proxy })
  if not http then return nil, message, code end
  return http, address
end

return trust
