--- A VM of a server as the doctor's subject: its settings as the keys that a .vmx would have, the host's
-- cards as a PCI list, and the vmware.log from its folder. What is read is the API's word, so evidence names
-- the VM and the setting; a log's evidence has its lines. Nothing is changed here, and no change is offered
-- as "safe offline".
local failure = require "gpupt.failure"
local pci = require "gpupt.pci"
local vim = require "gpupt.vim"
local vmx = require "gpupt.vmx"

local remote = {}

local PROPERTIES = { "name", "config", "runtime.host", "runtime.powerState", "environmentBrowser" }

local function truth(value) return value and "TRUE" or "FALSE" end

local function hexadecimal(text) return math.tointeger(tonumber((tostring(text or ""):gsub("^0[xX]", "")), 16)) end

--- Adds a setting that the server has; one that it does not tell is left out.
local function put(doc, key, value)
  if value ~= nil and value ~= false then doc:set(key, tostring(value)) end
end

local function put_devices(doc, devices)
  local cards, disks = 0, 0
  for _, device in vim.each(devices) do
    local kind, backing = vim.typeof(device), device.backing
    if kind == "VirtualPCIPassthrough" then
      local prefix = ("pciPassthru%d."):format(cards)
      cards = cards + 1
      doc:set(prefix .. "present", "TRUE")
      local of = backing and vim.typeof(backing)
      if of == "VirtualPCIPassthroughDeviceBackingInfo" then
        local address = pci.address(backing.id, "hex")
        local id, vendor = hexadecimal(backing.deviceId), backing.vendorId
        put(doc, prefix .. "id", address and address:vmx() or backing.id)
        put(doc, prefix .. "deviceId", id and ("0x%04x"):format(id & 0xffff))
        put(doc, prefix .. "vendorId", vendor and ("0x%04x"):format(vendor & 0xffff))
        put(doc, prefix .. "systemId", backing.systemId)
      elseif of == "VirtualPCIPassthroughDynamicBackingInfo" then
        local assigned = backing.assignedId and pci.address(backing.assignedId, "hex")
        local model = backing.allowedDevice and backing.allowedDevice[1]
        put(doc, prefix .. "id", assigned and assigned:vmx())
        put(doc, prefix .. "vendorId", model and ("0x%04x"):format(model.vendorId & 0xffff))
        put(doc, prefix .. "deviceId", model and ("0x%04x"):format(model.deviceId & 0xffff))
        doc:set(prefix .. "allowedDevices", "dynamic")
      end
    elseif kind == "VirtualDisk" and backing and backing.fileName then
      doc:set(("scsi0:%d.fileName"):format(disks), backing.fileName)
      disks = disks + 1
    end
  end
end

--- The settings as a document.
local function document(config)
  local doc = failure.check(vmx.parse "")
  for _, option in vim.each(config.extraConfig) do
    -- the server's own keys are taken below from where they apply; a key that no .vmx could have is not a
    -- setting
    if type(option.value) == "string" then doc:set(option.key, option.value) end
  end
  local memory = config.memoryAllocation
  local size = config.hardware and config.hardware.memoryMB
  put(doc, "firmware", config.firmware)
  put(doc, "virtualHW.version", (config.version or ""):match "^vmx%-0*(%d+)$")
  put(doc, "memsize", size)
  put(doc, "sched.mem.pin", config.memoryReservationLockedToMax ~= nil and truth(config.memoryReservationLockedToMax))
  -- locked to the maximum means reserved in full, whatever the figure says
  local reserved = config.memoryReservationLockedToMax and size or memory and memory.reservation
  put(doc, "sched.mem.min", reserved and math.tointeger(reserved) or nil)
  if memory and memory.limit and memory.limit >= 0 then put(doc, "sched.mem.max", memory.limit) end
  put(doc, "vhv.enable", truth(config.nestedHVEnabled))
  put(doc, "windows.vbs.enabled", config.flags and config.flags.vbsEnabled and truth(true))
  put(doc, "vcpu.hotadd", truth(config.cpuHotAddEnabled))
  put(doc, "mem.hotadd", truth(config.memoryHotAddEnabled))
  local boot = config.bootOptions
  put(doc, "uefi.secureBoot.enabled", boot and truth(boot.efiSecureBootEnabled))
  put_devices(doc, config.hardware and config.hardware.device)
  return doc
end

--- The host's devices with what passthrough says of them.
local function host_list(host)
  local seen = failure.check(host:get { "name", "hardware.pciDevice", "config.pciPassthruInfo", "config.product" })
  local info = {}
  for _, one in vim.each(seen["config.pciPassthruInfo"]) do
    local address = pci.address(one.id, "hex")
    if address then info[tostring(address)] = one end
  end
  local list = {}
  for _, one in vim.each(seen["hardware.pciDevice"]) do
    local device = pci.from_vim(one)
    local state = device and info[device.address]
    if state then
      device.capable, device.enabled = state.passthruCapable, state.passthruEnabled
      device.configured_owner = state.passthruEnabled and "passthru" or "the host"
      device.owner = state.passthruActive and "passthru" or "the host"
      -- 9.1 has more states than enabled and active
      local now = state.directPathState
      device.mode = now and now.mode or nil
    end
    if device then list[#list + 1] = device end
  end
  list.complete = true
  return list, seen.name, seen["config.product"]
end

--- The id that this host has for devices: the one that its own candidates carry.
local function system_id(browser, host)
  if not browser then return nil end
  local target = browser:QueryConfigTarget { host = host }
  for _, candidate in vim.each(target and target.pciPassthrough) do
    if candidate.systemId and candidate.systemId ~= "BYPASS" then return candidate.systemId end
  end
end

--- The VM's vmware.log, as text; a VM that never ran has none.
local function log_of(ref, config)
  local folder = config.files and (config.files.logDirectory or (config.files.vmPathName or ""):match "^(.*)/")
  if not folder or folder == "" then return nil, "the VM has no folder" end
  local path = folder:gsub("/*$", "") .. (folder:find "%]%s*$" and " " or "/") .. "vmware.log"
  local text, message, code = ref.client.datastore:text(path)
  if not text then return nil, message, code end
  if text == "" then return nil, "it is empty" end
  return { text = text, name = path }
end

--- What load.lua wants of a reference to a VM; raises the failure of a read that must not fail.
function remote.read(ref)
  if type(ref) ~= "table" or ref.type ~= "VirtualMachine" then
    error("doctor.examine: vm must be a reference to a VirtualMachine", 0)
  end
  local seen = failure.check(ref:get(PROPERTIES))
  if not seen.config then failure.check(nil, ("%s: the server gives no settings of it"):format(seen.name), "ENOENT") end
  local given = { vmx = document(seen.config), vmx_name = seen.name, remote = true, notes = {} }
  local log, why = log_of(ref, seen.config)
  given.log = log
  if not log then given.notes[1] = ("vmware.log was not read: %s"):format(why) end
  local host = seen["runtime.host"]
  if host then
    local host_name, product
    given.pci, host_name, product = host_list(host)
    given.release, given.build = product and product.version or nil, product and product.build or nil
    given.pci_name = host_name
    local id = system_id(seen.environmentBrowser, host)
    given.system_id = id
    given.system_id_at = id and { file = host_name, text = "systemId " .. id }
    local others, problem = require "gpupt.doctor.remote_owners"(ref, host, seen.environmentBrowser)
    given.others = others
    if not others then table.insert(given.notes, "the other VMs were not read: " .. problem) end
  end
  return given
end

return remote
