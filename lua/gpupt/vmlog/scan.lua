--- One pass over the files of a log: lines of interest go to the session they belong to.
local core = require "gpupt.core".vmlog
local catalogue = require "gpupt.vmlog.catalogue"
local session_of = require "gpupt.vmlog.session"

local PASSTHRU, BEGIN, DICT, ROM = "PCIPassthru: ", "Log for VMware", "DICT ", "EFI ROM version"

-- The words sought, and for each (by its bit in a line's mask) the entries of the catalogue that it belongs to.
local words, entries_of = {}, {}

local function add_word(word)
  for i, known in ipairs(words) do
    if known == word then return i end
  end
  words[#words + 1] = word
  entries_of[1 << (#words - 1)] = {}
  return #words
end

local special = {}
for _, word in ipairs { PASSTHRU, BEGIN, DICT, ROM } do special[1 << (add_word(word) - 1)] = word end
for _, entry in ipairs(catalogue) do
  for _, word in ipairs(type(entry.word) == "table" and entry.word or { entry.word }) do
    table.insert(entries_of[1 << (add_word(word) - 1)], entry)
  end
end
assert(#words <= core.words, "more words than the core can seek at once")

local function captures_of(entry, text)
  local match = entry.match
  if type(match) == "string" then return text:find(match) and { text:match(match) } end
  for _, pattern in ipairs(match) do
    if text:find(pattern) then return { text:match(pattern) } end
  end
end

-- Sessions beyond this many are counted, not kept: a log may be of any size.
local KEEP = 256

local Scan = {}
Scan.__index = Scan

function Scan:begin(number, explicit)
  local previous = self.current
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
  elseif word == DICT then
    self.current:add_config(text, number)
  elseif word == ROM then
    self.current:mark("rom", number, text)
  end
end

function Scan:line(text, number, mask)
  local seen = {}
  self.current.last_line = number
  while mask ~= 0 do
    local bit = mask & -mask
    mask = mask & ~bit
    if special[bit] then self:special(special[bit], text, number) end
    for _, entry in ipairs(entries_of[bit]) do
      if not seen[entry] then
        seen[entry] = true
        local captures = captures_of(entry, text)
        if captures then self.current:add_finding(entry, captures, text, number) end
      end
    end
  end
end

--- Reads one source. true, or nil, message, code; what was read before an error stays.
function Scan:read(source, plain)
  local file, message, code
  if source.open then
    file, message, code = source.open()
    if not file then return nil, message, code end
  end
  local reader <close>, problem, kind = core.open(file or source.path, source.text, words, plain, source.most)
  if file then file:close() end -- the reader has a descriptor of its own
  if not reader then return nil, problem, kind end
  self.file = source.name
  self:begin(1, false)
  while true do
    local text, number, mask = reader:next()
    if not text then
      local bytes, lines = reader:read()
      self.bytes, self.lines = self.bytes + bytes, self.lines + lines
      self.current:finish(lines)
      if number then return nil, (source.name and source.name .. ": " or "") .. number, mask end
      return true
    end
    self:line(text, number, mask)
  end
end

return function(sources, opts, plain)
  local scan = setmetatable({ sessions = {}, session_count = 0, bytes = 0, lines = 0,
    all = opts.sessions == "all" }, Scan)
  local result = { files = {} }
  for _, source in ipairs(sources) do
    local ok, message, code = scan:read(source, plain)
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
  local last = scan.sessions[#scan.sessions]
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
  result.devices, result.findings, result.config = measured.devices, last:list_findings(), last.config
  result.window = last:window_of(measured.devices)
  result.sessions, result.session_count = {}, scan.session_count
  for i, session in ipairs(scan.sessions) do result.sessions[i] = session:export() end
  result.bytes, result.lines = scan.bytes, scan.lines
  return result
end
