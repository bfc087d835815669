--- Inventory paths, as govc writes them: "/DC0/host/gpu-a/esx-*", "/DC0/vm/**/W11-*", "esx-a-1" with a type.
--   *  ?  [abc]  {a,b}   within one name;   ** (or ...)  any number of levels;   %2f  a slash inside a name
--   .  ..  as in file names;   VirtualMachine:vm-12  the object of that reference
-- A path that does not begin with "/" begins at the datacenter (the option datacenter, GOVC_DATACENTER, or the only one
-- there is), and with a type at that type's folder; a bare name with a type is searched at any depth.
-- Levels: folder -> children; datacenter -> vm, host, datastore, network; cluster -> hosts, "Resources";
-- resource pool -> pools and VMs.
local collect = require "gpupt.vim.collect"
local glob = require "gpupt.vim.glob"
local net = require "gpupt.net"
local options = require "gpupt.options"

local path = {}

local below = {
  Folder = { "childEntity" },
  StoragePod = { "childEntity" },
  Datacenter = { "vmFolder", "hostFolder", "datastoreFolder", "networkFolder" },
  ComputeResource = { "host", "resourcePool" },
  ClusterComputeResource = { "host", "resourcePool" },
  ResourcePool = { "resourcePool", "vm" },
  VirtualApp = { "resourcePool", "vm" },
}

-- where a datacenter keeps objects of a type
local home = {
  VirtualMachine = "vm", VirtualApp = "vm", HostSystem = "host", ComputeResource = "host",
  ClusterComputeResource = "host", ResourcePool = "host", Datastore = "datastore", StoragePod = "datastore",
  Network = "network", DistributedVirtualPortgroup = "network", DistributedVirtualSwitch = "network",
  OpaqueNetwork = "network",
}

-- Only what the server escapes is decoded. Any other sequence (%41) is part of the name, and so is the percent sign of
-- "%2541": decoding it would give the name "%41".
local function decode(name)
  return (name:gsub("%%(%x%x)()", function(hex, after)
    local byte = string.char(tonumber(hex, 16))
    if byte == "%" and name:find("^%x%x", after) then return nil end
    return (byte == "/" or byte == "\\" or byte == "%") and byte or nil
  end))
end

local escaped = { ["%"] = "%25", ["/"] = "%2f", ["\\"] = "%5c" }
local function encode(name)
  return (name:gsub("([%%/\\])()", function(byte, after)
    return not (byte == "%" and name:find("^%x%x", after)) and escaped[byte] or nil
  end))
end

