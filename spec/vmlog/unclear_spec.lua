-- Not understood is not healthy: which lines are shown as not understood, and why.
local vmlog = require "gpupt.vmlog"

local V = "2024-03-01T00:00:00.000Z In(05) vmx - "
local K = "2024-03-01T00:00:00.000Z In(182) vmkernel: cpu1:2097152)"
local D = "[    4.123456] "

local function words(text)
  local list = {}
  for i, one in ipairs(assert(vmlog.scan { text = text }).not_understood) do list[i] = one.word end
  return table.concat(list, " ")
end

describe("a line that is not understood", function()
  -- line -> the word that makes it one of a card; "" for a line that is none
  local lines = {
    -- each subject, with a level or with words of trouble
    { K .. "WARNING: VMKPCIPassthru: 12: x", "VMKPCIPassthru" },
    { "2024-03-01T00:00:00.000Z Wa(03) vmx - pciPassthru3 x", "pciPassthru3" },
    { "2018-09-01T10:00:00.123Z| vmx| W123: PCIPassthru: x", "PCIPassthru" },
    { "2018-09-01T10:00:00.123Z| vmx| I125: PCIPassthru: x", "" },
    { "2014-09-01T10:00:00.123Z| vmx| W110: PCIPassthru: x", "PCIPassthru" },
    { "2014-09-01T10:00:00.123Z| vmx| E105: PCIPassthru: x", "PCIPassthru" },
    { "2022-09-01T10:00:00.123Z| vmx| 5e2a-11| W003: PCIPassthru: x", "PCIPassthru" },
    { V .. "PCIPassthru: could not do it", "PCIPassthru" },
    { D .. "pcieport 0000:00:15.0: pciehp: Slot(160): Link Down", "pciehp" },
    { K .. "WARNING: PCI: 12: Reset of function 3 took 90 s", "Reset" },
    { K .. "WARNING: PCI: reset of device by FLR was skipped", "reset" },
    { K .. "WARNING: IntrVector: 290: x", "IntrVector" },
    { K .. "interrupt vector 12 was lost", "vector" },
    { K .. "ALERT: IOMMU: x", "IOMMU" },
    { K .. "WARNING: AMDIommu: 312: x", "AMDIommu" },
    { D .. "amdgpu 0000:03:00.0: amdgpu: trn=2 ACK should not assert! wait again !", "amdgpu" },
    { K .. "WARNING: PCIEHP: 12: 0000:a8:01.0: x", "PCIEHP" },
    { D .. "pcieport 0000:00:15.0: pciehp: Slot(160): Cannot power on", "pciehp" },
    { D .. "NVRM: something failed", "NVRM" },
    { D .. "nvidia 0000:02:00.0: cannot be enabled", "nvidia" },
    { D .. "nouveau 0000:02:00.0: is broken", "nouveau" },
    { D .. "amdgpu 0000:03:00.0: amdgpu: did not answer", "amdgpu" },
    { D .. "kfd kfd: error 3", "kfd" },
    { D .. "i915 0000:00:02.0: [drm] *ERROR* x", "i915" },
    { D .. "xe 0000:03:00.0: [drm] *ERROR* x", "xe" },
    { K .. "WARNING: Something: 0000:65:00.0 x", "0000:65:00.0" },
    { K .. "WARNING: Something: 000:101:00.0 x", "000:101:00.0" },
    -- levels of dmesg, and of syslog
    { "<3>[    4.1] NVRM: x", "NVRM" },
    { "<6>[    4.1] NVRM: x", "" },
    -- what is no trouble
    { D .. "NVRM: loading NVIDIA UNIX x86_64 Kernel Module  580.65.05", "" },
    { D .. "amdgpu 0000:03:00.0: amdgpu: errors: 0", "" },
    { D .. "nvidia 0000:02:00.0: no error", "" },
    { V .. "PCIPassthru: error = 0x0", "" },
    -- short names where no driver's name stands, and words within words
    { D .. "the kfd: error is not at a driver's place: axkfd: error", "" },
    { D .. "luxe 0000x failed", "" },
    { K .. "WARNING: preset of the device", "" },
    { D .. "cpu hotplug failed", "" },
    -- resets, vectors and addresses of what is no card
    { K .. "WARNING: ScsiDevice: device reset failed", "" },
    { K .. "WARNING: nmlx5_core: 0000:3b:00.0: vmnic4: queue reset", "" },
    { D .. "vmwgfx 0000:00:0f.0: [drm] *ERROR* x", "" },
    { "2024-03-01T00:00:00.000Z Wa(03) vmx - connection reset by peer", "" },
  }
  for _, case in ipairs(lines) do
    it((case[2] == "" and "is not " or "is ") .. case[1]:gsub("^%S+ %S+ ?", ""), function() assert.equal(case[2], words(case[1] .. "\n")) end)
  end

  it("counts lines that differ in figures only once, and keeps its places", function()
    local result = assert(vmlog.scan { text = K .. "WARNING: VMKPCIPassthru: 12: x 1\nx\n" .. K .. "WARNING: VMKPCIPassthru: 13: x 22\n" })
    assert.same({ { line = 1, last_line = 3, count = 2, text = K .. "WARNING: VMKPCIPassthru: 12: x 1", word = "VMKPCIPassthru" } },
      result.not_understood)
  end)

  it("is bounded whatever the log", function()
    local parts = {}
    for i = 1, 2000 do parts[i] = K .. "WARNING: VMKPCIPassthru: " .. ("abcdefghij"):rep(1):gsub(".", function(c)
      return string.char(c:byte() + i // 7 ^ (c:byte() - 97) % 7 // 1 | 0) end) .. "\n" end
    local result = assert(vmlog.scan { text = table.concat(parts) })
    assert.is_true(#result.not_understood <= 200)
  end)

  it("by its address alone counts for the cards of the log, when it names any", function()
    local bar = "PCIPassthru: Device 0000:65:00.0 barIndex 1 type 3 realaddr 0x3b size 34359738368 flags 12\n"
    assert.equal("0000:65:00.0", words(bar .. K .. "WARNING: Something: 0000:65:00.0 x\n" .. K .. "WARNING: Other: 0000:17:00.0 x\n"))
    assert.equal("0000:17:00.0", words(K .. "WARNING: Other: 0000:17:00.0 x\n"))
  end)

  it("is none when a finding covers it, also one over several lines", function()
    local result = assert(vmlog.scan { text = D .. "NVRM: The NVIDIA GPU 0000:09:00.0 (PCI ID: 10de:1d01)\n"
      .. "             NVRM: installed in this system is not supported by open\n"
      .. "             NVRM: nvidia.ko because it does not include the required GPU\n             NVRM: System Processor (GSP).\n" })
    assert.same({}, result.not_understood)
    assert.equal("nvrm-needs-closed", result.findings[1].code)
    assert.equal("0000:09:00.0", result.findings[1].address)
    assert.matches("10de:1d01", result.findings[1].cause, 1, true)
    assert.equal(1, #result.findings)
  end)

  it("may be a stop code of Windows that is not the display driver's", function()
    local result = assert(vmlog.scan { text = "Problem Event Name:\tBlueScreen\nBCCode:\t124\n" })
    assert.equal("unclear", result.verdict)
    assert.equal("BCCode:\t124", result.not_understood[1].word)
  end)

  it("with an unknown id of msg.pciPassthru is shown, known ids are not", function()
    local result = assert(vmlog.scan { text = V .. "[msg.pciPassthru.newReason] Irgendetwas\n" })
    assert.equal("msg.pciPassthru.newReason", result.not_understood[1].word)
    assert.equal("unclear", result.verdict)
    assert.equal("", words(V .. "[msg.pciPassthru.noMigration] x\n"))
  end)
end)

describe("the verdict", function()
  for what, case in pairs {
    ["of a known form without trouble is healthy"] = { V .. "x\n", "healthy", "vmware.log" },
    ["of a remark is healthy"] = { K .. "PCIPassthru: 1750: Disable Domain for device 0000:05:00.0\n", "healthy", "vmkernel" },
    ["of a finding is problems"] = { D .. "NVRM: No NVIDIA GPU found.\n", "problems", "dmesg" },
    ["of a finding beside what is not understood is problems"] = { D .. "NVRM: No NVIDIA GPU found.\n" .. ("x\n"):rep(9)
      .. D .. "nvidia 0000:02:00.0: cannot\n", "problems", "dmesg" },
    ["of what is not understood is unclear"] = { D .. "NVRM: cannot\n", "unclear", "dmesg" },
    ["of a random text is unclear"] = { "Once upon a time\nthere was a card\n", "unclear", "unknown" },
    ["of a passthru.map is unclear"] = { "# NVIDIA\n10de  ffff  bridge   false\n", "unclear", "unknown" },
    ["of an empty text is unclear"] = { "", "unclear", "unknown" },
    ["of bytes is unclear"] = { ("\1\2\3\xff\xfe\n"):rep(99), "unclear", "unknown" },
    ["of a message without its log is problems"] = { "Windows has stopped this device because it has reported problems. (Code 43)", "problems",
      "guest text" },
  } do
    it(what, function()
      local result = assert(vmlog.scan { text = case[1] })
      assert.equal(case[2], result.verdict)
      assert.equal(case[3], result.form)
    end)
  end

  it("of the command is its exit status", function()
    local run = require "spec.support.command".run
    assert.equal(0, (run("log -", V .. "x\n")))
    assert.equal(1, (run("log -", D .. "NVRM: cannot\n")))
    assert.equal(1, (run("log -", D .. "NVRM: No NVIDIA GPU found.\n")))
    assert.equal(1, (run("log -", "to be\n")))
  end)
end)
