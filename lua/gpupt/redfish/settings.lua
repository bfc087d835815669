--- From what is wanted to attributes of this server: settings.lines gives a line for each.
--
--   { key = "above_4g" | nil, label =, attribute = | nil, current =, pending = | nil, wanted = value | nil,
--     note =, problem =, unverified = true if the name is from memory or another vendor's, entry = of the registry }
-- `wanted` is in the form that is sent; `pending` only if it differs from `current`. `problem`: why it cannot be set.
local bios = require "gpupt.redfish.bios"
local facts = require "gpupt.facts.bios_settings"
local nearest = require "gpupt.nearest"
local registry = require "gpupt.redfish.registry"

local settings = {}

-- The attributes of this server that a row names.
local function attributes_of(self, row)
  local list = {}
  for name in pairs(self.current) do
    for _, wanted in ipairs(row.names) do
      if facts.is(name, wanted) then
        list[#list + 1] = name
        break
      end
    end
  end
  table.sort(list)
  return list
end

-- The value that means on (or off): the first that the registry allows; without a registry the form of the current one.
local function switch(self, name, row, on)
  local entry = bios.entry(self, name)
  local words = on and row.on or row.off
  local current = self.current[name]
  if not words then return nil, "it has no on and off: set its own value" end
  if type(current) == "boolean" then return on end
  if entry and entry.Type == "Boolean" then return on end
  if entry and entry.Type == "Enumeration" then
    for _, word in ipairs(words) do
      local value = registry.value(entry, word, current)
      if value ~= nil then return value end
    end
    return nil, (select(2, registry.value(entry, words[1], current)))
  end
  local other = on and row.off or row.on
  for i, word in ipairs(words) do
    for _, text in ipairs { word, other[i] } do
      if tostring(current):lower() == text:lower() then return word end
    end
  end
  return nil, ("there is no attribute registry (%s), and its value %s is neither on nor off"):format(
    self.registry_missing or "?", tostring(current))
end

local function line_of(self, name, more)
  local line = { attribute = name, current = self.current[name], pending = bios.pending_change(self, name),
    entry = bios.entry(self, name) }
  for field, value in pairs(more) do line[field] = value end
  return line
end

local function is_memory(row) return row.source:find("[M]", 1, true) == 1 end

-- The lines of one setting. `on`: true, false, or nil if it is only shown.
local function of_setting(self, setting, on)
  local rows, none, known = facts.rows(setting, self.vendor)
  local list = {}
  for _, row in ipairs(rows) do
    for _, name in ipairs(attributes_of(self, row)) do
      local line = line_of(self, name, { key = setting.key, label = setting.label, note = row.note, source = row.source,
        unverified = is_memory(row) or not known or nil })
      local why
      if on ~= nil then line.wanted, why = switch(self, name, row, on) end
      line.problem = why and ("%s (%s): %s"):format(name, setting.label, why) or nil
      list[#list + 1] = line
    end
    if #list > 0 then return list end
  end
  if none then
    return { { key = setting.key, label = setting.label, note = ("%s has no such switch: %s%s"):format(none.vendor,
      none.why, is_memory(none) and " (unverified)" or ""), none = true } }
  end
  local stranger = not known and (", and its vendor is not in gpupt's table (%s)"):format(self.maker or "?") or ""
  return { { key = setting.key, label = setting.label, missing = true,
    note = "this server shows no attribute for it" .. stranger } }
end

local function of_own(self, name, value)
  if self.current[name] == nil and not bios.entry(self, name) then
    local names = {}
    for one in pairs(self.current) do names[#names + 1] = one end
    return { label = name, attribute = name, problem = ("the BIOS of this server has no attribute %s%s"):format(name,
      nearest.hint(name, names)) }
  end
  local line = line_of(self, name, { label = name, own = true })
  local entry, why = line.entry, nil
  if entry then
    line.wanted, why = registry.value(entry, value, self.current[name])
  elseif type(self.current[name]) ~= type(value) then
    why = ("it is a %s now, and there is no attribute registry (%s)"):format(type(self.current[name]),
      self.registry_missing or "?")
  else
    line.wanted = value
  end
  if why then line.problem = ("%s cannot be %s: %s"):format(name, tostring(value), why) end
  return line
end

-- What cannot be changed, given everything that is wanted.
local function check_closed(self, list)
  if not self.registry then return end
  local values = {}
  for name in pairs(self.current) do values[name] = bios.next_value(self, name) end
  for _, line in ipairs(list) do if line.wanted ~= nil then values[line.attribute] = line.wanted end end
  for _, line in ipairs(list) do
    if settings.differs(self, line) and not line.problem then
      local why = self.registry:closed(line.attribute, values)
      if why then line.problem = ("%s cannot be changed: it is %s"):format(line.attribute, why) end
    end
  end
end

--- Whether the next boot would not give the attribute its wanted value.
function settings.differs(self, line)
  return line.wanted ~= nil and line.problem == nil
    and not bios.same(self, line.attribute, bios.next_value(self, line.attribute), line.wanted)
end

--- The lines for wanted = { above_4g =, iommu =, sr_iov = true | false | nil, set = { attribute = value } }. `all`:
-- also those that are only shown.
function settings.lines(self, wanted, all)
  local list = {}
  for _, setting in ipairs(facts.settings) do
    local on = wanted[setting.key]
    if on ~= nil or all then
      for _, line in ipairs(of_setting(self, setting, on)) do
        if not (setting.shown and line.missing) then list[#list + 1] = line end
      end
    end
  end
  local names = {}
  for name in pairs(wanted.set or {}) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local own = of_own(self, name, wanted.set[name])
    for i = #list, 1, -1 do if list[i].attribute == name then table.remove(list, i) end end
    list[#list + 1] = own
  end
  check_closed(self, list)
  return list
end

return settings
