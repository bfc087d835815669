--- CLAIM: whether a host may be taken out of service now. At most `unavailable` hosts of a cluster may be out of
-- service at once. Hosts that failed or that another user took down count too: next to a dead host, a roll would take
-- the second host of a cluster that tolerates one failure. A claim waits for them (`claim_within`); then the host is
-- DEFERRED, unchanged, and so are the other hosts of its cluster. Standby does not count: vCenter wakes the host up.
-- A host that is already out of service does not have to wait.
local failure = require "gpupt.failure"
local loop = require "gpupt.loop"
local units = require "gpupt.units"

local claim = {}

local paths = { "name", "runtime.connectionState", "runtime.inMaintenanceMode" }

--- Seconds between two checks of the cluster.
claim.PAUSE = 10

local function why_away(props)
  local connection = props["runtime.connectionState"]
  if connection ~= "connected" then return "is " .. (connection or "not readable") end
  if props["runtime.inMaintenanceMode"] == true then return "is in maintenance mode" end
end

--- The hosts of the record's cluster that are out of service and not held by this run, as "NAME STATE" texts; empty
-- if the host itself is already out of service.
local function others_away(vc, record, ours)
  local refs = failure.check(record.cluster.ref:get { "host" }).host or {}
  local list = {}
  if #refs < 2 then return list end
  for _, object in ipairs(failure.check(vc:collect_all { objects = refs, type = "HostSystem", paths = paths })) do
    local why = why_away(object)
    if why and object.ref == record.ref then return {} end
    if why and not ours[object.ref] then list[#list + 1] = object.name .. " " .. why end
  end
  table.sort(list)
  return list
end

local function count(set)
  local n = 0
  for _ in pairs(set) do n = n + 1 end
  return n
end

--- Takes one of the cluster's slots for the target: true and a function that releases it; or nil, message, "EDEFERRED"
-- if too many hosts of its cluster stay out of service. `ours`: the set of hosts (by reference) that this run holds,
-- one set per cluster. `note` is called with a text if it has to wait.
function claim.take(vc, target, ours, note)
  local record, roll = target.record, target.scope.options.roll
  local function give_back() ours[record.ref] = nil end
  local within = units.duration(roll.claim_within)
  local deadline, said = loop.now() + within, nil
  while true do
    local others = others_away(vc, record, ours)
    -- nothing yields between this check and the entry, so two fibers cannot take the same slot
    if #others + count(ours) < roll.away or #others == 0 then
      ours[record.ref] = true
      return true, give_back
    end
    local text = ("%s, and unavailable = '%s'"):format(table.concat(others, ", "), roll.unavailable)
    local left = deadline - loop.now()
    if left <= 0 then
      return nil, ("deferred and not changed: in %s, %s; waited %s for a free slot"):format(record.cluster.name, text,
        units.span(within)), "EDEFERRED"
    end
    if said ~= text then
      said = text
      note(("waiting for a free slot in %s: %s"):format(record.cluster.name, text))
    end
    loop.sleep(math.min(left, claim.PAUSE))
  end
end

return claim
