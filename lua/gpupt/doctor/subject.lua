--- What the doctor looks at, in one place: the .vmx, the log, the PCI list, and what follows from them
-- together. A rule reads its subject only through this file, so that each fact has one reading: which
-- pciPassthruN there are, which card each means, which window the cards need and which one the .vmx offers.
-- Evidence is {file, line, text}.
local bar = require "gpupt.bar"
local form = require "gpupt.vmx.form"
local keys = require "gpupt.doctor.keys"
local pci = require "gpupt.pci"
local vmx = require "gpupt.vmx"

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

local on_words = { ["true"] = true, ["1"] = true, yes = true, y = true, t = true, on = true }

--- Whether a switch is on in any spelling that a host may take for TRUE. (That it takes 1 and yes is from memory: a
-- switch that must be off is judged by this, one that must be on by truth.)
function Subject:on(key) return on_words[(self:get(key) or ""):lower()] or false end

--- An integer value, or nil.
function Subject:number(key) return math.tointeger(tonumber(self:get(key) or "")) end

--- The evidence of a key's line; of the file as a whole when the key is absent.
function Subject:at(key)
  local line = self.doc:where(key)
  if line then return self:line(line) end
  return { file = self.vmx_name, text = key .. " is not set" }
end

--- The evidence of a line by number: as it is in the file, also where its form was repaired to read it.
function Subject:line(number)
  local origin = self.form and self.form.origin[number] or number
  -- a server's settings have no lines
  return { file = self.vmx_name, line = not self.remote and origin or nil, text = self.raw:line(origin) }
end

--- The evidence of a line of the file itself.
function Subject:raw_line(number) return { file = self.vmx_name, line = number, text = self.raw:line(number) } end

--- An id as it was meant: 0x and digits; four digits with a letter in them, or what is sign-extended or written as a
-- signed or a decimal number and can be nothing else. nil for anything else.
local function hex(text)
  if not text then return nil end
  local digits = text:match "^0[xX](%x%x?%x?%x?)$" or text:match "^0[xX][fF][fF][fF][fF](%x%x%x%x)$"
    or (text:match "%a" and text:match "^%x%x%x%x$")
  if digits then return math.tointeger(tonumber(digits, 16)) end
  local negative, decimal = text:match "^%-(%d+)$", text:match "^%d%d%d%d%d$"
  local number = math.tointeger(tonumber(negative or decimal or ""))
  if negative and number and number > 0 and number <= 0x8000 then return 0x10000 - number end
  if decimal and number <= 0xffff then return number end
end

