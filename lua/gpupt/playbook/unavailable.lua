--- unavailable: how many hosts of a group may be out of service at once. A group is a cluster, or what `per` says: the
-- hosts whose custom attribute of that name has the same value, or that have the same tag of the category of that name
-- (per = "tag:rack" for tags only), those of one inventory folder (per = "folder"), or those for which a function gives
-- the same text. A host is in one group for each limit, and needs a slot in each.
--
--   unavailable = "2/cluster"        unavailable = "10%/cluster"        unavailable = { "2/cluster", "1/rack" }
--
-- Where two scopes limit the same group, the lower limit holds for both.
local check = require "gpupt.failure".check
local source = require "gpupt.source"
local tags = require "gpupt.vim.tags"
local units = require "gpupt.units"
local view = require "gpupt.playbook.view"

---@class gpupt.Group              hosts with a common limit
---@field key string               the same for the same hosts in every run: "domain-c8", "rack=r1"
---@field name string              for people: "gpu-a", "rack r1"
---@field most integer             how many of its hosts may be out of service at once
---@field text string              the limit as the playbook has it: "2/cluster"
---@field cluster userdata?        the reference, if the group is a cluster
---@field refs userdata[]?         its hosts, if it is none

local unavailable = {}

local FORM = "'%s' is not N/cluster, such as 2/cluster or 10%%/cluster"

-- The word of `per` in limits: "rack" of "tag:rack".
local function word_of(per)
  return type(per) == "string" and (per:match "^tag:(.+)$" or per) or nil
end

local function one_limit(text, per)
  local number, percent, unit = text:match "^(%d+%.?%d*)(%%?)/?(.*)$"
  if not number or (text:find("/", 1, true) and unit == "") then return nil, FORM:format(text) end
  local value = tonumber(number)
  if percent == "" and not math.tointeger(value) or value <= 0 or percent ~= "" and value > 100 then
    return nil, FORM:format(text)
  end
  if unit == "" and not per then return nil, FORM:format(text) end
  if unit == "" then unit = word_of(per) or "group" end
  if unit ~= "cluster" and not per then
    return nil, ("'%s': what is a %s? Set per = '%s' (a custom attribute or tag category of the hosts), or per = a "
      .. "function of the host"):format(text, unit, unit)
  end
  if unit ~= "cluster" and type(per) == "string" and unit ~= word_of(per) then
    return nil, ("'%s' does not fit per = '%s'"):format(text, per)
  end
  return { value = percent == "" and math.tointeger(value) or value, percent = percent ~= "", unit = unit, text = text }
end

