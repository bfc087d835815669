--- Windows Installer: what an exit code means, and what a verbose log (/l*v) says about a failure.
-- Nothing here talks to a guest: gpupt.step.guest_msi runs an installer and passes the code and the log.
--
--   local msi = require "gpupt.guest.msi"
--   msi.outcome(3010)             --> { code = 3010, success = true, reboot = true, meaning = "..." }
--   msi.outcome(1603, log)        --> { ..., action = "VM_InstallDriver", lines = { ... }, meaning = "..." }
--   msi.features(log)             --> { SVGA = "Absent", VMXNet3 = "Local", ... } after the installation
--
-- A log is in the guest's language: action names, feature names and numbers are not, so only these are read.
-- Sources: Microsoft, "Windows Installer error codes" (exit codes), "Logging of Action Return Values" (3: a fatal
-- error), "Windows Installer error messages" (the numbers in the log).
local text = require "gpupt.text"

local msi = {}

-- success: the product is installed. retry: the same command is likely to work later.
local outcomes = {
  [0] = { "ERROR_SUCCESS", success = true, meaning = "installed" },
  [1601] = { "ERROR_INSTALL_SERVICE_FAILURE", retry = true,
    meaning = "the Windows Installer service could not be reached" },
  [1602] = { "ERROR_INSTALL_USEREXIT", meaning = "the installation was cancelled by a user" },
  [1603] = { "ERROR_INSTALL_FAILURE",
    meaning = "a fatal error; a wrong feature name (MSI error 2711) has this code too",
    remedy = "search the MSI log for 'Return value 3' and 2711" },
  [1605] = { "ERROR_UNKNOWN_PRODUCT", meaning = "the product to be changed is not installed" },
  [1618] = { "ERROR_INSTALL_ALREADY_RUNNING", retry = true, meaning = "another installation is running" },
  [1619] = { "ERROR_INSTALL_PACKAGE_OPEN_FAILED", meaning = "the package could not be opened",
    remedy = "check that its file, or the CD that it is on, is still there" },
  [1625] = { "ERROR_INSTALL_PACKAGE_REJECTED", meaning = "a group policy forbids this installation" },
  [1633] = { "ERROR_INSTALL_PLATFORM_UNSUPPORTED", meaning = "the package is for another platform",
    remedy = "use the installer for this Windows: of Tools, setup64.exe, or setup.exe since 12.5" },
  [1638] = { "ERROR_PRODUCT_VERSION", meaning = "another version of the product is already installed" },
  [1639] = { "ERROR_INVALID_COMMAND_LINE", meaning = "the command line is wrong" },
  [1641] = { "ERROR_SUCCESS_REBOOT_INITIATED", success = true, reboot = true, rebooting = true,
    meaning = "installed; the guest is rebooting" },
  [2711] = { "MSI 2711", meaning = "a feature name in ADDLOCAL or REMOVE does not exist in this installer" },
  [3010] = { "ERROR_SUCCESS_REBOOT_REQUIRED", success = true, reboot = true,
    meaning = "installed; a reboot is required" },
}

-- Numbers of messages in a log that say what to do.
local errors = {
  [1304] = { "a file could not be written", "check that the disk is not full and the file is not in use" },
  [1601] = { "the disk is full", "free space on the guest's system disk" },
  [1714] = { "the older version cannot be removed", "remove it in the guest, then run again" },
  [1720] = { "a script of the package cannot be run", "check that Windows Script Host is not disabled" },
  [1721] = { "a program of the package cannot be run", "see the lines of the log" },
  [1722] = { "a program of the package failed", "see the lines of the log" },
  [1723] = { "a library of the package cannot be loaded", "see the lines of the log" },
  [1920] = { "a service does not start", "look at the guest's event log" },
  [1921] = { "a service does not stop", "stop it, or restart the guest" },
  [1923] = { "a service cannot be installed", "restart the guest: the older service may wait for its removal" },
  [1925] = { "the account may not install for all users", "use an account that is an administrator" },
}

--- The feature name that an MSI log reports as wrong, or nil. Windows Installer has three forms:
-- "Error 2711. The specified Feature name ('X') not found in Feature table.", "The error code is 2711. The
-- arguments are: X, , " and "Note: 1: 2711 2: X".
function msi.wrong_feature(log)
  for line in text.lines(log) do
    if line:find "2711" then
      local name = line:match "[Ff]eature name %('?([%w_]+)'?%)" or line:match "arguments are: ([%w_]+)"
        or line:match "2711 2: ([%w_]+)"
      if name then return name end
    end
  end
