--- Windows guests: Device Manager's problem codes, stop codes, and the driver's version that decides them.
local codes = require "gpupt.facts.windows_codes"
local evidence = require "gpupt.vmlog.evidence"

--- NVIDIA's release from the version that Windows shows: 31.0.15.3713 is 537.13.
local function nvidia_release(version)
  local c, d = (version or ""):match "^%d+%.%d+%.(%d+)%.(%d+)$"
  if not c then return nil end
  local digits = (c:sub(-1) .. ("%04d"):format(tonumber(d)))
  return tonumber(digits:sub(1, 3)), digits:sub(1, 3) .. "." .. digits:sub(4)
end

local function geforce(session)
  local name = session.notes.card
  return name and (name:find "GeForce" or name:find " GTX " or name:find " RTX 20%d%d"
    or name:find " RTX [345]0%d%d") ~= nil
end

local function is_amd_or_intel(session)
  local name = session.notes.card
  return name and not name:find "NVIDIA" and (name:find "Radeon" or name:find "AMD" or name:find "Intel"
    or name:find "Arc") and name
end

local function code_43_cause(_, session)
  local release, text = nvidia_release(session.notes.driver)
  local other = is_amd_or_intel(session)
  if other then
    return ("The driver stopped the card (%s): only NVIDIA's driver checks for a hypervisor, so the card was not "
      .. "reset, or its BARs are not what the driver needs."):format(other)
  end
  if codes.accepts_hypervisor(release) then
    return ("The driver stopped the card. Its release is %s, and since 465 GeForce drivers accept a hypervisor, so "
      .. "there is another cause."):format(text)
  end
  if release and geforce(session) then
    return ("The driver stopped the GeForce: release %s is before 465, and such drivers stop when they see a "
      .. "hypervisor."):format(text)
  end
  return codes.cause[43]
end

local function code_43_remedy(_, session)
  local release = nvidia_release(session.notes.driver)
  if is_amd_or_intel(session) then
    return "Power the VM, then the host, off and on; check the MMIO window against the card's BARs (gpupt log on "
      .. "vmware.log), and for Arc that the host's BIOS has Resizable BAR on."
  end
  if codes.accepts_hypervisor(release) then
    return "hypervisor.cpuid.v0 is not needed. Look at the MMIO window (gpupt log on the VM's vmware.log), power the "
      .. "VM off and on, and reinstall the driver."
  end
  return "Update the driver to 465 or later; with an older one on a GeForce set hypervisor.cpuid.v0 = \"FALSE\". "
    .. "Datacentre and Quadro cards never need that key: look for MMIO and power problems there."
end

local device_manager = {
  [10] = { codes.cause[10],
    "Install the vendor's current driver for this card; then look at the VM's vmware.log." },
  [12] = { codes.cause[12], evidence.remedy_of_window },
  [28] = { codes.cause[28], "Install the vendor's driver in the guest." },
  [31] = { codes.cause[31],
    "Remove the driver (pnputil /delete-driver), install the vendor's current one for this card, reboot." },
  [43] = { code_43_cause, code_43_remedy },
}

-- What PowerShell's Get-PnpDevice calls the same problems.
local problem_names = {
  [10] = "CM_PROB_FAILED_START", [12] = "CM_PROB_NORMAL_CONFLICT", [28] = "CM_PROB_FAILED_INSTALL",
  [31] = "CM_PROB_FAILED_ADD", [43] = "CM_PROB_FAILED_POST_START",
}

-- Device Manager's text for them, where it is unmistakable; it is often copied without its number.
local sentences = {
  [10] = "This device cannot start",
  [12] = "cannot find enough free resources that it can use",
  [28] = "The drivers for this device are not installed",
  [31] = "because Windows cannot load the drivers required for this device",
  [43] = "Windows has stopped this device because it has reported problems",
}

