-- The Horizon Agent: its command line by version, names of features, the Windows that it supports, and what is read of a
-- guest in any language.
local facts = require "gpupt.facts.horizon_agent"
local horizon = require "gpupt.guest.horizon"

local function line(o) return assert(horizon.command(o)).arguments end

local VMWARE = "Core,ClientDriveRedirection,VmwVaudio,RDP,HelpDesk,PrintRedir,RTAV,TSMMR,V4V,BlastUDP"
local OMNISSA = "Core,ClientDriveRedirection,HznVaudio,RDP,HelpDesk,PrintRedir,RTAV,TSMMR,StorageDriveRedir"

describe("the release of a Horizon Agent", function()
  for _, row in ipairs {
    { "VMware-Horizon-Agent-x86_64-2306-8.10.0-22012512.exe", "8.10.0", "2306" },
    { "VMware-Horizon-Agent-x86_64-2111.1-8.4.0-19066669.exe", "8.4.0", "2111" },
    { "Omnissa-Horizon-Agent-x86_64-2603-8.18.0-24273927036.exe", "8.18.0", "2603" },
    { "Omnissa-Horizon-Agent-x86_64-2406.exe", "8.13.0", "2406" },
    { "8.12.2.45", "8.12.2", "2312" }, { "2512", "8.17.0", "2512" }, { "8.25.0", "8.25.0", nil },
  } do
    it(("is read from %s"):format(row[1]), function()
      local release = assert(horizon.release(row[1]))
      assert.same({ row[2], row[3] }, { release.text, release.name })
    end)
  end

  it("is refused when it cannot be read, and before Horizon 8", function()
    for _, text in ipairs { "agent.exe", "x86_64", "" } do
      local _, message, code = horizon.release(text)
      assert.same({ "EINVAL", true }, { code, message:find("has no version of the Horizon Agent", 1, true) ~= nil })
    end
    local _, message, code = horizon.release "VMware-Horizon-Agent-x86_64-7.13.1-17513139.exe"
    assert.same({ "EREFUSED", "Horizon Agent 7.13.1: only those of Horizon 8 (2006 and later) are supported" }, { code, message })
  end)
end)

