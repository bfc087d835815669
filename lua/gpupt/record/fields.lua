--- Which texts a recording keeps: fields in which the server's software writes a version, a model, an id of a kind of
-- device or a word of its own, and that no user of it can fill. Each has a pattern besides, so that a value of another
-- form is replaced all the same. To keep another field, add it here, and to spec/record/leak_spec.lua what it may hold.
local keys = require "gpupt.doctor.keys"
local schema = require("gpupt.vim").schema

local fields = {}

local function like(...)
  local patterns = { ... }
  return function(text)
    for _, pattern in ipairs(patterns) do
      if text:find(pattern) then return true end
    end
    return false
  end
end

local function one_of(text)
  local set = {}
  for word in text:gmatch "%S+" do set[word] = true end
  return function(value) return set[value] == true end
end

local version = like "^%d[%w.%-]*$"
local word = like "^%a[%w_%-]*$"
local model = like "^[%w %.,:;/()%[%]@_+%-&#*]+$"
local product = like "^VMware [%w .%-]+$"
local address = like("^%x%x%x%x:%x%x:%x%x%.%x$", "^%x%x:%x%x%.%x$", "^%d%d%d%d%d:%d%d%d:%d%d%.%d$")


-- Extensions add privileges and tasks under names of their own (com.example.backup).
local groups = one_of [[System Global Folder Datacenter Datastore Network DVSwitch DVPortgroup Host VirtualMachine
  Resource Alarm Task ScheduledTask Sessions Performance Permissions Authorization VApp Profile StorageProfile
  StoragePod Cryptographer Certificate]]

local function privilege(text) return text:find "^%a+%.[%a.]+$" ~= nil and groups(text:match "^%a+") end

local function of_the_api(text)
  local kind = text:match "^(%u%a+)%.[%a_]+$"
  return kind ~= nil and schema.type(kind) ~= nil
end

local rules = {
  AboutInfo = { name = product, fullName = product, vendor = like "^VMware, Inc%.$", version = version,
    build = version, patchLevel = version, localeVersion = like "^%u+$", localeBuild = version, osType = word,
    productLineId = word, apiType = word, apiVersion = version, licenseProductName = product,
    licenseProductVersion = version },
  HostPciDevice = { id = address, vendorName = model, deviceName = model, parentBridge = address,
    deviceClassName = model },
  HostPciPassthruInfo = { id = address, dependentDevice = address },
  HostPciPassthruConfig = { id = address },
  VirtualPCIPassthroughDeviceBackingInfo = { id = address, deviceId = like "^[xX%x]+$", systemId = one_of "BYPASS" },
  VirtualPCIPassthroughDynamicBackingInfo = { assignedId = address },
  VirtualMachinePciSharedGpuPassthroughInfo = { vgpu = model },
  VirtualPCIPassthroughVmiopBackingInfo = { vgpu = model },
  HostSystemInfo = { vendor = model, model = model },
  HostHardwareSummary = { vendor = model, model = model, cpuModel = model },
  HostCpuPackage = { vendor = word, description = model },
  HostBIOSInfo = { biosVersion = model, vendor = model },
  HostGraphicsInfo = { deviceName = model, vendorName = model, graphicsType = word, pciId = address },
  HostFeatureVersionInfo = { key = word, value = version },
  VirtualMachineConfigInfo = { version = like "^vmx%-%d+$", guestId = like "^[%l%d_]+Guest$", firmware = word },
  VirtualMachineConfigSummary = { guestId = like "^[%l%d_]+Guest$" },
  EnvironmentBrowserConfigOptionQuerySpec = { key = like "^vmx%-%d+$", guestId = like "^[%a%d_]+Guest$" },
  VirtualMachineConfigOption = { version = like "^vmx%-%d+$" },
  VirtualMachineConfigOptionDescriptor = { key = like "^vmx%-%d+$" },
  GuestOsDescriptor = { id = like "^[%a%d_]+Guest$", fullName = model, family = word },
  GuestInfo = { toolsVersion = version, guestId = like "^[%l%d_]+Guest$", guestFamily = like "^%l+Guest$",
    toolsVersionStatus = word, toolsVersionStatus2 = word, toolsRunningStatus = word, toolsInstallType = word },
  ToolsConfigInfo = { toolsUpgradePolicy = word, syncTimeWithHost = word },
  VirtualMachineFlagInfo = { monitorType = word, virtualMmuUsage = word, virtualExecUsage = word },
  DatastoreSummary = { type = one_of "VMFS NFS NFS41 CIFS vsan VVOL PMEM VFFS OTHER",
    maintenanceMode = one_of "normal inMaintenance enteringMaintenance" },
  VirtualMachineDatastoreInfo = { mode = one_of "readWrite readOnly",
    vStorageSupport = one_of "vStorageSupported vStorageUnsupported vStorageUnknown" },
  VirtualMachineDynamicPassthroughInfo = { vendorName = model, deviceName = model },
  PhysicalNic = { driver = like "^[%l%d_]+$" }, HostHostBusAdapter = { driver = like "^[%l%d_]+$" },
  RetrieveResult = { token = like "^%d+$" }, UpdateSet = { version = like "^%d+$" },
  WaitForUpdatesEx = { version = like "^%d*$" }, ContinueRetrievePropertiesEx = { token = like "^%d+$" },
  CancelRetrievePropertiesEx = { token = like "^%d+$" },
  PropertySpec = { type = "type", pathSet = "path" },
  DynamicProperty = { name = "path" }, PropertyChange = { name = "path" }, MissingProperty = { path = "path" },
  SelectionSpec = { name = one_of "view follow" }, -- those of gpupt.vim.collect and of the fleet
  TraversalSpec = { type = "type", path = "path" },
  CreateContainerView = { type = "type" },
  LocalizableMessage = { key = like "^msg%.[%w.]+$", message = "message" },
  LocalizedMethodFault = { localizedMessage = "message" },
  Fault = { faultstring = "message", faultcode = like "^[%w:]+$" },
  Event = { fullFormattedMessage = "message" },
  Description = { label = "message", summary = "message" },
  OptionValue = { key = "done", value = "done" },
  InvalidArgument = { invalidProperty = "path" }, InvalidProperty = { name = "path" },
  NoPermission = { privilegeId = privilege },
  TaskInfo = { name = "type", descriptionId = of_the_api },
  HasUserPrivilegeOnEntities = { privId = privilege },
  HasPrivilegeOnEntities = { privId = privilege },
  HasPrivilegeOnEntity = { privId = privilege },
  PrivilegeAvailability = { privId = privilege },
  UserSession = { locale = like "^%l%l[_%a]*$", messageLocale = like "^%l%l[_%a]*$" },
}

