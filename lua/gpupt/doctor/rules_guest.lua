--- Rules on what the guest or the file's author says of the card, held against the release and the card itself.

local stops = { [0x116] = "VIDEO_TDR_ERROR", [0x117] = "VIDEO_TDR_TIMEOUT_DETECTED",
  [0x119] = "VIDEO_SCHEDULER_INTERNAL_ERROR" }

--- Whether the host is 5.x: true or false, and by what; nil when nothing tells.
local function is_five(subject)
  local release = subject.facts.release
  if release then return release.major == 5, release.text end
  local version = subject:number "virtualHW.version"
  -- 10 is the newest version of 5.5; a later host runs it as well
  if version and version > 10 then return false, "hardware version " .. version end
  return nil, version and "hardware version " .. version
end

local function msi_lines(subject)
  local lines = {}
  for _, device in ipairs(subject:present()) do lines[#lines + 1] = device.prefix .. '.msiEnabled = "FALSE"' end
  return lines
end

local function guest_stop(subject, report)
  local stop
  for _, one in ipairs(subject.facts.bugchecks) do
    if stops[one.code] then stop = one end
  end
  if not stop or #subject:present() == 0 then return end
  local what = ("The guest stopped with 0x%x (%s): the display driver did not get an answer from the card."):format(
    stop.code, stops[stop.code])
  local evidence = { stop.evidence, subject:field(subject:present()[1], "present") }
  local five, by = is_five(subject)
  if five == false then
    report(evidence, { cause = what, remedy = "Install the current driver of the card, then look for MMIO and reset "
      .. "findings. (msiEnabled was a workaround of ESXi 5.1 and 5.5 only; this is " .. by .. ".)" })
  elseif five then
    report(evidence, { cause = what .. " On " .. by .. " that comes from message-signaled interrupts.",
      remedy = "Switch them off for the card; this is for ESXi 5.1 and 5.5 only.", proposal = msi_lines(subject) })
  else
    if by then table.insert(evidence, subject:at "virtualHW.version") end
    report(evidence, { cause = what .. " On ESXi 5.1 and 5.5 that came from message-signaled interrupts.",
      remedy = ("On ESXi 5.1 or 5.5%s switch them off for the card; on later releases update the driver instead. The "
        .. "VM's vmware.log shows the release."):format(by and (" (" .. by .. " runs there)") or ""),
      proposal = msi_lines(subject) })
  end
end

local function msi(subject, report)
  local five, by = is_five(subject)
  if five ~= false then return end
  for _, device in ipairs(subject:present()) do
    local field = device.fields.msienabled
    if field and field.value:lower() == "false" then
      report({ subject:line(field.line) }, {
        cause = ("%s.msiEnabled is FALSE: a workaround of ESXi 5.1 and 5.5, and this is %s."):format(device.prefix, by),
        proposal = "remove " .. field.key })
    end
  end
end

-- Words with digits that name no card: GPU0, SLOT3, PCIe4, x16, Gen4, 0x10de, ESXi8.
local no_models = { "^GPU%d", "^CPU%d", "^SLOT", "^PCIE?%d", "^X%d+$", "^GEN%d", "^0X", "^ESXI?%d" }

local function is_model(word)
  for _, pattern in ipairs(no_models) do
    if word:find(pattern) then return false end
  end
  return true
end

local function comment_names(subject, report)
  for _, device in ipairs(subject:present()) do
    local field = device.fields.deviceid
    local evidence = field and subject:line(field.line)
    local comment = evidence and evidence.text:match "#%s*(.-)%s*$"
    local _, name = subject:kind_of(device)
    if comment and name then
      local plain, word, fits = name:upper():gsub("[^%w]", ""), nil, false
      for model in comment:upper():gmatch "%f[%w]%u+%d[%w]*" do
        if is_model(model) then
          word = word or model
          fits = fits or plain:find(model, 1, true) ~= nil
        end
      end
      if word and not fits then
        report({ evidence }, { cause = ("%04x:%04x is a %s, and the comment next to it says "
          .. "\"%s\"."):format(device.vendor,
          device.device, name, comment),
          remedy = "Find out which card is meant: the host's list of devices (--pci) has both ids of each card." })
      end
    end
  end
end

return {
  {
    id = "guest-display-stop", severity = "error", needs = "vmx",
    cause = "The guest stopped because the card did not answer its driver.",
    remedy = "Install the current driver of the card.",
    source = "Microsoft: bug checks 0x116, 0x117, 0x119; public posts on ESXi 5.1 and 5.5 (msiEnabled)",
    check = guest_stop,
  },
  {
    id = "msi-workaround", severity = "info", needs = "vmx",
    cause = "msiEnabled is a workaround of ESXi 5.1 and 5.5.", remedy = "Remove it, unless the card needs it here too.",
    source = "VMDirectPath troubleshooting guide of vSphere 4; public posts on 5.1 and 5.5",
    check = msi,
  },
  {
    id = "card-comment", severity = "warning", needs = "vmx",
    cause = "A comment names a different card than the id.", remedy = "Find out which card is meant.",
    source = "pci.ids and the table of cards, against the comment",
    check = comment_names,
  },
}
