--- The arithmetic of gpupt.bar: a card's BARs from the table or as measured, and the window for several cards. It
-- stands under gpupt.vmlog, which works the window out from a log's BARs; gpupt.bar says what each function does.
local core = require "gpupt.core".bar
local cards = require "gpupt.bar.cards"
local options = require "gpupt.options"
local text = require "gpupt.bar.text"

local sums = { LIMIT = core.limit, format = text.format, short = text.short }

local window_options = options.declare("bar.window", {
  { "rule", "string", choices = { "min", "safe", "seed" }, default = "safe",
    doc = "min: the sum rounded up; safe: each card rounded up first, as behind a root port of its own; "
      .. "seed: strictly above count x largest BAR" },
  { "table", "table", doc = "a table from bar.load, instead of the built-in one" },
})

local lookup_options = options.declare("bar.lookup", {
  { "table", "table", doc = "a table from bar.load, instead of the built-in one" },
})

local function table_of(opts)
  if opts.table == nil then return cards.standard() end
  if not cards.is(opts.table) then error("option 'table' must come from bar.load", 3) end
  return opts.table
end

local function copy_bars(bars)
  local result = {}
  for i, one in ipairs(bars) do
    result[i] = { index = one.index, kind = one.kind, size = one.size, prefetchable = one.prefetchable,
      address = one.address }
  end
  return result
end

local function id_of(vendor, device) return ("%04x:%04x"):format(vendor, device) end

local function check_id(value, what)
  if math.type(value) ~= "integer" or value < 0 or value > 0xffff then
    return nil, ("%s must be an integer from 0 to 0xffff"):format(what), "EINVAL"
  end
  return true
end

function sums.lookup(vendor, device, opts)
  opts = lookup_options:check(opts)
  for what, value in pairs { vendor = vendor, device = device } do
    local ok, message, code = check_id(value, what)
    if not ok then return nil, "bar.lookup: " .. message, code end
  end
  local tbl, message, code = table_of(opts)
  if not tbl then return nil, message, code end
  local rows = tbl:find(vendor, device)
  if not rows then
    return nil, ("%s is not in the table: give its BARs (vmware.log, sysfs or lspci -vv show them) "
      .. "or a row of your own"):format(id_of(vendor, device)), "ENOENT"
  end
  local result
  local variants = {}
  for i, row in ipairs(rows) do
    local _, total = core.card(row.bars)
    local one = { vendor = row.vendor, device = row.device, name = row.name, variant = row.variant,
      bars = copy_bars(row.bars), bytes = total, mark = row.mark, source = row.source }
    variants[i] = one
    if i == 1 then
      result = { variants = variants }
      for name, value in pairs(one) do result[name] = value end
    end
  end
  return result
end

local card_fields = {
  vendor = "integer", device = "integer", count = "integer", bars = "table", name = "string", address = "string",
}

--- Misuse of the list of cards raises; what comes back are problems of values.
local function check_card(card, i)
  if type(card) ~= "table" then error(("bar.window: card %d must be a table, not a %s"):format(i, type(card)), 3) end
  for field, kind in pairs(card_fields) do
    local value = card[field]
    if value ~= nil and (math.type(value) or type(value)) ~= kind then
      error(("bar.window: card %d: %s must be of type %s, not %s"):format(i, field, kind,
        math.type(value) or type(value)), 3)
    end
  end
end

local bar_kinds = { io = true, mem32 = true, mem64 = true }

local function check_bars(bars, where)
  local taken = {}
  for k, one in ipairs(bars) do
    if type(one) ~= "table" then
      return nil, ("%s: BAR %d is a %s, not a table"):format(where, k, type(one)), "EINVAL"
    end
    if not bar_kinds[one.kind] then
      return nil, ("%s: BAR %d: kind '%s' is none of io, mem32, mem64"):format(where, k, tostring(one.kind)), "EINVAL"
    end
    if math.type(one.size) ~= "integer" then
      return nil, ("%s: BAR %d: size must be an integer of bytes (bar.size reads \"32G\")"):format(where, k), "EINVAL"
    end
    if one.index ~= nil then
      if math.type(one.index) ~= "integer" or one.index < 0 or one.index > 5
        or (one.kind == "mem64" and one.index > 4) then
        return nil, ("%s: BAR %d cannot have index %s"):format(where, k, tostring(one.index)), "EINVAL"
      end
      for slot = one.index, one.index + (one.kind == "mem64" and 1 or 0) do
        if taken[slot] then
          return nil, ("%s: two BARs take register %d (a 64-bit BAR takes two)"):format(where, slot), "EINVAL"
        end
        taken[slot] = true
      end
    end
  end
  return true
end

