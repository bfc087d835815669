--- Each rule on evidence: a text that breaks it, and the nearest one that does not.
local doctor = require "gpupt.doctor"

local VMX = [[
config.version = "8"
virtualHW.version = "20"
firmware = "efi"
memSize = "16384"
sched.mem.min = "16384"
sched.mem.minSize = "16384"
sched.mem.pin = "TRUE"
pciBridge0.present = "TRUE"
pciBridge4.present = "TRUE"
pciBridge4.virtualDev = "pcieRootPort"
pciBridge4.functions = "8"
pciPassthru0.present = "TRUE"
pciPassthru0.id = "00000:059:00.0"
pciPassthru0.deviceId = "0x1eb8"
pciPassthru0.vendorId = "0x10de"
pciPassthru0.systemId = "5f1c2b3a-0001-0002-0003-aabbccddeeff"
]]
local VGPU = VMX:gsub('pciPassthru0%.id[^\n]*\n', 'pciPassthru0.virtualDev = "vmiop"\npciPassthru0.vgpu = "grid_t4-8q"\n')
  :gsub('pciPassthru0%.%a+Id[^\n]*\n', "")

local BLOCK = "0000:3b:00.0\n   Address: 0000:3b:00.0\n   Vendor ID: 0x10de\n   Device ID: 0x1eb8\n   Device Class: 0x0302\n"
  .. "   Configured Owner: VM Passthru\n   Current Owner: VM Passthru\n   Passthru Capable: true\n   Parent Device: PCI 0:58:0:0\n"
  .. "   Reset Method: Bridge reset\n"
local GRAPHICS = "0000:3b:00.0\n   Vendor Name: NVIDIA Corporation\n   Module Name: nvidia\n   Graphics Type: SharedPassthru\n   Number of VMs: 0\n"
local QUERY = "==============NVSMI LOG==============\nDriver Version : 535.183.01\nCUDA Version : 12.2\nGPU 00000000:0B:00.0\n"
  .. "    Product Name : Tesla T4\n    GPU Virtualization Mode\n        Virtualization Mode : %s\n"
local LSPCI = "0b:00.0 3D controller [0302]: NVIDIA Corporation GP102GL [Tesla P40] [10de:1b38] (rev a1)\n"
  .. "\tRegion 1: Memory at %s (64-bit, prefetchable)\n\tKernel driver in use: %s\n"
  .. "00:0f.0 VGA compatible controller [0300]: VMware SVGA II Adapter [15ad:0405]\n"

local function windows(code, name, driver)
  return ("Name : %s\nPNPDeviceID : PCI\\VEN_10DE&DEV_1EB8&SUBSYS_12A210DE\nDriverVersion : %s\nConfigManagerErrorCode : %d\n")
    :format(name or "NVIDIA Tesla T4", driver or "31.0.15.3713", code)
end

local MSI = "MSI (s) (84:34) [10:00:06:125]: Product: VMware Tools -- Installation failed.\nMSI (s) (84:34) [10:00:06:126]: MainEngineThread is returning %d\n"
local VMINST = "2025-01-01T10:00:01.246+00:00| VMToolsUtil-build-24896162| %s: Service could not be opened\n"

