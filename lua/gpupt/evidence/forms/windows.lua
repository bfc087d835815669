--- What Windows says of its cards: Get-PnpDevice, Win32_PnPEntity and Win32_VideoController (list, table, CSV, JSON;
-- wmic), pnputil /enum-devices.
-- The names of PowerShell's fields and the ids in the values are the same in every language of Windows; pnputil
-- translates its labels, so that it is read by its values alone.
-- Public samples: sebhildebrandt/systeminformation/issues/860 and KhronosGroup/Vulkan-Loader/issues/283 (Format-List),
-- microsoft/MIDI/issues/1028 (table), dorssel/usbipd-win/issues/63 (wmic), VirtualDrivers/Virtual-Display-Driver/
-- issues/508 (a disabled device: Status Error, code 22), openzfsonwindows/openzfs/issues/392 (pnputil),
-- powershell.one/wmi/root/cimv2/win32_pnpentity (fields).
local records = require "gpupt.evidence.records"
local pnp = require "gpupt.guest.pnp"

local windows = {}

local classes = { display = 0x0300, media = 0x0403, usb = 0x0c03, net = 0x0200, hdc = 0x0106, scsiadapter = 0x0100 }

-- cfgmgr32.h; Microsoft: "Device Manager error messages"
local problems = {
  CM_PROB_NOT_CONFIGURED = 1, CM_PROB_OUT_OF_MEMORY = 3, CM_PROB_FAILED_START = 10, CM_PROB_NORMAL_CONFLICT = 12,
  CM_PROB_NEED_RESTART = 14, CM_PROB_REINSTALL = 18, CM_PROB_REGISTRY = 19, CM_PROB_WILL_BE_REMOVED = 21,
  CM_PROB_DISABLED = 22, CM_PROB_DEVICE_NOT_THERE = 24, CM_PROB_FAILED_INSTALL = 28, CM_PROB_HARDWARE_DISABLED = 29,
  CM_PROB_FAILED_ADD = 31, CM_PROB_DISABLED_SERVICE = 32, CM_PROB_FAILED_DRIVER_ENTRY = 37,
  CM_PROB_DRIVER_FAILED_PRIOR_UNLOAD = 38, CM_PROB_DRIVER_FAILED_LOAD = 39, CM_PROB_FAILED_POST_START = 43,
  CM_PROB_HALTED = 44, CM_PROB_PHANTOM = 45, CM_PROB_HELD_FOR_EJECT = 47, CM_PROB_DRIVER_BLOCKED = 48,
  CM_PROB_UNSIGNED_DRIVER = 52, CM_PROB_NONE = 0,
}

local function problem_of(text)
  if not text then return nil end
  local number = math.tointeger(tonumber(text:match "^%s*(%d+)" or ""))
  if number and number < 1000 then return number end
  return problems[text:match "CM_PROB_[%u_]+" or ""]
end

--- The ids of an instance id: "PCI\VEN_10DE&DEV_1EB8&SUBSYS_12A210DE&REV_A1\3&2B8E0B4B&0&80".
local function ids_of(text)
  local vendor, device = text:upper():match "VEN_(%x%x%x%x)&DEV_(%x%x%x%x)"
  -- Format-Table cuts ids off: PCI\VEN_10DE...
  if not vendor then vendor = text:upper():match "^PCI\\VEN_(%x%x%x%x)%f[^%x]" end
  if not vendor then return nil end
  local subdevice, subvendor = text:upper():match "SUBSYS_(%x%x%x%x)(%x%x%x%x)"
  local class = text:upper():match "CC_(%x%x%x%x)"
  local function hex(s) return s and tonumber(s, 16) end
  return hex(vendor), hex(device), hex(subvendor), hex(subdevice), hex(class)
end

--- NVIDIA numbers its Windows drivers 31.0.15.3713 for 537.13: the last five digits.
function windows.nvidia_release(version)
  local digits = version and version:match "^%d+%.%d+%.[%d.]+$" and version:gsub("%.", "")
  if not digits or #digits < 5 then return nil end
  local major, minor = digits:sub(-5, -3), digits:sub(-2)
  return ("%d.%s"):format(tonumber(major), minor)
end

