--- The undo of vm.move: the VM goes back to the host and the datastore where it was before the run, powered off, and
-- gets the cards back that it had there. Cards of the new host that gpu.attach gave it are gone by then, because the
-- last step of a run is undone first. A VM that another user has moved since stays where it is.
local card_back = require "gpupt.step.card_back"
local check = require "gpupt.failure".check
local removal = require "gpupt.step.vm_removal"
local restore = require "gpupt.step.vm_restore"

local undo = {}

local NEEDS = { "Resource.ColdMigrate", "Resource.AssignVMToPool", "Datastore.AllocateSpace" }

-- Where the VM was before the first move, and where the last one took it: { host =, datastore =, to = { host =,
-- datastore = } }, references as text and names; nil if the run did not move it.
local function way_of(done)
  local way
  for _, change in ipairs(done) do
    local before, after = change.detail.before, change.detail.after
    if change.action == "move" and before then
      way = way or { host = before.host, datastore = before.datastore, pool = before.pool,
        disks = before.disks }
      way.to = after or { host = change.detail.args and change.detail.args.spec.host or before.host }
    end
  end
  return way
end

-- Why the VM stays where it is, or nil. `at`: where it is now.
local function stays(way, at, record, store)
  if at.host ~= way.host and at.host ~= way.to.host then return "it was moved to another host since" end
  if at.datastore ~= way.datastore and way.to.datastore and at.datastore ~= way.to.datastore then
    return "it was moved to another datastore since"
  end
  if not record then return "the host where it was before is gone" end
  if record.connection ~= "connected" then return ("%s is %s"):format(record.name, record.connection) end
  if at.datastore ~= way.datastore and not store then
    return ("%s does not mount %s, where its files were"):format(record.name, way.datastore)
  end
  if record.maintenance then return ("%s is in maintenance mode"):format(record.name) end
end

local function store_of(vm) return (vm.path or ""):match "^%[([^%]]+)%]" end

-- The datastores that a host mounts: name -> reference.
local function mounts_of(ctx, record)
  local stores, map = check(record.ref:get "datastore"), {}
  for _, one in ipairs(ctx.vc:collect_all { objects = stores, type = "Datastore", paths = { "name" } } or {}) do
    map[one.name] = one.ref
  end
  return map
end

-- The datastores of disks that were not beside the VM's own files.
local function disks_of(way, mounts)
  local list
  for _, disk in ipairs(way.disks or {}) do
    local ref = mounts[disk.datastore]
    list = list or {}
    if ref then list[#list + 1] = { diskId = disk.key, datastore = ref } end
  end
  return list
end

-- What has to be done now: { record = the host before, at =, back = true if the VM has to move, why = why it stays }.
local function look(ctx, target, way)
  local vm = ctx.fleet:vm(target.ref)
  local at = { host = tostring(vm.host), datastore = store_of(vm) }
  local ref = ctx.vc:ref(way.host)
  if ref and ctx.fleet:object(ref) then ctx.fleet:read_hosts { ref } end
  local record = ref and ctx.fleet.by_ref[ref]
  local mounts = record and record.connection == "connected" and at.datastore ~= way.datastore
    and mounts_of(ctx, record) or {}
  local store = mounts[way.datastore]
  local back = at.host ~= way.host or at.datastore ~= way.datastore
  return { vm = vm, at = at, record = record, store = at.datastore ~= way.datastore and store or nil,
    mounts = mounts, back = back,
    why = back and stays(way, at, record, store) or nil }
end

local function relocate(way)
  return function(ctx, target)
    local seen = look(ctx, target, way)
    if seen.why then return nil, ("%s is not moved back: %s"):format(target.name, seen.why), "EREFUSED" end
    if not seen.back then return true end
    local ok, message, code, detail = removal.power_off(ctx, target)
    if not ok then return nil, message, code, detail end
    local spec = { datastore = seen.store, disk = seen.store and disks_of(way, seen.mounts) or nil }
    if seen.at.host ~= way.host then
      local now = ctx.fleet.by_ref[seen.vm.host]
      spec.host = seen.record.ref
      -- the pool where it was; one that is gone is replaced by that of the cluster
      local pool = way.pool and ctx.vc:ref(way.pool)
      if pool and not ctx.fleet:object(pool) then pool = nil end
      if not (now and now.parent == seen.record.parent) then spec.pool = pool or seen.record.cluster.pool end
    end
    ok, message, code, detail = ctx:task(target, target.ref, "RelocateVM_Task", { spec = spec },
      { action = "move-back", text = "RelocateVM (back)", detail = { before = seen.at } })
    if not ok then return nil, message, code, detail end
    ctx:note(target, "moved back to " .. seen.record.name)
    return true
  end
end

--- The undo, by the contract of gpupt.step.
function undo.of(ctx, target, done)
  local way = way_of(done)
  if not (way and target.ref) then return restore.undo(ctx, target, done) end
  local seen = look(ctx, target, way)
  local busy = seen.why and function() return "the VM is not there" end or card_back.check(ctx, target, seen.record)
  local result = restore.undo(ctx, target, done, busy)
  if seen.why then
    result.left = result.left or {}
    table.insert(result.left, 1, "is not moved back: " .. seen.why)
    return result
  end
  if not seen.back then return result end
  local words = {}
  if seen.at.host ~= way.host then words[1] = "to " .. seen.record.name end
  if seen.store then words[#words + 1] = "to datastore " .. way.datastore end
  local changes, at = result.changes, 1
  if changes[1] and (changes[1].verb == "guest shutdown" or changes[1].verb == "power off") then at = 2 end
  local goes = seen.at.host ~= way.host and { from = seen.vm.host, to = seen.record.ref } or nil
  table.insert(changes, at, { sign = "~", verb = "move", what = "move back " .. table.concat(words, ", "), goes = goes,
    make = relocate(way) })
  if at == 1 and seen.vm.power == "poweredOn" and target.forecast.power ~= "poweredOff" then
    table.insert(changes, 1, restore.shutdown(seen.vm))
    result.forecast = result.forecast or {}
    result.forecast.power, result.forecast.off_meanwhile = "poweredOff", true
  end
  changes.needs = table.move(NEEDS, 1, #NEEDS, 1, changes.needs or {})
  if seen.vm.power == "poweredOn" then table.insert(changes.needs, "VirtualMachine.Interact.PowerOff") end
  return result
end

return undo
