--- Time zones: by how many seconds local time is ahead of UTC at a moment. Names are those of the time zone database
-- (Europe/Berlin), UTC, a fixed offset (+02:00), or local, the zone of this computer. The database is read from its
-- files (TZif, RFC 8536), because the C library knows one zone at a time, for the whole process.
local zone = {}

--- Days from 1970-01-01 to a date of the Gregorian calendar.
function zone.days(year, month, day)
  local y = month <= 2 and year - 1 or year
  local era = y // 400
  local yoe = y - era * 400
  local doy = (153 * (month + (month > 2 and -3 or 9)) + 2) // 5 + day - 1
  return era * 146097 + yoe * 365 + yoe // 4 - yoe // 100 + doy - 719468
end

--- The weekday of such a day: 0 is Sunday.
function zone.weekday(days) return (days + 4) % 7 end

--- Year, month and day of such a day.
function zone.date(days)
  local z = days + 719468
  local era = z // 146097
  local doe = z - era * 146097
  local yoe = (doe - doe // 1460 + doe // 36524 - doe // 146096) // 365
  local doy = doe - (365 * yoe + yoe // 4 - yoe // 100)
  local mp = (5 * doy + 2) // 153
  local month = mp < 10 and mp + 3 or mp - 9
  return yoe + era * 400 + (month <= 2 and 1 or 0), month, doy - (153 * mp + 2) // 5 + 1
end

local function local_offset(t)
  local here, utc = os.date("*t", t // 1), os.date("!*t", t // 1)
  local function seconds(d) return zone.days(d.year, d.month, d.day) * 86400 + d.hour * 3600 + d.min * 60 + d.sec end
  return seconds(here) - seconds(utc)
end

-- ---- the rule at the end of a TZif file, such as CET-1CEST,M3.5.0,M10.5.0/3

local function clock_time(text)
  local sign, h, m, s = text:match "^([+-]?)(%d+):?(%d*):?(%d*)$"
  if not h then return nil end
  local seconds = tonumber(h) * 3600 + (tonumber(m) or 0) * 60 + (tonumber(s) or 0)
  return math.tointeger(sign == "-" and -seconds or seconds)
end

local function name_and_offset(text)
  local rest = text:match "^<[^>]*>(.*)$" or text:match "^%a+(.*)$"
  local offset = rest and rest:match "^[+-]?[%d:]+"
  return offset and clock_time(offset), rest and rest:sub(#(offset or "") + 1)
end

-- The day of a rule in a year.
local function day_of(rule, year)
  local first = zone.days(year, 1, 1)
  if rule.julian then
    local leap = zone.days(year + 1, 1, 1) - first == 366
    return first + rule.julian - 1 + (leap and rule.julian >= 60 and 1 or 0)
  end
  if rule.day then return first + rule.day end
  local month = zone.days(year, rule.month, 1)
  local next_month = rule.month == 12 and zone.days(year + 1, 1, 1) or zone.days(year, rule.month + 1, 1)
  local day = month + (rule.weekday - zone.weekday(month)) % 7 + (rule.week - 1) * 7
  return day >= next_month and day - 7 or day
end

local function date_rule(text)
  local date, time = text:match "^([^/]+)/?(.*)$"
  if not date then return nil end
  local rule = { time = time == "" and 7200 or clock_time(time) }
  local m, w, d = date:match "^M(%d+)%.(%d)%.(%d)$"
  rule.month, rule.week, rule.weekday = math.tointeger(tonumber(m)), math.tointeger(tonumber(w)),
    math.tointeger(tonumber(d))
  rule.julian = math.tointeger(tonumber(date:match "^J(%d+)$"))
  rule.day = math.tointeger(tonumber(date:match "^(%d+)$"))
  return rule.time and (m or rule.julian or rule.day) and rule or nil
end

-- offset(t) of such a rule; nil if it is not understood.
local function by_rule(text)
  local standard, rest = name_and_offset(text)
  if not standard then return nil end
  if rest == "" then return function() return -standard end end
  local zones, from, to = rest:match "^([^,]+),([^,]+),([^,]+)$"
  local summer = zones and name_and_offset(zones)
  local begins, ends = from and date_rule(from), to and date_rule(to)
  if not (begins and ends) then return nil end
  local winter_offset = -standard
  local summer_offset = summer and -summer or winter_offset + 3600
  return function(t)
    local year = zone.date((t + winter_offset) // 86400)
    local start = day_of(begins, year) * 86400 + begins.time - winter_offset
    local stop = day_of(ends, year) * 86400 + ends.time - summer_offset
    local inside
    if start < stop then inside = t >= start and t < stop else inside = t >= start or t < stop end
    return inside and summer_offset or winter_offset
  end
end

-- ---- the file

local function counts(data, at)
  local magic, version, isut, isstd, leap, times, types, chars = string.unpack(">c4 c1 xxxxxxxxxxxxxxx I4I4I4I4I4I4",
    data, at)
  if magic ~= "TZif" then return nil end
  return { version = version, isut = isut, isstd = isstd, leap = leap, times = times, types = types, chars = chars }
end

-- The transitions in a block that begins after its header: { { at, offset } }, and the first offset.
local function transitions(data, at, n, width)
  local format = width == 8 and ">i8" or ">i4"
  local kinds = at + n.times * width
  local infos = kinds + n.times
  local function offset_of(kind) return (string.unpack(">i4", data, infos + kind * 6)) end
  local list = {}
  for i = 0, n.times - 1 do
    list[i + 1] = { at = string.unpack(format, data, at + i * width), offset = offset_of(data:byte(kinds + i)) }
  end
  return list, offset_of(0), infos + n.types * 6 + n.chars + n.leap * (width + 4) + n.isstd + n.isut
end

local function parse(data)
  local n = counts(data, 1)
  if not n then return nil end
  local list, first, after = transitions(data, 45, n, 4)
  local rule
  if n.version ~= "\0" then
    n = counts(data, after)
    list, first, after = transitions(data, after + 44, n, 8)
    local text = data:match("^\n([^\n]*)\n", after)
    rule = text and text ~= "" and by_rule(text) or nil
  end
  return function(t)
    local low, high = 0, #list
    while low < high do
      local middle = (low + high + 1) // 2
      if list[middle].at <= t then low = middle else high = middle - 1 end
    end
    if low == #list and rule then return rule(t) end
    return low == 0 and first or list[low].offset
  end
end

local function from_database(name)
  -- no other file is read by this
  if not name:find "^%a[%w_+-]*/[%w_+/-]+$" then return nil end
  local file = io.open(("%s/%s"):format(os.getenv "TZDIR" or "/usr/share/zoneinfo", name), "rb")
  local data = file and file:read "a"
  if file then file:close() end
  if not data then return nil end
  local ok, offset = pcall(parse, data)
  return ok and offset or nil
end

local function fixed(name)
  local sign, hours, minutes = name:match "^U?T?C?([+-])(%d%d):?(%d%d)$"
  if not sign or tonumber(hours) > 14 or tonumber(minutes) > 59 then return nil end
  local seconds = math.tointeger((tonumber(hours) * 60 + tonumber(minutes)) * 60)
  if sign == "-" then seconds = -seconds end
  return function() return seconds end
end

--- offset(t): seconds by which this zone is ahead of UTC; nil, message, "EINVAL".
function zone.of(name)
  if name == "local" then return local_offset end
  if name == "UTC" or name == "Z" then return function() return 0 end end
  local offset = fixed(name) or from_database(name)
  if offset then return offset end
  return nil, ("unknown time zone '%s': use local (this computer's), UTC, an offset such as +02:00, or a name such as "
    .. "Europe/Berlin"):format(name), "EINVAL"
end

--- "+01:00"
function zone.spell(seconds)
  return ("%s%02d:%02d"):format(seconds < 0 and "-" or "+", math.abs(seconds) // 3600, math.abs(seconds) % 3600 // 60)
end

return zone
