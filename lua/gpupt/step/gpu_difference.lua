--- The differences between a VM and the settings it needs: one line each, and the device changes of the reconfigure.
local hosts = require "gpupt.fleet.host"
local seats = require "gpupt.fleet.seats"
local settings_spec = require "gpupt.settings.spec"
local vbs = require "gpupt.step.gpu_vbs"
local vms = require "gpupt.fleet.vm"

local difference = {}

local function add(list, what, more)
  local change = { sign = "~", verb = "reconfigure", what = what }
  for name, value in pairs(more or {}) do change[name] = value end
  list[#list + 1] = change
end

-- Whether a dynamic backing asks for a card's model.
local function asks_for(device, card)
  return device.kind == "dynamic" and seats.fits({ allowed = device.allowed }, card)
end

-- Whether a device of the VM is of the model of one of the cards.
local function of_model(device, cards)
  for _, card in ipairs(cards) do
    if asks_for(device, card) then return true end
    if device.kind == "fixed" and device.vendor == card.vendor and device.device == card.device then return true end
  end
  return false
end

-- The dynamic backings to add, and those of these models that are not wanted: fixed ones, and those with another label.
local function dynamic_devices(vm, value, cards)
  local missing, stale, used = {}, {}, {}
  for _, card in ipairs(cards) do
    local found
    for _, device in ipairs(vm.cards) do
      if not found and not used[device] and asks_for(device, card) and device.label == value.label then
        found, used[device] = device, true
      end
    end
    if not found then missing[#missing + 1] = card end
  end
  for _, device in ipairs(vm.cards) do
    local other = device.kind == "fixed" or device.label ~= value.label
    if not used[device] and other and of_model(device, cards) then stale[#stale + 1] = device end
  end
  return missing, stale
end

--- The cards to add, and the stale devices of the VM (a copied VM has devices of another host's cards).
local function devices(vm, value, cards)
  if value.backing == "dynamic" then return dynamic_devices(vm, value, cards) end
  local missing, stale = {}, {}
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
    if device.kind == "fixed" and device.system_id ~= here and device.system_id ~= "BYPASS"
      or device.kind == "dynamic" and of_model(device, cards) then
      stale[#stale + 1] = device
    end
  end
  return missing, stale
end

-- What a plan says of a device that is removed.
local function removed(device, value)
  if device.kind == "dynamic" then
    return ("remove a dynamic backing%s"):format(device.label and " with label " .. device.label or "")
  end
  if value.backing == "dynamic" then
    return ("remove the fixed backing of %s"):format(hosts.short(device.address or "a card"))
  end
  return ("remove %s, a card of another host"):format(device.address or "a device")
end

local function added(card, value)
  if value.backing ~= "dynamic" then return ("attach %s (%s)"):format(hosts.short(card.address), card.name or "?") end
  return ("attach a dynamic backing (%s%s)"):format(card.name or "?", value.label and ", label " .. value.label or "")
end

local function same(a, b) return a ~= nil and a:lower() == b:lower() end

local function setting(list, name, before, after, what)
  add(list, what or ("%s %s -> %s"):format(name, before or "(not set)", after),
    { settings = { { name = name, before = before and tostring(before), after = tostring(after) } } })
end

local function mebibytes(value) return value and value .. " MiB" end

-- The settings of a Horizon desktop's video card that it does not have.
local function video_edits(video, card)
  local edits = {}
  for _, one in ipairs(card and settings_spec.video_fields(video) or {}) do
    local field, wanted, name = table.unpack(one, 1, 3)
    local now = card[field]
    if field == "use3dRenderer" and now == nil then now = "automatic" end -- what unset means
    if wanted ~= nil and now ~= wanted then
      edits[#edits + 1] = { name = name, before = tostring(now), after = tostring(wanted) }
    end
  end
  return edits
end

--- The list of changes; empty if the VM is as wanted.
function difference.list(vm, value, cards)
  local list = {}
  local missing, stale = devices(vm, value, cards)
  for _, card in ipairs(missing) do
    local what = added(card, value)
    local device = { name = "passthrough device", after = (what:gsub("^attach ", "")) }
    add(list, what, { sign = "+", verb = "attach", settings = { device },
      same = value.backing ~= "dynamic" and "attach " .. (card.name or "?") or nil })
  end
  for _, device in ipairs(stale) do
    add(list, removed(device, value), { sign = "-" })
  end
  for _, pair in ipairs(value.extra) do
    local now = vm.extra[pair.key:lower()]
    if not same(now, pair.value) then setting(list, pair.key, now, pair.value) end
  end
  if not vm.locked then setting(list, "memory lock", "not locked", "locked", "memory not locked -> locked") end
  if vm.reservation_mb ~= value.memory.reservation_mb then
    setting(list, "memory reservation", mebibytes(vm.reservation_mb), mebibytes(value.memory.reservation_mb),
      ("memory reservation %s -> %d MiB"):format(tostring(vm.reservation_mb), value.memory.reservation_mb))
  end
  if vm.limit_mb ~= nil and vm.limit_mb ~= -1 then
    setting(list, "memory limit", mebibytes(vm.limit_mb), "none")
  end
  if vm.cpu_hot_add then setting(list, "CPU hot-add", "on", "off") end
  if vm.memory_hot_add then setting(list, "memory hot-add", "on", "off") end
  if value.vbs then list[#list + 1] = vbs.change(value.vbs) end
  local edits = value.video and video_edits(value.video, vms.devices_of(vm, "VirtualMachineVideoCard")) or {}
  if #edits > 0 then add(list, "video card -> " .. value.video.text, { settings = edits }) end
  return list
end

--- The settings that a VM gets that does not exist yet, with the values before (none) and after.
function difference.of_new(value, cards)
  local blank = { cards = {}, extra = {}, devices = { { _type = "VirtualMachineVideoCard" } }, locked = false }
  local list = {}
  for _, change in ipairs(difference.list(blank, value, cards)) do
    for _, one in ipairs(change.verb ~= vbs.verb and change.settings or {}) do
      list[#list + 1] = { name = one.name, after = one.after }
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
  local new = assert(settings_spec.devices({ gpus = gpus, backing = value.backing, label = value.label }, -100))
  table.move(new, 1, #new, #list + 1, list)
  return #list > 0 and list or nil
end

return difference
