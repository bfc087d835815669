--- Faults as this module reports them: nil, message, code, detail.
-- The message contains every faultMessage of the tree, because the reason for a failed power-on is there. The code is
-- the fault's type name.
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

-- Messages are read by people: this many sentences at most, however many the server sends.
local SENTENCES = 200

local function list_of(value) return type(value) == "table" and value or {} end

local function gather(list, seen, tree, depth)
  if type(tree) ~= "table" or depth > 20 then return end
  add(list, seen, field(tree, "localizedMessage"))
  for _, one in ipairs(list_of(field(tree, "faultMessage"))) do
    if #list >= SENTENCES then return end
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

-- "A and B on X": the privileges of a NoPermission fault, by object; newer servers list several.
local function missing_privileges(inner, name_of)
  local list, texts = field(inner, "missingPrivileges"), {}
  if type(list) ~= "table" or #list == 0 then
    list = { { entity = field(inner, "object"), privilegeIds = { field(inner, "privilegeId") } } }
  end
  for _, one in ipairs(list) do
    local entity, privileges = field(one, "entity"), list_of(field(one, "privilegeIds"))
    if #privileges > 0 then
      local name = entity and name_of and name_of(entity)
      texts[#texts + 1] = table.concat(privileges, " and ") .. (entity and " on " or "")
        .. (name and ("%s (%s)"):format(name, tostring(entity)) or entity and tostring(entity) or "")
    end
  end
  return #texts > 0 and table.concat(texts, ", ") or nil
end

--- When a privilege is missing, the message names it and the object; the server's own message rarely does.
-- `name_of` gives an object's name, or nil. Other faults keep their message.
function fault.explain(message, code, inner, name_of)
  local text = code == "NoPermission" and missing_privileges(inner, name_of)
  if not text or message:find(text, 1, true) then return message end
  return ("%s The account lacks %s."):format(message:gsub("%.?$", "."), text)
end

--- Takes a LocalizedMethodFault or a fault apart: message, code, detail{fault=}.
function fault.read(value)
  local inner = field(value, "fault") or value
  local code = fault.type_of(inner) or "EFAULT"
  local list = {}
  gather(list, {}, value, 0)
  if #list == 0 then list[1] = code end
  return fault.explain(table.concat(list, "; "), code, inner), code, { fault = inner, messages = list }
end

return fault
