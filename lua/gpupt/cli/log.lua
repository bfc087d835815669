--- gpupt log: cards and passthrough problems in a log.
local bar = require "gpupt.bar"
local failure = require "gpupt.failure"
local printer = require "gpupt.printer"
local vmlog = require "gpupt.vmlog"

local command = {
  name = "log",
  summary = "find cards and passthrough problems in a log",
  usage = "log FILE|FOLDER|-... [--all] | log --catalogue",
  details = [[
Reads a vmware.log, a vmkernel.log, dmesg or the text of Windows' Device
Manager. FILE may be gzip or UTF-16, and its lines may be wrapped, quoted or
coloured. A FOLDER means its vmware*.log files, oldest first; - is standard
input. Of several power-ons in a log, only the last is shown; --all shows each.
Several files are shown one after the other, with --json as a list.

Lines that report trouble with a card and match no known message are listed as
not understood. The last line is the verdict: healthy, problems, or unclear
(a line was not understood, or the form of the file is unknown). The exit
status is 0 for healthy and 1 otherwise.]],
  options = {
    { "all", doc = "show every power-on, not only the last" },
    { "catalogue", doc = "list the known messages with cause and source" },
    { "words", doc = "list the words searched for (for grep -F -f)" },
    { "json", doc = "print the result as JSON" },
  },
  examples = {
    { "gpupt log vmware.log" },
    { "ssh esx-01 cat /vmfs/volumes/ds/vm/vmware.log | gpupt log -" },
    { "gpupt log /vmfs/volumes/ds/vm --all --json", "each power-on in a VM's folder" },
    { "gpupt log --catalogue" },
    { "grep -F -n -f <(gpupt log --words) vmkernel.log" },
  },
}

local write = printer.out

local function fixed(part) return type(part) == "string" and part or "(depends on the values in the message)" end

local function print_catalogue(as_json)
  if as_json then
    local json = require "gpupt.json"
    local list = json.array {}
    for _, entry in ipairs(vmlog.catalogue()) do
      list[#list + 1] = { code = entry.code, family = entry.family, severity = entry.severity, match = entry.match,
        source = entry.source,
        cause = fixed(entry.cause), remedy = fixed(entry.remedy) }
    end
    failure.check(printer.json(list))
    return 0
  end
  for _, entry in ipairs(vmlog.catalogue()) do
    write("%s (%s)", entry.code, entry.severity)
    for _, pattern in ipairs(type(entry.match) == "table" and entry.match or { entry.match }) do
      write("  pattern: %s", pattern)
    end
    write("  cause:   %s\n  remedy:  %s\n  source:  %s\n", fixed(entry.cause), fixed(entry.remedy), entry.source)
  end
  return 0
end

local function print_devices(devices)
  for _, device in ipairs(devices) do
    local parts = {}
    for i, one in ipairs(device.bars) do
      parts[i] = ("BAR%d %s%s"):format(one.index, bar.short(one.size),
        one.kind == "io" and " of I/O ports" or one.kind == "mem32" and " (32-bit)" or "")
    end
    write("%s  %s  = %s", device.address, table.concat(parts, ", "), bar.format(device.bytes))
  end
end

local function source(finding)
  return finding.file and ("%s:%d"):format(finding.file, finding.line) or ("line %d"):format(finding.line)
end

local function times(count) return count > 1 and (" (%d times)"):format(count) or "" end

local function print_findings(findings)
  for _, finding in ipairs(findings) do
    write("\n%s: %s: %s%s\n  %s\n  cause:  %s\n  remedy: %s", source(finding), finding.severity, finding.code,
      times(finding.count), finding.message, finding.cause, finding.remedy)
    for _, one in ipairs(finding.consequences or {}) do
      write("  then:   %s: %s%s", source(one), one.message, times(one.count))
    end
  end
end

