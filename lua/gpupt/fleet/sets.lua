--- Which cards of a host belong together: function groups and boards.
--
--   sets.of(record, "group")   cards that depend on one another (dependentDevice): a reset hits all of them
--   sets.of(record, "board")   cards of one board: an A16 is four GPUs, an HGX board all GPUs and NVSwitches
--     --> { { cards = {...}, switches = {...}, name = "A16", unsure = "why" } ... }, each card in one set, by address
--
--     --> { { cards = {...}, switches = {...}, name = "A16", unsure = "why" } ... }, each card in one set
-- must be accepted. `unsure`: why the cards of the set are not known.
local boards = require "gpupt.facts.boards"
local pci = require "gpupt.pci"

local sets = {}

local function by_address(a, b) return a.address < b.address end

-- Sets from a function that gives the key of a card.
local function grouped(cards, key_of)
  local list, by_key = {}, {}
  for _, card in ipairs(cards) do
    local key = key_of(card) or card
    local set = by_key[key]
    if not set then
      set = { cards = {}, switches = {} }
      by_key[key], list[#list + 1] = set, set
    end
    table.insert(set.cards, card)
  end
  return list
end

--- The device at the end of a chain of dependencies: a function of the card, or the bridge above it.
function sets.root(record, card)
  local device, seen = card, {}
  while device.dependent and device.dependent ~= device.address and not seen[device] do
    seen[device] = true
    local other = record.devices[device.dependent]
    if not other then return device.dependent end
    device = other
  end
  return device.address
end

local function groups_of(record)
  return grouped(record.cards, function(card) return sets.root(record, card) end)
end

-- The bridges above a device, the nearest first.
function sets.bridges(record, device)
  local list, seen = {}, {}
  local at = device.parent
  while at and not seen[at] do
    seen[at] = true
    list[#list + 1] = at
    at = record.devices[at] and record.devices[at].parent
  end
  return list
end

-- Cards of one model that share the bridge `up` steps above them.
local function behind(record, cards, up)
  return grouped(cards, function(card) return sets.bridges(record, card)[up] end)
end

-- The GPUs of cards of one model: those behind the nearest common bridge, as many as such a card has.
local function split_cards(record, cards, board)
  for up = 1, 8 do
    local list, right = behind(record, cards, up), true
    for _, set in ipairs(list) do right = right and #set.cards == board.gpus end
    if right then return list end
  end
  local slots = grouped(cards, function(card) return card.slot_name end)
  local right = true
  for _, set in ipairs(slots) do right = right and #set.cards == board.gpus end
  if right then return slots end
  local list = grouped(cards, function(card) return card end)
  for _, set in ipairs(list) do
    set.unsure = ("it is one of %d GPUs of an %s, and the host does not show which are on one board"):format(board.gpus,
      board.name)
  end
  return list
end

local function nvswitches(record)
  local list = {}
  for _, device in pairs(record.devices) do if pci.switch_of(device) then list[#list + 1] = device end end
  table.sort(list, by_address)
  return list
end

local function boards_of(record)
  local single, by_board, order = {}, {}, {}
  for _, card in ipairs(record.cards) do
    local board = boards.of(card)
    if not board then
      single[#single + 1] = { cards = { card }, switches = {} }
    else
      if not by_board[board] then
        by_board[board], order[#order + 1] = {}, board
      end
      table.insert(by_board[board], card)
    end
  end
  local list = single
  for _, board in ipairs(order) do
    local cards = by_board[board]
    local some = board.kind == "card" and split_cards(record, cards, board) or { { cards = cards, switches = {} } }
    for _, set in ipairs(some) do
      set.name = board.name
      if board.fabric then set.switches = nvswitches(record) end
      if #set.switches > 0 or board.fabric == "always" then set.accept = "nvswitch-passthrough" end
      list[#list + 1] = set
    end
  end
  table.sort(list, function(a, b) return by_address(a.cards[1], b.cards[1]) end)
  return list
end

local makers = { group = groups_of, board = boards_of }

--- The sets of a host, of kind "group" or "board".
function sets.of(record, kind) return makers[kind](record) end

--- "3b:00.0 3c:00.0"
function sets.addresses(list)
  local words = {}
  for i, device in ipairs(list) do words[i] = (device.address:gsub("^0000:", "")) end
  return table.concat(words, " ")
end

return sets
