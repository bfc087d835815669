--- How the journal and plan files store a value: references as Type:value, secrets not at all.
-- A secret is a p.secret, a field that is secret according to vim25, the value of a pair whose key is secret
-- (guestinfo, passwords in ExtraConfig), and a field with a secret name. Omitted values are marked, see gpupt.missing;
-- a name that begins with $ gets a second $, so that no other table looks like a mark.
local codec = require "gpupt.net".codec
local fault = require "gpupt.vim.fault"
local json = require "gpupt.json"
local missing = require "gpupt.missing"
local names = require "gpupt.playbook.names"
local schema = require "gpupt.net".schema
local secret = require "gpupt.secret"

local kept = {}

local DEPTH = 30

local hidden = {}
for _, name in ipairs { "password", "passwd", "passphrase", "secret", "auth", "token", "ticket", "cookie", "credential",
  "credentials", "specitemxml", "envvariables", "userdata", "vendordata", "ovfenv", "productid", "product_key" } do
  hidden[name] = true
end

-- What is known of the fields' names, which come again with each row: "hidden", "secret" (looks like one), "plain". A
-- table of a user's may have any names: not more than so many are remembered.
local words, remembered = {}, 0

local function word_of(name)
  local known = words[name]
  if known then return known end
  known = hidden[name:lower()] and "hidden" or name:lower() ~= "key" and names.looks_secret(name) and "secret"
    or "plain"
  if remembered < 1000 then words[name], remembered = known, remembered + 1 end
  return known
end

-- Fields that vim25 does not declare: admin_password, apiKey. Only the field "key" itself is usually no secret.
local function looks_secret(word, value)
  local what = type(value)
  return word == "secret" and (what == "string" or what == "number")
end

-- Where the value of a secret pair is: its own field, and those of gpupt.step.vm_values.
local paired = { value = true, before = true, after = true }

local fields = {} -- type's name -> field's name -> { type =, secret = }

local function fields_of(name)
  local known = fields[name]
  if known == nil then
    known = false
    local found = schema.type(name)
    if found and found.fields then
      known = {}
      for _, field in ipairs(found.fields) do known[field.name] = field end
    end
    fields[name] = known
  end
  return known or nil
end

-- Types of which nothing is stored: specifications have passwords, product keys and scripts.
local closed = { CustomizationSpec = true }

local function mark(reason) return { ["$missing"] = reason } end

local function is_list(value)
  local count = rawlen(value)
  for name in next, value do
    if math.type(name) ~= "integer" or name < 1 or name > count then return false end
  end
  return count > 0
end

-- Copies that are made, which a row has among its other fields: not walked a second time.
local made = setmetatable({}, { __mode = "k" })

local plain

-- `strict`: a name that looks secret is one also where vim25 declares the field, unless the value names its type.
local function plain_fields(value, depth, kind, strict)
  local own = rawget(value, "_type")
  local by_name = strict and type(own) ~= "string"
  if type(own) ~= "string" then own = fault.type_of(value) end
  local declared = fields_of(type(own) == "string" and own or kind or "")
  local key = rawget(value, "key")
  local secret_pair = type(key) == "string" and codec.secret_key(key)
  local copy = {}
  for name, field in next, value do
    local text = tostring(name)
    local of_schema = declared and declared[text]
    local written = text:byte() == 36 and "$" .. text or text -- 36: $
    local word = word_of(text)
    if word == "hidden" or (of_schema and of_schema.secret) or (secret_pair and paired[text])
      or ((by_name or not of_schema) and looks_secret(word, field)) then
      copy[written] = mark "secret"
    else
      local what = type(field)
      copy[written] = (what == "string" or what == "boolean" or math.type(field) == "integer") and field
        or plain(field, depth + 1, of_schema and of_schema.type, strict)
    end
  end
  return copy
end

