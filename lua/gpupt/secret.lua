--- Secrets of a playbook: an object that names the origin of a password and does not contain it.
-- The password is read each time it is needed and not kept. tostring gives the origin only, so JSON, journal and events
-- never contain the password.
local regular = require "gpupt.regular"
local source = require "gpupt.source"

local secret = {}

local Secret = {}
Secret.__index = Secret
Secret.__name = "gpupt.secret"

function Secret:__tostring() return ("(secret of %s)"):format(self.origin) end

-- A string that contains a secret would end up in a file.
function Secret.__concat(a, b)
  local self = getmetatable(a) == Secret and a or b
  error(("%s cannot be concatenated: pass it to p.login or p.answer unchanged, or get its text with :read()")
    :format(tostring(self)), 2)
end

-- kind: "file", "env", "command", "callback" or "value"
local function make(origin, kind, read)
  return setmetatable({ origin = origin, kind = kind, source = source.of(2), read = read }, Secret)
end

--- A secret of another kind: `read(self)` returns its text, or nil, message, "ESECRET".
function secret.of(origin, read, kind) return make(origin, kind or "value", read) end

function secret.is(value) return getmetatable(value) == Secret end

local function first_line(text, origin)
  local line = (text or ""):match "^([^\r\n]*)"
  if line == "" then return nil, ("the secret of %s is empty"):format(origin), "ESECRET" end
  return line
end

local function check_string(value, name)
  if type(value) ~= "string" or value == "" then error(name .. " needs a string that is not empty", 3) end
end

--- The first line of a file.
function secret.file(path)
  check_string(path, "p.secret.file")
  return make("the file " .. path, "file", function(self)
    local text, message, code = regular.read(path)
    if not text and code ~= "EIO" then
      return nil, ("the secret of %s cannot be read: %s"):format(self.origin, message), "ESECRET"
    end
    return first_line(text, self.origin)
  end)
end

--- An environment variable.
function secret.env(name)
  check_string(name, "p.secret.env")
  return make("the variable " .. name, "env", function(self)
    local text = os.getenv(name)
    if not text then return nil, ("the environment variable %s is not set"):format(name), "ESECRET" end
    return first_line(text, self.origin)
  end)
end

-- The program of a command line. The rest may contain a secret, as may assignments before it (TOKEN=... program).
local function program_of(line)
  local program, more = line:match "^%s*([%w_./+-]+)%s*(.?)"
  if not program or more == "=" or line:find("^%s*[%w_]+%s*%+?=") then return "..." end
  return program .. (more ~= "" and " ..." or "")
end

--- The first line that a shell command prints.
function secret.command(line)
  check_string(line, "p.secret.command")
  return make("the command " .. program_of(line), "command", function(self)
    local pipe, message = io.popen(line, "r")
    if not pipe then return nil, ("the secret of %s: %s"):format(self.origin, message), "ESECRET" end
    local text = pipe:read "a"
    local ok, _, status = pipe:close()
    if not ok then return nil, ("the secret of %s: it ended with status %s"):format(self.origin, status), "ESECRET" end
    return first_line(text, self.origin)
  end)
end

--- A function that returns it.
function secret.callback(fn)
  if type(fn) ~= "function" then error("p.secret.callback needs a function, not a " .. type(fn), 2) end
  return make("a function", "callback", function(self)
    local text, message = fn()
    if secret.is(text) then return text:read() end
    if type(text) ~= "string" then
      return nil, ("the secret of %s is not a string%s"):format(self.origin,
        message and ": " .. tostring(message) or ""), "ESECRET"
    end
    return first_line(text, self.origin)
  end)
end

--- Reads the secret's text; nil, message, "ESECRET".
function secret.reveal(value) return value:read() end

return secret
