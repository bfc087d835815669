--- Measured BARs for the user's own table: from a vmware.log (BARs and the ids that its settings list), a list with
-- sizes (lspci -vv -nn), or a sysfs folder.
local bar = require "gpupt.bar.sums"
local cards = require "gpupt.bar.cards"
local core = require "gpupt.core".bar
local options = require "gpupt.options"
local own = require "gpupt.bar.own"
local pci = require "gpupt.pci"
local vmlog = require "gpupt.vmlog"

local learn = {}

local learn_options = options.declare("bar.learn", {
  { "date", "string", doc = "the day to note (today's by default), as 2026-11-30" },
  { "dry_run", "boolean", default = false, doc = "report what would be learned, write nothing" },
})

local MAX_TEXT = 64 << 20

local function is_folder(path)
  local file = io.open(path, "rb")
  if not file then return false end
  local _, _, number = file:read(0)
  file:close()
  return number == 21 -- EISDIR
end

--- Display controllers and accelerators of vendors that make GPUs, and NVIDIA's switches; a console GPU is one, too.
local function is_card(device)
  if not device.vendor or not device.device then return false end
  if device.vendor == 0x10de and device.class == 0x0680 then return true end
  local copy = {}
  for name, value in pairs(device) do copy[name] = value end
  copy.boot_vga = nil
  return pci.is_gpu(copy) or (device.class == nil and (bar.lookup(device.vendor, device.device)) ~= nil)
end

--- The ids that a log's settings give for an address.
local function ids_in_log(config)
  local by_address = {}
  for key, entry in pairs(config) do
    local prefix = key:match "^(pcipassthru%d+)%.id$"
    local address = prefix and pci.address(entry.value, "vmx")
    if address then
      local function id(name)
        local field = config[prefix .. "." .. name]
        local digits = field and field.value:match "^0?[xX]?(%x%x?%x?%x?)$"
        return digits and tonumber(digits, 16)
      end
      by_address[tostring(address)] = { vendor = id "vendorid", device = id "deviceid" }
    end
  end
  return by_address
end

