--- Reads what the doctor was given: documents and scans as they are, paths by what they name.
local core = require "gpupt.core".folder
local evidence = require "gpupt.evidence"
local facts = require "gpupt.doctor.facts"
local failure = require "gpupt.failure"
local pci = require "gpupt.pci"
local stdin = require "gpupt.stdin"
local text_of = require "gpupt.text"
local vmlog = require "gpupt.vmlog"
local vmx = require "gpupt.vmx"

local loader = {}

local LIMIT = 64 << 20

-- Of a log, so much is looked at for facts besides messages: pasted reports are short.
local HEAD = 4 << 20

local function is_folder(path) return core.kind(path) == "folder" end

--- All of standard input; it can be read once.
function loader.read_stdin()
  return stdin(LIMIT)
end

--- A text's content; raises the failure that it cannot be read, or is larger than a list of devices can be.
function loader.read_text(path)
  if path == "-" then return loader.read_stdin() end
  local file, message = io.open(path, "rb")
  if not file then failure.check(nil, message, "ENOENT") end
  local text, problem = file:read(LIMIT + 1)
  file:close()
  if not text and problem then failure.check(nil, path .. ": " .. problem, "EIO") end
  if text and #text > LIMIT then failure.check(nil, path .. ": larger than a list of PCI devices can be", "EFBIG") end
  return text or ""
end

