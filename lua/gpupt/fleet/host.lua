--- The record of a host: plain data from the properties of a HostSystem.
-- `cards` are its GPUs with their passthrough state, `devices` all PCI functions by address, `protected` those that
-- must never be passed through, with the reason: NICs of vmkernel ports, storage adapters, USB controllers (the host
-- may boot from USB). Nothing here calls the server.
local pci = require "gpupt.pci"

---@class gpupt.Card               a PCI function of a host (all of them are records of this kind, not GPUs alone)
---@field host gpupt.Host           its host
---@field address string            "0000:3b:00.0"
---@field vendor integer
---@field device integer
---@field subvendor integer?
---@field subdevice integer?
---@field class integer             PCI class and subclass, 0x0302
---@field name string?
---@field capable boolean?          passthrough is possible
---@field enabled boolean?          passthrough was requested
---@field active boolean?           passthrough is in effect: only then a VM can use it
---@field dependent string?         address of the function that has to be assigned together with it
---@field label string?             hardware label
---@field numa integer?             NUMA node, if the host says so
---@field slot_name string?         the slot that it is in (vSphere 9)
---@field vgpu string?              why it is in use by virtual GPUs

---@class gpupt.Host                a host record
---@field ref userdata              reference to the HostSystem
---@field name string
---@field parent userdata           its cluster or standalone compute resource
---@field cluster table             { ref, name, drs, hosts, host_refs, pool, browser } of gpupt.fleet.snapshot
---@field vms userdata[]            references to the VMs that are registered on it
---@field connection string         "connected", "notResponding", "disconnected"
---@field maintenance boolean
---@field boot_time number?
---@field version string            "8.0.3"
---@field uuid string               of its BIOS
---@field management_ip string?     address of the vCenter that manages it
---@field memory_mb integer
---@field bindings table[]         { address, vm }: the VMs that have its devices, as the host says (9.1)
---@field numa_nodes integer        how many NUMA nodes it has
---@field rebind boolean            can activate passthrough without a reboot
---@field devices table<string, gpupt.Card>  all PCI functions, by address
---@field cards gpupt.Card[]        its GPUs, by address
---@field left_out table[]          { device, why }: display controllers that are not GPUs
---@field protected table<string, string>    address -> why it is never given to a VM
---@field skipped string?           why a plan does not use it
---@field ours boolean?             it is out of service because of the run to resume

local host = {}

host.paths = {
  "name", "parent", "vm", "runtime.connectionState", "runtime.powerState", "runtime.inMaintenanceMode",
  "runtime.inQuarantineMode", "runtime.standbyMode", "runtime.bootTime", "summary.rebootRequired",
  "summary.managementServerIp", "summary.config.product.version", "hardware.pciDevice",
  "hardware.systemInfo.uuid", "hardware.memorySize", "hardware.numaInfo", "config.pciPassthruInfo",
  "config.network.pnic",
  "config.network.vswitch", "config.network.proxySwitch", "config.network.vnic", "config.network.portgroup",
  "config.storageDevice.hostBusAdapter", "config.lockdownMode", "config.graphicsInfo",
  "capability.deviceRebindWithoutRebootSupported", "configManager.pciPassthruSystem",
}

--- What changes without a reboot of the host, or by it, of the cards that were there before.
host.state_paths = {
  "name", "vm", "runtime.connectionState", "runtime.powerState", "runtime.inMaintenanceMode",
  "runtime.inQuarantineMode", "runtime.standbyMode", "runtime.bootTime", "summary.rebootRequired",
  "config.pciPassthruInfo", "config.lockdownMode", "config.graphicsInfo",
}

