--- The source of a clone: a template or a VM, or a snapshot of it. Found by its path, read once for a plan, and refused
-- if a clone of it could not get cards, or would not be what the playbook says.
--
--   source.find(fleet, target, "gold/w11") --> reference          below the datacenter's VM folder, or from the root
--   source.read(fleet, target, options)    --> { vm =, path =, snapshot = reference?, record fields of that snapshot }
--   source.refusals(found, options)        --> why it cannot be cloned: a list
local check = require "gpupt.failure".check
local failure = require "gpupt.failure"
local hosts = require "gpupt.fleet.host"
local schema = require "gpupt.vim".schema
local units = require "gpupt.units"
local vms = require "gpupt.fleet.vm"

---@class gpupt.CloneSource
---@field vm gpupt.VM                the source
---@field path string                its inventory path
---@field as gpupt.VM                what the clone will be like: the source, or the source at its snapshot
---@field snapshot userdata?         the snapshot that is cloned
---@field snapshot_name string?
---@field committed integer?         bytes that its disks use now
---@field capacity integer           bytes that they may grow to
---@field networks integer           number of its network adapters
---@field adapter table?             the first of them
---@field tpm boolean                it has a vTPM
---@field stores string[]            datastores of its disks

local source = {}

-- The VM folder of the target's datacenter.
local function root_of(fleet, target)
  local path = fleet:path(target.folder)
  for _, datacenter in ipairs(fleet:whole():datacenters()) do
    local root = datacenter .. "/vm"
    if path == root or path:sub(1, #root + 1) == root .. "/" then return root end
  end
end

--- The reference of the source; nil, message, code.
function source.find(fleet, target, from)
  if not target.folder then return nil, "from: the place of the VM is not known", "ENOENT" end
  local path = from:sub(1, 1) == "/" and from or ("%s/%s"):format(root_of(fleet, target) or "", from)
  local list, message, code = fleet:find(path, { type = "VirtualMachine" })
  if list and #list == 1 then return list[1] end
  if list and #list > 1 then
    return nil, ("from = '%s' is ambiguous: %d VMs have this path"):format(from, #list), "EAMBIGUOUS"
  end
  local elsewhere = fleet:vms_named(path:match "[^/]+$" or path)
  if #elsewhere > 0 then
    return nil, ("from: there is no VM or template at %s; it may be %s"):format(path, table.concat(elsewhere, " or ")),
      "ENOENT"
  end
  return nil, ("from: there is no VM or template at %s%s"):format(path, code and code ~= "ENOENT"
    and " (" .. message .. ")" or ""), "ENOENT"
end

local function each_snapshot(list, fn)
  for _, tree in ipairs(list or {}) do
    fn(tree)
    each_snapshot(tree.childSnapshotList, fn)
  end
end

-- The snapshot that the options name: its reference and name; nothing if none is to be cloned; nil, message, code.
local function snapshot_of(vm, path, o)
  if not (o.linked or o.snapshot) then return false end
  local info, found, names = vm.snapshot or {}, {}, {}
  each_snapshot(info.rootSnapshotList, function(tree)
    names[#names + 1] = tree.name
    if o.snapshot and tree.name == o.snapshot or not o.snapshot and tree.snapshot == info.currentSnapshot then
      found[#found + 1] = tree
    end
  end)
  if #found == 1 then return found[1].snapshot, found[1].name end
  if #names == 0 then
    return nil, ("%s has no snapshot%s"):format(path, o.linked and ", and a linked clone needs one. Take a snapshot of "
      .. "it, or remove linked" or ""), "ENOENT"
  end
  return nil, ("snapshot = '%s': %s has %s (%s)"):format(o.snapshot or "(the current one)", path,
    #found > 1 and #found .. " snapshots of that name" or "no such snapshot", table.concat(names, ", ")),
    #found > 1 and "EAMBIGUOUS" or "ENOENT"
end

-- Disks, network adapters and the vTPM of a configuration.
local function add_devices(found)
  found.capacity, found.networks, found.tpm, found.stores = 0, 0, false, {}
  local seen = {}
  for _, device in ipairs(found.as.devices) do
    if device._type == "VirtualDisk" then
      found.capacity = found.capacity + (device.capacityInBytes or (device.capacityInKB or 0) * 1024)
      local store = device.backing and (device.backing.fileName or ""):match "^%[([^%]]+)%]"
      if store and not seen[store] then
        seen[store] = true
        found.stores[#found.stores + 1] = store
      end
    elseif device._type == "VirtualTPM" then
      found.tpm = true
    elseif schema.is_a(device._type, "VirtualEthernetCard") then
      found.networks = found.networks + 1
      found.adapter = found.adapter or device
    end
  end
end

-- A record of the VM at its snapshot: what VirtualMachineSnapshot.config says, the rest as it is now.
local function at_snapshot(vm, snapshot)
  local config = check(snapshot:get "config")
  local props = { name = vm.name, ["config.template"] = false, ["runtime.host"] = vm.host,
    ["runtime.powerState"] = "poweredOff", ["config.firmware"] = config.firmware, ["config.version"] = config.version,
    ["config.extraConfig"] = config.extraConfig, ["config.hardware.device"] = config.hardware.device,
    ["config.hardware.memoryMB"] = config.hardware.memoryMB, ["config.hardware.numCPU"] = config.hardware.numCPU,
    ["config.guestId"] = config.guestId, ["config.files.vmPathName"] = vm.path, ["config.flags"] = config.flags,
    ["config.memoryReservationLockedToMax"] = config.memoryReservationLockedToMax,
    ["config.memoryAllocation"] = config.memoryAllocation, ["config.cpuHotAddEnabled"] = config.cpuHotAddEnabled,
    ["config.memoryHotAddEnabled"] = config.memoryHotAddEnabled, ["config.nestedHVEnabled"] = config.nestedHVEnabled }
  local record = vms.record(vm.ref, props)
  record.guest = vm.guest
  return record
end

local function read(fleet, ref, o)
  local vm = fleet:vm(ref)
  local found = { vm = vm, as = vm, path = fleet:path(ref) }
  local snapshot, name, code = snapshot_of(vm, found.path, o)
  if snapshot == nil then return nil, name, code end
  if snapshot then
    found.snapshot, found.snapshot_name, found.as = snapshot, name, at_snapshot(vm, snapshot)
  end
  add_devices(found)
  local storage = ref:get "summary.storage"
  found.committed = storage and storage.committed or nil
  return found
end

--- Reads the source of a target; while a plan is made, each source once. nil, message, code.
---@return gpupt.CloneSource?, string?, string?
function source.read(fleet, target, o)
  local ref, message, code
  if fleet.planning then
    ref, message, code = source.find(fleet, target, o.from)
  else
    -- the plan found it by its path; a run does not read the inventory again
    ref = target.clone_source
    if not ref then message, code = "from: the source of the clone is not known: plan again", "ESTALE" end
  end
  if not ref then return nil, message, code end
  target.clone_source = ref
  local key = table.concat({ "clone", tostring(ref), tostring(o.linked), o.snapshot or "" }, "\0")
  return fleet:once(key, function() return failure.catch(read, fleet, ref, o) end)
end

local function cards_text(vm)
  local words = {}
  for i, card in ipairs(vm.cards) do
    words[i] = card.address and hosts.short(card.address) or card.label or card.kind
  end
  return table.concat(words, ", ")
end

--- Why no clone can be made of this source: a list of reasons, empty if it can.
---@param found gpupt.CloneSource
function source.refusals(found, o)
  local vm, list = found.as, {}
  local function add(format, ...) list[#list + 1] = format:format(...) end
  local name = found.snapshot and ("%s (snapshot %s)"):format(found.path, found.snapshot_name) or found.path
  if #vm.cards > 0 then
    add("%s has %s (%s), and each clone would have the same. Remove %s from the source; gpu.attach gives every clone "
      .. "its own", name, units.count(#vm.cards, "passthrough device"), cards_text(vm),
      #vm.cards == 1 and "it" or "them")
  end
  if found.vm.connection and found.vm.connection ~= "connected" then
    add("%s is %s: its files cannot be read", found.path, found.vm.connection)
  end
  if not found.snapshot and vm.power ~= "poweredOff" then
    add("%s is %s, and its disks change meanwhile. Shut it down, or clone a snapshot of it (snapshot = 'NAME')",
      found.path, vm.power)
  end
  if found.tpm and not o.tpm then
    add("%s has a vTPM, and a clone's is a copy with the same secrets. Set tpm = 'replace', or 'copy' if you want that",
      name)
  end
  return list
end

return source
