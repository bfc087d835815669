--- The hash of a Linux password: SHA-512-crypt ("$6$salt$..."), as /etc/shadow and cloud-init expect it.
-- Computed by the system's crypt(3).
--
--   local crypt = require "gpupt.guest.crypt"
--   crypt.sha512("correct horse", "saltsalt")   --> "$6$saltsalt$..."
--   crypt.salt()                                --> 16 random characters, from /dev/urandom
local crypt = {}

local alphabet = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

--- "$6$salt$hash" of a password. `salt` has 1 to 16 characters of . / 0-9 A-Z a-z. nil, message, "EINVAL" for another
-- salt, or for a password with a zero byte.
function crypt.sha512(password, salt)
  if #salt == 0 or #salt > 16 or salt:find "[^%./%w]" then
    return nil, "a salt has 1 to 16 characters of . / 0 to 9, A to Z and a to z", "EINVAL"
  end
  return require("gpupt.net").digest.crypt(password, "$6$" .. salt)
end

--- A random salt; nil, message, code when there is no /dev/urandom.
function crypt.salt()
  local file, message = io.open("/dev/urandom", "rb")
  if not file then return nil, message, "EIO" end
  file:setvbuf "no"
  local bytes = file:read(16)
  file:close()
  return (bytes:gsub(".", function(c) return alphabet:sub((c:byte() & 63) + 1, (c:byte() & 63) + 1) end))
end

--- Whether a text is such a hash (of any crypt method that Linux supports).
function crypt.is_hash(text) return text:find "^%$[1256y][abxy]?%$[^$]+%$" ~= nil end

return crypt
