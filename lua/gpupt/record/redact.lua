--- What a request or an answer says, without what names or identifies something. Every text is replaced unless
-- gpupt.record.fields says that this field of this type holds no name, so that a field that is not known yet does not
-- leak. Numbers, enum values, times and the shape of everything stay.
local fields = require "gpupt.record.fields"
local schema = require("gpupt.vim").schema
local walk = require "gpupt.record.walk"
local words = require "gpupt.record.words"
local xml = require "gpupt.record.xml"

local redact = {}

local numeric = { byte = true, short = true, int = true, long = true, float = true, double = true }

local function is_number(text) return #text < 40 and tonumber(text) ~= nil and text:find "^[%-+%d.eE]+$" ~= nil end

local function is_time(text)
  return #text < 40 and text:find "^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d[%d.]*[Z%d:+-]*$" ~= nil
end

local namespaces = { ["urn:vim25"] = true, ["http://schemas.xmlsoap.org/soap/envelope/"] = true,
  ["http://schemas.xmlsoap.org/soap/encoding/"] = true, ["http://www.w3.org/2001/XMLSchema-instance"] = true,
  ["http://www.w3.org/2001/XMLSchema"] = true, ["urn:internalvim25"] = true }

local function is_type_name(text) return #text < 100 and text:find "^[%a_][%w_:]*$" ~= nil end

-- Attributes: namespaces and types stay, anything else (serverGuid) is replaced. The prefixes of a type become those
-- that a replayed envelope declares.
local function attributes(node, names)
  for _, one in ipairs(node.attributes) do
    local kept
    if one.name:find ":type$" then
      local kind = one.value:match "([^:]+)$" or ""
      local known = walk.type_of(kind)
      one.name = "xsi:type"
      one.value = known and known.kind == "scalar" and kind ~= "ManagedObjectReference" and "xsd:" .. kind or kind
    end
    if one.name:find "^xmlns" then kept = namespaces[one.value]
    elseif one.name == "type" or one.name:find ":type$" or one.name == "missing" then kept = is_type_name(one.value)
    end
    if not kept then one.value = names:value(one.value) end
  end
end

local function reference(node, names)
  local kind = xml.attribute(node, "type") or ""
  local managed = walk.type_of(kind)
  local is_manager = managed ~= nil and not schema.is_a(kind, "ManagedEntity")
  node.text = names:reference(node.text, is_manager)
end

--- Whether an unknown text of a known enum, or a type's name, is one that the schema has.
local function is_known(slot, text)
  local known = walk.type_of(slot)
  return known and known.kind == "enum" and known.values[text]
end

local function plain(node, where, names)
  local slot = where.given and where.given ~= "string" and where.given or where.slot
  local text = node.text
  if slot == "boolean" and (text == "true" or text == "false" or text == "0" or text == "1") then return end
  if not where.slot then -- not in the schema: even its numbers may identify something
    node.text = numeric[slot] and "0" or slot ~= "dateTime" and names:value(text) or "2000-01-01T00:00:00Z"
  elseif numeric[slot] and is_number(text) then
    if slot == "byte" then node.text = "0"
    elseif fields.identifies(where.field) then node.text = names:number(text)
    end
  elseif slot == "dateTime" and is_time(text) then return
  elseif not is_known(slot, text) and not fields.is_enum_value(where.field, text) then
    node.text = names:value(text, fields.kind(where.owner, where.field, where.managed))
  end
end

local function option(node, names)
  local key, value = xml.child(node, "key"), xml.child(node, "value")
  if not key or not value or #key.children > 0 or #value.children > 0 then return end
  local is_known_key = fields.option(key.text or "")
  if not is_known_key then key.text = names:whole(key.text or "", "option") end
  if value.text and value.text ~= "" and not (is_known_key and fields.option_value(value.text)) then
    value.text = names:value(value.text)
  end
end

local function path(text, names)
  return (text:gsub("%[(.-)%]", function(inside)
    if inside:find "^%d+$" then return nil end
    local key = inside:match '^"(.*)"$'
    if not key then return "[0]" end
    return ('["%s"]'):format(fields.option(key) and key or names:whole(key, "option"))
  end):gsub("^[^%[\"]*$", function(whole) return whole:find "^%a[%w.]*$" and whole or names:whole(whole, "path") end))
end

local function leaf(node, where, names)
  local text = node.text
  if not text or text == "" then return end
  local slot = where.slot and walk.type_of(where.slot)
  if where.slot == "ManagedObjectReference" or where.given == "ManagedObjectReference"
    or slot and slot.kind == "managed" then
    return reference(node, names)
  end
  local rule = fields.rule(where.owner, where.field)
  if rule == "done" then return end
  if rule == "message" then
    node.text = words.filter(text)
  elseif rule == "path" then
    node.text = path(text, names)
  elseif rule == "type" and (walk.type_of(text) or schema.method(text)) then
    return
  elseif type(rule) == "function" and #text < 200 and rule(text) then
    return
  else
    plain(node, where, names)
  end
end

local function visitor_of(names)
  return {
    node = function(node) attributes(node, names) end,
    object = function(kind, node) if fields.is_option(kind) then option(node, names) end end,
    leaf = function(node, where) leaf(node, where, names) end,
  }
end

--- The text of an envelope's content; nil, message when it is none that can be read.
function redact.envelope(text, names)
  local root, message = xml.parse(text)
  if not root then return nil, message end
  local content, why = walk.walk(root, visitor_of(names))
  if not content then return nil, why end
  return xml.text(content), content.local_name == "Fault"
end

--- The list of versions that a server offers.
function redact.versions(text)
  local out = { '<namespaces version="1.0">' }
  for block in text:gmatch "<namespace>(.-)</namespace>" do
    local name = block:match "<name>%s*(urn:%l+25)%s*</name>"
    if name then
      out[#out + 1] = "  <namespace>\n    <name>" .. name .. "</name>"
      for version in block:gmatch "<version>%s*([%d.]+)%s*</version>" do
        out[#out + 1] = "    <version>" .. version .. "</version>"
      end
      out[#out + 1] = "  </namespace>"
    end
  end
  out[#out + 1] = "</namespaces>\n"
  return table.concat(out, "\n")
end

return redact
