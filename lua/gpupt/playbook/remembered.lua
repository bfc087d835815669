--- What a plan asked the playbook for, kept in the journal and in plan files: what its functions gave for each target,
-- and what each p.find found. A resumed run and a saved plan use these again: a function is called once, and a VM stays
-- a target though it is no longer as p.find looked for.
local json = require "gpupt.json"
local kept = require "gpupt.playbook.kept"
local missing = require "gpupt.missing"

local remembered = {}

function remembered.new() return { values = {}, found = {} } end

local function targets_of(plan)
  local list = {}
  for _, some in ipairs { plan.hosts, plan.vms } do table.move(some, 1, #some, #list + 1, list) end
  return list
end

local function sorted(map)
  local names = {}
  for name in pairs(map) do names[#names + 1] = name end
  table.sort(names)
  return names
end

--- A list of { target =, identity =, key =, fields = { field -> { value } } }, and a list of { key =,
-- source =, refs =, of = }.
function remembered.of(plan)
  local values = {}
  for _, target in ipairs(targets_of(plan)) do
    for _, key in ipairs(sorted(target.values or {})) do
      values[#values + 1] = { target = target.name, identity = target.identity, key = key, fields = target.values[key] }
    end
  end
  return values, plan.fleet.found or {}
end

-- "count = 2, driver = 570.86"
local function text_of(fields)
  local words = {}
  for i, field in ipairs(sorted(fields)) do
    local value = kept.plain(fields[field][1])
    words[i] = ("%s = %s"):format(field, value == nil and "nil" or type(value) == "table" and json.encode(value)
      or tostring(value))
  end
  return table.concat(words, ", ")
end

--- Writes them as rows of a run that begins.
function remembered.journal(plan, append)
  local values, found = remembered.of(plan)
  for _, one in ipairs(found) do
    append { kind = "found", source = one.source, what = ("p.find: %d of %d"):format(#one.refs, one.of),
      detail = json.encode { key = one.key, refs = json.array(one.refs) } }
  end
  for _, one in ipairs(values) do
    append { kind = "value", target = one.target, identity = one.identity, source = one.key:match "^%S+ (.*)$",
      what = text_of(one.fields), detail = kept.encode { key = one.key, fields = one.fields } }
  end
end

-- Values without those that were omitted as secrets: the playbook is asked for them again.
local function usable(fields)
  local result = {}
  for field, one in pairs(type(fields) == "table" and fields or {}) do
    local value = type(one) == "table" and kept.restore({ value = one[1] }, true).value
    if type(one) == "table" and not missing.reason(value) then result[field] = { value } end
  end
  return result
end

-- A VM that a scope names is looked up by its name: its folder may be one of these values.
local function take_value(into, name, identity, key, fields)
  local is_named = not identity or identity:find("^Folder:") ~= nil
  local target = is_named and name or identity
  into.values[target] = into.values[target] or {}
  into.values[target][key] = usable(fields)
end

--- Adds what a row has to `into`. The first of a run counts: a resumed run evaluates nothing again.
function remembered.take(into, row, detail)
  if type(detail) ~= "table" or type(detail.key) ~= "string" then return end
  if row.kind == "found" and type(detail.refs) == "table" then
    into.found[detail.key] = into.found[detail.key] or detail.refs
  elseif row.kind == "value" and row.target then
    take_value(into, row.target, row.identity, detail.key, detail.fields)
  end
end

--- For a plan file, as JSON.
function remembered.save(plan)
  local values, found = remembered.of(plan)
  local list = {}
  for i, one in ipairs(values) do
    list[i] = { target = one.target, identity = one.identity, key = one.key, fields = kept.plain(one.fields) }
  end
  for i, one in ipairs(found) do found[i] = { key = one.key, refs = json.array(one.refs) } end
  return { values = json.array(list), found = json.array(found) }
end

--- From a plan file; one of an earlier release has none.
function remembered.saved(content)
  local into = remembered.new()
  if type(content) ~= "table" then return into end
  for _, one in ipairs(type(content.values) == "table" and content.values or {}) do
    if type(one) == "table" and type(one.target) == "string" and type(one.key) == "string" then
      take_value(into, one.target, type(one.identity) == "string" and one.identity or nil, one.key, one.fields)
    end
  end
  for _, one in ipairs(type(content.found) == "table" and content.found or {}) do
    if type(one) == "table" and type(one.key) == "string" and type(one.refs) == "table" then
      into.found[one.key] = one.refs
    end
  end
  return into
end

return remembered
