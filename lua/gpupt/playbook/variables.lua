--- The variables of one playbook: the given values, the declarations, and which variables are secrets.
-- The playbook gets a secret variable as a p.secret object, which returns its text when it is needed. A variable is a
-- secret if the playbook declares it as one, if its value is a p.secret, or if its name suggests it and the playbook
-- does not declare otherwise. Secrets are never stored; gpupt.missing is the stand-in.
--
--   local state = variables.new({ site = "lab" }, { argv = { site = true }, since = "run x was started" })
--   state.table                  the strict table that the playbook sees as `vars`
--   state:declare{ ... }         p.vars
--   state:finish()               after the playbook was loaded: raises for invalid variables
--   state:kept()                 the values to store
--   state:ask()                  reads every secret once: true, or nil, message, "ESECRET"
local failure = require "gpupt.failure"
local missing = require "gpupt.missing"
local names = require "gpupt.playbook.names"
local nearest = require "gpupt.nearest"
local options = require "gpupt.options"
local secret = require "gpupt.secret"
local system = require "gpupt.core".system
local visible = require "gpupt.visible"

local variables = {}

local State = {}
State.__index = State

local declared = options.declare("p.vars NAME", {
  { "default", "any", doc = "the default value; for a secret: p.secret.env, .file, .command or .callback" },
  { "type", "string", choices = { "string", "number", "integer", "boolean" },
    doc = "what --var and --var-file give is converted to it; default: the type of the default" },
  { "choices", "table", doc = "a list of the possible values" },
  { "secret", "boolean", doc = "true: never stored, refused in --var; default: decided by the variable's name" },
  { "doc", "string", doc = "description" },
})

--- Why a secret has no value, and what to do.
local function unavailable(name, since)
  return ("vars.%s is a secret and has no value%s. Give it with --var-file FILE (mode 0600), give it a p.secret as "
    .. "default in p.vars, or run gpupt on a terminal, where it asks for the value"):format(name,
    since and " (it was not stored when " .. since .. ")" or ""), "ESECRET"
end

local function refuse_argv(name)
  failure.check(nil, ("--var %s=...: a secret must not be on the command line, which every user can see (ps). Use "
    .. "--var-file FILE (mode 0600), a p.secret in the playbook, or omit it to be asked on the terminal")
    :format(name), "EUSAGE")
end

local function prompt(name)
  -- the name may come from a plan file or a journal
  local text, message, code = system.ask(("vars.%s: "):format(visible(name)))
  if text == "" then return nil, ("vars.%s: no value was entered"):format(name), "ESECRET" end
  return text, message, code
end

--- A secret that is asked for on the terminal, once.
local function asked(name, since)
  local text
  local made = secret.of("vars." .. name, function()
    if text then return text end
    if not system.can_ask() then return nil, unavailable(name, since) end
    local typed, message, code = prompt(name)
    if not typed then
      if code == "ECANCELLED" then failure.check(nil, message, code) end
      return nil, message, code
    end
    text = typed
    return text
  end, "asked")
  made.asked = true
  return made
end

