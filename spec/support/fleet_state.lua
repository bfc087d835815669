--- A fleet as an independent client reads it (spec/demo/fleet_state.py), and what differs between two such states.
local json = require "gpupt.json"
local vcenter = require "spec.support.vcenter"

local state = {}

--- Everything that an undo may leave different: times, counters of changes, tasks and events. This list must not grow.
state.ignored = {
  "bootTime", "[uU]ptime", "uptimeSeconds", "changeVersion", "modified", "timestamp", "recentTask", "event",
}

function state.read(l)
  vcenter.write(l.dir .. "/ready.json", assert(json.encode(l.sim.ready)))
  local text = vcenter.shell(("env -u LD_PRELOAD build/venv/bin/python spec/demo/fleet_state.py %s/ready.json"):format(l.dir))
  return assert(json.decode(text))
end

local function counts(path)
  for _, word in ipairs(state.ignored) do if path:find(word) then return false end end
  return true
end

--- The differences as "path: before -> after", sorted.
function state.difference(before, after)
  local list = {}
  for path, value in pairs(before) do
    if counts(path) and after[path] ~= value then
      list[#list + 1] = ("%s: %s -> %s"):format(path, tostring(value), tostring(after[path]))
    end
  end
  for path, value in pairs(after) do
    if counts(path) and before[path] == nil then list[#list + 1] = ("%s: nil -> %s"):format(path, tostring(value)) end
  end
  table.sort(list)
  return list
end

return state
