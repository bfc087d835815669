--- What a VM with these GPUs needs, computed once.
--
--   local value = gpupt.check(gpupt.settings.compute{ memory_mb = 65536,
--     gpus = { {vendor=0x10de, device=0x20b5, count=2} }, guest = "ubuntu64Guest" })
--   settings.to_spec(value)   -> a VirtualMachineConfigSpec        settings.to_vmx(value, doc) -> a .vmx on disk
--
-- The value is plain data: firmware, extra (the ExtraConfig keys in order), memory (locked, reserved, no limit),
-- video, flags, window (of gpupt.bar), gpus, `choices` (each with a reason), warnings, and `allow`, the approvals that
-- an explicit choice needs. `doctor` compares a VM with the same value.
local bar = require "gpupt.bar"
local cpuid = require "gpupt.settings.cpuid"
local options = require "gpupt.options"

local settings = {
  to_spec = function(...) return require "gpupt.settings.spec".write(...) end,
  to_vmx = function(...) return require "gpupt.settings.vmx".write(...) end,
}

local compute_options = options.declare("settings.compute", {
  { "gpus", "table", required = true,
    doc = "the cards: {vendor=, device=, count=, bars=, name=, class=, address=, system_id=}" },
  { "memory_mb", "integer", required = true, doc = "the VM's memory; a multiple of 4" },
  { "guest", "string", doc = "the guest OS identifier (guestId), such as windows2022srvNext_64Guest or ubuntu64Guest" },
  { "firmware", "string", choices = { "auto", "efi", "bios" }, default = "auto",
    doc = "auto: EFI, or what is installed" },
  { "installed", "string", choices = { "efi", "bios" },
    doc = "the firmware that the operating system on the disk boots with; omit for a blank disk" },
  { "mmio", "string|integer", default = "safe",
    doc = "min, safe or seed: the rule for the window; off; or a size in GiB" },
  { "hide_hypervisor", "string|boolean", default = "auto",
    doc = "hypervisor.cpuid.v0: auto decides by card and driver" },
  { "driver", "string", doc = "the version of the card's driver in the guest, when known" },
  { "horizon", "boolean", default = false, doc = "the VM serves a Horizon desktop on its card (vDGA)" },
  { "displays", "integer", doc = "with horizon: displays of the VM's own video card; default: unchanged" },
  { "video_memory_mb", "integer", doc = "with horizon: its memory; default: unchanged, or 16 for each of displays" },
  { "backing", "string", choices = { "fixed", "dynamic" }, default = "fixed",
    doc = "fixed: these addresses; dynamic: any card with these IDs and this label" },
  { "label", "string", doc = "dynamic backing: the hardware label" },
  { "bar_table", "table", doc = "a table of gpupt.bar.load instead of the built-in one" },
})

local rules = { min = true, safe = true, seed = true }

--- bar.format is exact; the limit is commonly called 3.5 GiB.
local function gib(bytes) return bytes == bar.LIMIT and "3.5 GiB" or bar.format(bytes) end

--- The rule and the fixed size that `mmio` stands for.
local function window_rule(mmio)
  if math.type(mmio) == "integer" then
    if mmio < 1 or mmio & (mmio - 1) ~= 0 then
      return nil, ("mmio: %d GiB is not a power of two, which pciPassthru.64bitMMIOSizeGB must be"):format(mmio),
        "EINVAL"
    end
    return "safe", mmio
  end
  if mmio == "off" then return "safe", 0 end
  if not rules[mmio] then
    return nil, ("mmio: '%s' is not valid; use min, safe, seed, off or a size in GiB"):format(mmio), "EINVAL"
  end
  return mmio
end

local function choose_firmware(o, window, add, warn)
  local firmware = o.installed or "efi"
  if o.firmware ~= "auto" then firmware = o.firmware end
  if o.installed and firmware ~= o.installed then
    return nil, ("firmware: an operating system is installed for %s; changing it to %s would make the disk unbootable")
      :format(o.installed, firmware), "EFIRMWARE"
  end
  if window.needed and firmware ~= "efi" and not window.sure then
    warn(("the firmware is BIOS, and only EFI has the 64-bit window that these BARs would need (%s)"):format(
      gib(window.bytes)))
  elseif window.needed and firmware ~= "efi" then
    local why = ("the cards map %s, more than the %s that a VM can map without the 64-bit window, which needs EFI")
      :format(gib(window.bytes), gib(bar.LIMIT))
    if o.installed then
      return nil, "firmware: " .. why .. "; the installed system boots with BIOS: convert its disk first", "EFIRMWARE"
    end
    return nil, "firmware: " .. why, "EFIRMWARE"
  end
  if o.installed then
    add("firmware", firmware, "what the installed operating system boots with; it is never changed")
  elseif o.firmware ~= "auto" then
    add("firmware", firmware, "as requested")
  else
    add("firmware", firmware, window.needed and "the 64-bit MMIO window needs EFI firmware"
      or "chosen before the operating system is installed, because it cannot be changed afterwards")
  end
  return firmware
end

