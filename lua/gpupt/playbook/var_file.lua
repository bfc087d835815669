--- Files of variables (--var-file): secrets that stand neither on a command line nor in a playbook.
--
--   # lines: NAME = VALUE; the value is the rest of the line without the blanks around it
--   site     = lab
--   password = correct horse "battery"
--   banner   = " in quotes: blanks stay, and \n \" \\ \u00e9 are as in JSON"
--
-- or one JSON object of texts, numbers and booleans. The file must be yours, and nobody else may read it (chmod 600);
-- a pipe of your own will do too: --var-file <(pass show lab). Messages say where a fault is, never what stands there.
local json = require "gpupt.json"
local system = require "gpupt.core".system

local var_file = {}

local function bad(where, text) return nil, ("%s: %s"):format(where, text), "EVARFILE" end

local function from_json(text, path)
  local values, message = json.decode(text)
  if values == nil then
    -- the parser's own words quote what it met
    return bad(path, ("not readable as JSON (%s)"):format(tostring(message):match "line %d+, column %d+" or "?"))
  end
  for name, value in pairs(values) do
    if type(name) ~= "string" or not name:find "^[%a_][%w_]*$" then
      return bad(path, "a name that is no variable's: letters, digits and _ only")
    end
    local kind = type(value)
    if kind ~= "string" and kind ~= "number" and kind ~= "boolean" then
      return bad(path, ("'%s' must be a text, a number or a boolean"):format(name))
    end
  end
  return values
end

local function quoted(text)
  local list = json.decode("[" .. text .. "]")
  if not list or #list ~= 1 or type(list[1]) ~= "string" then return nil end
  return list[1]
end

local function from_lines(text, path)
  local values, number = {}, 0
  for line in (text .. "\n"):gmatch "(.-)\r?\n" do
    number = number + 1
    local where = ("%s:%d"):format(path, number)
    if line:find "%S" and not line:find "^%s*#" then
      local name, value = line:match "^%s*([%a_][%w_]*)%s*=%s*(.-)%s*$"
      if not name then return bad(where, "not NAME = VALUE") end
      if values[name] ~= nil then return bad(where, ("'%s' is given twice"):format(name)) end
      if value:sub(1, 1) == '"' then
        value = quoted(value)
        if not value then return bad(where, ("the quoted value of '%s' is not a text as in JSON"):format(name)) end
      end
      values[name] = value
    end
  end
  return values
end

--- The variables of a text; nil, message, "EVARFILE". `path` is for messages.
function var_file.parse(text, path)
  text = text:gsub("^\xEF\xBB\xBF", "")
  if text:find("\0", 1, true) then return bad(path, "holds a zero byte") end
  if text:find "^%s*{" then return from_json(text, path) end
  return from_lines(text, path)
end

--- The variables of a file; nil, message, code: EACCES when others may read it or own it.
function var_file.read(path)
  local text, message, code = system.secure(path)
  if not text then return nil, "--var-file " .. message, code end
  return var_file.parse(text, path)
end

return var_file