local function braces(text, out)
  local before, inside, after = text:match "^(.-){([^{}]*)}(.*)$"
  if not before then
    out[#out + 1] = text
    return out
  end
  for choice in (inside .. ","):gmatch "([^,]*)," do braces(before .. choice .. after, out) end
  return out
end

local function is_glob(text) return text:find "[%*%?%[{\\]" ~= nil end

--- A function that says whether a name matches one part of a path.
local function matcher(part)
  if not is_glob(part) then
    local plain = decode(part)
    return function(name) return name == plain end
  end
  local globs = {}
  -- an escaped backslash is part of the name, not an escape for the next character
  for i, one in ipairs(braces(part, {})) do globs[i] = glob.compile(decode((one:gsub("%%5[cC]", "\\\\")))) end
  return function(name)
    for _, fits in ipairs(globs) do
      if fits(name) then return true end
    end
    return false
  end
end

--- A function that says whether an object's name, as the server writes it (%2f for a slash), matches a part of a path.
function path.name_matcher(part)
  local fits = matcher(part)
  return function(name) return fits(decode(name)) end
end

-- The parts of a path; "." is dropped and ".." removes the part before it. A path that leads above where relative paths
-- begin gives nil, message, "EINVAL".
local function split(text)
  local parts = {}
  for part in text:gmatch "[^/]+" do
    if part == ".." then
      if #parts == 0 and text:sub(1, 1) ~= "/" then
        return nil, ("'%s' leads above the folder where relative paths begin: write an absolute path ('/...')")
          :format(text), "EINVAL"
      end
      parts[#parts] = nil
    elseif part ~= "." then
      parts[#parts + 1] = part
    end
  end
  return parts
end

-- Like collect.all, for those of a list of objects that still exist: one that was removed since it was listed makes the
-- whole read fail, so it is dropped and the rest is read again. More than this many means something else is wrong.
local GONE_MOST = 100

local function read_living(client, kinds, objects)
  for try = 1, GONE_MOST do
    local found, message, code, detail = collect.all(client, { types = kinds, objects = objects })
    local gone = code == "ManagedObjectNotFound" and detail and detail.fault and detail.fault.obj
    local left = {}
    for _, object in ipairs(objects) do
      if object ~= gone then left[#left + 1] = object end
    end
    if found or not gone or #left == #objects or try == GONE_MOST then return found, message, code, detail end
    objects = left
  end
end

-- The children (nodes without a name) of `parents`, whose fields are in values[reference].
local function list_children(parents, values)
  local children, refs, kinds = {}, {}, {}
  for _, parent in ipairs(parents) do
    local object = values[parent.ref]
    for _, field in ipairs(object and below[parent.ref.type] or {}) do
      local value = object[field]
      local list = value and (value.type and { value } or value) or {}
      for _, child in ipairs(list) do
        if net.schema.is_a(child.type, "ManagedEntity") then -- a newer server's type cannot be read
          children[#children + 1] = { ref = child, parent = parent, depth = parent.depth + 1 }
          refs[#refs + 1] = child
          kinds[child.type] = { "name" }
        end
      end
    end
  end
  return children, refs, kinds
end

-- The children that have a name: the server escapes it (%2f), and an object removed since it was listed has none.
local function named(children, values)
  local kept = {}
  for _, child in ipairs(children) do
    local object = values[child.ref]
    child.name = object and object.name and decode(object.name)
    if child.name then kept[#kept + 1] = child end
  end
  return kept
end

local function by_ref(list)
  local values = {}
  for _, object in ipairs(list) do values[object.ref] = object end
  return values
end

-- Where a walk gets the inventory from: the server, level by level, or what was read of it at one moment
-- (gpupt.vim.inventory).
--   source.client   source:children(nodes)   source:path(reference)   source:datacenters()
local Live = {}
Live.__index = Live

local function live(client) return setmetatable({ client = client }, Live) end

-- The children of `parents` (nodes), in two requests however many there are.
function Live:children(parents)
  local by_kind, asked = {}, {}
  for _, node in ipairs(parents) do
    local fields = below[node.ref.type]
    if fields then
      by_kind[node.ref.type] = fields
      asked[#asked + 1] = node.ref
    end
  end
  if #asked == 0 then return {} end
  local found, message, code, detail = read_living(self.client, by_kind, asked)
  if not found then return nil, message, code, detail end
  local children, refs, kinds = list_children(parents, by_ref(found))
  if #refs == 0 then return children end
  local names
  names, message, code, detail = read_living(self.client, kinds, refs)
  if not names then return nil, message, code, detail end
  return named(children, by_ref(names))
end

function Live:path(object) return path.of(self.client, object) end

function Live:datacenters() return collect.all(self.client, { type = "Datacenter", paths = { "name" } }) end

local Copy = {}
Copy.__index = Copy

--- A source in memory: `values` has name and the fields of path.fields for each object, by reference.
function path.copy(client, values) return setmetatable({ client = client, values = values }, Copy) end

--- The fields that lead to an object's children, by type.
path.fields = below

function Copy:children(parents) return named(list_children(parents, self.values), self.values) end

-- The references of all parents, found out once.
local function parents_of(self)
  if self.parents then return self.parents end
  self.parents = {}
  for ref in pairs(self.values) do
    local inside = list_children({ { ref = ref, depth = 0 } }, self.values)
    -- a VM is in its folder, not in its resource pool
    local pool = ref.type == "ResourcePool" or ref.type == "VirtualApp"
    for _, child in ipairs(inside) do
      if not (pool and self.parents[child.ref]) then self.parents[child.ref] = ref end
    end
  end
  return self.parents
end

function Copy:path(object)
  local names, at, parents = {}, object, parents_of(self)
  local root = self.client.content.rootFolder
  while at ~= root do
    local value = self.values[at]
    if not value or not value.name or not parents[at] then
      return nil, ("%s does not exist"):format(tostring(object)), "ManagedObjectNotFound", { object = object }
    end
    table.insert(names, 1, encode(decode(value.name)))
    at = parents[at]
  end
  return "/" .. table.concat(names, "/")
end

function Copy:datacenters()
  local list = {}
  for ref, value in pairs(self.values) do
    if ref.type == "Datacenter" then list[#list + 1] = { ref = ref, name = value.name } end
  end
  table.sort(list, function(a, b) return (a.name or "") < (b.name or "") end)
  return list
end

local function text_of(node)
  local parts = {}
  while node.parent do
    table.insert(parts, 1, encode(node.name))
    node = node.parent
  end
  return node.prefix .. (#parts > 0 and "/" or node.prefix == "" and "/" or "") .. table.concat(parts, "/")
end

local function fits(node, kind) return not kind or net.schema.is_a(node.ref.type, kind) end

-- More nested folders than this are a loop.
local LEVELS_MOST = 64

-- Everything below `nodes`, themselves included.
local function descend(source, nodes)
  local all, level = table.move(nodes, 1, #nodes, 1, {}), nodes
  local seen = {}
  for _, node in ipairs(nodes) do seen[node.ref] = true end
  while #level > 0 do
    local children, message, code, detail = source:children(level)
    if not children then return nil, message, code, detail end
    level = {}
    if children[1] and children[1].depth > nodes[1].depth + LEVELS_MOST then
      return nil, "the inventory has a loop", "ELOOP"
    end
    for _, child in ipairs(children) do
      if not seen[child.ref] then
        seen[child.ref] = true
        level[#level + 1] = child
        all[#all + 1] = child
      end
    end
  end
  return all
end

local function listing(nodes)
  local names = {}
  for i, node in ipairs(nodes) do
    if i > 12 then
      names[i] = ("and %d more"):format(#nodes - 12)
      break
    end
    names[i] = encode(node.name) -- as it has to be written in a path
  end
  return #names > 0 and table.concat(names, ", ") or "nothing"
end

-- Why a part of a path matches nothing: no name, or only names of objects of other types.
local function no_match(pattern, part, nodes, children, others, kind)
  if #others > 0 then
    return ("nothing matches '%s': %s is a %s, not a %s"):format(pattern, text_of(others[1]), others[1].ref.type, kind)
  end
  local where = #nodes == 1 and text_of(nodes[1]) or ("%d folders such as %s"):format(#nodes, text_of(nodes[1]))
  return ("nothing matches '%s': '%s' does not exist. %s contains: %s"):format(pattern, part, where, listing(children))
end

-- Walks down from `start`; gives the nodes, or nil, message, code. The message lists what is below the last part that
-- matched.
local function walk(source, start, parts, kind, pattern)
  local nodes = { start }
  for i, part in ipairs(parts) do
    local last = i == #parts
    local message, code, detail
    if part == "**" or part == "..." then
      nodes, message, code, detail = descend(source, nodes)
      if not nodes then return nil, message, code, detail end
    else
      local children
      children, message, code, detail = source:children(nodes)
      if not children then return nil, message, code, detail end
      local matches, found, others = matcher(part), {}, {}
      for _, child in ipairs(children) do
        if matches(child.name) then
          table.insert((not last or fits(child, kind)) and found or others, child)
        end
      end
      if #found == 0 then return nil, no_match(pattern, part, nodes, children, others, kind), "ENOENT" end
      nodes = found
    end
  end
  local wanted = {}
  for _, node in ipairs(nodes) do
    if fits(node, kind) then wanted[#wanted + 1] = node end
  end
  if #wanted == 0 then
    return nil, ("nothing matches '%s': there is no %s under %s"):format(pattern, kind or "object", text_of(start)),
      "ENOENT"
  end
  return wanted
end

local function root(source) return { ref = source.client.content.rootFolder, depth = 0, prefix = "" } end

-- The datacenter that relative paths begin at.
local function datacenter(source)
  local pattern = source.client.datacenter
  if pattern then
    if pattern:sub(1, 1) ~= "/" then pattern = "/" .. pattern end
    local found, message, code = walk(source, root(source), split(pattern), "Datacenter", pattern)
    if not found then return nil, message, code end
    return found[1]
  end
  local found, message, code, detail = source:datacenters()
  if not found then return nil, message, code, detail end
  if #found == 0 then return nil, "the server has no datacenter: write an absolute path ('/...')", "ENOENT" end
  if #found > 1 then
    return nil, ("there are %d datacenters (%s): put one in front of the path, or set GOVC_DATACENTER"):format(#found,
      listing(found)), "EAMBIGUOUS"
  end
  local prefix
  prefix, message, code, detail = source:path(found[1].ref)
  if not prefix then return nil, message, code, detail end
  return { ref = found[1].ref, depth = 0, prefix = prefix }
end

-- "VirtualMachine:vm-12" names an object that the server has; else nil (and it may be a name), or nil, message, code.
local function by_reference(source, pattern, kind)
  local name, value = pattern:match "^(%a+):([^/%s]+)$"
  if not name or not net.schema.type(name) or not net.schema.is_a(name, "ManagedEntity") then return nil end
  local node = { ref = source.client.intern(name, value), depth = 0 }
  if not fits(node, kind) then return nil end
  local message, code, detail
  node.prefix, message, code, detail = source:path(node.ref)
  if node.prefix then return { node } end
  if code == "ManagedObjectNotFound" then return nil end
  return nil, message, code, detail
end

local function nodes_of(source, pattern, kind)
  if type(pattern) ~= "string" or pattern == "" then error("expected an inventory path", 3) end
  local one, no, refused, fault = by_reference(source, pattern, kind)
  if one or no then return one, no, refused, fault end
  if pattern:sub(1, 1) == "/" then
    local parts = split(pattern)
    if #parts == 0 then return { root(source) } end
    return walk(source, root(source), parts, kind, pattern)
  end
  local start, message, code, detail = datacenter(source)
  if not start then return nil, message, code, detail end
  local parts, wrong, invalid = split(pattern)
  if not parts then return nil, wrong, invalid end
  if #parts == 0 then return fits(start, kind) and { start } or walk(source, start, parts, kind, pattern) end
  local folder = home[kind]
  local known = { vm = true, host = true, datastore = true, network = true }
  if folder and not (known[parts[1]] and #parts > 1) then
    if #parts == 1 and parts[1] ~= "**" then table.insert(parts, 1, "**") end
    table.insert(parts, 1, folder)
  end
  return walk(source, start, parts, kind, pattern)
end

local declared = options.declare("vc:find", {
  { "type", "string", doc = "only objects of this managed type" },
})

local function checked(given, level)
  local o = declared:check(given, level)
  local found, message = net.schema.type(o.type or "ManagedEntity")
  if not found then error("vc:find: " .. message, level + 2) end
  return o
end

--- The references that a path matches, in the server's order; nil, message, "ENOENT" when it matches nothing. `source`
-- is a path.copy; without it the server is asked.
function path.find(client, pattern, given, source)
  local o = checked(given, 1)
  local nodes, message, code, detail = nodes_of(source or live(client), pattern, o.type)
  if not nodes then return nil, message, code, detail end
  local refs, seen = {}, {}
  for _, node in ipairs(nodes) do
    if not seen[node.ref] then
      seen[node.ref] = true
      refs[#refs + 1] = node.ref
    end
  end
  return refs
end

--- The one reference that a path matches; nil, message, "ENOENT" or "EAMBIGUOUS" (naming the candidates).
function path.one(client, pattern, given)
  local o = checked(given, 1)
  local nodes, message, code, detail = nodes_of(live(client), pattern, o.type)
  if not nodes then return nil, message, code, detail end
  local paths, seen, candidates = {}, {}, {}
  for _, node in ipairs(nodes) do
    if not seen[node.ref] then
      seen[node.ref] = true
      candidates[#candidates + 1] = node.ref
      paths[#paths + 1] = text_of(node)
    end
  end
  if #candidates == 1 then return candidates[1] end
  local shown = table.concat(paths, ", ", 1, math.min(10, #paths)) .. (#paths > 10 and ", ..." or "")
  return nil, ("'%s' matches %d objects: %s"):format(pattern, #candidates, shown), "EAMBIGUOUS",
    { candidates = candidates }
end

--- The inventory path of a reference; or nil, message, code.
function path.of(client, object)
  local names, at = {}, object
  while at and at ~= client.content.rootFolder do
    local values, message, code, detail = client.get_properties(at, { "name", "parent" })
    if not values then return nil, message, code, detail end
    if not values.name then return nil, ("the server gave no name for %s"):format(tostring(at)), "EPROTOCOL" end
    table.insert(names, 1, encode(decode(values.name)))
    at = values.parent
    if #names > LEVELS_MOST then return nil, "the inventory has a loop", "ELOOP" end
  end
  return "/" .. table.concat(names, "/")
end

return path
