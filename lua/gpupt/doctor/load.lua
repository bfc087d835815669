--- Reads what the doctor was given: documents and scans as they are, paths by what they name.
local core = require "gpupt.core".folder
local failure = require "gpupt.failure"
local pci = require "gpupt.pci"
local vmlog = require "gpupt.vmlog"
local vmx = require "gpupt.vmx"

local loader = {}

local LIMIT = 64 << 20

local function is_folder(path) return core.kind(path) == "folder" end

--- A text's content; raises the failure that it cannot be read, or is larger than a list of devices can be.
function loader.read_text(path)
  local file, message = io.open(path, "rb")
  if not file then failure.check(nil, message, "ENOENT") end
  local text, problem = file:read(LIMIT + 1)
  file:close()
  if not text and problem then failure.check(nil, path .. ": " .. problem, "EIO") end
  if text and #text > LIMIT then failure.check(nil, path .. ": larger than a list of PCI devices can be", "EFBIG") end
  return text or ""
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
  local devices = failure.check(pci.parse(text))
  return { pci = devices, pci_name = name, pci_lines = lines_of(text, devices) }
end

local function load_pci(given)
  if given == nil then return {} end
  if type(given) == "table" then
    local complete, why = pci.complete(given)
    return { pci = given, pci_name = "the PCI list", pci_complete = complete, pci_complete_why = why }
  end
  return { pci = failure.check(pci.list { root = given }), pci_name = given, pci_complete = true }
end

--- Texts of tools, of any form: the host's devices, logs, a .vmx and facts. See gpupt.evidence.
local function load_evidence(given, loaded)
  local path = given.pci
  if type(path) ~= "string" and type(path) ~= "table" and path ~= nil then
    error("doctor.examine: pci must be a list of devices or a path", 0)
  end
  local list = type(path) == "string" and not is_folder(path) and path or nil
  if not list then
    for key, value in pairs(load_pci(path)) do loaded[key] = value end
  end
  if not list and given.evidence == nil then return {} end
  local read = require "gpupt.evidence.attach".read { pci = list, evidence = given.evidence, vmx = given.vmx }
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
  local result = { devices = {}, findings = {}, config = {} }
  local place = {}
  for _, log in ipairs(logs) do
    for _, device in ipairs(log.scan.devices) do
      place[device.address] = place[device.address] or #result.devices + 1
      result.devices[place[device.address]] = device
    end
    table.move(log.scan.findings, 1, #log.scan.findings, #result.findings + 1, result.findings)
    if next(result.config) == nil then result.config = log.scan.config or {} end
  end
  return result
end

local function load_logs(given)
  if given == nil then return {} end
  local list = type(given) == "table" and not given.findings and given.text == nil and given or { given }
  local logs = {}
  for i, one in ipairs(list) do
    if type(one) == "table" and one.findings then
      logs[i] = { scan = one, name = one.files and one.files[1] or "the log" }
    else
      logs[i] = { scan = failure.check(vmlog.scan(one)),
        name = type(one) == "string" and one or one.name or "the log" }
      logs[i].skipped = logs[i].scan.skipped
    end
    for _, finding in ipairs(logs[i].scan.findings) do finding.file = finding.file or logs[i].name end
  end
  return logs
end

--- The same for a VM of a server.
function loader.remote(given)
  for _, other in ipairs { "vmx", "pci", "system_id" } do
    if given[other] ~= nil then
      failure.check(nil, ("vm and %s exclude each other: the server tells both"):format(other), "EINVAL")
    end
  end
  local seen = require "gpupt.doctor.remote".read(given.vm)
  local logs = load_logs(seen.log)
  for _, log in ipairs(load_logs(given.log)) do logs[#logs + 1] = log end
  return { doc = seen.vmx, vmx_name = seen.vmx_name, remote = true, notes = seen.notes, logs = logs,
    log = #logs > 0 and join(logs) or nil, pci = seen.pci, pci_name = seen.pci_name, gpus = given.gpus,
    system_id = seen.system_id, system_id_at = seen.system_id_at }
end

--- What subject.lua wants; raises a failure for what cannot be read.
function loader.load(given)
  local loaded = { gpus = given.gpus, system_id = given.system_id, system_id_at = given.system_id_at }
  local read = load_evidence(given, loaded)
  loaded.notes = loaded.notes or {}
  loaded.logs = load_logs(given.log)
  table.move(read.logs or {}, 1, #(read.logs or {}), #loaded.logs + 1, loaded.logs)
  if #loaded.logs > 0 then loaded.log = join(loaded.logs) end
  for _, log in ipairs(loaded.logs) do
    for _, one in ipairs(log.skipped or {}) do
      table.insert(loaded.notes, ("skipped: %s %s"):format(one.path, one.why))
    end
  end
  if type(given.vmx) == "string" then
    loaded.doc = failure.check(vmx.open(given.vmx))
  else
    loaded.doc = given.vmx or read.vmx
  end
  if not loaded.doc and not loaded.log and not loaded.evidence then
    failure.check(nil, "nothing to examine: give a .vmx, a log, or the output of a tool", "EINVAL")
  end
  if loaded.doc then
    loaded.vmx_name = given.vmx_name or loaded.doc:path() or not given.vmx and read.vmx_name or "the .vmx"
  end
  return loaded
end

return loader
