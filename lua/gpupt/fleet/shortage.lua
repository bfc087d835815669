--- Why there are not enough cards, in one line: hosts in the same situation are named once, so that 200 hosts are as
-- readable as two.
--
--   shortage.text { { name = "esx-1", cards = { { address = "0000:3b:00.0", why = "held by x (poweredOff)",
--     brief = "held by VMs" } } }, { name = "esx-2", why = "is in standby" } }
--     --> "esx-1: 3b:00.0 held by x (poweredOff); esx-2 is in standby"
--
-- A card without `why` is free. `brief` is the reason without names and numbers: it is used where the hosts differ in
-- details only, and are many.
local ranges = require "gpupt.ranges"

local shortage = {}

-- Situations that a message lists.
local MOST = 6

local function short(address) return (address:gsub("^0000:", "")) end

-- "3b:00.0 held by x (poweredOff), 86:00.0 free"
local function in_full(host)
  if not host.cards then return host.why end
  local words = {}
  for i, card in ipairs(host.cards) do words[i] = short(card.address) .. " " .. (card.why or "free") end
  return table.concat(words, ", ")
end

-- "2 held by VMs, 1 free"
local function counted(host)
  if not host.cards then return host.brief or host.why end
  local counts, order = {}, {}
  for _, card in ipairs(host.cards) do
    local word = card.why and (card.brief or card.why) or "free"
    if not counts[word] then order[#order + 1] = word end
    counts[word] = (counts[word] or 0) + 1
  end
  table.sort(order)
  for i, word in ipairs(order) do order[i] = ("%d %s"):format(counts[word], word) end
  return table.concat(order, ", ")
end

-- Hosts with the same text, in the order of the first of each.
local function grouped(hosts, describe)
  local list, by_text = {}, {}
  for _, host in ipairs(hosts) do
    local text = describe(host)
    local key = (host.cards and ":" or " ") .. text
    local group = by_text[key]
    if not group then
      group = { text = text, cards = host.cards, names = {} }
      by_text[key], list[#list + 1] = group, group
    end
    table.insert(group.names, host.name)
  end
  return list
end

local plural = { is = "are", has = "have", does = "do", mounts = "mount" }

-- "esx-1 is in standby", "esx-[1-4] are in standby", "esx-[1-4]: 3b:00.0 off"
local function line(group)
  local names = ranges.text(group.names)
  if group.cards then return names .. ": " .. group.text end
  local text = group.text
  if #group.names > 1 then text = text:gsub("^%a+", plural) end
  return names .. " " .. text
end

--- The situation of these hosts in one line. Hosts without `cards` and without `why` are left out.
function shortage.text(hosts)
  local list = {}
  for _, host in ipairs(hosts) do if host.why or host.cards then list[#list + 1] = host end end
  local groups = grouped(list, in_full)
  if #groups > MOST then groups = grouped(list, counted) end
  local lines = {}
  for i = 1, math.min(#groups, MOST) do lines[i] = line(groups[i]) end
  if #groups > MOST then
    local left = 0
    for i = MOST + 1, #groups do left = left + #groups[i].names end
    lines[#lines + 1] = left == 1 and "and 1 more host" or ("and %d more hosts"):format(left)
  end
  return table.concat(lines, "; ")
end

return shortage
