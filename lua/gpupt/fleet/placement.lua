--- Where VMs are made: the folder, pool, datastore, network and hosts that `place` names, looked up once.
local check = require "gpupt.failure".check
local failure = require "gpupt.failure"

local placement = {}

local function fail(node, text, code)
  error(failure.new(("%s: place: %s"):format(node.place, text), code or "ENOENT"), 0)
end

--- One object by name or path below a part of the datacenter.
local function one(vc, node, datacenter, part, what, name)
  local path = name:sub(1, 1) == "/" and name or ("%s/%s/%s"):format(datacenter, part, name)
  local list, message = vc:find(path)
  if not list then fail(node, ("%s '%s': %s"):format(what, name, message)) end
  if #list ~= 1 then
    fail(node, ("%s '%s' is ambiguous: %d objects are called so"):format(what, name, #list), "EAMBIGUOUS")
  end
  return list[1]
end

local function datacenter_path(vc, node, place)
  if place.datacenter then
    return place.datacenter:sub(1, 1) == "/" and place.datacenter or "/" .. place.datacenter
  end
  for _, field in ipairs { "cluster", "host", "folder", "datastore" } do
    local name = place[field]
    local path = name and name:match "^(/.-)/host/" or name and name:match "^(/.-)/vm/" or
      name and name:match "^(/.-)/datastore/"
    if path then return path end
  end
  local all = {}
  for object in vc:collect { type = "Datacenter", paths = { "name" } } do all[#all + 1] = object.name end
  if #all == 1 then return "/" .. all[1] end
  table.sort(all)
  fail(node, ("say datacenter = : there are %d (%s)"):format(#all, table.concat(all, ", ")), "EAMBIGUOUS")
end

local function datastore_of(vc, node, datacenter, place)
  if place.datastore then
    one(vc, node, datacenter, "datastore", "datastore", place.datastore)
    return place.datastore:match "[^/]+$"
  end
  local list = check(vc:find(datacenter .. "/datastore/*"))
  if #list == 1 then return check(list[1]:get "name") end
  fail(node, ("say datastore = : there are %d"):format(#list), "EAMBIGUOUS")
end

--- { folder =, pool =, hosts = {refs}, datastore = name, network = ref, network_name = }. Raises failures.
function placement.resolve(vc, node)
  local place = node.options.place or {}
  local result = {}
  local datacenter = datacenter_path(vc, node, place)
  result.folder = place.folder and one(vc, node, datacenter, "vm", "folder", place.folder)
    or one(vc, node, datacenter, "", "folder", "vm")
  if place.cluster then
    local cluster = one(vc, node, datacenter, "host", "cluster", place.cluster)
    local props = check(cluster:get { "host", "resourcePool" })
    result.hosts, result.pool = props.host or {}, props.resourcePool
  end
  if place.host then
    local name = place.host:sub(1, 1) == "/" and place.host or "*/" .. place.host
    local host = one(vc, node, datacenter, "host", "host", name)
    local parent = check(host:get "parent")
    result.hosts, result.pool = { host }, check(parent:get "resourcePool")
  end
  if node.options.name and not result.hosts then fail(node, "says neither cluster nor host", "EPLAYBOOK") end
  if node.options.name then result.datastore = datastore_of(vc, node, datacenter, place) end
  if place.network then
    result.network = one(vc, node, datacenter, "network", "network", place.network)
    result.network_name = place.network:match "[^/]+$"
  end
  return result
end

return placement
