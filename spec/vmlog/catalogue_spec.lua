local vmlog = require "gpupt.vmlog"

local P = "2023-07-21T09:40:52.413Z In(05) vmx - "

-- code -> { text that must hit, near miss that must not }. The texts are the messages as published (the catalogue names
-- the source of each); a near miss differs where the meaning does.
local cases = {
  ["mmio-limit"] = {
    { "2022-04-22T03:04:15.771Z| vmx| | I005: PCIPassthru: total number of pages needed (4206594) exceeds limit (917504), failing",
      "2023-07-21T09:40:52.413Z In(05) vmx - PCIPassthru: total number of pages needed (33566722) exceeds limit (917504), failing" },
    "PCIPassthru: total number of pages needed (4206594), limit (917504)" },
  ["mmio-firmware"] = {
    { "The firmware could not allocate 33587200 KB of PCI MMIO. Increase the size of PCI MMIO and try again." },
    "The firmware could not allocate 33587200 KB of memory." },
  ["mmio-error"] = { { P .. "Vigor msg.pciMmioError: x" }, "pciMmioErr: x" },
  ["device-power-on"] = {
    { "2022-04-22T03:04:15.771Z| vmx| | I005: Module 'DevicePowerOn' power on failed.",
      "Module DevicePowerOn power on failed. Failed to start the virtual machine." },
    "Module 'DevicePowerOn' power on succeeded." },
  ["iommu-fault"] = {
    { "PCI passthru device 0000:0d:00.0 caused an IOMMU fault type 5 at address 0xe0041000.  Powering off the virtual machine.",
      "PCI passthru device 0000:8b:00.1 caused an IOMMU fault type 4 at address 0x0." },
    "PCI passthru device caused an IOMMU fault" },
  ["iommu-fault-host"] = {
    { "WARNING: VTD: IOMMU Fault IOMMU Unit #0: R/W=W, Device 0000:0d:00.0 Addr = 0xe0041000" },
    "VTD: IOMMU Unit #0: ready" },
  ["iommu-reason"] = {
    { "WARNING: VTD: 307: Reason = 0x5 -> PTE not set to allow Write." }, "VTD: 307: Reason = 0x1 -> root entry not present" },
  ["no-device-hints"] = { { "AH No device hints found" }, "AH 2 device hints found" },
  ["no-predicates"] = {
    { "Failed to generate predicates for pciPassthru0---invalid VM configuration" },
    "Failed to generate predicates for ethernet0---invalid VM configuration" },
  ["no-suitable-device"] = {
    { "AH Failed to find a suitable device for pciPassthru0" }, "AH Found a suitable device for pciPassthru0" },
  ["map-mmio"] = { { "Failed to map MMIO: Failure" }, "Mapped MMIO: Success" },
  ["vmx-panic"] = {
    { "PANIC: VERIFY bora/devices/pcipassthru/pciPassthru.c:871" }, "loading devices/pcipassthru" },
  ["not-passthrough"] = {
    { "Module DevicePowerOn power on failed. Failed to start the virtual machine. Device 6:0.0 is not a passthrough device." },
    "Device is not a passthrough device." },
  ["system-id"] = {
    { "The systemId does not match the current system or the deviceId, and the vendorId does not match the device currently at 97:0.0." },
    "The systemId does not matter." },
  ["memory-reservation"] = {
    { "Failed - Invalid memory setting: memory reservation (sched.mem.min) should be equal to memsize(16384)." },
    "Invalid memory setting: memory reservation (sched.mem.min) should be equal to memsize." },
  ["nested-hv"] = {
    { "PCI passthrough devices cannot be added when Nested Hardware-Assisted Virtualization is enabled." },
    "Nested Hardware-Assisted Virtualization is enabled." },
  ["link-down"] = {
    { "2026-02-07T09:29:18.734Z In(182) vmkernel: cpu59:2099897)PCI: 1401: "
      .. "Skipping device reset on 0000:05:00.0 because PCIe link to the device is down." },
    "PCIe link to the device is down to 8 GT/s." },
  ["domain-disabled"] = {
    { "2026-02-07T09:29:18.734Z In(182) vmkernel: cpu59:2099897)PCIPassthru: 1750: Disable Domain for device 0000:05:00.0" },
    "PCIPassthru: 1750: Enable Domain for device 0000:05:00.0" },
  ["device-released"] = {
    { "2026-02-07T09:29:18.734Z In(182) vmkernel: cpu59:2099897)PCIPassthru: 1039: pcipdevInfo: 0x4314737b68e0 (0000:05:00.0), state 0, destroyed" },
    "PCIPassthru: 1039: pcipdevInfo: 0x4314737b68e0 (0000:05:00.0), state 0, kept" },
  ["device-taken"] = {
    { "cpu144:15901592)PCIPassthru: 3873: pcipDevInfo(0x43174d483300) allocated for 0000:a9:00.0" },
    "PCIPassthru: 3873: pcipDevInfo(0x43174d483300) freed" },
  ["no-migration"] = {
    { "msg.pciPassthru.noMigration: vMotion, Storage vMotion, Fault Tolerance, and PCI hot-plug cannot be used for a "
      .. "virtual machine with PCI DirectPath I/O device." },
    "msg.pciPassthru.migration: x" },
  ["no-suspend"] = {
    { "msg.pciPassthru.noSuspend.postedInterrupts: A virtual machine with a PCI DirectPath I/O device "
      .. "cannot be suspended when FPT devices in-use have posted interrupts enabled." },
    "msg.pciPassthru.suspend: x" },
  ["no-pcie-slot"] = {
    { "No PCIe slot available for SCSI0 ... Too many PCI devices are already configured" }, "No PCIe slot available." },
  ["slot-reservation"] = {
    { "Vmxnet3 PCI: failed to reserve slot for vmxnet3 PCIe device" }, "failed to reserve slot in the queue" },
  ["bar-memory"] = { { "Failed to add BAR memory" }, "Failed to add memory" },
  ["vgpu-iommu"] = {
    { "The virtual machine cannot be powered on because IOMMU virtualization is not allowed with VGPU" },
    "IOMMU virtualization is not allowed with this licence" },
  ["nvrm-bar-invalid"] = {
    { "NVRM: This PCI I/O region assigned to your NVIDIA device is invalid:" },
    "This PCI I/O region assigned to your NVIDIA device is valid" },
  ["nvrm-bar-unassigned"] = {
    { "NVRM: BAR1 is 0M @ 0x0 (PCI:0000:05:00.0)", "[    4.1] NVRM: BAR0 is 16M @ 0x0 (PCI:0000:02:00.0)" },
    "NVRM: BAR1 is 256M @ 0xe0000000 (PCI:0000:05:00.0)" },
  ["nvrm-region"] = {
    { "NVRM: request_mem_region failed for 16M @ 0xfb000000. This can occur when a driver such as rivatv is loaded" },
    "NVRM: request_mem_region succeeded" },
  ["nvrm-no-gpu"] = { { "NVRM: No NVIDIA GPU found." }, "NVRM: NVIDIA GPU found." },
  ["nvrm-probe"] = {
    { "NVRM: The NVIDIA probe routine failed for 1 device(s)." },
    "NVRM: The NVIDIA probe routine was not called for 1 device(s)." },
  ["nvrm-none"] = {
    { "NVRM: None of the NVIDIA devices were initialized." }, "NVRM: All of the NVIDIA devices were initialized." },
  ["nvrm-init"] = {
    { "NVRM: GPU 0000:02:00.0: RmInitAdapter failed! (0x24:0x72:1447)", "rm_init_adapter failed, device minor number 0" },
    "NVRM: GPU 0000:02:00.0: RmInitAdapter done" },
  ["nvrm-resized-bar"] = {
    { "NVRM: No address space to allocate resized BAR1." }, "NVRM: resized BAR1." },
  ["bar-unassigned"] = {
    { "\tRegion 1: Memory at <unassigned> (64-bit, prefetchable)" }, "\tRegion 1: Memory at <ignored> (64-bit, prefetchable)" },
  ["amdgpu-memory"] = {
    { "amdgpu 0000:03:00.0: probe with driver amdgpu failed with error -12", "amdgpu: probe of 0000:03:00.0 failed with error -12" },
    "amdgpu: probe of 0000:03:00.0 failed with error -22" },
  ["windows-code-10"] = { { "This device cannot start. (Code 10)", "Problem : CM_PROB_FAILED_START" }, "Problem : CM_PROB_FAILED_STARTED" },
  ["windows-code-12"] = {
    { "This device cannot find enough free resources that it can use. (Code 12)", "ConfigManagerErrorCode : 12",
      "Error  Display  NVIDIA A40  PCI\\VEN_10DE  CM_PROB_NORMAL_CONFLICT" },
    "ConfigManagerErrorCode : 0" },
  ["windows-code-28"] = {
    { "The drivers for this device are not installed. (Code 28)", "ConfigManagerErrorCode=28", "CM_PROB_FAILED_INSTALL" }, "(Code 2)" },
  ["windows-code-31"] = { { "ConfigManagerErrorCode : 31", "CM_PROB_FAILED_ADD" }, "ConfigManagerErrorCode : 310" },
  ["windows-code-43"] = {
    { "Windows has stopped this device because it has reported problems. (Code 43)", "    Problem Code:   43 (0x2B)",
      "CM_PROB_FAILED_POST_START" },
    "Problem Code: 4 (0x4)" },
}