-- rule -> { text that breaks it, the near miss, vmx=, says = a part of cause or remedy }
local cases = {
  ["pasted-output"] = { BLOCK:gsub("\n +", "\n"), BLOCK, says = "the indentation is lost" },
  ["reset-map"] = { "10de 1eb8 bridge false\n10de 1eb8 link false\n", "10de 1eb8 bridge false\n10de 20b5 link false\n", says = "bridge and link" },
  ["pending-reboot"] = { BLOCK:gsub("Current Owner: VM Passthru", "Current Owner: VMkernel"), BLOCK, says = "still VMkernel" },
  ["not-capable"] = { BLOCK:gsub("Capable: true", "Capable: false"), BLOCK, says = "cannot pass 0000:3b:00.0" },
  ["host-driver"] = { GRAPHICS, GRAPHICS:gsub("nvidia", "None"), vmx = VMX, says = "the host's driver nvidia holds it" },
  ["graphics-mode"] = { "   Default Graphics Type: Shared\n", "   Default Graphics Type: SharedPassthru\n", vmx = VGPU,
    says = "default graphics type is Shared" },
  ["graphics-device"] = { GRAPHICS:gsub("SharedPassthru", "Basic"):gsub("nvidia", "None"), GRAPHICS, vmx = VGPU,
    says = "is Basic; no driver of the host holds it" },
  ["other-kind"] = { QUERY:format "VGPU", QUERY:format "Pass-Through", vmx = VMX, says = "it has a vGPU" },
  ["vgpu-licence"] = { QUERY:format "VGPU" .. "    License Status : Unlicensed (Restricted)\n",
    QUERY:format "VGPU" .. "    License Status : Licensed\n", says = "has no licence" },
  ["guest-bar-unassigned"] = { LSPCI:format("<unassigned>", "nvidia"), LSPCI:format("1ff000000000", "nvidia"), says = "64bitMMIOSizeGB = \"64\"" },
  ["guest-nouveau"] = { LSPCI:format("1ff000000000", "nouveau"), LSPCI:format("1ff000000000", "nvidia") },
  ["guest-code-10"] = { windows(10), windows(0) }, ["guest-code-12"] = { windows(12), windows(0), says = "MMIO window" },
  ["guest-code-14"] = { windows(14), windows(0) }, ["guest-code-22"] = { windows(22), windows(0) },
  ["guest-code-28"] = { windows(28), windows(0) }, ["guest-code-31"] = { windows(31), windows(0) },
  ["guest-code-43"] = { windows(43), windows(0), says = "Code 43" }, ["guest-code-52"] = { windows(52), windows(0) },
  ["guest-code"] = { windows(37), windows(45), says = "Code 37" },
  ["nvidia-smi-no-driver"] = { "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n", QUERY:format "None" },
  ["nvidia-smi-no-devices"] = { "No devices were found\n", QUERY:format "None" },
  ["nvidia-smi-mismatch"] = { "Failed to initialize NVML: Driver/library version mismatch\n", QUERY:format "None" },
  ["nvidia-smi-lost"] = { "Unable to determine the device handle for GPU 0000:0B:00.0: GPU is lost.\n", QUERY:format "None" },
  ["nvidia-smi-no-handle"] = { "Unable to determine the device handle for GPU 0000:0B:00.0: Unknown Error\n", QUERY:format "None" },
  ["nvidia-smi-err"] = { "| NVIDIA-SMI 550.1  Driver Version: 550.1  CUDA Version: 12.4 |\n|   0  Tesla T4   Off |   00000000:13:00.0 Off |   ERR! |\n",
    "| NVIDIA-SMI 550.1  Driver Version: 550.1  CUDA Version: 12.4 |\n|   0  Tesla T4   Off |   00000000:13:00.0 Off |   0 |\n" },
  ["rocm-smi-no-driver"] = { "ERROR:root:Driver not initialized (amdgpu not found in modules)\n", "GPU[0] : Device ID: 0x740f\n" },
  ["installer-failed"] = { MSI:format(1603), MSI:format(0), says = "VMware Tools ended with 1603" },
  ["installer-reboot"] = { MSI:format(3010), MSI:format(0) },
  ["tools-installer-error"] = { VMINST:format "E1", VMINST:format "I0" },
}

local function examine(text, vmx)
  return assert(doctor.examine { evidence = { text = text, name = "e.txt" }, vmx = vmx and assert(require "gpupt.vmx".parse(vmx)) })
end

local function finding(result, rule)
  for _, one in ipairs(result.findings) do
    if one.code == rule then return one end
  end
end

