--- The targets of a plan, those with equal changes together: 40 hosts that get the same are one entry of the text.
-- A change that names what differs between equal targets (the host of a new VM, the addresses of its cards) has `same`,
-- its text without that.
local host_line = require "gpupt.playbook.host_line"
local ranges = require "gpupt.ranges"

local groups = {}

-- What makes two targets equal. `rolled`: hosts are equal whatever VMs their roll moves and shuts down.
local function key_of(entry, rolled)
  local words = { entry.target.kind, tostring(entry.target.scope) }
  for _, step in ipairs(entry.steps) do
    for _, change in ipairs(step.changes) do
      local text = rolled and change.roll and host_line.key(change.roll) or change.same or change.what
      if text ~= "" then
        words[#words + 1] = table.concat({ step.instance.name, step.instance.source, change.sign or "~", text,
          not (rolled and change.roll) and change.allow or "" }, "\1")
      end
    end
  end
  return table.concat(words, "\0")
end

-- The changes of the first target, with its step and line.
local function changes_of(entry)
  local list = {}
  for _, step in ipairs(entry.steps) do
    for _, change in ipairs(step.changes) do
      list[#list + 1] = { step = step.instance.name, source = step.instance.source, sign = change.sign or "~",
        what = change.what, same = change.same, allow = change.allow, verb = change.verb, settings = change.settings,
        roll = change.roll }
    end
  end
  return list
end

-- Where the VMs of a group are: "4 each on esx-[01-10]", "3 on esx-1; 1 on esx-2"; nil for one VM.
local function place_of(group)
  if #group.names < 2 or not next(group.hosts) then return nil end
  local by_count, counts = {}, {}
  for name, count in pairs(group.hosts) do
    if not by_count[count] then
      by_count[count] = {}
      counts[#counts + 1] = count
    end
    table.insert(by_count[count], name)
  end
  table.sort(counts, function(a, b) return a > b end)
  local words = {}
  for i, count in ipairs(counts) do
    local many = #by_count[count] > 1
    words[i] = ("%d %son %s"):format(count, many and "each " or "", ranges.text(by_count[count]))
  end
  return table.concat(words, "; ")
end

-- Keeps the changes of one host's roll for the line of its group.
local function add_rolled(group, entry)
  for _, step in ipairs(entry.steps) do
    for _, change in ipairs(step.changes) do
      if change.roll then
        local id = step.instance.name .. step.instance.source
        group.rolled[id] = group.rolled[id] or {}
        table.insert(group.rolled[id], { host = entry.target.name, roll = change.roll })
      end
    end
  end
end

--- A list of { kind, names, label = "esx-[01-40]", changes, place = of several VMs: where they are, in words }.
-- `rolled`: the changes of a host's roll are one, whose text names the VMs of all hosts of the group.
function groups.of(entries, rolled)
  local list, by_key = {}, {}
  for _, entry in ipairs(entries) do
    local changes = changes_of(entry)
    if #changes > 0 then
      local key = key_of(entry, rolled)
      local group = by_key[key]
      if not group then
        group = { kind = entry.target.kind, names = {}, changes = changes, hosts = {}, rolled = {} }
        by_key[key], list[#list + 1] = group, group
      end
      if rolled then add_rolled(group, entry) end
      group.names[#group.names + 1] = entry.target.name
      local host = entry.target.host
      if host then group.hosts[host.name] = (group.hosts[host.name] or 0) + 1 end
    end
  end
  for _, group in ipairs(list) do
    group.label, group.place = ranges.text(group.names, 8), place_of(group)
    if rolled then group.changes = host_line.joined(group) end
    group.hosts, group.rolled = nil, nil
    for _, change in ipairs(group.changes) do
      if #group.names > 1 and change.same then change.what = change.same end
      change.same, change.roll = nil, nil
    end
  end
  return list
end

return groups
