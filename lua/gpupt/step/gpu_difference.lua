--- The differences between a VM and the settings it needs: one line each, and the device changes of the reconfigure.
local hosts = require "gpupt.fleet.host"
local settings_spec = require "gpupt.settings.spec"
local vms = require "gpupt.fleet.vm"

local difference = {}

local function add(list, what, more)
  local change = { sign = "~", verb = "reconfigure", what = what }
  for name, value in pairs(more or {}) do change[name] = value end
  list[#list + 1] = change
end

--- The cards to add, and the stale devices of the VM (a copied VM has devices of another host's cards).
local function devices(vm, value, cards)
  local missing, stale = {}, {}
  if value.backing == "dynamic" then
    local have = 0
    for _, device in ipairs(vm.cards) do
      if device.kind == "dynamic" and device.label == value.label then have = have + 1 end
      if device.kind == "fixed" then stale[#stale + 1] = device end
    end
    for i = have + 1, #cards do missing[#missing + 1] = cards[i] end
    return missing, stale
  end
  local held = {}
  for _, device in ipairs(vm.cards) do
    if device.kind == "fixed" then held[device.system_id .. "/" .. device.address] = device end
  end
  for _, card in ipairs(cards) do
    if not (held[(card.system_id or "?") .. "/" .. card.address] or held["BYPASS/" .. card.address]) then
      missing[#missing + 1] = card
    end
  end
  local here = cards[1] and cards[1].system_id
  for _, device in ipairs(vm.cards) do
    if device.kind == "fixed" and device.system_id ~= here and device.system_id ~= "BYPASS" then
      stale[#stale + 1] = device
    end
  end
  return missing, stale
end

local function same(a, b) return a ~= nil and a:lower() == b:lower() end

--- The list of changes; empty if the VM is as wanted.
function difference.list(vm, value, cards)
  local list = {}
  local missing, stale = devices(vm, value, cards)
  for _, card in ipairs(missing) do
    add(list, ("attach %s (%s)"):format(hosts.short(card.address), card.name or "?"), { sign = "+", verb = "attach" })
  end
  for _, device in ipairs(stale) do
    add(list, ("remove %s, a card of another host"):format(device.address or "a device"), { sign = "-" })
  end
  for _, pair in ipairs(value.extra) do
    local now = vm.extra[pair.key:lower()]
    if not same(now, pair.value) then add(list, ("%s %s -> %s"):format(pair.key, now or "(not set)", pair.value)) end
  end
  if not vm.locked then add(list, "memory not locked -> locked") end
  if vm.reservation_mb ~= value.memory.reservation_mb then
    add(list, ("memory reservation %s -> %d MiB"):format(tostring(vm.reservation_mb), value.memory.reservation_mb))
  end
  if vm.limit_mb ~= nil and vm.limit_mb ~= -1 then
    add(list, ("memory limit %d MiB -> none"):format(vm.limit_mb))
  end
  if vm.cpu_hot_add then add(list, "CPU hot-add on -> off") end
  if vm.memory_hot_add then add(list, "memory hot-add on -> off") end
  if value.video then
    local card = vms.devices_of(vm, "VirtualMachineVideoCard")
    if card and (card.useAutoDetect ~= value.video.auto_detect or card.enable3DSupport ~= value.video.enable_3d) then
      add(list, "video card -> custom settings, 3D off")
    end
  end
  return list
end

--- The deviceChange list: removes stale devices, edits the video card (`before`), adds missing cards.
function difference.device_changes(vm, value, cards, before)
  local missing, stale = devices(vm, value, cards)
  local list = {}
  for _, device in ipairs(stale) do
    list[#list + 1] = { operation = "remove", device = { _type = "VirtualPCIPassthrough", key = device.key } }
  end
  for _, change in ipairs(before or {}) do list[#list + 1] = change end
  local gpus = {}
  for i, card in ipairs(missing) do
    gpus[i] = { vendor = card.vendor, device = card.device, subvendor = card.subvendor, subdevice = card.subdevice,
      name = card.name, address = card.address, system_id = card.system_id }
  end
  local added = assert(settings_spec.devices({ gpus = gpus, backing = value.backing, label = value.label }, -100))
  table.move(added, 1, #added, #list + 1, list)
  return #list > 0 and list or nil
end

return difference
