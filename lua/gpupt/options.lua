--- Option tables, declared once.
-- A declaration checks a call's options and is also the source of the reference, the ---@meta file, `--help`,
-- shell completion and the man page. An unknown option or a wrong Lua type is misuse: it raises, naming the nearest
-- known option, at the level of the caller of the public function. Bad values are checked by the callee.
--
--   local opts = options.declare("bar.window", {
--     { "rule", "string", choices = { "min", "safe", "seed" }, default = "safe", doc = "how the window is sized" },
--   })
--   function bar.window(cards, o)  o = opts:check(o) ...
local nearest = require "gpupt.nearest"

local options = { declared = {} }

--- How messages name an option: "known_hosts" for a caller of the library, "--known-hosts" where the command says so.
options.flags = false
function options.spell(name)
  if not options.flags then return name end
  return "--" .. name:gsub("_", "-")
end

--- The same in a sentence: "the option known_hosts", "--known-hosts". The command takes no password itself.
function options.word(name)
  if options.flags and name == "password" then return "--password-file or --password-command" end
  return options.flags and options.spell(name) or "the option " .. name
end

local Declaration = {}
Declaration.__index = Declaration

local function type_matches(wanted, value)
  if wanted == "any" then return true end
  if wanted == "integer" then return math.type(value) == "integer" end
  if wanted == "callable" then
    return type(value) == "function" or (getmetatable(value) or {}).__call ~= nil
  end
  return type(value) == wanted
end

local function any_matches(wanted, value)
  if type(value) == wanted then return true end
  for one in wanted:gmatch "[^|]+" do
    if type_matches(one, value) then return true end
  end
  return false
end

--- Declares the options of the function `name`.
-- Each field is { NAME, TYPE, doc =, default =, required =, choices = }; TYPE is a Lua type name, "integer", "callable"
-- or "any", alternatives joined by "|".
function options.declare(name, fields)
  local by_name, names, required, defaults = {}, {}, {}, {}
  for i, field in ipairs(fields) do
    field.name, field.type = field[1], field[2]
    by_name[field.name] = field
    names[i] = field.name
    if field.required then required[#required + 1] = field end
    if field.default ~= nil then defaults[#defaults + 1] = field end
  end
  local declaration = setmetatable({ name = name, fields = fields, by_name = by_name, names = names,
    required = required, defaults = defaults }, Declaration)
  options.declared[name] = declaration
  return declaration
end

local function with_article(word) return (word:find "^i" and "an " or "a ") .. word end

--- What is wrong with `given`, or nil.
function Declaration:problem(given)
  if type(given) ~= "table" then
    return ("%s: options must be a table, not %s"):format(self.name, with_article(type(given)))
  end
  for key, value in pairs(given) do
    local field = self.by_name[key]
    if not field then
      return ("%s: unknown option '%s'%s"):format(self.name, tostring(key), nearest.hint(key, self.names))
    end
    if not any_matches(field.type, value) then
      return ("%s: option '%s' must be %s, not %s"):format(self.name, key,
        with_article(field.type:gsub("|", " or ")), with_article(math.type(value) or type(value)))
    end
    if field.choices and type(value) == "string" then
      local known = false
      for _, choice in ipairs(field.choices) do known = known or choice == value end
      if not known then
        return ("%s: option '%s' cannot be '%s', only one of %s%s"):format(self.name, key, value,
          table.concat(field.choices, ", "), nearest.hint(value, field.choices))
      end
    end
  end
  for _, field in ipairs(self.required) do
    if given[field.name] == nil then
      return ("%s: option '%s' is required"):format(self.name, field.name)
    end
  end
end

--- A new table with the given options and the defaults. Raises for misuse; `level` is as in error(), counted from
-- the public function that calls check (default: that function's caller).
function Declaration:check(given, level)
  given = given == nil and {} or given
  local problem = self:problem(given)
  if problem then error(problem, (level or 1) + 2) end
  local result = {}
  -- a table with a metatable may inherit some of them
  if getmetatable(given) then
    for name in pairs(self.by_name) do result[name] = given[name] end
  else
    for name, value in next, given do result[name] = value end
  end
  for _, field in ipairs(self.defaults) do
    if result[field.name] == nil then result[field.name] = field.default end
  end
  return result
end

return options
