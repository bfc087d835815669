--- What a plan notes about the cards that a VM gets: sets that are split, cards that are far from each other, boards
-- that the vendor does not support.
local boards = require "gpupt.facts.boards"
local locality = require "gpupt.fleet.locality"
local pools = require "gpupt.fleet.pool"
local sets = require "gpupt.fleet.sets"

-- A set of which a VM gets only a part.
local function split_note(record, set, kind, mine)
  local got, left = {}, {}
  for _, card in ipairs(set.cards) do table.insert(mine[card] and got or left, card) end
  if #got == 0 or #left == 0 then return nil end
  local one = #got == 1
  if kind == "group" then
    return ("%s %s a function group with %s, which %s does not get: a reset of one resets all"):format(
      sets.addresses(got), one and "is in" or "are in", sets.addresses(left), "this VM")
  end
  return ("%s %s %d of the %d GPUs of an %s of %s: the board is split"):format(sets.addresses(got),
    one and "is" or "are", #got, #set.cards, set.name, record.name)
end

-- The notes, as a list of texts.
return function(pool, record, cards)
  local list, mine = {}, {}
  for _, card in ipairs(cards) do mine[card] = true end
  for _, kind in ipairs { "group", "board" } do
    for _, set in ipairs(pools.sets_of(pool, record, kind)) do
      if #set.cards > 1 then list[#list + 1] = split_note(record, set, kind, mine) end
    end
  end
  for _, set in ipairs(pools.sets_of(pool, record, "board")) do
    if set.accept and mine[set.cards[1]] then
      list[#list + 1] = ("unsupported: %s"):format(boards.NVSWITCH)
    end
  end
  list[#list + 1] = locality.note(record, cards)
  return list
end
