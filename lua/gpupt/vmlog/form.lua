--- Form before meaning: what mail, forums, terminals and word processors did to a log is undone before it is read.
--
--   local clean = form.clean(text)     --> nil: nothing to undo
--   clean.text                         the log as it was, as far as that is known
--   clean.notes                        {{what=, line=, count=}...}: what was undone, each named once
--   clean:origin(number)               where a line of clean.text comes from: a line number, or a joined record
--
-- A record that was wrapped over several lines becomes one line again:
--
--   2022-04-22T03:04:15Z| vmx| | I005: PCIPassthru: total  \
--   number of pages needed (4206594) exceeds limit (917504), } one line, {pieces, numbers, starts}
--   failing                                                /
--
-- A break is one of wrapping only when the first word of the next line would not have fitted. Where no time stamps
-- tell the records apart, the lines stay as they are and the joined text is kept as well ("beside"): it counts
-- only for what reaches over a break.
local form = {}

local MOST_LINES, MOST_BYTES, WIDEST = 12, 2000, 140

local Clean = {}
Clean.__index = Clean

function Clean:origin(number) return self.map[number] or number end

-- Replacements for an ASCII character. "" is dropped.
local characters = {
  ["\xC2\xA0"] = " ", ["\xC2\xAD"] = "", ["\xC2\xAB"] = '"', ["\xC2\xBB"] = '"', ["\xEF\xBB\xBF"] = "",
  ["\xE3\x80\x80"] = " ", ["\xE2\x81\x9F"] = " ", ["\xE2\x81\xA0"] = "", ["\xE2\x88\x92"] = "-",
  ["\xE2\x80\x98"] = "'", ["\xE2\x80\x99"] = "'", ["\xE2\x80\x9A"] = "'", ["\xE2\x80\x9B"] = "'",
  ["\xE2\x80\x9C"] = '"', ["\xE2\x80\x9D"] = '"', ["\xE2\x80\x9E"] = '"', ["\xE2\x80\x9F"] = '"',
  ["\xE2\x80\xA6"] = "...", ["\xE2\x80\xAF"] = " ", ["\xE2\x80\x8B"] = "", ["\xE2\x80\x8C"] = "", ["\xE2\x80\x8D"] = "",
  ["\xE2\x80\xA8"] = " ", ["\xEF\xBC\x88"] = "(", ["\xEF\xBC\x89"] = ")", ["\xEF\xBC\x9A"] = ":",
}
for byte = 0x80, 0x8A do characters["\xE2\x80" .. string.char(byte)] = " " end
for byte = 0x90, 0x95 do characters["\xE2\x80" .. string.char(byte)] = "-" end

local names = { ["'"] = "typographic quotes", ['"'] = "typographic quotes", [" "] = "non-breaking blanks",
  [""] = "invisible characters", ["-"] = "typographic dashes", ["..."] = "typographic dots",
  ["("] = "full-width characters", [")"] = "full-width characters", [":"] = "full-width characters" }

local entities = { quot = '"', apos = "'", lt = "<", gt = ">", amp = "&", nbsp = " ", ["#34"] = '"', ["#39"] = "'",
  ["#x22"] = '"', ["#x27"] = "'", ["#160"] = " ", ["#xa0"] = " ", ["#60"] = "<", ["#62"] = ">", ["#38"] = "&" }

local tags = {}
for name in ("p div span code pre td tr th li ul ol b i u em strong a font blockquote table tbody"):gmatch "%S+" do
  tags[name] = true
end

local commands = {}
for name in ("cat tail head less more grep egrep zgrep zcat dmesg journalctl sudo lspci lsmod modprobe esxcli localcli "
  .. "vim-cmd nvidia-smi rocm-smi amd-smi cd ls vi watch uname echo"):gmatch "%S+" do
  commands[name] = true
end

--- A command line of a console. A log's own lines begin otherwise.
local function is_prompt(line)
  if line:find "^%[[%w_%-]+@[^%]%s]*[^%]]*%]%s*[#$%%]?%s" or line:find "^[%w_%-]+@[%w_%-.]+:[^%s#$]*[#$]%s"
    or line:find "^PS [A-Z]:\\[^>]*>" or line:find "^[A-Z]:\\[^>]*>" then
    return true
  end
  local word = line:match "^[#$%%] (%S+)"
  return word ~= nil and commands[word:match "[^/]+$" or ""] == true
end

