--- The user's own table: rows that `gpupt bar --learn` measured on hosts of this fleet. One file per user, in the data
-- folder of the XDG convention; its rows stand before the built-in ones.
local regular = require "gpupt.regular"

local own = {}

local HEAD = [[
# BARs measured on your own hosts, kept by gpupt bar --learn; its rows come before the built-in table.
# vendor:device | name | variant | index:kind:size ... | mark | source
]]

--- Where the file is, whether it exists or not; nil, message, code without a home.
function own.path()
  local base = os.getenv "XDG_DATA_HOME"
  if not base or base:sub(1, 1) ~= "/" then
    local home = os.getenv "HOME"
    if not home or home == "" then return nil, "neither XDG_DATA_HOME nor HOME is set", "ENOENT" end
    base = home .. "/.local/share"
  end
  return base .. "/gpupt/cards"
end

--- The file's text and path; "" when there is none. nil, message, code when it is there and cannot be read.
function own.read()
  local path = own.path()
  if not path then return "", nil end
  local wrong, kind = regular.problem(path)
  if wrong then return nil, wrong, kind end
  local file, message, number = io.open(path, "rb")
  if not file then
    if number == 2 or number == 20 then return "", path end
    return nil, message, number == 13 and "EACCES" or "EIO"
  end
  file:close()
  local text, problem, code = regular.read(path)
  if not text then return nil, problem, code end
  return text, path
end

--- Writes the rows (lines of text) after the head; atomic.
function own.write(lines)
  local path, message, code = own.path()
  if not path then return nil, message, code end
  local core = require "gpupt.core".file
  local ok
  ok, message, code = core.folders(path)
  if not ok then return nil, message, code end
  ok, message, code = core.replace(path, HEAD .. table.concat(lines, "\n") .. "\n")
  if not ok then return nil, message, code end
  return path
end

return own
