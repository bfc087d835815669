--- Evidence for the doctor: what it was given, sorted into the host's list of devices, logs, a .vmx, and facts.
local evidence = require "gpupt.evidence"
local failure = require "gpupt.failure"
local pci = require "gpupt.pci"
local vmlog = require "gpupt.vmlog"

local attach = {}

local function sources(given)
  if given == nil then return {} end
  if type(given) == "table" and given.text == nil and given.forms == nil then return given end
  return { given }
end

local function results_of(given)
  local list = {}
  for i, one in ipairs(sources(given)) do
    list[i] = type(one) == "table" and one.forms and one or failure.check(evidence.read(one, { keep = true }))
  end
  return list
end

-- A text may hold log messages beside or instead of a form.
local function scan_of(result)
  if result.kind or not result.bytes or result.bytes == "" then return nil end
  local scan = vmlog.scan { text = result.bytes, name = result.name }
  if not scan then return nil end
  for _, finding in ipairs(scan.findings) do finding.file = finding.file or result.name end
  local told = #scan.findings > 0 or #scan.devices > 0
  if result.unread then return (told or scan.form ~= "unknown") and scan or nil end
  -- what a form has read is understood, but for the lines of a log beside it
  if scan.form == "unknown" or scan.form == "guest text" then
    scan.form, scan.not_understood = "the output of a tool", {}
  end
  return (told or #scan.not_understood > 0) and scan or nil
end

-- What the log's catalogue says too is said once: a BAR without address by the rule that computes the window, unless a
-- .vmx is there, whose rule on the window takes the log's message as its evidence.
local function without_doubles(result, scan, with_vmx)
  local lost = false
  for _, device in ipairs(result.devices or {}) do lost = lost or device.unassigned ~= nil end
  if lost then
    local kept, told = {}, false
    for _, finding in ipairs(scan.findings) do
      local double = finding.code == "bar-unassigned"
      told = told or double
      if not double or with_vmx then kept[#kept + 1] = finding end
    end
    scan.findings, result.bar_told = kept, told and with_vmx
  end
  local codes = {}
  for _, card in ipairs(result.cards) do
    if card.problem_code then codes[("windows-code-%d"):format(card.problem_code)] = card.problem_code end
  end
  for i = #scan.findings, 1, -1 do
    local number = codes[scan.findings[i].code]
    if number == 12 and with_vmx then
      result.told = { [12] = true }
    elseif number then
      table.remove(scan.findings, i)
    end
  end
end

local function from_list(path)
  local result = failure.check(evidence.read(path, { keep = true }))
  if not result.devices and #result.cards == 0 and #result.resets == 0 then
    failure.check(nil, result.name .. ": no PCI device found: the text should be the output of esxcli hardware pci "
      .. "list, lspci or vmkchdev -l", "EPARSE")
  end
  return result
end

-- These list a host's devices; other forms, as nvidia-smi and esx.conf, only tell something of some.
local LISTS = { ["vim-cmd"] = true, ["Get-VMHostPciDevice"] = true, ["Get-EsxCli hardware.pci.list"] = true,
  ["Get-PassthroughDevice"] = true }

-- One complete list is enough. Result: true, false or "unknown"; why; true when there is no list at all.
local function completeness(hosts)
  local complete, why, partial = "unknown", nil, true
  for _, result in ipairs(hosts) do
    local is, because = result.complete, result.complete_why
    for _, form in ipairs(result.devices and {} or result.forms) do
      if LISTS[form.form] then is, because = pci.complete(result.cards, result.commands) end
    end
    if is ~= nil then
      partial = false
      if is == true then return true, because, false end
      complete, why = is, why or because
    end
  end
  return complete, why, partial
end

--- Takes `given.pci` (a path or {text=}), `given.evidence` and `given.more` (results of gpupt.evidence). Result:
-- {results=, logs= {{scan=, name=}...}, vmx= (a path or a document), devices= (the host's, or nil), name=, lines=,
-- complete=, complete_why=, partial=, system_id=, notes=}.
function attach.read(given)
  local results = results_of(given.evidence)
  table.move(given.more or {}, 1, #(given.more or {}), #results + 1, results)
  if given.pci then table.insert(results, 1, from_list(given.pci)) end
  local out = { results = results, logs = {}, notes = {} }
  for _, result in ipairs(results) do
    local scan = scan_of(result)
    if scan then
      without_doubles(result, scan, given.vmx ~= nil)
      out.logs[#out.logs + 1] = { scan = scan, name = result.name }
      result.unread, result.logged = false, true
    elseif result.kind == "vmx" then
      out.vmx = out.vmx or failure.check(require "gpupt.vmx".parse(result.bytes))
      out.vmx_name = out.vmx_name or result.name
    end
    if result.host.system_id and not out.system_id then out.system_id = result.host.system_id end
    if not result.kind and (not result.logged or #result.forms > 0) then
      out.notes[#out.notes + 1] = evidence.summary(result)
    end
    -- a list that says neither whose it is, nor comes from a guest, is taken for the host's
    if result.devices and result.where ~= "guest" and not out.name then
      out.name, out.lines = result.name, result.device_lines
    end
  end
  local hosts = {}
  for _, result in ipairs(results) do
    -- nvidia-smi does not say where it ran: without a prompt its cards belong to no known system
    if result.where == "host" or (result.devices and result.where ~= "guest") then hosts[#hosts + 1] = result end
  end
  local devices = evidence.devices(hosts, "host")
  for i = #devices, 1, -1 do
    if not devices[i].address then table.remove(devices, i) end
  end
  if #devices > 0 then
    out.devices, out.name = devices, out.name or hosts[1].name
    out.complete, out.complete_why, out.partial = completeness(hosts)
  end
  return out
end

return attach
