--- Each rule: a VM that breaks it, the nearest one that does not, and what --fix makes of it.
local gpupt = require "gpupt"
local doctor = gpupt.doctor

-- A VM as a host writes it, with one A100 (10de:20b5 maps 128 GiB + 48 MiB) and everything it needs.
local HEALTHY = [[
.encoding = "UTF-8"
config.version = "8"
virtualHW.version = "19"
displayName = "train-01"
firmware = "efi"
memsize = "65536"
sched.mem.min = "65536"
sched.mem.minSize = "65536"
sched.mem.pin = "TRUE"
pciBridge0.present = "TRUE"
pciBridge4.present = "TRUE"
pciBridge4.virtualDev = "pcieRootPort"
pciBridge4.functions = "8"
scsi0:0.fileName = "train-01.vmdk"
pciPassthru0.present = "TRUE"
pciPassthru0.id = "00000:066:00.0"
pciPassthru0.deviceId = "0x20b5"
pciPassthru0.vendorId = "0x10de"
pciPassthru0.systemId = "5f1c2b3a-0001-0002-0003-aabbccddeeff"
pciPassthru0.pciSlotNumber = "2208"
pciPassthru.use64bitMMIO = "TRUE"
pciPassthru.64bitMMIOSizeGB = "256"
]]

local PCI = [[
0000:42:00.0
   Address: 0000:42:00.0
   Vendor ID: 0x10de
   Device ID: 0x20b5
   SubVendor ID: 0x10de
   SubDevice ID: 0x1533
   Device Class: 0x0302
   Device Name: GA100 [A100 PCIe 80GB]
   Configured Owner: VM Passthru
   Current Owner: VM Passthru
   Passthru Capable: true
]]

-- Only a list that is complete shows that a card is missing: it has the host bridge.
local ALL = PCI .. "\n0000:00:00.0\n   Address: 0000:00:00.0\n   Vendor ID: 0x8086\n   Device ID: 0x0e00\n   Device Class: 0x0600\n"
local SWITCH = "\n0000:c4:00.0\n   Address: 0000:c4:00.0\n   Vendor ID: 0x10de\n   Device ID: 0x1af1\n   Device Class: 0x0680\n"
local AUDIO = "\n0000:42:00.1\n   Address: 0000:42:00.1\n   Vendor ID: 0x10de\n   Device ID: 0x1aef\n   Device Class: 0x0403\n"
  .. "   Configured Owner: %s\n   Current Owner: VMkernel\n"
local A16 = ""
for bus = 0x43, 0x45 do
  A16 = A16 .. ("\n0000:%x:00.0\n   Address: 0000:%x:00.0\n   Vendor ID: 0x10de\n   Device ID: 0x25b6\n   Device Class: 0x0302\n"
    .. "   Configured Owner: VM Passthru\n   Current Owner: %s\n"):format(bus, bus, bus == 0x43 and "%s" or bus == 0x44 and "%s" or "VM Passthru")
end

--- The healthy VM with keys changed (false removes one), and lines put behind it.
local function vm(changes, more)
  local doc = gpupt.check(gpupt.vmx.parse(HEALTHY))
  for key, value in pairs(changes or {}) do
    if value == false then doc:unset(key) else gpupt.check(doc:set(key, value)) end
  end
  return gpupt.check(gpupt.vmx.parse(tostring(doc) .. (more or "")))
end

local function examine(doc, pci, log)
  local list = pci and gpupt.check(gpupt.pci.parse(pci))
  -- what the list does not hold is not there, unless the text says that it is an excerpt
  if list then list.complete = not pci:find "%-c 0x" end
  return gpupt.check(doctor.examine { vmx = doc, pci = list, log = log and { text = log, name = "vmware.log" } })
end