--- Lines that report trouble and match no known message.
local function print_unclear(list)
  if #list == 0 then return end
  write("\nnot understood: %s", #list == 1 and "a line that reports trouble and matches no known message"
    or ("%d lines that report trouble and match no known message"):format(#list))
  for _, one in ipairs(list) do write("  %s: %s%s", source(one), one.text, times(one.count)) end
end

local function print_window(window)
  if not window then return end
  local parts = {}
  if window.use64bitMMIO ~= nil then
    parts[#parts + 1] = window.use64bitMMIO and "64-bit MMIO on" or "64-bit MMIO off"
  end
  if window.offered_gb then parts[#parts + 1] = ("window offered %d GB"):format(window.offered_gb) end
  if window.needed_bytes then parts[#parts + 1] = "needed " .. bar.format(window.needed_bytes) end
  local gb = window.safe_gb or window.needed_gb
  if window.needed == false then
    parts[#parts + 1] = "no 64-bit window needed"
  elseif gb then
    parts[#parts + 1] = ("64bitMMIOSizeGB %d holds it"):format(gb)
  end
  if #parts > 0 then write("MMIO: %s", table.concat(parts, "; ")) end
end

local why_unclear = {
  unknown = "not a known form of vmware.log, vmkernel.log, dmesg or guest's report; it was not read",
  partial = "only a part was read",
  unclear = "look at the lines that were not understood",
}

local form_names = { ["vmware.log"] = "vmware.log", vmkernel = "vmkernel.log", dmesg = "dmesg",
  ["guest text"] = "guest's report" }

local function print_verdict(result)
  local why = result.verdict == "unclear" and (result.partial and why_unclear.partial
    or #result.not_understood > 0 and why_unclear.unclear or why_unclear.unknown)
  local form = form_names[result.form] and " of a " .. form_names[result.form] or ""
  if #result.findings == 0 and #result.devices == 0 and result.form ~= "unknown" then
    write("nothing about passthrough in %d lines%s", result.lines, form)
  end
  write("verdict: %s%s", result.verdict, why and ": " .. why or "")
end

--- What mail, forums and terminals did to the text, each named once.
local function print_repairs(repairs)
  local names, seen = {}, {}
  for _, one in ipairs(repairs) do
    if not seen[one.what] then
      seen[one.what] = true
      names[#names + 1] = one.what
    end
  end
  if #names > 0 then write("cleaned before reading: %s", table.concat(names, ", ")) end
end

--- Empty lists must stay lists in JSON.
local function mark_lists(result)
  local array = require "gpupt.json".array
  array(result.devices)
  array(result.findings)
  array(result.not_understood)
  array(result.repairs)
  for _, session in ipairs(array(result.sessions)) do
    array(session.findings)
    array(session.not_understood)
    if session.devices ~= result.devices then array(session.devices) end
  end
  array(result.files)
  array(result.skipped)
  return result
end

--- The position of a file's first zero byte. A log that lost a block in a crash has some; a file in which nothing
-- was found is not a log.
local function zero_byte(path)
  -- a pipe was read, and is not opened twice
  local file = require "gpupt.core".folder.kind(path) == "file" and io.open(path, "rb")
  if not file then return nil end
  local head = file:read(65536)
  file:close()
  return head and head:sub(1, 2) ~= "\x1f\x8b" and head:find("\0", 1, true)
end

local function print_words()
  for _, word in ipairs(vmlog.words()) do write("%s", word) end
  return 0
end

local function was_utf16(result)
  for _, one in ipairs(result.repairs) do
    if one.what == "UTF-16" then return true end
  end
end

local function print_all(result)
  for i, session in ipairs(result.sessions) do
    if i > 1 then write "" end
    write("power-on %d%s%s", result.session_count - #result.sessions + i,
      session.time and " at " .. session.time or "", session.version and ", " .. session.version or "")
    print_devices(session.devices)
    print_findings(session.findings)
    print_unclear(session.not_understood)
  end
end

local function print_result(result, all)
  print_repairs(result.repairs)
  if all then
    print_all(result)
  else
    print_devices(result.devices)
    print_window(result.window)
    print_findings(result.findings)
    print_unclear(result.not_understood)
  end
  print_verdict(result)
  for _, one in ipairs(result.skipped) do printer.err("gpupt: skipped: %s %s", one.path, one.why) end
  if result.partial then printer.err("gpupt: only a part was read: %s", result.problem) end
end

local function scan(word, options)
  local result, message, code = vmlog.scan(word, { sessions = options.all and "all" or "last" })
  if not result then return nil, message, code end
  local zero = #result.devices == 0 and #result.findings == 0 and not was_utf16(result) and zero_byte(word)
  if zero then
    return nil, ("%s is not a text file: byte %d is 0, and no log message was found"):format(word, zero), "EPARSE"
  end
  return result
end

function command.run(options, words)
  if options.catalogue or options.words then
    if #words > 0 then
      return nil, (options.catalogue and "--catalogue" or "--words") .. " takes no file", "EUSAGE"
    end
    if options.words then return print_words() end
    return print_catalogue(options.json)
  end
  if #words == 0 then return nil, "give files or folders, or - for standard input", "EUSAGE" end
  local status, results = 0, {}
  for i, word in ipairs(words) do
    local result, message, code = scan(word, options)
    if not result then return nil, message, code end
    results[i] = result
    if result.verdict ~= "healthy" then status = 1 end
  end
  if options.json then
    local json = require "gpupt.json"
    for _, result in ipairs(results) do mark_lists(result) end
    failure.check(printer.json(#results == 1 and results[1] or json.array(results)))
    return status
  end
  for i, result in ipairs(results) do
    if i > 1 then write "" end
    if #results > 1 then write("%s:", words[i] == "-" and "standard input" or words[i]) end
    print_result(result, options.all)
  end
  return status
end

return command
