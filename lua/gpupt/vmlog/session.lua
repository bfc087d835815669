--- What is known of one power-on: its cards, its settings as the log lists them, its findings.
-- Everything is bounded, since a log may be of any size: repeated findings are counted, not kept.
local bar = require "gpupt.bar"
local core = require "gpupt.core".vmlog

local MAX_DEVICES, MAX_CONFIG, MAX_FINDINGS, MAX_TEXT = 1024, 1024, 512, 500

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

local wanted = {
  "^pcipassthru", "^firmware$", "^memsize$", "^sched%.mem%.", "^hypervisor%.cpuid%.v0$", "^vhv%.enable$",
    "^vvtd%.enable$",
  "^uefi%.secureboot%.enabled$", "^svga%.", "^mks%.", "^virtualhw%.version$", "^guestos$", "^pcihole%.",
    "^displayname$",
  "^pcibridge%d+%.", "^vcpu%.hotadd$", "^mem%.hotadd$", "^numvcpus$",
}

--- `DICT   pciPassthru.use64bitMMIO = "TRUE"`: the settings as the VM's process read them.
function Session:add_config(text, number)
  local key, value = text:match "DICT%s+([^%s=]+)%s*=%s*(.-)%s*$"
  if not key then return end
  value = value:match '^"(.*)"$' or value
  local lower = key:lower()
  for _, pattern in ipairs(wanted) do
    if lower:match(pattern) then
      if not self.config[lower] then
        if self.config_count == MAX_CONFIG then return end
        self.config_count = self.config_count + 1
      end
      self.touched = true
      self.config[lower] = { key = key, value = value, line = number }
      return
    end
  end
end

function Session:mark(what, number, text)
  self.touched = true
  self.marks[what] = { line = number, text = text:sub(1, MAX_TEXT) }
end

--- "nn:ss.f" of a message that writes addresses in another form is left as it is.
function Session:add_finding(entry, captures, text, number)
  self.touched = true
  local address = entry.address and captures[entry.address] or nil
  local key = entry.code .. "\0" .. (address or "")
  local known = self.findings[key]
  if known then
    known.count = known.count + 1
    known.captures, known.last_line = captures, number
    return
  end
  if self.finding_count == MAX_FINDINGS then return end
  self.finding_count = self.finding_count + 1
  self.findings[key] = { entry = entry, captures = captures, text = text:sub(1, MAX_TEXT), line = number, count = 1,
    address = address, order = self.finding_count }
end

--- Called at the end of the file that the session is in.
function Session:finish(lines) self.lines = lines end

local function text_of(part, captures, session)
  if type(part) == "function" then return part(captures, session) end
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
    source = "Broadcom KB 323402", evidence = { mapped.line, rom.line },
  }
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
        code = entry.code, severity = entry.severity, line = found.line, last_line = found.last_line,
          count = found.count,
        text = found.text, message = prefix.message, time = prefix.time, file = self.file, address = found.address,
        cause = text_of(entry.cause, captures, self), remedy = text_of(entry.remedy, captures, self),
        source = entry.source, detail = detail or nil,
      }
    end
  end
  list[#list + 1] = self:hang()
  table.sort(list, function(a, b)
    if a.line ~= b.line then return a.line < b.line end
    return a.code < b.code
  end)
  return list
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
    build = self.build, devices = self.devices, findings = self:list_findings(), config = self.config,
    window = self:window_of(self.devices) }
end

return function(file, number, explicit)
  return setmetatable({ file = file, line = number, last_line = number, explicit = explicit, devices = {},
    by_address = {}, config = {}, config_count = 0, findings = {}, finding_count = 0, marks = {} }, Session)
end
