--- Lines that tell of trouble with a card and that no entry of the catalogue knows: shown, never taken for health.
-- Lines that differ in figures only are one. Bounded, since a log may be of any size.
local harmless = require "gpupt.vmlog.harmless"
local core = require "gpupt.core".vmlog

local MOST, MOST_TEXT = 200, 500

local Unclear = {}
Unclear.__index = Unclear

local function shape_of(text)
  return core.prefix(text).message:gsub("%x*%d%x*", "#"):sub(1, 160)
end

--- `only_address`: nothing but the address makes the line one of a card.
function Unclear:add(text, number, word, address, only_address)
  if harmless(text) then return end
  local key = word .. "\0" .. shape_of(text)
  local known = self.by_shape[key]
  if known then
    known.count, known.last_line = known.count + 1, number
    return
  end
  if #self.list == MOST then
    self.dropped = self.dropped + 1
    return
  end
  local one = { line = number, last_line = number, count = 1, text = text:sub(1, MOST_TEXT), word = word,
    address = address or nil, only_address = only_address or nil }
  self.by_shape[key] = one
  self.list[#self.list + 1] = one
end

--- What is left once the findings are known: lines that a finding covers are understood, and an address alone counts
-- when it is one of a card that the log names, or the log names none.
function Unclear:result(covered, cards, file)
  local list = {}
  for _, one in ipairs(self.list) do
    local foreign = one.only_address and next(cards) ~= nil and not cards[one.address:lower()]
    if not covered[one.line] and not foreign then
      list[#list + 1] = { line = one.line, last_line = one.last_line, count = one.count, text = one.text,
        word = one.word,
        address = one.address, file = file }
    end
  end
  return list
end

return function() return setmetatable({ list = {}, by_shape = {}, dropped = 0 }, Unclear) end
