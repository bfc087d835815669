--- The record of a VM: plain data from the properties of a VirtualMachine.
-- `cards` are its passthrough devices: fixed ones with address and host id, dynamic ones with the allowed devices.
-- `extra` are the ExtraConfig values by lower-case key. Nothing here calls the server.
local guest_family = require "gpupt.facts.guest_family"

---@class gpupt.VM                  a VM record, as read
---@field ref userdata
---@field name string
---@field host userdata             reference to the host that it is registered on
---@field power string              "poweredOn", "poweredOff", "suspended"
---@field template boolean
---@field firmware string           "efi" or "bios"
---@field hardware_version integer?
---@field change_version string     guards a reconfigure
---@field extra table<string, string>  ExtraConfig by lower-case key
---@field devices table[]           config.hardware.device
---@field cards table[]             passthrough devices: { key, kind, address, system_id, allowed, label, assigned }
---@field memory_mb integer
---@field cpus integer
---@field guest_id string
---@field locked boolean            memory reservation locked to the maximum
---@field vbs boolean               virtualization-based security
---@field vvtd boolean              a virtual IOMMU
---@field snapshot table?           VirtualMachineSnapshotInfo
---@field consolidation boolean     disks of deleted snapshots were not merged
---@field path string               "[datastore] folder/name.vmx"
---@field guest table               { running, ready, version, version_status, install_type, family, id }

local vm = {}

vm.paths = {
  "name", "parent", "runtime.host", "runtime.powerState", "runtime.bootTime", "runtime.connectionState",
  "runtime.question", "config.template", "config.firmware", "config.version", "config.changeVersion",
  "config.extraConfig", "config.hardware.device", "config.hardware.memoryMB", "config.hardware.numCPU",
  "config.guestId", "config.memoryReservationLockedToMax", "config.memoryAllocation", "config.cpuHotAddEnabled",
  "config.memoryHotAddEnabled", "config.nestedHVEnabled", "config.files.vmPathName", "guest.toolsRunningStatus",
  "guest.toolsVersionStatus2", "guest.toolsVersion", "guest.toolsInstallType", "guest.guestOperationsReady",
  "guest.guestFamily", "guest.guestId", "snapshot", "config.flags", "runtime.consolidationNeeded",
}

--- The properties that show which cards a VM holds.
vm.claim_paths = { "name", "runtime.host", "runtime.powerState", "config.hardware.device", "config.template" }

local function card_of(device)
  local backing = device.backing
  if not backing then return { key = device.key, kind = "unknown" } end
  if backing._type == "VirtualPCIPassthroughDeviceBackingInfo" then
    return { key = device.key, kind = "fixed", address = backing.id, system_id = backing.systemId,
      vendor = backing.vendorId and backing.vendorId & 0xffff, device = tonumber(backing.deviceId or "", 16) }
  elseif backing._type == "VirtualPCIPassthroughDynamicBackingInfo" then
    return { key = device.key, kind = "dynamic", allowed = backing.allowedDevice or {},
      label = backing.customLabel ~= "" and backing.customLabel or nil,
      assigned = backing.assignedId }
  end
  return { key = device.key, kind = "other" }
end

--- The passthrough devices among config.hardware.device.
function vm.cards(devices)
  local list = {}
  for _, device in ipairs(devices or {}) do
    if device._type == "VirtualPCIPassthrough" then list[#list + 1] = card_of(device) end
  end
  return list
end

--- The record of a VM.
function vm.record(ref, props)
  local extra = {}
  for _, pair in ipairs(props["config.extraConfig"] or {}) do extra[pair.key:lower()] = tostring(pair.value) end
  local allocation, flags = props["config.memoryAllocation"] or {}, props["config.flags"] or {}
  return {
    ref = ref, name = props.name, parent = props.parent, host = props["runtime.host"],
    power = props["runtime.powerState"], boot_time = props["runtime.bootTime"],
    connection = props["runtime.connectionState"], question = props["runtime.question"],
    template = props["config.template"] == true, firmware = props["config.firmware"],
    hardware_version = tonumber((props["config.version"] or ""):match "%d+$"),
    change_version = props["config.changeVersion"], extra = extra, devices = props["config.hardware.device"] or {},
    cards = vm.cards(props["config.hardware.device"]), memory_mb = props["config.hardware.memoryMB"],
    cpus = props["config.hardware.numCPU"], guest_id = props["config.guestId"],
    locked = props["config.memoryReservationLockedToMax"] == true, reservation_mb = allocation.reservation,
    limit_mb = allocation.limit, cpu_hot_add = props["config.cpuHotAddEnabled"] == true,
    memory_hot_add = props["config.memoryHotAddEnabled"] == true, nested = props["config.nestedHVEnabled"] == true,
    vbs = flags.vbsEnabled == true, vvtd = flags.vvtdEnabled == true,
    path = props["config.files.vmPathName"], snapshot = props.snapshot,
    consolidation = props["runtime.consolidationNeeded"] == true,
    guest = {
      running = props["guest.toolsRunningStatus"] == "guestToolsRunning",
      ready = props["guest.guestOperationsReady"] == true, version = props["guest.toolsVersion"],
      version_status = props["guest.toolsVersionStatus2"], install_type = props["guest.toolsInstallType"],
      family = props["guest.guestFamily"], id = props["guest.guestId"],
    },
  }
end

--- Whether a backing of the VM names a host, which its id then has to be compared with.
function vm.names_host(record)
  for _, card in ipairs(record.cards) do
    if card.kind == "fixed" and card.system_id ~= "BYPASS" then return true end
  end
  return false
end

--- "windows" or "linux", by what the guest reports, or else by its configured guest id.
function vm.family(record)
  return guest_family(record.guest.family, record.guest.id, record.guest_id)
end

--- The first device of a type, and all of them.
function vm.devices_of(record, kind)
  local list = {}
  for _, device in ipairs(record.devices) do if device._type == kind then list[#list + 1] = device end end
  return list[1], list
end

return vm
