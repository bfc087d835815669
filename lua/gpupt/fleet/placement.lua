--- Placement of new VMs: the folder, pool, datastore, network and hosts of the option `place`, looked up once in the
-- fleet's inventory (gpupt.fleet.snapshot).
local check = require "gpupt.failure".check
local failure = require "gpupt.failure"

local placement = {}

local function fail(node, text, code)
  error(failure.new(("%s: place: %s"):format(node.source, text), code or "ENOENT"), 0)
end

--- One object by name or path below a part of the datacenter.
local function one(fleet, node, datacenter, part, what, name)
  local path = name:sub(1, 1) == "/" and name or ("%s/%s/%s"):format(datacenter, part, name)
  local list, message = fleet:find(path)
  if not list then fail(node, ("%s '%s': %s"):format(what, name, message)) end
  if #list ~= 1 then
    fail(node, ("%s '%s' is ambiguous: %d objects have this name. Use an inventory path"):format(what, name, #list),
      "EAMBIGUOUS")
  end
  return list[1]
end

local function datacenter_path(fleet, node, wanted)
  if wanted.datacenter then
    return wanted.datacenter:sub(1, 1) == "/" and wanted.datacenter or "/" .. wanted.datacenter
  end
  for _, field in ipairs { "cluster", "host", "folder", "datastore" } do
    local name = wanted[field]
    local path = name and name:match "^(/.-)/host/" or name and name:match "^(/.-)/vm/" or
      name and name:match "^(/.-)/datastore/"
    if path then return path end
  end
  local all = fleet:whole():datacenters()
  if #all == 1 then return all[1] end
  fail(node, ("set datacenter, because there are %d (%s)"):format(#all, table.concat(all, ", ")), "EAMBIGUOUS")
end

local function datastore_of(fleet, node, datacenter, wanted)
  if wanted.datastore then
    local ref = one(fleet, node, datacenter, "datastore", "datastore", wanted.datastore)
    return { ref = ref, name = wanted.datastore:match "[^/]+$" }
  end
  local list = check(fleet:find(datacenter .. "/datastore/*"))
  if #list == 1 then return { ref = list[1], name = fleet:object(list[1]).name } end
  fail(node, ("set datastore, because there are %d"):format(#list), "EAMBIGUOUS")
end

-- The hosts, and the resource pool.
local function hosts_of(fleet, node, datacenter, wanted)
  if wanted.host then
    local name = wanted.host:sub(1, 1) == "/" and wanted.host or "*/" .. wanted.host
    local host = one(fleet, node, datacenter, "host", "host", name)
    local parent = fleet:object(host).parent
    if wanted.cluster and one(fleet, node, datacenter, "host", "cluster", wanted.cluster) ~= parent then
      fail(node, ("host '%s' is not in the cluster '%s'"):format(wanted.host, wanted.cluster), "EINVAL")
    end
    return { host }, fleet:object(parent).resourcePool
  end
  if not wanted.cluster then
    fail(node, ("set cluster or host for new VMs, or select existing VMs with where = '%s/vm/%s' in place of name")
      :format(datacenter, (node.options.name:gsub("{.-}", "*"))), "EPLAYBOOK")
  end
  local cluster = one(fleet, node, datacenter, "host", "cluster", wanted.cluster)
  local props = fleet:object(cluster)
  if not props.resourcePool then
    fail(node, ("cluster '%s' is a %s, not a cluster"):format(wanted.cluster, cluster.type), "EINVAL")
  end
  return props.host or {}, props.resourcePool
end

--- { folder =, pool =, hosts = {refs}, datastore = name, datastore_ref =, network = ref, network_name = }, and a list
-- of all that is wrong: { text =, code = }. What was not found is nil. `wanted`: the option, where it is not that of
-- the node.
function placement.resolve(fleet, node, wanted)
  local result, problems = { hosts = {} }, {}
  wanted = wanted or node.options.place or {}
  local function find(fn, ...)
    local found, message, code = failure.catch(fn, fleet, node, ...)
    if found == nil then problems[#problems + 1] = { text = message, code = code } end
    return found, message
  end
  local datacenter = find(datacenter_path, wanted)
  if not datacenter then return result, problems end
  result.folder = wanted.folder and find(one, datacenter, "vm", "folder", wanted.folder)
    or not wanted.folder and find(one, datacenter, "", "folder", "vm") or nil
  local hosts, pool = find(hosts_of, datacenter, wanted)
  if hosts then result.hosts, result.pool = hosts, pool end
  local store = find(datastore_of, datacenter, wanted)
  if store then result.datastore, result.datastore_ref = store.name, store.ref end
  if wanted.network then
    result.network = find(one, datacenter, "network", "network", wanted.network)
    result.network_name = wanted.network:match "[^/]+$"
  end
  return result, problems
end

return placement