-- `kind`: the vim25 type of this value's field, if known.
function plain(value, depth, kind, strict)
  local what = type(value)
  if what == "string" or what == "boolean" or what == "nil" then return value end
  if made[value] then return value end
  local reason = missing.reason(value)
  if reason then return mark(reason) end
  if what == "function" or what == "thread" then return mark "function" end
  if what == "number" and (value ~= value or value == math.huge or value == -math.huge) then return mark "number" end
  if value == json.null or (what ~= "userdata" and what ~= "table") then return value end
  if secret.is(value) then return mark "secret" end
  if what == "userdata" or (rawget(value, "type") and rawget(value, "value") and getmetatable(value)) then
    return tostring(value.type) .. ":" .. tostring(value.value)
  end
  if depth > DEPTH then return mark "depth" end
  if closed[kind] or closed[rawget(value, "_type") or ""] then return mark "secret" end
  if not is_list(value) then return plain_fields(value, depth, kind, strict) end
  local list = {}
  for i = 1, rawlen(value) do list[i] = plain(rawget(value, i), depth + 1, kind, strict) end
  return list
end

--- A copy that JSON can represent.
function kept.plain(value) return plain(value, 0) end

local methods = {} -- method's name -> parameter's name -> { type =, secret = }

local function params_of(method)
  local known = methods[method]
  if known then return known end
  local found = schema.method(method)
  known = {}
  for _, param in ipairs(found and found.params or {}) do known[param.name] = param end
  if found then methods[method] = known end
  return known
end

--- The same for the arguments of a vim25 method, by the schema.
function kept.arguments(method, args)
  local params, copy = params_of(method), {}
  for name, value in next, args or {} do
    local param, text = params[name], tostring(name)
    local word = word_of(text)
    copy[text:byte() == 36 and "$" .. text or text] = ((param and param.secret) or word == "hidden"
      or looks_secret(word, value)) and mark "secret" or plain(value, 1, param and param.type, true)
  end
  made[copy] = true
  return copy
end

--- A table as JSON text, and the copy that the text has.
function kept.encode(value)
  local copy = kept.plain(value)
  local text = json.encode(copy, { invalid = "replace" })
  if text then return text, copy end
  return "{}", {}
end

-- ---- variables: these are read back

local function whole(value)
  if type(value) == "string" and not utf8.len(value) then
    return { ["$bytes"] = (value:gsub(".", function(c) return ("%02x"):format(c:byte()) end)) }
  end
  return kept.plain(value)
end

--- Variables as JSON can represent them. `values` has stand-ins for secrets.
function kept.variables(values)
  local copy = {}
  for name, value in pairs(values) do copy[name] = whole(value) end
  return copy
end

local function back(value, depth)
  if type(value) ~= "table" then return value end
  if depth > 2 * DEPTH then return missing.new "depth" end
  local first = next(value)
  if first ~= nil and next(value, first) == nil then
    if first == "$missing" and type(value[first]) == "string" then return missing.new(value[first]) end
    if first == "$bytes" and type(value[first]) == "string" then
      return (value[first]:gsub("(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
    end
  end
  local copy = {}
  for name, field in next, value do
    if type(name) == "string" then name = name:gsub("^%$%$", "$") end
    copy[name] = back(field, depth + 1)
  end
  return copy
end

-- What earlier releases wrote instead of a mark.
local old_marks = { ["(not kept)"] = "secret", ["(function)"] = "function", ["(thread)"] = "function",
  ["..."] = "depth" }

--- The variables of a journal or a plan file. `marked` is false for files of releases that had no marks: their
-- placeholder texts are recognized instead.
function kept.restore(values, marked)
  local copy = {}
  for name, value in next, type(values) == "table" and values or {} do
    if type(name) ~= "string" then break end -- a list: no variables
    local old = not marked and type(value) == "string"
      and (old_marks[value] or value:find "^%(secret of .*%)$" and "secret")
    copy[name] = old and missing.new(old) or back(value, 0)
  end
  return copy
end

return kept
