--- The settings as a VirtualMachineConfigSpec, for a single reconfigure.
-- Ids are written as the API documents them: `id` as the host gives it, `deviceId` as unsigned hexadecimal text without
-- 0x, `vendorId` as a signed short. New devices have distinct negative keys.
local options = require "gpupt.options"

local spec = {}

local write_options = options.declare("settings.to_spec", {
  { "change_version", "string",
    doc = "config.changeVersion as read: the server refuses the change if the VM has changed since" },
  { "devices", "boolean", default = true, doc = "false: settings only, no devices" },
  { "firmware", "boolean", default = true, doc = "false: omit the firmware (an existing VM)" },
  { "video_card", "table", doc = "the VM's VirtualMachineVideoCard as read; required to change it" },
  { "first_key", "integer", default = -100, doc = "the first temporary key of a new device" },
})

local function signed(short) return short >= 0x8000 and short - 0x10000 or short end

local function fixed(card)
  for _, field in ipairs { "address", "system_id" } do
    if type(card[field]) ~= "string" then
      return nil, ("a fixed backing needs the card's %s"):format(field), "EINVAL"
    end
  end
  return { _type = "VirtualPCIPassthroughDeviceBackingInfo", deviceName = card.name or "", id = card.address,
    deviceId = ("%x"):format(card.device), systemId = card.system_id, vendorId = signed(card.vendor) }
end

local function dynamic(card, label)
  return { _type = "VirtualPCIPassthroughDynamicBackingInfo", deviceName = "",
    allowedDevice = { { vendorId = card.vendor, deviceId = card.device, subVendorId = card.subvendor,
      subDeviceId = card.subdevice } },
    customLabel = label }
end

--- The devices as VirtualDeviceConfigSpec entries that add them.
function spec.devices(value, first_key)
  local changes, key = {}, first_key or -100
  for _, card in ipairs(value.gpus) do
    for _ = 1, card.count or 1 do
      local backing, message, code
      if value.backing == "dynamic" then
        backing = dynamic(card, value.label)
      else
        backing, message, code = fixed(card)
        if not backing then return nil, message, code end
      end
      changes[#changes + 1] = { operation = "add",
        device = { _type = "VirtualPCIPassthrough", key = key, backing = backing } }
      key = key - 1
    end
  end
  return changes
end

--- What a Horizon desktop's video card should have, by the fields of VirtualMachineVideoCard, in the order in which a
-- plan lists them: { field, wanted, name for people }. numDisplays counts only without useAutoDetect.
function spec.video_fields(video)
  return {
    { "useAutoDetect", video.auto_detect, "video card: automatic settings" },
    { "enable3DSupport", video.enable_3d, "video card: 3D" },
    { "use3dRenderer", video.renderer, "video card: 3D renderer" },
    { "numDisplays", video.displays, "video card: displays" },
    { "videoRamSizeInKB", video.ram_kb, "video card: memory in KiB" },
  }
end

local function video_edit(video, card)
  local device = { _type = "VirtualMachineVideoCard" }
  for _, field in ipairs { "key", "controllerKey", "unitNumber", "videoRamSizeInKB", "numDisplays", "use3dRenderer",
    "graphicsMemorySizeInKB" } do
    local known = card[field]
    if known then device[field] = known end
  end
  for _, one in ipairs(spec.video_fields(video)) do
    if one[2] ~= nil then device[one[1]] = one[2] end
  end
  return { operation = "edit", device = device }
end

--- The spec; nil, message, code when a card lacks what its backing needs.
function spec.write(value, o)
  o = write_options:check(o)
  local result = {
    changeVersion = o.change_version,
    firmware = o.firmware and value.firmware or nil,
    memoryReservationLockedToMax = value.memory.locked,
    memoryAllocation = { reservation = value.memory.reservation_mb, limit = value.memory.limit },
    cpuHotAddEnabled = value.flags.cpu_hot_add,
    memoryHotAddEnabled = value.flags.memory_hot_add,
    nestedHVEnabled = value.flags.nested,
    extraConfig = {},
  }
  for i, pair in ipairs(value.extra) do result.extraConfig[i] = { key = pair.key, value = pair.value } end
  local changes = {}
  if o.devices then
    local list, message, code = spec.devices(value, o.first_key)
    if not list then return nil, message, code end
    changes = list
  end
  if value.video and o.video_card then table.insert(changes, 1, video_edit(value.video, o.video_card)) end
  if #changes > 0 then result.deviceChange = changes end
  return result
end

return spec
