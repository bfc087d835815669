-- Remedies were examples: "Write it as 0x10de" for an Intel device, 64bitMMIOSizeGB = "..." beside a log that holds the
-- BARs. Every number comes from the evidence, and what is missing is said with the file that has it. What only follows
-- from another fault is folded under it.
local gpupt = require "gpupt"

local VMX = [[
config.version = "8"
virtualHW.version = "19"
memsize = "16384"
firmware = "efi"
sched.mem.min = "16384"
sched.mem.pin = "TRUE"
pciBridge4.present = "TRUE"
pciPassthru0.present = "TRUE"
pciPassthru0.id = "%s"
pciPassthru0.deviceId = "%s"
pciPassthru0.vendorId = "%s"
pciPassthru0.systemId = "5f1c-aa"
]]

local P40 = [[
PCIPassthru: Device 0000:42:00.0 barIndex 0 type 2 realaddr 0xd4000000 size 16777216 flags 0
PCIPassthru: Device 0000:42:00.0 barIndex 1 type 3 realaddr 0x3b800000000 size 34359738368 flags 12
PCIPassthru: Device 0000:42:00.0 barIndex 3 type 3 realaddr 0x3b7fe000000 size 33554432 flags 12
]]

local function examine(given)
  if type(given.vmx) == "string" then given.vmx = gpupt.check(gpupt.vmx.parse(given.vmx)) end
  if type(given.log) == "string" then given.log = { text = given.log, name = "vmware.log" } end
  return gpupt.check(gpupt.doctor.examine(given)), given.vmx
end

local function the(result, code)
  for _, finding in ipairs(result.findings) do
    if finding.code == code then return finding end
  end
end

