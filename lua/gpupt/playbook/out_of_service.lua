--- Whether a host for which a claim stands is out of service: what decides if the claim is still needed.
local away = require "gpupt.fleet.away"
local failure = require "gpupt.failure"

local out_of_service = {}

local paths = { "name", "runtime.connectionState", "runtime.inMaintenanceMode" }

--- Reads the state of a host, named by its reference as text ("HostSystem:host-9"). Gives { name =, out = "in
-- maintenance mode"... or nil, state = what is to be seen }; false if it is no longer in the inventory; nil, message,
-- code. `entered`: the claim's run put it into maintenance mode. Maintenance mode set by another user does not count.
function out_of_service.read(vc, object, entered)
  local ref, message, code = vc:ref(object)
  if not ref then return nil, message, code end
  local props
  props, message, code = ref:get(paths)
  if not props then
    if code == "ManagedObjectNotFound" then return false end
    return nil, message, code
  end
  local connection = props["runtime.connectionState"] or "not readable"
  local result = { name = props.name, state = connection }
  if connection ~= "connected" then
    result.out = connection
  elseif props["runtime.inMaintenanceMode"] then
    result.state = "in maintenance mode"
    if entered then result.out = "in maintenance mode, which the run entered" end
  else
    local task = away.tasks(vc, { ref })[ref]
    result.out = task and task.why:gsub("^is ", "")
    result.state = result.out or connection
  end
  return result
end

--- Whether a run put this host (its name, and its reference as text) into maintenance mode and did not take it out
-- again. `ctx`: a context that has read the run's rows.
function out_of_service.entered(ctx, name, object)
  return ctx:newer({ name = name, identity = object }, "maintenance-enter", "maintenance-exit") ~= nil
end

--- The same for many, by reference: each is read once. A host that cannot be read is { unread = message }.
function out_of_service.read_all(vc, objects, entered)
  local states = {}
  for _, object in ipairs(objects) do
    if states[object] == nil then
      local state, message, code = failure.catch(out_of_service.read, vc, object, entered(object))
      if state == nil and not message then state = false end
      states[object] = state == nil and { unread = message, code = code } or state
    end
  end
  return states
end

return out_of_service
