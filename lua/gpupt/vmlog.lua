--- vmware.log and its relatives: the cards with their BARs, and what went wrong.
--
--   local log = gpupt.check(gpupt.vmlog.scan "vmware.log")
--   log.devices   --> {{address="0000:42:00.0", bars={{index=1, kind="mem64", size=34359738368, ...}...},
-- bytes=...}...}
--   log.findings  --> {{code="mmio-limit", line=1182, text=, cause=, remedy=, ...}...}
--
-- A log of any size is read in constant memory: the core hands over only the lines that hold one of the words of the
-- catalogue. A file may hold several power-ons (sessions); the last one counts.
--
-- The result, also of `gpupt log --json`:
--   devices   {{address=, bars={{index=, kind=, size=, prefetchable=, address=}...}, bytes= (all memory BARs), line=}
--             ...} of the last power-on that logged any
--   verdict   "healthy", "problems" (a finding worse than info), or "unclear": something was not understood, only a
--             part was read, or the file is of no known form
--   form      what the file is taken for: "vmware.log", "vmkernel" (any log of the host), "dmesg", "guest text" or
--             "unknown"
--   not_understood  {{line=, last_line=, count=, text=, word= (what makes it one of a card), address=, file=}...}:
--             lines that tell of trouble with a card and match no entry of the catalogue
--   repairs   {{what=, line=, count=, file=}...}: what was undone before reading (wrapping, mail quoting, HTML...)
--   findings  {{code=, severity="error"|"warning"|"info", line=, count=, last_line=, file=, text= (the line), message=
--             (without its prefix), time=, address=, cause=, remedy=, source=, detail= (the figures), family=, side=
--             ("host" or "guest"), form=, consequences= {{code=, line=, text=...}...} (messages that only say that
--             something failed)}...} of the last
--   window    {needed= (true: not without use64bitMMIO), needed_bytes=, min_gb=, safe_gb= (what the cards need),
--             use64bitMMIO=, offered_gb= (what the VM had), needed_gb=, limit_bytes= (what a message said)}
--   config    settings that the log lists (DICT lines), by key in lower case: {key=, value=, line=}
--   sessions  the power-ons, oldest first: {line=, last_line=, file=, time=, version=, build=, devices=, findings=,
--             not_understood=, config=, window=}; session_count says how many there were
--   files, bytes, lines     what was read; partial, problem, code     when that was not all
--   skipped   {{path=, why=}...} files of such a name that are not regular files
local core = require "gpupt.core".vmlog
local options = require "gpupt.options"

local vmlog = {}

local scan_options = options.declare("vmlog.scan", {
  { "sessions", "string", choices = { "last", "all" }, default = "last",
    doc = "whether `sessions` holds every power-on, or only the last one" },
})

local function sources_of(source)
  if type(source) == "table" then
    if type(source.text) ~= "string" then error("vmlog.scan: a path or {text=...}", 3) end
    return { { text = source.text, name = source.name, pasted = source.pasted } }
  end
  if type(source) ~= "string" then error("vmlog.scan: a path or {text=...}, not a " .. type(source), 3) end
  return require "gpupt.vmlog.files".of(source)
end

--- Reads a log: a path ("-" is standard input), a folder with vmware*.log files, or {text=...}. Gzip is recognised.
-- {text=..., pasted=false} is a program's own output: wrapping and the like is not looked for, nor is its form.
-- Result: {verdict=, form=, devices=, findings=, not_understood=, sessions=, session_count=, config=, window=,
-- repairs=, lines=, bytes=, files=}. When reading
-- failed midway, what was read is there, with `partial` = true and `problem` = the message.
-- nil, message, code when nothing could be read.
function vmlog.scan(source, opts)
  opts = scan_options:check(opts)
  local sources, message, code = sources_of(source)
  if not sources then return nil, message, code end
  local result, problem, kind = require "gpupt.vmlog.scan"(sources, opts)
  if not result then return nil, problem, kind end
  result.skipped = sources.skipped or {}
  return result
end

--- The words that the reader looks for, those of the catalogue and those of lines that are not understood.
function vmlog.words()
  local list, seen = {}, {}
  local function add(word)
    if not seen[word] then
      seen[word] = true
      list[#list + 1] = word
    end
  end
  for _, entry in ipairs(vmlog.catalogue()) do
    for _, word in ipairs(type(entry.word) == "table" and entry.word or { entry.word }) do add(word) end
  end
  for _, word in ipairs(core.suspects()) do add(word) end
  for _, word in ipairs { "Log for VMware", "EFI ROM version", "DICT " } do add(word) end
  return list
end

--- The catalogue of findings, for a loop: code, family, severity, word, source and the fixed texts of each.
function vmlog.catalogue() return require "gpupt.vmlog.catalogue" end

--- What precedes a message: {time=, thread=, operation=, level=, message=} by the form of the line.
function vmlog.prefix(line) return core.prefix(line) end

return vmlog
