--- Faults as this module reports them: nil, message, code, detail.
-- The message holds every faultMessage of the tree, for that is where the reason of a failed power-on stands; the code
-- is the fault's type name.
local fault = {}

local function add(list, seen, text)
  if type(text) == "string" and text ~= "" and not seen[text] then
    seen[text] = true
    list[#list + 1] = text
  end
end

local function field(value, name)
  if type(value) ~= "table" then return nil end
  return rawget(value, name)
end

local function gather(list, seen, tree, depth)
  if type(tree) ~= "table" or depth > 20 then return end
  add(list, seen, field(tree, "localizedMessage"))
  for _, one in ipairs(field(tree, "faultMessage") or {}) do
    add(list, seen, field(one, "message") or field(one, "key"))
  end
  gather(list, seen, field(tree, "fault"), depth + 1)
  gather(list, seen, field(tree, "faultCause"), depth + 1)
end

--- The type name of a decoded value.
function fault.type_of(value)
  local meta = getmetatable(value)
  return rawget(value, "_type") or (type(meta) == "table" and rawget(meta, "__vimtype")) or nil
end

--- Takes a LocalizedMethodFault or a fault apart: message, code, detail{fault=}.
function fault.read(value)
  local inner = field(value, "fault") or value
  local code = fault.type_of(inner) or "EFAULT"
  local list = {}
  gather(list, {}, value, 0)
  if #list == 0 then list[1] = code end
  return table.concat(list, "; "), code, { fault = inner, messages = list }
end

return fault