local function from_log(source, name, found, skipped)
  local scan, message = vmlog.scan(source)
  if not scan then
    skipped[#skipped + 1] = { name = name, why = message }
    return false
  end
  local ids, any = ids_in_log(scan.config), false
  for _, device in ipairs(scan.devices) do
    local address = pci.address(device.address, "hex")
    local known = address and ids[tostring(address)]
    if known and known.vendor and known.device and device.bytes > 0 then
      found[#found + 1] = { vendor = known.vendor, device = known.device, bars = device.bars, source = name }
    else
      skipped[#skipped + 1] = { name = name, why = ("%s: the log has its BARs but not its ids: give lspci -vv -nn of "
        .. "the host, or a log whose settings (DICT lines) list pciPassthruN.id"):format(device.address) }
    end
    any = true
  end
  return any
end

local function from_list(devices, name, found, skipped)
  local any = false
  for _, device in ipairs(devices) do
    if is_card(device) then
      any = true
      if device.bars and #device.bars > 0 and (device.bytes or 0) > 0 then
        found[#found + 1] = { vendor = device.vendor, device = device.device, bars = device.bars, source = name,
          name = device.device_name }
      else
        skipped[#skipped + 1] = { name = name, why = device.address .. ": the list has no BAR sizes (lspci -vv, as "
          .. "root, has)" }
      end
    end
  end
  return any
end

local function read_source(source, found, skipped)
  local path = type(source) == "string" and source
  local name = path or source.name or "the given text"
  if path and is_folder(path) then
    local devices = pci.list { root = path }
    if devices and #devices > 0 then
      if not from_list(devices, name, found, skipped) then
        skipped[#skipped + 1] = { name = name, why = "no GPU in this sysfs" }
      end
      return
    end
    if not from_log(path, name, found, skipped) then
      skipped[#skipped + 1] = { name = name, why = "neither a sysfs nor a folder with vmware*.log" }
    end
    return
  end
  local text = source.text
  if path then
    local file, message = io.open(path, "rb")
    if not file then
      skipped[#skipped + 1] = { name = name, why = message }
      return
    end
    text = file:read(MAX_TEXT) or ""
    file:close()
  end
  local compressed = text:sub(1, 2) == "\x1f\x8b"
  local is_log = compressed or text:find("PCIPassthru: Device", 1, true)
  local devices = not is_log and pci.parse(text, { names = true })
  local any = devices and from_list(devices, name, found, skipped)
  if not any and is_log then
    any = from_log(compressed and path or { text = text, name = name }, name, found, skipped)
  end
  if not any then
    skipped[#skipped + 1] = { name = name, why = "it has no BARs of a GPU: a vmware.log of a power-on, lspci -vv "
      .. "-nn or a sysfs has them" }
  end
end

--- A column of the table: it must not contain a bar or a line end.
local function column(text) return (tostring(text):gsub("[|%c]", " "):gsub("%s+", " "):match "^%s*(.-)%s*$") end

local function bars_text(bars)
  local list = {}
  for i, one in ipairs(bars) do list[i] = ("%d:%s:%s"):format(one.index, one.kind, bar.short(one.size)) end
  return table.concat(list, " ")
end

local function row_text(row)
  return ("%04x:%04x | %s | %s | %s | L | %s"):format(row.vendor, row.device, column(row.name or "-"),
    column(row.variant or ""), bars_text(row.bars), column(row.source))
end

local function name_of(one)
  local known = bar.lookup(one.vendor, one.device)
  -- "Device" is what lspci calls a card that its list does not have
  return known and known.name or (one.name ~= "Device" and one.name) or ("%04x:%04x"):format(one.vendor, one.device)
end

local function total(bars)
  local _, bytes = core.card(bars)
  return bytes
end

--- Rows of one card by size: the largest form is the one that is assumed.
local function by_size(rows)
  table.sort(rows, function(a, b)
    if a.vendor ~= b.vendor then return a.vendor < b.vendor end
    if a.device ~= b.device then return a.device < b.device end
    return total(a.bars) > total(b.bars)
  end)
  return rows
end

function learn.learn(sources, opts)
  opts = learn_options:check(opts)
  if type(sources) ~= "table" or sources.text ~= nil then sources = { sources } end
  local found, skipped = {}, {}
  for _, source in ipairs(sources) do
    if type(source) ~= "string" and (type(source) ~= "table" or type(source.text) ~= "string") then
      error("bar.learn: a path or {text=...}, not a " .. type(source), 3)
    end
    read_source(source, found, skipped)
  end
  local text, path, code = own.read()
  if text == nil then return nil, path, code end
  local mine = cards.new()
  local ok, message, why = mine:add(text, path or "the user's table")
  if not ok then return nil, message, why end
  local rows, place, learned = {}, {}, {}
  local function put(row, fresh)
    local key = ("%04x:%04x %s"):format(row.vendor, row.device, bars_text(row.bars))
    if place[key] then
      rows[place[key]].source = row.source
      return
    end
    rows[#rows + 1] = row
    place[key] = #rows
    if fresh then learned[#learned + 1] = row end
  end
  for row in mine:each() do put(row, false) end
  local kept = #rows
  local date = opts.date or os.date "%Y-%m-%d"
  for _, one in ipairs(found) do
    local valid, problem = core.card(one.bars)
    if not valid then
      skipped[#skipped + 1] = { name = one.source, why = problem }
    else
      put({ vendor = one.vendor, device = one.device, name = name_of(one), bars = one.bars, mark = "L",
        source = ("measured %s: %s"):format(date, one.source:match "([^/]+)/*$" or one.source) }, true)
    end
  end
  if #found == 0 then
    local first = skipped[1]
    return nil, ("nothing to learn: %s"):format(first and ("%s: %s"):format(first.name, first.why) or "no source "
      .. "given"),
      "ENOBARS"
  end
  if not opts.dry_run then
    local lines = {}
    for i, row in ipairs(by_size(rows)) do lines[i] = row_text(row) end
    path, message, code = own.write(lines)
    if not path then return nil, message, code end
  end
  return { path = path, learned = learned, kept = kept, skipped = skipped, rows = #rows }
end

return learn
