--- Form before meaning: what a web page, a mail or a terminal did to a .vmx is recognised and taken back before any
-- value is read, because a host takes a typographic quote for a part of the value.
--
--   local repaired = form.repair(text)     -- nil when there is nothing to repair
--   repaired.text      the text as it was meant
--   repaired.faults    {{code=, lines={numbers in the given text}}...}, in the order met
--   repaired.changes   {{line=, before=, after=}...}; `after` is false for a line that goes
--   repaired.origin    for each line of the new text, the number of the line that it comes from
--
-- Codes: typographic-quotes, html-entities, odd-quotes, blanks (non-breaking or of no width), stray-text,
-- wrapped-lines, joined-lines (two settings on one), mail-quoting, line-prefixes, console-text, quoted-names,
-- no-equals, odd-signs (dashes, equals signs of another keyboard).
local line_form = require "gpupt.vmx.form_line"

local form = {}

form.names = {
  ["typographic-quotes"] = "typographic quotes", ["html-entities"] = "HTML entities such as &quot;",
  ["odd-quotes"] = "apostrophes, doubled or escaped quotes around the value",
  blanks = "non-breaking or invisible blanks", ["stray-text"] = "text behind the value",
  ["wrapped-lines"] = "a setting wrapped over two lines", ["joined-lines"] = "several settings on one line",
  ["mail-quoting"] = "the quote marks of a mail",
  ["line-prefixes"] = "a line number, a bullet, a mark of a page or a log's prefix before it",
  ["console-text"] = "a prompt or another line of a terminal", ["quoted-names"] = "a name between quotes",
  ["no-equals"] = "columns or a colon in place of an equals sign",
  ["odd-signs"] = "dashes or equals signs of another keyboard",
}

