--- Logs and the .vmx together: each message of a log finds the rule that has the same fault in its care.
local gpupt = require "gpupt"
local doctor = gpupt.doctor

local BASE = [[
virtualHW.version = "19"
firmware = "efi"
memsize = "16384"
sched.mem.min = "16384"
sched.mem.pin = "TRUE"
pciBridge4.present = "TRUE"
pciPassthru0.present = "TRUE"
pciPassthru0.id = "00000:066:00.0"
pciPassthru0.deviceId = "0x%s"
pciPassthru0.vendorId = "0x10de"
pciPassthru0.systemId = "5f1c"
]]

local function vm(device, more) return gpupt.check(gpupt.vmx.parse(BASE:format(device or "1b38") .. (more or ""))) end

local function examine(given)
  if type(given.log) == "string" then given.log = { text = given.log, name = "vmware.log" } end
  return gpupt.check(doctor.examine(given))
end

local function codes(result)
  local list = {}
  for _, finding in ipairs(result.findings) do list[#list + 1] = finding.severity .. " " .. finding.code end
  return list
end

-- Tesla P40 on ESXi 8.0.2 (a public troubleshooting write-up)
local P40 = [[
PCIPassthru: Device 0000:42:00.0 barIndex 0 type 2 realaddr 0xd4000000 size 16777216 flags 0
PCIPassthru: Device 0000:42:00.0 barIndex 1 type 3 realaddr 0x3b800000000 size 34359738368 flags 12
PCIPassthru: Device 0000:42:00.0 barIndex 3 type 3 realaddr 0x3b7fe000000 size 33554432 flags 12
]]
-- Dell KB 000199172
local LIMIT = "2022-04-22T03:04:15.771Z| vmx| | I005: PCIPassthru: total number of pages needed (4206594) exceeds limit (917504), failing\n"
  .. "2022-04-22T03:04:15.771Z| vmx| | I005: Module 'DevicePowerOn' power on failed.\n"
local WINDOW = 'pciPassthru.use64bitMMIO = "TRUE"\npciPassthru.64bitMMIOSizeGB = "%d"\n'

describe("pages needed exceeds limit", function()
  it("joins the rule of the window: one finding, the log's line first, with the exact change", function()
    local result = examine { vmx = vm(nil, WINDOW:format(16)), log = P40 .. LIMIT }
    assert.same({ "error mmio-window" }, codes(result))
    local finding = result.findings[1]
    assert.same({ file = "vmware.log", line = 4, code = "mmio-limit", text = LIMIT:match "[^\n]+" }, finding.evidence[1])
    assert.same({ { key = "pciPassthru.64bitMMIOSizeGB", value = "64" } }, finding.changes)
    assert.matches("32 GiB %+ 48 MiB %(measured%)", finding.cause)
  end)

  it("gives the size by the log's own figures when the card is in no table", function()
    local result = examine { vmx = vm("ffff"), log = LIMIT }
    assert.same({ "error mmio-window" }, codes(result))
    assert.same({ { key = "pciPassthru.use64bitMMIO", value = "TRUE" }, { key = "pciPassthru.64bitMMIOSizeGB", value = "32" } },
      result.findings[1].changes)
    assert.matches("16 GiB %+ 48 MiB %(from the log%)", result.findings[1].cause)
  end)

  it("stands alone without a .vmx, and says what the catalogue says", function()
    local result = examine { log = LIMIT }
    assert.same({ "error mmio-limit" }, codes(result))
    assert.matches("64bitMMIOSizeGB = \"32\"", result.findings[1].remedy)
    assert.is_false(result.healthy)
  end)

  it("is old news when the .vmx offers enough by now", function()
    local result = examine { vmx = vm(nil, WINDOW:format(64)), log = P40 .. LIMIT }
    assert.same({ "info mmio-limit" }, codes(result))
    assert.matches("changed since: power the VM on again", result.findings[1].remedy)
    assert.is_true(result.healthy)
  end)

  it("is no old news when the log was made with these very settings", function()
    local dict = 'DICT   firmware = "efi"\nDICT   pciPassthru.use64bitMMIO = "TRUE"\nDICT   pciPassthru.64bitMMIOSizeGB = "64"\n'
    local result = examine { vmx = vm(nil, WINDOW:format(64)), log = dict .. P40 .. LIMIT }
    assert.same({ "error mmio-limit" }, codes(result))
  end)
end)

-- message, the key that breaks the VM with its value, the rule that takes it
local pairs_of = {
  { "The firmware could not allocate 33587200 KB of PCI MMIO. Increase the size of PCI MMIO and try again.", WINDOW:format(32), "mmio-window" }, -- KB 334594
  { "NVRM: This PCI I/O region assigned to your NVIDIA device is invalid:", WINDOW:format(32), "mmio-window" },
  { "NVRM: BAR1 is 0M @ 0x0 (PCI:0000:05:00.0)", WINDOW:format(32), "mmio-window" },
  { "This device cannot find enough free resources that it can use. (Code 12)", WINDOW:format(32), "mmio-window" },
  { "	Region 1: Memory at <unassigned> (64-bit, prefetchable)", WINDOW:format(32), "mmio-window" },
  { "Failed - Invalid memory setting: memory reservation (sched.mem.min) should be equal to memsize(16384).",
    WINDOW:format(64) .. 'sched.mem.min = "0"\n', "memory-reservation", "duplicate-key" },
  { "PCI passthrough devices cannot be added when Nested Hardware-Assisted Virtualization is enabled.",
    WINDOW:format(64) .. 'vhv.enable = "TRUE"\n', "nested-hv" },
  { "AH No device hints found", WINDOW:format(64) .. 'pciPassthru1.id = "0000:0d:00.0"\n', "hex-id" },
  { "Failed to generate predicates for pciPassthru1---invalid VM configuration", WINDOW:format(64) .. 'pciPassthru1.present = "TRUE"\n', "incomplete-device" },
  { "No PCIe slot available for SCSI0", WINDOW:format(64) .. 'pciBridge4.present = "FALSE"\n', "pcie-bridges", "duplicate-key" },
}

describe("a message of a log", function()
  for _, case in ipairs(pairs_of) do
    it(("joins %s: %s"):format(case[3], case[1]:sub(1, 50)), function()
      local result = examine { vmx = vm(nil, case[2]), log = P40 .. case[1] .. "\nModule DevicePowerOn power on failed.\n" }
      local found
      for _, finding in ipairs(result.findings) do
        if finding.code == case[3] then found = finding end
        assert.truthy(finding.code == case[3] or finding.code == case[4] or finding.severity == "info" or finding.code == "incomplete-device", finding.code)
      end
      assert.truthy(found, table.concat(codes(result), ", "))
      assert.equal("error", found.severity)
      assert.equal("vmware.log", found.evidence[1].file)
      assert.equal(4, found.evidence[1].line)
      assert.truthy(found.changes or case[3] == "incomplete-device")
    end)
  end

  it("of a stale systemId accuses the entry at that address and proposes to remove all of it", function()
    local text = "The systemId does not match the current system or the deviceId, and the vendorId does not match the device currently at 66:0.0."
    local result = examine { vmx = vm(nil, WINDOW:format(64)), log = P40 .. text .. "\n" }
    assert.same({ "error stale-backing" }, codes(result))
    local finding = result.findings[1]
    assert.is_false(finding.fixable)
    assert.is_nil(finding.changes)
    for _, key in ipairs { "present", "id", "deviceId", "vendorId", "systemId" } do
      assert.truthy(finding.proposal:find("remove pciPassthru0." .. key, 1, true), key)
    end
    result = examine { vmx = vm(nil, WINDOW:format(64)), log = P40 .. text:gsub("66:0.0", "67:0.0") .. "\n" }
    assert.same({ "error system-id" }, codes(result))
  end)

  it("that no rule cares for is a finding of its own, with cause and remedy", function()
    local result = examine { vmx = vm(nil, WINDOW:format(64)), log = P40
      .. "PCI passthru device 0000:42:00.0 caused an IOMMU fault type 5 at address 0xe0041000.  Powering off the virtual machine.\n" }
    assert.same({ "error iommu-fault" }, codes(result))
    assert.is_false(result.findings[1].fixable)
    assert.same({ "vmware.log", 4 }, { result.findings[1].evidence[1].file, result.findings[1].evidence[1].line })
  end)

  it("that only says that power-on failed counts when nothing says why, and not beside a reason", function()
    local failed = "Module 'DevicePowerOn' power on failed.\n"
    assert.same({ "error device-power-on" }, codes(examine { log = failed }))
    assert.same({ "error vmx-panic" }, codes(examine { log = failed .. "PANIC: VERIFY bora/devices/pcipassthru/pciPassthru.c:871\n" }))
  end)

  it("that only informs is no finding", function()
    local result = examine { log = "msg.pciPassthru.noMigration: vMotion, Storage vMotion, Fault Tolerance, and PCI hot-plug cannot be used\n" }
    assert.same({}, result.findings)
    assert.is_true(result.healthy)
  end)

  it("of a hang after the IOMMU mappings is the window's, too (KB 323402)", function()
    local log = P40 .. "2026-02-07T09:29:18.734Z In(05) vcpu-0 - PCIPassthru: successfully created the IOMMU mappings\n"
      .. "2026-02-07T09:29:19.734Z In(05) vcpu-0 - Guest: EFI ROM version: VMW71.00V.21100432.B64.2301110304 (64-bit RELEASE)\n"
    local result = examine { vmx = vm(nil, WINDOW:format(32)), log = log }
    assert.same({ "error mmio-window" }, codes(result))
    assert.equal("hang-after-mapping", result.findings[1].evidence[1].code)
  end)
end)

describe("Code 43", function()
  local CODE = "Windows has stopped this device because it has reported problems. (Code 43)\n"

  it("on a GeForce with a driver before 465 offers to hide the hypervisor", function()
    local result = examine { vmx = vm("2204", WINDOW:format(64)), log = "Driver Version: 27.21.14.5671\n" .. CODE }
    assert.same({ "error windows-code-43" }, codes(result))
    assert.same({ { key = "hypervisor.cpuid.v0", value = "FALSE" } }, result.findings[1].fix)
    assert.matches("driver 456.71 stopped the GeForce RTX 3090", result.findings[1].cause)
  end)

  it("on a GeForce with a later driver has another reason, and the driver's line is evidence", function()
    local result = examine { vmx = vm("2204", WINDOW:format(64)), log = "Driver Version: 31.0.15.3713\n" .. CODE }
    local finding = result.findings[1]
    assert.is_false(finding.fixable)
    assert.matches("driver 537.13 .* accepts a GeForce", finding.cause)
    assert.equal(1, finding.evidence[2].line)
  end)

  it("on a GeForce with a driver that nothing tells proposes to look, and guesses nothing", function()
    local result = examine { vmx = vm("2204", WINDOW:format(64)), log = CODE }
    assert.same({ "error windows-code-43" }, codes(result))
    assert.is_false(result.findings[1].fixable)
    assert.equal('hypervisor.cpuid.v0 = "FALSE"', result.findings[1].proposal)
    assert.matches("GeForce", result.findings[1].cause)
    assert.matches("nvidia%-smi", result.findings[1].remedy)
  end)

  it("on a GeForce whose hypervisor is hidden already does not offer it again", function()
    local result = examine { vmx = vm("2204", WINDOW:format(64) .. 'hypervisor.cpuid.v0 = "FALSE"\n'), log = CODE }
    assert.same({ "error windows-code-43" }, codes(result))
    assert.is_false(result.findings[1].fixable)
    assert.matches("FALSE already", result.findings[1].remedy)
  end)

  it("on a card of another vendor is not caused by the hypervisor", function()
    local doc = gpupt.check(gpupt.vmx.parse((BASE:format "73bf":gsub("0x10de", "0x1002"))))
    local finding = examine({ vmx = doc, log = CODE }).findings[1]
    assert.equal("windows-code-43", finding.code)
    assert.matches("not an NVIDIA card", finding.cause)
    assert.is_nil(finding.cause:find "GeForce")
  end)

  it("on a datacentre card does not", function()
    local result = examine { vmx = vm("1b38", WINDOW:format(64)), log = CODE }
    assert.same({ "error windows-code-43" }, codes(result))
    assert.is_false(result.findings[1].fixable)
  end)
end)

describe("several logs", function()
  it("are read as one: the vmware.log has the BARs, the dmesg the complaint", function()
    local result = examine { vmx = vm("ffff", WINDOW:format(32)),
      log = { { text = P40, name = "vmware.log" }, { text = "NVRM: BAR1 is 0M @ 0x0 (PCI:0000:05:00.0)\n", name = "dmesg.txt" } } }
    assert.same({ "error mmio-window" }, codes(result))
    assert.equal("dmesg.txt", result.findings[1].evidence[1].file)
    assert.matches("measured", result.findings[1].cause)
    assert.equal(4, #result.looked_at)
  end)
end)

describe("what cannot be examined", function()
  it("is said with a code", function()
    assert.equal("EINVAL", (select(3, doctor.examine {})))
    assert.equal("ENOENT", (select(3, doctor.examine { vmx = "/nowhere/x.vmx" })))
    assert.equal("ENOENT", (select(3, doctor.examine { log = "/nowhere/vmware.log" })))
    assert.equal("EPARSE", (select(3, doctor.examine { vmx = vm(), pci = "spec/doctor/log_spec.lua" })))
    assert.equal("ENOENT", (select(3, doctor.examine { vmx = vm(), pci = "/nowhere/lspci.txt" })))
  end)

  it("raises for misuse, naming the nearest option", function()
    local ok, message = pcall(doctor.examine, { vmz = "x" })
    assert.is_false(ok)
    assert.matches("did you mean 'vmx'", message)
  end)
end)