--- The paths that this server has: since 9.1 a host says which VM has which device.
function host.paths_of(vc)
  local major, minor = tostring(vc.version):match "^(%d+)%.(%d+)"
  local known = major and (tonumber(major) > 9 or tonumber(major) == 9 and tonumber(minor) >= 1)
  if not known then return host.paths end
  return table.move(host.paths, 1, #host.paths, 2, { "config.assignableHardwareBinding" })
end

--- pNICs (by key) of virtual switches with a vmkernel port, and whether the switches are readable.
local function management_nics(props)
  local ports, switches, uplinks = {}, {}, {}
  for _, vnic in ipairs(props["config.network.vnic"] or {}) do
    if vnic.portgroup and vnic.portgroup ~= "" then ports[vnic.portgroup] = vnic.device end
    local dvs = vnic.spec and vnic.spec.distributedVirtualPort
    if dvs and dvs.switchUuid then switches[dvs.switchUuid] = vnic.device end
  end
  local by_switch = {}
  for _, group in ipairs(props["config.network.portgroup"] or {}) do
    local device = ports[group.spec.name]
    if device then by_switch[group.spec.vswitchName] = device end
  end
  local seen = false
  for _, switch in ipairs(props["config.network.vswitch"] or {}) do
    seen = true
    if by_switch[switch.name] then
      for _, key in ipairs(switch.pnic or {}) do uplinks[key] = by_switch[switch.name] end
    end
  end
  for _, switch in ipairs(props["config.network.proxySwitch"] or {}) do
    seen = true
    if switches[switch.dvsUuid] then
      for _, key in ipairs(switch.pnic or {}) do uplinks[key] = switches[switch.dvsUuid] end
    end
  end
  return uplinks, seen
end

local function protected(props, devices)
  local list = {}
  local uplinks, readable = management_nics(props)
  for _, pnic in ipairs(props["config.network.pnic"] or {}) do
    if pnic.pci and pnic.pci ~= "" then
      local port = uplinks[pnic.key]
      if port then
        list[pnic.pci] = ("the network adapter %s is an uplink of %s"):format(pnic.device, port)
      elseif not readable then
        list[pnic.pci] = ("the network adapter %s may carry management traffic: its switch cannot be read"):format(
          pnic.device)
      end
    end
  end
  for _, adapter in ipairs(props["config.storageDevice.hostBusAdapter"] or {}) do
    if adapter.pci and adapter.pci ~= "" then
      list[adapter.pci] = ("the adapter %s has disks or the boot device"):format(adapter.device)
    end
  end
  for address, device in pairs(devices) do
    -- it cannot always be read whether a host boots from USB, and a wrong guess breaks the host
    if device.class == 0x0c03 and not list[address] then
      list[address] = "a USB controller: a host that boots from USB or SD would lose its boot device"
    end
  end
  return list
end

--- "0000:3b:00.0" -> "3b:00.0"; for people.
function host.short(address) return (address:gsub("^0000:", "")) end

-- How VMs use a card, by graphics type; a card of type direct is passed through as a whole.
local shares = {
  sharedDirect = "in use by VMs as virtual GPUs", shared = "in use by VMs as a shared graphics card",
}

local function vgpu_cards(props)
  local used = {}
  for _, info in ipairs(props["config.graphicsInfo"] or {}) do
    if info.vm and #info.vm > 0 then used[info.pciId] = shares[info.graphicsType] end
  end
  return used
end

-- Notes on each device its NUMA node. Gives the number of nodes.
local function numa_nodes(info, devices)
  for _, node in ipairs(info and info.numaNode or {}) do
    for _, id in ipairs(node.pciId or {}) do
      local address = pci.address(id, "hex")
      local device = address and devices[tostring(address)]
      if device then device.numa = node.typeId end
    end
  end
  return info and info.numNodes or 0
end

-- What state_paths read, but for the cards.
local function take_state(self, props)
  self.name, self.vms = props.name, props.vm or {}
  self.connection, self.power = props["runtime.connectionState"], props["runtime.powerState"]
  self.maintenance = props["runtime.inMaintenanceMode"] == true
  self.quarantine = props["runtime.inQuarantineMode"] == true
  self.standby, self.boot_time = props["runtime.standbyMode"], props["runtime.bootTime"]
  self.reboot_required = props["summary.rebootRequired"] == true
  self.lockdown = props["config.lockdownMode"]
end

-- How the cards are configured. One that the host no longer lists is neither enabled nor active.
local function take_cards(self, list)
  for _, device in pairs(self.devices) do
    device.capable, device.enabled, device.active = nil, nil, nil
    device.dependent, device.label = nil, nil
  end
  for _, info in ipairs(list or {}) do
    local device = self.devices[info.id]
    if device then
      device.capable, device.enabled, device.active = info.passthruCapable == true, info.passthruEnabled == true,
        info.passthruActive == true
      device.dependent = info.dependentDevice ~= "" and info.dependentDevice or nil
      device.label = info.hardwareLabel ~= "" and info.hardwareLabel or nil
    end
  end
end

-- The same, and how they are used by virtual GPUs.
local function take_passthrough(self, props)
  take_cards(self, props["config.pciPassthruInfo"])
  local vgpu = vgpu_cards(props)
  for address, device in pairs(self.devices) do device.vgpu = vgpu[address] end
end

--- Brings a record up to date with what state_paths read.
function host.update(self, props)
  take_state(self, props)
  take_passthrough(self, props)
  return self
end

--- The same with what is read of a host together with the others of its group (gpupt.fleet.away): its connection,
-- maintenance mode and boot time, and how its cards are configured (the list of its HostPciPassthruSystem).
function host.update_part(self, props, cards)
  self.connection, self.standby = props["runtime.connectionState"], props["runtime.standbyMode"]
  self.maintenance = props["runtime.inMaintenanceMode"] == true
  self.boot_time = props["runtime.bootTime"]
  take_cards(self, cards)
  return self
end

--- The record of a host from its reference and properties (a table by path).
function host.record(ref, props)
  local self = {
    ref = ref, parent = props.parent, version = props["summary.config.product.version"],
    management_ip = props["summary.managementServerIp"], uuid = props["hardware.systemInfo.uuid"],
    memory_mb = (props["hardware.memorySize"] or 0) // (1 << 20),
    rebind = props["capability.deviceRebindWithoutRebootSupported"] == true,
    system = props["configManager.pciPassthruSystem"],
    devices = {}, cards = {}, left_out = {},
  }
  take_state(self, props)
  for _, device in ipairs(props["hardware.pciDevice"] or {}) do
    local record = pci.from_vim(device)
    record.slot_name = device.slotDescription ~= "" and device.slotDescription
      or device.physicalSlot and tostring(device.physicalSlot) or nil
    self.devices[record.address] = record
  end
  self.numa_nodes = numa_nodes(props["hardware.numaInfo"], self.devices)
  take_passthrough(self, props)
  self.bindings = {}
  for _, one in ipairs(props["config.assignableHardwareBinding"] or {}) do
    local address = one.pciId and pci.address(one.pciId, "hex")
    if address then table.insert(self.bindings, { address = tostring(address), vm = one.vm }) end
  end
  self.protected = protected(props, self.devices)
  for _, device in pairs(self.devices) do
    local gpu, why = pci.is_gpu(device)
    device.host, device.name = self, device.device_name
    if gpu then
      self.cards[#self.cards + 1] = device
    elseif device.class and device.class >> 8 == 0x03 then
      self.left_out[#self.left_out + 1] = { device = device, why = why }
    end
  end
  table.sort(self.cards, function(a, b) return a.address < b.address end)
  return self
end

local connections = { notResponding = "is not responding", disconnected = "is disconnected" }

--- The state of a connection that is not "connected", as a part of a sentence.
function host.disconnected(state) return connections[state] or "is " .. (state or "not readable") end

--- Why the host and its VMs cannot be reached, or nil.
function host.away(self)
  -- a host in standby does not respond, and is not broken
  if self.standby and self.standby ~= "" and self.standby ~= "none" then return "is in standby" end
  if self.connection ~= "connected" then return host.disconnected(self.connection) end
end

--- Why the host cannot be used now, or nil.
function host.unavailable(self)
  local why = host.away(self)
  if why then return why end
  if self.quarantine then return "is in quarantine" end
  if self.lockdown == "lockdownStrict" then return "is in strict lockdown" end
end

--- Why no VM can be started on the host, or nil. `leaves`: the plan ends its maintenance mode.
function host.closed(self) return self.maintenance and not self.leaves and "is in maintenance mode" or nil end

--- The state of a card, for people.
function host.state(card)
  if card.enabled and card.active then return "active" end
  if card.enabled then return "pending reboot" end
  if card.active then return "active until the next reboot" end
  if card.capable then return "off" end
  return "not capable"
end

return host