--- "0x10de:0x20b5", several parted by commas: the models that Dynamic DirectPath may give.
local function read_allowed(text)
  local list = {}
  for vendor, device in (text or ""):gmatch "0?[xX]?(%x+):0?[xX]?(%x+)" do
    if #vendor <= 4 and #device <= 4 then
      list[#list + 1] = { vendor = tonumber(vendor, 16), device = tonumber(device, 16) }
    end
  end
  return #list > 0 and list or nil
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
    -- a network function of SR-IOV: its id is that of the physical function, which several have, and it has no ids
    local bypass = (device.system_id or ""):upper() == "BYPASS"
    device.sriov = field "pfid" ~= nil or (bypass and tonumber(field "vendorid" or "") == 0)
    device.vendor, device.device = hex(field "vendorid"), hex(field "deviceid")
    device.allowed = read_allowed(field "alloweddevices")
    for name in pairs(device.fields) do
      device.dynamic = device.dynamic or name:find "^alloweddevice" ~= nil or name:find "label" ~= nil
    end
    if device.allowed and not (device.vendor and device.device) then
      device.vendor, device.device = device.allowed[1].vendor, device.allowed[1].device
    end
    device.address = device.id and pci.address(device.id, "vmx") or nil
  end
  return list
end

function Subject:field(device, name)
  local field = device.fields[name]
  if field then return self:line(field.line) end
  return { file = self.vmx_name, text = device.prefix .. "." .. name .. " is not set" }
end

--- The cards that are in effect: present = TRUE, and neither a vGPU nor a network function of SR-IOV.
function Subject:present()
  local list = {}
  for _, device in ipairs(self.devices) do
    if device.present and not device.vgpu and not device.sriov then list[#list + 1] = device end
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

-- Vendors whose passed-through devices are display controllers or accelerators, but for a few bridges and functions.
local makes_gpus = { [0x10de] = true, [0x1002] = true, [0x1da3] = true }

--- Whether the PCI list holds every device of the host, and why: true, false (a class filter, a single device) or
-- "unknown". Only a complete list says by its silence that a card is not there. A list without any display controller
-- or accelerator is none that could hold the GPU of an entry, whatever else is in it, unless its source says that it is
-- complete.
function Subject:list_complete(device)
  if not self.pci then return false, "there is no list" end
  if self.pci.complete ~= nil then return self.pci.complete, "its source says so" end
  local complete, why = self.pci_complete, self.pci_complete_why
  if complete == nil then complete, why = pci.complete(self.pci) end
  if complete ~= true or not (device and makes_gpus[device.vendor or 0]) then return complete, why end
  for _, listed in ipairs(self.pci) do
    if listed.class and (listed.class >> 8 == 0x03 or listed.class == 0x1200) then return true, why end
  end
  return "unknown", "it has no display controller and no accelerator"
end

--- Keys of passthrough that no source names, with their lines.
function Subject:unknown_keys()
  local list = {}
  for key, _, line in (self.doc and self.doc:each "pciPassthru*" or function() end) do
    if keys.judge(key) == "unknown" then
      local one = self:line(line)
      one.word = key
      list[#list + 1] = one
    end
  end
  return list
end

local function name_by_ids(vendor, device)
  local known = bar.lookup(vendor, device)
  if known and known.name then return known.name end
  local text = ("0000:01:00.0 0300: %04x:%04x\n"):format(vendor, device)
  local list = pci.parse(text, { names = true })
  return list and list[1] and list[1].device_name
end

--- What the card of an entry is: "geforce", "workstation", "datacentre", "other" or "unknown", and its name.
function Subject:kind_of(device)
  if not device.vendor or not device.device then return "unknown" end
  local listed = self:listed(device.address)
  local name = listed and listed.device_name or name_by_ids(device.vendor, device.device)
  if not name and device.vendor == 0x10de and #self:present() == 1 then name = self.facts.names[1] end
  local kind = require "gpupt.settings.cpuid".kind { vendor = device.vendor, device = device.device,
    class = listed and listed.class, name = name }
  return kind, name
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

--- Of the models that a dynamic entry allows, the one with the most BARs: any of them may come.
local function largest_allowed(device)
  local best, most
  for _, model in ipairs(device.allowed or {}) do
    local known = bar.lookup(model.vendor, model.device)
    if known and #known.bars > 0 and known.bytes > (most or 0) then best, most = model, known.bytes end
  end
  return best
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
    local allowed = not bars and largest_allowed(device)
    if allowed then vendor, id = allowed.vendor, allowed.device end
    local known = vendor and id and bar.lookup(vendor, id)
    if not bars and not (known and #known.bars > 0) then
      return nil, ("%s%s: its BARs are not known (the vmware.log of a power-on, or lspci -vv, shows them)")
        :format(device.prefix, known and " (" .. known.name .. ")" or "")
    end
    cards[#cards + 1] = { vendor = vendor, device = id, bars = bars, count = 1, name = listed and listed.device_name,
      class = listed and listed.class, address = device.address and tostring(device.address), prefix = device.prefix }
  end
  if #cards == 0 then
    for _, device in ipairs(not self.doc and self.log and self.log.devices or {}) do
      if device.bytes > 0 then cards[#cards + 1] = { bars = device.bars, count = 1, address = device.address } end
    end
  end
  if #cards == 0 then return nil, "no card" end
  return cards
end

--- The entries whose BARs only the table tells, and not surely: {device=, known=, largest=, smallest=} in bytes. A row
-- from memory, or several forms of one id, of which nothing tells the right one.
function Subject:uncertain()
  local list = {}
  for _, device in ipairs(self.gpus and {} or self:present()) do
    local known = not measured_bars(self, device.address) and device.vendor and device.device
      and bar.lookup(device.vendor, device.device)
    if known and #known.bars > 0 and (known.mark == "M" or #known.variants > 1) then
      local largest, smallest = known.bytes, known.bytes
      for _, variant in ipairs(known.variants) do
        largest, smallest = math.max(largest, variant.bytes), math.min(smallest, variant.bytes)
      end
      list[#list + 1] = { device = device, known = known, largest = largest, smallest = smallest }
    end
  end
  return list
end

--- Whether a message is about the window. (Loaded here: the rules read their subject through this file.)
local function is_of_window(finding)
  return require "gpupt.doctor.rules".of_message[finding.code] == "mmio-window"
end

--- What the log's own figures (pages needed, KB of MMIO) ask for, in GiB, with the finding; or nil.
local function logged_need(self)
  local most, from
  for _, finding in ipairs(self.log and self.log.findings or {}) do
    local detail = finding.detail
    if is_of_window(finding) and detail and detail.gb and detail.needed_bytes and detail.gb > (most or 0) then
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
        text = bar.format(window.bytes), why = window.why, warnings = window.warnings }
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
  local wanted = "^" .. pattern:lower():gsub("%.", "%%."):gsub("%*", "%%d+") .. "$"
  for name in pairs(config) do
    if name:match(wanted) then names[name], logged = true, true end
  end
  for key in doc:each(pattern) do
    if key:lower():match(wanted) then names[key:lower()] = true end
  end
  return logged and names or nil
end

--- Whether the .vmx differs in these keys (N of a device may be *) from the settings that the log's power-on had: true,
-- false, or nil when the log does not list them.
function Subject:changed_since_log(settings)
  for _, key in ipairs(self.doc and self.changed or {}) do
    for _, setting in ipairs(settings) do
      if key:lower():match("^" .. setting:lower():gsub("%.", "%%."):gsub("%*", "%%d+") .. "$") then return true end
    end
  end
  local config = self.log and self.log.config
  if not self.doc or not config or next(config) == nil then return nil end
  local unknown = false
  for _, key in ipairs(settings) do
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
-- system_id, facts.
return function(given)
  local subject = setmetatable({}, Subject)
  for key, value in pairs(given) do subject[key] = value end
  subject.facts = given.facts or require "gpupt.doctor.facts".new()
  subject.raw = given.doc
  local repaired = given.doc and not given.remote and form.repair(tostring(given.doc))
  local meant = repaired and vmx.parse(repaired.text)
  if meant then subject.form, subject.doc = repaired, meant end
  subject.devices = subject.doc and read_devices(subject.doc) or {}
  return subject
end
