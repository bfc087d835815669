--- Empties a host before its reboot and starts its VMs again:
--   vCenter's own  (vCLS and agents)     left to vCenter
--   bound          hold a card           shut down by the guest if idle and approved; started again afterwards
--   movable        the rest              moved by fully automated DRS when the host enters maintenance mode, or, where
--                                        DRS leaves them, by our own vMotion (drain = "vmotion"); on the only host of
--                                        a cluster they have nowhere to go, and are shut down as well
-- A guest that ignores the shutdown is never powered off: the roll fails, and VMs that were shut down are started
-- again. They are read from the run's journal, so that a resumed run starts them too.
local check = require "gpupt.failure".check
local power = require "gpupt.step.vm_power"
local values = require "gpupt.step.vm_values"
local units = require "gpupt.units"
local vms = require "gpupt.fleet.vm"
local vmotion = require "gpupt.step.host_vmotion"

local drain = {}

local function own(vm)
  return vm.name:find "^vCLS" ~= nil or (vm.managed ~= nil and vm.managed ~= false)
end

-- The VMs that run on the host, as Snapshot:running_on gives them: in a plan as they were read, else read now.
local function running(ctx, record)
  if ctx.planning then return ctx.fleet:running_on(record) end
  local list = {}
  if #record.vms == 0 then return list end
  for _, object in ipairs(check(ctx.vc:collect_all { objects = record.vms, type = "VirtualMachine",
    paths = { "name", "runtime.powerState", "runtime.host", "config.hardware.device", "config.managedBy",
      "guest.interactiveGuestOperationsReady" } })) do
    -- one that has left the host since its record was read is none of its VMs
    if object["runtime.powerState"] == "poweredOn" and object["runtime.host"] == record.ref then
      list[#list + 1] = { ref = object.ref, name = object.name, managed = object["config.managedBy"],
        session = object["guest.interactiveGuestOperationsReady"] == true,
        cards = #vms.cards(object["config.hardware.device"]) }
    end
  end
  return list
end

--- The VMs that run on the host now, but for vCenter's own: a list of { name }.
function drain.still_there(ctx, record)
  local list = {}
  for _, vm in ipairs(running(ctx, ctx.fleet:refresh_state(record))) do
    if not own(vm) then list[#list + 1] = vm end
  end
  return list
end

--- Whether the VMs of a host have no other host to go to.
function drain.alone(record) return #record.cluster.host_refs < 2 end

-- How DRS treats a VM: "fullyAutomated", "manual"...; where DRS is off for the cluster, a VM's own setting is void.
local function drs_of(cluster, vm)
  return cluster.drs ~= "off" and cluster.drs_of and cluster.drs_of[vm.ref] or cluster.drs
end

--- The VMs that run on the host: { bound = {}, movable = {}, own = {}, stuck = {}, left = {} }, entries { ref, name,
-- session, drs }. Those of `stuck`, which have nowhere to go, are in `bound` as well; those of `left`, which DRS does
-- not move by itself, in `movable`.
function drain.classify(ctx, record)
  local result, alone = { bound = {}, movable = {}, own = {}, stuck = {}, left = {} }, drain.alone(record)
  for _, vm in ipairs(running(ctx, record)) do
    local stuck = alone and vm.cards == 0 and not own(vm)
    local kind = own(vm) and "own" or (vm.cards > 0 or stuck) and "bound" or "movable"
    local entry = { ref = vm.ref, name = vm.name, session = vm.session, drs = drs_of(record.cluster, vm) }
    table.insert(result[kind], entry)
    if kind == "movable" and entry.drs ~= "fullyAutomated" then table.insert(result.left, entry) end
    if stuck then table.insert(result.stuck, entry) end
  end
  table.sort(result.bound, function(a, b) return a.name < b.name end)
  return result
end

-- The addresses and names by which a guest would be the server or this computer.
local function our_names(ctx, record)
  local names = { [ctx.vc.host:lower()] = true }
  if record.management_ip then names[record.management_ip] = true end
  local file = io.open("/proc/sys/kernel/hostname")
  local here = file and file:read "l"
  if file then file:close() end
  if here and here ~= "" and not here:find "^localhost" then names[here:lower()] = true end
  return names
end

--- Why one of these VMs cannot be shut down, or nil: it is the server or this computer, or its Tools do not run.
function drain.cannot_shut_down(ctx, record, list)
  if #list == 0 then return end
  local refs, ours = {}, our_names(ctx, record)
  for i, entry in ipairs(list) do refs[i] = entry.ref end
  local silent = {}
  for _, object in ipairs(check(ctx.vc:collect_all { objects = refs, type = "VirtualMachine",
    paths = { "name", "guest.toolsRunningStatus", "guest.hostName", "guest.ipAddress", "guest.net" } })) do
    local names = { object["guest.hostName"], object["guest.ipAddress"] }
    for _, nic in ipairs(object["guest.net"] or {}) do
      for _, address in ipairs(nic.ipAddress or {}) do names[#names + 1] = address end
    end
    for _, name in pairs(names) do
      if ours[name:lower()] then
        return ("%s: %s is the server itself (%s), which is never shut down. Migrate it, or shut it down by hand")
          :format(record.name, object.name, name)
      end
    end
    if object["guest.toolsRunningStatus"] ~= "guestToolsRunning" then silent[#silent + 1] = { name = object.name } end
  end
  if #silent > 0 then
    return ("%s: %s must be shut down for the reboot, but VMware Tools do not run in it. Shut it down by hand, or "
      .. "migrate it"):format(record.name, drain.names(silent))
  end
end

--- The names of all of them, sorted.
function drain.all_names(list)
  local names = {}
  for i, entry in ipairs(list) do names[i] = entry.name end
  table.sort(names)
  return names
end

function drain.names(list)
  local words = {}
  for i, entry in ipairs(list) do words[i] = entry.name end
  table.sort(words)
  if #words > 4 then return ("%s and %d more"):format(table.concat(words, ", ", 1, 3), #words - 3) end
  return table.concat(words, ", ")
end

--- Those with a logged-in user.
function drain.in_use(list)
  local used = {}
  for _, entry in ipairs(list) do if entry.session then used[#used + 1] = entry end end
  return used
end

local function holders_known(ctx, record, devices)
  local list = {}
  for _, device in ipairs(devices) do
    for _, owner in ipairs(ctx.fleet:owners(record.devices[device.address] or device)) do
      if owner.power == "poweredOn" and not ctx.fleet:expected_off(owner.ref) then list[#list + 1] = owner end
    end
  end
  return list
end

--- Running VMs that hold one of these devices: in a plan those that it does not shut down before, in a run as they are
-- now, because VMs of the run may have given cards up.
function drain.holders(ctx, record, devices)
  local list = holders_known(ctx, record, devices)
  if ctx.planning or #list == 0 then return list end
  ctx.fleet:refresh_cards(record)
  return holders_known(ctx, record, devices)
end

local function shut_down(ctx, target, entry)
  local ok, message, code, detail = ctx:call(target, entry.ref, "ShutdownGuest", {},
    { action = "guest-shutdown", text = "ShutdownGuest " .. entry.name,
      detail = values.power("poweredOn", "poweredOff") })
  if not ok then return nil, message, code, detail end
  ok, message, code = ctx:wait_for(entry.ref, { "runtime.powerState" }, function(props)
    return props["runtime.powerState"] == "poweredOff"
  end, { timeout = units.duration(target.scope.options.roll.shutdown_within) })
  if ok == nil then
    return nil, ("%s did not shut down (%s) and is still running"):format(entry.name, message), code
  end
  return true
end

--- The VMs that this run shut down on the host and that are off: { ref, name }, by name.
function drain.owed(ctx, target)
  local list = {}
  for _, object in ipairs(ctx:objects_of(target, "guest-shutdown")) do
    local ref = check(ctx.vc:ref(object))
    local props = ref:get { "name", "runtime.powerState" }
    if props and props["runtime.powerState"] == "poweredOff" then list[#list + 1] = { ref = ref, name = props.name } end
  end
  table.sort(list, function(a, b)
    if a.name ~= b.name then return a.name < b.name end
    return a.ref.value < b.ref.value
  end)
  return list
end

-- Moves what DRS would leave on the host.
local function move(ctx, target, busy)
  local roll = target.scope.options.roll
  if #busy.left == 0 or roll.drain ~= "vmotion" then return true end
  ctx:require_approval("drain-vmotion", target.name .. ": vMotion of " .. drain.names(busy.left))
  return vmotion.run(ctx, target, busy.left, units.duration(roll.drain_within))
end

--- Moves VMs that DRS leaves, and shuts down those that hold a card or have nowhere to go. true; nil, message, code
-- after starting them again.
function drain.run(ctx, target)
  local busy = drain.classify(ctx, target.record)
  local why = drain.cannot_shut_down(ctx, target.record, busy.bound)
  if why then return nil, why, "EREFUSED" end
  if #busy.bound > 0 then
    ctx:require_approval("guest-shutdown", target.name .. ": shutting down " .. drain.names(busy.bound))
    local used = drain.in_use(busy.bound)
    if #used > 0 then ctx:require_approval("sessions", drain.names(used) .. ": users are logged in; a shutdown") end
  end
  local moved, failed, how, more = move(ctx, target, busy)
  if not moved then return nil, failed, how, more end
  for _, entry in ipairs(busy.bound) do
    local ok, message, code, detail = shut_down(ctx, target, entry)
    if not ok then
      if not ctx:observes_again(target, code, detail) then drain.restore(ctx, target) end
      return nil, message, code, detail
    end
  end
  return true
end

--- Starts the VMs that this run shut down.
function drain.restore(ctx, target)
  for _, entry in ipairs(drain.owed(ctx, target)) do
    local ok, message, code, detail = power.start(ctx, target, entry.ref,
      { action = "power-on", text = "PowerOnVM " .. entry.name, detail = values.power("poweredOff", "poweredOn") })
    if not ok then
      return nil, ("%s was shut down for the reboot and cannot be started: %s"):format(entry.name, message), code,
        detail
    end
  end
  return true
end

return drain
