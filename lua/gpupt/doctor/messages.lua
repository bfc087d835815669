--- The messages of logs beside the rules' findings: each joins the rule that has the same fault in its care, or is a
-- finding of its own; what only follows from another fault is folded under it.
local codes = require "gpupt.facts.windows_codes"
local pci = require "gpupt.pci"
local reset = require "gpupt.doctor.reset"

local KEY = "hypervisor.cpuid.v0"

local function evidence_of(message)
  return { file = message.file, line = message.line, text = message.text, code = message.code }
end

--- Whether the .vmx was fixed after the log was written: true, false, or nil when they do not show it.
local function fixed_since(subject, rule, message)
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

--- Code 43 means different things by card and driver: the driver's version decides, where anything tells it.
local function code_43(subject, finding)
  local kinds, names = {}, {}
  for _, device in ipairs(subject.doc and subject:present() or {}) do
    local kind, name = subject:kind_of(device)
    kinds[kind] = true
    if kind == "geforce" then names[#names + 1] = name or "GeForce" end
  end
  if not kinds.geforce then
    if kinds.other and not (kinds.datacentre or kinds.workstation or kinds.unknown) then
      finding.cause = "The driver stopped the card (Code 43). It is not an NVIDIA card, so the hypervisor is not the "
        .. "reason."
      finding.remedy = ("%s changes nothing here. Look at the MMIO window, at a reset (power the host off and on), "
        .. "at the other functions of the card, then at the driver."):format(KEY)
    elseif kinds.datacentre or kinds.workstation then
      finding.remedy = ("This card never needs %s: look at the MMIO window and the card's power, then at the driver.")
        :format(KEY)
    end
    return
  end
  local driver = subject.facts.driver
  local hidden = subject:truth(KEY) == false
  local card = table.concat(names, ", ")
  if driver then table.insert(finding.evidence, driver.evidence) end
  if driver and codes.accepts_hypervisor(driver.major) then
    finding.cause = ("The driver %s stopped the %s (Code 43). It accepts a GeForce in a VM (since 465), so the "
      .. "hypervisor is not the reason."):format(driver.version, card)
    finding.remedy = "Look for another reason: the MMIO window, a card that was not reset, an emulated display "
      .. "beside it (svga.present), or a damaged driver (remove it with its settings and install it again)."
    return
  end
  if hidden then
    finding.remedy = driver and ("%s is FALSE already: update the driver %s to 465 or "
      .. "later."):format(KEY, driver.version)
      or ("%s is FALSE already: update the driver to 465 or later, and look for MMIO findings."):format(KEY)
    return
  end
  if subject.doc then table.insert(finding.evidence, subject:at(KEY)) end
  finding.cause = driver and ("The driver %s stopped the %s (Code 43), as drivers before 465 do when they see a "
    .. "hypervisor."):format(driver.version, card)
    or ("The driver stopped the %s (Code 43). Drivers before 465 do this when they see a hypervisor; the version of "
      .. "this one is not known."):format(card)
  finding.remedy = driver and ("Update the driver to 465 or later, or set %s = \"FALSE\"."):format(KEY)
    or ("Look at the driver's version (nvidia-smi, or Win32_VideoController's DriverVersion). Before 465: update it, "
      .. "or set %s = \"FALSE\"."):format(KEY)
  if driver then
    finding.changes, finding.fixable = { { key = KEY, value = "FALSE" } }, true
  else
    finding.proposal = KEY .. ' = "FALSE"'
  end
end

--- The window's size is worked out where the BARs are known; else the file that has them is named.
local function window_remedy(subject)
  local window = subject:window()
  local offer = subject.doc and subject:offer().gb or 0
  if window and window.needed and offer >= window.gb then
    return ("The VM offers %d GB, which hold the %s of its cards: the window is not the cause. Look at the host's "
      .. "firmware (memory-mapped I/O above 4 GB), at a reset of the card (power the host off and on), then at the "
      .. "driver."):format(
      offer, window.text)
  end
  if window and window.needed then
    return ("EFI firmware, pciPassthru.use64bitMMIO = \"TRUE\" and pciPassthru.64bitMMIOSizeGB = \"%d\" are needed "
      .. "together (the cards map %s); the firmware of an installed system cannot be "
      .. "changed."):format(window.gb, window.text)
  end
  return "EFI firmware, pciPassthru.use64bitMMIO and pciPassthru.64bitMMIOSizeGB are needed together. The vmware.log "
    .. "of a power-on with this card, or lspci -vv of it, has the BARs: give it with --log or --pci, and the size is "
    .. "worked out."
end

-- Findings that explain why a driver could not start a card.
local function explains_driver(finding)
  return finding.code:find "^nvrm" or finding.code:find "^bar%-" or finding.code:find "^guest" or
    finding.code:find "nvswitch" or finding.code:find "mmio" or finding.code:find "^driver"
end

local function is_of_reset(code)
  return code == "register-failed" or code:find "reset" ~= nil and not code:find "interrupt"
end

--- "Failed to register the device" alone has several reasons; beside a reset that failed it is what follows from it.
local function follows_reset(message)
  return message.code == "register-failed" or message.code == "reset-pending"
    or message.text:find("pciPassthru.createAdapterFailed", 1, true)
    or message.text:find("Failed to register the device pciPassthru", 1, true)
end

local function cause_for(message, findings, causes)
  local first
  for _, finding in ipairs(follows_reset(message) and findings or {}) do
    if is_of_reset(finding.code) and finding.severity == "error" then return finding end
  end
  for _, finding in ipairs(findings) do
    local fits = finding.severity == "error" or causes[finding]
    if message.code:find "^nvrm" then fits = fits and explains_driver(finding) end
    if fits then
      first = first or finding
      -- the log itself says more than a suspicion that only the .vmx gives rise to
      for _, one in ipairs(finding.evidence) do
        if one.file == message.file and one.line then return finding end
      end
    end
  end
  return first
end

local function has_evidence(finding, message)
  for _, one in ipairs(finding.evidence) do
    if one.file == message.file and one.line == message.line then return true end
  end
  return false
end

--- The rule's finding that a message belongs to.
local function finding_for(rules, message, by_rule)
  local id = rules.of_message[message.code] or message.rule
  if not id then return nil end
  for _, list in ipairs { rules.before[id] or {}, { id }, rules.instead[id] or {} } do
    for _, one in ipairs(list) do
      if by_rule[one] then return by_rule[one] end
    end
  end
end

--- The device that a message names by its address: the entry of the VM or the line of the list; else the VM's only
-- card.
local function device_of(subject, message)
  local text = message.address or message.text:match "%f[%x]%x%x%x%x:%x%x:%x%x%.%x%f[%X]"
    or message.text:match "%f[%x]%x%x:%x%x%.%x%f[%X]"
  local address = text and pci.address(text, "hex")
  for _, device in ipairs(subject:present()) do
    if address and device.address == address and device.vendor and device.device then return device end
  end
  local listed = subject:listed(address)
  if listed and listed.vendor and listed.device then return listed end
  local only = subject:present()
  if not address and #only == 1 and only[1].vendor and only[1].device then return only[1] end
end

--- A card that does not survive its reset gets another method: the lines for its own ids.
local function reset_lines(subject, message, finding)
  local device = device_of(subject, message)
  if not device then
    finding.remedy = finding.remedy .. " The .vmx or the host's list of devices (--pci) has the ids for the line."
    return
  end
  local listed = subject:listed(device.address and pci.address(tostring(device.address), "hex"))
  local present = reset.method(listed and listed.reset_method)
  local lines, now = reset.lines(device.vendor, device.device, present, subject.facts.map)
  finding.remedy = ("Give %04x:%04x another reset method%s: the first of these lines in /etc/vmware/passthru.map, "
    .. "then the other; reboot the host after each."):format(
    device.vendor, device.device, now and " than " .. now or "")
  finding.proposal = table.concat(lines, "\n")
end

return function(subject, rules, findings)
  local by_rule, rule_of = {}, {}
  for _, rule in ipairs(rules) do rule_of[rule.id] = rule end
  for _, finding in ipairs(findings) do by_rule[finding.code] = by_rule[finding.code] or finding end
  local reset_failed = false
  for _, message in ipairs(subject.log and subject.log.findings or {}) do
    reset_failed = reset_failed
      or (is_of_reset(message.code) and message.severity == "error" and message.code ~= "register-failed")
  end
  -- what a log's reader folded under a message goes with it
  local function take_consequences(finding, message)
    for _, one in ipairs(message.consequences or {}) do
      finding.consequences = finding.consequences or {}
      table.insert(finding.consequences, { file = one.file or message.file, line = one.line, text = one.text,
        code = one.code })
    end
  end
  local of_rules, consequences, causes = #findings, {}, {}
  for _, message in ipairs(subject.log and subject.log.findings or {}) do
    local found = finding_for(rules, message, by_rule)
    local shown = false
    for i = 1, of_rules do
      if has_evidence(findings[i], message) then
        if not shown then take_consequences(findings[i], message) end
        shown = true
      end
    end
    if message.severity == "info" or shown then -- nothing more to say
      if shown and message.severity == "error" and found then found.severity = "error" end
    elseif rules.consequences[message.code] or message.consequence or (reset_failed and follows_reset(message)) then
      consequences[#consequences + 1] = message
    elseif found then
      table.insert(found.evidence, 1, evidence_of(message))
      take_consequences(found, message)
      -- a suspicion that a log confirms is none any more
      if message.severity == "error" then found.severity = "error" end
    else
      local id = rules.of_message[message.code] or message.rule
      local finding = { code = message.code, severity = message.severity, cause = message.cause,
        remedy = message.remedy, evidence = { evidence_of(message) }, fixable = false, source = message.source }
      if fixed_since(subject, rule_of[id], message) then
        finding.severity = "info"
        finding.remedy = "The .vmx has been changed since: power the VM on again."
      elseif message.code == "windows-code-43" then
        code_43(subject, finding)
      elseif id == "mmio-window" and not (message.detail and message.detail.gb) then
        finding.remedy = window_remedy(subject)
      elseif is_of_reset(message.code) then
        reset_lines(subject, message, finding)
      end
      take_consequences(finding, message)
      if message.severity == "error" then causes[finding] = true end
      findings[#findings + 1] = finding
    end
  end
  for _, message in ipairs(consequences) do
    local cause = cause_for(message, findings, causes)
    if cause then
      cause.consequences = cause.consequences or {}
      table.insert(cause.consequences, evidence_of(message))
      take_consequences(cause, message)
    else
      local finding = { code = message.code, severity = message.severity, cause = message.cause,
        remedy = message.remedy, evidence = { evidence_of(message) }, fixable = false, source = message.source }
      take_consequences(finding, message)
      findings[#findings + 1] = finding
    end
  end
  -- what is evidence already is not listed again as a consequence
  for _, finding in ipairs(findings) do
    for i = #(finding.consequences or {}), 1, -1 do
      if has_evidence(finding, finding.consequences[i]) then table.remove(finding.consequences, i) end
    end
    if finding.consequences and #finding.consequences == 0 then finding.consequences = nil end
  end
end
