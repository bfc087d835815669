-- What gpupt writes into an autounattend.xml, held against a schema of its own (unattend.rng, by xmllint) and against
-- Microsoft's public reference: every element is one that the reference has, in a pass that it allows.
local answer = require "gpupt.guest.answer"
local xml = require "gpupt.guest.xml"

-- https://learn.microsoft.com/windows-hardware/customize/desktop/unattend/ + the page, which ends with "Valid configuration
-- passes". An element below one of these rows has its passes.
local PE, OOBE = "windowsPE", "oobeSystem"
local reference = {
  ["Microsoft-Windows-International-Core-WinPE"] = {
    ["SetupUILanguage"] = { PE, "microsoft-windows-international-core-winpe-setupuilanguage" },
    ["SetupUILanguage/UILanguage"] = { PE, "microsoft-windows-international-core-winpe-setupuilanguage-uilanguage" },
    ["InputLocale"] = { PE, "microsoft-windows-international-core-winpe-inputlocale" },
    ["SystemLocale"] = { PE, "microsoft-windows-international-core-winpe-systemlocale" },
    ["UILanguage"] = { PE, "microsoft-windows-international-core-winpe-uilanguage" },
    ["UserLocale"] = { PE, "microsoft-windows-international-core-winpe-userlocale" },
  },
  ["Microsoft-Windows-Setup"] = {
    ["DiskConfiguration"] = { PE, "microsoft-windows-setup-diskconfiguration" },
    ["DiskConfiguration/WillShowUI"] = { PE, "microsoft-windows-setup-diskconfiguration-willshowui" },
    ["DiskConfiguration/Disk"] = { PE, "microsoft-windows-setup-diskconfiguration-disk" },
    ["DiskConfiguration/Disk/DiskID"] = { PE, "microsoft-windows-setup-diskconfiguration-disk-diskid" },
    ["DiskConfiguration/Disk/WillWipeDisk"] = { PE, "microsoft-windows-setup-diskconfiguration-disk-willwipedisk" },
    ["DiskConfiguration/Disk/CreatePartitions"] = { PE, "microsoft-windows-setup-diskconfiguration-disk-createpartitions" },
    ["DiskConfiguration/Disk/CreatePartitions/CreatePartition"] = { PE,
      "microsoft-windows-setup-diskconfiguration-disk-createpartitions-createpartition", { "Order", "Type", "Size", "Extend" } },
    ["DiskConfiguration/Disk/ModifyPartitions"] = { PE, "microsoft-windows-setup-diskconfiguration-disk-modifypartitions" },
    ["DiskConfiguration/Disk/ModifyPartitions/ModifyPartition"] = { PE,
      "microsoft-windows-setup-diskconfiguration-disk-modifypartitions-modifypartition", { "Order", "PartitionID", "Format", "Label", "Letter" } },
    ["ImageInstall"] = { PE, "microsoft-windows-setup-imageinstall" },
    ["ImageInstall/OSImage"] = { PE, "microsoft-windows-setup-imageinstall-osimage" },
    ["ImageInstall/OSImage/InstallFrom"] = { PE, "microsoft-windows-setup-imageinstall-osimage-installfrom" },
    ["ImageInstall/OSImage/InstallFrom/MetaData"] = { PE, "microsoft-windows-setup-imageinstall-osimage-installfrom-metadata",
      { "Key", "Value" } },
    ["ImageInstall/OSImage/InstallTo"] = { PE, "microsoft-windows-setup-imageinstall-osimage-installto", { "DiskID", "PartitionID" } },
    ["UserData"] = { PE, "microsoft-windows-setup-userdata", { "AcceptEula", "FullName", "Organization" } },
    ["UserData/ProductKey"] = { PE, "microsoft-windows-setup-userdata-productkey", { "Key", "WillShowUI" } },
  },
  ["Microsoft-Windows-PnpCustomizationsWinPE"] = {
    ["DriverPaths"] = { PE, "microsoft-windows-pnpcustomizationswinpe-driverpaths" },
    ["DriverPaths/PathAndCredentials"] = { PE, "microsoft-windows-pnpcustomizationswinpe-driverpaths-pathandcredentials", { "Path" } },
  },
  ["Microsoft-Windows-TerminalServices-LocalSessionManager"] = {
    ["fDenyTSConnections"] = { "offlineServicing generalize specialize",
      "microsoft-windows-terminalservices-localsessionmanager-fdenytsconnections" },
  },
  ["Networking-MPSSVC-Svc"] = {
    ["FirewallGroups"] = { "specialize", "networking-mpssvc-svc-firewallgroups" },
    ["FirewallGroups/FirewallGroup"] = { "specialize", "networking-mpssvc-svc-firewallgroups-firewallgroup",
      { "Active", "Group", "Profile" } },
  },
  ["Microsoft-Windows-International-Core"] = {
    ["InputLocale"] = { "oobeSystem specialize", "microsoft-windows-international-core-inputlocale" },
    ["SystemLocale"] = { "oobeSystem specialize", "microsoft-windows-international-core-systemlocale" },
    ["UILanguage"] = { "oobeSystem specialize", "microsoft-windows-international-core-uilanguage" },
    ["UserLocale"] = { "oobeSystem specialize", "microsoft-windows-international-core-userlocale" },
  },
  ["Microsoft-Windows-Shell-Setup"] = {
    ["ComputerName"] = { "offlineServicing specialize", "microsoft-windows-shell-setup-computername" },
    ["TimeZone"] = { "auditSystem oobeSystem specialize", "microsoft-windows-shell-setup-timezone" },
    ["OOBE"] = { OOBE, "microsoft-windows-shell-setup-oobe", { "HideEULAPage", "HideOEMRegistrationScreen", "HideOnlineAccountScreens",
      "HideWirelessSetupInOOBE", "ProtectYourPC" } },
    ["UserAccounts"] = { "auditSystem oobeSystem", "microsoft-windows-shell-setup-useraccounts" },
    ["UserAccounts/AdministratorPassword"] = { "auditSystem oobeSystem",
      "microsoft-windows-shell-setup-useraccounts-administratorpassword", { "Value", "PlainText" } },
    ["UserAccounts/LocalAccounts"] = { "auditSystem oobeSystem", "microsoft-windows-shell-setup-useraccounts-localaccounts" },
    ["UserAccounts/LocalAccounts/LocalAccount"] = { "auditSystem oobeSystem",
      "microsoft-windows-shell-setup-useraccounts-localaccounts-localaccount", { "Name", "Group" } },
    ["UserAccounts/LocalAccounts/LocalAccount/Password"] = { "auditSystem oobeSystem",
      "microsoft-windows-shell-setup-useraccounts-localaccounts-localaccount-password", { "Value", "PlainText" } },
    ["AutoLogon"] = { "auditSystem oobeSystem specialize", "microsoft-windows-shell-setup-autologon",
      { "Enabled", "LogonCount", "Username" } },
    ["AutoLogon/Password"] = { "auditSystem oobeSystem specialize", "microsoft-windows-shell-setup-autologon-password",
      { "Value", "PlainText" } },
    ["FirstLogonCommands"] = { OOBE, "microsoft-windows-shell-setup-firstlogoncommands" },
    ["FirstLogonCommands/SynchronousCommand"] = { OOBE, "microsoft-windows-shell-setup-firstlogoncommands-synchronouscommand",
      { "Order", "CommandLine" } },
  },
}

