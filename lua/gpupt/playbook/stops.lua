--- What a plan takes out of service and for how long at most: hosts while they reboot, guests that are shut down. The
-- times are the limits of the waits, so what happens takes less or ends the target's steps with an error.
local ranges = require "gpupt.ranges"
local units = require "gpupt.units"

local stops = {}

local function add(list, by_key, name, seconds, why)
  local key = seconds .. "\0" .. (why or "")
  local one = by_key[key]
  if not one then
    one = { names = {}, seconds = seconds, why = why }
    by_key[key], list[#list + 1] = one, one
  end
  one.names[#one.names + 1] = name
end

--- { hosts = { { names, seconds, why } }, vms = the same }. A change says `out = { seconds, "drain 30 min, ..." }` of
-- its host, and `stops = { names }` with `stop_seconds` of guests.
function stops.of(entries)
  local result, by_host, by_vm = { hosts = {}, vms = {} }, {}, {}
  for _, entry in ipairs(entries) do
    for _, step in ipairs(entry.steps) do
      for _, change in ipairs(step.changes) do
        if change.out then add(result.hosts, by_host, entry.target.name, change.out[1], change.out[2]) end
        for _, name in ipairs(change.stops or {}) do add(result.vms, by_vm, name, change.stop_seconds) end
      end
    end
  end
  return result
end

local function text_of(list)
  local words = {}
  for i, one in ipairs(list) do
    words[i] = ("%s, %sup to %s%s"):format(ranges.text(one.names), #one.names > 1 and "each " or "",
      units.span(one.seconds), one.why and " (" .. one.why .. ")" or "")
  end
  return table.concat(words, "; ")
end

function stops.lines(entries)
  local found, lines = stops.of(entries), {}
  if #found.hosts > 0 then lines[1] = "out of service: " .. text_of(found.hosts) end
  if #found.vms > 0 then lines[#lines + 1] = "shut down: " .. text_of(found.vms) end
  return lines
end

return stops