-- What begins a record of a log.
local beginnings = {
  "^%d%d%d%d%-%d%d%-%d%d[T ]%d%d:", "^%d%d?[/.]%d%d?[/.]%d%d%d%d[, ]", "^%a%a%a%s+%d%d? %d%d:%d%d:%d%d",
    "^%[%s*%d+%.%d+%]",
  "^%[%a%a%a %a%a%a", "^<%d+>", "^cpu%d+:%d+%)",
}
local own_beginnings = { "^NVRM[: ]", "^PCIPassthru: ", "^VMKPCIPassthru: ", "^WARNING: ", "^DEBUG: ", "^%[msg%.",
  "^DICT ",
  "^Module '?\"?DevicePowerOn" }
-- the same where no time stamps tell
local loose_beginnings = { "^[%w_%-]+%[?%d*%]?: ", "^%x%x%x?%x?:%x%x[:.]", "^amdgpu[ :]", "^nouveau[ :]" }

local function begins_any(line, patterns)
  for _, pattern in ipairs(patterns) do
    if line:find(pattern) then return true end
  end
  return false
end

local Work = {}
Work.__index = Work

function Work:note(what, number, count)
  local known = self.known[what]
  if not known then
    known = { what = what, line = number, count = 0 }
    self.known[what] = known
    table.insert(self.notes, known)
  end
  known.count = known.count + (count or 1)
end

--- The characters of one line.
function Work:characters(line, number)
  if line:find "\27" then
    local count, more
    line, count = line:gsub("\27%[[%d;?]*[%a]", "")
    line, more = line:gsub("\27%][^\7\27]*\7?", "")
    if count + more > 0 then self:note("colour codes", number, count + more) end
  end
  if self.bare_colours and line:find "%[[%d;]*m" then
    local count
    line, count = line:gsub("%[[%d;]*m", "")
    self:note("colour codes", number, count)
  end
  if line:find "[\xC2\xE2\xE3\xEF]" then
    local function put(bytes)
      local plain = characters[bytes]
      if plain then self:note(names[plain], number) end
      return plain
    end
    line = line:gsub("\xC2[\x80-\xBF]", put):gsub("[\xE2\xE3\xEF][\x80-\xBF][\x80-\xBF]", put)
  end
  if line:find("\\u00", 1, true) then
    line = line:gsub("\\u00([2-7]%x)", function(digits)
      self:note("JSON escapes", number)
      return string.char(tonumber(digits, 16))
    end)
  end
  if self.html then
    line = line:gsub("</?(%a+)[^<>]*>", function(name) return tags[name:lower()] and "" or nil end)
    line = line:gsub("&(#?%w+);", function(name)
      local plain = entities[name:lower()]
      if plain then self:note("HTML", number) end
      return plain
    end)
  end
  return line
end

--- The prefix of a line that was quoted or printed by grep.
function Work:beginning(line, number)
  if self.quoted and line:find "^%s*>" then
    self:note("mail quoting", number)
    line = line:gsub("^[%s>]*>%s?", "")
  end
  local rest = line:match "^[%w_%-./]+%.log[%w.%-]*:%d*:?(.+)$"
  if rest and begins_any(rest, beginnings) then
    self:note("names of files before the lines", number)
    line = rest
  end
  if line:find "^%s*```" then return "" end
  if line:find "^%s+" and begins_any(line:match "^%s+(.*)$", beginnings) then line = line:match "^%s+(.*)$" end
  if is_prompt(line) then
    self:note("console prompts", number)
    return ""
  end
  return line
end