-- Every way in which the file differs.
local ways = {
  {}, { user = "ops" }, { image = "Windows 11 Pro" }, { image = false, product_key = "AAAAA-BBBBB" }, { drivers = { "E:\\a", "F:\\b" } },
  { tools = false }, { tools = false, commands = { "a" } }, { commands = { "a", "b & c" } }, { rdp = false },
  { organization = "A & B", language = "de-DE", keyboard = "0407:00000407", timezone = "W. Europe Standard Time", disk = 1, esp_mb = 512 },
}

local function made(way)
  local o = { computer_name = "CAD-01", password = "a<b", image = 2 }
  for key, value in pairs(way) do o[key] = value end
  if o.image == false then o.image = nil end
  return assert(answer.windows(o))
end

local function valid(text)
  local path = os.tmpname()
  local f = assert(io.open(path, "w"))
  f:write(text)
  f:close()
  local pipe = assert(io.popen("xmllint --noout --relaxng spec/guest/unattend.rng " .. path .. " 2>&1"))
  local output = pipe:read "a"
  local ok = pipe:close() or false
  os.remove(path)
  return ok, output
end

describe("an autounattend.xml", function()
  it("is valid by the schema, whatever is chosen", function()
    for i, way in ipairs(ways) do
      local ok, output = valid(made(way))
      assert.is_true(ok, i .. ": " .. output)
    end
  end)

  it("is not valid when a setting is in another pass, component or form", function()
    for _, swap in ipairs { { '"specialize"', '"oobeSystem"' }, { "<Size>300", "<Size>99" }, { "Networking%-MPSSVC", "Microsoft-Windows-Networking-MPSSVC" },
      { "<WillWipeDisk>true", "<WillWipeDisk>false" }, { "<LogonCount>1</LogonCount>", "" }, { "amd64", "x86" }, { "CAD%-01", "COMPUTER-NUMBER-ONE" } } do
      local broken, count = made({}):gsub(swap[1], swap[2], 1)
      assert.equal(1, count, swap[1])
      assert.is_false((valid(broken)), swap[1])
    end
  end)

  it("has only elements of the public reference, in passes that it allows", function()
    local seen, missing = {}, {}
    local function walk(component, pass, element, path)
      for _, child in ipairs(element) do
        local at = path == "" and child.name or path .. "/" .. child.name
        local row = reference[component][at]
        if not row then
          local above = reference[component][path]
          for _, name in ipairs(above and above[3] or {}) do row = row or name == child.name and above end
        end
        if not row then
          missing[#missing + 1] = component .. " " .. at
        elseif not (" " .. row[1] .. " "):find(" " .. pass .. " ", 1, true) then
          missing[#missing + 1] = ("%s %s is not of the pass %s (%s)"):format(component, at, pass, row[2])
        end
        seen[component .. " " .. at] = true
        walk(component, pass, child, at)
      end
    end
    for _, way in ipairs(ways) do
      for _, settings in ipairs(xml.all(assert(xml.parse(made(way))), "settings")) do
        for _, one in ipairs(xml.all(settings, "component")) do
          assert.is_truthy(reference[one.attr.name], one.attr.name)
          walk(one.attr.name, settings.attr.pass, one, "")
        end
      end
    end
    assert.same({}, missing)
    for component, rows in pairs(reference) do -- the table has no row that is not used
      for path, row in pairs(rows) do
        assert.is_true(seen[component .. " " .. path] or false, path)
        for _, name in ipairs(row[3] or {}) do assert.is_true(seen[component .. " " .. path .. "/" .. name] or false, path .. "/" .. name) end
      end
    end
  end)
end)
