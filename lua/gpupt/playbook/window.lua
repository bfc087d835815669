--- Maintenance windows: "22:00-05:00", "Mon-Fri 22:00-05:00", "Sat,Sun 00:00-24:00 Europe/Berlin", or a list of them.
-- The days are those on which a window opens. Without a zone it is that of this computer; `vcenter` is the zone of the
-- appliance of vCenter, which a plan reads (Window:set_vcenter). Windows that touch are one.
-- What counts is the wall clock of this computer: it is read again at every look, so that a clock that is set, and a
-- computer that slept, are seen.
local units = require "gpupt.units"
local zone = require "gpupt.later" "gpupt.zone"

local window = {}

local Window = {}
Window.__index = Window

local days = { sun = 0, mon = 1, tue = 2, wed = 3, thu = 4, fri = 5, sat = 6 }

local FORM = "'%s' is no window: write 22:00-05:00, Mon-Fri 22:00-05:00, or Sat,Sun 00:00-24:00 Europe/Berlin"

-- "Mon-Fri" or "Sat,Sun": a set of weekdays, or nil.
local function days_of(text)
  local set = {}
  for part in text:gmatch "[^,]+" do
    local from, to = part:lower():match "^(%a%a%a)%-?(%a*)$"
    local first, last = days[from or ""], to == "" and days[from or ""] or days[to or ""]
    if not (first and last) then return nil end
    for i = 0, (last - first) % 7 do set[(first + i) % 7] = true end
  end
  return next(set) and set or nil
end

local function minutes_of(hours, minutes, most)
  local h, m = tonumber(hours), tonumber(minutes)
  local value = h * 60 + m
  return m < 60 and value <= most and math.tointeger(value) or nil
end

local function one(text)
  local named, h1, m1, h2, m2, zoned = text:match "^%s*([%a,-]*)%s*(%d%d?):(%d%d)%s*%-%s*(%d%d?):(%d%d)%s*(%S*)%s*$"
  local set = named and named ~= "" and days_of(named)
  local from, to = h1 and minutes_of(h1, m1, 1439), h2 and minutes_of(h2, m2, 1440)
  if not (from and to) or named ~= "" and not set then return nil, FORM:format(text) end
  if from == to then return nil, ("'%s': a window that ends when it begins. All day is 00:00-24:00"):format(text) end
  local name = zoned == "" and "local" or zoned
  -- until it is read, the zone of vCenter is UTC: that is enough to check the window's length
  local offset, message = zone.of(name == "vcenter" and "UTC" or name)
  if not offset then return nil, message end
  return { days = set, from = from * 60, length = (to > from and to - from or to + 1440 - from) * 60, offset = offset,
    zone = name, text = text:match "^%s*(.-)%s*$" }
end

--- A window from its text or a list of texts; nil, message.
function window.parse(given)
  local self = setmetatable({ parts = {} }, Window)
  for i, text in ipairs(type(given) == "table" and given or { given }) do
    if type(text) ~= "string" then return nil, ("entry %d is a %s, not a text"):format(i, type(text)) end
    local part, message = one(text)
    if not part then return nil, message end
    self.parts[i] = part
  end
  if #self.parts == 0 then return nil, "an empty list: give a window such as 22:00-05:00" end
  local words = {}
  for i, part in ipairs(self.parts) do words[i] = part.text end
  self.text = table.concat(words, ", ")
  return self
end

--- Whether one of its windows is in the zone of vCenter, which is not known before a plan reads it.
function Window:needs_vcenter()
  for _, part in ipairs(self.parts) do if part.zone == "vcenter" then return true end end
  return false
end

--- Sets the zone of vCenter: true; nil, message, code. A loaded playbook that is planned for vCenters of two zones is
-- refused (EREFUSED): the window is shared by its plans, and the first would reboot hosts at the second's hours.
function Window:set_vcenter(name)
  if self.vcenter and self.vcenter ~= name then
    return nil, ("it was planned for a vCenter in %s before, and this one is in %s: load the playbook again"):format(
      self.vcenter, name), "EREFUSED"
  end
  local offset, message, code = zone.of(name)
  if not offset then return nil, message, code end
  for _, part in ipairs(self.parts) do if part.zone == "vcenter" then part.offset = offset end end
  self.vcenter = name
  return true
end

-- The moment at which a zone's clocks show `civil` (seconds since 1970 as if it were UTC).
local function moment(civil, offset)
  return civil - offset(civil - offset(civil))
end

-- When the window is open around t: { { from, to } }, sorted, touching ones joined.
local function openings(self, t)
  local list = {}
  for _, part in ipairs(self.parts) do
    local today = (t + part.offset(t)) // 86400
    for day = today - 8, today + 9 do
      if not part.days or part.days[zone.weekday(day)] then
        local civil = day * 86400 + part.from
        list[#list + 1] = { from = moment(civil, part.offset), to = moment(civil + part.length, part.offset) }
      end
    end
  end
  table.sort(list, function(a, b) return a.from < b.from end)
  local joined = {}
  for _, opening in ipairs(list) do
    local last = joined[#joined]
    if last and opening.from <= last.to then
      last.to = math.max(last.to, opening.to)
    elseif opening.to > opening.from then
      joined[#joined + 1] = opening
    end
  end
  -- the days of a week repeat: what is open for more than one has no end
  if #joined == 1 and joined[1].to - joined[1].from > 8 * 86400 then
    return { { from = -math.huge, to = math.huge } }
  end
  return joined
end

--- For something that takes `seconds`: true and when the window closes, if it can begin at t; else false and when it
-- can, or nil if no opening is long enough.
function Window:fits(t, seconds)
  for _, opening in ipairs(openings(self, t)) do
    if t >= opening.from and t + seconds <= opening.to then return true, opening.to end
    if opening.from > t and opening.to - opening.from >= seconds then return false, opening.from end
  end
  return false
end

--- When the window that is open at t closes, or nil.
function Window:closes(t)
  for _, opening in ipairs(openings(self, t)) do
    if t >= opening.from and t < opening.to then return opening.to end
  end
end

--- A moment as the window's first zone shows it: "Mon 2026-11-30 22:00 (UTC+01:00)".
function Window:show(t)
  local offset = self.parts[1].offset(t)
  return ("%s (UTC%s)"):format(os.date("!%a %Y-%m-%d %H:%M", (t + offset) // 1), zone.spell(offset))
end

--- The window for people, with its zone said.
function Window:title()
  for _, part in ipairs(self.parts) do
    if part.zone == "local" and not part.text:find "local$" then return self.text .. " in the time of this computer" end
  end
  return self.vcenter and ("%s (%s)"):format(self.text, self.vcenter) or self.text
end

--- The longest time that it is open at once, around t.
function Window:longest(t)
  local most = 0
  for _, opening in ipairs(openings(self, t)) do most = math.max(most, opening.to - opening.from) end
  return most
end

--- One line for the plan.
function Window:line(t, seconds)
  local closes, fits, when = self:closes(t), self:fits(t, seconds)
  local state
  if fits then
    state = when == math.huge and "always open" or ("open until %s"):format(self:show(when))
  else
    state = when and ("the next reboot can begin at %s, in %s"):format(self:show(when), units.span(when - t))
      or "no opening of the next days is long enough"
    if closes then state = ("closes at %s, too early for a reboot now; %s"):format(self:show(closes), state) end
  end
  return ("window %s: %s"):format(self:title(), state)
end

return window
