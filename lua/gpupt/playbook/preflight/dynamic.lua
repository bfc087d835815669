--- Dynamic backings: what an operator has to know of the cards that the server will choose among.
-- A card without the label that is asked for is never given to them, so one that was forgotten is named. And the server
-- does not look at powered-off VMs: it may give a card that such a VM has in its configuration as a fixed backing.
local hosts = require "gpupt.fleet.host"
local ranges = require "gpupt.ranges"
local selector = require "gpupt.fleet.selector"

-- What the VMs of one p.gpus ask a cluster for: { node =, source =, hosts =, name = }.
local function asked(needs)
  local list, seen = {}, {}
  for _, need in ipairs(needs) do
    local target = need.target
    local node = need.instance.name == "gpu.attach" and target.dynamic and target.wanted
    local record = node and target.host
    local place = record and (record.cluster and record.cluster.drs ~= "off" and record.cluster or record)
    if place and not (seen[node] and seen[node][place]) then
      seen[node] = seen[node] or {}
      seen[node][place] = true
      list[#list + 1] = { node = node, source = need.instance.source, hosts = place.hosts or { record },
        name = place.name }
    end
  end
  return list
end

local function label_gaps(one, found)
  local without, names, all = 0, {}, 0
  for _, record in ipairs(one.hosts) do
    for _, card in ipairs(record.cards) do
      if selector.matches(one.node, card, true) then
        all = all + 1
        if not selector.matches(one.node, card) then
          without, names[#names + 1] = without + 1, record.name
        end
      end
    end
  end
  if without == 0 then return end
  found:remark { source = one.source, text = ("%d of %d cards of %s in %s do not have this label, and are not used "
    .. "(%s)"):format(without, all, selector.describe(one.node), one.name, ranges.text(names)) }
end

local function cards_of_others(plan, one, found)
  local words = {}
  for _, record in ipairs(one.hosts) do
    for _, card in ipairs(record.cards) do
      local owner = selector.matches(one.node, card) and card.active and plan.fleet:owners(card)[1]
      if owner and owner.power ~= "poweredOn" and not owner.stale then
        words[#words + 1] = ("%s %s of %s"):format(record.name, hosts.short(card.address), owner.name)
      end
    end
  end
  if #words == 0 then return end
  local some = table.concat(words, ", ", 1, math.min(#words, 3))
  found:remark { source = one.source, text = ("the server may give these VMs cards that powered-off VMs have as fixed "
    .. "backings, and those cannot start then: %s%s. To prevent it, give the cards for dynamic backings a label")
    :format(some, #words > 3 and (" and %d more"):format(#words - 3) or "") }
end

return function(plan, needs, found)
  if not plan.pool then return end
  for _, one in ipairs(asked(needs)) do
    if one.node.options.label and selector.names_more(one.node) then label_gaps(one, found) end
    cards_of_others(plan, one, found)
  end
end
