--- One line for what a roll does to a host, or to a group of equal ones:
--   enable 3b:00.0 5e:00.0 -> reboot; vMotion of 6 VMs; W11-OLD7 shut down (has a card, no session)
-- The changes of a step stay what they are (Plan:changes, --json); each says in `roll` what it adds to the line:
--   { part = "set", set = "enable 3b:00.0 5e:00.0" }
--   { part = "reboot", set = "3b:00.0 enabled, NOT active", vms = { those that DRS moves } }
--   { part = "rebind", set = as above, text = "activate without a reboot" }
--   { part = "move", vms = { those that gpupt moves }, drs = "manual" }
--   { part = "stop", vms = { those that are shut down }, why = { of each } }
--   { part = "sessions" }                        what `why` says already
local ranges = require "gpupt.ranges"
local units = require "gpupt.units"

local host_line = {}

-- VMs that are named; more are counted, and `gpupt plan --json` and the end of the plan name them.
local MOST_NAMES = 3

--- What has to be equal in one line; empty for what only names VMs.
function host_line.key(roll)
  if roll.part == "set" or roll.part == "reboot" or roll.part == "rebind" then
    return ("%s %s %s"):format(roll.part, roll.set or "", roll.text or "")
  end
  return ""
end

-- The VMs of a part, on all hosts of the group.
local function collected(list, part)
  local names = {}
  for _, one in ipairs(list) do
    for _, name in ipairs(one.roll.part == part and one.roll.vms or {}) do
      names[#names + 1] = { name = name, host = one.host, why = one.roll.why and one.roll.why[name] }
    end
  end
  return names
end

-- nil if there are none; `drs`: how DRS treats them, where gpupt moves them itself.
local function vmotion(list, drs)
  if #list == 0 then return nil end
  local words = {}
  for i, one in ipairs(list) do words[i] = one.name end
  return ("vMotion of %s%s"):format(#list > MOST_NAMES and units.count(#list, "VM") or ranges.text(words),
    drs and (" (DRS: %s)"):format(drs) or "")
end

-- "W11-OLD7 (esx-07) shut down (has a card, no session)": by reason; with its host where there are several.
local function stopped(list, several)
  local reasons, by_reason = {}, {}
  for _, one in ipairs(list) do
    local why = one.why or ""
    if not by_reason[why] then
      by_reason[why] = {}
      reasons[#reasons + 1] = why
    end
    table.insert(by_reason[why], one)
  end
  table.sort(reasons)
  local parts = {}
  for i, why in ipairs(reasons) do
    local some, words = by_reason[why], {}
    for k, one in ipairs(some) do
      words[k] = several and #some <= MOST_NAMES and ("%s on %s"):format(one.name, one.host) or one.name
    end
    parts[i] = ("%s shut down (%s)"):format(#some > MOST_NAMES and ranges.text(words, 8)
      or table.concat(words, ", "), why)
  end
  return parts
end

local function text_of(list, several)
  local sets, seen, verb, drs = {}, {}, nil, nil
  for _, one in ipairs(list) do
    local roll = one.roll
    if roll.set and not seen[roll.set] then
      seen[roll.set], sets[#sets + 1] = true, roll.set
    end
    if roll.part == "reboot" then verb = "reboot" elseif roll.part == "rebind" then verb = roll.text end
    drs = drs or roll.drs
  end
  local parts = { table.concat(sets, ", ") .. (verb and " -> " .. verb or "") }
  parts[#parts + 1] = vmotion(collected(list, "reboot"))
  parts[#parts + 1] = vmotion(collected(list, "move"), drs)
  local ends = stopped(collected(list, "stop"), several)
  table.move(ends, 1, #ends, #parts + 1, parts)
  return table.concat(parts, "; ")
end

--- The changes of a group, those of each step's roll as one with all their settings.
function host_line.joined(group)
  local list, of_step = {}, {}
  for _, change in ipairs(group.changes) do
    local id = change.step .. change.source
    local one = change.roll and of_step[id]
    if not change.roll then
      list[#list + 1] = change
    elseif not one then
      one = { step = change.step, source = change.source, sign = "~", verb = "roll",
        settings = change.settings and table.move(change.settings, 1, #change.settings, 1, {}),
        what = text_of(group.rolled[id], #group.names > 1) }
      of_step[id], list[#list + 1] = one, one
    elseif change.settings then
      one.settings = one.settings or {}
      table.move(change.settings, 1, #change.settings, #one.settings + 1, one.settings)
    end
  end
  return list
end

return host_line