describe("the command line of the Horizon Agent's installer", function()
  -- version, options, what is between the quotes
  local managed = "/qn REBOOT=ReallySuppress VDM_VC_MANAGED_AGENT=1 ADDLOCAL="
  for _, row in ipairs {
    { "2306", {}, managed .. VMWARE },
    { "8.13.0", {}, managed .. VMWARE },
    { "2412", {}, managed .. OMNISSA },
    { "8.18.0", {}, managed .. OMNISSA },
    { "8.18.0", { features = { "Core", "USB", "NGVC" } }, managed .. "Core,USB,NGVC" },
    { "8.18.0", { features = { "USB" } }, managed .. "Core,USB" },
    { "8.18.0", { features = { "ALL" }, remove = { "NGVC" } }, managed .. "ALL REMOVE=NGVC" },
    { "8.18.0", { features = { "Core" }, properties = { RDP_CHOICE = 1, ENABLE_UNC_REDIRECTION = "1", INSTALLDIR = "D:\\Agent dir" } },
      managed .. [[Core ENABLE_UNC_REDIRECTION=1 INSTALLDIR=\"D:\Agent dir\" RDP_CHOICE=1]] },
    { "8.18.0", { features = { "Core" }, log = [[C:\Windows\Temp\a.log]] }, managed .. [[Core /l*v C:\Windows\Temp\a.log]] },
    { "8.18.0", { features = { "Core" }, log = [[C:\a b.log]] }, managed .. [[Core /l*v \"C:\a b.log\"]] },
    { "8.18.0", { features = { "Core" }, server = "cs.example", user = [[CORP\joiner]], password = "GPUPT" },
      "/qn REBOOT=ReallySuppress VDM_VC_MANAGED_AGENT=0 VDM_SERVER_NAME=cs.example VDM_SERVER_USERNAME=CORP\\joiner "
      .. [[VDM_SERVER_PASSWORD=\"!GPUPT!\" ADDLOCAL=Core]] },
  } do
    it(("of %s is %s"):format(row[1], row[3]), function()
      row[2].version = row[1]
      assert.equal('/s /v"' .. row[3] .. '"', line(row[2]))
    end)
  end

  it("never names a feature that the release does not have, nor leaves the restart to the installer", function()
    for minor = facts.oldest, facts.newest do
      local text = line { version = ("8.%d.0"):format(minor) }
      assert.equal(minor < 14, text:find("V4V", 1, true) ~= nil, text)
      assert.equal(minor < 14, text:find("VmwVaudio", 1, true) ~= nil, text)
      assert.is_nil(text:find("NGVC", 1, true))
      assert.matches("REBOOT=ReallySuppress", text, 1, true)
      assert.is_nil(text:find("PASSWORD", 1, true))
    end
  end)

  it("refuses unknown features before the call, with the nearest known one", function()
    for _, row in ipairs { { "8.18.0", "Usb", "did you mean 'USB'" }, { "8.18.0", "VmwVaudio", "did you mean 'HznVaudio'" },
      { "8.18.0", "V4V", "8.18.0 has no feature 'V4V'" }, { "8.10.0", "HybridLogon", "8.10.0 has no feature 'HybridLogon'" } } do
      local _, message, code = horizon.command { version = row[1], features = { "Core", row[2] } }
      assert.equal("EINVAL", code)
      assert.matches(row[3], message, 1, true)
    end
    assert.is_true(horizon.check_features { "V4V", "HznVaudio" })
    local _, message = horizon.check_features { "InstantCloneAgent" }
    assert.matches("no Horizon Agent has a feature 'InstantCloneAgent'", message, 1, true)
  end)

  it("says what it assumes", function()
    assert.same({}, assert(horizon.command { version = "8.18.0" }).notes)
    assert.matches("8.16.0 are assumed to be those of a neighbouring release", horizon.command { version = "8.16.0" }.notes[1], 1, true)
    assert.matches("8.30.0 is newer than the newest that is known (2606)", horizon.command { version = "8.30.0" }.notes[1], 1, true)
  end)

  it("takes no property that has another place, and no value that a shell would read", function()
    for name, word in pairs { ADDLOCAL = "use features", REMOVE = "use features", REBOOT = "is always ReallySuppress",
      VDM_SERVER_PASSWORD = "must be a secret", VDM_SERVER_NAME = "use server", RDP_Choice = "public property", ["A B"] = "public property" } do
      assert.matches(word, horizon.property_problem(name, "1"), 1, true)
    end
    for _, value in ipairs { 'a"b', "50%", "a&b", "a|b", "a>b", "a^b", "a!b", "a\nb", true } do
      assert.is_string(horizon.property_problem("X", value))
    end
    for _, value in ipairs { 1, "C:\\Program Files\\x", "ä ö", "a,b;c", "" } do assert.is_nil(horizon.property_problem("X", value)) end
  end)
end)

describe("the password of an unmanaged agent", function()
  it("is put in by cmd.exe from its environment, so that no script has it", function()
    local command = horizon.command { version = "8.18.0", features = { "Core" }, server = "cs", user = "u", password = "GPUPT_SECRET" }
    local program = horizon.program(command, [[C:\Windows\Temp\agent.exe]], true)
    assert.equal([[C:\Windows\System32\cmd.exe]], program.program)
    assert.equal([[/d /v:on /s /c ""C:\Windows\Temp\agent.exe" ]] .. command.arguments .. '"', program.arguments)
    local _, quotes = program.arguments:gsub('"', "")
    assert.equal(0, quotes % 2) -- what follows in the script (redirections) is outside of quotes
  end)

  it("has no quote and no backslash at its end", function()
    for _, password in ipairs { 'a"b', "a\\", "a\nb" } do assert.is_string(horizon.password_problem(password)) end
    for _, password in ipairs { "p&|<>^%!'()=;,", "pä ß", "a\\b", " x " } do assert.is_nil(horizon.password_problem(password)) end
  end)
end)

describe("Windows against the Horizon Agent", function()
  local function verdict(build, agent) return horizon.windows(build, assert(horizon.release(agent))) end

  it("needs 2512 for 25H2, 2406 for 24H2 or 2312.2", function()
    assert.same({ true }, { verdict(26200, "8.17.0") })
    local ok, message, code = verdict(26200, "8.16.0")
    assert.same({ nil, "EREFUSED" }, { ok, code })
    assert.equal("Windows 11 25H2 needs Horizon Agent 2512 (8.17) or later, and this is Horizon Agent 8.16.0 (2506) (Omnissa KB 78714)",
      message)
    assert.same({ true }, { verdict(26100, "8.13.0") })
    assert.same({ true }, { verdict(26100, "8.12.2") })
    assert.is_nil((verdict(26100, "8.12.1")))
  end)

  it("warns of what is from memory or not listed yet, and refuses one that is not for VMs", function()
    local ok, note = verdict(22631, "8.4.0")
    assert.same({ true, true }, { ok, note:find("from memory", 1, true) ~= nil })
    ok, note = verdict(26300, "8.19.0")
    assert.same({ true, true }, { ok, note:find("not in the vendor's list of any", 1, true) ~= nil })
    ok, note = verdict(17763, "8.18.0")
    assert.same({ true, true }, { ok, note:find("build 17763 is not known", 1, true) ~= nil })
    assert.is_nil((verdict(28000, "8.19.0")))
  end)
end)

describe("what a guest says about its agent", function()
  local function result(out, status) return { out = out, err = "", status = status or 0 } end
  local missing = result("FEHLER: Der angegebene Registrierungsschlüssel bzw. Wert wurde nicht gefunden.\r\n", 1)
  local uninstall = "\r\nHKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Uninstall\\{F32C}\r\n"
    .. "    DisplayName    REG_SZ    VMware Tools\r\n    DisplayVersion    REG_SZ    12.4.0.23259341\r\n\r\n"
    .. "HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Uninstall\\{8E9A}\r\n"
    .. "    DisplayName    REG_SZ    Omnissa Horizon Agent\r\n    EstimatedSize    REG_DWORD    0x41\r\n"
    .. "    DisplayVersion    REG_SZ    8.18.0.24273927036\r\n\r\nEnde der Suche: 7 Übereinstimmungen gefunden.\r\n"

  it("is read in German as well, of Omnissa's key", function()
    local seen = horizon.read { result "\r\nMicrosoft Windows [Version 10.0.26200.6584]\r\n", missing,
      result("\r\nHKEY_LOCAL_MACHINE\\SOFTWARE\\Omnissa\\Horizon\\Installer\\Features_HorizonAgent\r\n    Core    REG_SZ    Local\r\n"
        .. "    USB    REG_SZ    Absent\r\n    Name with blanks    REG_SZ    Local\r\n"), result(uninstall),
      result("\r\nSERVICE_NAME: WSNM \r\n        TYPE               : 10  WIN32_OWN_PROCESS  \r\n"
        .. "        STATUS             : 4  RUNNING \r\n        WIN32_BEENDENCODE  : 0  (0x0)\r\n") }
    assert.same({ build = 26200, version = "8.18.0.24273927036", features = { Core = true, ["Name with blanks"] = true },
      service = true, running = true }, seen)
    assert.same({}, horizon.missing(seen, horizon.release "8.18.0", { "Core" }))
    assert.same({ "the guest has Horizon Agent 8.18.0, not 8.17.0", "feature USB is not installed" },
      horizon.missing(seen, horizon.release "2512", { "Core", "USB", "ALL" }))
  end)

  it("is nothing before the installation", function()
    local seen = horizon.read { result "Microsoft Windows [Version 10.0.20348.587]", missing, missing, result "", missing }
    assert.same({ build = 20348, service = false, running = false }, seen)
    assert.same({ "the guest has no Horizon Agent 8.18.0", "feature Core is not installed",
      "there is no service WSNM" }, horizon.missing(seen, horizon.release "8.18.0", { "Core" }))
  end)

  it("is a service that waits for the reboot", function()
    local seen = horizon.read { result "", missing, missing, result(uninstall), result "SERVICE_NAME: WSNM\n   TYPE : 10 WIN32\n   STATE : 1  STOPPED\n" }
    assert.same({ true, false }, { seen.service, seen.running })
    assert.same({ "the service WSNM does not run" }, horizon.missing(seen, horizon.release "8.18.0", {}))
  end)
end)