describe("the doctor's rule on evidence", function()
  for rule, case in pairs(cases) do
    it(rule .. " finds its fault and names the line", function()
      local found = finding(examine(case[1], case.vmx), rule)
      assert.truthy(found)
      assert.equal("e.txt", found.evidence[#found.evidence].file)
      assert.equal("number", type(found.evidence[#found.evidence].line))
      if case.says then assert.matches(case.says, found.cause .. " " .. found.remedy, 1, true) end
      assert.is_false(found.fixable)
    end)
    it(rule .. " leaves the near miss alone", function()
      assert.is_nil(finding(examine(case[2], case.vmx), rule))
    end)
  end

  it("table has no rule that these specs do not break", function()
    for _, rule in ipairs(doctor.rules()) do
      if rule.evidence then assert.truthy(cases[rule.id], rule.id .. " has no case") end
    end
  end)
end)

describe("Code 43", function()
  it("of a GeForce is judged by the driver's release", function()
    local old = finding(examine(windows(43, "NVIDIA GeForce RTX 2080 Ti", "27.21.14.5671")), "guest-code-43")
    assert.matches("drivers before 465 stop a GeForce", old.cause, 1, true)
    assert.matches("this one is 456.71", old.cause, 1, true)
    local new = finding(examine(windows(43, "NVIDIA GeForce RTX 2080 Ti", "31.0.15.3713")), "guest-code-43")
    assert.matches("driver 537.13 accepts a GeForce in a VM", new.cause, 1, true)
    assert.not_matches("hypervisor.cpuid", new.remedy, 1, true)
  end)
end)

describe("the doctor", function()
  it("reads the host's list, its graphics and the guest's text beside a .vmx, each as what it is", function()
    local result = assert(doctor.examine { vmx = assert(require "gpupt.vmx".parse(VMX)), evidence = {
      { text = BLOCK:gsub("Bridge", "Function") .. "\n0000:00:00.0\n   Address: 0000:00:00.0\n   Vendor ID: 0x8086\n"
        .. "   Device ID: 0x0e00\n   Device Class: 0x0600\n",
        name = "host.txt" },
      { text = LSPCI:format("1ff000000000", "nvidia"), name = "guest.txt" },
      { text = '/system/uuid = "5f1c2b3a-0001-0002-0003-aabbccddeeff"\n', name = "esx.conf" } } })
    assert.same({}, result.findings)
    assert.is_true(result.healthy)
    local text = table.concat(result.looked_at, "\n")
    for _, part in ipairs { "host.txt: esxcli hardware pci list; 2 devices", "guest.txt: lspci; 2 devices; a guest's list", "esx.conf: esx.conf" } do
      assert.matches(part, text, 1, true)
    end
  end)

  it("says nothing of a .vmx that was changed by copying: that is the rules' on its form", function()
    local result = assert(doctor.examine { evidence = { text = VMX:gsub('"', "“", 1), name = "vm.vmx" } })
    assert.is_nil(finding(result, "pasted-output"))
  end)

  it("compares the host's id with that of esx.conf", function()
    local result = assert(doctor.examine { vmx = assert(require "gpupt.vmx".parse(VMX)),
      evidence = { text = '/system/uuid = "00000000-0001-0002-0003-aabbccddeeff"\n', name = "esx.conf" } })
    assert.equal("esx.conf", finding(result, "stale-backing").evidence[2].file)
  end)

  it("reads a log among the evidence, and says once what the log's catalogue says too", function()
    local result = assert(doctor.examine { evidence = { text = "[ 1.0] NVRM: BAR1 is 0M @ 0x0 (PCI:0000:13:00.0)\n"
      .. "pci 0000:13:00.0: BAR 1: no space for [mem size 0x800000000 64bit pref]\n", name = "dmesg.txt" } })
    assert.is_false(result.healthy)
    assert.is_nil(finding(result, "pasted-output"))
    assert.truthy(finding(result, "guest-bar-unassigned"))
  end)
end)
