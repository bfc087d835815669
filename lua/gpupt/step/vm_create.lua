--- vm.create: creates an empty VM on the host with its cards: EFI, a blank disk, a network adapter, no card yet.
-- The firmware is chosen here, before the installation, because it cannot be changed afterwards. An existing VM of that
-- name in that folder is used; a different firmware is refused, because its disk may contain a system.
local check = require "gpupt.failure".check
local network_backing = require "gpupt.step.network_backing"
local removal = require "gpupt.step.vm_removal"
local restore = require "gpupt.step.vm_restore"
local size = require "gpupt.step.vm_size"
local units = require "gpupt.units"

local step = {
  name = "vm.create", scope = "vms",
  options = {
    { "guest", "string", required = true, late = true,
      doc = "guest OS identifier (guestId), for example windows2022srvNext_64Guest" },
    { "cpus", "integer", required = true, late = true, doc = "virtual CPUs" },
    { "memory", "string|integer", required = true, late = true, doc = "memory size, for example 64 GiB" },
    { "disk", "string|integer", required = true, late = true, doc = "size of the blank disk, for example 100 GiB" },
    { "firmware", "string", choices = { "efi", "bios" }, default = "efi", late = true, doc = "boot firmware" },
    { "secure_boot", "boolean", default = false, late = true, doc = "EFI Secure Boot" },
    { "controller", "string", choices = { "auto", "pvscsi", "lsisas", "nvme" }, default = "auto", late = true,
      doc = "disk controller; auto: lsisas for Windows, whose installer has a driver for it, else pvscsi" },
    { "version", "string", late = true, doc = "hardware version, for example vmx-20; default: the cluster's" },
    { "annotation", "string", default = "", late = true, doc = "the VM's notes" },
  },
  needs = { "VirtualMachine.Inventory.Create", "VirtualMachine.Config.AddNewDisk",
    "VirtualMachine.Config.AdvancedConfig", "VirtualMachine.Config.Memory", "VirtualMachine.Config.CPUCount",
    "Datastore.AllocateSpace", "Network.Assign", "Resource.AssignVMToPool" },
}

-- The privileges of each kind of change.
local CREATES = { "VirtualMachine.Inventory.Create", "VirtualMachine.Config.AddNewDisk",
  "VirtualMachine.Config.AdvancedConfig", "Datastore.AllocateSpace", "Network.Assign", "Resource.AssignVMToPool" }

function step.check(o)
  for _, field in ipairs { "memory", "disk" } do
    if type(o[field]) ~= "function" then
      local _, message = units.mebibytes(o[field])
      if message then return field .. ": " .. message end
    end
  end
  if type(o.cpus) == "number" and o.cpus < 1 then return "cpus must be at least 1" end
  if type(o.version) == "string" and not o.version:find "^vmx%-%d+$" then
    return ("version = '%s' is not a hardware version: write for example vmx-20"):format(o.version)
  end
  if o.secure_boot == true and o.firmware == "bios" then return "secure_boot needs firmware = 'efi'" end
end

--- Memory in MiB and disk in KiB.
local function sizes(o)
  return check(units.mebibytes(o.memory)), check(units.mebibytes(o.disk)) * 1024
end

local function find(changes, verb)
  for _, change in ipairs(changes) do if change.verb == verb then return change end end
end

function step.requires(o, _, changes)
  if not find(changes, "create") then return {} end
  local _, disk_kb = sizes(o)
  return { guest = { id = o.guest, version = o.version }, disk_bytes = disk_kb << 10 }
end

function step.place(_, _, o) return { memory_mb = (units.mebibytes(o.memory)) } end

function step.observe(ctx, target)
  if not target.ref then return { exists = false } end
  return { exists = true, vm = ctx.fleet:vm(target.ref) }
end

