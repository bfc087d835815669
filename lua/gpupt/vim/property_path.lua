--- Whether a managed type has a property path: its first word is looked up in the schema.
local nearest = require "gpupt.nearest"
local net = require "gpupt.net"

-- type's name -> { names = set of its properties, list = the same, paths = set of paths that were found good, count }
local properties_of = {}

-- Paths come from programs, the same ones again and again; those with a key may be any.
local MOST = 200

local function properties(kind)
  local known = properties_of[kind]
  if known then return known end
  local found = net.schema.type(kind)
  if not found or found.kind ~= "managed" then return nil end
  known = { names = {}, list = {}, paths = {}, count = 0 }
  for i, property in ipairs(found.properties) do known.names[property.name], known.list[i] = true, property.name end
  properties_of[kind] = known
  return known
end

--- nil when it has; else a message with the nearest name.
return function(kind, path)
  local known = properties(kind)
  if not known or known.paths[path] then return nil end
  local first = path:match "^[^.%[]+" or path
  if not known.names[first] then
    return ("%s has no property '%s'%s"):format(kind, first, nearest.hint(first, known.list))
  end
  if known.count < MOST then known.paths[path], known.count = true, known.count + 1 end
end
