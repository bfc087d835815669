--- BAR arithmetic: which 64-bit MMIO window a VM needs for its cards, and why.
--
--   local w = gpupt.check(gpupt.bar.window({ {vendor=0x10de, device=0x20b5, count=2} }, { rule = "safe" }))
--   w.gb --> 512        the value for pciPassthru.64bitMMIOSizeGB
--
-- A card is {vendor=, device=} (its BARs come from the table) or {bars=...} in the shape that gpupt.vmlog and
-- gpupt.pci give; BARs that were measured always win over the table.
local core = require "gpupt.core".bar
local cards = require "gpupt.bar.cards"
local sums = require "gpupt.bar.sums"

local bar = {
  --- What a VM may map without use64bitMMIO: 3.5 GiB.
  LIMIT = sums.LIMIT,
  --- The largest window, in GiB, of which no report says that a card was lost in it.
  LARGEST_PLACED = 4096,
  --- "32 GiB + 32 MiB" for a number of bytes; "32G" where that is exact.
  format = sums.format,
  short = sums.short,
}

--- Bytes of a size as people and logs write it: "32G", "32 GiB", "33587200 KB", 16777216.
function bar.size(value)
  if math.type(value) == "integer" then
    if value < 0 then return nil, ("%d is not a size: it is negative"):format(value), "EINVAL" end
    return value
  end
  if type(value) ~= "string" then error("bar.size: a string or an integer, not a " .. type(value), 2) end
  return core.size(value)
end

--- BARs as people write them, "16M/32,128G,32M" (16M/32 is a 32-bit BAR, 128/io are I/O ports; others are 64-bit): a
-- list for bar.window; nil, message, code.
function bar.parse(text)
  if type(text) ~= "string" then error("bar.parse: a string, not a " .. type(text), 2) end
  local bars = {}
  for word in (text .. ","):gmatch "([^,]*)," do
    local size, kind = word:match "^([^/]*)/(%w+)$"
    if kind and kind ~= "32" and kind ~= "64" and kind ~= "io" then
      return nil, ("'%s': a BAR ends in /32, /64 or /io"):format(word), "EINVAL"
    end
    local bytes, message, code = bar.size(size or word)
    if not bytes then return nil, message, code end
    bars[#bars + 1] = { size = bytes, kind = kind == "32" and "mem32" or kind == "io" and "io" or "mem64" }
  end
  return bars
end

--- The built-in table with rows of a file (and the user's learned ones) before it. `source` is a path, or {text=...}.
function bar.load(source)
  if type(source) == "table" and type(source.text) == "string" then
    return cards.extended(source.text, source.name or "the given text")
  end
  if type(source) ~= "string" then error("bar.load: a path or {text=...}, not a " .. type(source), 2) end
  local content, message, code = require "gpupt.regular".read(source)
  if not content then return nil, message, code end
  return cards.extended(content, source)
end

--- All rows of the table (by default the built-in one with the user's own rows), for a loop.
function bar.each(tbl) return (tbl or require "gpupt.failure".check(cards.standard())):each() end

--- Takes the BARs of the GPUs in logs, lists and sysfs folders into the user's own table, which every later look-up
-- uses.
-- `sources` is a list of paths or {text=, name=}. Result: {path=, learned={rows}, kept=, skipped={{name=, why=}...}};
-- nil, message, code (ENOBARS when there is nothing to learn).
function bar.learn(sources, opts) return require "gpupt.bar.learn".learn(sources, opts) end

--- What the table has on a card: {vendor=, device=, name=, bars=, bytes=, mark=, source=, variants=}.
-- `variants` lists every form with the same ids, the assumed one first. nil, message, "ENOENT" for an unknown card.
function bar.lookup(vendor, device, opts) return sums.lookup(vendor, device, opts) end

--- The window for a list of cards. Result: {gb=, rule=, min=, safe=, seed=} in GiB, `needed` (the VM does not start
-- without use64bitMMIO), `high_end` (a card maps more than 16 GiB), `bytes` (all memory BARs), `low_bytes` (32-bit
-- BARs, below 4 GiB), `source` ("measured", "table" or "mixed"), `warnings` (texts), `devices` (the cards with their
-- BARs), `why` (text), `uncertain` (names of cards whose BARs are from memory or have several forms), `sure` (the
-- window
-- is needed even without those) and `sure_min` (how large it must be for the others). A bad value gives nil, message,
-- code: EINVAL, ERANGE, ENOBARS, or ENOENT for a card that the table does not know.
function bar.window(list, opts) return sums.window(list, opts) end

--- What a vmware.log's "pages needed" says: all memory BARs of the device, 4 KiB each, and two pages more.
-- Result: {bytes=, text=, sizes=, gb=}; `sizes` are the powers of two in it, largest first, `gb` the window.
function bar.from_pages(pages) return sums.from_pages(pages) end

--- What "could not allocate N KB of PCI MMIO" says: the 64-bit BARs that did not fit.
function bar.from_kb(kb) return sums.from_kb(kb) end

return bar