--- Asks on the terminal for the secrets that are missing in `values`, before the playbook is executed.
-- true, or nil, message, code.
function variables.complete(values, since)
  local list = {}
  for name, value in pairs(values) do if missing.reason(value) == "secret" then list[#list + 1] = name end end
  table.sort(list)
  for _, name in ipairs(list) do
    if not system.can_ask() then return nil, unavailable(name, since) end
    local text, message, code = prompt(name)
    if not text then return nil, message, code end
    values[name] = text
  end
  return true
end

-- The type of a variable; nil: as it was given.
local function type_of(declaration)
  if declaration.type then return declaration.type end
  local kind = type(declaration.default)
  return (kind == "number" or kind == "boolean") and kind or nil
end

local truths = { ["true"] = true, yes = true, on = true, ["false"] = false, no = false, off = false }

local converters = {
  string = function(value) return type(value) ~= "table" and tostring(value) or nil, "is not a string" end,
  number = function(value) return tonumber(value), "is not a number" end,
  integer = function(value) return math.tointeger(tonumber(value)), "is not an integer" end,
  boolean = function(value)
    if type(value) == "string" then value = truths[value:lower()] end
    if type(value) == "boolean" then return value end
    return nil, "is neither true nor false"
  end,
}

-- The value in the declared type; nil, and what is wrong with it.
local function converted(value, declaration)
  local kind, result, problem = type_of(declaration), value, nil
  -- a program may give other values than text: only a declared type refuses them
  if kind and (declaration.type or type(value) == "string") then result, problem = converters[kind](value) end
  if result == nil then return nil, problem end
  for _, choice in ipairs(declaration.choices or {}) do if choice == result then return result end end
  if not declaration.choices then return result end
  local words = {}
  for i, choice in ipairs(declaration.choices) do words[i] = tostring(choice) end
  return nil, ("is not one of %s%s"):format(table.concat(words, ", "),
    type(result) == "string" and nearest.hint(result, words) or "")
end

-- Wraps a string, a number or a function in a secret; a secret stays unchanged.
local function as_secret(self, name, value)
  if secret.is(value) then return value end
  if missing.reason(value) then return asked(name, self.since) end
  if type(value) == "function" then
    return secret.callback(value)
  elseif type(value) == "string" or type(value) == "number" then
    return secret.of("vars." .. name, function()
      if value == "" then return nil, ("vars.%s is empty"):format(name), "ESECRET" end
      return tostring(value)
    end)
  end
  return value
end

function State:is_secret(name)
  local declaration, value = self.declared[name], self.given[name]
  if secret.is(value) or missing.reason(value) == "secret" then return true end
  if declaration and declaration.secret ~= nil then return declaration.secret end
  if declaration and secret.is(declaration.default) then return true end
  return names.looks_secret(name)
end

local function known_names(self)
  local list, seen = {}, {}
  for _, set in ipairs { self.given, self.declared } do
    for name in pairs(set) do
      if type(name) == "string" and not seen[name] then
        seen[name] = true
        list[#list + 1] = name
      end
    end
  end
  table.sort(list)
  return list
end

local function unknown(self, name)
  local known = known_names(self)
  error(("vars has no '%s'%s: give it with %s%s"):format(tostring(name), nearest.hint(name, known),
    names.looks_secret(tostring(name)) and "--var-file FILE" or ("--var %s=VALUE"):format(tostring(name)),
    #known > 0 and (" (given: " .. table.concat(known, ", ") .. ")") or ""), 3)
end

local function value_of(self, name)
  self.read[name] = true
  local value = self.values[name]
  if value ~= nil then return value end
  value = self.given[name]
  local declaration = self.declared[name]
  if value == nil and not declaration then unknown(self, name) end
  if value == nil then value = declaration.default end
  if type(name) == "string" and self:is_secret(name) then
    if self.argv[name] then refuse_argv(name) end
    -- playbooks of one folder ask once
    self.asked[name] = value == nil and (self.asked[name] or asked(name)) or self.asked[name]
    value = value == nil and self.asked[name] or as_secret(self, name, value)
  elseif missing.reason(value) then
    failure.check(nil, ("vars.%s was not stored when %s. Give it again with --var-file FILE"):format(name,
      self.since or "the journal or plan was written"), "EVARS")
  end
  if declaration and not secret.is(value) and self.given[name] ~= nil then
    value = converted(value, declaration) -- State:declare has refused what it cannot be
  end
  self.values[name] = value
  return value
end

--- `given`: the given values. o.argv: the names from the command line. o.since: when secrets were omitted. o.shared:
-- other playbooks get the same values, which may be for them; o.asked: the secrets that any of them asks for.
function variables.new(given, o)
  o = o or {}
  local self = setmetatable({ given = {}, declared = {}, values = {}, read = {}, argv = o.argv or {}, since = o.since,
    shared = o.shared, asked = o.asked or {} }, State)
  for name, value in pairs(given or {}) do self.given[name] = value end
  self.table = setmetatable({}, {
    __index = function(_, name) return value_of(self, name) end,
    __newindex = function(_, name) error(("vars.%s cannot be set in a playbook. Write local %s"):format(tostring(name),
      tostring(name)), 2) end,
    __pairs = function()
      local copy = {}
      for _, name in ipairs(known_names(self)) do copy[name] = value_of(self, name) end
      return next, copy, nil
    end,
  })
  return self
end

-- What is wrong with a declaration, or nil.
local function problem_of(name, declaration)
  if type(name) ~= "string" or not name:find "^[%a_][%w_]*$" then
    return ("'%s' is not a valid variable name: use letters, digits and _ only"):format(tostring(name))
  end
  if type(declaration) ~= "table" or secret.is(declaration) then
    return ("%s must be a table, for example %s = { default = ... }"):format(name, name)
  end
  local problem = declared:problem(declaration)
  if problem then return (problem:gsub("^p%.vars NAME", name)) end
  local default = declaration.default
  if declaration.choices and #declaration.choices == 0 then return ("%s: choices is empty"):format(name) end
  if declaration.secret == false and secret.is(default) then
    return ("%s: secret = false, but its default is a secret"):format(name)
  end
  local hidden = declaration.secret
  if hidden == nil then hidden = names.looks_secret(name) end
  if hidden and default ~= nil and not secret.is(default) then
    return ("%s: a secret must not be written in the playbook. Use p.secret.file, .env, .command or .callback")
      :format(name)
  end
  if (hidden or secret.is(default)) and (declaration.type or declaration.choices) then
    return ("%s: a secret has no type: it is text"):format(name)
  end
  if default == nil then return end
  local value, why = converted(default, declaration)
  if value == nil then return ("%s: its default '%s' %s"):format(name, tostring(default), why) end
  if declaration.type and value ~= default then
    why = declaration.type == "string" and "is not a string" or "is text; write it without quotes"
    return ("%s: its default '%s' %s"):format(name, tostring(default), why)
  end
end

--- Declares variables, { NAME = { default =, type =, choices =, secret =, doc = } }; returns the table to read them
-- from, or nil, message.
function State:declare(fields)
  local list = {}
  for name, declaration in pairs(fields) do
    local problem = problem_of(name, declaration)
    if problem then return nil, problem end
    if self.declared[name] then return nil, ("%s is declared twice"):format(name) end
    list[#list + 1] = name
  end
  table.sort(list)
  for _, name in ipairs(list) do self.declared[name] = declared:check(fields[name]) end
  for _, name in ipairs(list) do
    local hidden = self:is_secret(name)
    if hidden and self.argv[name] then refuse_argv(name) end
    if not hidden and self.given[name] == nil and self.declared[name].default == nil then
      return nil, ("'%s' has no value. Give it with --var %s=VALUE or in a --var-file FILE"):format(name, name)
    end
    local given = self.given[name]
    if not hidden and given ~= nil and not missing.reason(given) and not secret.is(given) then
      local value, why = converted(given, self.declared[name])
      if value == nil then return nil, ("%s = '%s' %s"):format(name, tostring(given), why) end
    end
  end
  return self.table
end

--- After the playbook was loaded: refuses secrets from the command line, and unknown names.
function State:finish()
  local list = known_names(self)
  for _, name in ipairs(list) do
    if self.argv[name] and self:is_secret(name) then refuse_argv(name) end
  end
  if self.shared or next(self.declared) == nil then return true end
  for _, name in ipairs(list) do
    if not self.declared[name] and not self.read[name] then
      local known = {}
      for one in pairs(self.declared) do known[#known + 1] = one end
      failure.check(nil, ("the playbook has no variable '%s'%s"):format(name, nearest.hint(name, known)), "EUSAGE")
    end
  end
  return true
end

--- The values to store: secrets and functions are replaced by stand-ins.
function State:kept()
  local copy = {}
  for name, value in pairs(self.given) do
    if self:is_secret(name) then value = missing.new "secret"
    elseif type(value) == "function" then value = missing.new "function" end
    copy[name] = value
  end
  return copy
end

--- Asks for every secret that has no source, so that a run does not stop to ask later.
function State:ask()
  for _, name in ipairs(known_names(self)) do
    if self:is_secret(name) then
      local value = value_of(self, name)
      if secret.is(value) and value.asked then
        local text, message, code = value:read()
        if not text then return nil, message, code end
      end
    end
  end
  return true
end

-- ---- several playbooks with the same given values

local Several = {}
Several.__index = Several

--- The variables of several playbooks, for what is done once they are loaded.
function variables.of_several(states) return setmetatable({ states = states }, Several) end

function Several:is_secret(name)
  for _, state in ipairs(self.states) do if state:is_secret(name) then return true end end
  return false
end

function Several:kept()
  local copy = {}
  for _, state in ipairs(self.states) do
    for name, value in pairs(state:kept()) do if not missing.reason(copy[name]) then copy[name] = value end end
  end
  return copy
end

function Several:ask()
  for _, state in ipairs(self.states) do
    local ok, message, code = state:ask()
    if not ok then return nil, message, code end
  end
  return true
end

--- Refuses a name that none of the playbooks has.
function Several:finish()
  local known, open = {}, false
  for _, state in ipairs(self.states) do
    open = open or next(state.declared) == nil
    for _, set in ipairs { state.declared, state.read } do for name in pairs(set) do known[name] = true end end
  end
  local names_known = {}
  for name in pairs(known) do if type(name) == "string" then names_known[#names_known + 1] = name end end
  for _, name in ipairs(open and {} or known_names(self.states[1])) do
    if not known[name] then
      failure.check(nil, ("the playbooks have no variable '%s'%s"):format(name, nearest.hint(name, names_known)),
        "EUSAGE")
    end
  end
  return true
end

return variables
