--- The table of known cards: reading it, extending it, looking a card up.
-- A table object is made by `cards.builtin()` or by `cards.load(file)`, which puts the rows of a user's file before the
-- built-in ones: a card that the file knows is answered from the file alone. Nothing is global, so two callers can use
-- two tables at once.
local core = require "gpupt.core".bar

local cards = {}

local Table = {}
Table.__index = Table

local kinds = { io = true, mem32 = true, mem64 = true }

local function trim(text) return text:match "^%s*(.-)%s*$" end

local function parse_bars(text)
  local bars = {}
  if text == "-" then return bars end
  for word in text:gmatch "%S+" do
    local index, kind, size = word:match "^([0-5]):(%w+):(%w+)$"
    if not index or not kinds[kind] then
      return nil, ("'%s' is not a BAR: write index:kind:size, such as 1:mem64:32G"):format(word)
    end
    local bytes, message = core.size(size)
    if not bytes then return nil, message end
    bars[#bars + 1] = { index = tonumber(index), kind = kind, size = bytes, prefetchable = kind == "mem64" }
  end
  if #bars == 0 then return nil, "the column of BARs is empty: write - when they are not known" end
  local ok, message = core.card(bars)
  if not ok then return nil, message end
  return bars
end

local marks = { S = true, I = true, T = true, M = true, L = true }

local function parse_row(line)
  local columns = {}
  for column in (line .. "|"):gmatch "([^|]*)|" do columns[#columns + 1] = trim(column) end
  if #columns ~= 6 then return nil, ("%d columns instead of 6"):format(#columns) end
  local vendor, device = columns[1]:match "^(%x%x%x%x):(%x%x%x%x)$"
  if not vendor then return nil, ("'%s' is not vendor:device"):format(columns[1]) end
  local bars, message = parse_bars(columns[4])
  if not bars then return nil, message end
  if not marks[columns[5]] then return nil, ("mark '%s': one of S, I, T, M, L"):format(columns[5]) end
  return {
    vendor = tonumber(vendor, 16), device = tonumber(device, 16), name = columns[2],
    variant = columns[3] ~= "" and columns[3] or nil, bars = bars, mark = columns[5],
    source = columns[6] ~= "-" and columns[6] or nil,
  }
end

local function key(vendor, device) return vendor << 16 | device end

--- Adds the rows of `text`; `name` is used in messages. Rows of one text replace all earlier rows of the same card.
function Table:add(text, name)
  local fresh, number = {}, 0
  for line in (text .. "\n"):gmatch "([^\n]*)\n" do
    number = number + 1
    line = trim(line)
    if line ~= "" and line:sub(1, 1) ~= "#" then
      local row, message = parse_row(line)
      if not row then return nil, ("%s:%d: %s"):format(name, number, message), "EPARSE" end
      local id = key(row.vendor, row.device)
      if not fresh[id] then
        fresh[id] = {}
        table.insert(fresh, id)
      end
      table.insert(fresh[id], row)
    end
  end
  for _, id in ipairs(fresh) do
    if not self.rows[id] then table.insert(self.order, id) end
    self.rows[id] = fresh[id]
  end
  return true
end

--- The rows of a card: the assumed one first, then its variants; nil when unknown.
function Table:find(vendor, device) return self.rows[key(vendor, device)] end

--- All rows, in the order of the table.
function Table:each()
  local i, k = 1, 0
  return function()
    while self.order[i] do
      k = k + 1
      local row = self.rows[self.order[i]][k]
      if row then return row end
      i, k = i + 1, 0
    end
  end
end

local builtin

function cards.new() return setmetatable({ rows = {}, order = {} }, Table) end

function cards.is(value) return getmetatable(value) == Table end

--- The table that comes with gpupt. Shared: callers do not add to it.
function cards.builtin()
  if not builtin then
    builtin = cards.new()
    assert(builtin:add(require "gpupt.bar.builtin", "the built-in table"))
  end
  return builtin
end

--- The built-in table with the user's own rows (gpupt bar --learn) and those of `text` put before it.
function cards.extended(text, name)
  local result, message, code = cards.fresh()
  if not result then return nil, message, code end
  local ok
  ok, message, code = result:add(text, name)
  if not ok then return nil, message, code end
  return result
end

--- A table of its own: the built-in rows, and the user's before them where there are any.
function cards.fresh()
  local result = cards.new()
  assert(result:add(require "gpupt.bar.builtin", "the built-in table"))
  local text, path, code = require "gpupt.bar.own".read()
  if text == nil then return nil, path, code end
  if text ~= "" then
    local ok, message, why = result:add(text, path)
    if not ok then return nil, message, why end
  end
  return result
end

-- The table that counts when none is given, with the file's text that it was made from.
local standard, made_from

--- The built-in table with the user's own rows: what every look-up uses that names no table.
function cards.standard()
  local text, path, code = require "gpupt.bar.own".read()
  if text == nil then return nil, path, code end
  if text == "" then return cards.builtin() end
  if made_from ~= text then
    local fresh, message, why = cards.fresh()
    if not fresh then return nil, message, why end
    standard, made_from = fresh, text
  end
  return standard
end

return cards
