--- Files of variables (--var-file): for secrets, which must not be on a command line or in a playbook.
--
--   # lines: NAME = VALUE; the value is the rest of the line without surrounding blanks
--   site     = lab
--   password = correct horse "battery"
--   banner   = " in quotes: blanks are kept, and \n \" \\ \u00e9 are as in JSON"
--
-- or one JSON object of strings, numbers and booleans. Only its owner may have access to the file (chmod 600); a pipe
-- of your own works too: --var-file <(pass show lab). Messages name the line of an error, never its content.
local json = require "gpupt.json"
local system = require "gpupt.core".system

local var_file = {}

local function bad(where, text) return nil, ("%s: %s"):format(where, text), "EVARFILE" end

local function from_json(text, path)
  local values, message = json.decode(text)
  if values == nil then
    -- the parser's own message would quote the content
    return bad(path, ("is not valid JSON (%s)"):format(tostring(message):match "line %d+, column %d+" or "?"))
  end
  for name, value in pairs(values) do
    if type(name) ~= "string" or not name:find "^[%a_][%w_]*$" then
      return bad(path, "contains an invalid variable name: use letters, digits and _ only")
    end
    local kind = type(value)
    if kind ~= "string" and kind ~= "number" and kind ~= "boolean" then
      return bad(path, ("'%s' must be a string, a number or a boolean"):format(name))
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
      if not name then return bad(where, "is not NAME = VALUE") end
      if values[name] ~= nil then return bad(where, ("'%s' is given twice"):format(name)) end
      if value:sub(1, 1) == '"' then
        value = quoted(value)
        if not value then return bad(where, ("the quoted value of '%s' is not a valid JSON string"):format(name)) end
      end
      values[name] = value
    end
  end
  return values
end

--- The variables of a text; nil, message, "EVARFILE". `path` is for messages.
function var_file.parse(text, path)
  text = text:gsub("^\xEF\xBB\xBF", "")
  if text:find("\0", 1, true) then return bad(path, "contains a NUL byte") end
  if text:find "^%s*{" then return from_json(text, path) end
  return from_lines(text, path)
end

--- The variables of a file; nil, message, code: EACCES if other users own it or can read it.
function var_file.read(path)
  local text, message, code = system.secure(path)
  if not text then return nil, "--var-file " .. message, code end
  return var_file.parse(text, path)
end

return var_file
