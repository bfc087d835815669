--- A decoded value as plain tables for JSON and for printing: references become "Type:value", an object's vim25 type is
-- its field _type. What JSON cannot represent (functions, too deep) is left out.
local json = require "gpupt.json"

local DEPTH = 60

local function plain(value, depth)
  local what = type(value)
  if what == "function" or what == "thread" or depth > DEPTH then return nil end
  if what == "userdata" and value ~= json.null then return tostring(value) end
  if what ~= "table" then return value end
  if getmetatable(value) == "gpupt.ref" then return tostring(value) end
  local out = {}
  if #value > 0 or next(value) == nil then
    for i, one in ipairs(value) do out[i] = plain(one, depth + 1) end
    return json.array(out)
  end
  for key, one in next, value do out[key] = plain(one, depth + 1) end
  local kind = require("gpupt.vim").typeof(value)
  if out._type == nil and type(kind) == "string" and kind ~= "table" then out._type = kind end
  return out
end

return function(value) return plain(value, 0) end
