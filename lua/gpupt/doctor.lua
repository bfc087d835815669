--- The doctor: why a VM with a passed-through card does not start, or its guest does not see the card.
--
--   local result = gpupt.check(gpupt.doctor.examine{ vmx = "win11.vmx", log = "vmware.log", pci = "lspci.txt" })
--   for _, finding in ipairs(result.findings) do print(finding.severity, finding.code, finding.cause) end
--
-- A finding is {code=, severity=, cause=, remedy=, evidence={{file=, line=, text=}...}, changes=, fixable=,
-- source=}: two sentences, what they rest on, and the exact change where one is safe while the VM is off.
-- `result.looked_at` lists what was read, so that "no finding" means something.
local failure = require "gpupt.failure"
local options = require "gpupt.options"

local doctor = {}

local examine_options = options.declare("doctor.examine", {
  { "vmx", "any", doc = "a document of gpupt.vmx, or a path" },
  { "log", "any",
    doc = "a result of gpupt.vmlog.scan, a path, or a list of these (vmware.log, dmesg, Windows reports)" },
  { "pci", "any", doc = "devices of gpupt.pci, or the path of a text (esxcli, lspci) or of a sysfs: the host's" },
  { "evidence", "any",
    doc = "a path, a result of gpupt.evidence, {text=}, or a list of these: outputs of tools, of any form" },
  { "gpus", "table", doc = "the cards for gpupt.bar.window, when the .vmx does not tell them" },
  { "vm", "table", doc = "a reference to a VirtualMachine: its settings, its host's cards and its log are read" },
  { "system_id", "string", doc = "the host's id (esxcli system uuid get)" },
})

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
  for _, rule in ipairs(rules) do
    if (rule.needs ~= "vmx" or subject.doc) and (not rule.evidence or subject.evidence) then
      ran = ran + 1
      rule.check(subject, function(evidence, own)
        own = own or {}
        local changes = own.changes and #own.changes > 0 and own.changes or nil
        findings[#findings + 1] = {
          code = rule.id, severity = own.severity or rule.severity, cause = own.cause or rule.cause,
          remedy = own.remedy or rule.remedy, evidence = evidence, changes = changes, fixable = changes ~= nil,
          source = rule.source,
        }
      end)
    end
  end
  return findings, ran
end

local function log_evidence(message)
  return { file = message.file, line = message.line, text = message.text, code = message.code }
end

--- Whether the .vmx has been mended since the log was written, as far as both tell: true, false or nil.
local function mended(subject, rule, message)
  if not subject.doc or not rule then return nil end
  local changed = subject:changed_since_log(rule.keys or {})
  if changed == true then return true end
  local detail = message.detail
  if changed == nil and detail and detail.gb and subject:offer().gb >= detail.gb then
    -- the message itself says what was offered: less than the .vmx offers now
    if (detail.limit_bytes or 0) < subject:offer().gb << 30 then return true end
  end
  return changed
end

--- A GeForce whose driver stops because it sees a hypervisor is the one case in which the key is the cure.
local function code_43(subject, finding)
  local kind = require "gpupt.settings.cpuid".kind
  local geforce = false
  for _, device in ipairs(subject.doc and subject:present() or {}) do
    if device.vendor and device.device then
      local listed = subject:listed(device.address)
      geforce = geforce or kind { vendor = device.vendor, device = device.device, class = listed and listed.class,
        name = listed and listed.device_name } == "geforce"
    end
  end
  if not geforce then return end
  if subject:truth "hypervisor.cpuid.v0" == false then
    finding.remedy = "hypervisor.cpuid.v0 is FALSE already: update the driver to 465 or later, and look for MMIO "
      .. "findings."
    return
  end
  table.insert(finding.evidence, subject:at "hypervisor.cpuid.v0")
  finding.cause = "The driver stopped the GeForce (Code 43), as drivers before 465 do when they see a hypervisor."
  finding.remedy = "Update the driver to 465 or later, or set hypervisor.cpuid.v0 = \"FALSE\"."
  finding.changes = { { key = "hypervisor.cpuid.v0", value = "FALSE" } }
  finding.fixable = true
end

