--- Trust in an ESXi host that files are transferred to directly: the vCenter, which we trust, tells us the host's
-- certificate, and exactly that one is accepted.
local engine = require "gpupt.loop.engine"
local net = require "gpupt.net"
local secrets = require "gpupt.vim.secrets"
local sha256 = require "gpupt.sha256"

local trust = {}

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

--- An HTTP client that trusts the host on which `vm` runs, and the address at which to find it: its management
-- address, or nil to use the name it has in the inventory, which need not resolve here.
-- nil, message, code when its certificate is not known.
function trust.host_client(client, vm)
  local loop, message, code = engine.shared()
  if not loop then return nil, message, code end
  local host
  host, message, code = vm:get "runtime.host"
  if not host then return nil, message or "the virtual machine is on no host", code or "InvalidState" end
  local told
  told, message, code = host:get { "config.certificate", "config.virtualNicManagerInfo.netConfig" }
  if not told then return nil, message, code end
  local address = management_address(told["config.virtualNicManagerInfo.netConfig"])
  local http
  local proxy = secrets[client].proxy -- who reaches the vCenter through one reaches its hosts through it, too
  if client.trust.insecure then
    http, message, code = net.http.client(loop.core, { insecure = true, proxy = proxy })
  else
    local thumbprint = trust.thumbprint(bytes_of(told["config.certificate"]))
    if not thumbprint then
      return nil, ("the certificate of %s is not known to the vCenter"):format(tostring(host)), "EUNTRUSTED"
    end
    http, message, code = net.http.client(loop.core, { thumbprint = thumbprint, proxy = proxy })
  end
  if not http then return nil, message, code end
  return http, address
end

return trust