-- What a new VM gets, for plan --diff.
local function settings_of(o)
  local list = {}
  for _, name in ipairs { "firmware", "guest", "cpus", "memory", "disk", "controller", "version", "secure_boot",
    "annotation" } do
    local value = o[name]
    if value ~= nil and value ~= false and value ~= "" then
      list[#list + 1] = { name = name, after = tostring(value) }
    end
  end
  return list
end

function step.plan(_, target, seen)
  local o = target.options
  local memory = sizes(o)
  local forecast = { memory_mb = memory, guest_id = o.guest, firmware = o.firmware }
  if not seen.exists then
    if not target.host then return nil, ("%s: no suitable host was found"):format(target.name), "ENOHOST" end
    local what = ("%s, %s, %d CPUs, %s, blank disk of %s"):format(o.firmware, o.guest, o.cpus, o.memory, o.disk)
    return { { sign = "+", verb = "create", what = what .. ", on " .. target.host.name, same = what,
      settings = settings_of(o) }, needs = CREATES }, forecast
  end
  local vm = seen.vm
  if vm.firmware ~= o.firmware then
    return nil, ("%s boots with %s, but the playbook requires %s. The firmware of an existing VM is never changed")
      :format(target.name, vm.firmware, o.firmware), "EREFUSED"
  end
  local changes, message, code = size.changes(target, vm, memory, o.cpus)
  if not changes then return nil, message, code end
  return changes, { memory_mb = memory }
end

local controllers = {
  pvscsi = { _type = "ParaVirtualSCSIController", key = -1, busNumber = 0, sharedBus = "noSharing" },
  lsisas = { _type = "VirtualLsiLogicSASController", key = -1, busNumber = 0, sharedBus = "noSharing" },
  nvme = { _type = "VirtualNVMEController", key = -1, busNumber = 0 },
}

local function controller_of(o)
  if o.controller ~= "auto" then return controllers[o.controller] end
  return controllers[o.guest:lower():find "^win" and "lsisas" or "pvscsi"]
end

local function devices(target, disk_kb)
  local list = {
    { operation = "add", device = controller_of(target.options) },
    { operation = "add", fileOperation = "create", device = { _type = "VirtualDisk", key = -2, controllerKey = -1,
      unitNumber = 0, capacityInKB = disk_kb,
      backing = { _type = "VirtualDiskFlatVer2BackingInfo", fileName = "", diskMode = "persistent",
        thinProvisioned = true } } },
  }
  local backing = network_backing(target)
  if backing then
    list[#list + 1] = { operation = "add", device = { _type = "VirtualVmxnet3", key = -3, backing = backing,
      addressType = "generated",
      connectable = { startConnected = true, allowGuestControl = true, connected = false } } }
  end
  return list
end

local function create(ctx, target)
  local o = target.options
  local memory, disk = sizes(o)
  local config = {
    name = target.name, guestId = o.guest, numCPUs = o.cpus, memoryMB = memory, firmware = o.firmware,
    version = o.version, annotation = o.annotation ~= "" and o.annotation or nil,
    files = { vmPathName = "[" .. target.datastore .. "]" },
    deviceChange = devices(target, disk),
    cpuHotAddEnabled = false, memoryHotAddEnabled = false,
    extraConfig = { { key = "gpupt.run", value = ctx.run } },
  }
  if o.firmware == "efi" then config.bootOptions = { efiSecureBootEnabled = o.secure_boot } end
  local ref, message, code, detail = ctx:task(target, target.folder, "CreateVM_Task", { config = config,
    pool = target.pool, host = target.host.ref }, { action = "create", text = "CreateVM" })
  if not ref then return nil, message, code, detail end
  target.ref = ref
  return true
end

function step.apply(ctx, target, _, seen)
  if not seen.exists then return create(ctx, target) end
  local memory = sizes(target.options)
  return size.apply(ctx, target, seen.vm, memory, target.options.cpus)
end

function step.prove(ctx, target)
  local seen = step.observe(ctx, target)
  if not seen.exists then return nil, target.name .. " does not exist", "EPROOF" end
  if seen.vm.firmware ~= target.options.firmware then
    return nil, ("%s boots with %s"):format(target.name, seen.vm.firmware), "EPROOF"
  end
  return ("exists, %s, on %s"):format(seen.vm.firmware, target.host.name)
end

--- Deletes a VM that the run created; one that existed gets its memory and CPUs back.
function step.undo(ctx, target, done)
  return removal.undo(ctx, target, done) or restore.undo(ctx, target, done)
end

return step
