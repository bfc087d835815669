--- gpupt bar: the MMIO window for a set of cards.
local bar = require "gpupt.bar"
local failure = require "gpupt.failure"
local printer = require "gpupt.printer"

local command = {
  name = "bar",
  summary = "calculate the 64-bit MMIO window for a set of cards",
  usage = [[bar [Nx]CARD... [--rule min|safe|seed] [--cards FILE]
       gpupt bar --table | --learn FILE... | --pages N | --kb N]],
  details = [[
Prints the settings for the window (pciPassthru.64bitMMIOSizeGB) and how it was
calculated. A CARD is vendor:device (10de:20b5), whose BARs come from the
table, or BARS=16M,128G,32M with measured sizes (16M/32 is a 32-bit BAR and
128/io are I/O ports; other BARs are 64-bit). "2x" before it means two cards.

--pages and --kb convert the numbers of a failed power-on in vmware.log back
into BAR sizes. --learn copies measured BARs from vmware.log, lspci -vv -nn or
a sysfs folder into your own table ($XDG_DATA_HOME/gpupt/cards). bar, doctor
and playbooks use your table before the built-in one.

A row of the table is: vendor:device | name | variant | index:kind:size ... |
mark | source. The mark shows how reliable it is: L learned on your hosts,
S public source, I inferred, T agrees with NVIDIA's table of windows,
M from memory.]],
  options = {
    { "rule", "RULE", choices = { "min", "safe", "seed" }, default = "safe", doc = "how to size the window" },
    { "cards", "FILE", doc = "your own rows, used before the table" },
    { "table", doc = "print the table (with the rows of --cards)" },
    { "learn", doc = "add the BARs of these files to your own table" },
    { "dry-run", short = "n", doc = "with --learn: print the rows, write nothing" },
    { "pages", "N", doc = "explain \"total number of pages needed (N)\"" },
    { "kb", "N", doc = "explain \"could not allocate N KB of PCI MMIO\"" },
    { "json", doc = "print the result as JSON" },
  },
  examples = {
    { "gpupt bar 2x10de:20b5", "two A100 80GB" },
    { "gpupt bar BARS=16M/32,32G,32M --rule min", "a card measured in vmware.log" },
    { "gpupt bar 8x10de:2330 BARS=32M --json", "eight H100 with an NVSwitch" },
    { "gpupt bar --pages 33566722", "what a failed power-on needed" },
  },
}

local function usage(format, ...) return nil, format:format(...), "EUSAGE" end

local function read_card(word)
  local count, rest = word:match "^(%d+)[xX](.+)$"
  rest = rest or word
  local card = { count = count and math.tointeger(tonumber(count)) or 1 }
  if count and not math.tointeger(tonumber(count)) then return nil, ("'%s': the count is too large"):format(word) end
  local bars = rest:match "^[Bb][Aa][Rr][Ss]=(.*)$"
  if bars then
    local list, message = bar.parse(bars)
    if not list then return nil, message end
    card.bars = list
    return card
  end
  local vendor, device = rest:match "^(%x+):(%x+)$"
  if not vendor or #vendor > 4 or #device > 4 then
    return nil, ("'%s' is not a card: write [Nx]vendor:device (10de:20b5) or [Nx]BARS=16M,128G,32M"):format(word)
  end
  card.vendor, card.device = tonumber(vendor, 16), tonumber(device, 16)
  return card
end

local function print_json(value)
  failure.check(printer.json(value))
  return 0
end

local function row_text(row)
  local bars = {}
  for i, one in ipairs(row.bars) do bars[i] = ("%d:%s:%s"):format(one.index, one.kind, bar.short(one.size)) end
  return ("%04x:%04x | %s | %s | %s | %s | %s"):format(row.vendor, row.device, row.name, row.variant or "",
    #bars > 0 and table.concat(bars, " ") or "-", row.mark, row.source or "-")
end

local function print_table(cards, as_json)
  if as_json then
    local rows = require "gpupt.json".array {}
    for row in bar.each(cards) do rows[#rows + 1] = row end
    return print_json(rows)
  end
  for row in bar.each(cards) do printer.out("%s", row_text(row)) end
  return 0
end

local function explain(figure, word, as_json)
  local number = math.tointeger(tonumber(word))
  if not number then return usage("'%s' is not a whole number", word) end
  local result, message, code = bar[figure](number)
  if not result then return nil, message, code end
  if as_json then return print_json(result) end
  local sizes = {}
  for i, size in ipairs(result.sizes) do sizes[i] = bar.short(size) end
  printer.out("%s\nBARs of sizes such as %s\npciPassthru.64bitMMIOSizeGB = \"%d\" holds them", result.text,
    table.concat(sizes, ", "), result.gb)
  return 0
end

local function learn(options, words)
  if #words == 0 then return usage "--learn needs a FILE: a vmware.log, lspci -vv -nn, or a sysfs folder" end
  local sources = {}
  for i, word in ipairs(words) do
    sources[i] = word == "-" and { text = require "gpupt.stdin"(), name = "standard input" } or word
  end
  local result, message, code = bar.learn(sources, { dry_run = options.dry_run })
  if not result then return nil, message, code end
  if options.json then
    local array = require "gpupt.json".array
    array(result.learned)
    array(result.skipped)
    return print_json(result)
  end
  for _, row in ipairs(result.learned) do printer.out("%s", row_text(row)) end
  for _, one in ipairs(result.skipped) do require "gpupt.cli".complain("%s: %s", one.name, one.why) end
  printer.out("%s%d learned, %d known already; %s has %d row%s", options.dry_run and "dry run: " or "", #result.learned,
    result.kept, result.path or "the table", result.rows, result.rows == 1 and "" or "s")
  return 0
end

function command.run(options, words)
  if options.learn then return learn(options, words) end
  local cards
  if options.cards then
    local message, code
    cards, message, code = bar.load(options.cards)
    if not cards then return nil, message, code end
  end
  if options.table then
    if #words > 0 then return usage("--table takes no cards") end
    return print_table(cards, options.json)
  end
  if options.pages then return explain("from_pages", options.pages, options.json) end
  if options.kb then return explain("from_kb", options.kb, options.json) end
  if #words == 0 then return usage("no card given") end
  local list = {}
  for i, word in ipairs(words) do
    local card, message = read_card(word)
    if not card then return usage("%s", message) end
    list[i] = card
  end
  local result, message, code = bar.window(list, { rule = options.rule, table = cards })
  if not result then return nil, message, code end
  if options.json then
    require "gpupt.json".array(result.warnings)
    return print_json(result)
  end
  printer.out('pciPassthru.use64bitMMIO = "TRUE"\npciPassthru.64bitMMIOSizeGB = "%d"\n\n%s', result.gb, result.why)
  printer.out("min %d, safe %d, seed %d (GB)", result.min, result.safe, result.seed)
  return 0
end

return command
