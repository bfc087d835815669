--- Views of a vmx document: values with a type, and the namespaces of its devices.
--
--   doc:boolean "pciPassthru0.present"     --> true, false; or nil, message, code
--   doc:integer "memsize"                  --> 4096
--   local card = doc:namespace "pciPassthru0"
--   card:get "id"   card:set("id", "00000:066:00.0")   card:present()   card:remove()
--   for name in doc:namespaces "ethernet*" do ... end
local view = {}

--- A value that is there but is not what the caller wants: the message says on which line.
local function wrong(doc, key, value, wanted)
  local line = doc:where(key)
  return nil, ("line %d: %s is \"%s\", which is not %s"):format(line, key, value, wanted), "EINVAL"
end

--- TRUE or FALSE in any case, as hosts write them.
function view.boolean(doc, key)
  local value, message, code = doc:get(key)
  if value == nil then return nil, message, code end
  local lower = value:lower()
  if lower == "true" then return true end
  if lower == "false" then return false end
  return wrong(doc, key, value, "TRUE or FALSE")
end

--- A decimal number, one with 0x in hexadecimal, or "unlimited", which is -1.
function view.integer(doc, key)
  local value, message, code = doc:get(key)
  if value == nil then return nil, message, code end
  if value:lower() == "unlimited" then return -1 end
  local number = (value:match "^%-?%d+$" or value:match "^0[xX]%x+$") and math.tointeger(tonumber(value))
  -- tonumber wraps hexadecimal round and turns a large decimal into a float
  if not number or (value:match "^0[xX]" and #value > 17) then return wrong(doc, key, value, "a whole number") end
  return number
end

local Namespace = {}
Namespace.__index = Namespace
Namespace.__name = "gpupt.vmx.namespace"

function Namespace:get(field) return self.doc:get(self.name .. "." .. field) end
function Namespace:set(field, value) return self.doc:set(self.name .. "." .. field, value) end
function Namespace:unset(field) return self.doc:unset(self.name .. "." .. field) end
function Namespace:boolean(field) return view.boolean(self.doc, self.name .. "." .. field) end
function Namespace:integer(field) return view.integer(self.doc, self.name .. "." .. field) end

--- Whether the device is in effect: `present` is its main switch.
function Namespace:present() return (self:get "present" or ""):lower() == "true" end

--- field, value, line of its keys; those of deeper namespaces (sched.cpu.x of sched) come as "cpu.x".
function Namespace:each()
  local prefix = self.name:lower() .. "."
  local next_pair = self.doc:each()
  return function()
    while true do
      local key, value, line = next_pair()
      if key == nil then return nil end
      if key:sub(1, #prefix):lower() == prefix then return key:sub(#prefix + 1), value, line end
    end
  end
end

--- Removes all its keys; the number of lines.
function Namespace:remove()
  local keys, count = {}, 0
  for field in self:each() do keys[#keys + 1] = self.name .. "." .. field end
  for _, key in ipairs(keys) do
    local removed, message, code = self.doc:unset(key)
    if not removed then return nil, message, code end
    count = count + removed
  end
  return count
end

--- The namespace of that name, with keys or (still) without.
function view.namespace(doc, name)
  if type(name) ~= "string" then error("namespace: a name, not a " .. type(name), 2) end
  return setmetatable({ doc = doc, name = name }, Namespace)
end

--- The names before the first dot of a key, each once, in file order; a shell pattern chooses.
function view.namespaces(doc, pattern)
  local names, seen, at = {}, {}, 0
  for key in doc:each((pattern or "*") .. ".*") do
    local name = key:match "^([^.]+)%."
    if name and not seen[name:lower()] then
      seen[name:lower()] = true
      names[#names + 1] = name
    end
  end
  return function()
    at = at + 1
    return names[at]
  end
end

return view