--- The limits of a roll: a list of { value, percent, unit, text }; nil, message.
function unavailable.limits(roll)
  local list, seen, given = {}, {}, roll.unavailable
  for i, text in ipairs(type(given) == "table" and given or { given }) do
    if type(text) ~= "string" then
      return nil, ("unavailable: entry %d is a %s, not a text such as 2/cluster"):format(i, type(text))
    end
    local limit, message = one_limit(text, roll.per)
    if not limit then return nil, "unavailable = " .. message end
    if seen[limit.unit] then return nil, ("unavailable limits the %s twice"):format(limit.unit) end
    seen[limit.unit], list[#list + 1] = true, limit
  end
  if #list == 0 then return nil, "unavailable is an empty list: give a limit such as 1/cluster" end
  local limited = seen[word_of(roll.per) or ""]
    or type(roll.per) == "function" and (#list > 1 or not seen.cluster)
  if roll.per and not limited then
    return nil, ("per = %s, and unavailable = %s limits none of them: write for example 1/%s"):format(
      type(roll.per) == "string" and "'" .. roll.per .. "'" or "a function", unavailable.text(roll),
      word_of(roll.per) or "rack")
  end
  return list
end

--- The limits as the playbook has them, for people: "'2/cluster', '1/rack'".
function unavailable.text(roll)
  local given, words = roll.unavailable, {}
  for i, text in ipairs(type(given) == "table" and given or { given }) do words[i] = "'" .. text .. "'" end
  return table.concat(words, ", ")
end

local function most_of(limit, count)
  if not limit.percent then return limit.value end
  return math.max(1, math.floor(limit.value / 100 * count + 1e-9))
end

-- The value of a custom attribute, by host; reads it of all hosts of the inventory at once. false if there is none.
local function attribute(fleet, name, hosts)
  local key
  local manager = fleet.vc.content.customFieldsManager
  for _, field in ipairs(manager and check(manager:get { "field" }).field or {}) do
    if field.name == name and (not field.managedObjectType or field.managedObjectType == "HostSystem") then
      key = field.key
    end
  end
  if not key then return false end
  local values = {}
  for object in fleet.vc:collect { objects = hosts, type = "HostSystem", paths = { "customValue" } } do
    for _, one in ipairs(object.customValue or {}) do
      if one.key == key and one.value and one.value ~= "" then values[object.ref] = one.value end
    end
  end
  return function(ref) return values[ref], ("has no value of the custom attribute '%s'"):format(name) end
end

-- The tag of a category, by host. nil, message if tags cannot be read: nothing is guessed then.
local function tag(fleet, category, hosts)
  local found, message = tags.of(fleet.vc, category, hosts)
  if not found then return nil, message end
  return function(ref)
    local names = found[ref]
    if names and #names > 1 then
      return nil, ("has %d tags of the category '%s' (%s), and must have one"):format(#names, category,
        table.concat(names, ", "))
    end
    return names and names[1], ("has no tag of the category '%s'"):format(category)
  end
end

local NEITHER = "per = '%s': hosts have no custom attribute of this name, and tags are no help: %s. Define one of them "
  .. "in vCenter, or give a function: per = function(host) return host.name:match '^(r%%d+)-' end"

-- A custom attribute, or else a tag category.
local function named(fleet, per, hosts)
  local category = per:match "^tag:(.+)$"
  local name_of = not category and attribute(fleet, per, hosts)
  if name_of then return name_of end
  local message
  name_of, message = tag(fleet, category or per, hosts)
  if name_of then return name_of end
  return nil, category and ("per = '%s': %s"):format(per, message) or NEITHER:format(per, message)
end

local function folder(fleet)
  return function(ref)
    local parent = fleet:object(ref).parent
    local above = parent and fleet:object(parent)
    -- the folder of a host is the one that contains its cluster
    return above and above.parent and fleet:path(above.parent), "is in no folder that can be read"
  end
end

-- Of all hosts of the inventory, not only those that were read.
local per_fields = { "kind", "name", "cluster", "ref" }

local function by_function(fleet, fn)
  return function(ref)
    local object = fleet:object(ref)
    local parent = object.parent and fleet:object(object.parent)
    local ok, value = pcall(fn, view.strict("host", { name = object.name, cluster = parent and parent.name, ref = ref,
      kind = "host" }, per_fields))
    if not ok then return nil, ("cannot be assigned: the function of 'per' failed: %s"):format(
      source.whole(tostring(value)))
    end
    if type(value) ~= "string" or value == "" then
      return nil, ("cannot be assigned: the function of 'per' returned %s, not a text"):format(
        value == nil and "nothing" or type(value) == "string" and "an empty text" or "a " .. type(value))
    end
    return value
  end
end

-- name_of(ref) -> the group's name, or nil, why; nil, message.
local function naming(fleet, per, hosts)
  if type(per) == "function" then return by_function(fleet, per) end
  if per == "folder" then return folder(fleet) end
  return named(fleet, per, hosts)
end

-- The hosts of the inventory by group, read once for each `per`: { name_of =, members = { name -> refs } }; nil,
-- message.
local function sorted_hosts(fleet, per, kept)
  if kept[per] then return kept[per] end
  local hosts = {}
  for ref in pairs(fleet:whole().values) do if ref.type == "HostSystem" then hosts[#hosts + 1] = ref end end
  table.sort(hosts, function(a, b) return a.value < b.value end)
  local name_of, message = naming(fleet, per, hosts)
  if not name_of then return nil, message end
  local members = {}
  for _, ref in ipairs(hosts) do
    local name = name_of(ref)
    if name then
      members[name] = members[name] or {}
      table.insert(members[name], ref)
    end
  end
  kept[per] = { name_of = name_of, members = members }
  return kept[per]
end

-- The group of a host by a limit that is not per cluster; nil, message.
local function other_group(fleet, target, limit, kept)
  local sorted, message = sorted_hosts(fleet, target.scope.options.roll.per, kept)
  if not sorted then return nil, message end
  local name, why = sorted.name_of(target.ref)
  if not name then return nil, ("%s %s"):format(target.name, why) end
  return { key = limit.unit .. "=" .. name, name = limit.unit .. " " .. name, refs = sorted.members[name],
    most = most_of(limit, #sorted.members[name]), text = limit.text }
end

local function cluster_group(target, limit)
  local cluster = target.record.cluster
  return { key = cluster.ref.value, name = cluster.name, cluster = cluster.ref, text = limit.text,
    most = most_of(limit, #cluster.host_refs) }
end

--- Gives each host target its `groups`. problem(target, message) is called for those that are in none.
function unavailable.assign(fleet, targets, problem)
  local groups, kept = {}, {}
  for _, target in ipairs(targets) do
    target.groups = {}
    for _, limit in ipairs(target.scope.options.roll.limits) do
      local group, message
      if limit.unit == "cluster" then
        group = cluster_group(target, limit)
      else
        group, message = other_group(fleet, target, limit, kept)
      end
      if group then
        local known = groups[group.key]
        if known and group.most < known.most then known.most, known.text = group.most, group.text end
        groups[group.key] = known or group
        table.insert(target.groups, groups[group.key])
      else
        problem(target, message)
      end
    end
    -- all fibers take the slots in this order, so that no two wait for each other
    table.sort(target.groups, function(a, b) return a.key < b.key end)
  end
end

--- One line for the plan, where the limits are others than one host per cluster; or nil.
function unavailable.line(targets)
  local words, seen, plain = {}, {}, true
  for _, target in ipairs(targets) do
    for _, group in ipairs(target.groups or {}) do
      if not seen[group] then
        seen[group] = true
        plain = plain and group.text == "1/cluster"
        local count = group.refs and #group.refs or #target.record.cluster.host_refs
        words[#words + 1] = ("%d of %s of %s"):format(math.min(group.most, count), units.count(count, "host"),
          group.name)
      end
    end
  end
  if plain then return nil end
  return "out of service at once, at most: " .. table.concat(words, ", ")
end

return unavailable
