-- The rules held against layouts: the BARs of real and random cards placed as a firmware would place them.
local bar = require "gpupt.bar"

local function align(value, to) return (value + to - 1) // to * to end

local function pow2(value)
  local p = 1
  while p < value do p = p << 1 end
  return p
end

--- All BARs in one row by falling size, each on its own boundary: where the last one ends.
local function flat(cards)
  local sizes = {}
  for _, card in ipairs(cards) do
    for _, one in ipairs(card) do sizes[#sizes + 1] = one end
  end
  table.sort(sizes, function(a, b) return a > b end)
  local at = 0
  for _, size in ipairs(sizes) do at = align(at, size) + size end
  return at
end

--- Every card behind a root port, whose window begins on the boundary of the card's largest BAR; ports by falling size.
local function ported(cards)
  local ports = {}
  for i, card in ipairs(cards) do
    table.sort(card, function(a, b) return a > b end)
    ports[i] = { boundary = card[1], size = flat { card } }
  end
  table.sort(ports, function(a, b) return a.boundary > b.boundary end)
  local at = 0
  for _, port in ipairs(ports) do at = align(at, port.boundary) + align(port.size, 1 << 20) end
  return at
end

local function gb(bytes) return math.max(1, pow2(bytes) >> 30) end

local function window(cards)
  local list = {}
  for i, card in ipairs(cards) do
    local bars = {}
    for k, size in ipairs(card) do bars[k] = { kind = "mem64", size = size } end
    list[i] = { bars = bars }
  end
  return assert(bar.window(list))
end

describe("a layout", function()
  for row in bar.each() do
    local sizes = {}
    for _, one in ipairs(row.bars) do
      if one.kind == "mem64" then sizes[#sizes + 1] = one.size end
    end
    if #sizes > 0 then
      it(("of 1 to 16 x %04x:%04x (%s) needs exactly what the rules say"):format(row.vendor, row.device,
        row.variant or row.name), function()
        for count = 1, 16 do
          local cards = {}
          for i = 1, count do cards[i] = { table.unpack(sizes) } end
          local w = window(cards)
          assert.equal(gb(flat(cards)), w.min)
          assert.equal(gb(ported(cards)), w.safe)
        end
      end)
    end
  end

  for round = 1, 20 do
    it("of a random mix fits: flat into min, behind root ports into safe, mix " .. round, function()
      math.randomseed(round)
      for _ = 1, 50 do
        local cards = {}
        for i = 1, math.random(1, 16) do
          cards[i] = {}
          for k = 1, math.random(1, 3) do cards[i][k] = 1 << math.random(20, 38) end
        end
        local w = window(cards)
        assert.is_true(flat(cards) <= w.min << 30)
        assert.is_true(ported(cards) <= w.safe << 30)
        assert.is_true(w.min <= w.safe)
        -- and min is no larger than it must be
        local sum = 0
        for _, card in ipairs(cards) do
          for _, size in ipairs(card) do sum = sum + size end
        end
        assert.is_true(w.min == 1 or sum > w.min << 29)
      end
    end)
  end
end)
