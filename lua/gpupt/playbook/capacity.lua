--- The cards of each cluster before and after a plan: how many are used, how many a VM could get, and what one failed
-- host would leave without a card. A plan reads only the hosts that it needs: of a cluster that was read in part,
-- nothing is said about its spare cards, because the hosts that were not read may have some.
local hosts = require "gpupt.fleet.host"
local ranges = require "gpupt.ranges"
local units = require "gpupt.units"

local capacity = {}

local function usable(record) return not (record.skipped and not record.ours) and not hosts.unavailable(record) end

-- Whether a card is used and whether it is free, before and after.
local function states(plan, card, record)
  -- a dynamic backing without a card yet has a seat: a free card that stands for the one that it will get
  local seat = plan.pool and plan.pool.seats:on(card)
  local held = #plan.fleet:owners(card) > 0 or seat ~= nil and plan.fleet.claims[seat.ref] ~= nil
  local ready = card.capable and not card.vgpu and usable(record)
  local taken = plan.pool and (plan.pool.taken[card] ~= nil or seat ~= nil)
  return held or card.vgpu ~= nil, ready and not held and card.enabled and card.active,
    held or taken or card.vgpu ~= nil, ready and not held and not taken and plan.fleet:will_be_active(card)
end

local function add(to, field, yes) if yes then to[field] = to[field] + 1 end end

-- The names of the hosts of the record's cluster that the plan read, and how many there are.
local function extent(record)
  local read, cluster = {}, record.cluster or { hosts = { record }, host_refs = { record.ref } }
  for i, one in ipairs(cluster.hosts) do read[i] = one.name end
  table.sort(read)
  return read, math.max(#read, #cluster.host_refs)
end

local function in_part(one) return #one.hosts_read < one.hosts_total end

--- A list of { cluster, cards, used, free, used_after, free_after, short = cards that the other hosts lack if the host
-- with the most used ones fails, hosts = how many have cards, hosts_read = the names of all that were read,
-- hosts_total } for each cluster of the plan with cards. Only hosts that were read count; short is nil if there are
-- others.
function capacity.of(plan)
  local list, by_cluster = {}, {}
  for _, record in ipairs(plan.fleet.hosts) do
    local name, key = record.cluster and record.cluster.name or record.name, record.cluster or record
    for _, card in ipairs(record.cards) do
      local one = by_cluster[key]
      if not one then
        one = { cluster = name, cards = 0, used = 0, free = 0, used_after = 0, free_after = 0, of_host = {} }
        one.hosts_read, one.hosts_total = extent(record)
        by_cluster[key], list[#list + 1] = one, one
      end
      local host = one.of_host[record] or { used = 0, free = 0 }
      one.of_host[record] = host
      local used, free, used_after, free_after = states(plan, card, record)
      one.cards = one.cards + 1
      add(one, "used", used)
      add(one, "free", free)
      add(one, "used_after", used_after)
      add(one, "free_after", free_after)
      add(host, "used", used_after)
      add(host, "free", free_after)
    end
  end
  for _, one in ipairs(list) do
    one.hosts, one.short = 0, 0
    for _, host in pairs(one.of_host) do
      one.hosts = one.hosts + 1
      one.short = math.max(one.short, host.used - (one.free_after - host.free))
    end
    one.of_host = nil
    if in_part(one) then one.short = nil end
  end
  table.sort(list, function(a, b) return ranges.before(a.cluster, b.cluster) end)
  return list
end

local function text_of(one)
  local read = in_part(one) and (" on %s (%d of %d hosts; no other was read)"):format(ranges.text(one.hosts_read, 8),
    #one.hosts_read, one.hosts_total) or ""
  local text = ("%s%s; used %d -> %d, free %d -> %d"):format(units.count(one.cards, "card"), read, one.used,
    one.used_after, one.free, one.free_after)
  if one.used_after == 0 or not one.short or one.short > 0 then return text end
  return text .. "; enough are free if one host fails"
end

-- "no spare GPU: one host down leaves VMs without 4 GPUs"; nil if the other hosts have enough, or may have.
local function warning_of(one)
  if not one.short or one.short == 0 then return nil end
  return ("%s: one host down leaves VMs without %s"):format(one.free_after == 0 and "no spare GPU"
    or units.count(one.free_after, "spare GPU"), units.count(one.short, "GPU"))
end

-- The texts of the clusters that the plan changes, each once: "PREFIX gpu-[a-b]: each TEXT".
local function collected(plan, text_of_one, form)
  local lines, by_text = {}, {}
  for _, one in ipairs(capacity.of(plan)) do
    local text = (one.used ~= one.used_after or one.free ~= one.free_after) and text_of_one(one)
    if text and not by_text[text] then
      by_text[text] = {}
      lines[#lines + 1] = text
    end
    if text then table.insert(by_text[text], one.cluster) end
  end
  for i, text in ipairs(lines) do
    local names = by_text[text]
    lines[i] = form:format(ranges.text(names), #names > 1 and "each " or "", text)
  end
  return lines
end

--- Lines for the plan, of the clusters that it changes; those with the same figures are one line. Then its warnings.
function capacity.lines(plan)
  local lines, warnings = collected(plan, text_of, "capacity %s: %s%s"), collected(plan, warning_of, "! %s: %s%s")
  return table.move(warnings, 1, #warnings, #lines + 1, lines)
end

return capacity
