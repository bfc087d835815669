--- Empties a host before its reboot and starts its VMs again:
--   vCenter's own  (vCLS and agents)     left to vCenter
--   bound          hold a card           shut down by the guest if idle and approved; started again afterwards
--   movable        the rest              moved by fully automated DRS when the host enters maintenance mode
-- A guest that ignores the shutdown is never powered off: the roll fails, and VMs that were shut down are started
-- again. They are read from the run's journal, so that a resumed run starts them too.
local check = require "gpupt.failure".check
local vms = require "gpupt.fleet.vm"

local drain = {}

drain.SHUTDOWN_SECONDS = 600

local function own(vm)
  return vm.name:find "^vCLS" ~= nil or (vm.managed ~= nil and vm.managed ~= false)
end

-- The VMs that run on the host, as Snapshot:running_on gives them: in a plan as they were read, else read now.
local function running(ctx, record)
  if ctx.planning then return ctx.fleet:running_on(record) end
  local list = {}
  if #record.vms == 0 then return list end
  for _, object in ipairs(check(ctx.vc:collect_all { objects = record.vms, type = "VirtualMachine",
    paths = { "name", "runtime.powerState", "config.hardware.device", "config.managedBy",
      "guest.interactiveGuestOperationsReady" } })) do
    if object["runtime.powerState"] == "poweredOn" then
      list[#list + 1] = { ref = object.ref, name = object.name, managed = object["config.managedBy"],
        session = object["guest.interactiveGuestOperationsReady"] == true,
        cards = #vms.cards(object["config.hardware.device"]) }
    end
  end
  return list
end

--- The VMs that run on the host: { bound = {}, movable = {}, own = {} }, entries { ref, name, session }.
function drain.classify(ctx, record)
  local result = { bound = {}, movable = {}, own = {} }
  for _, vm in ipairs(running(ctx, record)) do
    local kind = own(vm) and "own" or vm.cards > 0 and "bound" or "movable"
    table.insert(result[kind], { ref = vm.ref, name = vm.name, session = vm.session })
  end
  return result
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

--- Running VMs that hold one of these devices.
function drain.holders(ctx, record, devices)
  local list = {}
  for _, device in ipairs(devices) do
    for _, owner in ipairs(ctx.fleet:owners(record.devices[device.address] or device)) do
      if owner.power == "poweredOn" then list[#list + 1] = owner end
    end
  end
  return list
end

local function shut_down(ctx, target, entry)
  local ok, message, code = ctx:call(target, entry.ref, "ShutdownGuest", {},
    { action = "guest-shutdown", text = "ShutdownGuest " .. entry.name })
  if not ok then return nil, message, code end
  ok, message, code = ctx:wait_for(entry.ref, { "runtime.powerState" }, function(props)
    return props["runtime.powerState"] == "poweredOff"
  end, { timeout = drain.SHUTDOWN_SECONDS })
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

--- Shuts down the VMs that hold a card. true; nil, message, code after starting them again.
function drain.run(ctx, target)
  local busy = drain.classify(ctx, target.record)
  if #busy.bound > 0 then
    ctx:require_approval("guest-shutdown", target.name .. ": shutting down " .. drain.names(busy.bound))
    local used = drain.in_use(busy.bound)
    if #used > 0 then ctx:require_approval("sessions", drain.names(used) .. ": users are logged in; a shutdown") end
  end
  for _, entry in ipairs(busy.bound) do
    local ok, message, code = shut_down(ctx, target, entry)
    if not ok then
      drain.restore(ctx, target)
      return nil, message, code
    end
  end
  return true
end

--- Starts the VMs that this run shut down.
function drain.restore(ctx, target)
  for _, entry in ipairs(drain.owed(ctx, target)) do
    local ok, message, code = ctx:task(target, entry.ref, "PowerOnVM_Task", {},
      { action = "power-on", text = "PowerOnVM " .. entry.name })
    if not ok then
      return nil, ("%s was shut down for the reboot and cannot be started: %s"):format(entry.name, message), code
    end
  end
  return true
end

return drain
