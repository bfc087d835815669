--- mmio = "measure": the BARs of cards that the table does not have, from the vmware.log of a power-on.
-- The VMX writes the BARs of each passthrough device before it checks whether they fit, so a power-on shows them even
-- if it fails because the VM has no 64-bit window yet ("total number of pages needed ... exceeds limit"). So the cards
-- are attached without a window, the VM is powered on once, its log is read, and the settings are computed from what it
-- says. A VM that starts so needs no window. What was measured stays in the VM's advanced setting gpupt.bars.
-- Source of the line and of the procedure: public logs of ESXi 6.5 to 8 ("PCIPassthru: Device 0000:42:00.0 barIndex 1
-- type 3 realaddr ... size 34359738368 flags 12"), VMware's blog posts on MMIO for high-end GPUs.
local bar = require "gpupt.bar"
local check = require "gpupt.failure".check
local vmlog = require "gpupt.vmlog"

local measure = {}

measure.KEY = "gpupt.bars"

-- Stands for BARs that are not known: nothing that needs a window.
local UNKNOWN = { { kind = "mem32", size = 4096 } }

-- A log begins with some hundred lines of configuration; the BARs come soon after.
local MOST = 8 << 20

local function id_of(card) return ("%04x:%04x"):format(card.vendor, card.device) end

--- What a VM's advanced setting has: id -> BARs. { "10de:2bb5=67108864/32,137438953472,33554432" }
local function stored(vm)
  local map = {}
  for id, text in (vm and vm.extra[measure.KEY] or ""):gmatch "(%x+:%x+)=([^;]+)" do map[id] = bar.parse(text) end
  return map
end

local function text_of(map)
  local words = {}
  for id, bars in pairs(map) do
    local sizes = {}
    for i, one in ipairs(bars) do
      sizes[i] = one.size .. (one.kind == "mem32" and "/32" or one.kind == "io" and "/io" or "")
    end
    words[#words + 1] = id .. "=" .. table.concat(sizes, ",")
  end
  table.sort(words)
  return table.concat(words, ";")
end

--- The BARs of a card as the playbook, the table or an earlier measurement has them: a list, or nil if the table has
-- them, or nothing has; and true if they are still to be measured.
function measure.bars(target, card, vm)
  local o = target.options
  local given = o.bars or o.devices.options.bars
  if type(given) == "string" then given = check(bar.parse(given)) end
  if given or o.mmio ~= "measure" or bar.lookup(card.vendor, card.device) then return given end
  local known = (target.measured or stored(vm))[id_of(card)]
  if known then return known end
  return UNKNOWN, true
end

--- The ids of the target's cards that are still to be measured.
function measure.missing(target, vm)
  local list, seen = {}, {}
  for _, card in ipairs(target.cards) do
    local _, unknown = measure.bars(target, card, vm)
    local id = id_of(card)
    if unknown and not seen[id] then list[#list + 1] = id end
    seen[id] = true
  end
  return list
end

--- What to do about a card that the table does not have, for its refusal.
function measure.advice(message)
  return ("%s. In a playbook: p.gpus { ..., bars = \"16M/32,128G,32M\" }; or mmio = \"measure\" in p.gpu.attach, which "
    .. "powers the VM on once and reads them from its vmware.log"):format(message)
end

-- "[ds] vm/vm.vmx" -> the beginning of "[ds] vm/vmware.log"
local function log_of(ctx, vm)
  local folder, parts = vm.path:match "^(%[[^%]]+%] .*)/[^/]*$", {}
  for bytes in ctx.vc.datastore:read(folder .. "/vmware.log", { length = MOST }) do parts[#parts + 1] = bytes end
  return table.concat(parts)
end

-- The BARs of a device whose log has only the sum of its pages.
local function from_pages(text)
  local pages = math.tointeger(tonumber(text:match "total number of pages needed %((%d+)%)"))
  local sums = pages and bar.from_pages(pages)
  if not sums then return nil end
  local bars = {}
  for i, size in ipairs(sums.sizes) do bars[i] = { kind = "mem64", size = size } end
  return #bars > 0 and bars or nil
end

--- Reads them from the log of the power-on that has just been; nil, message, code.
function measure.read(ctx, target, vm)
  local scan = check(vmlog.scan { text = log_of(ctx, vm), name = "vmware.log" })
  local text = nil
  local map = target.measured or stored(vm)
  for _, card in ipairs(target.cards) do
    local _, unknown = measure.bars(target, card, vm)
    for _, device in ipairs(unknown and scan.devices or {}) do
      -- a dynamic backing may have got another card of the same model
      if device.address == card.address or target.options.backing == "dynamic" then map[id_of(card)] = device.bars end
    end
    if unknown and not map[id_of(card)] and #target.cards == 1 then
      text = text or log_of(ctx, vm)
      map[id_of(card)] = from_pages(text)
    end
    if unknown and not map[id_of(card)] then
      return nil, ("%s: its vmware.log does not have the BARs of %s (%s): give them with p.gpus { ..., bars = ... }")
        :format(target.name, card.address, id_of(card)), "ENOBARS"
    end
  end
  target.measured = map
  for id, bars in pairs(map) do
    local words = {}
    for i, one in ipairs(bars) do words[i] = bar.short(one.size) end
    ctx:note(target, ("measured %s: BARs %s"):format(id, table.concat(words, " + ")))
  end
  return true
end

--- The advanced setting that keeps what was measured; nil if nothing was.
function measure.setting(target)
  return target.measured and { key = measure.KEY, value = text_of(target.measured) }
end

local mmio_words = { min = true, safe = true, seed = true, off = true, measure = true }

--- What is wrong with the option mmio of gpu.attach, or nil.
function measure.problem(value)
  if type(value) == "string" and not mmio_words[value] then
    return ("mmio: '%s' is not valid; use min, safe, seed, off, measure or a size in GiB"):format(value)
  elseif math.type(value) == "integer" and (value < 1 or value & (value - 1) ~= 0) then
    return ("mmio: %d GiB is not a power of two, which pciPassthru.64bitMMIOSizeGB must be"):format(value)
  end
end

return measure
