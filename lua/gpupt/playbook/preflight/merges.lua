--- Snapshots that will be deleted (requires.merges: a reference to the VM): whether the server lets them be deleted,
-- whether linked clones read from their disks, and whether the datastores have space for what the disks below grow by.
--
-- A delta disk is merged into the disk below it, and its file is deleted after that. A thick disk does not grow; a thin
-- one grows by at most the delta disks, and not beyond its capacity. The sizes are those of the server's last refresh.
local findings = require "gpupt.playbook.preflight.findings"

local METHOD = "RemoveAllSnapshots_Task"

local function gib(bytes) return ("%.1f GiB"):format(bytes / 2 ^ 30) end

-- All VMs and their datastores in one request: { VM -> { disabledMethod, layoutEx } }, { name -> freeSpace or false }
-- of each VM.
local function read(plan, refs)
  local vms, stores, mounted = {}, {}, {}
  for object in plan.vc:collect { objects = refs, follow = { VirtualMachine = "datastore" },
    types = { VirtualMachine = { "disabledMethod", "layoutEx", "datastore" },
      Datastore = { "name", "summary.freeSpace" } } } do
    if object.ref.type == "VirtualMachine" then vms[object.ref] = object else stores[object.ref] = object end
  end
  for ref, object in pairs(vms) do
    mounted[ref] = {}
    for _, store in ipairs(object.datastore or {}) do
      local one = stores[store]
      if one and one.name then mounted[ref][one.name] = one["summary.freeSpace"] or false end
    end
  end
  return vms, mounted
end

local function keys_of(chain)
  local set = {}
  for _, unit in ipairs(chain or {}) do for _, key in ipairs(unit.fileKey or {}) do set[key] = true end end
  return set
end

-- The chain that a disk had when its first snapshot was taken: the shortest one.
local function first_chain(layout, disk)
  local shortest
  for _, snapshot in ipairs(layout.snapshot or {}) do
    for _, one in ipairs(snapshot.disk or {}) do
      local chain = one.key == disk.key and one.chain
      if chain and (not shortest or #chain < #shortest) then shortest = chain end
    end
  end
  return shortest
end

-- What the disks of a VM may grow by: { store name -> bytes }.
local function growth_of(vm, layout)
  local files, capacity, grows = {}, {}, {}
  for _, file in ipairs(layout.file or {}) do files[file.key] = file end
  for _, device in ipairs(vm.devices) do
    if device._type == "VirtualDisk" then
      capacity[device.key] = device.capacityInBytes or (device.capacityInKB or 0) * 1024
    end
  end
  for _, disk in ipairs(layout.disk or {}) do
    local first = first_chain(layout, disk)
    local below, deltas, has, store = keys_of(first), 0, 0, nil
    for key in pairs(keys_of(disk.chain)) do
      local file = files[key]
      if file and below[key] then
        has, store = has + (file.size or 0), store or file.name:match "^%[([^%]]+)%]"
      elseif file then
        deltas = deltas + (file.size or 0)
      end
    end
    -- of a linked clone the disk below is itself a child
    local most = first and #first == 1 and capacity[disk.key] and math.max(0, capacity[disk.key] - has) or deltas
    if first and store then grows[store] = (grows[store] or 0) + math.min(deltas, most) end
  end
  return grows
end

-- The linked clones that read from a VM's disks.
local function clones_of(plan, vm)
  local list, seen = {}, {}
  local function take(backing)
    local file, parent = rawget(backing, "fileName"), rawget(backing, "parent")
    for _, name in ipairs(file and plan.fleet:children_of(file) or {}) do
      if not seen[name] then list[#list + 1] = name end
      seen[name] = true
    end
    if parent then take(parent) end
  end
  for _, device in ipairs(vm.devices) do
    if device._type == "VirtualDisk" and device.backing then take(device.backing) end
  end
  table.sort(list)
  return list
end

local function check_method(need, seen, found)
  for _, name in ipairs(seen.disabledMethod or {}) do
    if name == METHOD then
      found:problem { source = need.instance.source, target = need.target.name, code = "MethodDisabled",
        text = ("%s: its snapshots cannot be deleted now: another product has disabled %s. Find out which, such as a "
          .. "backup that is running"):format(need.target.name, METHOD) }
    end
  end
end

local function check_clones(plan, need, vm, found)
  local clones = clones_of(plan, vm)
  if #clones == 0 then return end
  found:problem { source = need.instance.source, target = need.target.name, code = "EREFUSED",
    text = ("%s: its snapshots are not deleted, because linked clones read from its disks: %s. "
      .. "Delete the clones first"):format(need.target.name, findings.names(clones)) }
end

local function check_space(need, vm, seen, free, total, found)
  local source, name = need.instance.source, need.target.name
  local function unseen(what, on)
    found:cannot { source = source, target = name, needs = "System.Read", on = on,
      text = ("the space that %s needs to merge its snapshots%s"):format(name, what) }
  end
  if not (seen and seen.layoutEx) then return unseen("", "the VM") end
  for store, bytes in pairs(growth_of(vm, seen.layoutEx)) do
    if not free[store] then
      unseen((" on the datastore %s (up to %s)"):format(store, gib(bytes)), "the datastore")
    elseif bytes > free[store] then
      found:problem { source = source, target = name, code = "ENOSPACE",
        text = ("%s: the datastore %s has %s free, and merging the snapshots may take %s"):format(name, store,
          gib(free[store]), gib(bytes)) }
    else
      local sum = total[store] or { bytes = 0, free = free[store], source = source }
      sum.bytes = sum.bytes + bytes
      total[store] = sum
    end
  end
end

return function(plan, needs, found)
  local refs, list = {}, {}
  for _, need in ipairs(needs) do
    if need.requires.merges then
      refs[#refs + 1], list[#list + 1] = need.requires.merges, need
    end
  end
  if #list == 0 then return end
  local vms, free = read(plan, refs)
  local total = {}
  for _, need in ipairs(list) do
    local ref = need.requires.merges
    local vm, seen = plan.fleet:vm(ref), vms[ref]
    check_method(need, seen or {}, found)
    check_clones(plan, need, vm, found)
    check_space(need, vm, seen, free[ref] or {}, total, found)
  end
  for store, sum in pairs(total) do
    if sum.bytes > sum.free then
      found:open { source = sum.source, text = ("the merged snapshots on the datastore %s"):format(store),
        why = ("all of them may take %s, and %s are free"):format(gib(sum.bytes), gib(sum.free)) }
    end
  end
end
