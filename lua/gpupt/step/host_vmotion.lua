--- DRAIN by our own vMotion (`drain = "vmotion"`), for VMs that DRS leaves where they are: DRS is off, manual or
-- partially automated in their cluster, or for them. Each goes to the host of the cluster with the most free memory
-- that has its datastores and networks and is not on its way out of service; if the server refuses that one, to the
-- next.
local away = require "gpupt.fleet.away"
local check = require "gpupt.failure".check
local clock = require "gpupt.clock"

local vmotion = {}

--- What the account needs on each VM; on the resource pool it keeps, Resource.AssignVMToPool.
vmotion.PRIVILEGE = "Resource.HotMigrate"

local host_paths = { "name", "runtime.connectionState", "runtime.inMaintenanceMode", "runtime.inQuarantineMode",
  "runtime.standbyMode", "datastore", "network", "hardware.memorySize", "summary.quickStats.overallMemoryUsage" }

local vm_paths = { "name", "datastore", "network", "config.hardware.memoryMB", "runtime.host", "runtime.powerState" }

local function usable(host)
  return host["runtime.connectionState"] == "connected" and host["runtime.inMaintenanceMode"] ~= true
    and host["runtime.inQuarantineMode"] ~= true and (host["runtime.standbyMode"] or "none") == "none"
end

local function has_all(list, wanted)
  local set = {}
  for _, ref in ipairs(list or {}) do set[ref] = true end
  for _, ref in ipairs(wanted or {}) do if not set[ref] then return false end end
  return true
end

-- The hosts of the cluster that take VMs, but for the source.
local function destinations(ctx, record)
  local refs, list = {}, {}
  for _, ref in ipairs(check(record.cluster.ref:get { "host" }).host or {}) do
    if ref ~= record.ref then refs[#refs + 1] = ref end
  end
  local leaving = away.tasks(ctx.vc, refs)
  for _, host in ipairs(check(ctx.vc:collect_all { objects = refs, type = "HostSystem", paths = host_paths })) do
    -- another host of this roll, which a VM could not leave again, may not be entering maintenance mode yet
    if usable(host) and not leaving[host.ref] and not ctx:takes_down(host.ref) then
      host.free = (host["hardware.memorySize"] or 0) // (1 << 20) - (host["summary.quickStats.overallMemoryUsage"] or 0)
      list[#list + 1] = host
    end
  end
  return list
end

-- Those that can take a VM, the one with the most free memory first.
local function fitting(list, vm)
  local fit = {}
  for _, host in ipairs(list) do
    if has_all(host.datastore, vm.datastore) and has_all(host.network, vm.network)
      and host.free >= (vm["config.hardware.memoryMB"] or 0) then fit[#fit + 1] = host end
  end
  table.sort(fit, function(a, b)
    if a.free ~= b.free then return a.free > b.free end
    return a.name < b.name
  end)
  return fit
end

-- Faults that say that this host does not suit; another may.
local unsuitable = { InsufficientResourcesFault = true, InsufficientMemoryResourcesFault = true, InvalidState = true,
  InsufficientFailoverResourcesFault = true, CannotAccessVmComponent = true, CannotAccessNetwork = true,
  VMotionNotConfigured = true, VMotionInterfaceIssue = true, HostNotReachable = true, NoCompatibleHost = true }

local function move(ctx, target, vm, host, seconds)
  return ctx:task(target, vm.ref, "RelocateVM_Task", { spec = { host = host.ref } },
    { action = "vmotion", text = ("vMotion of %s to %s"):format(vm.name, host.name) },
    { timeout = seconds, cancel = true })
end

local function move_one(ctx, target, vm, list, deadline)
  local fit, reasons = fitting(list, vm), {}
  if #fit == 0 then
    return nil, ("%s: no other host of %s has the datastores, networks and free memory of %s"):format(target.name,
      target.record.cluster.name, vm.name), "EREFUSED"
  end
  for _, host in ipairs(fit) do
    local ok, message, code, detail = move(ctx, target, vm, host, math.max(1, deadline - clock.now()))
    if ok then
      host.free = host.free - (vm["config.hardware.memoryMB"] or 0)
      ctx:note(target, ("moved %s to %s"):format(vm.name, host.name))
      return true
    end
    if not unsuitable[code] then return nil, message, code, detail end
    reasons[#reasons + 1] = ("%s: %s"):format(host.name, message)
  end
  return nil, ("%s: %s cannot be moved: %s"):format(target.name, vm.name, table.concat(reasons, "; ")), "EREFUSED"
end

--- Moves these VMs ({ ref =, name = }) off the host: true; nil, message, code, detail.
function vmotion.run(ctx, target, entries, seconds)
  if #entries == 0 then return true end
  local refs, deadline = {}, clock.now() + seconds
  for i, entry in ipairs(entries) do refs[i] = entry.ref end
  local list = destinations(ctx, target.record)
  for _, vm in ipairs(check(ctx.vc:collect_all { objects = refs, type = "VirtualMachine", paths = vm_paths })) do
    if vm["runtime.host"] == target.ref and vm["runtime.powerState"] == "poweredOn" then
      local ok, message, code, detail = move_one(ctx, target, vm, list, deadline)
      if not ok then return nil, message, code, detail end
    end
  end
  return true
end

return vmotion
