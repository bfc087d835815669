--- Guest ids that the hosts do not offer for new VMs: one QueryConfigOptionEx for each cluster and hardware version.
-- The server filters its list by the ids; the whole list, which is long, is read only to name what is near.
local nearest = require "gpupt.nearest"

local function groups_of(needs)
  local list, by_key = {}, {}
  for _, need in ipairs(needs) do
    local guest, record = need.requires.guest, need.target.host
    local browser = record and record.cluster and record.cluster.browser
    if guest and browser then
      local key = tostring(browser) .. "\0" .. (guest.version or "")
      local group = by_key[key]
      if not group then
        group = { browser = browser, version = guest.version, cluster = record.cluster.name, ids = {}, order = {} }
        by_key[key], list[#list + 1] = group, group
      end
      if not group.ids[guest.id] then group.ids[guest.id], group.order[#group.order + 1] = {}, guest.id end
      table.insert(group.ids[guest.id], need)
    end
  end
  return list
end

local function ask(plan, group, ids)
  return plan.vc:call(group.browser, "QueryConfigOptionEx", { spec = { key = group.version, guestId = ids } })
end

local function ids_of(option)
  local set, list = {}, {}
  for _, descriptor in ipairs(type(option) == "table" and option.guestOSDescriptor or {}) do
    set[descriptor.id], list[#list + 1] = true, descriptor.id
  end
  table.sort(list)
  return set, list
end

return function(plan, needs, found)
  for _, group in ipairs(groups_of(needs)) do
    local option, message, code = ask(plan, group, group.order)
    local set = ids_of(option)
    local unknown, all = {}, nil
    for _, id in ipairs(group.order) do if not set[id] then unknown[#unknown + 1] = id end end
    if option and #unknown > 0 then
      local _, names = ids_of(ask(plan, group, nil))
      all = names
    end
    for _, id in ipairs(unknown) do
      for _, need in ipairs(group.ids[id]) do
        local one = { source = need.instance.source, target = need.target.name, code = "EGUESTID" }
        if option then
          one.text = ("%s: guest = '%s' is not offered by %s for %s%s"):format(need.instance.name, id, group.cluster,
            group.version and "hardware version " .. group.version or "its default hardware version",
            nearest.hint(id, all))
          found:problem(one)
        elseif option == nil then
          one.text = ("%s: guest = '%s'"):format(need.instance.name, id)
          if code == "NoPermission" then
            one.needs, one.on = "System.View", group.cluster
            found:cannot(one)
          else
            one.why = message or "the server lists no guests"
            found:open(one)
          end
        end
      end
    end
  end
end
