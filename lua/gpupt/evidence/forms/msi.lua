--- Logs of the Windows Installer (msiexec /l*v) and of VMware Tools' own installation (vminst.log).
-- Public samples: Microsoft's troubleshooting page of Entra Connect (MSI (s) ... MainEngineThread is returning 1603),
-- Broadcom KB 429809 (vminst.log's lines), ivobeerens.nl 2022-04-14 (error 2711 of a feature that is not there).
local msi_log = require "gpupt.guest.msi"

local msi = {}

local FORM = "msiexec log"

local function product_of(doc)
  for i, line in ipairs(doc.lines) do
    local name, version = line:match "Product Name: (.-)%. Product Version: ([%d.]+)%."
    if name then return name, version, i end
  end
  for i, line in ipairs(doc.lines) do
    local name = line:match "Product: (.-) %-%- "
    if name then return name, nil, i end
  end
end

local function read_msi(doc)
  local product, version, at = product_of(doc)
  if at then
    if product:find "VMware Tools" then
      doc:version(FORM, at, "vmware-tools", version or "?")
    elseif product:find "Horizon" and version then
      doc:version(FORM, at, "horizon-agent", version)
    end
  end
  local code, line_of_code, feature, failed
  for i, line in ipairs(doc.lines) do
    local exit = line:match "MainEngineThread is returning (%-?%d+)"
      or line:match "success or error status: (%d+)%."
    if exit then
      -- the client repeats the server's code: the last one is what the caller got
      code, line_of_code = math.tointeger(tonumber(exit)), i
    end
    feature = feature or line:match "1: 2711 2: ([%w_]+)"
    failed = failed or msi_log.failed_action(line)
    if exit or line:find "^MSI %([sca]%)" or line:find "^Action %a+ [%d:]+" or line:find "^Property%([SC]%)"
      or line:find "Verbose logging st" or line:find "^=== Logging st" then
      doc:take(FORM, i)
    end
  end
  if not code then return end
  local outcome = msi_log.outcome(code)
  doc:exit(FORM, line_of_code, { program = product or "msiexec", code = code, name = outcome.name,
    success = outcome.success, reboot = outcome.reboot or nil, meaning = outcome.meaning, feature = feature,
    action = failed })
  if not outcome.success then
    local cause = ("The installation of %s ended with %d (%s)."):format(product or "a product", code,
      outcome.name or "?")
    local remedy = outcome.meaning and outcome.meaning:gsub("^%l", string.upper):gsub("%.?$", ".")
    if feature then
      cause = ("The installation of %s ended with %d: it names the feature %s, which this package does not have "
        .. "(2711)."):format(product or "a product", code, feature)
      remedy = ("Remove %s from ADDLOCAL and REMOVE; names are case-sensitive."):format(feature)
    elseif doc.text:find "0[xX]800[fF]0246" then
      -- Broadcom KB 318796: two installers change the same drivers at once
      cause = cause .. " Windows installed updates at the same time (0x800f0246)."
      remedy = "Let Windows finish its updates and restart, then run the installer of VMware Tools again and choose "
        .. "Repair."
    elseif failed then
      cause = cause .. (" The action that failed is %s."):format(failed)
      remedy = ("Read the lines above \"Action ended ...: %s. Return value 3.\""):format(failed)
    end
    doc:sign(FORM, line_of_code, { code = "installer-failed", severity = "error", cause = cause, remedy = remedy })
  elseif outcome.reboot then
    doc:sign(FORM, line_of_code, { code = "installer-reboot", severity = "info",
      cause = ("%s is installed and needs a restart (%d)."):format(product or "The product", code),
      remedy = "Restart the guest." })
  end
end

-- 2024-01-01T10:00:00.444+TZ| VMToolsUtil-build-24896162| E1: text
local function read_vminst(doc)
  local form, errors, first = "vminst.log", 0, nil
  for i, line in ipairs(doc.lines) do
    local build, level, said = line:match "^%S+|%s[%w_]+%-build%-(%d+)|%s*(%a)%d:%s*(.*)$"
    if build and doc:free(i) then
      doc:take(form, i)
      if level == "E" or said:find "^ERROR" then
        errors, first = errors + 1, i
      end
    end
  end
  if errors > 0 then
    doc:sign(form, first, { code = "tools-installer-error", severity = "warning",
      cause = ("The installer of VMware Tools logged %d error%s, this one last."):format(errors,
        errors == 1 and "" or "s"),
      remedy = "Look at the exit code of the installation, and at the MSI log (vmmsi.log) next to this file." })
  end
end

local function read(doc)
  if doc.text:find("MSI (", 1, true) or doc.text:find("MainEngineThread", 1, true)
    or doc.text:find("error status: ", 1, true) then
    read_msi(doc)
  end
  if doc.text:find("-build-", 1, true) then read_vminst(doc) end
end

msi.form = {
  form = "msi", title = "logs of msiexec and of VMware Tools' installation (vminst.log, vmmsi.log)",
  how = "msiexec ... /l*v LOG; setup.exe /s /v\"/qn /l*v LOG\"; %TEMP%\\vminst.log, %TEMP%\\vmmsi.log",
  facts = "product and version, exit code with its meaning, a feature that is not there (2711), the action that failed",
  source = "learn.microsoft.com (Entra Connect), Broadcom KB 429809, ivobeerens.nl 2022-04-14",
  words = { "MSI (", "MainEngineThread", "-build-", "error status: " },
  read = read,
}

return msi
