--- The settings in a .vmx document: the same value as a reconfigure would send, as keys of a file.
-- In a .vmx the card's address is decimal (00000:059:00.0) and ids are hexadecimal with 0x. Devices are written with a
-- fixed backing. Stale pciPassthruN entries with other numbers are not removed; `gpupt vmx check` reports them.
local vmx = {}

local function truth(value) return value and "TRUE" or "FALSE" end

local function card_keys(card, n)
  local address = require "gpupt.pci".address(card.address)
  if not address then return nil, ("'%s' is not a PCI address"):format(tostring(card.address)), "EINVAL" end
  if not card.system_id then return nil, "a device in a .vmx needs the host's system_id", "EINVAL" end
  local prefix = "pciPassthru" .. n
  return {
    { prefix .. ".present", "TRUE" }, { prefix .. ".id", address:vmx() },
    { prefix .. ".deviceId", ("0x%04x"):format(card.device) },
    { prefix .. ".vendorId", ("0x%04x"):format(card.vendor) }, { prefix .. ".systemId", card.system_id },
  }
end

--- The pairs {key, value} in the order in which they are written; a value of false removes the key.
function vmx.pairs(value)
  local list = {
    { "firmware", value.firmware },
    { "memSize", tostring(value.memory_mb) },
    { "sched.mem.min", tostring(value.memory.reservation_mb) },
    { "sched.mem.minSize", tostring(value.memory.reservation_mb) },
    { "sched.mem.pin", truth(value.memory.locked) },
    { "sched.mem.max", false },
    { "vcpu.hotadd", truth(value.flags.cpu_hot_add) },
    { "mem.hotadd", truth(value.flags.memory_hot_add) },
    { "vhv.enable", truth(value.flags.nested) },
  }
  for _, pair in ipairs(value.extra) do list[#list + 1] = { pair.key, pair.value } end
  if value.video then
    list[#list + 1] = { "svga.autodetect", truth(value.video.auto_detect) }
    list[#list + 1] = { "mks.enable3d", truth(value.video.enable_3d) }
    list[#list + 1] = { "mks.use3dRenderer", value.video.renderer }
    if value.video.displays then list[#list + 1] = { "svga.numDisplays", tostring(value.video.displays) } end
    if value.video.ram_kb then list[#list + 1] = { "svga.vramSize", tostring(value.video.ram_kb * 1024) } end
  end
  if value.backing == "fixed" then
    local n = 0
    for _, card in ipairs(value.gpus) do
      if card.address then
        local keys, message, code = card_keys(card, n)
        if not keys then return nil, message, code end
        table.move(keys, 1, #keys, #list + 1, list)
        n = n + 1
      end
    end
  end
  return list
end

--- Writes into a document of gpupt.vmx. Returns true, or nil, message, code and leaves the document unchanged.
function vmx.write(value, doc)
  local list, message, code = vmx.pairs(value)
  if not list then return nil, message, code end
  for _, pair in ipairs(list) do
    local key, wanted = pair[1], pair[2]
    local now = doc:get(key)
    if not wanted then
      if now ~= nil then doc:unset(key) end
    -- hosts write both TRUE and true: an equal value is not changed
    elseif now == nil or now:lower() ~= wanted:lower() then
      doc:set(key, wanted)
    end
  end
  return true
end

return vmx
