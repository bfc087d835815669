--- What the doctor looks at, in one place: the .vmx, the log, the PCI list, and what follows from them
-- together. A rule reads its subject only through this file, so that each fact has one reading: which
-- pciPassthruN there are, which card each means, which window the cards need and which one the .vmx offers.
-- Evidence is {file, line, text}.
local bar = require "gpupt.bar"
local pci = require "gpupt.pci"

local Subject = {}
Subject.__index = Subject

--- The value of a key, or nil; nothing without a .vmx.
function Subject:get(key)
  local value = self.doc and self.doc:get(key)
  return value
end

--- true, false, or nil for absent and anything else.
function Subject:truth(key)
  local value = (self:get(key) or ""):lower()
  if value == "true" then return true end
  if value == "false" then return false end
end

--- An integer value, or nil.
function Subject:number(key) return math.tointeger(tonumber(self:get(key) or "")) end

--- The evidence of a key's line; of the file as a whole when the key is absent.
function Subject:at(key)
  local line = self.doc:where(key)
  if line and self.remote then return self:line(line) end
  if not line then return { file = self.vmx_name, text = key .. " is not set" } end
  return { file = self.vmx_name, line = line, text = self.doc:line(line) }
end

--- The evidence of a line by number.
function Subject:line(number)
  -- a server's settings have no lines
  return { file = self.vmx_name, line = not self.remote and number or nil, text = self.doc:line(number) }
end

--- 0x and digits; four digits with a letter in them can be nothing but hexadecimal either.
local function hex(text)
  if not text then return nil end
  local digits = text:match "^0[xX](%x+)$" or (text:match "%a" and text:match "^%x%x%x%x$") or ""
  return math.tointeger(tonumber(digits, 16))
end

