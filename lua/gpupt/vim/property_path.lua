--- Whether a managed type has a property path: its first word is looked up in the schema.
local nearest = require "gpupt.nearest"
local net = require "gpupt.net"

local properties_of = {}

--- nil when it has; else a message with the nearest name.
return function(kind, path)
  local known = properties_of[kind]
  if not known then
    local found = net.schema.type(kind)
    if not found or found.kind ~= "managed" then return nil end
    known = { list = {} }
    for _, property in ipairs(found.properties) do
      known[property.name] = true
      known.list[#known.list + 1] = property.name
    end
    properties_of[kind] = known
  end
  local first = path:match "^[^.%[]+" or path
  if known[first] then return nil end
  return ("%s has no property '%s'%s"):format(kind, first, nearest.hint(first, known.list))
end
