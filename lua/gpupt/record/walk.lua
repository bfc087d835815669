--- Walks a request or an answer with the schema: which type each object has, and which field each leaf is the value of.
--   walk(envelope, visitor)
--   visitor.object(kind, node)             an object of that type, before its fields
--   visitor.leaf(node, where)              a value: where = { owner =, field =, slot = (its declared type; nil when
--                                          the schema has no such field), given = (its xsi:type), managed = (the type
--                                          of the object that a property is of) }
--   visitor.node(node)                     every element, for its attributes
local schema = require("gpupt.vim").schema
local xml = require "gpupt.record.xml"

local types = {}

--- { kind = "scalar" | "data" | "enum" | "managed", fields = { name = { type =, owner = } }, values = {...} }; nil.
local function type_of(name)
  if types[name] == nil then
    local found = schema.type(name)
    types[name] = found and { kind = found.kind, fields = {}, values = {} } or false
    for _, field in ipairs(found and (found.fields or found.properties) or {}) do
      types[name].fields[field.name] = field
    end
    for _, value in ipairs(found and found.values or {}) do types[name].values[value] = true end
  end
  return types[name] or nil
end

--- The field that a property path leads to: { type =, owner =, name = }; nil when the schema has none.
local function property(managed, path)
  local kind, found = managed, nil
  for word in path:gsub("%b[]", ""):gmatch "[^.]+" do
    local known = kind and type_of(kind)
    found = known and known.fields[word]
    if not found then return nil end
    kind = found.type
  end
  return found
end

local function given_type(node)
  for _, one in ipairs(node.attributes) do
    if one.name:find ":type$" then return one.value:match "([^:]+)$" end
  end
end

local element

local function fields(node, kind, visitor, context)
  visitor.object(kind, node)
  local known = type_of(kind)
  local named, path
  if kind == "ObjectContent" or kind == "ObjectUpdate" then
    local object = xml.child(node, "obj")
    context = { managed = object and xml.attribute(object, "type") }
  elseif kind == "DynamicProperty" or kind == "PropertyChange" then
    path = xml.child(node, "name")
    path = path and path.text or ""
    named = context.managed and property(context.managed, path)
  end
  for _, child in ipairs(node.children) do
    local field = known and known.fields[child.local_name] or { owner = kind, name = child.local_name }
    if path and child.local_name == "val" then field = named or { owner = context.managed or kind, name = path } end
    element(child, field, visitor, context)
  end
end

-- `field`: { type = (nil: not in the schema), owner =, name = }
function element(node, field, visitor, context)
  local given = given_type(node)
  local of = given and given:match "^ArrayOf(.+)$"
  visitor.node(node, field)
  if of then
    local inner = of:match "^%l" and of or (field.type or of)
    for _, child in ipairs(node.children) do
      element(child, { type = inner == "anyType" and of or inner, owner = field.owner, name = field.name }, visitor,
        context)
    end
    return
  end
  local kind = given and type_of(given) and given or field.type
  local known = kind and type_of(kind)
  if #node.children > 0 then
    fields(node, known and known.kind == "data" and kind or given or field.type or "unknown", visitor, context)
  elseif known and known.kind == "data" then
    visitor.object(kind, node)
    if node.text and node.text:find "%S" then
      visitor.leaf(node, { owner = field.owner, field = field.name, managed = context.managed })
    end
  else
    visitor.leaf(node, { owner = field.owner, field = field.name, slot = field.type, given = given,
      managed = context.managed })
  end
end

local function fault(node, visitor)
  for _, child in ipairs(node.children) do
    visitor.node(child)
    if child.local_name == "detail" then
      for _, one in ipairs(child.children) do
        local kind = given_type(one) or one.local_name:gsub("Fault$", "")
        element(one, { type = type_of(kind) and kind, owner = "Fault", name = "detail" }, visitor, {})
      end
    else
      visitor.leaf(child, { owner = "Fault", field = child.local_name, slot = "string" })
    end
  end
end

local function method_of(name) return schema.method(name) end

--- Walks what is in the body of an envelope. nil, message when there is none.
local function walk(envelope, visitor)
  local body = envelope.local_name == "Envelope" and xml.child(envelope, "Body")
  local content = body and body.children[1]
  if not content then return nil, "it is not a SOAP envelope" end
  for _, node in ipairs { envelope, body, content } do visitor.node(node) end
  if content.local_name == "Fault" then
    fault(content, visitor)
    return content
  end
  local name = content.local_name:match "^(.-)Response$"
  local method = method_of(name or content.local_name)
  for _, child in ipairs(content.children) do
    local slot
    if name then
      slot = method and method.result and method.result.type
    elseif child.local_name == "_this" then
      slot = "ManagedObjectReference"
    else
      for _, param in ipairs(method and method.params or {}) do
        if param.name == child.local_name then slot = param.type end
      end
    end
    element(child, { type = slot, owner = name or content.local_name, name = child.local_name }, visitor, {})
  end
  return content
end

return { walk = walk, type_of = type_of }