local function codes(text)
  local list = {}
  for _, finding in ipairs(assert(vmlog.scan { text = text }).findings) do list[finding.code] = finding end
  return list
end

describe("the catalogue", function()
  it("has a case here for every code, and none beside them", function()
    local known = {}
    for _, entry in ipairs(vmlog.catalogue()) do
      assert.is_nil(known[entry.code], entry.code .. " stands twice")
      known[entry.code] = true
      assert.is_table(cases[entry.code], entry.code .. " has no case")
      assert.is_string(entry.source)
      assert.is_truthy(entry.cause and entry.remedy)
    end
    for code in pairs(cases) do assert.is_true(known[code], code .. " is not in the catalogue") end
  end)

  for code, case in pairs(cases) do
    describe(code, function()
      for i, text in ipairs(case[1]) do
        it("is found in its message" .. (i > 1 and ", form " .. i or ""), function()
          local found = codes(text)[code]
          assert.is_table(found)
          assert.equal(1, found.line)
          assert.equal(1, found.count)
          assert.equal(text, found.text)
          assert.matches("%S", found.cause)
          assert.matches("%.$", found.cause)
          assert.matches("%.$", found.remedy)
          assert.not_matches("%%[sd]", found.cause .. found.remedy)
        end)
        it("is found behind a prefix, with its place", function()
          local found = codes("first\nsecond\n" .. P .. text .. "\nlast")[code]
          assert.equal(3, found.line)
          if not text:match "^%d%d%d%d%-" then assert.equal("2023-07-21T09:40:52.413Z", found.time) end
        end)
      end
      it("is not found in a near miss", function() assert.is_nil(codes(case[2])[code]) end)
      it("stands beside a second cause", function()
        local other = code == "nested-hv" and "memory-reservation" or "nested-hv"
        local found = codes(cases[other][1][1] .. "\n" .. case[1][1] .. "\n")
        assert.is_table(found[code])
        assert.is_table(found[other])
        assert.equal(2, found[code].line)
        assert.equal(1, found[other].line)
      end)
    end)
  end
end)

