--- Where a password comes from when it is needed: each use reads it again, and nothing keeps it.
local regular = require "gpupt.regular"

local password = {}

--- The whole text of a file; nil, message.
function password.read_file(path)
  local text, message, code = regular.read(path)
  if text then return text end
  return nil, code == "EIO" and path .. " cannot be read" or message
end

local function from_command(line)
  local pipe = io.popen(line, "r")
  local text = pipe and pipe:read "a"
  local ok = pipe and pipe:close()
  if not ok then return nil, "the command that prints the password failed", "ENOLOGIN" end
  return (text:match "^([^\r\n]*)")
end

--- The password that an option stands for: a text, a function or an object with read() that gives one, or
-- { file = } / { command = } / { env = }.
function password.of(value)
  local kind = type(value)
  if value == nil or kind == "string" then return value end
  if kind == "function" then return value() end
  if type(value.read) == "function" then return value:read() end
  if value.command then return from_command(value.command) end
  if value.env then
    local text = os.getenv(value.env)
    if not text then
      return nil, ("the environment variable %s, which should contain the password, is not set"):format(value.env),
        "ENOLOGIN"
    end
    return text
  end
  if value.file then
    local text, message = password.read_file(value.file)
    if not text then return nil, "the file with the password cannot be read: " .. message, "ENOLOGIN" end
    return (text:match "^([^\r\n]*)")
  end
  error("password: expected a string, a function, or a table with file, command or env", 0)
end

return password