end

-- What the installer writes about itself, which explains no failure.
local noise = { "PROPERTY CHANGE: ", "Skipping action: ", "Closing MSIHANDLE", "Creating MSIHANDLE", "Executing op: ",
  "Doing action: ", "Invoking remote custom action", "Note: 1: " }

local function is_noise(line)
  if not line:find "%S" then return true end
  for _, one in ipairs(noise) do
    if line:find(one, 1, true) then return true end
  end
  return false
end

local CONTEXT = 4

--- The action that ended with a fatal error, by a line of a log such as "Action ended 8:04:46: InstallFinalize. Return
-- value 3.", in the guest's language; nil for other lines.
function msi.failed_action(line)
  return line:match "%d%d?[:.]%d%d[:.]%d%d: ([%w_.]+)%. %D+ 3%.?%s*$"
end

--- The first action that ended with 3 (a fatal error): { action =, lines = { what the log says before it }, number = of
-- the message, said = the message }; nil if the log names none.
function msi.failure(log)
  local before, number, said = {}, nil, nil
  for line in text.lines(log) do
    local action = msi.failed_action(line)
    if action then return { action = action, lines = before, number = number, said = said } end
    if not is_noise(line) then
      before[#before + 1] = text.trim(line):sub(1, 300)
      if #before > CONTEXT then table.remove(before, 1) end
      -- "Product: VMware Tools -- Error 1722. There is a problem ...", in the guest's language
      local found, message = line:match "%-%- %S+ (%d%d%d%d+)%.%s*(.*)$"
      if found then number, said = math.tointeger(tonumber(found)), text.trim(message):sub(1, 200) end
    end
  end
end

--- The features after the installation, by name: "Local", "Absent", "Advertise"... The log lists what each was, what
-- was requested and what is done (Null: nothing, so it stays).
function msi.features(log)
  local states, any = {}, false
  for line in text.lines(log) do
    local name, was, action = line:match "Feature: ([%w_.]+); Installed: (%a+); +Request: %a+; +Action: (%a+)"
    if name then
      states[name], any = action == "Null" and was or action, true
    end
  end
  return any and states or nil
end

local function shown(code)
  if code < 0 or code > 0xffff then return ("0x%08X"):format(code & 0xffffffff) end
  return tostring(code)
end

-- Adds what the log says about a failure.
local function explain(result, log)
  local wrong = msi.wrong_feature(log)
  if wrong then
    result.feature = wrong
    result.meaning = ("the installer has no feature '%s' (MSI error 2711)"):format(wrong)
    result.remedy = ("remove %s from REMOVE or ADDLOCAL: the names differ between releases and are case-sensitive")
      :format(wrong)
    return
  end
  local failure = msi.failure(log)
  if not failure then return end
  result.action, result.lines = failure.action, failure.lines
  local known = errors[failure.number]
  result.meaning = ("the action %s failed%s"):format(failure.action, failure.said
    and (": %s (MSI error %d)"):format(failure.said:gsub("%.$", ""), failure.number) or "")
  result.remedy = known and ("%s: %s"):format(known[1], known[2])
    or "see the lines before 'Return value 3' in the MSI log"
end

--- What an exit code means: { code=, name=, success=, reboot=, rebooting=, retry=, meaning=, remedy= }. `log`
-- (optional) is the MSI log of a failure: it adds feature= (a wrong name), or action= and lines=. An unknown code is
-- not a success. A negative or unsigned 32-bit code (such as 0xC0000005) is shown in hexadecimal.
function msi.outcome(exit_code, log)
  local known = outcomes[exit_code] or { "UNKNOWN" }
  local result = {
    code = exit_code, name = known[1], success = known.success == true, reboot = known.reboot == true,
    rebooting = known.rebooting == true, retry = known.retry == true, meaning = known.meaning,
    remedy = known.remedy,
  }
  if not known.meaning then
    result.meaning = ("exit code %s, which is not a Windows Installer code"):format(shown(exit_code))
  end
  if log and not result.success then explain(result, log) end
  return result
end

--- The words for msiexec that write a verbose log.
function msi.log_words(path)
  return path:find "%s" and ('/l*v "%s"'):format(path) or "/l*v " .. path
end

return msi
