--- A secret of an answer medium, read only when the text is created.
-- A secret is a function that returns it, an object with a `read` method (as p.secret gives), or the text
-- itself. With `redacted` it is not read: the text shows a mask instead and may be logged or compared.
local reveal = {}

reveal.mask = "********"

--- The text of a secret; nil, message, "ESECRET". The message never holds the secret.
return setmetatable(reveal, { __call = function(_, name, secret, redacted)
  if redacted then return reveal.mask end
  local value, message
  value = secret
  if type(value) == "function" then value, message = value() end
  if type(value) == "table" and value.read then value, message = value:read() end
  if type(value) ~= "string" or value == "" then
    return nil, ("%s: %s"):format(name, message or "the secret is empty, or not a string"), "ESECRET"
  end
  return value
end })