describe("a finding", function()
  it("counts repetitions and keeps the first and the last place", function()
    local line = cases["nested-hv"][1][1]
    local found = codes(line .. "\nx\n" .. line .. "\n" .. line)["nested-hv"]
    assert.equal(3, found.count)
    assert.equal(1, found.line)
    assert.equal(4, found.last_line)
  end)

  it("stands once per card", function()
    local r = assert(vmlog.scan { text = "PCI passthru device 0000:0d:00.0 caused an IOMMU fault type 5 at address 0x1\n"
      .. "PCI passthru device 0000:0e:00.0 caused an IOMMU fault type 5 at address 0x2\n" })
    assert.equal(2, #r.findings)
    assert.equal("0000:0d:00.0", r.findings[1].address)
    assert.equal("0000:0e:00.0", r.findings[2].address)
  end)

  it("two in one line are both found", function()
    local found = codes(cases["not-passthrough"][1][1])
    assert.is_table(found["device-power-on"])
    assert.is_table(found["not-passthrough"])
  end)

  describe("of pages beyond the limit", function()
    it("turns pages back into sizes and says the window", function()
      local found = codes(cases["mmio-limit"][1][2])["mmio-limit"]
      assert.same({ needed_bytes = (128 << 30) + (48 << 20), limit_bytes = 3758096384, gb = 256,
        sizes = { 128 << 30, 32 << 20, 16 << 20 } }, found.detail)
      assert.matches("need 128 GiB %+ 48 MiB, and the VM may map 3.5 GiB", found.cause)
      assert.matches('64bitMMIOSizeGB = "256"', found.remedy, 1, true)
    end)

    it("says BIOS when the log lists that firmware", function()
      local found = codes('DICT   firmware = "bios"\n' .. cases["mmio-limit"][1][1])["mmio-limit"]
      assert.matches("its firmware is BIOS", found.cause)
    end)

    it("says that the window is too small when another limit is given", function()
      local found = codes "PCIPassthru: total number of pages needed (33566722) exceeds limit (8388608), failing"["mmio-limit"]
      assert.matches("may map 32 GiB: the 64%-bit window is on, but too small", found.cause)
    end)

    it("ignores figures that no device has", function()
      assert.same({}, codes "PCIPassthru: total number of pages needed (1) exceeds limit (917504), failing")
      assert.same({}, codes "PCIPassthru: total number of pages needed (99999999999999999999) exceeds limit (917504), failing")
    end)
  end)

  it("of the firmware's figure tells the 64-bit BARs: an L4", function()
    local found = codes(cases["mmio-firmware"][1][1])["mmio-firmware"]
    assert.matches("32 GiB %+ 32 MiB", found.cause)
    assert.equal(64, found.detail.gb)
  end)

  it("of a memory reservation tells the figure", function()
    local found = codes(cases["memory-reservation"][1][1])["memory-reservation"]
    assert.equal(16384, found.detail.memory_mb)
    assert.matches("16384 MB", found.remedy)
  end)
end)

describe("a guest that hangs after the mappings", function()
  local mapped = "2023-07-21T09:40:52.413Z In(05) vcpu-0 - PCIPassthru: successfully created the IOMMU mappings\n"
  local rom = "2023-07-21T09:40:53.413Z In(05) vcpu-0 - Guest: EFI ROM version: VMW71.00V.21100432.B64.2301110304 (64-bit RELEASE)\n"

  it("is found when the log ends there (Broadcom KB 323402)", function()
    local found = codes(mapped .. rom)["hang-after-mapping"]
    assert.equal(2, found.line)
    assert.same({ 1, 2 }, found.evidence)
  end)
  it("is not found when the log goes on", function()
    assert.same({}, codes(mapped .. rom .. ("Guest: x\n"):rep(20)))
  end)
  it("is not found without the firmware's greeting, nor in the other order", function()
    assert.same({}, codes(mapped))
    assert.same({}, codes(rom .. mapped))
  end)
  it("stands beside a second cause", function()
    local found = codes(cases["nested-hv"][1][1] .. "\n" .. mapped .. rom)
    assert.is_table(found["hang-after-mapping"])
    assert.is_table(found["nested-hv"])
  end)
end)

describe("a healthy log", function()
  it("gives the card and no finding", function()
    local r = assert(vmlog.scan { text = [[
2023-07-21T09:40:50.413Z In(05) vmx - Log for VMware ESX pid=2101384 version=VMware ESXi 8.0.2 build=build-22380479 option=Release
2023-07-21T09:40:50.500Z In(05) vmx - DICT            pciPassthru.use64bitMMIO = "TRUE"
2023-07-21T09:40:50.500Z In(05) vmx - DICT        pciPassthru.64bitMMIOSizeGB = "64"
2023-07-21T09:40:50.500Z In(05) vmx - DICT                        firmware = "efi"
2023-07-21T09:40:51.000Z In(05) vmx - PCIPassthru: Device 0000:42:00.0 barIndex 1 type 3 realaddr 0x3b800000000 size 34359738368 flags 12
2023-07-21T09:40:52.000Z In(05) vcpu-0 - PCIPassthru: successfully created the IOMMU mappings
2023-07-21T09:40:52.900Z In(05) vcpu-0 - Guest: EFI ROM version: VMW71.00V.21100432.B64.2301110304 (64-bit RELEASE)
2023-07-21T09:40:53.900Z In(05) vmx - TOOLS: a
2023-07-21T09:40:54.900Z In(05) vmx - TOOLS: b
2023-07-21T09:40:55.900Z In(05) vmx - TOOLS: c
]] })
    assert.same({}, r.findings)
    assert.equal("0000:42:00.0", r.devices[1].address)
    assert.same({ key = "firmware", value = "efi", line = 4 }, r.config.firmware)
    assert.is_true(r.window.use64bitMMIO)
    assert.equal(64, r.window.offered_gb)
    assert.equal(32, r.window.min_gb)
    assert.equal("VMware ESXi 8.0.2", r.sessions[1].version)
    assert.equal("22380479", r.sessions[1].build)
    assert.equal(10, r.lines)
  end)
end)