local function vendor_of(name)
  if name:find "NVIDIA" or name:find "GeForce" or name:find "Quadro" or name:find "Tesla" then return 0x10de end
  if name:find "AMD" or name:find "Radeon" or name:find "FirePro" then return 0x1002 end
  if name:find "Intel" and (name:find "Graphics" or name:find "Arc" or name:find "Iris") then return 0x8086 end
end

local function versions(doc, form, i, card)
  if card.vendor == 0x10de and card.driver_version then
    local release = windows.nvidia_release(card.driver_version)
    card.driver_release = release
    doc:version(form, i, "nvidia-driver", release or card.driver_version)
  end
end

-- A row whose blanks were run together: "Error Display NVIDIA Tesla T4 PCI\VEN_10DE&..."
local function loose(card, line, id)
  local before = line:sub(1, (line:find(id, 1, true) or 1) - 1)
  local status, class, name = before:match "^%s*(%a+)%s+(%a+)%s+(.-)%s*$"
  if not status then return end
  card.state, card.name = status, name ~= "" and name or card.name
  card.class = classes[class:lower()] or card.class
end

local function of_record(doc, record)
  local f = record.fields
  local line = f[1] or doc.lines[record.first]
  local id = f.instanceid or f.pnpdeviceid or f.deviceid or f.hardwareid or ""
  id = id:match "%S*VEN_%S+" or (f[1] or ""):match "%S*VEN_%S+" or ""
  local vendor, device, subvendor, subdevice, class = ids_of(id)
  local name = f.friendlyname or f.name or f.caption or f.description or f.devicedescription
  local code = problem_of(f.configmanagererrorcode) or problem_of(f.problem) or problem_of(f.problemcode)
  if not vendor then
    -- without an id, or with one that was cut off too early: a card's name with its driver, its problem, or that id
    local cut = (f.instanceid or f.pnpdeviceid or f.deviceid or ""):match "^PCI\\%S*"
    vendor = name and (f.driverversion or code or cut) and vendor_of(name)
    if not vendor then return nil end
    id = id ~= "" and id or cut or ""
  end
  local card = { id = id ~= "" and id or nil, vendor = vendor, device = device, subvendor = subvendor,
    subdevice = subdevice, class = class or classes[(f.class or f.pnpclass or ""):lower()], name = name,
    state = f.status, problem_code = code, driver = f.service ~= "" and f.service or nil,
    driver_version = f.driverversion, where = "guest", text = line }
  if f[1] and f.instanceid and not f[1]:find '[,;]'
    and (not f.instanceid:find "VEN_" or not f.status or f.status:find "%s") then
    loose(card, f[1], id)
  end
  if not card.class and not device then card.class = 0x0300 end
  local bus, slot, func = (f.locationinfo or f.location or ""):match "bus (%d+), device (%d+), function (%d+)"
  if bus then
    require "gpupt.evidence.forms.nvidia".with_address(card, ("%x:%x.%x"):format(tonumber(bus) & 0xffff,
      tonumber(slot) & 0xffff, tonumber(func) & 0xffff))
  end
  return card
end

local function read_json(doc)
  if not (doc.text:find "VEN_%x%x%x%x[\\&u]" and doc.text:find "[%[{]" and doc.text:find '"[%w]+"%s*:') then return end
  local first
  for i, line in ipairs(doc.lines) do
    if doc:free(i) and line:find "^%s*[%[{]" then
      first = i
      break
    end
  end
  if not first then return end
  local devices = pnp.parse(table.concat(doc.plain.lines, "\n", first))
  for _, device in ipairs(devices or {}) do
    local at = first
    for i = first, #doc.lines do
      local plain = doc.lines[i]:gsub("\\\\", "\\"):gsub("\\u0026", "&")
      if plain:find(device.id, 1, true) then
        at = i
        break
      end
    end
    device.where, device.text = "guest", ("%s: %s"):format(device.name or "?", device.id)
    doc:card("Win32_PnPEntity", at, device)
  end
  if devices and #devices > 0 then
    for i = first, #doc.lines do doc:take("Win32_PnPEntity", i) end
  end
end