--- Joins the messages of the log with the rules' findings.
local function add_messages(subject, rules, findings)
  local by_rule, rule_of, real = {}, {}, false
  for _, rule in ipairs(rules) do rule_of[rule.id] = rule end
  for _, finding in ipairs(findings) do by_rule[finding.code] = by_rule[finding.code] or finding end
  local messages = subject.log and subject.log.findings or {}
  for _, message in ipairs(messages) do
    real = real or (message.severity == "error" and not rules.consequences[message.code])
  end
  for _, message in ipairs(messages) do
    local id = rules.of_message[message.code]
    local found = id and by_rule[id]
    local silent = message.severity == "info" or (rules.consequences[message.code] and real)
    if not silent and found then
      local known = false
      for _, one in ipairs(found.evidence) do
        known = known or (one.file == message.file and one.line == message.line)
      end
      if not known then table.insert(found.evidence, 1, log_evidence(message)) end
      -- a suspicion that a log confirms is none any more
      if message.severity == "error" then found.severity = "error" end
    elseif not silent then
      local finding = { code = message.code, severity = message.severity, cause = message.cause,
        remedy = message.remedy, evidence = { log_evidence(message) }, fixable = false, source = message.source }
      if mended(subject, rule_of[id], message) then
        finding.severity = "info"
        finding.remedy = "The .vmx has been changed since: power the VM on again."
      elseif message.code == "windows-code-43" then
        code_43(subject, finding)
      end
      findings[#findings + 1] = finding
    end
  end
end

local function counted(number, what) return ("%d %s%s"):format(number, what, number == 1 and "" or "s") end

local function looked_at(subject, ran, given)
  local list = {}
  if subject.doc then
    local keys = 0
    for _ in subject.doc:each() do keys = keys + 1 end
    list[#list + 1] = ("%s: %s, %s; %s"):format(subject.vmx_name, counted(keys, "key"),
      counted(#subject:present(), "passed-through card"), counted(ran, "rule"))
  end
  for _, log in ipairs(given.logs) do
    list[#list + 1] = ("%s: %s, %s, BARs of %s%s"):format(log.name, counted(log.scan.lines or 0, "line"),
      counted(log.scan.session_count or 0, "power-on"), counted(#log.scan.devices, "card"),
      log.scan.partial and "; only a part was read: " .. log.scan.problem or "")
  end
  if subject.pci then list[#list + 1] = subject.pci_name .. ": " .. counted(#subject.pci, "device") end
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

--- The settings of a server are not edited offline: the change is told, and made by a playbook.
local function not_offline(findings)
  for _, finding in ipairs(findings) do finding.fixable = false end
end

local function examine(loaded)
  local rules = require "gpupt.doctor.rules"
  local subject = require "gpupt.doctor.subject" (loaded)
  local findings, ran = run_rules(subject, rules)
  add_messages(subject, rules, findings)
  if loaded.remote then not_offline(findings) end
  local healthy = true
  for _, finding in ipairs(findings) do healthy = healthy and finding.severity == "info" end
  return { findings = sorted(findings), looked_at = looked_at(subject, ran, loaded), healthy = healthy }
end

--- For the rooms of the doctor: with a document, scans and a PCI list that are loaded already.
function doctor.examine_loaded(given)
  return failure.catch(function()
    local loaded = require "gpupt.doctor.load".load { vmx = given.doc, vmx_name = given.vmx_name,
      log = given.log, pci = given.pci, system_id = given.system_id, system_id_at = given.system_id_at }
    loaded.pci_name, loaded.pci_lines = given.pci_name or loaded.pci_name, given.pci_lines
    return examine(loaded)
  end)
end

--- Examines what is given. nil, message, code when something cannot be read, or nothing was given.
-- Result: {findings=, looked_at=, healthy=}; healthy means that nothing worse than "info" was found.
function doctor.examine(given)
  given = examine_options:check(given)
  return failure.catch(function()
    local load = require "gpupt.doctor.load"
    return examine(given.vm and load.remote(given) or load.load(given))
  end)
end

--- Makes the changes of the fixable findings in a document; a list of {code=, key=, value= or remove=} that
-- were made.
function doctor.fix(findings, doc)
  local made = {}
  for _, finding in ipairs(findings) do
    for _, change in ipairs(finding.fixable and finding.changes or {}) do
      if change.remove then
        failure.check(doc:unset(change.key))
      else
        failure.check(doc:set(change.key, change.value))
      end
      made[#made + 1] = { code = finding.code, key = change.key, value = change.value, remove = change.remove }
    end
  end
  return made
end

--- Fixes `doc` until an examination finds nothing more to change: what one change makes readable may show the next.
-- `again()` examines the document as it is. Result: the last examination, the changes made; nil, message, code.
function doctor.mend(result, doc, again)
  return failure.catch(function()
    local made = {}
    for _ = 1, 6 do
      local before = tostring(doc)
      local now = doctor.fix(result.findings, doc)
      if tostring(doc) == before then break end
      table.move(now, 1, #now, #made + 1, made)
      result = failure.check(again())
    end
    return result, made
  end)
end

--- The rules, for a loop: id, severity, cause, remedy, source.
function doctor.rules()
  local list = {}
  for i, rule in ipairs(require "gpupt.doctor.rules") do list[i] = rule end
  return list
end

--- Examines an unpacked vm-support folder: {vms = {{vmx=, result=}...}, host = findings, looked_at=,
-- healthy=}.
function doctor.bundle(folder) return require "gpupt.doctor.bundle".examine(folder) end

return doctor
