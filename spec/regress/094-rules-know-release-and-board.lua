-- Rules without a release or a board: a workaround of ESXi 5 for every host, one limit of devices for a hardware version
-- that two releases have, four GPUs without their NVSwitches as a healthy VM, and an error from a row that was written
-- from memory. An unknown card was a datacentre card.
local gpupt = require "gpupt"

local VMX = [[
config.version = "8"
virtualHW.version = "%s"
memsize = "16384"
firmware = "efi"
sched.mem.min = "16384"
sched.mem.pin = "TRUE"
pciBridge4.present = "TRUE"
pciPassthru0.present = "TRUE"
pciPassthru0.id = "00000:066:00.0"
pciPassthru0.deviceId = "0x%s"
pciPassthru0.vendorId = "0x10de"
pciPassthru0.systemId = "5f1c-aa"
%s]]

local function release(text) return "Log for VMware ESX pid=1 version=VMware ESXi " .. text .. " build=build-1 option=Release\n" end

local function examine(vmx, log, pci)
  return gpupt.check(gpupt.doctor.examine { vmx = gpupt.check(gpupt.vmx.parse(vmx)),
    log = log and { text = log, name = "vmware.log" }, pci = pci })
end

local function the(result, code)
  for _, finding in ipairs(result.findings) do
    if finding.code == code then return finding end
  end
end

describe("msiEnabled", function()
  local STOP = "  BCCode:\t116\n"

  it("is the workaround for stop 0x116 on ESXi 5.5", function()
    local finding = the(examine(VMX:format("10", "11bf", ""), release "5.5.0" .. STOP), "guest-display-stop")
    assert.equal("error", finding.severity)
    assert.equal('pciPassthru0.msiEnabled = "FALSE"', finding.proposal)
    assert.matches("5.1 and 5.5 only", finding.remedy, 1, true)
  end)

  it("is proposed with its condition when only the hardware version is known", function()
    local finding = the(examine(VMX:format("10", "11bf", ""), STOP), "guest-display-stop")
    assert.equal('pciPassthru0.msiEnabled = "FALSE"', finding.proposal)
    assert.matches("vmware.log shows the release", finding.remedy, 1, true)
  end)

  for _, case in ipairs { { "10", "6.7.0" }, { "19" } } do
    it("is not proposed on a later host: " .. (case[2] or "hardware version " .. case[1]), function()
      local finding = the(examine(VMX:format(case[1], "11bf", ""), (case[2] and release(case[2]) or "") .. STOP),
        "guest-display-stop")
      assert.is_nil(finding.proposal)
    end)
  end

  for _, line in ipairs { "The computer has rebooted from a bugcheck.  The bugcheck was: 0x00000117 (0xffff).",
    "*** STOP: 0x00000119", "BugcheckCode 278", "VIDEO_TDR_FAILURE (nvlddmkm.sys)" } do
    it("belongs to the display's stop codes in any form: " .. line, function()
      assert.truthy(the(examine(VMX:format("19", "1eb8", ""), line .. "\n"), "guest-display-stop"))
    end)
  end

  it("is no matter of other stop codes", function()
    assert.is_nil(the(examine(VMX:format("10", "11bf", ""), "BCCode: 9f\n"), "guest-display-stop"))
  end)
end)

