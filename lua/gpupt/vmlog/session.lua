--- What is known of one power-on: its cards, its settings as the log lists them, its findings.
-- Everything is bounded, since a log may be of any size: repeated findings are counted, not kept.
local bar = require "gpupt.bar.sums"
local core = require "gpupt.core".vmlog
local unclear_of = require "gpupt.vmlog.unclear"

local MAX_DEVICES, MAX_FINDINGS, MAX_TEXT = 1024, 512, 500
-- A line that names a card speaks for the ones right behind it.
local LEAD_REACH = 4

local Session = {}
Session.__index = Session

--- A BAR of the card was logged already: the power-on began again.
function Session:has_bar(address, index)
  local known = self.by_address[address]
  return known ~= nil and known.indices[index] ~= nil
end

function Session:add_bar(address, one, number)
  self.touched = true
  local known = self.by_address[address]
  if not known then
    if #self.devices == MAX_DEVICES then return end
    known = { device = { address = address, bars = {}, bytes = 0, line = number }, indices = {} }
    self.by_address[address] = known
    self.devices[#self.devices + 1] = known.device
  end
  known.indices[one.index] = true
  local device = known.device
  table.insert(device.bars, one)
  table.sort(device.bars, function(x, y) return x.index < y.index end)
  if one.kind ~= "io" then device.bytes = device.bytes + one.size end
end

--- "Log for VMware ESX pid=2101384 version=VMware ESXi 8.0.2 build=build-22380479 option=Release"
function Session:describe(text)
  self.touched = true
  self.time = core.prefix(text).time
  self.version = text:match "version=(.-) %a+=" or text:match "version=(.-)%s*$"
  self.build = text:match "build=build%-(%d+)"
end

--- The settings (DICT lines) as the core collected them; `clean` knows where their lines come from.
function Session:take_config(settings, clean)
  if not settings then return end
  self.touched = true
  for lower, setting in pairs(settings) do
    if clean then
      local origin = clean:origin(setting.line)
      setting.line = type(origin) == "number" and origin or origin.numbers[1]
    end
    self.config[lower] = setting
  end
end

function Session:mark(what, number, text)
  self.touched = true
  self.marks[what] = { line = number, text = text:sub(1, MAX_TEXT) }
end

--- The card that a line just before named (NVRM writes "The NVIDIA GPU 0000:02:00.0 (PCI ID: ...)" first).
function Session:led_by(number)
  local lead = self.lead
  return lead and number - lead.line <= LEAD_REACH and lead or nil
end

--- "0000:13:00" (an Xid's), "02:00.0" and "0000:13:00.0" are one card.
local function whole_address(text)
  if not text then return nil end
  if text:find "^%x%x:%x%x%.%x$" then return "0000:" .. text end
  return text:find "^%x%x%x%x+:%x+:%x+$" and text .. ".0" or text
end

--- "nn:ss.f" of a message that writes addresses in another form is left as it is. `beside`: from a text joined in
-- another way, which counts only for what no other line told.
function Session:add_finding(entry, captures, text, number, last_line, beside)
  self.touched = true
  if entry.lead then
    self.lead = { line = number, address = captures[1], id = captures[2] }
    return
  elseif entry.note then
    self.notes[entry.note] = captures[1]
    return
  elseif entry.unclear then
    self:add_unclear(text, number, captures[1])
    return
  end
  if entry.bios then self.bios_guest = true end
  -- messages of NVIDIA's driver go on over several lines
  if entry.side == "guest" and text:find("NVRM", 1, true) then self.block_end = last_line + (entry.covers or 6) end
  local lead = not entry.address and entry.side == "guest" and self:led_by(number) or nil
  local address = whole_address(entry.address and captures[entry.address] or (lead and lead.address) or nil)
  local key = entry.code .. "\0" .. (address or "")
  local known = self.findings[key]
  if known then
    if beside and known.line <= last_line and known.last_line >= number then return end
    known.count = known.count + 1
    known.captures, known.last_line = captures, math.max(last_line, known.last_line)
    return
  end
  if self.finding_count == MAX_FINDINGS then return end
  self.finding_count = self.finding_count + 1
  self.findings[key] = { entry = entry, captures = captures, text = text:sub(1, MAX_TEXT), line = number, count = 1,
    last_line = last_line, address = address, lead = lead, order = self.finding_count, to = last_line }
end

function Session:add_unclear(text, number, word, address, only_address)
  self.touched = true
  if self.block_end and number <= self.block_end and word == "NVRM" then return end
  self.unclear:add(text, number, word, address, only_address)
end

--- The addresses of the cards that the log names.
function Session:cards()
  local cards = {}
  for address in pairs(self.by_address) do cards[address:lower()] = true end
  for _, found in pairs(self.findings) do
    if found.address then cards[found.address:lower()] = true end
  end
  local pci = require "gpupt.pci"
  for lower, setting in pairs(self.config) do
    local address = lower:find "^pcipassthru%d+%.id$" and pci.address(setting.value, "vmx")
    if address then cards[tostring(address)] = true end
  end
  return cards
end

--- What no entry of the catalogue knows: {{line=, text=, word=, count=, last_line=, address=, file=}...}.
function Session:list_unclear()
  local covered = {}
  for _, found in pairs(self.findings) do
    for number = found.line, found.to do covered[number] = true end
  end
  return self.unclear:result(covered, self:cards(), self.file)
end

--- Called at the end of the file that the session is in.
function Session:finish(lines) self.lines = lines end

local function text_of(part, captures, session, found)
  if type(part) == "function" then return part(captures, session, found) end
  return part
end

--- After the mappings and the firmware's greeting nothing more came: the guest never started.
function Session:hang()
  local mapped, rom = self.marks.mapped, self.marks.rom
  if not mapped or not rom or rom.line < mapped.line or not self.lines or self.lines - rom.line > 2 then return nil end
  local cause = "the guest hangs because the MMIO window is too small for the card."
  local remedy = "Enlarge pciPassthru.64bitMMIOSizeGB as gpupt bar works it out for the cards of the VM."
  local window = self:window_of(self.devices)
  if window and window.offered_gb and window.safe_gb and window.offered_gb >= window.safe_gb then
    cause = ("the guest hangs, as it does with too small an MMIO window; but the %d GB that it has hold the cards "
      .. "that this log lists (%d)."):format(window.offered_gb, window.safe_gb)
    remedy = "Look for cards that the log does not list (gpupt log on the whole folder), then start the VM without "
      .. "the card: if it starts, the host's firmware (memory-mapped I/O above 4 GB, its base and size) is next."
  end
  return {
    code = "hang-after-mapping", severity = "error", line = rom.line, text = rom.text, count = 1, file = self.file,
    cause = "The log ends when the firmware starts, after the card was mapped: " .. cause,
    remedy = remedy,
    family = "mmio", side = "host", form = "vmware.log", message = core.prefix(rom.text).message,
    source = "Broadcom KB 323402", evidence = { mapped.line, rom.line },
  }
end

local function is_cause(finding, side)
  return finding.severity == "error" and not finding.consequence and finding.side == side
end

--- Messages that only say that something failed stand under the one that says why.
local function fold(list)
  local causes, kept = {}, {}
  for _, finding in ipairs(list) do
    if is_cause(finding, finding.side) and not causes[finding.side] then causes[finding.side] = finding end
  end
  for _, finding in ipairs(list) do
    local cause = finding.consequence and causes[finding.side]
    if cause then
      cause.consequences = cause.consequences or {}
      table.insert(cause.consequences, { code = finding.code, line = finding.line, count = finding.count,
        text = finding.text, message = finding.message, file = finding.file })
    else
      kept[#kept + 1] = finding
    end
    finding.consequence = nil
  end
  return kept
end

--- The findings in the order of their lines.
function Session:list_findings()
  local list = {}
  for _, found in pairs(self.findings) do
    local entry, captures = found.entry, found.captures
    local detail = entry.detail and entry.detail(captures, self)
    if detail ~= false then
      local prefix = core.prefix(found.text)
      list[#list + 1] = {
        code = entry.code, family = entry.family, severity = entry.severity, line = found.line,
          last_line = found.last_line > found.line and found.last_line or nil, count = found.count,
        text = found.text, message = prefix.message, time = prefix.time, file = self.file, address = found.address,
        cause = text_of(entry.cause, captures, self, found), remedy = text_of(entry.remedy, captures, self, found),
        source = entry.source, detail = detail or nil, form = entry.form, side = entry.side,
        consequence = entry.consequence,
      }
    end
  end
  list[#list + 1] = self:hang()
  table.sort(list, function(a, b)
    if a.line ~= b.line then return a.line < b.line end
    return a.code < b.code
  end)
  return fold(list)
end

--- The window that the VM had and the one that its cards need: {needed=, offered_gb=, needed_gb=, needed_bytes=}.
function Session:window_of(devices)
  local window = {}
  local size = self.config["pcipassthru.64bitmmiosizegb"]
  local on = self.config["pcipassthru.use64bitmmio"]
  if on then window.use64bitMMIO = on.value:lower() == "true" end
  if size then window.offered_gb = math.tointeger(tonumber(size.value)) end
  if #devices > 0 then
    local cards = {}
    for i, device in ipairs(devices) do cards[i] = { bars = device.bars, address = device.address } end
    local needed = bar.window(cards)
    if needed then
      window.needed, window.needed_bytes = needed.needed, needed.bytes
      window.min_gb, window.safe_gb = needed.min, needed.safe
    end
  end
  for _, found in pairs(self.findings) do
    local detail = found.entry.code:match "^mmio%-" and found.entry.detail and found.entry.detail(found.captures, self)
    if detail then
      window.needed_bytes = window.needed_bytes or detail.needed_bytes
      window.needed_gb = math.max(window.needed_gb or 0, detail.gb)
      window.limit_bytes = detail.limit_bytes or window.limit_bytes
    end
  end
  return next(window) and window or nil
end

function Session:export()
  return { line = self.line, last_line = self.last_line, file = self.file, time = self.time, version = self.version,
    build = self.build, devices = self.devices, findings = self:list_findings(),
    not_understood = self:list_unclear(), config = self.config,
    window = self:window_of(self.devices) }
end

return function(file, number, explicit)
  return setmetatable({ file = file, line = number, last_line = number, explicit = explicit, devices = {},
    by_address = {}, config = {}, findings = {}, finding_count = 0, marks = {},
    notes = {}, unclear = unclear_of() }, Session)
end
