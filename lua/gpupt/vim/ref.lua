--- Managed object references: a server's objects in Lua.
-- { type =, value = } with `client`, `get` and every method of the type by its name: ref:PowerOnVM_Task{}. A client
-- hands out the same table for the same object, so references compare with == and work as table keys. Reading an
-- attribute never talks to the server; `get` and the methods do.
local net = require "gpupt.net"

local ref = {}

local schema = net.schema

--- Makes the factory of a client: refs (the interning table, weak) and make(type, value).
function ref.factory(client)
  local methods = {} -- name -> function, shared by all types: the call checks the type
  local known = setmetatable({}, { __index = function(self, type)
    local names = {}
    rawset(self, type, names)
    return names
  end })
  local meta = { __name = "gpupt.ref" }

  local function method_of(self, name)
    local type = rawget(self, "type")
    if not known[type][name] then
      local found, message = schema.find(type, name)
      if not found then
        local properties = schema.type(type)
        for _, property in ipairs(properties and properties.properties or {}) do
          if property.name == name then
            message = ("%s.%s is a property: read it with ref:get{ \"%s\" }"):format(type, name, name)
          end
        end
        error(message, 3)
      end
      known[type][name] = true
    end
    local fn = methods[name]
    if not fn then
      fn = function(object, arguments, options) return client:call(object, name, arguments, options) end
      methods[name] = fn
    end
    return fn
  end

  function meta.__index(self, key)
    if key == "client" then return client end
    if key == "get" then return client.get_properties end
    if type(key) ~= "string" then return nil end
    return method_of(self, key)
  end
  function meta.__newindex() error("a reference cannot be changed", 2) end
  function meta.__tostring(self) return rawget(self, "type") .. ":" .. rawget(self, "value") end
  meta.__metatable = "gpupt.ref"

  local refs = setmetatable({}, { __mode = "v" })
  local function make(type, value)
    return setmetatable({ type = type, value = value }, meta)
  end
  local function intern(type, value)
    local key = type .. ":" .. value
    local found = refs[key]
    if not found then
      found = make(type, value)
      refs[key] = found
    end
    return found
  end
  return refs, make, intern
end

--- Whether a value is a reference.
function ref.is(value) return type(value) == "table" and getmetatable(value) == "gpupt.ref" end

return ref
