--- PowerCLI on a host's devices: Get-PassthroughDevice, Get-VMHostPciDevice, esxcli through Get-EsxCli; esxcli's own
-- formatters (csv, xml, keyvalue) write the same fields.
-- Public samples: powercli46.rssing.com (Get-PassthroughDevice as a list, VendorId -32634), the vSphere API reference
-- of HostPciDevice (fields, signed ids); Get-EsxCli's fields are esxcli's without blanks.
local pci = require "gpupt.pci"
local records = require "gpupt.evidence.records"
local structures = require "gpupt.evidence.structures"

local powercli = {}

local function number(text)
  if not text then return nil end
  local value = text:match "^0x%x+$" and tonumber(text) or tonumber(text:match "^%-?%d+$" or "")
  value = math.tointeger(value)
  return value and value & 0xffff
end

local function truth(text)
  text = (text or ""):lower()
  if text == "true" then return true elseif text == "false" then return false end
end

local function filled(text) return text ~= "" and text or nil end

local function placed(card, address)
  if not address then return nil end
  card.address, card.domain, card.bus, card.slot, card.func = tostring(address), address.domain, address.bus,
    address.slot, address.func
  return card
end

-- PowerCLI's names of classes
local classes = { displaycontroller = 0x0300, networkcontroller = 0x0200, massstoragecontroller = 0x0100,
  bridge = 0x0600, multimediadevice = 0x0403, serialbuscontroller = 0x0c03 }

local function passthrough(f)
  local bus, slot, func = number(f.bus), number(f.slot), number(f["function"])
  if not (bus and slot and func and f.vendorid and f.state) then return nil end
  if slot > 31 or func > 7 then return nil end
  -- buses are signed bytes on the wire
  local address = pci.address(("%04x:%02x:%02x.%x"):format(tonumber((f.uid or ""):match "%-(%x%x%x%x):%x%x:%x%x%.%x/"
    or "0", 16), bus & 0xff, slot, func), "hex")
  return placed({ vendor = number(f.vendorid), device = number(f.deviceid), class = number(f.classid),
    device_name = f.name, state = f.state, active = f.state == "Active" or nil,
    enabled = f.state == "Active" or nil }, address), "Get-PassthroughDevice"
end

local function host_device(f)
  if not (f.deviceclass and (f.devicename or f.vendorname)) or f.passthrucapable then return nil end
  return placed({ vendor = number(f.vendorid), device = number(f.deviceid), subvendor = number(f.subvendorid),
    subdevice = number(f.subdeviceid), device_name = filled(f.devicename or f.name), vendor_name = filled(f.vendorname),
    class = classes[f.deviceclass:lower()] }, pci.address(f.id or "", "hex")), "Get-VMHostPciDevice"
end

local function esxcli(f)
  if not (f.address and f.passthrucapable) then return nil end
  return placed({ vendor = number(f.vendorid), device = number(f.deviceid), subvendor = number(f.subvendorid),
    subdevice = number(f.subdeviceid), class = number(f.deviceclass), vendor_name = filled(f.vendorname),
    device_name = filled(f.devicename), driver = filled(f.modulename), owner = filled(f.currentowner),
    configured_owner = filled(f.configuredowner), vmkernel_name = filled(f.vmkernelname),
    capable = truth(f.passthrucapable), reset_method = filled(f.resetmethod), sharable = truth(f.fptsharable),
    physical_slot = filled(f.physicalslot) }, pci.address(f.address, "hex")), "Get-EsxCli hardware.pci.list"
end

-- esxcli hardware pci pcipassthru list, as CSV and the like
local function enabled(f)
  if truth(f.enabled) == nil or not (f.deviceid or ""):find "^%x+:%x+:%x+%.%x$" then return nil end
  return placed({ enabled = truth(f.enabled) }, pci.address(f.deviceid, "hex")), "esxcli hardware pci pcipassthru list"
end

local function all_records(doc)
  local list = structures.of(doc)
  if #list == 0 then list = records.of(doc) end
  return list
end

local function read(doc)
  for _, record in ipairs(all_records(doc)) do
    for _, reader in ipairs { esxcli, enabled, passthrough, host_device } do
      local card, form = reader(record.fields)
      if card then
        card.where = "host"
        card.text = ("%s %s"):format(card.address, card.device_name or "")
        doc:take(form, record.first, record.last)
        doc:card(form, record.first, card)
        break
      end
    end
  end
end

powercli.form = {
  form = "powercli", title = "PowerCLI: Get-PassthroughDevice, Get-VMHostPciDevice, Get-EsxCli hardware.pci.list; "
    .. "esxcli --formatter=csv, xml or keyvalue",
  how = "Get-VMHost HOST | Get-PassthroughDevice -Type Pci | fl; Get-VMHostPciDevice -VMHost HOST | fl",
  facts = "cards, addresses, ids (from signed numbers), names, class, state, owner, capable, reset method",
  source = "powercli46.rssing.com, vSphere API reference HostPciDevice",
  words = { "VendorId", "VendorID", "DeviceClass", "PassthruCapable", "DeviceID" },
  read = read,
}

return powercli