--- The beginning of a plain text; nil for a folder, a compressed or a binary file, and what cannot be opened.
local function head_of(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read(HEAD)
  file:close()
  if not text or text:find("\0", 1, true) or text:sub(1, 2) == "\x1f\x8b" then return nil end
  return text
end

--- The document of a text, and whether the text was UTF-16 (Notepad and PowerShell write it; no host reads it).
local function parse_vmx(bytes, name)
  local doc, message, code = vmx.parse(bytes)
  local converted = not doc and code ~= "EFBIG" and text_of.plain(bytes)
  if converted and converted ~= bytes and not converted:find("\0", 1, true) then
    local again = vmx.parse(converted)
    if again then return again, true, name end
  end
  return failure.check(doc, message, code), false, name
end

local function open_vmx(path)
  local doc, message, code = vmx.open(path)
  if doc or code ~= "EENCODING" and code ~= "EPARSE" then return failure.check(doc, message, code), false end
  local bytes = loader.read_text(path)
  local ok, meant, utf16 = pcall(parse_vmx, bytes, path)
  if ok and utf16 then return meant, true, path end
  return failure.check(doc, message, code)
end

--- On which line of the text each address stands first.
local function lines_of(text, devices)
  local lines, number = {}, 0
  local wanted = {}
  for _, device in ipairs(devices) do
    wanted[device.address:lower()] = device.address
    wanted[device.address:lower():gsub("^0000:", "")] = device.address
  end
  for line in (text .. "\n"):gmatch "(.-)\r?\n" do
    number = number + 1
    local first = line:match "^%s*([%x:]+%.%x)"
    local address = first and wanted[first:lower()]
    if address and not lines[address] then lines[address] = number end
  end
  return lines
end

--- From the text of a host's device list.
function loader.pci_text(text, name)
  local devices, message, code = pci.parse(text)
  if not devices then failure.check(nil, ("%s: %s"):format(name, message), code) end
  return { pci = devices, pci_name = name, pci_lines = lines_of(text, devices) }
end

local function load_pci(given)
  if given == nil then return {} end
  if type(given) == "table" then return { pci = given, pci_name = "the PCI list" } end
  local devices = failure.check(pci.list { root = given })
  if devices.complete == nil then devices.complete = true end -- a sysfs has every device
  return { pci = devices, pci_name = given }
end

--- Texts of tools, of any form: the host's devices, logs, a .vmx and facts. See gpupt.evidence.
local function load_evidence(given, loaded, more)
  local path = given.pci
  if type(path) ~= "string" and type(path) ~= "table" and path ~= nil then
    error("doctor.examine: pci must be a list of devices or a path", 0)
  end
  local text = type(path) == "string" and not is_folder(path) or type(path) == "table" and path.text ~= nil
  local list = text and path or nil
  if not list then
    for key, value in pairs(load_pci(path)) do loaded[key] = value end
  end
  if not list and given.evidence == nil and #more == 0 then return {} end
  local read = require "gpupt.evidence.attach".read { pci = list, evidence = given.evidence, more = more,
    vmx = given.vmx }
  loaded.evidence, loaded.notes = read.results, read.notes
  if read.devices and not loaded.pci then
    loaded.pci, loaded.pci_name, loaded.pci_lines = read.devices, read.name, read.lines
    loaded.pci_complete, loaded.pci_complete_why = read.complete, read.complete_why
    loaded.pci_partial = read.partial
  end
  if read.system_id and not given.system_id then
    loaded.system_id, loaded.system_id_at = read.system_id.id, read.system_id
  end
  return read
end

--- Several logs as one: devices of all (the last that measured a card counts), messages of all, settings of
-- the first that lists any.
local function join(logs)
  if #logs == 1 then return logs[1].scan end
  local result = { devices = {}, findings = {}, config = {}, not_understood = {} }
  local place = {}
  for _, log in ipairs(logs) do
    for _, device in ipairs(log.scan.devices) do
      place[device.address] = place[device.address] or #result.devices + 1
      result.devices[place[device.address]] = device
    end
    table.move(log.scan.findings, 1, #log.scan.findings, #result.findings + 1, result.findings)
    local unclear = log.scan.not_understood or {}
    table.move(unclear, 1, #unclear, #result.not_understood + 1, result.not_understood)
    if next(result.config) == nil then result.config = log.scan.config or {} end
  end
  return result
end

--- One log as it was given: a path, {text=, name=}, or a result of gpupt.vmlog.scan. Its facts go into `known`.
local function load_log(one, known)
  if type(one) == "table" and one.findings then
    return { scan = one, name = one.files and one.files[1] or "the log" }
  end
  if one == "-" then one = { text = loader.read_stdin(), name = "standard input" } end
  local log = { scan = failure.check(vmlog.scan(one)), name = type(one) == "string" and one or one.name or "the log" }
  log.skipped, log.source = log.scan.skipped, one
  local text = type(one) == "table" and one.text or head_of(one)
  local form = text and facts.read(known, text, log.name)
  if form == "report" then
    if log.scan.form == "unknown" then log.scan.form = form end
  elseif form then
    log.scan.form = form
    log.told = ("%s: reset methods (%s), %d line%s"):format(log.name, form, #known.map, #known.map == 1 and "" or "s")
  end
  return log
end

local function load_logs(given, known)
  if given == nil then return {} end
  local list = type(given) == "table" and not given.findings and given.text == nil and given or { given }
  local logs = {}
  for i, one in ipairs(list) do
    logs[i] = load_log(one, known)
    for _, finding in ipairs(logs[i].scan.findings) do finding.file = finding.file or logs[i].name end
    local sessions = logs[i].scan.sessions
    local last = sessions and sessions[#sessions]
    local release = last and facts.release(last.version, last.build)
    if release then
      release.evidence = { file = last.file or logs[i].name, line = last.line, text = last.version }
      known.release = release
    end
  end
  return logs
end

--- The lines of passthru.map among the evidence, as the facts have them.
function loader.take_resets(known, results)
  for _, result in ipairs(results or {}) do
    for _, line in ipairs(result.resets or {}) do
      known.map, known.map_file = known.map or {}, known.map_file or line.file
      table.insert(known.map, { vendor = line.vendor, device = line.device, method = line.method,
        shareable = line.shareable, evidence = { file = line.file, line = line.line, text = line.text } })
    end
  end
end

--- The same for a VM of a server.
function loader.remote(given)
  for _, other in ipairs { "vmx", "pci", "system_id" } do
    if given[other] ~= nil then
      failure.check(nil, ("vm and %s exclude each other: the server tells both"):format(other), "EINVAL")
    end
  end
  local seen = require "gpupt.doctor.remote".read(given.vm)
  local known = facts.new()
  local logs = load_logs(seen.log, known)
  -- the server says what this file is, however short it is
  for _, log in ipairs(logs) do
    if log.scan.form == "unknown" then log.scan.form = "vmware.log" end
  end
  for _, log in ipairs(load_logs(given.log, known)) do logs[#logs + 1] = log end
  if seen.release then known.release = facts.release(seen.release, seen.build) end
  return { facts = known, doc = seen.vmx, vmx_name = seen.vmx_name, remote = true, notes = seen.notes, logs = logs,
    log = #logs > 0 and join(logs) or nil, pci = seen.pci, pci_name = seen.pci_name, gpus = given.gpus,
    system_id = seen.system_id, system_id_at = seen.system_id_at, others = seen.others }
end

--- Of the files that were given as logs, those that are the outputs of tools are taken out: what they are is seen from
-- what is in them.
local function no_logs(logs)
  local results = {}
  for i = #logs, 1, -1 do
    local log = logs[i]
    local form = log.scan.form
    -- lspci's regions are the form of a guest's report too
    local result = (form == "unknown" or form == "guest text") and log.source
      and evidence.read(log.source, { keep = true })
    if result and not result.unread and (form == "unknown" or result.devices) then
      table.remove(logs, i)
      table.insert(results, 1, result)
    end
  end
  return results
end

--- What subject.lua wants; raises a failure for what cannot be read.
function loader.load(given)
  local loaded = { gpus = given.gpus, system_id = given.system_id, system_id_at = given.system_id_at,
    changed = given.changed, facts = facts.new() }
  loaded.logs = load_logs(given.log, loaded.facts)
  local read = load_evidence(given, loaded, no_logs(loaded.logs))
  loaded.notes = loaded.notes or {}
  loader.take_resets(loaded.facts, read.results)
  table.move(read.logs or {}, 1, #(read.logs or {}), #loaded.logs + 1, loaded.logs)
  if #loaded.logs > 0 then loaded.log = join(loaded.logs) end
  for _, log in ipairs(loaded.logs) do
    for _, one in ipairs(log.skipped or {}) do
      table.insert(loaded.notes, ("skipped: %s %s"):format(one.path, one.why))
    end
  end
  local name
  if given.vmx == "-" then
    loaded.doc, loaded.utf16, name = parse_vmx(loader.read_stdin(), "standard input")
  elseif type(given.vmx) == "string" then
    loaded.doc, loaded.utf16, name = open_vmx(given.vmx)
  elseif type(given.vmx) == "table" and type(given.vmx.text) == "string" then
    loaded.doc, loaded.utf16, name = parse_vmx(given.vmx.text, given.vmx.name)
  else
    loaded.doc = given.vmx or read.vmx
  end
  if not loaded.doc and not loaded.log and not loaded.evidence and not loaded.pci then
    failure.check(nil, "nothing to examine: give a .vmx, a log, a list of devices, or the output of a tool", "EINVAL")
  end
  if loaded.doc then
    loaded.vmx_name = given.vmx_name or loaded.doc:path() or name or not given.vmx and read.vmx_name or "the .vmx"
  end
  return loaded
end

return loader
