--- PCI devices: where they are, what they are, which are GPUs, which go together.
-- One record for all sources (sysfs, esxcli, lspci, vmkchdev, the vSphere API):
--   address "0000:65:00.0" (with domain, bus, slot, func), vendor, device, subvendor, subdevice, class (0x0302),
--   prog_if, revision, bars {{index=, kind=, size=, prefetchable=, address=}...}, unassigned {1, 3} (BARs without an
--   address), bytes (all memory BARs), rom, sriov {total=, enabled=, bars=}, rebar {{index=, current=,
--   supported={...}}...}, link {speed=, max_speed= (GT/s), width=, max_width=}, bridge, numa_node, iommu_group, parent,
--   physfn, dependent, boot_vga, driver, owner, configured_owner, capable, enabled, reset_method, sharable, and names;
--   by_name = true when the ids were found by the name, candidates = "10de:1b38 10de:1b39" when several fit it.
-- What a source does not tell is nil.
local core = require "gpupt.core".pci
local options = require "gpupt.options"

local pci = {}

local Address = {}
Address.__index = Address
Address.__name = "gpupt.pci.address"

function Address.__tostring(self) return core.format(self.domain, self.bus, self.slot, self.func, false) end

local function number_of(a) return a.domain << 16 | a.bus << 8 | a.slot << 3 | a.func end

function Address.__eq(a, b) return getmetatable(b) == Address and number_of(a) == number_of(b) end

function Address.__lt(a, b) return number_of(a) < number_of(b) end

function Address.__le(a, b) return number_of(a) <= number_of(b) end

--- "00000:101:00.0": the form of pciPassthruN.id in a .vmx, decimal.
function Address:vmx() return core.format(self.domain, self.bus, self.slot, self.func, true) end

--- An address from its text: "0000:65:00.0", "65:00.0", "10000:e1:00.0" (hexadecimal), "00000:101:00.0",
-- "PCI 0:101:0:0" (decimal, as they can be nothing else). `form` "hex" or "vmx" (decimal) settles what a short text
-- such as "10:00.0" means; without it, it is hexadecimal.
-- Has .domain .bus .slot .func, :vmx(), tostring, == and <. nil, message, code for anything else.
function pci.address(text, form)
  if getmetatable(text) == Address then return text end
  local domain, bus, slot, func = core.address(text, form)
  if not domain then return nil, bus, slot end
  return setmetatable({ domain = domain, bus = bus, slot = slot, func = func }, Address)
end

local name_files = { "/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids", "/var/lib/pciutils/pci.ids" }

local function readable(path)
  local file = io.open(path, "rb")
  if file then file:close() end
  return file ~= nil
end

--- The pci.ids to use: false for none, a path, or the system's (nil when it has none).
local function names_of(wanted)
  if wanted == false then return nil end
  if type(wanted) == "string" then return wanted end
  for _, path in ipairs(name_files) do
    if readable(path) then return path end
  end
end

--- The system's pci.ids, or nil.
function pci.names_file() return names_of(nil) end

local list_options = options.declare("pci.list", {
  { "root", "string", default = "/sys", doc = "a sysfs, or a copy of one" },
  { "names", "string|boolean", doc = "a pci.ids file; false for no names; by default the system's file if it has "
    .. "one" },
})

--- The devices of a sysfs, sorted by address. nil, message, code when there is none.
function pci.list(opts)
  opts = list_options:check(opts)
  return core.sysfs(opts.root, names_of(opts.names))
end

local parse_options = options.declare("pci.parse", {
  { "names", "string|boolean", default = false, doc = "a pci.ids file, or true for the system's" },
})

--- The devices in a text: `esxcli hardware pci list`, `esxcli hardware pci pcipassthru list`, `lspci` (plain, -n,
-- -nn, -v, -vv, -x to -xxxx; ESXi's own, -p), `vmkchdev -l`, the PCI lines of a Linux kernel's log; recognised line by
-- line, so texts may be joined, and each adds to the record of its address. Text that went through a mail program, a
-- web page or PowerShell is read all the same. With `names`, a name without ids (lspci without -nn) is looked up.
-- Second result: {complete = true, false or "unknown", why=, lines= (by address), damage=, commands=}.
-- nil, message, "EPARSE" when nothing in the text was recognised.
function pci.parse(text, opts)
  opts = parse_options:check(opts)
  if type(text) ~= "string" then error("pci.parse: a string, not a " .. type(text), 2) end
  local names = opts.names
  if names == true then names = names_of(nil) end
  local plain = require "gpupt.paste".clean(text)
  local devices, recognised, about = require "gpupt.pci.text".read(plain, names or nil)
  if not devices then return nil, recognised, about end
  if recognised == 0 or #devices == 0 then
    return nil, "no PCI device found: the text should be the output of esxcli hardware pci list, lspci or "
      .. "vmkchdev -l",
      "EPARSE"
  end
  about.commands = plain.commands
  about.complete, about.why = pci.complete(devices, plain.commands)
  return devices, about
end

--- Whether a list of devices is all that the machine has: true, false or "unknown", and why. Only a complete list shows
-- that a card is missing. `commands` are the {text=} that made the list, as pci.parse gives them.
function pci.complete(devices, commands) return require "gpupt.pci.complete"(devices, commands) end

--- The record of a vSphere HostPciDevice, whose numbers are signed on the wire: a table with vim25 field names.
function pci.from_vim(dev)
  if type(dev) ~= "table" and type(dev) ~= "userdata" then
    error("pci.from_vim: a HostPciDevice, not a " .. type(dev), 2)
  end
  local address, message, code = pci.address(dev.id, "hex")
  if not address then return nil, message, code end
  local vendor, device, class = dev.vendorId, dev.deviceId, dev.classId
  local subvendor, subdevice = dev.subVendorId, dev.subDeviceId
  local parent = dev.parentBridge and pci.address(dev.parentBridge, "hex") or nil
  return {
    address = tostring(address), domain = address.domain, bus = address.bus, slot = address.slot, func = address.func,
    vendor = vendor and vendor & 0xffff, device = device and device & 0xffff,
    subvendor = subvendor and subvendor & 0xffff, subdevice = subdevice and subdevice & 0xffff,
    class = class and class & 0xffff, parent = parent and tostring(parent) or nil,
    vendor_name = dev.vendorName, device_name = dev.deviceName, bars = {},
  }
end

--- True when the device is a GPU to pass through; else false and the reason.
function pci.is_gpu(dev) return require "gpupt.pci.kind".is_gpu(dev) end

--- The board whose NVSwitch a device is ("HGX H100"), or nil.
function pci.switch_of(dev) return require "gpupt.pci.kind".switch_of(dev) end

--- True when the device fits a pattern: "vendor:device[:subvendor:subdevice]" with * for any part (or any digits),
-- "class=0302", "class=03*", an address, "gpu"; a list of patterns fits when one of them does.
-- nil, message, "EINVAL" for an invalid pattern.
function pci.match(dev, pattern) return require "gpupt.pci.kind".match(dev, pattern) end

--- Which devices have to go to a VM together, and why: a list of {devices = {...}, reasons = {...}}, every device in
-- exactly one group.
function pci.together(devices) return require "gpupt.pci.together"(devices) end

return pci
