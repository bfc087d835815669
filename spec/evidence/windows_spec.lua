local evidence = require "gpupt.evidence"

local function read(text) return assert(evidence.read({ text = text, name = "t.txt" })) end
local T4 = [[PCI\VEN_10DE&DEV_1EB8&SUBSYS_12A210DE&REV_A1\3&2B8E0B4B&0&80]]

local TABLE = [[
PS C:\Users\admin> Get-PnpDevice -Class Display

Status     Class           FriendlyName                                                                     InstanceId
------     -----           ------------                                                                     ----------
Error      Display         NVIDIA Tesla T4                                                                  PCI\VEN_10DE...
OK         Display         VMware SVGA 3D                                                                   PCI\VEN_15AD...


]]

describe("Get-PnpDevice", function()
  it("is read as a table, ids cut off or not", function()
    local cut = read(TABLE)
    assert.equal("PS C:\\Users\\admin> Get-PnpDevice -Class Display", cut.commands[1] and "PS C:\\Users\\admin> " .. cut.commands[1].text)
    local full = read((TABLE:gsub("PCI\\VEN_10DE%.%.%.", (T4:gsub("%%", "%%%%"))):gsub("PCI\\VEN_15AD%.%.%.", "PCI\\VEN_15AD&DEV_0405&REV_00\\3")))
    assert.equal("Get-PnpDevice", full.forms[1].form)
    local card = full.cards[1]
    assert.same({ 0x10de, 0x1eb8, 0x10de, 0x12a2, "Error", 0x0300, "NVIDIA Tesla T4", "guest", 5 }, { card.vendor, card.device,
      card.subvendor, card.subdevice, card.state, card.class, card.name, card.where, card.line })
    assert.equal(2, #full.cards)
  end)

  it("is read when its blanks were run together", function()
    local result = read("Status Class FriendlyName InstanceId\n------ ----- ------------ ----------\nError Display NVIDIA Tesla T4 " .. T4 .. "\n")
    assert.same({ 0x1eb8, "Error", "NVIDIA Tesla T4" }, { result.cards[1].device, result.cards[1].state, result.cards[1].name })
  end)

  it("is read as a list, in UTF-16, with names in any language", function()
    local list = "Caption                : NVIDIA Tesla T4 グラフィックス\nStatus                 : Error\nProblem                : "
      .. "CM_PROB_FAILED_POST_START\nInstanceId             : " .. T4 .. "\nClass                  : Display\n"
      .. "LocationInfo           : PCI bus 11, device 0, function 0\n"
    local bytes = "\xFF\xFE"
    for _, code in utf8.codes((list:gsub("\n", "\r\n"))) do bytes = bytes .. string.pack("<I2", code) end
    local result = read(bytes)
    assert.same({ 43, 0x1eb8, "0000:0b:00.0" }, { result.cards[1].problem_code, result.cards[1].device, result.cards[1].address })
    assert.equal("utf-16", result.damage[1].code)
  end)

  it("keeps records apart that have no empty line between them", function()
    local result = read("InstanceId : " .. T4 .. "\nProblem : 12\nInstanceId : " .. T4:gsub("1EB8", "20B5") .. "\nProblem : 0\n")
    assert.same({ 2, 12, 0x20b5, 0 }, { #result.cards, result.cards[1].problem_code, result.cards[2].device, result.cards[2].problem_code })
  end)
end)

describe("Win32_VideoController and Win32_PnPEntity", function()
  it("are read as a list; NVIDIA's release is computed from Windows' number", function()
    local result = read("Name                   : NVIDIA GeForce RTX 2080 Ti\nDriverVersion          : 31.0.15.3713\nPNPDeviceID            : "
      .. [[PCI\VEN_10DE&DEV_1E07&SUBSYS_37111462&REV_A1\4&2B]] .. "\nConfigManagerErrorCode : 43\n")
    local card = result.cards[1]
    assert.same({ 0x1e07, 43, "31.0.15.3713", "537.13" }, { card.device, card.problem_code, card.driver_version, card.driver_release })
    assert.equal("537.13", result.software[1].version)
  end)

  it("are read without an id, by name and driver", function()
    local result = read("Name: NVIDIA GeForce RTX 2080 Ti\nDriver Version: 31.0.15.3713\nConfigManagerErrorCode : 43\n")
    assert.same({ 0x10de, 43, "537.13" }, { result.cards[1].vendor, result.cards[1].problem_code, result.cards[1].driver_release })
  end)

  it("are read as CSV, with quotes and any separator", function()
    for _, text in ipairs { '"Name","ConfigManagerErrorCode","DeviceID"\r\n"NVIDIA Tesla T4","43","' .. T4 .. '"\r\n',
      "Name;ConfigManagerErrorCode;DeviceID\nNVIDIA Tesla T4;43;" .. T4 .. "\n",
      "Node,ConfigManagerErrorCode,DeviceID,Name\r\n\r\nVM1,43," .. T4 .. ",NVIDIA Tesla T4\r\n" } do
      local result = read(text)
      assert.same({ 43, 0x1eb8, "NVIDIA Tesla T4" }, { result.cards[1].problem_code, result.cards[1].device, result.cards[1].name })
    end
  end)

  it("are read from wmic", function()
    local result = read("ConfigManagerErrorCode  DeviceID" .. (" "):rep(#T4 - 8) .. "  Name\r\n43                      " .. T4
      .. "  NVIDIA Tesla T4\r\n\r\n")
    assert.same({ 43, 0x1eb8, "NVIDIA Tesla T4" }, { result.cards[1].problem_code, result.cards[1].device, result.cards[1].name })
    result = read("ConfigManagerErrorCode=43\r\nDeviceID=" .. T4 .. "\r\nName=NVIDIA Tesla T4\r\n")
    assert.same({ 43, 0x1eb8 }, { result.cards[1].problem_code, result.cards[1].device })
  end)

  it("are read as JSON", function()
    local id = T4:gsub("\\", "\\\\"):gsub("&", "\\u0026")
    local result = read('[\n    {\n        "Name":  "NVIDIA Tesla T4",\n        "DeviceID":  "' .. id
      .. '",\n        "ConfigManagerErrorCode":  43\n    }\n]\n')
    assert.same({ 43, 0x1eb8, 4 }, { result.cards[1].problem_code, result.cards[1].device, result.cards[1].line })
  end)
end)

describe("pnputil", function()
  local ENGLISH = "Microsoft PnP Utility\n\nInstance ID:                " .. T4 .. "\nDevice Description:         NVIDIA Tesla T4\n"
    .. "Class Name:                 Display\nClass GUID:                 {4d36e968-e325-11ce-bfc1-08002be10318}\n"
    .. "Manufacturer Name:          NVIDIA\nStatus:                     Problem\nProblem Code:               43 (0x2B) [CM_PROB_FAILED_POST_START]\n"
    .. "Driver Name:                oem12.inf\n\n"
  local GERMAN = "Microsoft-PnP-Hilfsprogramm\n\nInstanz-ID:                 " .. T4 .. "\nGerätebeschreibung:         NVIDIA Tesla T4\n"
    .. "Klassenname:                Display\nKlassen-GUID:               {4d36e968-e325-11ce-bfc1-08002be10318}\n"
    .. "Herstellername:             NVIDIA\nStatus:                     Problem\nProblemcode:                43 (0x2B) [CM_PROB_FAILED_POST_START]\n"
    .. "Treibername:                oem12.inf\n\n"
  for language, text in pairs { English = ENGLISH, German = GERMAN } do
    it("is read in " .. language, function()
      local result = read(text)
      assert.equal("pnputil", result.forms[1].form)
      local card = result.cards[1]
      assert.same({ 1, 0x1eb8, 43, "oem12.inf", "NVIDIA Tesla T4", 0x0300, 9 }, { #result.cards, card.device, card.problem_code,
        card.inf, card.name, card.class, card.line })
    end)
  end
end)

describe("PowerCLI", function()
  local LIST = [[
Bus      : 97
ClassId  : 2880
DeviceId : 14280
Function : 0
Slot     : 0
State    : Active
VendorId : -32634
Uid      : /VIServer=root@192.0.2.10:443/PassthroughDevice=HostSystem-host-28-<class> Co-processor-0000:61:00.0/
VMHostId : HostSystem-host-28
Name     : <class> Co-processor
]]
  for how, text in pairs { ["as a list"] = LIST, ["through Write-Debug, broken at a width"] =
    ("\n" .. LIST):gsub("\n", "\nDEBUG: "):gsub("(HostSystem%-host%-28%-)", "%1\n") } do
    it("Get-PassthroughDevice is read " .. how, function()
      local result = read(text)
      assert.equal("Get-PassthroughDevice", result.forms[1].form)
      local card = result.cards[1]
      assert.same({ "0000:61:00.0", 0x8086, 0x37c8, 0x0b40, "Active", true, "host" }, { card.address, card.vendor, card.device,
        card.class, card.state, card.active, card.where })
    end)
  end

  it("Get-PassthroughDevice is read as a table", function()
    local result = read("Bus Slot Function VendorId DeviceId ClassId State    Name\n--- ---- -------- -------- -------- ------- -----    ----\n"
      .. " 59    0        0     4318     7864     770 Active   TU104GL [Tesla T4]\n-127   0        0     4318     8373     770 Inactive GA100\n")
    assert.same({ "0000:3b:00.0", 0x1eb8, "0000:81:00.0", 0x20b5, "Inactive" }, { result.cards[1].address, result.cards[1].device,
      result.cards[2].address, result.cards[2].device, result.cards[2].state })
  end)

  it("Get-VMHostPciDevice is read", function()
    local result = read("DeviceClass  : DisplayController\nDeviceName   : TU104GL [Tesla T4]\nVendorName   : NVIDIA Corporation\nBus          : 59\n"
      .. "DeviceId     : 7864\nVendorId     : 4318\nSubDeviceId  : 4770\nSubVendorId  : 4318\nId           : 0000:3b:00.0\n")
    assert.equal("Get-VMHostPciDevice", result.forms[1].form)
    assert.same({ "0000:3b:00.0", 0x10de, 0x1eb8, 0x0300 }, { result.cards[1].address, result.cards[1].vendor, result.cards[1].device,
      result.cards[1].class })
  end)

  it("Get-EsxCli hardware.pci.list is read", function()
    local result = read("Address          : 0000:3b:00.0\nVendorID         : 0x10de\nDeviceID         : 0x1eb8\nDeviceClass      : 0x0302\n"
      .. "PassthruCapable  : true\nConfiguredOwner  : VM Passthru\nCurrentOwner     : VMkernel\nResetMethod      : Bridge reset\nFPTSharable      : true\n")
    local card = result.cards[1]
    assert.same({ true, "Bridge reset", "VMkernel", 0x0302, true }, { card.capable, card.reset_method, card.owner, card.class, card.sharable })
  end)
end)

describe("an installer's log", function()
  local LOG = "=== Verbose logging started: 11/3/2025  10:00:00  Build type: SHIP UNICODE 5.00.10011.00 ===\n"
    .. "MSI (c) (A8:2C) [10:00:00:123]: Client-side and UI is none or basic\nMSI (s) (84:34) [10:00:05:125]: Note: 1: 2711 2: AppDefense \n"
    .. "Action ended 10:00:05: InstallFinalize. Return value 3.\n"
    .. "MSI (s) (84:34) [10:00:06:125]: Windows Installer installed the product. Product Name: VMware Tools. Product Version: 12.4.0.23259341. "
    .. "Product Language: 1033. Manufacturer: VMware, Inc.. Installation success or error status: 1603.\n"
    .. "MSI (s) (84:34) [10:00:06:126]: MainEngineThread is returning 1603\n"
  local function utf16(text) return "\xFF\xFE" .. text:gsub("\n", "\r\n"):gsub(".", "%0\0") end
  for how, text in pairs { ["as msiexec writes it"] = utf16(LOG), ["as UTF-8"] = LOG } do
    it("gives product, exit code and the feature that is not there, " .. how, function()
      local result = read(text)
      local exit = result.exits[1]
      assert.same({ "VMware Tools", 1603, false, "AppDefense", 6 }, { exit.program, exit.code, exit.success, exit.feature, exit.line })
      assert.same({ "vmware-tools", "12.4.0.23259341" }, { result.software[1].what, result.software[1].version })
      assert.matches("AppDefense", result.signs[1].cause, 1, true)
    end)
  end

  it("of success gives no sign; of 3010 a restart", function()
    local done = LOG:gsub("Note: 1: 2711 2: AppDefense", "x"):gsub("Return value 3", "Return value 1"):gsub("1603", "0")
    assert.same({}, read(done).signs)
    assert.equal("installer-reboot", read((done:gsub("returning 0", "returning 3010"))).signs[1].code)
  end)

  it("vminst.log's errors are counted", function()
    local result = read("2025-01-01T10:00:00.246+00:00| VMToolsUtil-build-24896162| I0: --- VMInstall()\n"
      .. "2025-01-01T10:00:01.246+00:00| VMToolsUtil-build-24896162| E1: Service could not be opened: ERROR_SERVICE_DOES_NOT_EXIST\n")
    assert.equal("vminst.log", result.forms[1].form)
    assert.equal("tools-installer-error", result.signs[1].code)
  end)
end)

describe("Get-PnpDevice with its ids cut off", function()
  it("still tells the vendor, and the model by its name", function()
    local result = read(TABLE)
    assert.same({ 0x10de, 0x1eb8, "Error", 0x0300 }, { result.cards[1].vendor, result.cards[1].device, result.cards[1].state,
      result.cards[1].class })
    assert.equal(0x15ad, result.cards[2].vendor)
  end)
end)

describe("esxcli's CSV", function()
  it("is read", function()
    local result = read("Address,Bus,ConfiguredOwner,CurrentOwner,DeviceClass,DeviceID,DeviceName,PassthruCapable,ResetMethod,VendorID,\n"
      .. "0000:3b:00.0,59,VM Passthru,VM Passthru,770,7864,TU104GL [Tesla T4],true,Bridge reset,4318,\n")
    local card = result.cards[1]
    assert.same({ "0000:3b:00.0", 0x10de, 0x1eb8, 0x0302, true, "Bridge reset" }, { card.address, card.vendor, card.device, card.class,
      card.capable, card.reset_method })
  end)
end)

describe("Get-PnpDevice, wrapped", function()
  it("has its values put together again", function()
    local result = read("Status Class   FriendlyName    InstanceId\n------ -----   ------------    ----------\n"
      .. "Error  Display NVIDIA Tesla T4 PCI\\VEN_10DE&DEV_1EB8&SUBSYS_12A2\n                               10DE&REV_A1\\3&2B8E0B4B&0&80\n"
      .. "OK     Display VMware SVGA 3D  PCI\\VEN_15AD&DEV_0405\n")
    assert.same({ 2, 0x1eb8, 0x10de, 0x12a2, "NVIDIA Tesla T4" }, { #result.cards, result.cards[1].device, result.cards[1].subvendor,
      result.cards[1].subdevice, result.cards[1].name })
  end)
end)

describe("Get-PnpDeviceProperty", function()
  it("gives one card of its rows", function()
    local result = read("InstanceId KeyName                      Type       Data\n---------- -------                      ----       ----\n"
      .. "PCI\\VEN_... DEVPKEY_Device_DeviceDesc    String     NVIDIA Tesla T4\n"
      .. "PCI\\VEN_... DEVPKEY_Device_HardwareIds   StringList {PCI\\VEN_10DE&DEV_1EB8&SUBSYS_12A210DE&REV_A1, PCI\\VEN_10DE}\n"
      .. "PCI\\VEN_... DEVPKEY_Device_ProblemCode   UInt32     43\nPCI\\VEN_... DEVPKEY_Device_Class         String     Display\n")
    assert.equal("Get-PnpDeviceProperty", result.forms[1].form)
    assert.same({ 1, 0x1eb8, 43, "NVIDIA Tesla T4", 0x0300, 5 }, { #result.cards, result.cards[1].device, result.cards[1].problem_code,
      result.cards[1].name, result.cards[1].class, result.cards[1].line })
  end)
end)

describe("lshw", function()
  it("gives the displays of a guest", function()
    local result = read("  *-display UNCLAIMED\n       description: VGA compatible controller\n       product: GP104 [GeForce GTX 1080]\n"
      .. "       vendor: NVIDIA Corporation\n       physical id: 0\n       bus info: pci@0000:0b:00.0\n       configuration: latency=0\n"
      .. "  *-display\n       product: SVGA II Adapter\n       vendor: VMware\n       bus info: pci@0000:00:0f.0\n"
      .. "       configuration: driver=vmwgfx latency=64\n")
    assert.equal("lshw", result.forms[1].form)
    assert.same({ "0000:0b:00.0", 0x10de, 0x1b80, false }, { result.cards[1].address, result.cards[1].vendor, result.cards[1].device,
      result.cards[1].claimed })
    assert.same({ "0000:00:0f.0", "vmwgfx", "guest" }, { result.cards[2].address, result.cards[2].driver, result.where })
  end)
end)