local function lines_of(text)
  local lines = {}
  for line in (text .. (text:sub(-1) == "\n" and "" or "\n")):gmatch "([^\n]*)\n" do
    lines[#lines + 1] = line:sub(-1) == "\r" and line:sub(1, -2) or line
  end
  return lines
end

--- Lines with their numbers in the source, cleaned one by one.
function Work:lines(text)
  local list = {}
  for number, raw in ipairs(lines_of(text)) do
    local parts = { raw }
    if self.html and raw:lower():find "<br%s*/?>" then
      parts = lines_of((raw:gsub("<[bB][rR]%s*/?>", "\n")))
      self:note("HTML", number)
    end
    for _, part in ipairs(parts) do
      local line = self:beginning(self:characters(part, number), number)
      list[#list + 1] = { text = line, number = number, begins = begins_any(line, beginnings),
        own = begins_any(line, own_beginnings), loose = begins_any(line, loose_beginnings) }
      if line ~= raw then self.changed = true end
    end
  end
  return list
end

--- Without the blanks at its end, from the end: a pattern would try each of a million blanks.
local function width_of(line)
  local length = #line
  while length > 0 and line:find("^%s", length) do length = length - 1 end
  return length
end

--- The width at which the text was wrapped, and whether only lines of exactly that width count.
local function wrapped_at(list)
  local widest, exact = 0, 0
  for _, line in ipairs(list) do widest = math.max(widest, width_of(line.text)) end
  if widest <= WIDEST then return widest, false end
  for i, line in ipairs(list) do
    local after = list[i + 1]
    if width_of(line.text) == widest and after and not after.begins and after.text ~= "" then exact = exact + 1 end
  end
  return exact > 0 and widest <= 400 and widest or nil, true
end

--- Whether the next line goes on where this one was broken.
local function goes_on(first, line, after, width, exact)
  if not after or after.begins or after.own or after.text:find "^%s*$" or line.text:find "^%s*$"
    or after.text:find "DICT +%S+ *=" then
    return false
  end
  if after.loose and not first.begins then return false end
  local length = width_of(line.text)
  if exact then return length == width end
  local word = after.text:match "^%s*(%S+)"
  if #after.text < 2 and #line.text < width then return false end
  return length >= 30 and length + 1 + #word >= width - 2
end

--- The pieces as one text, and where each begins in it. `full`: a line of that width was broken where it was, and is
-- joined as it is; without it each break stands for a blank.
local function joined(pieces, full)
  local starts, parts, at = {}, {}, 1
  local as_is = false
  for i, piece in ipairs(pieces) do
    local text = as_is and piece or (i == 1 and piece or piece:gsub("^%s+", ""))
    as_is = full ~= nil and #piece >= full
    if i < #pieces and not as_is then text = text:sub(1, width_of(text)) .. " " end
    starts[i], parts[i] = at, text
    at = at + #text
  end
  return table.concat(parts), starts
end

--- Joins what was wrapped. `out` is a list of {text=, origin=}.
function Work:join(list)
  local width, exact = wrapped_at(list)
  local out, i = {}, 1
  while i <= #list do
    local last, size = i, #list[i].text
    while width and last - i + 1 < MOST_LINES and size < MOST_BYTES and goes_on(list[i], list[last], list[last + 1],
      width, exact) do
      last = last + 1
      size = size + #list[last].text
    end
    if last == i then
      out[#out + 1] = { text = list[i].text, origin = list[i].number }
    else
      self:put_record(out, table.move(list, i, last, 1, {}), width)
    end
    i = last + 1
  end
  return out
end

function Work:put_record(out, lines, width)
  local pieces, numbers, hard = {}, {}, false
  for i, line in ipairs(lines) do
    pieces[i], numbers[i] = line.text, line.number
    hard = hard or (i < #lines and #line.text == width and not lines[i + 1].text:find "^%s")
  end
  local stamped = lines[1].begins
  self.changed = true
  if stamped then
    self:note("wrapped lines", numbers[1], #lines - 1)
  else
    for _, line in ipairs(lines) do out[#out + 1] = { text = line.text, origin = line.number } end
  end
  for reading = 1, hard and 2 or 1 do
    local text, starts = joined(pieces, reading == 2 and width or nil)
    local beside = not stamped or reading == 2
    -- a setting has no second reading
    if not (beside and text:find("DICT ", 1, true)) then
      out[#out + 1] = { text = text, origin = { pieces = pieces, numbers = numbers, starts = starts, beside = beside } }
    end
  end
end

local function mostly_quoted(text)
  local quoted, all = 0, 0
  for line in text:gmatch "[^\n]+" do
    all = all + 1
    if line:find "^%s*>" then quoted = quoted + 1 end
    if all == 200 then break end
  end
  return quoted * 2 >= all and quoted > 0
end

--- nil when the text is as it should be.
function form.clean(text)
  local work = setmetatable({ notes = {}, known = {} }, Work)
  work.html = text:find "&%a+;" ~= nil or text:find "&#%w+;" ~= nil or text:find "</%a" ~= nil
    or text:find "<[bB][rR]%s*/?>" ~= nil
  work.bare_colours = text:find("[0m", 1, true) ~= nil
  work.quoted = mostly_quoted(text)
  if not text:find("\n", 1, true) and text:find("\r", 1, true) then
    text = text:gsub("\r", "\n")
    work.changed = true
  end
  local out = work:join(work:lines(text))
  if not work.changed then return nil end
  local clean = setmetatable({ map = {}, notes = work.notes }, Clean)
  local parts = {}
  for i, line in ipairs(out) do
    parts[i] = line.text
    clean.map[i] = line.origin
  end
  clean.text = table.concat(parts, "\n")
  return clean
end

--- The piece of a joined record that a place is in.
function form.piece_at(origin, place)
  local found = 1
  for i, start in ipairs(origin.starts) do
    if place >= start then found = i end
  end
  return found
end

return form
