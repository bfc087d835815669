--- Secrets of a playbook: where a password comes from, never the password itself.
-- A secret is asked when it is needed, and asked anew each time, so that it lives no longer than its use. It prints as
-- where it comes from; JSON, journal and events therefore never hold it.
local place = require "gpupt.source"

local secret = {}

local Secret = {}
Secret.__index = Secret
Secret.__name = "gpupt.secret"

function Secret:__tostring() return ("(secret of %s)"):format(self.source) end

local function make(source, read)
  return setmetatable({ source = source, place = place.of(2), read = read }, Secret)
end

function secret.is(value) return getmetatable(value) == Secret end

local function first_line(text, source)
  local line = (text or ""):match "^([^\r\n]*)"
  if line == "" then return nil, ("the secret of %s is empty"):format(source), "ESECRET" end
  return line
end

local function check_string(value, name)
  if type(value) ~= "string" or value == "" then error(name .. " needs a text that is not empty", 3) end
end

--- The first line of a file.
function secret.file(path)
  check_string(path, "p.secret.file")
  return make("the file " .. path, function(self)
    local file, message = io.open(path, "r")
    if not file then return nil, ("the secret of %s cannot be read: %s"):format(self.source, message), "ESECRET" end
    local text = file:read "a"
    file:close()
    return first_line(text, self.source)
  end)
end

--- An environment variable.
function secret.env(name)
  check_string(name, "p.secret.env")
  return make("the variable " .. name, function(self)
    local text = os.getenv(name)
    if not text then return nil, ("the secret of %s is not set"):format(self.source), "ESECRET" end
    return first_line(text, self.source)
  end)
end

--- The first line that a shell command prints.
function secret.command(line)
  check_string(line, "p.secret.command")
  return make("the command " .. line, function(self)
    local pipe = io.popen(line, "r")
    local text = pipe:read "a"
    local ok, _, status = pipe:close()
    if not ok then return nil, ("the secret of %s: it ended with status %s"):format(self.source, status), "ESECRET" end
    return first_line(text, self.source)
  end)
end

--- A function that returns it.
function secret.callback(fn)
  if type(fn) ~= "function" then error("p.secret.callback needs a function, not a " .. type(fn), 2) end
  return make("a function", function(self)
    local text = fn()
    if type(text) ~= "string" then return nil, ("the secret of %s is no text"):format(self.source), "ESECRET" end
    return first_line(text, self.source)
  end)
end

--- The secret's text, now; nil, message, "ESECRET".
function secret.reveal(value) return value:read() end

return secret
