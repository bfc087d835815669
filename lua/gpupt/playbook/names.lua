--- Whether a variable's name suggests that its value is a secret: admin_password, ApiToken, product_key.
-- A safety net for undeclared variables; a declaration (p.vars) overrides it.
local names = {}

-- These also count as a part of a word: adminpassword.
local inside = { "password", "passwd", "passphrase", "passcode", "secret", "token", "credential" }

local words = { pass = true, pw = true, pwd = true, pin = true, otp = true, key = true, keys = true, apikey = true,
  ticket = true, cookie = true }

-- As the last word these mean that the value only describes a secret: password_file, token_url, key_name.
local about = { file = true, path = true, name = true, id = true, url = true, user = true, username = true,
  length = true, count = true, policy = true, age = true, type = true, command = true, env = true, expiry = true }

function names.looks_secret(name)
  local text = name:gsub("(%l)(%u)", "%1_%2"):lower()
  local last
  local found = false
  for word in text:gmatch "[%a]+" do
    if word == "public" then return false end
    found = found or words[word] or false
    last = word
  end
  if about[last] then return false end
  for _, part in ipairs(inside) do found = found or text:find(part, 1, true) ~= nil end
  return found
end

return names
