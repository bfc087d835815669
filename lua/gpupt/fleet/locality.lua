--- Which of the free cards of a host a VM gets: cards that are near each other, and that leave others near each other.
-- Cards are nearest if they are one set, then behind one PCIe switch, then on one NUMA node, then in one host. Where
-- cards of one node suffice, a VM gets no others; of several such nodes it gets the one with the fewest free cards, so
-- that the larger ones stay whole. A host says of each NUMA node which PCI devices are on it (HostNumaNode.pciId).
local sets = require "gpupt.fleet.sets"

local locality = {}

--- The NUMA node of a device, or nil: its own, or that of a bridge above it.
function locality.node(card)
  if card.numa then return card.numa end
  local record = card.host
  for _, address in ipairs(sets.bridges(record, card)) do
    local bridge = record.devices[address]
    if bridge and bridge.numa then return bridge.numa end
  end
end

-- From the loosest to the tightest: keys of cards that are near each other.
local levels = {
  function(card) return locality.node(card) end,
  function(card)
    local bridges = sets.bridges(card.host, card)
    return bridges[#bridges > 2 and #bridges - 1 or #bridges] -- below the root port: the switch, if there is one
  end,
  function(card)
    local bridges = sets.bridges(card.host, card)
    return bridges[2] or bridges[1] -- the switch on the board
  end,
  function(card) return sets.root(card.host, card) end,
}

local function grouped(cards, key_of)
  local list, by_key = {}, {}
  for _, card in ipairs(cards) do
    local key = key_of(card)
    if key == nil then key = false end
    local group = by_key[key]
    if not group then
      group = { key = key }
      by_key[key], list[#list + 1] = group, group
    end
    group[#group + 1] = card
  end
  return list
end

-- The smallest group with `count` cards, or that of the cards in `near`; else nil.
local function fitting(groups, count, near)
  local best
  for _, group in ipairs(groups) do
    if #group >= count then
      local wanted, best_wanted = near[group.key] or 0, best and near[best.key] or 0
      if not best or wanted > best_wanted or wanted == best_wanted and #group < #best then best = group end
    end
  end
  return best
end

local function keys_of(cards, key_of)
  local keys = {}
  for _, card in ipairs(cards) do
    local key = key_of(card)
    if key == nil then key = false end
    keys[key] = (keys[key] or 0) + 1
  end
  return keys
end

local function pick(cards, count, near, level, into)
  local key_of = levels[level]
  if not key_of or #cards == count then
    table.move(cards, 1, count, #into + 1, into)
    return into
  end
  local groups = grouped(cards, key_of)
  local group = fitting(groups, count, keys_of(near, key_of))
  if group then return pick(group, count, near, level + 1, into) end
  -- no group suffices: whole groups, the largest first
  for i, one in ipairs(groups) do one.index = i end
  table.sort(groups, function(a, b)
    if #a ~= #b then return #a > #b end
    return a.index < b.index
  end)
  local left = {}
  for _, one in ipairs(groups) do
    if count >= #one then
      table.move(one, 1, #one, #into + 1, into)
      count = count - #one
    else
      left[#left + 1] = one
    end
  end
  if count == 0 then return into end
  return pick(fitting(left, count, {}), count, near, level + 1, into)
end

--- `count` of these cards (in the order of their addresses), near each other and near the cards that the VM has.
function locality.pick(cards, count, own)
  local list = pick(cards, count, own or {}, 1, {})
  table.sort(list, function(a, b) return a.address < b.address end)
  return list
end

-- The NUMA nodes of cards, ascending, and whether that of each is known.
local function nodes_of(cards)
  local list, seen, known = {}, {}, true
  for _, card in ipairs(cards) do
    local node = locality.node(card)
    known = known and node ~= nil
    if node and not seen[node] then
      seen[node] = true
      list[#list + 1] = node
    end
  end
  table.sort(list)
  return list, known
end

--- Whether some NUMA node of a host has `count` of these cards.
function locality.fits(cards, count)
  for _, group in ipairs(grouped(cards, levels[1])) do if #group >= count then return true end end
  return false
end

--- What a plan notes about the cards of one VM; nil if they are on one NUMA node.
function locality.note(record, cards)
  if #cards < 2 or (record.numa_nodes or 0) < 2 then return nil end
  local nodes, known = nodes_of(cards)
  if not known then
    return ("unverified: %s does not say on which NUMA nodes %s are"):format(record.name, sets.addresses(cards))
  end
  if #nodes > 1 then
    return ("its cards %s are on NUMA nodes %s of %s: no node has %d of them free"):format(sets.addresses(cards),
      table.concat(nodes, " and "), record.name, #cards)
  end
end

return locality
