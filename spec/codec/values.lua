--- Makes a value of any vim25 type, from the schema alone.
-- `full` fills every field that a server of the version has (to a depth), `bare` only what is required.
local schema = require("gpupt.net").schema
local codec = require("gpupt.net").codec

local values = {}

local age = {}
for i, name in ipairs(schema.versions()) do age[name] = i end

local types = {}
local function type_of(name)
  types[name] = types[name] or assert(schema.type(name))
  return types[name]
end
values.type_of = type_of

--- Whether a server of `version` has what was added in `since`.
function values.known(version, since)
  return age[since] ~= nil and age[since] <= age[version]
end

local texts = { "plain", "a & b < c > d \"e\" 'f'", "tab\tnew\nline\rreturn", "Grüße, 日本語, 🖥", " kept space ", "]]>" }
local count = 0
local function number()
  count = count + 1
  return count
end

local scalars = {
  boolean = function() return number() % 2 == 0 end,
  byte = function() return number() % 256 - 128 end,
  short = function() return -32768 + number() % 65536 end,
  int = function() return -2147483648 + number() % 4294967296 end,
  long = function() return math.mininteger + number() end,
  float = function() return (number() % 1000) / 8 end,
  double = function() return 1 / number() end,
  string = function() return texts[number() % #texts + 1] end,
  dateTime = function() return ("2026-02-%02dT03:04:05.%06dZ"):format(number() % 28 + 1, number() % 1000000) end,
  base64Binary = function() return string.rep("\0\255bin", number() % 4 + 1) end,
  anyURI = function() return "https://host/path?a=1" end,
  ManagedObjectReference = function() return { type = "VirtualMachine", value = "vm-" .. number() } end,
  anyType = function() return "some text" end,
}

local heights, stand_in = {}, nil

--- How deep a bare value of exactly this type is; infinite while a required field leads back to it.
local function height(name, version)
  local key = name .. " " .. version
  if heights[key] then return heights[key] end
  heights[key] = math.huge
  local deepest = 0
  for _, field in ipairs(type_of(name).fields) do
    if field.required and values.known(version, field.version) and type_of(field.type).kind == "data" then
      local _, depth = stand_in(field.type, version)
      deepest = math.max(deepest, depth)
    end
  end
  -- an infinite height may only be infinite seen from the type we came from: do not keep it
  heights[key] = deepest < math.huge and deepest + 1 or nil
  return deepest + 1
end

local concrete = {}
--- A type that may stand in a slot of type `name`, and how deep it is: itself, or its shallowest known subtype.
function stand_in(name, version)
  local key = name .. " " .. version
  if concrete[key] then return concrete[key][1], concrete[key][2] end
  local best, least = name, type_of(name).abstract and math.huge or height(name, version)
  for _, sub in ipairs(least == math.huge and schema.subtypes(name) or {}) do
    local t = type_of(sub)
    if not t.abstract and values.known(version, t.version) then
      local depth = height(sub, version)
      if depth < least then best, least = sub, depth end
      if least == 1 then break end
    end
  end
  if least < math.huge then concrete[key] = { best, least } end
  return best, least
end

local make

--- A value for a slot {type, array, ...}. `depth` is what optional fields may still nest.
local function slot_value(slot, version, depth)
  if not slot.array then return make(slot.type, version, depth, slot.polymorphic) end
  local list = {}
  for i = 1, depth > 0 and 2 or 1 do list[i] = make(slot.type, version, depth, slot.polymorphic) end
  return list
end
values.slot = slot_value

function make(name, version, depth, polymorphic)
  if scalars[name] then return scalars[name]() end
  local t = type_of(name)
  if t.kind == "enum" then return t.values[number() % #t.values + 1] end
  if t.kind == "managed" then return { type = name, value = "obj-" .. number() } end
  local actual = stand_in(name, version)
  local object = { _type = polymorphic and actual or nil }
  for _, field in ipairs(type_of(actual).fields) do
    local wanted = field.required or depth > 0
    if wanted and values.known(version, field.version) then
      object[field.name] = slot_value(field, version, depth - 1)
    end
  end
  return object
end

--- A value of exactly this type, which names its type.
function values.of(name, version, depth)
  local t = type_of(name)
  local object = { _type = name }
  for _, field in ipairs(t.fields) do
    if values.known(version, field.version) and (field.required or depth > 0) then
      object[field.name] = slot_value(field, version, depth - 1)
    end
  end
  return object
end

--- The same value for an anyType slot: a bare integer and its like are wrapped.
function values.for_any(value, slot)
  if slot.array then
    local list = { _type = "ArrayOf" .. slot.type:gsub("^%l", string.upper) }
    if values.type_of(slot.type).kind == "managed" then list._type = "ArrayOfManagedObjectReference" end
    for i, item in ipairs(value) do list[i] = item end
    return list
  end
  local kind = type_of(slot.type).kind
  if kind == "enum" or (kind == "scalar" and type(value) ~= "table" and slot.type ~= "anyType") then
    return codec.wrap(slot.type, value)
  end
  if kind == "data" and not value._type then
    local copy = { _type = slot.type }
    for k, v in pairs(value) do copy[k] = v end
    return copy
  end
  return value
end

--- Where two values differ ("a.b[2]: 1 ~= 2"), nil when they are equal. Metatables do not count.
function values.difference(a, b, path)
  path = path or "value"
  if type(a) ~= "table" or type(b) ~= "table" then
    if a == b and math.type(a) == math.type(b) then return nil end
    if type(a) == "number" and type(b) == "number" and a == b then return nil end
    return ("%s: %s ~= %s"):format(path, tostring(a), tostring(b))
  end
  for key, value in next, a do
    local place = math.type(key) and ("%s[%d]"):format(path, key) or (path .. "." .. tostring(key))
    local found = values.difference(value, rawget(b, key), place)
    if found then return found end
  end
  for key in next, b do
    if a[key] == nil then return ("%s.%s: only in the second"):format(path, tostring(key)) end
  end
end

return values
