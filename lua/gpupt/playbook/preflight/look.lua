--- What decides on which host a VM can be, in one request: the networks of the targets and the datastores of the
-- hosts; the memory that running VMs have reserved is in the inventory already. Each host record gets
--   mounts       name -> datastore { ref, name, browser, free, accessible, maintenance } as the host sees it
--   unreserved_mb   its memory that no running VM has reserved
-- nil if it could not be read.
local look = {}

local network_paths = { "name", "host" }
local store_paths = { "name", "host", "browser", "summary.accessible", "summary.freeSpace",
  "summary.maintenanceMode" }

--- The connected hosts on which the targets are or may be created, and their networks.
local function objects_of(fleet, targets)
  local list, records, seen = {}, {}, {}
  local function take(ref)
    if ref and not seen[ref] then
      seen[ref] = true
      list[#list + 1] = ref
      return true
    end
  end
  for _, target in ipairs(targets) do
    take(target.network)
    if target.moves or target.ref and target.network then take(target.ref) end -- for its networks
    for _, ref in ipairs(target.host_refs or {}) do
      local record = fleet.by_ref[ref]
      if record and record.connection == "connected" and take(ref) then
        records[#records + 1] = record
      end
    end
  end
  return list, records
end

--- The memory of a host that no running VM has reserved; nil if that of a VM cannot be read, or if the account does not
-- see a VM of the host at all.
local function unreserved(fleet, record)
  for _, ref in ipairs(record.vms) do
    local place = fleet:place_of(ref)
    if not (place and place.name) then return nil end
  end
  local left = record.memory_mb
  for _, vm in ipairs(fleet:running_on(record)) do
    if not vm.reserved_mb then return nil end
    left = left - math.max(0, vm.reserved_mb)
  end
  return left
end

local function take_store(stores, object)
  local store = { ref = object.ref, name = object.name, browser = object.browser, free = object["summary.freeSpace"],
    accessible = object["summary.accessible"] ~= false, maintenance = object["summary.maintenanceMode"] }
  if object.host then
    store.hosts = {}
    for _, mount in ipairs(object.host) do
      local info = mount.mountInfo
      store.hosts[mount.key] = { accessible = info.accessible ~= false and info.mounted ~= false,
        why = info.inaccessibleReason, read_only = info.accessMode == "readOnly" }
    end
  end
  stores[object.ref] = store
end

-- The datastores of each host by their names.
local function name_mounts(records, stores)
  for _, record in ipairs(records) do
    if record.store_refs then
      record.mounts = {}
      for _, ref in ipairs(record.store_refs) do
        local store = stores[ref]
        if store and store.name then record.mounts[store.name] = store end
      end
    end
  end
end

-- Of a VM that moves, the path of its datacenter, and those of the hosts that are in another one: { host -> path }.
local function datacenters(fleet, target)
  local all = fleet:whole():datacenters()
  local function of(ref)
    local path = fleet:path(ref)
    for _, one in ipairs(all) do if path:sub(1, #one + 1) == one .. "/" then return one end end
  end
  local result = { own = of(target.ref), of = {} }
  for _, ref in ipairs(#all > 1 and target.moves or {}) do
    local one = of(ref)
    if one ~= result.own then result.of[ref] = one end
  end
  return result
end

local types = { HostSystem = { "datastore" }, VirtualMachine = { "network" }, Datastore = store_paths,
  Network = network_paths, DistributedVirtualPortgroup = network_paths, OpaqueNetwork = network_paths }

--- { networks = { ref -> { name, hosts = set } }, networks_of = { VM that moves, or whose place names one ->
-- references }, datacenters = { VM that moves -> see above }, stores = { ref -> datastore }, records = hosts that were
-- read }.
function look.read(fleet, targets)
  local objects, records = objects_of(fleet, targets)
  local world = { networks = {}, networks_of = {}, datacenters = {}, stores = {}, records = records }
  for _, target in ipairs(targets) do
    if target.moves then world.datacenters[target.ref] = datacenters(fleet, target) end
  end
  if #records == 0 then return world end
  for object in fleet.vc:collect { objects = objects, types = types, follow = { HostSystem = "datastore",
    VirtualMachine = "network" } } do
    local kind = object.ref.type
    if kind == "HostSystem" then
      fleet.by_ref[object.ref].store_refs = object.datastore
    elseif kind == "VirtualMachine" then
      world.networks_of[object.ref] = object.network
    elseif kind == "Datastore" then
      take_store(world.stores, object)
    else
      local hosts = object.host and {}
      for _, ref in ipairs(object.host or {}) do hosts[ref] = true end
      world.networks[object.ref] = { name = object.name, hosts = hosts }
    end
  end
  for _, record in ipairs(records) do record.unreserved_mb = unreserved(fleet, record) end
  name_mounts(records, world.stores)
  return world
end

-- Why a host cannot use a datastore, or nil; `writes`: a VM is to be created there.
local function store_unfit(record, name, writes)
  local store = record.mounts[name]
  if not store then return ("does not mount the datastore %s"):format(name) end
  local mount = store.hosts and store.hosts[record.ref]
  if not store.accessible or mount and not mount.accessible then
    return ("cannot access the datastore %s%s"):format(name, mount and mount.why and " (" .. mount.why .. ")" or "")
  end
  if not writes then return end
  if mount and mount.read_only then return ("mounts the datastore %s read-only"):format(name) end
  if store.maintenance and store.maintenance ~= "normal" then
    return ("has the datastore %s in maintenance mode"):format(name)
  end
end

-- Which of the networks of a VM that moves the host does not have, or nil. Within a datacenter a standard port group of
-- one name is the same object on all hosts that have it, and so is a distributed one on the hosts of its switch: the
-- network cards stay connected by their names.
local function networks_unfit(world, refs, record)
  local words = {}
  for _, ref in ipairs(refs or {}) do
    local one = world.networks[ref]
    if one and one.hosts and not one.hosts[record.ref] then
      local kind = ref.type == "DistributedVirtualPortgroup" and "distributed port group" or "network"
      words[#words + 1] = ("the %s %s"):format(kind, one.name or tostring(ref))
    end
  end
  table.sort(words)
  return #words > 0 and ("does not have %s, to which it is connected"):format(table.concat(words, " and ")) or nil
end

-- Why a VM that moves cannot go there, whatever else the host has: the datastores and networks of another datacenter
-- are other objects, also those of the same names, so RelocateVM needs the datastore, and the networks, that it gets
-- there (API reference: VirtualMachineRelocateSpec.datastore, deviceChange).
local function too_far(world, target, record)
  local centers = target.moves and world.datacenters[target.ref]
  local other = centers and centers.of[record.ref]
  return other and ("is in the datacenter %s, and the VM in %s: p.vm.move does not move a VM to another datacenter, "
    .. "where its folder, datastores and networks are others. Migrate it by hand"):format(other, centers.own)
end

--- Why a VM of this target cannot be on a host, or nil: "does not mount the datastore nvme-1".
function look.unfit(world, target, record)
  local far = too_far(world, target, record)
  if far then return far end
  if (not target.ref or target.moves) and record.mounts then
    local why = target.datastore and store_unfit(record, target.datastore, true)
    if why then return why end
    for _, name in ipairs(target.must_mount or {}) do
      why = store_unfit(record, name, false)
      if why then return why .. ", where its disks are" end
    end
  end
  local network = not target.ref and target.network and world.networks[target.network]
  if network and network.hosts and not network.hosts[record.ref] then
    return ("does not have the network %s"):format(network.name or target.network_name)
  end
  return target.moves and networks_unfit(world, world.networks_of[target.ref], record) or nil
end

return look