describe("an id", function()
  -- the value as it stands; what it was meant to be; whether that is sure
  for _, case in ipairs {
    { "0xffff8086", "0x8086", "error" }, { "-32634", "0x8086", "error" }, { "0xFFFF8086", "0x8086", "error" },
    { "32902", "0x8086", "warning" }, { "10de", "0x10de", "warning" },
  } do
    it(("of a vendor written %s is %s"):format(case[1], case[2]), function()
      local result, doc = examine { vmx = VMX:format("00000:097:00.0", "0x37c8", case[1]) }
      local finding = the(result, "id-spelling")
      assert.equal(case[3], finding.severity)
      assert.equal("Write " .. case[2] .. ".", finding.remedy)
      gpupt.doctor.fix(result.findings, doc)
      assert.equal(case[2], (doc:get "pciPassthru0.vendorId"))
    end)
  end

  it("of a device in five decimal digits can be nothing else", function()
    assert.equal("Write 0x37c8.", the(examine { vmx = VMX:format("00000:097:00.0", "14280", "0x8086") }, "id-spelling").remedy)
  end)

  it("in four decimal digits may be either: the host's list or the table proposes, --fix does not", function()
    local text = VMX:format("00000:066:00.0", "8373", "0x10de") -- 0x20b5 in decimal
    local result, doc = examine { vmx = text }
    local finding = the(result, "id-spelling")
    assert.equal('pciPassthru0.deviceId = "0x20b5"', finding.proposal)
    gpupt.doctor.fix(result.findings, doc)
    assert.equal(text, tostring(doc))
    finding = the(examine { vmx = VMX:format("00000:066:00.0", "1234", "0x10de") }, "id-spelling")
    assert.is_nil(finding.proposal)
    assert.matches("The host's list of devices", finding.remedy, 1, true)
  end)

  it("that is wrong is the reason of \"The systemId does not match\", and no card is called gone", function()
    local log = "The systemId does not match the current system or the deviceId, and the vendorId does not match the device "
      .. "currently at 97:0.0.\n"
    local result, doc = examine { vmx = VMX:format("00000:097:00.0", "0x37c8", "0xffff8086"), log = log }
    assert.equal(1, #result.findings)
    assert.equal("id-spelling", result.findings[1].code)
    assert.equal("vmware.log", result.findings[1].evidence[1].file)
    -- once it is written right, the message is old news
    local given = { vmx = doc, log = { text = log, name = "vmware.log" } }
    local again = gpupt.check(gpupt.doctor.mend(result, doc, function(keys)
      given.changed = keys
      return gpupt.doctor.examine(given)
    end))
    assert.is_true(again.healthy)
    assert.equal("0x8086", (doc:get "pciPassthru0.vendorId"))
  end)
end)

describe("the window's size", function()
  it("comes from the BARs of the log beside a guest's complaint, also without a .vmx", function()
    local log = P40 .. "NVRM: This PCI I/O region assigned to your NVIDIA device is invalid:\n"
    local remedy = the(examine { log = log }, "nvrm-bar-invalid").remedy
    assert.matches('64bitMMIOSizeGB = "64"', remedy, 1, true)
    assert.is_nil(remedy:find('"..."', 1, true))
  end)

  it("is asked for, with the file that has it, when nothing tells the BARs", function()
    local remedy = the(examine { log = "NVRM: BAR1 is 0M @ 0x0 (PCI:0000:05:00.0)\n" }, "nvrm-bar-unassigned").remedy
    assert.matches("The vmware.log of a power-on", remedy, 1, true)
    assert.is_nil(remedy:find('"..."', 1, true))
  end)
end)

describe("an entry that lacks keys", function()
  it("is completed from the host's list and id, as a proposal", function()
    local text = VMX:format("00000:066:00.0", "0x20b5", "0x10de"):gsub("pciPassthru0.id[^\n]*\n", ""):gsub(
      "pciPassthru0.systemId[^\n]*\n", "")
    local list = gpupt.check(gpupt.pci.parse "0000:42:00.0 3D controller [0302]: x [10de:20b5]\n")
    local finding = the(examine { vmx = text, pci = list, system_id = "5f1c-aa" }, "incomplete-device")
    assert.equal('pciPassthru0.id = "00000:066:00.0"\npciPassthru0.systemId = "5f1c-aa"', finding.proposal)
  end)

  it("names the files that would complete it", function()
    local text = VMX:format("00000:066:00.0", "0x20b5", "0x10de"):gsub("pciPassthru0.id[^\n]*\n", "")
    assert.matches("the host's list of devices (--pci)", the(examine { vmx = text }, "incomplete-device").remedy, 1, true)
  end)
end)

describe("a consequence", function()
  it("is folded under the fault of the .vmx that explains it", function()
    local result = examine { vmx = VMX:format("00000:066:00.0", "0x20b5", "0x10de"),
      log = "Module 'DevicePowerOn' power on failed.\n" }
    assert.equal(1, #result.findings)
    assert.equal("mmio-window", result.findings[1].code)
    assert.equal("device-power-on", result.findings[1].consequences[1].code)
    assert.equal(1, result.findings[1].consequences[1].line)
  end)

  it("of the guest's driver is folded under the BAR that has no address", function()
    local result = examine { log = "NVRM: BAR1 is 0M @ 0x0 (PCI:0000:05:00.0)\n"
      .. "NVRM: GPU 0000:05:00.0: RmInitAdapter failed! (0x24:0x72:1447)\nNVRM: The NVIDIA probe routine failed for 1 device(s).\n" }
    assert.equal(1, #result.findings)
    assert.equal(2, #result.findings[1].consequences)
  end)

  it("stands alone when nothing explains it", function()
    assert.equal("nvrm-init", examine { log = "NVRM: GPU 0000:05:00.0: RmInitAdapter failed! (0x24:0x72:1447)\n" }.findings[1].code)
  end)
end)

describe("a message about a reset", function()
  local function message(address)
    return { findings = { { code = "reset-unresponsive", severity = "error", line = 2, text = "WARNING: PCI: 471: Dev "
      .. address .. " is unresponsive after reset", cause = "It is.", remedy = "Another reset method.", file = "vmkernel.log" } },
      devices = {}, sessions = {}, session_count = 1, config = {}, files = { "vmkernel.log" } }
  end

  it("gives the exact line of passthru.map for the device's own ids", function()
    local result = examine { vmx = VMX:format("00000:013:00.3", "0x149c", "0x1022"), log = message "0000:0d:00.3" }
    assert.equal("1022  149c  d3d0  default\n1022  149c  link  default", result.findings[1].proposal)
    assert.matches("/etc/vmware/passthru.map", result.findings[1].remedy, 1, true)
  end)

  it("leaves the method out that the map has already, and keeps its other column", function()
    local result = examine { vmx = VMX:format("00000:013:00.3", "0x149c", "0x1022"),
      log = { message "0000:0d:00.3", { text = "1022  149c  d3d0  true\n", name = "passthru.map" } } }
    assert.equal("1022  149c  link  true\n1022  149c  flr  true", result.findings[1].proposal)
    assert.matches("than d3d0", result.findings[1].remedy, 1, true)
  end)

  it("takes the power-on that failed for what follows from it", function()
    local power_on = { findings = { { code = "register-failed", severity = "error", line = 5, file = "vmware.log", cause = "It is.",
      remedy = "x.", text = "[msg.pciPassthru.createAdapterFailedPlatformNotSupported] Failed to register the device pciPassthru0 for "
        .. "013:00.3 due to unavailable hardware or software support." } }, devices = {}, sessions = {}, session_count = 1,
      config = {}, files = { "vmware.log" } }
    local vmx = VMX:format("00000:013:00.3", "0x149c", "0x1022")
    local result = examine { vmx = vmx, log = { power_on, message "0000:0d:00.3" } }
    assert.equal(1, #result.findings)
    assert.equal("reset-unresponsive", result.findings[1].code)
    assert.equal("register-failed", result.findings[1].consequences[1].code)
    -- alone it has other reasons
    assert.equal("register-failed", examine({ vmx = vmx, log = power_on }).findings[1].code)
  end)

  it("says which file has the ids when nothing names the device", function()
    local result = examine { log = message "0000:0d:00.3" }
    assert.is_nil(result.findings[1].proposal)
    assert.matches("--pci", result.findings[1].remedy, 1, true)
  end)
end)