local function codes(result)
  local list = {}
  for _, finding in ipairs(result.findings) do list[#list + 1] = finding.code end
  return list
end

local function the(result, code)
  for _, finding in ipairs(result.findings) do
    if finding.code == code then return finding end
  end
  error(code .. " was not found, but: " .. table.concat(codes(result), ", "), 2)
end

describe("a healthy VM", function()
  it("has no finding, and the result says what was looked at", function()
    local result = examine(vm(), PCI)
    assert.same({}, result.findings)
    assert.is_true(result.healthy)
    assert.matches("22 keys, 1 passed%-through card; %d+ rules", result.looked_at[1])
    assert.matches("1 device$", result.looked_at[2])
    assert.matches("need a window of 256 GB %(table%); the .vmx offers 256 GB", result.looked_at[3])
  end)

  it("without a card has no finding either", function()
    assert.same({}, examine(gpupt.vmx.parse 'memsize = "1024"\nvhv.enable = "TRUE"\nvcpu.hotadd = "TRUE"\n').findings)
  end)
end)

--- The lines of a second card.
local function second(bus, host)
  return ('pciPassthru1.present = "TRUE"\npciPassthru1.id = "0:%d:0.0"\npciPassthru1.deviceId = "0x20b5"\n'
    .. 'pciPassthru1.vendorId = "0x10de"\npciPassthru1.systemId = "%s"\n'):format(bus, host or "5f1c2b3a-0001-0002-0003-aabbccddeeff")
end

-- { rule, changes or nil, lines behind, near miss: changes, lines behind; pci text; near miss' pci text; what fix makes of a key }
local cases = {
  { "unbalanced-quote", more = 'annotation = "oh\n', near = { more = 'annotation = "oh" # "\n' } },
  { "pasted-text", more = 'guestOS = \u{201c}other\u{201d}\n', near = { more = 'annotation = "a \u{201c}b\u{201d}"\n' } },
  { "trailing-text", more = 'guestOS = a b\n', near = { more = 'guestOS = "a" #b\n' } },
  { "no-name", more = ' = "x"\n', near = { more = 'x = "= x"\n' } },
  { "odd-line", more = "hello world\n", near = { more = "# hello world\n" } },
  { "bad-escape", more = 'annotation = "a|b"\n', near = { more = 'annotation = "a|7Cb"\n' } },
  { "not-utf8", more = 'annotation = "caf\233"\n', near = { more = 'annotation = "caf\195\169"\n' } },
  { "duplicate-key", more = 'FIRMWARE = "efi"\n', near = { more = 'firmware2 = "efi"\n' }, fixed = { firmware = "efi" } },
  { "config-version", { ["config.version"] = "4" }, near = { { ["config.version"] = false } } },
  { "memory-size", { memsize = "65533", ["sched.mem.min"] = "65533", ["sched.mem.minSize"] = "65533" },
    near = { { memsize = "65532", ["sched.mem.min"] = "65532", ["sched.mem.minSize"] = "65532" } }, fixed = { memsize = "65536" } },
  { "memory-size", { memsize = "64G" }, near = { {} } },
  { "firmware-name", { firmware = "uefi", ["pciPassthru0.present"] = "FALSE", ["pciPassthru.use64bitMMIO"] = false, ["pciPassthru.64bitMMIOSizeGB"] = false },
    near = { { firmware = "EFI" } } },
  { "hex-id", { ["pciPassthru0.id"] = "0000:0d:00.0" }, near = { { ["pciPassthru0.id"] = "0:66:0.0" } }, fixed = { ["pciPassthru0.id"] = "00000:013:00.0" } },
  { "hex-id", { ["pciPassthru0.id"] = "0000:42:00.0" }, near = { { ["pciPassthru0.id"] = "00000:042:00.0" } } },
  { "hex-id", { ["pciPassthru0.id"] = "0000:42:00.0" }, pci = PCI, near = { {}, pci = PCI }, fixed = { ["pciPassthru0.id"] = "00000:066:00.0" } },
  { "hex-id", { ["pciPassthru0.id"] = "somewhere" }, near = { { ["pciPassthru0.id"] = "00000:300:00.0" }, only_not_hex = true } },
  { "incomplete-device", { ["pciPassthru0.id"] = false }, near = { { ["pciPassthru0.present"] = "FALSE", ["pciPassthru0.id"] = false } } },
  { "incomplete-device", { ["pciPassthru0.systemId"] = false }, near = { {} } },
  { "id-spelling", { ["pciPassthru0.vendorId"] = "10de" }, near = { { ["pciPassthru0.vendorId"] = "0X10DE" } },
    fixed = { ["pciPassthru0.vendorId"] = "0x10de" } },
  { "id-spelling", { ["pciPassthru0.deviceId"] = "8373" }, near = { {} } },
  { "same-device", more = second(66),
    near = { { ["pciPassthru.64bitMMIOSizeGB"] = "512" }, more = second(67) } },
  { "stale-backing", { ["pciPassthru0.id"] = "00000:067:00.0" }, pci = ALL, near = { {}, pci = ALL } },
  { "not-in-list", { ["pciPassthru0.id"] = "00000:067:00.0" }, pci = "esxcli hardware pci list -c 0x0302\n" .. PCI,
    near = { {}, pci = "esxcli hardware pci list -c 0x0302\n" .. PCI } },
  { "stale-backing", { ["pciPassthru0.deviceId"] = "0x20b2" }, pci = PCI, near = { {}, pci = PCI } },
  { "stale-backing", more = second(67, "6666"),
    near = {} },
  { "not-enabled", pci = PCI:gsub("Owner: VM Passthru", "Owner: VMkernel"), near = { pci = PCI } },
  { "not-enabled", pci = PCI:gsub("Current Owner: VM Passthru", "Current Owner: VMkernel"), near = { pci = PCI } },
  { "not-enabled", pci = PCI:gsub("Capable: true", "Capable: false"), near = { pci = PCI } },
  { "not-in-effect", more = 'pciPassthru1.id = "00000:013:00.0"\n', near = {} },
  { "unknown-key", { ["pciPassthru.use64bitMMIO"] = false, ["pciPassthru.use64bitMIMO"] = "TRUE" }, near = { {} } },
  { "unknown-key", { ["pciPassthru0.use64bitMMIO"] = "TRUE" }, near = { {} } }, -- a guide of 2022
  { "unknown-key", { ["pciPassthru.msiEnabled"] = "FALSE" }, near = { {} } }, -- a template for packer
  { "unknown-key", { ["pciPassthru.RelaxACSCheck"] = "TRUE" }, near = { { ["pciPassthru.RelaxACSforP2P"] = "TRUE" } } },
  { "mmio-size", { ["pciPassthru.64bitMMIOSizeGB"] = "300" }, near = { { ["pciPassthru.64bitMMIOSizeGB"] = "512" } },
    fixed = { ["pciPassthru.64bitMMIOSizeGB"] = "512" } },
  { "mmio-window", { ["pciPassthru.64bitMMIOSizeGB"] = "128" }, near = { { ["pciPassthru.64bitMMIOSizeGB"] = "256" } },
    fixed = { ["pciPassthru.64bitMMIOSizeGB"] = "256" } },
  { "mmio-window", { ["pciPassthru.64bitMMIOSizeGB"] = false }, near = { {} }, fixed = { ["pciPassthru.64bitMMIOSizeGB"] = "256" } },
  { "mmio-window", { ["pciPassthru.use64bitMMIO"] = "FALSE" }, near = { {} }, fixed = { ["pciPassthru.use64bitMMIO"] = "TRUE" } },
  -- a T4 (256 MiB + 48 MiB) fits below 3.5 GiB
  { "mmio-window", { firmware = "bios" },
    near = { { firmware = "bios", ["pciPassthru0.deviceId"] = "0x1eb8", ["pciPassthru.use64bitMMIO"] = false, ["pciPassthru.64bitMMIOSizeGB"] = false } } },
  { "mmio-without-efi", { firmware = "bios", ["pciPassthru0.deviceId"] = "0x1eb8" }, near = { { ["pciPassthru0.deviceId"] = "0x1eb8" } } },
  { "mmio-size-alone", { ["pciPassthru.use64bitMMIO"] = false, ["pciPassthru0.deviceId"] = "0x1eb8" },
    near = { { ["pciPassthru0.deviceId"] = "0x1eb8" } }, fixed = { ["pciPassthru.use64bitMMIO"] = "TRUE" } },
  { "actual-bases", { ["pciPassthru.useActualBases"] = "TRUE" }, near = { {} }, fixed = { ["pciPassthru.useActualBases"] = false } },
  -- 16 MiB of 32-bit BAR (A100) against a hole of 8 MiB, and of 1536 MiB
  { "low-hole", { ["pciHole.start"] = "4088" }, near = { { ["pciHole.dynStart"] = "2560" } } },
  { "address-width", { ["pciPassthru.64bitMMIOSizeGB"] = "32768" }, near = { { ["pciPassthru.64bitMMIOSizeGB"] = "16384" } } },
  { "window-unproven", { ["pciPassthru.64bitMMIOSizeGB"] = "8192" }, near = { { ["pciPassthru.64bitMMIOSizeGB"] = "4096" } } },
  -- a GeForce RTX 3090 has BARs of 304 MiB, or of 32 GiB with Resizable BAR: nothing here tells which
  { "uncertain-bars", { ["pciPassthru0.deviceId"] = "0x2204", ["pciPassthru.64bitMMIOSizeGB"] = "32" },
    near = { { ["pciPassthru0.deviceId"] = "0x2204", ["pciPassthru.64bitMMIOSizeGB"] = "64" } } },
  { "memory-reservation", { ["sched.mem.min"] = "0" }, near = { {} }, fixed = { ["sched.mem.min"] = "65536" } },
  { "memory-reservation", { ["sched.mem.min"] = false, ["sched.mem.minSize"] = false, ["sched.mem.pin"] = false },
    near = { { ["sched.mem.pin"] = false, ["sched.mem.minSize"] = false } },
    fixed = { ["sched.mem.min"] = "65536", ["sched.mem.minSize"] = "65536", ["sched.mem.pin"] = "TRUE" } },
  { "memory-limit", { ["sched.mem.max"] = "65536" }, near = { { ["sched.mem.max"] = "unlimited" } }, fixed = { ["sched.mem.max"] = false } },
  { "nested-hv", { ["vhv.enable"] = "TRUE" }, near = { { ["vhv.enable"] = "FALSE" } }, fixed = { ["vhv.enable"] = "FALSE" } },
  { "cpu-hot-add", { ["vcpu.hotadd"] = "true" }, near = { { ["vcpu.hotadd"] = "false" } }, fixed = { ["vcpu.hotadd"] = "FALSE" } },
  { "memory-hot-add", { ["mem.hotadd"] = "TRUE" }, near = { { ["mem.hotadd"] = "FALSE" } }, fixed = { ["mem.hotadd"] = "FALSE" } },
  { "pcie-bridges", { ["pciBridge4.present"] = false }, near = { {} },
    fixed = { ["pciBridge7.virtualDev"] = "pcieRootPort", ["pciBridge4.present"] = "TRUE" } },
  { "hardware-version", { ["virtualHW.version"] = "7" }, near = { { ["virtualHW.version"] = "8" } } },
  { "hardware-version", { ["virtualHW.version"] = "11", ["uefi.secureBoot.enabled"] = "TRUE" },
    near = { { ["virtualHW.version"] = "13", ["uefi.secureBoot.enabled"] = "TRUE" } } },
  { "snapshot-disk", { ["scsi0:0.fileName"] = "train-01-000002.vmdk" }, near = { { ["scsi0:0.fileName"] = "train-000002x.vmdk" } } },
  { "hidden-hypervisor", { ["hypervisor.cpuid.v0"] = "FALSE" }, near = { { ["hypervisor.cpuid.v0"] = "FALSE", ["pciPassthru0.deviceId"] = "0x2204" } } },
  { "nvswitch-board", { ["pciPassthru0.deviceId"] = "0x20b2" }, pci = PCI:gsub("0x20b5", "0x20b2") .. SWITCH,
    near = { {}, pci = PCI .. SWITCH } },
  { "function-left-behind", pci = PCI .. AUDIO:format "VMkernel", near = { {}, pci = PCI } },
  { "board-split", { ["pciPassthru0.deviceId"] = "0x25b6" }, pci = PCI:gsub("0x20b5", "0x25b6") .. A16:format("VMkernel", "VMkernel"),
    near = { { ["pciPassthru0.deviceId"] = "0x25b6" }, pci = PCI:gsub("0x20b5", "0x25b6") .. A16:format("VM Passthru", "VM Passthru") } },
  { "bridge-reset", pci = PCI .. "   Reset Method: Bridge reset\n   Dependent Device: PCI 0:0:3:0\n",
    near = { {}, pci = PCI .. "   Reset Method: Function reset\n" } },
  { "map-bridge-reset", log = "# reset methods\n10de  ffff  bridge  false\n", near = { {}, log = "1022  ffff  bridge  false\n" } },
  { "guest-display-stop", { ["virtualHW.version"] = "10" }, log = "  BCCode:\t116\n", near = { { ["virtualHW.version"] = "10" }, log = "  BCCode:\t9f\n" } },
  { "msi-workaround", { ["pciPassthru0.msiEnabled"] = "FALSE" },
    near = { { ["pciPassthru0.msiEnabled"] = "FALSE", ["virtualHW.version"] = "10" } } },
  { "card-comment", { ["pciPassthru0.deviceId"] = false }, more = 'pciPassthru0.deviceId = "0x20b5" # NVIDIA H100, GPU0\n',
    near = { { ["pciPassthru0.deviceId"] = false }, more = 'pciPassthru0.deviceId = "0x20b5" # NVIDIA A100, GPU0\n' } },
}

describe("the doctor's rule", function()
  local covered = {}
  for _, case in ipairs(cases) do
    local rule = case[1]
    covered[rule] = true
    it(rule .. " finds what breaks it, with file and line, in two sentences", function()
      local result = examine(vm(case[2], case.more), case.pci, case.log)
      local finding = the(result, rule)
      assert.truthy(#finding.evidence >= 1)
      local located = false
      for _, evidence in ipairs(finding.evidence) do
        assert.truthy(evidence.file and evidence.text, "evidence without file or text")
        located = located or evidence.line ~= nil
      end
      assert.is_true(located, "no evidence has a line")
      assert.matches("%.$", finding.cause)
      assert.matches("%.$", finding.remedy)
      assert.truthy(finding.source and #finding.source > 5)
    end)

    it(rule .. " leaves the nearest healthy VM alone", function()
      local near = case.near
      local result = examine(vm(near[1], near.more), near.pci, near.log)
      for _, finding in ipairs(result.findings) do
        if near.only_not_hex then
          assert.is_nil(finding.cause:find("hexadecimal and", 1, true))
        else
          assert.not_equal(rule, finding.code)
        end
      end
    end)

    it(rule .. (case.fixed and " is fixed by its own change" or " offers a change only if it cures"), function()
      local doc = vm(case[2], case.more)
      local finding = the(examine(doc, case.pci, case.log), rule)
      assert.equal(finding.changes ~= nil, finding.fixable)
      if case.fixed then assert.is_true(finding.fixable) end
      if not finding.fixable then return end
      doctor.fix({ finding }, doc)
      for _, other in ipairs(examine(doc, case.pci, case.log).findings) do assert.not_equal(rule, other.code) end
      for key, value in pairs(case.fixed or {}) do assert.equal(value or nil, (doc:get(key))) end
    end)
  end

  covered["host-card"] = true -- judged below, without a .vmx
  covered["utf-16"] = true -- of a text that no document is made of: spec/regress/232

  it("too-many-devices counts cards against the hardware version", function()
    local function with(count, version)
      local lines = {}
      for i = 1, count - 1 do
        lines[#lines + 1] = ('pciPassthru%d.present = "TRUE"\npciPassthru%d.id = "00000:%03d:00.0"\n'):format(i, i, i)
      end
      return codes(examine(vm({ ["virtualHW.version"] = version }, table.concat(lines))))
    end
    local function has(list) for _, code in ipairs(list) do if code == "too-many-devices" then return true end end return false end
    assert.is_false(has(with(16, "19")))
    assert.is_true(has(with(17, "19")))
    assert.is_false(has(with(6, "10")))
    assert.is_true(has(with(7, "10")))
    assert.is_false(has(with(16, "12")))
    assert.is_false(has(with(64, "20")))
    assert.is_true(has(with(65, "20")))
    assert.is_false(has(with(65, "21")))
    covered["too-many-devices"] = true
  end)

  it("table has no rule that these specs do not break", function()
    for _, rule in ipairs(doctor.rules()) do
      -- those on evidence have their cases in spec/evidence, those on other VMs of a server in spec/regress/115
      if not rule.evidence and not rule.server then assert.truthy(covered[rule.id], rule.id .. " has no case") end
    end
  end)

  it("table is data: every rule has cause, remedy, severity and source", function()
    local seen = {}
    for _, rule in ipairs(doctor.rules()) do
      assert.is_nil(seen[rule.id])
      seen[rule.id] = true
      for _, field in ipairs { "cause", "remedy", "source" } do assert.equal("string", type(rule[field]), rule.id .. field) end
      assert.truthy(rule.severity == "error" or rule.severity == "warning" or rule.severity == "info")
    end
    for _, id in pairs(require "gpupt.doctor.rules".of_message) do assert.truthy(seen[id], id .. " is no rule") end
  end)
end)

describe("a list of devices without a .vmx", function()
  local function judged(text) return gpupt.check(doctor.examine { pci = gpupt.check(gpupt.pci.parse(text)) }) end

  it("is judged by itself: what is enabled and not active, what the host cannot give", function()
    assert.equal("healthy", judged(PCI).verdict)
    assert.matches("Reboot the host", the(judged(PCI:gsub("Current Owner: VM Passthru", "Current Owner: VMkernel")), "host-card").remedy)
    assert.matches("IOMMU", the(judged(PCI:gsub("Capable: true", "Capable: false")), "host-card").remedy)
  end)

  it("leaves a GPU alone that the host keeps for itself, and says that a list may be an excerpt", function()
    local result = judged(PCI:gsub("Owner: VM Passthru", "Owner: VMkernel"))
    assert.same({}, result.findings)
    assert.matches("1 device %(it may be an excerpt%)", result.looked_at[1])
  end)
end)

describe("many lines with one fault of form", function()
  it("are one finding with the first ones as evidence", function()
    local result = examine(vm(nil, ("hello world\n"):rep(9)))
    assert.same({ "odd-line" }, codes(result))
    assert.equal(7, #result.findings[1].evidence)
    assert.matches("and 3 lines more", result.findings[1].evidence[7].text)
  end)
end)

describe("the passthrough keys of hosts and guides", function()
  -- facts of public sources, each accepted as it is: real files of ESXi 5 to 8, vSphere documentation, KB 323402
  local rows = {
    { ["pciPassthru0.id"] = "00000:013:00.0" }, { ["pciPassthru0.id"] = "0:66:0.0" }, -- ESXi 8.0.2
    { ["pciPassthru0.id"] = "06:00.0" }, { ["pciPassthru0.id"] = "130:00.0" }, { ["pciPassthru0.id"] = "12:00.0" }, -- ESXi 5
    { ["pciPassthru0.id"] = "00000:129:29.7" },
    { ["pciPassthru0.systemId"] = "BYPASS" }, -- an SR-IOV physical function
    { ["pciPassthru0.class"] = "0x0302", ["pciPassthru0.subDeviceId"] = "0x1533", ["pciPassthru0.subVendorId"] = "0x10de" },
    { ["pciPassthru0.pciSlotNumber"] = "2208" }, { ["pciPassthru.vmiop.enableViommu"] = "TRUE" },
    { ["pciPassthru.allowP2P"] = "TRUE", ["pciPassthru.RelaxACSforP2P"] = "TRUE" },
    { ["pciPassthru0.cfg.enable_bar_mapping"] = "TRUE" }, { ["uefi.secureBoot.enabled"] = "TRUE" },
    { ["pciHole.start"] = "2048", ["pciHole.end"] = "4096" }, { ["pciHole.dynStart"] = "2560" },
    { ["pciPassthru0.opromEnabled"] = "TRUE", ["pciPassthru0.filename"] = "vbios.rom" },
    { ["SMBIOS.reflectHost"] = "TRUE" }, { ["svga.present"] = "FALSE" }, { ["hypervisor.cpuid.v0"] = false },
    { ["vmotion.checkpointFBSize"] = "4194304" }, { firmware = "EFI" }, { ["pciPassthru.use64bitMMIO"] = "true" },
    { ["sched.mem.max"] = "unlimited" }, { ["virtualHW.version"] = "22" },
  }
  for _, row in ipairs(rows) do
    local key, value = next(row)
    it(("are no finding: %s = %s"):format(key, value), function()
      local result = examine(vm(row))
      assert.same({}, codes(result))
    end)
  end

  it("name a card by slot 29 in decimal (0x1d)", function()
    assert.equal("00000:000:29.0", gpupt.pci.address("0000:00:1d.0"):vmx())
  end)
end)

describe("fixing", function()
  it("never changes the firmware", function()
    local doc = vm { firmware = "bios", ["sched.mem.min"] = false }
    local result = examine(doc)
    assert.is_false(the(result, "mmio-window").fixable)
    doctor.fix(result.findings, doc)
    assert.equal("bios", doc:get "firmware")
    assert.equal("65536", doc:get "sched.mem.min")
  end)

  it("of everything at once leaves a VM without fixable findings", function()
    local doc = vm({ ["pciPassthru.64bitMMIOSizeGB"] = "100", ["vhv.enable"] = "TRUE", ["pciBridge4.present"] = false, memsize = "65533",
      ["pciPassthru0.id"] = "0000:0d:00.0" }, 'FIRMWARE = "efi"\n')
    local rounds = 0
    repeat
      local made = doctor.fix(examine(doc).findings, doc)
      rounds = rounds + 1
    until #made == 0 or rounds > 5
    assert.truthy(rounds <= 3, rounds)
    assert.same({}, codes(examine(doc)))
  end)
end)
