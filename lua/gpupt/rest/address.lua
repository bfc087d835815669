--- The address of a server, taken apart. No text of it is repeated in a message, because any part may be a password.
local address = {}

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
function address.parse(text, what, kind)
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

return address
