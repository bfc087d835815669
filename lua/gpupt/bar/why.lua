--- The explanation of a window, for people: which BARs, which rule, what the other rules say.
local core = require "gpupt.core".bar
local text = require "gpupt.bar.text"

local marks = {
  S = "from a public source", I = "inferred", T = "agrees with NVIDIA's table", M = "from memory, not verified",
  L = "measured on your hosts",
}

local function describe(device)
  local name = device.name or "card"
  if device.vendor and device.device then name = ("%s (%04x:%04x)"):format(name, device.vendor, device.device) end
  local parts = {}
  for _, one in ipairs(device.bars) do
    parts[#parts + 1] = text.short(one.size)
      .. (one.kind == "io" and " of I/O ports" or one.kind == "mem32" and " (32-bit)" or "")
  end
  local source = "measured"
  if device.source == "table" then
    source = ("table, %s%s"):format(marks[device.mark], device.origin and (": " .. device.origin) or "")
  end
  local line = ("%d x %s: BARs %s [%s]"):format(device.count, name, table.concat(parts, " + "), source)
  if device.variants then
    local others = {}
    for i = 2, #device.variants do
      others[#others + 1] = ("%s: %s"):format(device.variants[i].variant or "another form",
        text.format(device.variants[i].bytes))
    end
    local largest = true
    for _, other in ipairs(device.variants) do largest = largest and other.bytes <= device.bytes end
    line = line .. ("; assumed '%s', the %s form (%s)"):format(device.variant or "?", largest and "larger" or "usual",
      table.concat(others, "; "))
  end
  return line
end

--- When one small kind of device doubles the window, say which: leaving it out of the VM may be the better plan.
local function doubled_by(result)
  if #result.devices < 2 then return nil end
  for leave, device in ipairs(result.devices) do
    local rest = {}
    for i, other in ipairs(result.devices) do
      if i ~= leave then
        rest[#rest + 1] = { count = other.count, window = other.window, total = other.bytes, largest = other.largest }
      end
    end
    local without = core.compute(rest)
    if without and without[result.rule] * 2 <= result.gb and device.bytes * device.count * 8 < result.bytes then
      return ("%s (%s) makes the window %d instead of %d"):format(device.name or ("card " .. leave),
        text.format(device.bytes), result.gb, without[result.rule])
    end
  end
end

return function(result)
  local lines = {}
  for _, device in ipairs(result.devices) do lines[#lines + 1] = describe(device) end
  local sum = 0
  for _, device in ipairs(result.devices) do sum = sum + device.window * device.count end
  if result.rule == "min" then
    lines[#lines + 1] = ("rule min: the 64-bit BARs sum to %s -> %d GB"):format(text.format(sum), result.gb)
  elseif result.rule == "safe" then
    local terms = {}
    for _, device in ipairs(result.devices) do
      local each = device.window > 0 and core.round(device.window) or 0
      terms[#terms + 1] = ("%d x %s"):format(device.count, text.short(each))
    end
    lines[#lines + 1] = ("rule safe: each card's 64-bit BARs rounded up to a power of two, %s -> %d GB")
      :format(table.concat(terms, " + "), result.gb)
  else
    local terms = {}
    for _, device in ipairs(result.devices) do
      terms[#terms + 1] = ("%d x %s"):format(device.count, text.short(device.largest))
    end
    lines[#lines + 1] = ("rule seed: the power of two strictly above %s -> %d GB")
      :format(table.concat(terms, " + "), result.gb)
  end
  local total = text.format(result.bytes)
  if result.needed then
    lines[#lines + 1] = ("the memory BARs sum to %s, above the 3.5 GiB that a VM may map without it: EFI, "
      .. "use64bitMMIO and 64bitMMIOSizeGB are needed together"):format(total)
  else
    lines[#lines + 1] = ("the memory BARs sum to %s, within the 3.5 GiB that a VM may map without use64bitMMIO: "
      .. "the window is optional"):format(total)
  end
  if result.high_end then lines[#lines + 1] = "high-end: a card maps more than 16 GB" end
  lines[#lines + 1] = doubled_by(result)
  for _, warning in ipairs(result.warnings) do lines[#lines + 1] = "warning: " .. warning end
  return require("gpupt.visible").lines(lines)
end
