--- Sizes, durations and numbered names in playbooks.
local units = {}

local seconds = { s = 1, m = 60, h = 3600, d = 86400 }

--- "45m", "90s", "2h", 30 -> seconds; nil, message, "EINVAL".
function units.duration(value)
  if type(value) == "number" then
    if value > 0 and value < math.huge then return value end
  elseif type(value) == "string" then
    local number, unit = value:match "^%s*(%d+%.?%d*)%s*([smhd]?)%s*$"
    if number and tonumber(number) > 0 then return tonumber(number) * seconds[unit ~= "" and unit or "s"] end
  end
  return nil, ("invalid duration '%s': use for example 90s, 45m or 2h"):format(tostring(value)), "EINVAL"
end

local megabytes = { mb = 1, mib = 1, m = 1, gb = 1024, gib = 1024, g = 1024, tb = 1024 * 1024, tib = 1024 * 1024,
  t = 1024 * 1024 }

--- "16 GiB", "512G", "4096 MB", 4096 (MiB) -> MiB as an integer; nil, message, "EINVAL".
function units.mebibytes(value)
  if math.type(value) == "integer" and value > 0 then return value end
  if type(value) == "string" then
    local number, unit = value:match "^%s*(%d+)%s*(%a*)%s*$"
    local factor = number and megabytes[unit:lower()]
    local count = factor and math.tointeger(tonumber(number))
    if count and count > 0 and count < 1 << 40 then return count * factor end
  end
  return nil, ("invalid size '%s': use for example 16 GiB, 512G or 4096 MB"):format(tostring(value)), "EINVAL"
end

--- "1 error", "2 errors".
function units.count(number, noun) return ("%d %s%s"):format(number, noun, number == 1 and "" or "s") end

--- "train-{n:02}" and 3 -> "train-03".
function units.numbered(pattern, n)
  local name, count = pattern:gsub("{n:?(%d*)}", function(width)
    return (width ~= "" and "%0" .. tonumber(width) .. "d" or "%d"):format(n)
  end)
  return name, count
end

--- 4920 -> "1 h 22 min"; for people.
function units.span(value)
  if value < 90 then return ("%.0f s"):format(value) end
  if value < 5400 then return ("%.0f min"):format(value / 60) end
  return ("%d h %02d min"):format(value // 3600, value % 3600 // 60)
end

return units
