--- The Horizon Agent for Windows: its releases, the features of its installer, and which Windows it supports.
-- Sources: release numbers and versions: the names of Omnissa's and VMware's installers
-- (VMware-Horizon-Agent-x86_64-2306-8.10.0-22012512.exe, Omnissa-Horizon-Agent-x86_64-2603-8.18.0-24273927036.exe).
-- Features of 2603: the Feature table of that installer, as read for vmware-samples/packer-examples-for-vsphere
-- (docs, "ADDLOCAL Feature Reference"); of 2306: the installation script of charkssmith/packer-examples-for-vsphere
-- (scripts/windows/horizon/agent.ps1). V4V is gone since 2412 and the audio feature is HznVaudio since the installer is
-- Omnissa's: for the releases between the two that are known, that is inferred. Windows: Omnissa KB 78714 (state of
-- 2026-09), as quoted with the builds by a table of image releases; older rows from memory ("sure = false").
local agent = {}

--- The agent's release by its version's first two numbers.
agent.releases = {
  ["8.0"] = "2006", ["8.1"] = "2012", ["8.2"] = "2103", ["8.3"] = "2106", ["8.4"] = "2111", ["8.5"] = "2203",
  ["8.6"] = "2206", ["8.7"] = "2209", ["8.8"] = "2212", ["8.9"] = "2303", ["8.10"] = "2306", ["8.11"] = "2309",
  ["8.12"] = "2312", ["8.13"] = "2406", ["8.14"] = "2412", ["8.15"] = "2503", ["8.16"] = "2506", ["8.17"] = "2512",
  ["8.18"] = "2603", ["8.19"] = "2606",
}

--- The minor versions of 8 that are known: from, to.
agent.oldest, agent.newest = 0, 19

-- on: installed unless ADDLOCAL says otherwise; with: children of Core, installed with it.
local vmware = {
  on = { "Core", "ClientDriveRedirection", "VmwVaudio", "RDP", "HelpDesk", "PrintRedir", "RTAV", "TSMMR", "V4V",
    "BlastUDP", "NGVC" },
  off = { "USB", "SmartCard", "GEOREDIR", "PerfTracker", "RDSH3D", "ScannerRedirection", "SdoSensor",
    "SerialPortRedirection", "VMWMediaProviderProxy" },
  with = { "VmVideo", "VmwVidd", "UnityTouch", "PSG" },
}
local omnissa = {
  on = { "Core", "ClientDriveRedirection", "HznVaudio", "RDP", "HelpDesk", "PrintRedir", "RTAV", "TSMMR",
    "StorageDriveRedir", "NGVC" },
  off = { "USB", "SmartCard", "GEOREDIR", "HybridLogon", "PerfTracker", "RDSH3D", "ScannerRedirection", "SdoSensor",
    "SerialPortRedirection" },
  with = { "BellsoftJDK", "BlastUDP", "FIDO2Redirection", "HznVdisplay", "HznVidd", "HznVidd2", "PSG",
    "SmartCardSingleUserTS", "UNCRedirection", "URLRedirection" },
}

--- The first minor version of 8 with each list of features, newest first; `sure`: the minor versions whose list was
-- seen.
agent.features = {
  { from = 14, list = omnissa, sure = { [18] = true } },
  { from = 0, list = vmware, sure = { [10] = true } },
}

--- What a vDGA desktop gets if nothing is chosen: what is on by default, without the Instant Clone Agent. Sources
-- disagree on whether a silent installation includes NGVC, so all features are named.
agent.without = { NGVC = "vDGA desktops are no instant clones" }

--- Windows builds: the first minor version of 8 that supports them; never: none does; nil: not in the vendor's list.
agent.windows = {
  [28000] = { name = "Windows 11 26H1", never = true, sure = true },
  [26300] = { name = "Windows 11 26H2", sure = true },
  [26200] = { name = "Windows 11 25H2", from = 17, sure = true },
  [26100] = { name = "Windows 11 24H2 or Windows Server 2025", from = 13, also = { [12] = 2 }, sure = true },
  [22631] = { name = "Windows 11 23H2", from = 11, sure = false },
  [22621] = { name = "Windows 11 22H2", from = 7, sure = false },
  [22000] = { name = "Windows 11 21H2", from = 4, sure = false },
  [20348] = { name = "Windows Server 2022", from = 4, sure = false },
  [19045] = { name = "Windows 10 22H2", from = 7, sure = false },
}

--- Where the installer writes what it installed: the feature's name with "Local" or "Absent"; VMware's releases, then
-- Omnissa's. Source: ivobeerens.nl 2019-09-30 (VMware's key), scripts of Horizon users (both).
agent.feature_keys = { [[HKLM\SOFTWARE\VMware, Inc.\Installer\Features_HorizonAgent]],
  [[HKLM\SOFTWARE\Omnissa\Horizon\Installer\Features_HorizonAgent]] }

--- The service of the agent (from memory: the same name since View).
agent.service = "WSNM"

return agent
