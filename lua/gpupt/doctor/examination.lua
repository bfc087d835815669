--- One examination: the rules on a subject, the messages of its logs, what was looked at and what was not understood.
local failure = require "gpupt.failure"
local units = require "gpupt.units"

local examination = {}

local function sorted(findings)
  local rank = { error = 1, warning = 2, info = 3 }
  for i, finding in ipairs(findings) do finding.order = i end
  table.sort(findings, function(a, b)
    if rank[a.severity] ~= rank[b.severity] then return rank[a.severity] < rank[b.severity] end
    return a.order < b.order
  end)
  for _, finding in ipairs(findings) do finding.order = nil end
  return findings
end

local function run_rules(subject, rules)
  local findings, ran = {}, 0
  local there = { vmx = subject.doc, pci = subject.pci, map = subject.facts.map }
  for _, rule in ipairs(rules) do
    if (not rule.needs or there[rule.needs]) and (not rule.evidence or subject.evidence)
      and (not rule.server or subject.others) then
      ran = ran + 1
      rule.check(subject, function(evidence, own)
        own = own or {}
        local changes = own.changes and #own.changes > 0 and own.changes or nil
        local proposal = own.proposal
        if type(proposal) == "table" then proposal = #proposal > 0 and table.concat(proposal, "\n") or nil end
        findings[#findings + 1] = {
          code = rule.id, severity = own.severity or rule.severity, cause = own.cause or rule.cause,
          remedy = own.remedy or rule.remedy, evidence = evidence, changes = changes, fixable = changes ~= nil,
          proposal = proposal, source = rule.source,
        }
      end)
    end
  end
  return findings, ran
end

local form_names = { ["vmware.log"] = "vmware.log", vmkernel = "vmkernel.log", dmesg = "dmesg",
  ["guest text"] = "guest's report" }

-- "all.txt: 2 lines of a vmware.log, 1 power-on, BARs of 0 cards; cleaned before reading: wrapped lines"
local function log_line(log)
  local scan, cleaned, seen = log.scan, {}, {}
  for _, one in ipairs(scan.repairs or {}) do
    if not seen[one.what] then cleaned[#cleaned + 1] = one.what end
    seen[one.what] = true
  end
  local form = form_names[scan.form] and " of a " .. form_names[scan.form] or ""
  return ("%s: %s%s, %s, BARs of %s%s%s"):format(log.name, units.count(scan.lines or 0, "line"), form,
    units.count(scan.session_count or 0, "power-on"), units.count(#scan.devices, "card"),
    #cleaned > 0 and "; cleaned before reading: " .. table.concat(cleaned, ", ") or "",
    scan.partial and "; only a part was read: " .. scan.problem or "")
end

local function looked_at(subject, ran, given)
  local list = {}
  if subject.doc then
    local keys = 0
    for _ in subject.doc:each() do keys = keys + 1 end
    list[#list + 1] = ("%s: %s, %s; %s"):format(subject.vmx_name, units.count(keys, "key"),
      units.count(#subject:present(), "passed-through card"), units.count(ran, "rule"))
  end
  for _, log in ipairs(given.logs) do
    list[#list + 1] = log.told or log_line(log)
  end
  if subject.pci then
    list[#list + 1] = subject.pci_name .. ": " .. units.count(#subject.pci, "device")
      .. (subject:list_complete() == true and "" or " (it may be an excerpt)")
  end
  for _, note in ipairs(given.notes or {}) do list[#list + 1] = note end
  if subject.doc and #subject:present() > 0 then
    local window, problem = subject:window()
    if not window then
      list[#list + 1] = "the MMIO window was not checked: " .. problem
    elseif window.needed then
      list[#list + 1] = ("MMIO: the cards map %s and need a window of %d GB (%s); the .vmx offers %d GB"):format(
        window.text, window.gb, window.source, subject:offer().gb)
    else
      list[#list + 1] = ("MMIO: the cards map %s and need no 64-bit window (%s)"):format(window.text, window.source)
    end
  end
  return list
end

--- The lines that findings rest on: they were understood, whatever the reader of the log thought of them.
local function cited(findings)
  local lines = {}
  for _, finding in ipairs(findings) do
    for _, list in ipairs { finding.evidence, finding.consequences or {} } do
      for _, one in ipairs(list) do
        if one.file and one.line then lines[one.file .. "\0" .. one.line] = true end
      end
    end
  end
  return lines
end

--- What was not understood: lines of logs, files of an unknown form, keys that no source names.
local function not_understood(subject, given, findings)
  local list, known = {}, cited(findings)
  for _, log in ipairs(given.logs) do
    if log.scan.form == "unknown" then
      list[#list + 1] = { file = log.name, text = "a file of unknown form: it was not read" }
    elseif log.scan.partial then
      list[#list + 1] = { file = log.name, text = "only a part was read: " .. log.scan.problem }
    end
    for _, one in ipairs(log.scan.not_understood or {}) do
      local file = one.file or log.name
      if not known[file .. "\0" .. (one.line or "")] then
        list[#list + 1] = { file = file, line = one.line, text = one.text, word = one.word }
      end
    end
  end
  for _, one in ipairs(given.evidence or {}) do
    if one.unread then list[#list + 1] = { file = one.name, text = "a file of unknown form: it was not read" } end
  end
  for _, one in ipairs(subject:unknown_keys()) do list[#list + 1] = one end
  return list
end

--- The settings of a server are not edited offline: the change is reported, and a playbook makes it.
local function not_offline(findings)
  for _, finding in ipairs(findings) do finding.fixable = false end
end

local function verdict_of(findings, unknown)
  for _, finding in ipairs(findings) do
    if finding.severity ~= "info" then return "problems" end
  end
  return #unknown > 0 and "unclear" or "healthy"
end

--- Names of the VM and the host that texts may hold: for a report that is to be posted. Not a part of the JSON.
local function named(subject)
  local names = { vm = {}, host = {} }
  local config = subject.log and subject.log.config or {}
  names.vm[1] = subject:get "displayName" or nil
  names.vm[#names.vm + 1] = config.displayname and config.displayname.value or nil
  if subject.remote then
    names.vm[#names.vm + 1] = subject.vmx_name
    names.host[1] = subject.pci_name
  end
  return names
end

--- Examines what gpupt.doctor.load has loaded.
function examination.run(loaded)
  local rules = require "gpupt.doctor.rules"
  local subject = require "gpupt.doctor.subject" (loaded)
  local findings, ran = run_rules(subject, rules)
  require "gpupt.doctor.messages"(subject, rules, findings)
  if loaded.remote then not_offline(findings) end
  for _, finding in ipairs(findings) do finding.fix = finding.fixable and finding.changes or nil end
  local unknown = not_understood(subject, loaded, findings)
  local verdict = verdict_of(findings, unknown)
  return { findings = sorted(findings), looked_at = looked_at(subject, ran, loaded), not_understood = unknown,
    verdict = verdict, healthy = verdict == "healthy", named = named(subject) }
end

--- With a document, scans and a PCI list that are loaded already.
function examination.of(given)
  return failure.catch(function()
    local loaded = require "gpupt.doctor.load".load { vmx = given.doc, vmx_name = given.vmx_name,
      log = given.log, pci = given.pci, evidence = given.evidence, system_id = given.system_id,
      system_id_at = given.system_id_at }
    loaded.pci_name, loaded.pci_lines = given.pci_name or loaded.pci_name, given.pci_lines
    return examination.run(loaded)
  end)
end

return examination