--- How a value of this field is kept: a function that says whether the text may stay, "message", "path", "type", "done"
-- (its object was treated), or nil: it is replaced.
function fields.rule(owner, field)
  return rules[owner] and rules[owner][field]
end

-- Many fields are declared as texts and hold a value of an enum whose name has the field's: runtime.standbyMode one of
-- HostStandbyMode. By field: the values of such enums.
local enum_values = {}

local function values_of(field)
  local known = enum_values[field]
  if known then return known end
  known = {}
  enum_values[field] = known
  if #field < 8 then return known end -- "name", "value" and "label" are parts of too many names
  for _, name in ipairs(schema.types "enum") do
    if name:lower():find(field:lower(), 1, true) then
      for _, value in ipairs(schema.enum(name)) do known[value] = true end
    end
  end
  return known
end

--- Whether a text in this field is a value of an enum that the field is for.
function fields.is_enum_value(field, text) return values_of(field or "")[text] == true end

-- Numbers that identify: world-wide names of storage adapters, serial numbers.
local identifying = { nodeWorldWideName = true, portWorldWideName = true, nodeWwn = true, portWwn = true,
  numericId = true, serialNumber = true, wwn = true, vsanNodeUuid = true, inode = true }

function fields.identifies(field) return identifying[field] == true end

local kinds = { VirtualMachine = "vm", HostSystem = "host", Datastore = "datastore", Folder = "folder",
  Datacenter = "datacenter", ResourcePool = "pool", ClusterComputeResource = "cluster", ComputeResource = "cluster",
  Network = "network", DistributedVirtualPortgroup = "network", OpaqueNetwork = "network",
  DistributedVirtualSwitch = "switch", VmwareDistributedVirtualSwitch = "switch", VirtualApp = "pool" }

local by_field = { userName = "user", user = "user", fullName = "user", hostName = "host",
  datastoreName = "datastore", networkName = "network" }

--- The word of a value's stand-in.
function fields.kind(owner, field, managed)
  return owner == "ManagedEntity" and field == "name" and kinds[managed] or by_field[field] or "text"
end

function fields.is_option(kind) return kind == "OptionValue" end

local options = {}
for name in ([[hypervisor.cpuid.v0 svga.present svga.autodetect svga.vramSize svga.guestBackedPrimaryAware
  mks.enable3d firmware uefi.secureBoot.enabled vhv.enable vvtd.enable sched.mem.pin sched.mem.min sched.mem.max
  sched.mem.minSize sched.mem.shares sched.mem.prealloc sched.mem.prealloc.pinnedMainMem sched.cpu.latencySensitivity
  sched.cpu.min sched.cpu.units sched.cpu.shares numa.autosize.once numa.autosize.cookie numa.vcpu.preferHT
  numa.nodeAffinity cpuid.coresPerSocket cpuid.numSMT numvcpus memsize virtualHW.version virtualHW.productCompatibility
  config.version guestOS pciHole.start pciHole.end vcpu.hotadd mem.hotadd tools.syncTime toolScripts.afterPowerOn
  windows.vbs.enabled monitor.allowLegacyCPU mainMem.useNamedFile maxMem
  msg.autoAnswer devices.hotplug isolation.tools.copy.disable
  precheck.supportsDirectPathGen2 disk.EnableUUID vmxstats.filename monitor.phys_bits_used
  cleanShutdown softPowerOff powerType.powerOff powerType.suspend powerType.reset chipset.onlineStandby
  hpet0.present vmci0.present pciBridge0.present]]):gmatch "%S+" do
  options[name:lower()] = true
end
for _, name in ipairs(keys.vm_wide) do options["pcipassthru." .. name:lower()] = true end

--- Whether a key of ExtraConfig or of a .vmx is one of VMware's own, so that it may stay.
function fields.option(key)
  local lower = key:lower()
  if options[lower] then return true end
  local name = lower:match "^pcipassthru%d+%.(.+)$"
  for _, known in ipairs(name and keys.device or {}) do
    if known:lower() == name then return true end
  end
  return false
end

--- Whether the value of such a key is a figure, a switch, an address or a word of VMware's.
fields.option_value = like("^[tTfF][rRaA][uUlL][eEsS][eE]?$", "^%-?%d+$", "^0x%x+$", "^%x%x%x%x$", "^%d+%.%d+$",
  "^efi$", "^bios$", "^none$", "^max$", "^high$", "^normal$", "^low$", "^soft$", "^hard$", "^default$", "^BYPASS$",
  "^%x+:%x+:%x+%.%x$", "^dynamic$", "^vmxnet3$", "^[%l%d]+%-64$")

return fields