--- The numbered pciPassthruN of the .vmx, by N.
local function read_devices(doc)
  local by_number, list = {}, {}
  for key, value, line in doc:each "pciPassthru*" do
    local number, field = key:match "^[pP][cC][iI][pP][aA][sS][sS][tT][hH][rR][uU](%d+)%.(.+)$"
    number = math.tointeger(tonumber(number or ""))
    if number then
      local device = by_number[number]
      if not device then
        device = { number = number, prefix = "pciPassthru" .. number, fields = {}, keys = {} }
        by_number[number] = device
        list[#list + 1] = device
      end
      device.fields[field:lower()] = { value = value, line = line, key = key }
      table.insert(device.keys, key)
    end
  end
  table.sort(list, function(a, b) return a.number < b.number end)
  for _, device in ipairs(list) do
    local function field(name) return (device.fields[name] or {}).value end
    device.present = (field "present" or ""):lower() == "true"
    -- a vGPU shares the namespace and names a profile: no card is handed over
    device.vgpu = field "vgpu" ~= nil or (field "virtualdev" or ""):lower() == "vmiop"
    device.id, device.system_id = field "id", field "systemid"
    device.vendor, device.device = hex(field "vendorid"), hex(field "deviceid")
    device.address = device.id and pci.address(device.id, "vmx") or nil
  end
  return list
end

function Subject:field(device, name)
  local field = device.fields[name]
  if field then return self:line(field.line) end
  return { file = self.vmx_name, text = device.prefix .. "." .. name .. " is not set" }
end

--- The cards that are in effect: present = TRUE, and no vGPU.
function Subject:present()
  local list = {}
  for _, device in ipairs(self.devices) do
    if device.present and not device.vgpu then list[#list + 1] = device end
  end
  return list
end

--- The device of the PCI list at an address object, or nil.
function Subject:listed(address)
  if not address then return nil end
  local text = tostring(address)
  for _, device in ipairs(self.pci or {}) do
    if device.address == text then return device end
  end
end

--- The evidence of a device of the PCI list: its line in the text, when there is one.
function Subject:listed_at(address)
  local text = tostring(address)
  local listed = self:listed(address)
  if listed and listed.file then return { file = listed.file, line = listed.line, text = text } end
  return { file = self.pci_name, line = self.pci_lines and self.pci_lines[text], text = text }
end

local function measured_bars(self, address)
  if not address then return nil end
  local text = tostring(address)
  for _, device in ipairs(self.log and self.log.devices or {}) do
    local logged = pci.address(device.address, "hex")
    if logged and tostring(logged) == text and device.bytes > 0 then return device.bars end
  end
  local listed = self:listed(address)
  if listed and listed.bars and #listed.bars > 0 and (listed.bytes or 0) > 0 then return listed.bars end
end

--- The cards for bar.window, or nil and why they are not known.
function Subject:cards()
  if self.gpus then return self.gpus end
  local cards = {}
  for _, device in ipairs(self:present()) do
    local bars = measured_bars(self, device.address)
    local vendor, id = device.vendor, device.device
    local listed = self:listed(device.address)
    if listed and not (vendor and id) then vendor, id = listed.vendor, listed.device end
    if not bars and not (vendor and id and bar.lookup(vendor, id)) then
      return nil, ("%s: its BARs are not known (a log of a power-on or a PCI list with sizes would tell)")
        :format(device.prefix)
    end
    cards[#cards + 1] = { vendor = vendor, device = id, bars = bars, count = 1, name = listed and listed.device_name,
      class = listed and listed.class, address = device.address and tostring(device.address) }
  end
  if #cards == 0 then
    for _, device in ipairs(not self.doc and self.log and self.log.devices or {}) do
      if device.bytes > 0 then cards[#cards + 1] = { bars = device.bars, count = 1, address = device.address } end
    end
  end
  if #cards == 0 then return nil, "no card" end
  return cards
end

--- What the log's own figures (pages needed, KB of MMIO) ask for, in GiB, with the finding; or nil.
local function logged_need(self)
  local most, from
  for _, finding in ipairs(self.log and self.log.findings or {}) do
    local detail = finding.detail
    if finding.code:find "^mmio%-" and detail and detail.gb and detail.gb > (most or 0) then
      most, from = detail.gb, finding
    end
  end
  return most, from
end

--- The window that the cards need: {gb=, min=, needed=, text=, source=}, or nil and why it is not known.
-- A log may know better than the table; the larger of both counts.
function Subject:window()
  if self.window_known == nil then
    local cards, problem = self:cards()
    local window
    if cards then
      local message
      window, message = bar.window(cards, { rule = "safe" })
      problem = message
    end
    local result
    if window then
      result = { gb = window.gb, min = window.min, needed = window.needed, bytes = window.bytes, source = window.source,
        text = bar.format(window.bytes), why = window.why }
    end
    local gb, finding = logged_need(self)
    if gb and (not result or gb > result.gb) then
      local bytes = finding.detail.needed_bytes
      result = { gb = gb, min = gb, needed = bytes > bar.LIMIT, bytes = bytes, source = "log",
        text = bar.format(bytes) }
    end
    self.window_known, self.window_problem = result or false, problem
  end
  return self.window_known or nil, self.window_problem
end

--- What the .vmx offers: {efi=, on=, gb= (0 without a window), explicit=}.
function Subject:offer()
  local efi = (self:get "firmware" or "bios"):lower() == "efi"
  local on = self:truth "pciPassthru.use64bitMMIO" == true
  local size = self:number "pciPassthru.64bitMMIOSizeGB"
  -- 32 GB is what a window without a size seems to have (Denneman 2023; inferred)
  return { efi = efi, on = on, explicit = size, gb = efi and on and (size or 32) or 0 }
end

--- The names that "pciPassthru*.id" stands for, in the log's settings and in the .vmx; nil when the log lists none.
local function names_of(pattern, config, doc)
  local names, logged = {}, false
  local form = "^" .. pattern:lower():gsub("%.", "%%."):gsub("%*", "%%d+") .. "$"
  for name in pairs(config) do
    if name:match(form) then names[name], logged = true, true end
  end
  for key in doc:each(pattern) do
    if key:lower():match(form) then names[key:lower()] = true end
  end
  return logged and names or nil
end

--- Whether the .vmx differs in these keys (N of a device may be *) from the settings that the log's power-on had: true,
-- false, or nil when the log does not list them.
function Subject:changed_since_log(keys)
  local config = self.log and self.log.config
  if not self.doc or not config or next(config) == nil then return nil end
  local unknown = false
  for _, key in ipairs(keys) do
    local names = { [key:lower()] = true }
    if key:find("*", 1, true) then names = names_of(key, config, self.doc) end
    for name in pairs(names or {}) do
      local logged = config[name]
      local then_value, now = logged and logged.value:lower(), self:get(name)
      if then_value ~= (now and now:lower()) then return true end
    end
    unknown = unknown or not names
  end
  if unknown then return nil end
  return false
end

--- Builds the subject. `given` has been loaded: doc, vmx_name, log, pci, pci_name, pci_lines, gpus,
-- system_id.
return function(given)
  local subject = setmetatable({}, Subject)
  for key, value in pairs(given) do subject[key] = value end
  subject.devices = given.doc and read_devices(given.doc) or {}
  return subject
end