-- pnputil by its values: an instance id, "43 (0x2B) [CM_PROB_FAILED_POST_START]", "oem12.inf".
local function read_pnputil(doc)
  local card, block
  for i, line in ipairs(doc.lines) do
    local id = doc:free(i) and line:match ":%s+(PCI\\VEN_%S+)%s*$"
    if id and line:find "^%S[^:]*:%s%s+PCI\\VEN_" then
      local vendor, device, subvendor, subdevice, class = ids_of(id)
      card = doc:card("pnputil", i, { id = id, vendor = vendor, device = device, subvendor = subvendor,
        subdevice = subdevice, class = class, where = "guest" })
      block = 0
      doc:take("pnputil", i)
    elseif card and doc:free(i) then
      local value = line:match "^%S[^:]*:%s%s+(.-)%s*$"
      if not value then
        card = nil
      else
        block = block + 1
        doc:take("pnputil", i)
        local number = value:match "^(%d+) %(0x%x+%) %[CM_PROB_"
        if number then
          card.problem_code = math.tointeger(tonumber(number))
          card.text = line
          card.line = doc:number(i)
        elseif value:find "^oem%d+%.inf$" or value:find "^%w+%.inf$" then
          card.inf = value
        elseif block == 1 then
          card.name = value
        elseif classes[value:lower()] then
          card.class = card.class or classes[value:lower()]
        end
      end
    end
  end
  for _, one in ipairs(doc.cards) do
    if one.form == "pnputil" and not one.class and one.name and vendor_of(one.name) then one.class = 0x0300 end
  end
end

-- Get-PnpDeviceProperty: one row for each property, whose names are those of the driver kit. The instance id is cut
-- off, so that the card is known by its HardwareIds.
local properties = { DeviceDesc = "name", FriendlyName = "name", ProblemCode = "problem_code", Service = "driver",
  DriverVersion = "driver_version", Class = "class", HardwareIds = "ids" }

local function read_properties(doc, list)
  local groups, group, id = {}, nil, nil
  for _, record in ipairs(list) do
    local f = record.fields
    local name = (f.keyname or ""):match "^DEVPKEY_%a+_(%a+)$"
    if name and f.instanceid then
      if f.instanceid ~= id then
        group, id = { first = record.first, at = record.first, id = f.instanceid }, f.instanceid
        groups[#groups + 1] = group
      end
      local key = properties[name]
      if key and (f.data or "") ~= "" and not group[key] then group[key] = f.data end
      if key == "problem_code" then group.at = record.first end
      group.last = record.last
    end
  end
  for _, one in ipairs(groups) do
    local vendor, device, subvendor, subdevice = ids_of((one.ids or one.id):match "PCI\\VEN_[^,}%s]+" or "")
    if vendor then
      doc:take("Get-PnpDeviceProperty", one.first, one.last)
      doc:card("Get-PnpDeviceProperty", one.at, { id = one.id, vendor = vendor, device = device, subvendor = subvendor,
        subdevice = subdevice, class = classes[(one.class or ""):lower()], name = one.name, driver = one.driver,
        problem_code = problem_of(one.problem_code), driver_version = one.driver_version, where = "guest" })
    end
  end
end

local function read(doc)
  read_json(doc)
  read_pnputil(doc)
  local list = records.of(doc)
  read_properties(doc, list)
  for _, record in ipairs(list) do
    local card = not record.fields.keyname and of_record(doc, record)
    if card then
      local form = record.fields.instanceid and "Get-PnpDevice" or "Win32_PnPEntity"
      doc:take(form, record.first, record.last)
      doc:card(form, record.first, card)
      versions(doc, form, record.first, card)
    end
  end
end

windows.form = {
  form = "windows", title = "Get-PnpDevice, Win32_PnPEntity, Win32_VideoController, wmic, pnputil /enum-devices",
  how = "Get-PnpDevice -Class Display; Get-CimInstance Win32_VideoController | fl; pnputil /enum-devices /class "
    .. "Display",
  facts = "cards, ids, names, state, problem code, driver and its version, address where the location has it",
  source = "systeminformation#860, microsoft/MIDI#1028, openzfsonwindows/openzfs#392, powershell.one Win32_PnPEntity",
  words = { "VEN_", "InstanceId", "ConfigManagerErrorCode", "DriverVersion", "Driver Version", "CM_PROB_" },
  read = read,
}

return windows
