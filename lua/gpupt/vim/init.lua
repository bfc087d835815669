--- gpupt.vim: vSphere. Every method and type of the vim25 API, by name.
--
--   local vc <close> = gpupt.check(gpupt.vim.connect { url = "https://vcenter.example/sdk" })
--   for _, host in ipairs(gpupt.check(vc:find "/*/host/*/*")) do print(gpupt.check(host:get "name")) end
local net = require "gpupt.net"

local vim = { schema = net.schema }

--- Connects and logs in; see gpupt.vim.client.
function vim.connect(given) return require("gpupt.vim.client").connect(given) end

--- Ends a session that the option persist_session has saved; see gpupt.vim.client.
function vim.logout(given) return require("gpupt.vim.client").logout(given) end

--- Whether a method of vim25 only reads: it changes nothing on the server that outlives the session.
function vim.reads(name) return require("gpupt.vim.attempt").reads(name) end

--- The vim25 type's name of a decoded value ("VirtualMachineConfigInfo"), of a reference, or of a wrapped scalar.
function vim.typeof(value)
  if type(value) ~= "table" then return math.type(value) or type(value) end
  if require("gpupt.vim.ref").is(value) then return value.type end
  return rawget(value, "_type") or require("gpupt.vim.fault").type_of(value)
end

--- Iterates over a list that may be absent: nil, false and {} all give nothing.
function vim.each(list) return ipairs(list or {}) end

-- Scalars that name their type, for fields of type anyType.
for name, kind in pairs { int = "int", long = "long", short = "short", byte = "byte", float = "float",
  double = "double", string = "string", boolean = "boolean", base64 = "base64Binary", uri = "anyURI" } do
  vim[name] = function(value) return net.codec.wrap(kind, value) end
end

--- A date and time: a number of seconds since 1970 (UTC) or an ISO 8601 text.
function vim.time(value)
  if type(value) == "number" then
    local whole = math.floor(value)
    local fraction = ("%.6f"):format(value - whole):sub(2)
    value = os.date("!%Y-%m-%dT%H:%M:%S", whole) .. fraction .. "Z"
  end
  return net.codec.wrap("dateTime", value)
end

--- Seconds since 1970 of a dateTime text of the server, or nil, message, "EINVAL".
function vim.seconds(text)
  local y, mo, d, h, mi, s, rest = text:match "^(%-?%d+)%-(%d%d)%-(%d%d)T(%d%d):(%d%d):(%d%d%.?%d*)(.*)$"
  if not y then return nil, ("'%s' is not a dateTime"):format(text), "EINVAL" end
  y, mo, d = tonumber(y), tonumber(mo), tonumber(d)
  -- days of the civil calendar since 1970, counting years from March
  local year = mo <= 2 and y - 1 or y
  local era = year // 400
  local of_era = year - era * 400
  local of_year = (153 * (mo + (mo > 2 and -3 or 9)) + 2) // 5 + d - 1
  local days = era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468
  local seconds = days * 86400 + tonumber(h) * 3600 + tonumber(mi) * 60 + tonumber(s)
  local sign, oh, om = rest:match "^([+-])(%d%d):?(%d%d)$"
  if sign then seconds = seconds - (sign == "-" and -1 or 1) * (tonumber(oh) * 3600 + tonumber(om) * 60) end
  return seconds
end

return vim