--- The two keys of the window, or the reason why they are not needed.
local function choose_window(window, size, firmware, add, warn)
  if size == 0 then
    if window.needed and window.sure then
      return nil, ("mmio = off: the cards map %s, more than the %s available without the 64-bit window")
        :format(gib(window.bytes), gib(bar.LIMIT)), "EWINDOW"
    end
    add("mmio", "off", "as requested")
    return {}
  end
  if firmware ~= "efi" and not size and not window.sure then return {} end -- warned of already
  if not window.needed and not size then
    add("mmio", "not needed", ("the cards map %s; the limit without a 64-bit window is %s"):format(gib(window.bytes),
      gib(bar.LIMIT)))
    if firmware == "bios" then warn("the guest boots with BIOS: it would not start with more or larger cards") end
    return {}
  end
  if size and firmware ~= "efi" then
    return nil, ("mmio = %d: the 64-bit window needs EFI firmware, and the firmware is %s"):format(size, firmware),
      "EFIRMWARE"
  end
  if size and size < window.min and size >= window.sure_min and #window.uncertain > 0 then
    warn(("mmio = %d: %s would not fit it"):format(size, gib(window.bytes)))
  elseif size and size < window.min then
    return nil, ("mmio = %d: %s do not fit in %d GiB; use at least %d"):format(size, gib(window.bytes), size,
      window.min), "EWINDOW"
  end
  local gb = size or window.gb
  add("pciPassthru.use64bitMMIO", "TRUE", ("the cards map %s; the limit without it is %s"):format(gib(window.bytes),
    gib(bar.LIMIT)))
  add("pciPassthru.64bitMMIOSizeGB", tostring(gb), size and "as requested" or window.why)
  return { { key = "pciPassthru.use64bitMMIO", value = "TRUE" },
    { key = "pciPassthru.64bitMMIOSizeGB", value = tostring(gb) } }
end

local function copy_cards(gpus)
  local list = {}
  for i, card in ipairs(gpus) do
    local copy = {}
    if type(card) ~= "table" then
      error(("settings.compute: card %d must be a table, not a %s"):format(i, type(card)), 3)
    end
    for name, field in pairs(card) do copy[name] = field end
    list[i] = copy
  end
  return list
end

local function window_cards(gpus)
  local list = {}
  for i, card in ipairs(gpus) do
    list[i] = { vendor = card.vendor, device = card.device, count = card.count, bars = card.bars, name = card.name,
      address = card.address }
  end
  return list
end

-- 2560x1600 with 4 bytes for each pixel, rounded up.
local DISPLAY_MB = 16

--- The VM's own video card: nil if it stays as it is; or nil, message, code.
local function choose_video(o, add)
  if not o.horizon then
    if o.displays or o.video_memory_mb then
      return nil, "displays and video_memory: they are of the video card of a Horizon desktop, so set horizon = true",
        "EINVAL"
    end
    add("video card", "unchanged", "without a Horizon desktop it only shows the console")
    return nil
  end
  for _, name in ipairs { "displays", "video_memory_mb" } do
    if o[name] and o[name] < 1 then return nil, ("%s: %d is less than 1"):format(name, o[name]), "EINVAL" end
  end
  local memory = o.video_memory_mb or o.displays and o.displays * DISPLAY_MB
  local words = { "custom settings", "3D off" }
  if o.displays then words[3] = ("%d display%s"):format(o.displays, o.displays == 1 and "" or "s") end
  if memory then words[#words + 1] = memory .. " MiB" end
  local text = table.concat(words, ", ")
  add("video card", text, "the passed-through card renders the desktop; VMware 3D would replace it")
  return { auto_detect = false, enable_3d = false, renderer = "automatic", displays = o.displays,
    ram_kb = memory and memory * 1024, text = text }
end

--- Computes the settings. A bad value or a contradiction gives nil, message, code (EINVAL, EFIRMWARE, EWINDOW,
-- ENOENT for an unknown card, and what gpupt.bar.window gives).
function settings.compute(o)
  o = compute_options:check(o)
  local choices, warnings, allow = {}, {}, {}
  local function add(name, value, why) choices[#choices + 1] = { name = name, value = value, why = why } end
  local function warn(text) warnings[#warnings + 1] = text end
  if o.memory_mb < 4 or o.memory_mb % 4 ~= 0 then
    return nil, ("memory_mb: %d is not a positive multiple of 4"):format(o.memory_mb), "EINVAL"
  end
  local gpus = copy_cards(o.gpus)
  local rule, size, code = window_rule(o.mmio)
  if not rule then return nil, size, code end
  local window, message
  window, message, code = bar.window(window_cards(gpus), { rule = rule, table = o.bar_table })
  if not window then return nil, message, code end
  local firmware
  for _, name in ipairs(window.uncertain) do
    warn(name .. ": its BARs are not sure (from memory, or of several forms): a vmware.log or lspci -vv has them, and "
      .. "gpupt bar --learn keeps them")
  end
  firmware, message, code = choose_firmware(o, window, add, warn)
  if not firmware then return nil, message, code end
  local extra
  extra, message, code = choose_window(window, size, firmware, add, warn)
  if not extra then return nil, message, code end
  local hidden = cpuid.choose(o, gpus, add, warn, allow)
  if hidden == nil then
    return nil, ("hide_hypervisor: '%s' is not one of true, false, auto"):format(tostring(o.hide_hypervisor)), "EINVAL"
  end
  if hidden then extra[#extra + 1] = { key = "hypervisor.cpuid.v0", value = "FALSE" } end
  add("memory", ("%d MiB locked, fully reserved, no limit"):format(o.memory_mb),
    "a card writes to guest memory at any time, so it must not be moved or swapped")
  add("hot-add of CPU and memory, nested virtualization", "off", "none of them works with a passthrough device")
  local video
  video, message, code = choose_video(o, add)
  if code then return nil, message, code end
  return {
    firmware = firmware, memory_mb = o.memory_mb,
    memory = { locked = true, reservation_mb = o.memory_mb, limit = -1 },
    extra = extra, video = video,
    flags = { cpu_hot_add = false, memory_hot_add = false, nested = false },
    window = window, gpus = gpus, backing = o.backing, label = o.label,
    geforce = cpuid.has_geforce(gpus), choices = choices, warnings = warnings, allow = allow,
  }
end

return settings
