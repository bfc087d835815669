--- The whole inventory, read at one moment by one property collection over one view, page by page. Inventory paths are
-- then resolved in memory, by the rules of gpupt.vim.path, however many there are.
--   local seen = check(inventory.read(vc, { VirtualMachine = { "runtime.host" } }, take))
--   seen:find("/DC0/host/*")           references, as vc:find gives them; nil, message, code
--   seen:child(folder, "VirtualMachine", "name")
--   seen.values[reference]             name, and what leads to the children: host and resourcePool of a cluster...
-- `more` names further properties by type; take(object) gets every object with these as it arrives, so that the caller
-- keeps only what it needs. Of a VM, `values` has the name alone.
local collect = require "gpupt.vim.collect"
local failure = require "gpupt.failure"
local path = require "gpupt.vim.path"

local inventory = {}

local Inventory = {}
Inventory.__index = Inventory

-- Abstract types stand for all of their kinds.
local kinds = {
  Folder = path.fields.Folder, Datacenter = path.fields.Datacenter, ComputeResource = path.fields.ComputeResource,
  ResourcePool = path.fields.ResourcePool, HostSystem = {}, VirtualMachine = {}, Datastore = {}, Network = {},
  DistributedVirtualSwitch = {},
}

local function types_of(more)
  local types = {}
  for kind, fields in pairs(kinds) do
    local list, seen = {}, {}
    for _, part in ipairs { { "name" }, fields, more[kind] or {} } do
      for _, name in ipairs(part) do
        if not seen[name] then
          seen[name] = true
          list[#list + 1] = name
        end
      end
    end
    types[kind] = list
  end
  return types
end

-- Objects in a page: a VM's device list takes some kB.
local PAGE = 500

--- Reads the inventory; nil, message, code, detail.
function inventory.read(client, more, take)
  local values = {}
  local ok, message, code, detail = failure.catch(function()
    for object in collect.each(client, { types = types_of(more), itself = true, page = PAGE }) do
      values[object.ref] = object.ref.type == "VirtualMachine" and { name = object.name } or object
      take(object)
    end
    return true
  end)
  if not ok then return nil, message, code, detail end
  return setmetatable({ client = client, values = values, source = path.copy(client, values), inside = {} }, Inventory)
end

--- The references that a path matches; nil, message, "ENOENT" when it matches nothing.
function Inventory:find(pattern, given) return path.find(self.client, pattern, given, self.source) end

--- The inventory paths of all datacenters, sorted.
function Inventory:datacenters()
  local paths = {}
  for i, one in ipairs(self.source:datacenters()) do paths[i] = self.source:path(one.ref) end
  table.sort(paths)
  return paths
end

--- The inventory path of an object, for messages.
function Inventory:path(ref) return self.source:path(ref) end

--- The child of a type with this name, or nil.
function Inventory:child(parent, kind, name)
  local children = self.inside[parent]
  if not children then
    children = {}
    self.inside[parent] = children
    for _, child in ipairs(self.source:children { { ref = parent, depth = 0 } }) do
      local names = children[child.ref.type] or {}
      children[child.ref.type] = names
      names[child.name] = names[child.name] or child.ref
    end
  end
  return children[kind] and children[kind][name]
end

return inventory
