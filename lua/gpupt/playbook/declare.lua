--- Declared constructors: a function of one table that checks it, records its source line, and returns a node.
--
--   local hosts = declare.constructor("p.hosts", "hosts", { {"where", "string|table", required = true}, ... },
--     { children = true })
--
-- The fields are those of gpupt.options; `late = true` lets a field be a function of the target. It is called once at
-- plan, and its result is then checked like any other value. `children` allows a list part.
-- A node is { kind =, options =, source =, children = }. Misuse raises at the line of the playbook.
local options = require "gpupt.options"
local source = require "gpupt.source"

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

local function split(given)
  local named, list = {}, {}
  for key, value in pairs(given) do
    if math.type(key) == "integer" and key >= 1 then list[key] = value else named[key] = value end
  end
  for i = 1, #given do
    if list[i] == nil then return nil, ("entry %d of the list is nil: is a name misspelt?"):format(i) end
  end
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

--- The options of a node for one target: late ones are called. nil, message, code if a result is invalid.
function Node:resolve(target)
  local result
  for field, value in pairs(self.options) do
    if type(value) == "function" and self.declaration.by_name[field].late
      and not self.declaration.by_name[field].type:find "function" then
      local ok, given = pcall(value, target)
      if not ok then
        return nil, ("%s: %s: the function of '%s' failed for %s: %s"):format(self.source, self.name, field,
          tostring(target.name), tostring(given)), "EPLAYBOOK"
      end
      if not result then
        result = {}
        for k, v in pairs(self.options) do result[k] = v end
      end
      result[field] = given
      if given == nil then result[field] = self.declaration.by_name[field].default end
    end
  end
  if not result then return self.options end
  local problem = self.declaration:problem(result)
    or self.judge and self.judge(setmetatable({ options = result }, { __index = self }))
  if problem then return nil, ("%s: %s (for %s)"):format(self.source, problem, tostring(target.name)), "EPLAYBOOK" end
  return result
end

return declare
