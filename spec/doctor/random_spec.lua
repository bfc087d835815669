--- Random settings: the doctor never fails on them, mending comes to an end, and touches no firmware.
local gpupt = require "gpupt"
local doctor = gpupt.doctor

local KEYS = {
  "firmware", "memsize", "sched.mem.min", "sched.mem.minSize", "sched.mem.pin", "sched.mem.max", "vhv.enable", "vcpu.hotadd", "mem.hotadd",
  "virtualHW.version", "config.version", "uefi.secureBoot.enabled", "hypervisor.cpuid.v0", "pciHole.start", "pciHole.dynStart",
  "pciBridge0.present", "pciBridge4.present", "scsi0:0.fileName", "pciPassthru.use64bitMMIO", "pciPassthru.64bitMMIOSizeGB",
  "pciPassthru.useActualBases", "pciPassthru.RelaxACSCheck", "pciPassthru.use64bitMIMO", "pciPassthru", "pciPassthru.", "pciPassthrux.id",
}
for n = 0, 2 do
  for _, field in ipairs { "present", "id", "deviceId", "vendorId", "systemId", "allowedDevices" } do
    KEYS[#KEYS + 1] = ("pciPassthru%d.%s"):format(n, field)
  end
end
KEYS[#KEYS + 1] = "pciPassthru99999999999999999999.present"

local VALUES = {
  "TRUE", "FALSE", "true", "", "efi", "bios", "uefi", "16384", "16383", "0", "-1", "unlimited", "99999999999999999999", "0x10de", "10de",
  "0x20b5", "0x1eb8", "0xffffff", "00000:066:00.0", "0000:42:00.0", "0000:0d:00.0", "66:0.0", "x", "5f1c", "BYPASS", "19", "7", "21", "256",
  "128", "100", "1e3", "3.5", "a-000001.vmdk", "4088", "nan", "inf", "0x", "9223372036854775807", "4611686018427387904", "1099511627776",
}

local LINES = {
  "PCIPassthru: Device 0000:42:00.0 barIndex 1 type 3 realaddr 0x3b800000000 size 34359738368 flags 12",
  "PCIPassthru: Device 0000:42:00.0 barIndex 0 type 2 realaddr 0x3b800000000 size 3 flags 0",
  "PCIPassthru: total number of pages needed (33566722) exceeds limit (917504), failing",
  "PCIPassthru: total number of pages needed (1) exceeds limit (0), failing",
  "The firmware could not allocate 33587200 KB of PCI MMIO.", "AH No device hints found", "(Code 43)", "(Code 12)",
  "Failed to generate predicates for pciPassthru0", "Module 'DevicePowerOn' power on failed.", "NVRM: BAR1 is 0M @ 0x0 (PCI:0000:05:00.0)",
  "The systemId does not match the current system or the deviceId, and the vendorId does not match the device currently at 66:0.0.",
  "The systemId does not match the current system or the deviceId, and the vendorId does not match the device currently at 999:99.9.",
  'DICT pciPassthru.64bitMMIOSizeGB = "256"', "No PCIe slot available for SCSI0", "IOMMU virtualization is not allowed with VGPU",
}

local PCI = "0000:42:00.0\n   Address: 0000:42:00.0\n   Vendor ID: 0x10de\n   Device ID: 0x20b5\n   Passthru Capable: true\n"
  .. "\n0000:0d:00.0\n   Address: 0000:0d:00.0\n"

local function pick(list) return list[math.random(#list)] end

describe("random settings and logs", function()
  it("are examined without failing, and fixing them ends (1,500 VMs)", function()
    math.randomseed(tonumber(os.getenv "GPUPT_SEED") or 20261123)
    local pci = gpupt.check(gpupt.pci.parse(PCI))
    local fixed = 0
    for _ = 1, 1500 do
      local lines = {}
      for i = 1, math.random(0, 25) do
        lines[i] = math.random(15) == 1 and pick { "odd", 'a = "', "= 1", 'b = "|z"', "" } or ('%s = "%s"'):format(pick(KEYS), pick(VALUES))
      end
      local text = table.concat(lines, "\n")
      local doc = gpupt.check(gpupt.vmx.parse(text))
      local log = {}
      for i = 1, math.random(0, 4) do log[i] = pick(LINES) end
      local given = { vmx = doc, log = #log > 0 and { text = table.concat(log, "\n") .. "\n" } or nil, pci = math.random(2) == 1 and pci or nil,
        system_id = math.random(4) == 1 and "5f1c" or nil }
      local firmware = doc:get "firmware"
      local rounds = 0
      while true do
        local result = gpupt.check(doctor.examine(given))
        for _, finding in ipairs(result.findings) do
          assert.truthy(finding.code and finding.cause and finding.remedy and #finding.evidence > 0)
        end
        local before = tostring(doc)
        doctor.fix(result.findings, doc)
        if tostring(doc) == before then break end
        fixed = fixed + 1
        rounds = rounds + 1
        assert.truthy(rounds < 6, "mending does not end:\n" .. text .. "\n-- now:\n" .. tostring(doc))
      end
      assert.equal(firmware, (doc:get "firmware"))
    end
    assert.truthy(fixed > 500, fixed)
  end)
end)
