--- Sizes in words.
local core = require "gpupt.core".bar

local text = {}

local units = { { 1 << 40, "TiB", "T" }, { 1 << 30, "GiB", "G" }, { 1 << 20, "MiB", "M" }, { 1 << 10, "KiB", "K" } }

--- "128 GiB + 48 MiB" for bytes; nothing is rounded.
function text.format(bytes)
  local parts = {}
  for _, unit in ipairs(units) do
    -- a TiB is only used where nothing below a TiB is left: 1536 GiB reads better than 1 TiB + 512 GiB
    if bytes >= unit[1] and (unit[2] ~= "TiB" or bytes % unit[1] == 0) then
      parts[#parts + 1] = ("%d %s"):format(bytes // unit[1], unit[2])
      bytes = bytes % unit[1]
    end
  end
  if bytes > 0 or #parts == 0 then parts[#parts + 1] = bytes .. " bytes" end
  return table.concat(parts, " + ")
end

--- "32G" for bytes when a unit divides them, else the plain number: what bar.size reads back.
function text.short(bytes)
  for _, unit in ipairs(units) do
    if bytes >= unit[1] and bytes % unit[1] == 0 then return (bytes // unit[1]) .. unit[3] end
  end
  return tostring(bytes)
end

--- {bytes=, text=, sizes=, gb=} for a sum of BARs: its powers of two are the candidates for the single BARs.
function text.explain(bytes)
  local sizes = {}
  for bit = 62, 0, -1 do
    if bytes & (1 << bit) ~= 0 then sizes[#sizes + 1] = 1 << bit end
  end
  local rounded, message, code = core.round(bytes)
  if not rounded then return nil, message, code end
  return { bytes = bytes, text = text.format(bytes), sizes = sizes, gb = math.max(1, rounded >> 30) }
end

return text
