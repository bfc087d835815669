--- Declared constructors: a function of one table that checks it, records its source line, and returns a node.
--
--   local hosts = declare.constructor("p.hosts", "hosts", { {"where", "string|table", required = true}, ... },
--     { children = true })
--
-- The fields are those of gpupt.options; `late = true` lets a field be a function of the target (gpupt.playbook.view).
-- It is called once at plan, and its result is then checked like any other value. `children` allows a list part.
-- A node is { kind =, options =, source =, children = }. Misuse raises at the line of the playbook.
local options = require "gpupt.options"
local source = require "gpupt.source"
local view = require "gpupt.playbook.view"

local declare = {}

local Node = {}
Node.__index = Node
Node.__name = "gpupt.playbook.node"

--- True for a node; with a kind, for a node of that kind.
function declare.is(value, kind)
  return getmetatable(value) == Node and (kind == nil or value.kind == kind)
end

--- The same fields; late ones may also be functions.
local function with_functions(fields)
  local list = {}
  for i, field in ipairs(fields) do
    local copy = {}
    for name, value in pairs(field) do copy[name] = value end
    if copy.late and not copy[2]:find "function" then copy[2] = copy[2] .. "|function" end
    list[i] = copy
  end
  return list
end

-- Whether a value is a list of further entries, which an included file or a function of the playbook returned.
local function is_list(value)
  if type(value) ~= "table" or getmetatable(value) or #value == 0 then return false end
  for key in next, value do if math.type(key) ~= "integer" then return false end end
  return true
end

-- Adds the entries of a list to `into`; lists in it are spliced.
local function splice(given, into)
  for i = 1, #given do
    local value = given[i]
    if value == nil then return ("entry %d of the list is nil: is a name misspelt?"):format(i) end
    local problem
    if is_list(value) then problem = splice(value, into) else into[#into + 1] = value end
    if problem then return problem end
  end
end

local function split(given)
  local named, list = {}, {}
  for key, value in pairs(given) do
    if math.type(key) ~= "integer" or key < 1 then named[key] = value end
  end
  local problem = splice(given, list)
  if problem then return nil, problem end
  return named, list
end

--- Makes a constructor. `traits.children` allows a list; `traits.check(node)` may return a message.
function declare.constructor(name, kind, fields, traits)
  traits = traits or {}
  local late = options.declare(name, with_functions(fields))
  local final = options.declare(name .. " (at plan)", fields)
  options.declared[name .. " (at plan)"] = nil
  return function(given)
    if given == nil then given = {} end
    if type(given) ~= "table" then
      error(("%s: options must be a table, not a %s"):format(name, type(given)), 2)
    end
    local named, list = split(given)
    if not named then error(("%s: %s"):format(name, list), 2) end
    if not traits.children and #list > 0 then
      error(("%s: takes only named options, not a list"):format(name), 2)
    end
    local node = setmetatable({ kind = kind, name = name, source = source.of(1), children = list,
      options = late:check(named), declaration = final, extra = traits.extra, judge = traits.check }, Node)
    local problem = traits.check and traits.check(node)
    if problem then error(("%s: %s"):format(name, problem), 2) end
    return node
  end
end

-- Whether JSON keeps a value as it is: then a journal can give it back.
local function is_plain(value, depth)
  local kind = type(value)
  if kind == "string" or kind == "number" or kind == "boolean" then return true end
  if kind ~= "table" or getmetatable(value) or depth > 8 then return false end
  local count = 0
  for key, one in next, value do
    if not is_plain(one, depth + 1) or type(key) ~= "string" and not (#value > 0 and math.type(key) == "integer") then
      return false
    end
    count = count + 1
  end
  return #value == 0 or count == #value
end

--- The name of the node in the journal: "p.gpu.attach play.lua:12".
function Node:key() return self.name .. " " .. self.source end

-- What the playbook's function gives for a target: as a run's journal or a plan file remembers it, or by calling it.
local function ask(self, field, target)
  local remembered = target.remembered and target.remembered[self:key()]
  if remembered and remembered[field] then return true, remembered[field][1] end
  local ok, given = pcall(self.options[field], view.of(target))
  if not ok then
    return nil, ("%s: %s: the function of '%s' failed for %s: %s"):format(self.source, self.name, field,
      tostring(target.name), source.whole(tostring(given))), "EPLAYBOOK"
  end
  return true, given
end

-- Notes what a function gave, for the journal and the plan file: { node's key -> { field -> { value } } }.
local function note(self, field, target, given)
  if given ~= nil and not is_plain(given, 0) then return end
  target.values = target.values or {}
  local values = target.values[self:key()] or {}
  target.values[self:key()] = values
  values[field] = { given }
end

local function is_late(self, field)
  local declared = self.declaration.by_name[field]
  return type(self.options[field]) == "function" and declared.late and not declared.type:find "function"
end

--- The options of a node for one target: late ones are called, once for each target. nil, message, code if a result is
-- invalid.
function Node:resolve(target)
  local known = target.resolved and target.resolved[self]
  if known then return known end
  local result
  for _, field in ipairs(self.declaration.names) do
    if is_late(self, field) then
      local ok, given, code = ask(self, field, target)
      if not ok then return nil, given, code end
      if not result then
        result = {}
        for k, v in pairs(self.options) do result[k] = v end
      end
      note(self, field, target, given)
      result[field] = given
      if given == nil then result[field] = self.declaration.by_name[field].default end
    end
  end
  if not result then return self.options end
  local problem = self.declaration:problem(result)
    or self.judge and self.judge(setmetatable({ options = result }, { __index = self }))
  if problem then return nil, ("%s: %s (for %s)"):format(self.source, problem, tostring(target.name)), "EPLAYBOOK" end
  target.resolved = target.resolved or {}
  target.resolved[self] = result
  return result
end

return declare