--- {text, end} of each line; a byte order mark stays outside.
local function split(text)
  local list, at = {}, 1
  while at <= #text do
    local stop = text:find("[\r\n]", at)
    local finish = stop
    if stop and text:sub(stop, stop + 1) == "\r\n" then finish = stop + 1 end
    list[#list + 1] = { text = text:sub(at, stop and stop - 1 or #text), eol = stop and text:sub(stop, finish) or "",
      from = #list + 1 }
    at = finish and finish + 1 or #text + 1
  end
  return list
end

local Repair = {}
Repair.__index = Repair

function Repair:fault(code, line)
  local found = self.by_code[code]
  if not found then
    found = { code = code, lines = {} }
    self.by_code[code] = found
    self.faults[#self.faults + 1] = found
  end
  if found.lines[#found.lines] ~= line then found.lines[#found.lines + 1] = line end
end

-- Prefixes of a setting that was copied from elsewhere: the pattern and its code.
local prefixes = {
  { "^[%s]*>[>%s|]*", "mail-quoting" }, { "^%s*&gt;[%s&gt;]*", "mail-quoting" },
  { "^.-%f[%w]DICT%s+", "line-prefixes" }, { "^[%w%-_./ ]+%.vmx:%d*:?%s*", "line-prefixes" },
  { "^%s*%d+[.:%)]%s*", "line-prefixes" }, { "^%s*<[%a/][^>]*>%s*", "line-prefixes" }, { "^%s*[`*]+",
    "line-prefixes" }, { "^%s*%d+%s+", "line-prefixes" },
  { "^%s*[+*]%s+", "line-prefixes" }, { "^%s*%-%s+", "line-prefixes" }, { "^%s*\u{2022}%s*", "line-prefixes" },
}

--- The setting in a text without its prefixes, and the code of the prefix; there may be several.
local function behind_prefix(text, depth)
  for _, prefix in ipairs(prefixes) do
    local _, stop = text:find(prefix[1])
    local rest = stop and text:sub(stop + 1)
    if rest and line_form.is_setting(rest) then return rest, prefix[2] end
    if rest and rest ~= text and depth < 3 then
      local setting, code = behind_prefix(rest, depth + 1)
      if setting then return setting, code end
    end
  end
end

--- The line without what was put before its setting.
function Repair:unprefix(line)
  local numbered = line.text:find "^%s*%d+:%s*[%a.]" or line.text:find "%.vmx:[%d%a.]"
  if line_form.is_setting(line.text) and not numbered then return end
  local setting, code = behind_prefix(line.text, 1)
  if setting then
    self:fault(code, line.from)
    self.quoting = self.quoting or code == "mail-quoting"
    -- what began with the marks of a page ends with them
    line.text = setting:gsub("</%a+>%s*$", ""):gsub("[`*]+%s*$", "")
  elseif self.quoting then
    local _, stop = line.text:find "^%s*>[>%s|]*"
    if stop then
      self:fault("mail-quoting", line.from)
      line.text = line.text:sub(stop + 1)
    end
  end
end

-- Lines of a terminal, an editor or a page around the file: hosts ignore them, readers stumble.
local console = {
  "^%s*%[[%w%-_.]+@[%w%-_.]+:[^%]]*%]", "^%s*[%w%-_.]+@[%w%-_.]+:[^=\"]*[#$]%s?", "^%s*[~/][%w/%-_.]* # ",
  "^%s*[~/] #$", "^%s*PS [A-Z]:\\", "^%s*[A-Z]:\\[^=]*>", "^%s*%$%s+%a", "^%s*```", "^%s*%[/?code%]%s*$",
  "^%s*%[/?quote[^%]]*%]%s*$", "^%s*</?pre>%s*$", "^%s*</?code>%s*$", "^%s*EO[FL]%s*$", "^%s*cat .*<<",
  "^%-%-More%-%-", "^[%w%-_.]+:[~/][^=\"]*[#$]%s", "^~$", "^%s*\"[^\"]*%.vmx\" %d+L", "^%s*:wq?!?%s*$",
  "^%s*%%%s*$",
}

local function is_console(text)
  for _, pattern in ipairs(console) do
    if text:find(pattern) then return true end
  end
  return false
end

--- Two parts of a wrapped value: a terminal cuts anywhere, a mail at a blank.
local function glue(first, second)
  if first:find "%-$" then return "" end
  if line_form.is_free(first:match "^%s*([^%s=]+)" or "") then return " " end
  local inside = first:match '"([^"]*)$' or first
  return (inside .. second):find "%s" and " " or ""
end

--- How many lines from `at` on make up one setting, and that setting's text; nil when the line stands for itself.
local function wrapped(lines, at)
  local first, following = lines[at].text, lines[at + 1]
  if not following or following.text == "" then return nil end
  if first:find "^%s*[%w.:_%-]+%s*=%s*$" and following.text:find "^%s*[\"\u{201c}]" then
    return 2, first .. (first:find "%s$" and "" or " ") .. following.text:match "^%s*(.*)$"
  end
  if first:find "^%s*[%w.:_%-]+%s*$" and following.text:find "^%s*=%s*%S" then
    return 2, first:match "^.*%S" .. " " .. following.text:match "^%s*(.*)$"
  end
  if not line_form.is_open(first) then return nil end
  local text = first
  for count = 2, 4 do
    local more = lines[at + count - 1]
    if not more or line_form.is_setting(more.text) or more.text == "" or more.text:find "^%s*#" then return nil end
    local part = more.text:match "^%s*(.*)$"
    text = text:match "^.*%S"
    text = text .. glue(text, part) .. part
    if part:find '"' then
      return not line_form.is_open(text) and count or nil, text
    end
  end
end

function Repair:join(lines)
  local out, at = {}, 1
  while at <= #lines do
    local count, text = wrapped(lines, at)
    local line = lines[at]
    if count then
      for i = at, at + count - 1 do self:fault("wrapped-lines", lines[i].from) end
      out[#out + 1] = { text = text, eol = lines[at + count - 1].eol, from = line.from, took = count }
      at = at + count
    else
      out[#out + 1] = line
      at = at + 1
    end
  end
  return out
end

-- A .vmx has some hundred short lines: what is larger by far was not pasted, and is read as it is.
local MAX_TEXT, MAX_LINE, MAX_LINES = 4 << 20, 16384, 50000

--- Most lines are as a host writes them.
local function is_plain(text)
  return text == "" or (text:find '^[%a.][%w.:_%-]* = "[%w .:/_%-]*"$' ~= nil and not text:find(".vmx:", 1, true))
end

--- The text as it was meant, or nil when nothing has to be repaired.
function form.repair(text)
  if #text > MAX_TEXT then return nil end
  local bom = text:match "^\xef\xbb\xbf" or ""
  local lines = split(text:sub(#bom + 1))
  local self = setmetatable({ faults = {}, by_code = {} }, Repair)
  if #lines > MAX_LINES then return nil end
  local original, kept = {}, {}
  for i, line in ipairs(lines) do original[i] = line.text end
  for _, line in ipairs(lines) do
    if #line.text > MAX_LINE then return nil end
    line.plain = is_plain(line.text)
    if not line.plain then self:unprefix(line) end
    local name, value
    if not line.plain and not line_form.is_setting(line.text) then name, value = line_form.columns(line.text) end
    if name then
      self:fault("no-equals", line.from)
      line.text = name .. " = " .. (value:find "^[\"']" and value or '"' .. value .. '"')
    end
    if not line.plain and not line_form.is_setting(line.text) and is_console(line.text) then
      self:fault("console-text", line.from)
    else
      kept[#kept + 1] = line
    end
  end
  local html = text:find("&quot;", 1, true) or text:find("&#34;", 1, true)
  local out, origin, parts, by_line = {}, {}, {}, {}
  for _, line in ipairs(self:join(kept)) do
    local settings = line.plain and { line.text }
      or line_form.repair(line.text, html, function(code) self:fault(code, line.from) end)
    by_line[line.from] = settings
    for i, one in ipairs(settings) do
      out[#out + 1] = one
      origin[#out] = line.from
      parts[#parts + 1] = one .. (i < #settings and (line.eol ~= "" and line.eol or "\n") or line.eol)
    end
  end
  if #self.faults == 0 then return nil end
  local changes = {}
  for number, before in ipairs(original) do
    local settings = by_line[number]
    local after = settings and table.concat(settings, "\n")
    if after ~= before then changes[#changes + 1] = { line = number, before = before, after = after or false } end
  end
  return { text = bom .. table.concat(parts), faults = self.faults, changes = changes, origin = origin }
end

--- Repairs a document of gpupt.vmx in place: what was done, or nil when there was nothing to do.
function form.apply(doc)
  local repaired = form.repair(tostring(doc))
  if not repaired then return nil end
  local ok, message, code = doc:_replace(repaired.text)
  if not ok then return nil, message, code end
  return repaired
end

--- "typographic quotes on 18 lines (the first is line 1)", for each kind of fault.
function form.describe(faults)
  local list = {}
  for i, fault in ipairs(faults) do
    list[i] = ("%s on %s"):format(form.names[fault.code], #fault.lines == 1 and "line " .. fault.lines[1]
      or ("%d lines (from line %d on)"):format(#fault.lines, fault.lines[1]))
  end
  return table.concat(list, ", ")
end

return form
