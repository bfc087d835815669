-- Windows Installer's exit codes and verbose logs, in any language of the guest.
local msi = require "gpupt.guest.msi"

-- A log as msiexec /l*v writes it: UTF-16 with a byte-order mark.
local function utf16(log) return "\xFF\xFE" .. log:gsub("[^\128-\255]", "%0\0") end

local FAILED = table.concat({
  "=== Verbose logging started: 6/25/2024  8:04:10  Build type: SHIP UNICODE 5.00.10011.00 ===",
  "MSI (s) (FC:F4) [08:04:42:754]: PROPERTY CHANGE: Adding VM_PostInstall property. Its value is 'x'.",
  "Action ended 8:04:42: VM_PostInstall_SD.A05FAB36_E570. Return value 1.",
  "MSI (s) (FC!8C) [08:04:46:207]: Closing MSIHANDLE (60) of type 790531 for thread 4492",
  "CustomAction VM_PostInstall returned actual error code 1603",
  "MSI (s) (FC:F4) [08:04:46:250]: Product: VMware Tools -- Error 1722. There is a problem with this package.",
  "",
  "Action ended 8:04:46: InstallFinalize. Return value 3.",
  "MSI (s) (FC:F4) [08:04:46:250]: something later",
  "Action ended 8:04:47: INSTALL. Return value 3.",
  "MSI (s) (FC:F4) [08:04:47:250]: MainEngineThread is returning 1603", "" }, "\r\n")

describe("a log of Windows Installer", function()
  it("tells the first action that failed, with the lines before it and without noise", function()
    local failure = assert(msi.failure(utf16(FAILED)))
    assert.equal("InstallFinalize", failure.action)
    assert.equal(1722, failure.number)
    assert.equal("There is a problem with this package.", failure.said)
    assert.equal("CustomAction VM_PostInstall returned actual error code 1603", failure.lines[#failure.lines - 1])
    for _, line in ipairs(failure.lines) do
      assert.is_nil(line:find "PROPERTY CHANGE")
      assert.is_nil(line:find "MSIHANDLE")
      assert.is_nil(line:find "something later")
    end
  end)

  it("is read in another language, by what is not translated", function()
    local german = FAILED:gsub("Action ended (%S+) ([%w_.]+)%. Return value (%d)%.", "Aktion beendet um %1 %2. Rückgabewert %3.")
      :gsub("Product: VMware Tools %-%- Error 1722%. [^\r]*", "Produkt: VMware Tools -- Fehler 1722. Es liegt ein Problem vor.")
    local outcome = msi.outcome(1603, german)
    assert.equal("InstallFinalize", outcome.action)
    assert.equal("the action InstallFinalize failed: Es liegt ein Problem vor (MSI error 1722)", outcome.meaning)
    assert.matches("a program of the package failed", outcome.remedy)
  end)

  it("of a success has no failed action, and 3 of another kind is none", function()
    assert.is_nil(msi.failure(FAILED:gsub("Return value 3", "Return value 1")))
    assert.is_nil(msi.failure "Action ended 8:04:46: InstallFinalize. Return value 13.\r\n")
    assert.is_nil(msi.failure "MSI (s) (FC:F4) [08:04:46:250]: Note: 1: 2205 2:  3: Error 3.\r\n")
    assert.is_nil(msi.outcome(0, FAILED).action)
  end)

  it("names what to do for numbers that say it", function()
    local full = FAILED:gsub("Error 1722%. There is a problem with this package",
      "Error 1601. Out of disk space -- Volume: 'C:'; required space: 812 KB; available space: 4 KB")
    assert.matches("free space on the guest's system disk", msi.outcome(1603, full).remedy)
    assert.matches("Return value 3", msi.outcome(1603, (FAILED:gsub("Error 1722", "Error 29999"))).remedy)
  end)

  it("lists what each feature is after the installation", function()
    local log = "MSI (s) (FC:F4) [08:04:42:754]: Feature: SVGA; Installed: Local;   Request: Absent;   Action: Absent\r\n"
      .. "MSI (s) (FC:F4) [08:04:42:754]: Feature: VMXNet3; Installed: Absent;   Request: Local;   Action: Local\r\n"
      .. "MSI (s) (FC:F4) [08:04:42:754]: Feature: Audio; Installed: Local;   Request: Null;   Action: Null\r\n"
    assert.same({ SVGA = "Absent", VMXNet3 = "Local", Audio = "Local" }, msi.features(utf16(log)))
    assert.is_nil(msi.features(FAILED))
  end)

  it("is asked for with a path in quotes where it has a blank", function()
    assert.equal([[/l*v C:\Windows\Temp\a.log]], msi.log_words [[C:\Windows\Temp\a.log]])
    assert.equal([[/l*v "C:\a b.log"]], msi.log_words [[C:\a b.log]])
  end)
end)
