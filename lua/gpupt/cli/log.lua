--- gpupt log: what a vmware.log says about passthrough.
local bar = require "gpupt.bar"
local failure = require "gpupt.failure"
local printer = require "gpupt.printer"
local vmlog = require "gpupt.vmlog"

local command = {
  name = "log",
  summary = "the cards, BARs and passthrough problems in a vmware.log (or vmkernel.log, dmesg)",
  usage = "log FILE|FOLDER|- [--all] | log --catalogue",
  details = [[
FILE may be gzip; a FOLDER means its vmware*.log files, oldest first; - is standard input. A log may hold several
power-ons: the last one counts, --all shows each. Exit status 1 when a problem was found.]],
  options = {
    { "all", doc = "every power-on, not only the last" },
    { "catalogue", doc = "print the messages that are known, with cause, remedy and source" },
    { "json", doc = "the result of gpupt.vmlog.scan as JSON" },
  },
  examples = {
    { "gpupt log vmware.log" },
    { "ssh esx-01 cat /vmfs/volumes/ds/vm/vmware.log | gpupt log -" },
    { "gpupt log /vmfs/volumes/ds/vm --all --json", "each power-on in a VM's folder" },
    { "gpupt log --catalogue" },
  },
}

local write = printer.out

local function fixed(part) return type(part) == "string" and part or "(worked out from the figures of the message)" end

local function print_catalogue(as_json)
  if as_json then
    local json = require "gpupt.json"
    local list = json.array {}
    for _, entry in ipairs(vmlog.catalogue()) do
      list[#list + 1] = { code = entry.code, severity = entry.severity, match = entry.match, source = entry.source,
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

local function place(finding)
  return finding.file and ("%s:%d"):format(finding.file, finding.line) or ("line %d"):format(finding.line)
end

local function print_findings(findings)
  for _, finding in ipairs(findings) do
    local again = finding.count > 1 and (" (%d times)"):format(finding.count) or ""
    write("\n%s: %s: %s%s\n  %s\n  cause:  %s\n  remedy: %s", place(finding), finding.severity, finding.code, again,
      finding.message, finding.cause, finding.remedy)
  end
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

local function has_problem(findings)
  for _, finding in ipairs(findings) do
    if finding.severity ~= "info" then return true end
  end
  return false
end

--- Empty lists must stay lists in JSON.
local function mark_lists(result)
  local array = require "gpupt.json".array
  array(result.devices)
  array(result.findings)
  for _, session in ipairs(array(result.sessions)) do
    array(session.findings)
    if session.devices ~= result.devices then array(session.devices) end
  end
  array(result.files)
  array(result.skipped)
  return result
end

--- Where the first zero byte of a file stands: a log that lost a block in a crash has some, a file in which nothing
-- was found is no log.
local function zero_byte(path)
  -- a pipe was read, and is not opened twice
  local file = require "gpupt.core".folder.kind(path) == "file" and io.open(path, "rb")
  if not file then return nil end
  local head = file:read(65536)
  file:close()
  return head and head:sub(1, 2) ~= "\x1f\x8b" and head:find("\0", 1, true)
end

function command.run(options, words)
  if options.catalogue then
    if #words > 0 then return nil, "--catalogue takes no file", "EUSAGE" end
    return print_catalogue(options.json)
  end
  if #words ~= 1 then return nil, "give one file or folder, or - for standard input", "EUSAGE" end
  local result, message, code = vmlog.scan(words[1], { sessions = options.all and "all" or "last" })
  if not result then return nil, message, code end
  local zero = #result.devices == 0 and #result.findings == 0 and zero_byte(words[1])
  if zero then
    return nil, ("%s is no text: byte %d is 0, and nothing that a log says was found"):format(words[1], zero), "EPARSE"
  end
  local status = (has_problem(result.findings) or result.partial) and 1 or 0
  if options.json then
    failure.check(printer.json(mark_lists(result)))
    return status
  end
  if options.all then
    for i, session in ipairs(result.sessions) do
      if i > 1 then write "" end
      write("power-on %d%s%s", result.session_count - #result.sessions + i,
        session.time and " at " .. session.time or "", session.version and ", " .. session.version or "")
      print_devices(session.devices)
      print_findings(session.findings)
    end
  else
    print_devices(result.devices)
    print_window(result.window)
    print_findings(result.findings)
    if #result.devices == 0 and #result.findings == 0 then
      write("nothing about passthrough in %d lines", result.lines)
    end
  end
  for _, one in ipairs(result.skipped) do printer.err("gpupt: skipped: %s %s", one.path, one.why) end
  if result.partial then printer.err("gpupt: only a part was read: %s", result.problem) end
  return status
end

return command