describe("the number of devices", function()
  local function many(version, count, log)
    local lines = {}
    for n = 1, count - 1 do lines[#lines + 1] = ('pciPassthru%d.present = "TRUE"\n'):format(n) end
    return the(examine(VMX:format(version, "1eb8", table.concat(lines)), log), "too-many-devices")
  end

  it("is 6 for hardware version 7 to 10", function()
    assert.is_nil(many("9", 6))
    assert.equal("error", many("10", 7).severity)
  end)

  it("for hardware version 20 depends on the host's release: 32 on 8.0, 64 on 8.0 U1", function()
    assert.truthy(many("20", 33, release "8.0.0"))
    assert.is_nil(many("20", 33, release "8.0.1"))
    assert.is_nil(many("20", 33))
  end)

  it("has no published figure for hardware version 22: a warning, no error", function()
    assert.equal("warning", many("22", 129).severity)
    assert.matches("no figure is published", many("22", 129).cause)
  end)
end)

describe("a row from memory, or a card of several forms,", function()
  it("gives a warning that names the model and asks for the measured BARs, never an error", function()
    local result = examine((VMX:format("19", "2204", ""):gsub('firmware = "efi"\n', "")))
    assert.is_nil(the(result, "mmio-window"))
    local finding = the(result, "uncertain-bars")
    assert.equal("warning", finding.severity)
    assert.matches("GeForce RTX 3090", finding.cause, 1, true)
    assert.matches("vmware.log of a power%-on", finding.remedy)
    assert.is_false(finding.fixable)
    assert.equal("warning", the(examine(VMX:format("19", "20f5", "")), "uncertain-bars").severity) -- A800, from memory
  end)

  it("is an error as soon as a log confirms it", function()
    local finding = the(examine(VMX:format("19", "2204", ""), "NVRM: BAR1 is 0M @ 0x0 (PCI:0000:05:00.0)\n"), "uncertain-bars")
    assert.equal("error", finding.severity)
  end)

  it("does not hide that the cards which are sure do not fit either", function()
    local second = 'pciPassthru1.present = "TRUE"\npciPassthru1.id = "00000:067:00.0"\npciPassthru1.deviceId = "0x20b5"\n'
      .. 'pciPassthru1.vendorId = "0x10de"\npciPassthru1.systemId = "5f1c-aa"\n'
    assert.equal("error", the(examine(VMX:format("19", "2204", second)), "mmio-window").severity)
  end)

  it("says nothing when the window holds the largest form", function()
    local window = 'pciPassthru.use64bitMMIO = "TRUE"\npciPassthru.64bitMMIOSizeGB = "64"\n'
    assert.is_true(examine(VMX:format("19", "2204", window)).healthy)
  end)
end)

describe("a dynamic device", function()
  it("has the BARs of the model that it allows", function()
    local text = VMX:format("19", "0", ""):gsub("pciPassthru0.%aendorId[^\n]*\n", ""):gsub("pciPassthru0.deviceId[^\n]*\n", "")
      :gsub("pciPassthru0.id[^\n]*\n", ""):gsub("pciPassthru0.systemId[^\n]*\n", "")
    local finding = the(examine(text .. 'pciPassthru0.allowedDevices = "0x10de:0x20b5"\n'), "mmio-window")
    assert.equal("error", finding.severity)
    assert.matches('"256"', finding.remedy, 1, true)
    finding = the(examine(text .. 'pciPassthru0.allowedDevices = "0x10de:0x1eb8,0x10de:0x20b5"\n'), "mmio-window")
    assert.matches('"256"', finding.remedy, 1, true)
  end)
end)

describe("an unknown card", function()
  it("has no class: a hidden hypervisor is not called needless", function()
    assert.is_nil(the(examine(VMX:format("19", "fffe", 'hypervisor.cpuid.v0 = "FALSE"\n')), "hidden-hypervisor"))
    assert.is_nil(the(examine(VMX:format("19", "1e07", 'hypervisor.cpuid.v0 = "FALSE"\n')), "hidden-hypervisor"))
    assert.truthy(the(examine(VMX:format("19", "1eb8", 'hypervisor.cpuid.v0 = "FALSE"\n')), "hidden-hypervisor"))
  end)
end)

describe("a board", function()
  local function list(switches, gpu)
    local text = "07:00.0 3D controller [0302]: NVIDIA [10de:" .. gpu .. "] (rev a1)\n42:00.0 3D controller [0302]: NVIDIA [10de:"
      .. gpu .. "] (rev a1)\n"
    for i = 1, switches do text = text .. ("c%d:00.0 Bridge [0680]: NVIDIA [10de:1af1] (rev a1)\n"):format(i) end
    return gpupt.check(gpupt.pci.parse(text))
  end
  local WINDOW = 'pciPassthru.use64bitMMIO = "TRUE"\npciPassthru.64bitMMIOSizeGB = "1024"\n'

  it("with NVSwitches that stay behind is a warning; a guest whose fabric failed makes it an error", function()
    local finding = the(examine(VMX:format("21", "20b2", WINDOW), nil, list(2, "20b2")), "nvswitch-board")
    assert.equal("warning", finding.severity)
    assert.matches("1 of the 2 GPUs of its board and none of its 2 NVSwitches", finding.cause, 1, true)
    local log = "NVRM: loading NVIDIA UNIX x86_64 Kernel Module  595.71.05  Release Build\n"
      .. "CUDA initialization: Unexpected error from cudaGetDeviceCount(). Error 802: system not yet initialized\n"
    finding = the(examine(VMX:format("21", "20b2", WINDOW), log, list(2, "20b2")), "nvswitch-board")
    assert.equal("error", finding.severity)
    assert.matches("Fabric Manager 595.71.05", finding.remedy, 1, true)
    assert.matches("not support GPU passthrough under vSphere", finding.remedy, 1, true)
  end)

  it("without NVSwitches is none: PCIe cards, and SXM cards of a board without them", function()
    assert.is_nil(the(examine(VMX:format("21", "20b5", WINDOW), nil, list(2, "20b5")), "nvswitch-board"))
    assert.is_nil(the(examine(VMX:format("21", "20b2", WINDOW), nil, list(0, "20b2")), "nvswitch-board"))
  end)

  it("of B200 has switches that are not PCI devices", function()
    assert.matches("not PCI devices", the(examine(VMX:format("21", "2901", WINDOW)), "nvswitch-board").cause)
  end)

  it("leaves an audio function behind: a warning while the host holds it, with the command that gives it", function()
    local text = [[
0000:42:00.0
   Vendor ID: 0x10de
   Device ID: 0x1eb8
   Device Class: 0x0302
   Configured Owner: VM Passthru
   Current Owner: VM Passthru

0000:42:00.1
   Vendor ID: 0x10de
   Device ID: 0x10f8
   Device Class: 0x0403
   Configured Owner: %s
   Current Owner: %s
]]
    local finding = the(examine(VMX:format("19", "1eb8", ""), nil, gpupt.pci.parse(text:format("VMkernel", "VMkernel"))),
      "function-left-behind")
    assert.equal("warning", finding.severity)
    assert.matches("audio function 0000:42:00.1", finding.cause, 1, true)
    finding = the(examine(VMX:format("19", "1eb8", ""), nil, gpupt.pci.parse(text:format("VM Passthru", "VM Passthru"))),
      "function-left-behind")
    assert.equal("info", finding.severity)
    assert.matches('pciPassthru1.id = "00000:066:00.1"', finding.proposal, 1, true)
  end)
end)

describe("the other port of a network card", function()
  it("stays with the host: it is no function that travels", function()
    local text = "0000:42:00.0\n   Vendor ID: 0x15b3\n   Device ID: 0x1016\n   Device Class: 0x0200\n   Configured Owner: VM Passthru\n"
      .. "   Current Owner: VM Passthru\n\n0000:42:00.1\n   Vendor ID: 0x15b3\n   Device ID: 0x1016\n   Device Class: 0x0200\n"
      .. "   Configured Owner: VMkernel\n   Current Owner: VMkernel\n"
    local vmx = VMX:format("19", "1016", ""):gsub("0x10de", "0x15b3")
    assert.is_nil(the(examine(vmx, nil, gpupt.pci.parse(text)), "function-left-behind"))
  end)
end)

describe("the reset method of a card", function()
  local text = "0000:04:00.0\n   Address: 0000:04:00.0\n   Vendor ID: 0x10de\n   Device ID: 0x1cb2\n   Device Class: 0x0300\n"
    .. "   Configured Owner: VM Passthru\n   Current Owner: VM Passthru\n   Dependent Device: PCI 0:0:3:0\n   Reset Method: %s\n"

  local function judged(method, map)
    return gpupt.check(gpupt.doctor.examine { pci = gpupt.check(gpupt.pci.parse(text:format(method))),
      log = { text = map or "nothing\n", name = "passthru.map" } })
  end

  it("through the bridge takes down what is behind it: another line for passthru.map, with the present one as evidence", function()
    local finding = the(judged("Bridge reset", "# NVIDIA\n10de  ffff  bridge   false\n"), "bridge-reset")
    assert.equal("warning", finding.severity)
    assert.equal("10de  1cb2  d3d0  false\n10de  1cb2  link  false", finding.proposal)
    assert.same({ "passthru.map", 2 }, { finding.evidence[2].file, finding.evidence[2].line })
  end)

  it("of its own is no finding", function()
    assert.is_nil(the(judged "Function reset", "bridge-reset"))
  end)

  it("in a passthru.map alone is reported", function()
    local result = gpupt.check(gpupt.doctor.examine { log = { text = "10de ffff bridge false\n", name = "passthru.map" } })
    assert.matches("Every card of the vendor 10de", result.findings[1].cause)
    assert.matches("reset methods", result.looked_at[1])
  end)
end)

describe("a host of 9.1", function()
  it("whose card is in a vGPU mode does not give it to passthrough", function()
    local list = { { address = "0000:42:00.0", vendor = 0x10de, device = 0x1eb8, class = 0x0302, capable = true,
      enabled = true, mode = "vGpuSameSize" }, complete = true }
    local finding = the(examine(VMX:format("22", "1eb8", ""), nil, list), "not-enabled")
    assert.matches("vGpuSameSize", finding.cause)
    assert.matches("directPath", finding.remedy)
    list[1].mode = "directPath"
    assert.is_nil(the(examine(VMX:format("22", "1eb8", ""), nil, list), "not-enabled"))
  end)
end)