--- "(Code 43)" as Windows writes it in other languages, and what PowerShell and pnputil call it.
local function code_words(sentence)
  local words = { "ConfigManagerErrorCode", "Problem Code", "CM_PROB_", sentence }
  for word in ("Code Kode Codice C\u{F3}digo c\u{F3}digo Kod K\u{F3}d \u{41A}\u{43E}\u{434} \u{30B3}\u{30FC}\u{30C9} "
    .. "\u{4EE3}\u{7801} \u{4EE3}\u{78BC} \u{CF54}\u{B4DC}"):gmatch "%S+" do
    words[#words + 1] = "(" .. word .. " "
  end
  return words
end

local MICROSOFT = "Microsoft, Error codes in Device Manager in Windows"

local function problem(number)
  return {
    code = "windows-code-" .. number, severity = "error",
    word = code_words(sentences[number]),
    -- the clients of Windows translate the sentence, not its number: (Code 43), (Kode 43), (código 43)
    match = { "%([^%s()]+ " .. number .. "%)", "ConfigManagerErrorCode\"?%s*[:=]%s*" .. number .. "%f[%D]",
      "Problem Code%s*:%s*" .. number .. "%f[%D]", problem_names[number] .. "%f[^%w_]", sentences[number] },
    cause = device_manager[number][1], remedy = device_manager[number][2],
    source = MICROSOFT .. (number == 12 and "; ReBarUEFI #381" or number == 43 and "; NVIDIA release notes of R465"
      or ""),
  }
end

local bugchecks = {
  { 0x116, "VIDEO_TDR_FAILURE", "the display driver did not answer and could not be restarted" },
  { 0x117, "VIDEO_TDR_TIMEOUT_DETECTED", "the display driver did not answer in time" },
  { 0x119, "VIDEO_SCHEDULER_INTERNAL_ERROR", "the video scheduler had a fatal error, usually in the display driver" },
}

local function bugcheck(row)
  local number, name, text = row[1], row[2], row[3]
  local digits = ("%x"):format(number)
  return {
    code = "windows-bugcheck-" .. digits, severity = "error",
    word = { name, "BCCode", "ugcheck", "ug Check", "0x00000" .. digits, "STOP" },
    match = { name .. "%f[^%w_]", "BCCode:?%s*" .. digits .. "%f[%X]", "[Bb]ug ?[Cc]heck.-0[xX]0*" .. digits
      .. "%f[%X]",
      "STOP:? ?0[xX]0*" .. digits .. "%f[%X]", "^%s*[Ss]top ?[Cc]ode:?%s*0[xX]0*" .. digits .. "%f[%X]" },
    cause = ("Windows stopped with 0x%s (%s): %s."):format(digits, name, text),
    remedy = function(_, session)
      local release = (session.version or ""):match "ESXi? (%d+%.%d+)"
      local old = "pciPassthruN.msiEnabled = \"FALSE\" for the card"
      if release == "5.1" or release == "5.5" then return "On ESXi " .. release .. " set " .. old
        .. "; update the card's driver." end
      if release then return "Update the card's driver; power the VM off and on; compare the MMIO window with the "
        .. "card's BARs." end
      return "Update the card's driver, and compare the MMIO window with the card's BARs. On ESXi 5.1 and 5.5 "
        .. "(hardware version 9 and 10), and only there, " .. old .. " helps: the VM's vmware.log shows the release."
    end,
    source = "Microsoft, Bug check code reference; a public report of ESXi 5.5",
  }
end

local known = { [10] = true, [12] = true, [28] = true, [31] = true, [43] = true }

--- A problem code that passthrough is not known to cause.
local function other_code(captures)
  local number = math.tointeger(tonumber(captures[1]))
  if number then return number > 0 and number < 100 and not known[number] and number end
  for _, name in pairs(problem_names) do
    if captures[1] == name then return false end
  end
  return captures[1]
end

local list = {
  {
    code = "windows-code-other", severity = "error",
    word = code_words(),
    match = { "%([^%s()]+ (%d+)%)", "ConfigManagerErrorCode\"?%s*[:=]%s*(%d+)", "Problem Code%s*:%s*(%d+)",
      "(CM_PROB_[%u_]*%u)" },
    unless = { "CM_PROB_NONE", "CM_PROB_PHANTOM", "%(line %d" },
    detail = function(captures)
      local what = other_code(captures)
      return what and { problem = what } or false
    end,
    cause = function(captures)
      return ("Windows reports problem %s of a device, which passthrough is not known to cause."):format(
        captures[1])
    end,
    remedy = "Look it up in Microsoft's list of Device Manager codes; 22 means disabled by hand, 14 a restart, 52 a "
      .. "driver without a signature, 45 a device that is not there any more.",
    source = MICROSOFT,
  },
  {
    code = "windows-tdr", severity = "warning", word = "stopped responding and has",
    match = "Display driver (%S+) stopped responding and has",
    cause = function(captures) return ("The display driver %s did not answer in time and was "
      .. "restarted."):format(captures[1]) end,
    remedy = "Update the driver; look for an Xid or a reset in the host's vmkernel.log of the same minute.",
    source = "Microsoft, event 4101 (Display)",
  },
  {
    -- the events 13, 14 and 153 of nvlddmkm, which Windows shows without a text of their own
    code = "windows-gpuid", severity = "warning", word = "occurred on GPUID",
    match = { "%f[%a](%a+ TDR) occurred on GPUID: ?%d+", "Error occurred on GPUID: ?%d+" },
    cause = function(captures)
      local kind = captures[1] and captures[1]:match "^(%a+) TDR$"
      return kind and ("NVIDIA's driver for Windows reset the card, which did not answer in time (%s TDR).")
        :format(kind) or "NVIDIA's driver for Windows reports an error of the card."
    end,
    remedy = "Update the driver; look for an Xid or a reset in the host's vmkernel.log of the same minute.",
    source = "Open-Shell/Open-Shell-Menu#2025 (event 153), dartraiden/NVIDIA-patcher#427",
  },
  {
    code = "windows-bugcheck-other", severity = "error", unclear = true, word = { "BCCode", "ugcheck was" },
    match = { "(BCCode:?%s*%x+)", "(bugcheck was: 0x%x+)" },
    unless = { "BCCode:?%s*11[679]%f[%X]", "bugcheck was: 0x0*11[679]%f[%X]" },
    cause = "Windows stopped for another reason than its display driver.", remedy = "Look the stop code up.",
    source = "Microsoft, Bug check code reference",
  },
  {
    code = "card-named", severity = "info", note = "card", word = { "NVIDIA ", "Radeon", "Intel(R) ", "FriendlyName",
      "GeForce" },
    match = { "[Nn]ame\"?%s*:%s*\"?(NVIDIA [^\"]-)\"?,?%s*$", "[Nn]ame\"?%s*:%s*\"?([^\"]-GeForce[^\"]-)\"?,?%s*$",
      "[Nn]ame\"?%s*:%s*\"?([^\"]-Radeon[^\"]-)\"?,?%s*$", "[Nn]ame\"?%s*:%s*\"?(Intel%(R%)[^\"]-)\"?,?%s*$" },
    cause = "The name of the card.", remedy = "See the related finding.",
      source = "Win32_PnPEntity, Win32_VideoController",
  },
  {
    code = "driver-named", severity = "info", note = "driver", word = { "Driver Version", "DriverVersion" },
    match = "[Dd]river ?[Vv]ersion\"?%s*[:=]%s*\"?(%d+%.%d+%.%d+%.%d+)",
    cause = "The version of the driver.", remedy = "See the related finding.", source = "Win32_PnPSignedDriver",
  },
}
for _, number in ipairs { 10, 12, 28, 31, 43 } do list[#list + 1] = problem(number) end
for _, row in ipairs(bugchecks) do list[#list + 1] = bugcheck(row) end
return list
