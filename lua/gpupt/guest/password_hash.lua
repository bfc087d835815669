--- The hash of an account's password in an answer file for Linux: of `password`, hashed here with SHA-512-crypt, or an
-- existing `password_hash`. Both may be secrets (gpupt.guest.reveal); the file never contains the password.
local characters = require "gpupt.guest.characters"
local crypt = require "gpupt.guest.crypt"
local reveal = require "gpupt.guest.reveal"

--- o: password, password_hash, salt, redacted. The hash; nil, message, code.
return function(o)
  if o.password_hash then
    local hash, message, code = reveal("password_hash", o.password_hash, o.redacted)
    if hash and not o.redacted and not (crypt.is_hash(hash) and characters.line("password_hash", hash)) then
      return nil, "password_hash is not a hash of a Linux password ($6$salt$...)", "EINVAL"
    end
    return hash, message, code
  end
  if not o.password then
    return nil, "set password or password_hash: guest operations log in with it", "EINVAL"
  end
  local password, message, code = reveal("password", o.password, o.redacted)
  if not password or o.redacted then return password, message, code end
  local ok
  ok, message, code = characters.line("password", password)
  if not ok then return nil, message, code end
  local salt = o.salt
  if not salt then
    salt, message, code = crypt.salt()
    if not salt then return nil, message, code end
  end
  return crypt.sha512(password, salt)
end
