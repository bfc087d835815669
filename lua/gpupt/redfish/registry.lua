--- The attribute registry of a BMC (DSP8010, AttributeRegistry): which BIOS attributes there are, which values each may
-- have, which can be changed now. It decides, not the table of vendors.
local registry = {}

local Registry = {}
Registry.__index = Registry

-- "BiosAttributeRegistry.v1_0_3" and "/redfish/v1/Registries/BiosAttributeRegistry.v1_0_0" are the same registry: the
-- version in a resource need not be that of the collection (iDRAC).
local function last_of(text) return ((text:lower():match "[^/]+/?$" or ""):gsub("/$", "")) end
local function base_of(text) return (last_of(text):gsub("%.v?%d[%d_.]*$", "")) end

-- The member of the collection that describes this registry.
local function member(client, name)
  local path, message, code = client:link(client.root, "Registries", "the service root")
  if not path then return nil, message, code end
  local list
  list, message, code = client:members(path)
  if not list then return nil, message, code end
  local loose, some = nil, {}
  for _, one in ipairs(list) do
    local id = type(one) == "table" and one["@odata.id"]
    if type(id) == "string" then
      if last_of(id) == name:lower() then return client:path_of(id, path) end
      if base_of(id) == base_of(name) then loose = loose or id end
      if base_of(id):find "^h?p?biosattributeregistry" then some[#some + 1] = id end
    end
  end
  -- the only one for a BIOS is it, whatever its name (sushy-tools: BiosAttributeRegistry for BiosAttributeRegistryP89)
  loose = loose or #some == 1 and some[1]
  if loose then return client:path_of(loose, path) end
  return nil, ("%s: the attribute registry %s is not in its list"):format(client.base, name), "ENOENT"
end

-- The document's place: an English one, else the first. iLO 4 has { extref = path } in place of the path.
local function place(client, file, path)
  local chosen
  for _, one in ipairs(type(file.Location) == "table" and file.Location or {}) do
    if type(one) == "table" then
      local english = type(one.Language) == "string" and one.Language:lower():find "^en"
      if not chosen or english then chosen = one end
      if english then break end
    end
  end
  local uri = chosen and chosen.Uri
  if type(uri) == "table" then uri = uri.extref or uri["@odata.id"] end
  if not uri then return nil, ("%s: %s names no document"):format(client.base, path), "EPROTOCOL" end
  return client:path_of(uri, path)
end

--- A registry from its document: { attributes by name }; nil for something else.
function registry.of(document)
  local entries = type(document) == "table" and document.RegistryEntries
  local list = type(entries) == "table" and entries.Attributes
  if type(list) ~= "table" then return nil end
  local by_name = {}
  for _, one in ipairs(list) do
    if type(one) == "table" and type(one.AttributeName) == "string" then by_name[one.AttributeName] = one end
  end
  local dependencies = {}
  for _, one in ipairs(type(entries.Dependencies) == "table" and entries.Dependencies or {}) do
    local what = type(one) == "table" and one.Type == "Map" and one.Dependency
    if type(what) == "table" and type(what.MapFrom) == "table" then dependencies[#dependencies + 1] = what end
  end
  return setmetatable({ by_name = by_name, dependencies = dependencies }, Registry)
end

--- Reads the registry of this name: a registry, or nil, message, code.
function registry.read(client, name)
  local path, message, code = member(client, name)
  if not path then return nil, message, code end
  local file
  file, message, code = client:get(path)
  if not file then return nil, message, code end
  local own = registry.of(file) -- some answer with the document itself
  if own then return own end
  local uri
  uri, message, code = place(client, file, path)
  if not uri then return nil, message, code end
  local document
  document, message, code = client:get(uri)
  if not document then return nil, message, code end
  local found = registry.of(document)
  if not found then return nil, ("%s: %s is no attribute registry"):format(client.base, uri), "EPROTOCOL" end
  return found
end

--- An attribute's entry, or nil.
function Registry:entry(name) return self.by_name[name] end

-- ---- values

local function items_of(entry)
  local list = {}
  for _, one in ipairs(type(entry.Value) == "table" and entry.Value or {}) do
    if type(one) == "table" and type(one.ValueName) == "string" then list[#list + 1] = one end
  end
  return list
end

-- The item of an enumeration that a value means: by its name, else by its text. Some services show the text where they
-- take the name (Supermicro: "0" and "Disabled").
local function item_of(entry, value)
  local text = tostring(value)
  local items = items_of(entry)
  for _, field in ipairs { "ValueName", "ValueDisplayName" } do
    for _, one in ipairs(items) do if one[field] == text then return one, field end end
  end
  for _, field in ipairs { "ValueName", "ValueDisplayName" } do
    for _, one in ipairs(items) do
      if type(one[field]) == "string" and one[field]:lower() == text:lower() then return one, field end
    end
  end
end

--- Whether two values of an attribute are the same.
function registry.same(entry, a, b)
  if a == b then return true end
  if a == nil or b == nil or not entry or entry.Type ~= "Enumeration" then return false end
  local one, other = item_of(entry, a), item_of(entry, b)
  return one ~= nil and one == other
end

local function allowed(entry)
  local words = {}
  for i, one in ipairs(items_of(entry)) do
    local text = type(one.ValueDisplayName) == "string" and one.ValueDisplayName ~= one.ValueName
      and (" (%s)"):format(one.ValueDisplayName) or ""
    words[i] = one.ValueName .. text
  end
  return table.concat(words, ", ")
end

local checks = {}

-- The value in the form in which the service shows the current one.
function checks.Enumeration(entry, value, current)
  local item = item_of(entry, value)
  if not item then return nil, "it may be " .. allowed(entry) end
  local _, shown = item_of(entry, current)
  local _, name = item_of({ Value = { item } }, item.ValueName)
  local text = shown == "ValueDisplayName" and item.ValueDisplayName
  local is_name = current ~= nil and (function()
    for _, one in ipairs(items_of(entry)) do if one.ValueName == current then return true end end
  end)()
  if text and not is_name then return text end
  return item.ValueName, name
end

function checks.Integer(entry, value)
  local number = math.tointeger(value) or type(value) == "string" and math.tointeger(tonumber(value))
  if not number then return nil, "it must be a whole number" end
  local low, high, step = tonumber(entry.LowerBound), tonumber(entry.UpperBound), tonumber(entry.ScalarIncrement)
  if low and number < low or high and number > high then
    return nil, ("it must be from %s to %s"):format(low or "any", high or "any")
  end
  if step and step > 1 and low and (number - low) % step ~= 0 then
    return nil, ("it must be %s plus a multiple of %d"):format(low, step)
  end
  return number
end

function checks.String(entry, value)
  if type(value) ~= "string" then return nil, "it must be a text" end
  local least, most = tonumber(entry.MinLength), tonumber(entry.MaxLength)
  if least and #value < least or most and #value > most then
    return nil, ("it must have %d to %d characters"):format(least or 0, most or #value)
  end
  return value
end

function checks.Boolean(_, value)
  if type(value) ~= "boolean" then return nil, "it must be true or false" end
  return value
end

function checks.Password() return nil, "gpupt sets no passwords of a BIOS" end

--- The value to send for an attribute that shows `current`; nil and why it cannot have this value.
function registry.value(entry, value, current)
  local check = checks[entry.Type]
  if not check then
    if type(value) == "table" then return nil, "it must be a text, a number or true or false" end
    return value
  end
  local found, why = check(entry, value, current)
  if found == nil then return nil, why end
  return found
end

-- ---- what may be changed

local compare = {
  EQU = function(a, b) return a == b end,
  NEQ = function(a, b) return a ~= b end,
  GTR = function(a, b) return a > b end,
  GEQ = function(a, b) return a >= b end,
  LSS = function(a, b) return a < b end,
  LEQ = function(a, b) return a <= b end,
}

-- Whether one condition of a dependency holds for these values.
local function holds(self, condition, values)
  local name, property = condition.MapFromAttribute, condition.MapFromProperty
  local entry = self.by_name[name]
  local now
  if property == nil or property == "CurrentValue" then now = values[name] else now = entry and entry[property] end
  local with, test = condition.MapFromValue, compare[condition.MapFromCondition]
  if not test or now == nil or with == nil then return false end
  if condition.MapFromCondition == "EQU" and entry and registry.same(entry, now, with) then return true end
  if condition.MapFromCondition == "NEQ" and entry and registry.same(entry, now, with) then return false end
  local numbers = tonumber(now) and tonumber(with)
  if condition.MapFromCondition:find "^[GL]" then return numbers ~= nil and test(tonumber(now), tonumber(with)) end
  return test(tostring(now), tostring(with))
end

local function all_hold(self, conditions, values)
  local result
  for i, one in ipairs(conditions) do
    if type(one) ~= "table" then return false end
    local now = holds(self, one, values)
    if i == 1 then result = now
    elseif one.MapTerms == "OR" then result = result or now
    else result = result and now end
  end
  return result or false
end

local function text_of(condition)
  local words = { EQU = "is", NEQ = "is not", GTR = "is above", GEQ = "is at least", LSS = "is below",
    LEQ = "is at most" }
  return ("%s %s %s"):format(condition.MapFromAttribute, words[condition.MapFromCondition] or "?",
    tostring(condition.MapFromValue))
end

local closed = { ReadOnly = "read-only", GrayOut = "grayed out", Hidden = "hidden" }

--- Why an attribute cannot be changed when the BIOS has these values, or nil. `values`: all attributes, those to be set
-- with their new values.
function Registry:closed(name, values)
  local entry = self.by_name[name]
  if not entry then return nil end
  local state = { ReadOnly = entry.ReadOnly == true, GrayOut = entry.GrayOut == true, Hidden = entry.Hidden == true }
  local why = {}
  for _, one in ipairs(self.dependencies) do
    if one.MapToAttribute == name and closed[one.MapToProperty] and all_hold(self, one.MapFrom, values) then
      state[one.MapToProperty] = one.MapToValue == true
      why[one.MapToProperty] = text_of(one.MapFrom[1])
    end
  end
  for _, property in ipairs { "ReadOnly", "GrayOut", "Hidden" } do
    if state[property] then
      return closed[property] .. (why[property] and (", because %s"):format(why[property]) or "")
    end
  end
end

return registry