--- A card's BARs with where they come from; nil, message, code.
local function resolve(card, i, tbl)
  local where = card.name or card.address
    or (card.vendor and card.device and id_of(card.vendor, card.device)) or ("card " .. i)
  local resolved = { vendor = card.vendor, device = card.device, address = card.address, name = card.name,
    count = card.count or 1 }
  if resolved.count < 1 then return nil, ("%s: count must be at least 1"):format(where), "EINVAL" end
  if card.bars then
    local ok, message, code = check_bars(card.bars, where)
    if not ok then return nil, message, code end
    if #card.bars == 0 then
      return nil, where .. ": no BARs: give each as {kind=, size=}, or leave bars out to use the table", "ENOBARS"
    end
    resolved.bars, resolved.source = copy_bars(card.bars), "measured"
  elseif not card.vendor or not card.device then
    return nil, where .. ": give vendor and device, or bars", "EINVAL"
  else
    local known, message, code = sums.lookup(card.vendor, card.device, { table = tbl })
    if not known then return nil, message, code end
    if #known.bars == 0 then
      return nil, ("%s (%s) is known by its id only: give its BARs"):format(known.name, where), "ENOBARS"
    end
    resolved.bars, resolved.name = known.bars, resolved.name or known.name
    resolved.source, resolved.mark, resolved.origin = "table", known.mark, known.source
    resolved.variant = known.variant
    resolved.variants = #known.variants > 1 and known.variants or nil
  end
  local window, total, largest = core.card(resolved.bars)
  if not window then return nil, where .. ": " .. total, largest end
  if total == 0 then return nil, where .. ": no memory BAR: I/O ports take no MMIO", "ENOBARS" end
  resolved.window, resolved.bytes, resolved.largest = window, total, largest
  return resolved
end

--- 32-bit BARs lie below 4 GiB, outside the window.
local function low_bytes(devices)
  local sum = 0
  for _, device in ipairs(devices) do sum = sum + (device.bytes - device.window) * device.count end
  return sum
end

--- Which cards the table knows only from memory or in several forms, by name; and whether the window is needed even
-- without them.
local function certainty(result, devices, totals)
  local names, sure = {}, {}
  for i, device in ipairs(devices) do
    if device.source == "table" and (device.mark == "M" or device.variants) then
      names[#names + 1] = device.name or ("card " .. i)
    else
      sure[#sure + 1] = totals[i]
    end
  end
  result.uncertain = names
  local without = #sure > 0 and core.compute(sure)
  result.sure = #names == 0 or (without and without.needs_64bit) or false
  result.sure_min = #names == 0 and result.min or without and without.needs_64bit and without.min or 0
end

function sums.window(list, opts)
  opts = window_options:check(opts)
  local tbl, why, why_code = table_of(opts)
  if not tbl then return nil, why, why_code end
  if type(list) ~= "table" then error("bar.window: a list of cards, not a " .. type(list), 2) end
  if #list == 0 then return nil, "no cards: give at least one", "EINVAL" end
  local devices, totals, sources = {}, {}, {}
  for i, card in ipairs(list) do
    check_card(card, i)
    local resolved, message, code = resolve(card, i, opts.table and tbl or nil)
    if not resolved then return nil, message, code end
    devices[i] = resolved
    totals[i] = { count = resolved.count, window = resolved.window, total = resolved.bytes, largest = resolved.largest }
    sources[resolved.source] = true
  end
  local result, message, code = core.compute(totals)
  if not result then return nil, message, code end
  result.rule, result.gb = opts.rule, result[opts.rule]
  result.needed, result.needs_64bit = result.needs_64bit, nil
  result.low_bytes = low_bytes(devices)
  result.warnings = require "gpupt.bar.limits"(result)
  result.source = sources.measured and sources.table and "mixed" or next(sources)
  result.devices = devices
  certainty(result, devices, totals)
  result.why = require "gpupt.bar.why"(result)
  return result
end

function sums.from_pages(pages)
  if math.type(pages) ~= "integer" then error("bar.from_pages: an integer, not a " .. type(pages), 2) end
  if pages < 3 or pages - 2 > math.maxinteger // 4096 then
    return nil, ("%d pages cannot be the BARs of a device"):format(pages), "EINVAL"
  end
  return text.explain((pages - 2) * 4096)
end

function sums.from_kb(kb)
  if math.type(kb) ~= "integer" then error("bar.from_kb: an integer, not a " .. type(kb), 2) end
  if kb < 1 or kb > math.maxinteger // 1024 then
    return nil, ("%d KB cannot be the BARs of a device"):format(kb), "EINVAL"
  end
  return text.explain(kb * 1024)
end

return sums
