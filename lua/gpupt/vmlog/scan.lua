--- One pass over the files of a log: lines of interest go to the session they belong to.
local core = require "gpupt.core".vmlog
local catalogue = require "gpupt.vmlog.catalogue"
local form = require "gpupt.vmlog.form"
local kind = require "gpupt.vmlog.kind"
local session_of = require "gpupt.vmlog.session"

local PASSTHRU, BEGIN, ROM = "PCIPassthru: ", "Log for VMware", "EFI ROM version"

-- What people paste is smaller than this; longer files are read as they are.
local PASTE = 1 << 20

-- The words sought, and for each the entries of the catalogue that it belongs to. DICT lines and the words of
-- suspects are the core's own.
local words, entries_of, special = {}, {}, {}

-- Of a hundred entries that differ in a number, only those of the line's numbers are tried: word -> { pattern that
-- finds a number, number -> entries }.
local numbered_of = {}

local function add_numbered(word, entry)
  local group = numbered_of[word] or { pattern = entry.numbered }
  numbered_of[word] = group
  group[entry.number] = group[entry.number] or {}
  table.insert(group[entry.number], entry)
end

local function add_word(word)
  for i, known in ipairs(words) do
    if known == word then return i end
  end
  words[#words + 1] = word
  entries_of[#words] = {}
  return #words
end

for _, word in ipairs { PASSTHRU, BEGIN, ROM } do special[add_word(word)] = word end
local function add_entries(lead)
  for _, entry in ipairs(catalogue) do
    if (entry.lead or false) == lead then
      for _, word in ipairs(type(entry.word) == "table" and entry.word or { entry.word }) do
        local index = add_word(word)
        if entry.number then add_numbered(index, entry) else table.insert(entries_of[index], entry) end
      end
    end
  end
end
-- what names a card comes before what is said of it in the same line
add_entries(true)
add_entries(false)

-- Made ready once: choosing what the words are known by takes longer than reading a short log.
local ready = assert(core.words(words, true))

local function matched(first, last, ...)
  if first then return { ... }, first, last end
end

local function excluded(entry, text)
  for _, pattern in ipairs(entry.unless) do
    if text:find(pattern) then return true end
  end
end

--- The captures of the first pattern that fits, and where it does.
local function captures_of(entry, text)
  local match = entry.match
  if entry.unless and excluded(entry, text) then return nil end
  if type(match) == "string" then return matched(text:find(match)) end
  for _, pattern in ipairs(match) do
    local captures, first, last = matched(text:find(pattern))
    if captures then return captures, first, last end
  end
end

-- Sessions beyond this many are counted, not kept: a log may be of any size.
local KEEP = 256

local Scan = {}
Scan.__index = Scan

--- The settings listed since the last call belong to the power-on that was going on.
function Scan:take_settings()
  if self.current then self.current:take_config(self.reader:settings(), self.clean) end
end

function Scan:begin(number, explicit)
  local previous = self.current
  if previous and self.reader then self:take_settings() end
  if previous and not previous.touched then
    table.remove(self.sessions)
    self.session_count = self.session_count - 1
  end
  self.current = session_of(self.file, number, explicit)
  table.insert(self.sessions, self.current)
  self.session_count = self.session_count + 1
  local keep = self.all and KEEP or 1
  -- the newest measured cards outlive their session
  if #self.sessions > keep then
    local old = table.remove(self.sessions, 1)
    if #old.devices > 0 then self.measured = old end
  end
end

function Scan:special(word, text, number)
  if word == PASSTHRU then
    local address, bar = core.bar(text)
    if address then
      if self.current:has_bar(address, bar.index) then self:begin(number, false) end
      self.current:add_bar(address, bar, number)
    elseif text:find("PCIPassthru: successfully created the IOMMU mappings", 1, true) then
      self.current:mark("mapped", number, text)
    end
  elseif word == BEGIN then
    if text:find("Log for VMware ", 1, true) then
      self:begin(number, true)
      self.current:describe(text)
    end
  elseif word == ROM then
    self.current:mark("rom", number, text)
  end
end

--- A match in a joined record is shown with the line it begins on; beside lines that stand for themselves it counts
-- only when it reaches over a break. Result: line, text, last line; nil when it does not count.
local function place_of(origin, text, first, last)
  if type(origin) == "number" then return origin, text, origin end
  local from, to = form.piece_at(origin, first), form.piece_at(origin, last)
  if from == to then
    if origin.beside then return nil end
    return origin.numbers[from], origin.pieces[from], origin.numbers[from]
  end
  return origin.numbers[from], text, origin.numbers[to]
end

local function first_line(origin) return type(origin) == "number" and origin or origin.numbers[1] end

--- Tries one entry; whether it fits.
function Scan:try(entry, text, origin, beside)
  local captures, first, last = captures_of(entry, text)
  if not captures then return false end
  local line, shown, to = place_of(origin, text, first, last)
  if not line then return false end
  self.current:add_finding(entry, captures, shown, line, to, beside)
  return true
end

--- The same for the entries of the numbers in the text, each number once.
function Scan:try_numbered(numbered, text, origin, beside)
  local fits, done = false, {}
  for digits in text:gmatch(numbered.pattern) do
    for _, entry in ipairs(not done[digits] and numbered[digits] or {}) do
      fits = self:try(entry, text, origin, beside) or fits
    end
    done[digits] = true
  end
  return fits
end

function Scan:line(text, number, subject, address, only_address, ...)
  local origin = self.clean and self.clean:origin(number) or number
  local beside = type(origin) == "table" and origin.beside
  local count, understood, seen = select("#", ...), false, nil
  if not beside then self.current.last_line = first_line(origin) end
  for i = 1, count do
    local word = select(i, ...)
    if special[word] and not beside then self:special(special[word], text, first_line(origin)) end
    local numbered = numbered_of[word]
    if numbered then understood = self:try_numbered(numbered, text, origin, beside) or understood end
    for _, entry in ipairs(entries_of[word]) do
      if not (seen and seen[entry]) then
        if count > 1 then
          seen = seen or {}
          seen[entry] = true
        end
        understood = self:try(entry, text, origin, beside) or understood
      end
    end
  end
  if subject and not understood and not beside then
    self.current:add_unclear(text, first_line(origin), subject, address, only_address)
  end
end

local function counted_lines(text)
  local _, count = text:gsub("\n", "")
  return #text > 0 and text:sub(-1) ~= "\n" and count + 1 or count
end

--- Opens a source: what may have been pasted is cleaned first. Result: reader; nil, message, code.
function Scan:open(source)
  self.clean = nil
  local file, message, code
  if source.open then
    file, message, code = source.open()
    if not file then return nil, message, code end
  end
  local reader
  reader, message, code = core.open(file or source.path, source.text, self.words, source.most)
  if file then file:close() end -- the reader has a descriptor of its own
  if not reader then return nil, message, code end
  if source.pasted == false then
    self.head = ""
    return reader
  end
  local text, utf16, problem_code = reader:whole(PASTE)
  if text == nil then
    reader:close()
    return nil, (source.name and source.name .. ": " or "") .. utf16, problem_code
  end
  if not text then
    self.head = reader:peek() or ""
    return reader
  end
  reader:close()
  self.pasted_bytes, self.pasted_lines = #text, counted_lines(text)
  if utf16 then self:add_note("UTF-16", 1, 1) end
  self.clean = form.clean(text)
  if self.clean then
    for _, note in ipairs(self.clean.notes) do self:add_note(note.what, note.line, note.count) end
    text = self.clean.text
  end
  self.head = text:sub(1, 65536)
  return core.open(nil, text, self.words)
end

function Scan:add_note(what, line, count)
  table.insert(self.notes, { what = what, line = line, count = count, file = self.file })
end

--- Reads one source. true, or nil, message, code; what was read before an error stays.
function Scan:read(source)
  self.file = source.name
  self.pasted_bytes, self.pasted_lines, self.reader = nil, nil, nil
  local reader <close>, message, code = self:open(source)
  if not reader then return nil, message, code end
  self:see_kind(kind.of(self.head))
  self:begin(1, false)
  self.reader = reader
  repeat
    local done, problem, problem_code = self:step(source, reader:next())
    if done == nil then return nil, problem, problem_code end
  until done
  return true
end

--- One line, or the end: true at the end, nil, message, code.
function Scan:step(source, text, number, cut, ...)
  if text then
    self:line(text, number, ...)
    return false
  end
  self:take_settings()
  local bytes, lines = self.reader:read()
  bytes, lines = self.pasted_bytes or bytes, self.pasted_lines or lines
  self.bytes, self.lines = self.bytes + bytes, self.lines + lines
  self.current:finish(lines)
  self.reader = nil
  if number then return nil, (source.name and source.name .. ": " or "") .. number, cut end
  return true
end

--- Several files are of one kind when those that are known agree; the first known one names it.
function Scan:see_kind(found)
  if not self.form or self.form == "unknown" then self.form = found end
end

local function worst(findings)
  for _, finding in ipairs(findings) do
    if finding.severity ~= "info" then return true end
  end
  return false
end

--- Health is said of what was read and understood only.
local function verdict_of(result)
  if worst(result.findings) then return "problems" end
  if result.partial or #result.not_understood > 0 or result.form == "unknown" then return "unclear" end
  return "healthy"
end

--- A file of no known form in which something was found was a piece of a log, or what a guest said.
local function form_of(scan, result)
  if scan.form ~= "unknown" then return scan.form end
  if #result.devices > 0 or next(result.config) then return "vmware.log" end
  for _, finding in ipairs(result.findings) do
    if finding.form then return finding.form end
  end
  return "unknown"
end

return function(sources, opts, plain)
  local scan = setmetatable({ sessions = {}, session_count = 0, bytes = 0, lines = 0, notes = {},
    all = opts.sessions == "all", words = plain and assert(core.words(words, true, true)) or ready }, Scan)
  local result = { files = {} }
  for _, source in ipairs(sources) do
    local ok, message, code = scan:read(source)
    if source.name then table.insert(result.files, source.name) end
    if not ok then
      if scan.bytes == 0 and #sources == 1 then return nil, message, code end
      result.partial, result.problem, result.code = true, message, code
    end
  end
  if scan.bytes == 0 and not result.partial and sources[1].path then
    return nil, ("%s is empty: there is nothing to read"):format(#sources == 1 and sources[1].name or "each log of the "
      .. "folder"), "EEMPTY"
  end
  local last = scan.sessions[#scan.sessions] or session_of(nil, 1, false)
  local measured = last
  if #last.devices == 0 then
    measured = scan.measured or last
    for i = #scan.sessions, 1, -1 do
      if #scan.sessions[i].devices > 0 then
        measured = scan.sessions[i]
        break
      end
    end
  end
  last.measured = measured
  result.devices, result.findings, result.config = measured.devices, last:list_findings(), last.config
  result.not_understood = last:list_unclear()
  result.window = last:window_of(measured.devices)
  result.sessions, result.session_count = {}, scan.session_count
  for i, session in ipairs(scan.sessions) do result.sessions[i] = session:export() end
  result.bytes, result.lines, result.repairs = scan.bytes, scan.lines, scan.notes
  result.form = form_of(scan, result)
  result.verdict = verdict_of(result)
  return result
end
