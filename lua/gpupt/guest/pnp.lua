--- Reads what Windows reports about its PCI devices: Win32_PnPEntity as JSON.
-- ConfigManagerErrorCode is the number in "Code 43"; it is the same in every language of Windows,
-- whereas Status and the names are not. A single device comes as an object, several as an array: that is
-- how ConvertTo-Json writes them.
--
--   pnp.parse(text)
--     --> { { id="PCI\\VEN_10DE&DEV_1EB8&...", vendor=0x10de, device=0x1eb8, class=0x0302, problem_code=43,
--             driver="nvlddmkm", name="NVIDIA Tesla T4" } };  or nil, message, "EPARSE"
local json = require "gpupt.json"
local text = require "gpupt.text"

local pnp = {}

-- cmd.exe writes the console's code page: bytes that are not UTF-8 become "?" so that the JSON can be read.
local function ascii_where_needed(bytes)
  if utf8.len(bytes) then return bytes end
  return (bytes:gsub("[\x80-\xFF]", "?"))
end

local function number(value)
  if math.type(value) == "integer" then return value end
  return math.tointeger(tonumber(value))
end

local function hex(s) return s and tonumber(s, 16) end

-- Of the compatible ids, "PCI\CC_030200" gives the PCI class even when no driver is installed.
local function pci_class(compatible)
  if type(compatible) == "string" then compatible = { compatible } end
  for _, id in ipairs(type(compatible) == "table" and compatible or {}) do
    local class = type(id) == "string" and id:match "CC_(%x%x%x%x)"
    if class then return hex(class) end
  end
end

-- What Windows calls the class, where the compatible ids are missing.
local by_name = { Display = 0x0300, MEDIA = 0x0403, USB = 0x0c03, Net = 0x0200, HDC = 0x0106 }

local function device_of(entry)
  local id = entry.DeviceID or entry.InstanceId or entry.PNPDeviceID
  if type(id) ~= "string" then return nil end
  local vendor, device = id:upper():match "^PCI\\VEN_(%x%x%x%x)&DEV_(%x%x%x%x)"
  if not vendor then return nil end
  local subdevice, subvendor = id:upper():match "&SUBSYS_(%x%x%x%x)(%x%x%x%x)"
  local service = type(entry.Service) == "string" and entry.Service ~= "" and entry.Service or nil
  return {
    id = id, vendor = hex(vendor), device = hex(device), subvendor = hex(subvendor), subdevice = hex(subdevice),
    class = pci_class(entry.CompatibleID) or by_name[entry.PNPClass or entry.Class or ""],
    problem_code = number(entry.ConfigManagerErrorCode) or number(entry.Problem) or 0, driver = service,
    name = type(entry.Name) == "string" and entry.Name or nil,
  }
end

--- The PCI devices in the output of the query; an empty output is an empty list (no such device).
function pnp.parse(output)
  local plain = ascii_where_needed(text.trim(text.plain(output)))
  if plain == "" then return {} end
  -- a PowerShell warning may precede the JSON
  local first = plain:find "[%[{]"
  local value, message
  if first then value, message = json.decode(plain:sub(first)) end
  if type(value) ~= "table" then
    return nil, ("the list of devices cannot be read (%s): %s")
      :format(message or "no JSON in it", plain:sub(1, 200)), "EPARSE"
  end
  if value.DeviceID or value.InstanceId then value = { value } end
  local devices = {}
  for _, entry in ipairs(value) do
    local device = type(entry) == "table" and device_of(entry)
    if device then devices[#devices + 1] = device end
  end
  return devices
end

-- The names of device classes, which pnputil does not translate.
local classes = { display = 0x0300, media = 0x0403, usb = 0x0c03, net = 0x0200, hdc = 0x0106 }

--- The PCI devices of these vendors in the output of pnputil /enum-devices, as of pnp.parse. Its labels are in the
-- system's language, so it is read by its values: an instance id, "43 (0x2B) [CM_PROB_FAILED_POST_START]", "oem12.inf".
-- The driver is the published name of its package; display.inf is that of the Microsoft Basic Display Adapter.
-- nil, message, "EPARSE" if there is no device in it.
function pnp.parse_enum(output, vendors)
  local devices, all, one = {}, 0, nil
  for line in text.lines(text.plain(output)) do
    local value = line:match "^%S[^:]*:%s+(.-)%s*$"
    local id = value and value:match "^%u[%w_]*\\%S+$"
    if not value then
      one = nil
    elseif id then
      all, one = all + 1, device_of { DeviceID = id }
      if one then
        for _, vendor in ipairs(vendors) do
          if one.vendor == vendor then devices[#devices + 1] = one end
        end
      end
    elseif one then
      local code = value:match "^(%d+) %(0x%x+%) %[CM_PROB_"
      if code then
        one.problem_code = number(code)
      elseif value:lower():find "^[%w_]+%.inf$" then
        one.driver = value:lower() == "display.inf" and "BasicDisplay" or value
      elseif not one.name then
        one.name = ascii_where_needed(value)
      else
        one.class = one.class or classes[value:lower()]
      end
    end
  end
  if all == 0 then
    return nil, ("the list of devices cannot be read: %s"):format(ascii_where_needed(text.trim(text.plain(output)))
      :sub(1, 200)), "EPARSE"
  end
  return devices
end

return pnp
