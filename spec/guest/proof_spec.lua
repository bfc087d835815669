-- The proof from inside the guest: what is run there, and what its output means.
local proof = require "gpupt.guest.proof"

local two_cards = [[
0000:0b:00.0 3D controller [0302]: NVIDIA Corporation GA100 [A100 PCIe 80GB] [10de:20b5] (rev a1)
	Subsystem: NVIDIA Corporation Device [10de:1533]
	Control: I/O- Mem+ BusMaster+ SpecCycle- MemWINV- VGASnoop- ParErr- Stepping- SERR- FastB2B- DisINTx+
	Region 0: Memory at e7000000 (32-bit, non-prefetchable) [size=16M]
	Region 1: Memory at 1fe000000000 (64-bit, prefetchable) [size=128G]
	Region 3: Memory at 1fdffe000000 (64-bit, prefetchable) [size=32M]
	Capabilities: <access denied>
	Kernel driver in use: nvidia
	Kernel modules: nvidiafb, nouveau, nvidia_drm, nvidia

0000:13:00.0 3D controller [0302]: NVIDIA Corporation GA100 [A100 PCIe 80GB] [10de:20b5] (rev a1)
	Subsystem: NVIDIA Corporation Device [10de:1533]
	Region 0: Memory at e6000000 (32-bit, non-prefetchable) [size=16M]
	Region 1: Memory at 1fc000000000 (64-bit, prefetchable) [size=128G]
	Region 3: Memory at 1fbffe000000 (64-bit, prefetchable) [size=32M]
	Kernel driver in use: nvidia
]]
local smi_two = "NVIDIA A100 80GB PCIe, 00000000:0B:00.0, 81920 MiB, 550.90.07\n"
  .. "NVIDIA A100 80GB PCIe, 00000000:13:00.0, 81920 MiB, 550.90.07\n"

local function linux(bus, more, o)
  local outputs = { lspci = { out = bus, status = 0 } }
  for name, out in pairs(more or {}) do outputs[name] = { out = out, status = 0 } end
  return proof.read("linux", outputs, o)
end

local function windows(json, o, smi)
  return proof.read("windows", { pnp = { out = json, status = 0 }, ["nvidia-smi"] = smi and { out = smi, status = 0 } }, o)
end

local function codes(result)
  local list = {}
  for i, finding in ipairs(result.findings) do list[i] = finding.code end
  return list
end

describe("a Linux guest", function()
  it("with two working cards is proved", function()
    local r = linux(two_cards, { ["nvidia-smi"] = smi_two, dmesg = "[    1.0] nvidia: loading\n" }, { expected = 2 })
    assert.is_true(r.ok)
    assert.same({}, r.findings)
    assert.equal(2, #r.devices)
    local d = r.devices[1]
    assert.same({ 0x10de, 0x20b5, "0000:0b:00.0", "nvidia", 0x0302 }, { d.vendor, d.device, d.address, d.driver, d.class })
    assert.same({ 0x10de, 0x1533 }, { d.subvendor, d.subdevice })
    assert.equal("NVIDIA Corporation GA100 [A100 PCIe 80GB]", d.name)
    assert.same({ index = 1, kind = "mem64", size = 128 << 30, prefetchable = true }, d.regions[2])
    assert.same({ "550.90.07", "81920 MiB" }, { d.driver_version, d.memory })
  end)

  it("whose BAR1 is unassigned is reported with cause and remedy", function()
    local broken = two_cards:gsub("1fc000000000 %(64%-bit, prefetchable%) %[size=128G%]", "<unassigned> (64-bit, prefetchable)")
      :gsub("(13:00.-)\tKernel driver in use: nvidia\n", "%1")
    local r = linux(broken, { dmesg = "[    4.2] NVRM: This PCI I/O region assigned to your NVIDIA device is invalid:\n"
      .. "[    4.2] NVRM: BAR1 is 0M @ 0x0 (PCI:0000:13:00.0)\n" }, { expected = 2 })
    assert.is_false(r.ok)
    assert.same({ "bar-unassigned", "no-driver", "nvrm-bar-invalid", "nvrm-bar-unassigned" }, codes(r))
    assert.equal("0000:13:00.0", r.findings[1].address)
    assert.equal("0000:13:00.0", r.findings[4].address)
    assert.matches("BAR1 is 0M @ 0x0", r.findings[4].text)
    assert.matches("64%-bit window", r.findings[4].cause)
    assert.matches("use64bitMMIO", r.findings[4].remedy)
    assert.equal("mmio", r.findings[4].fix)
  end)

  it("held by nouveau is reported", function()
    local r = linux(two_cards:gsub("in use: nvidia", "in use: nouveau"), {}, { expected = 2 })
    assert.same({ "nouveau", "nouveau" }, codes(r))
    assert.is_false(r.ok)
    assert.matches("blacklist nouveau", r.findings[1].remedy)
  end)

  it("without a driver fails, unless the driver comes later", function()
    local bare = two_cards:gsub("\tKernel driver in use: nvidia\n", "")
    assert.is_false(linux(bare, {}, { expected = 2 }).ok)
    local later = linux(bare, {}, { expected = 2, driver = false })
    assert.is_true(later.ok)
    assert.same({ "warning", "warning" }, { later.findings[1].severity, later.findings[2].severity })
  end)

  it("with fewer cards than given fails, also with none at all", function()
    local r = linux(two_cards, {}, { expected = 8 })
    assert.same({ "fewer-cards" }, codes(r))
    assert.matches("sees 2 cards, but 8", r.findings[1].text)
    assert.is_false(r.ok)
    assert.same({ "fewer-cards" }, codes(linux("", {}, { expected = 1 })))
  end)

  it("with another card than the VM was given fails, and says which", function()
    local A100, H100 = { vendor = 0x10de, device = 0x20b5 }, { vendor = 0x10de, device = 0x2330 }
    assert.is_true(linux(two_cards, { ["nvidia-smi"] = smi_two }, { expected = 2, cards = { A100, A100 } }).ok)
    local result = linux(two_cards, { ["nvidia-smi"] = smi_two }, { expected = 2, cards = { A100, H100 } })
    assert.is_false(result.ok)
    assert.equal("other-card", result.findings[1].code)
    assert.equal("the guest sees 1 x 10de:20b5 instead of 1 x 10de:2330", result.findings[1].text)
  end)

  it("with a narrow link or without ECC is proved with a warning", function()
    local result = linux(two_cards, { ["nvidia-smi"] = smi_two, ["nvidia-smi-link"] =
      "00000000:0B:00.0, 1, 4, 8, 16, Disabled\n00000000:13:00.0, 1, 4, 16, 16, Enabled\n" }, { expected = 2 })
    assert.is_true(result.ok)
    assert.same({ "link-width", "ecc-off" }, codes(result))
    assert.equal("00000000:0b:00.0: PCIe link x8 of x16", result.findings[1].text)
    assert.same({ bus_id = "00000000:13:00.0", generation = 1, generation_max = 4, width = 16, width_max = 16,
      ecc = "Enabled" }, result.links[2])
  end)

  it("whose lspci failed proves nothing", function()
    local r = proof.read("linux", { lspci = { out = "bash: line 1: lspci: command not found\n", status = 127 } }, { expected = 2 })
    assert.is_false(r.ok)
    assert.same({ "no-lspci" }, codes(r))
    assert.matches("exited with 127", r.findings[1].text)
    r = proof.read("linux", { lspci = { out = "lspci: Cannot open /proc/bus/pci\n", status = 1 } }, { expected = 2 })
    assert.is_false(r.ok)
    assert.same({ "no-answer" }, codes(r))
    assert.matches("exited with 1: lspci: Cannot open", r.findings[1].text, 1, true)
    assert.is_false(proof.read("linux", {}, { expected = 0 }).ok)
  end)

  it("whose driver started fewer cards than the bus shows is reported", function()
    local one = smi_two:match "[^\n]*\n"
    local r = linux(two_cards, { ["nvidia-smi"] = one,
      dmesg = "NVRM: GPU 0000:13:00.0: RmInitAdapter failed! (0x24:0x72:1447)\n"
        .. "NVRM: GPU 0000:13:00.0: rm_init_adapter failed, device minor number 1\n" }, { expected = 2 })
    assert.same({ "nvrm-init", "smi-fewer" }, codes(r))
    assert.is_false(r.ok)
  end)

  it("whose driver failed earlier in this boot, but works now, is proved with a warning", function()
    local r = linux(two_cards, { ["nvidia-smi"] = smi_two, dmesg = "NVRM: No NVIDIA GPU found.\n" }, { expected = 2 })
    assert.is_true(r.ok)
    assert.same({ "nvrm-no-gpu" }, codes(r))
    assert.equal("warning", r.findings[1].severity)
  end)

  local kernel = {
    ["nvrm-region"] = "NVRM: request_mem_region failed for 16M @ 0xfd000000. This can",
    ["nvrm-no-gpu"] = "[   12.004] NVRM: No NVIDIA GPU found.",
    ["nvrm-probe"] = "NVRM: The NVIDIA probe routine failed for 1 device(s).",
    ["amdgpu-memory"] = "amdgpu: probe of 0000:0b:00.0 failed with error -12",
  }
  for code, line in pairs(kernel) do
    it(("with the kernel's line '%s' gets the finding %s"):format(line:sub(1, 40), code), function()
      local r = linux(two_cards, { dmesg = "a\n" .. line .. "\nb\n" .. line .. "\n" })
      assert.same({ code }, codes(r))
      assert.equal(line, r.findings[1].text)
      assert.is_true(#r.findings[1].cause > 10 and #r.findings[1].remedy > 10)
    end)
  end

  it("reports a BAR that could not grow as a warning only", function()
    local r = linux(two_cards, { dmesg = "NVRM: No address space to allocate resized BAR1.\n" }, { expected = 2 })
    assert.is_true(r.ok)
    assert.same({ "nvrm-resized-bar" }, codes(r))
  end)

  it("whose nvidia-smi finds no driver although the module holds the card is reported", function()
    local said = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that\n"
    assert.same({ "driver-silent" }, codes(linux(two_cards, { ["nvidia-smi"] = said })))
  end)

  it("counts cards only: not their audio functions, not other vendors", function()
    local audio = "0000:0b:00.1 Audio device [0403]: NVIDIA Corporation TU104 HD Audio Controller [10de:10f8] (rev a1)\n"
      .. "\tKernel driver in use: snd_hda_intel\n"
    local amd = "0000:1b:00.0 Display controller [0380]: Advanced Micro Devices, Inc. [AMD/ATI] Aldebaran [1002:740f]\n"
      .. "\tKernel driver in use: amdgpu\n"
    assert.equal(2, #linux(two_cards .. audio).devices)
    assert.equal(3, #linux(two_cards .. amd).devices)
    assert.equal(2, #linux(two_cards .. amd, {}, { vendors = { 0x10de } }).devices)
  end)

  it("may write CRLF, or leave the domain out", function()
    assert.same(linux(two_cards).devices, linux((two_cards:gsub("\n", "\r\n"))).devices)
    assert.same(linux(two_cards).devices, linux((two_cards:gsub("0000:(%x%x:00%.0 3D)", "%1"))).devices)
  end)
end)

describe("the commands for a Linux guest", function()
  it("are shell text that bash really runs, with lspci by vendor number", function()
    local pipe = assert(io.popen "mktemp -d")
    local dir = pipe:read "l"
    pipe:close()
    local f = assert(io.open(dir .. "/lspci", "w"))
    f:write("#!/bin/sh\necho \"lspci $* $LC_ALL\"\n")
    f:close()
    os.execute("chmod +x " .. dir .. "/lspci")
    local command = proof.commands("linux", { vendors = { 0x10de, 0x1002 } })[1]
    assert.equal("/bin/sh", command.program)
    local run = assert(io.popen(("PATH=%s:/usr/bin:/bin %s %s"):format(dir, command.program, command.arguments)))
    assert.equal("lspci -Dnnkvv -d 10de: C\nlspci -Dnnkvv -d 1002: C\n", run:read "a")
    run:close()
    os.execute("rm -rf " .. dir)
  end)

  it("ask nvidia-smi only where NVIDIA cards are looked for, and may do without it", function()
    local names = {}
    for _, c in ipairs(proof.commands("linux", { vendors = { 0x1002 } })) do names[c.name] = c end
    assert.is_nil(names["nvidia-smi"])
    for _, c in ipairs(proof.commands "linux") do names[c.name] = c end
    assert.is_true(names["nvidia-smi"].optional)
    assert.is_true(names.dmesg.optional)
    assert.is_false(names.lspci.optional)
  end)
end)

local function entry(code, more)
  local fields = { DeviceID = [[PCI\\VEN_10DE&DEV_1EB8&SUBSYS_12A210DE&REV_A1\\3&18D45AA6&0&00E0]],
    Service = "nvlddmkm", PNPClass = "Display", Name = "NVIDIA Tesla T4" }
  for key, value in pairs(more or {}) do fields[key] = value end
  local function quoted(s) return s and '"' .. s .. '"' or "null" end
  return ('{"DeviceID":%s,"ConfigManagerErrorCode":%d,"Service":%s,"PNPClass":%s,"CompatibleID":["PCI\\\\VEN_10DE&CC_%s",'
    .. '"PCI\\\\CC_%s"],"Name":%s}'):format(quoted(fields.DeviceID), code, quoted(fields.Service), quoted(fields.PNPClass),
    fields.class or "030200", fields.class or "030200", quoted(fields.Name))
end

describe("a Windows guest", function()
  it("with a working card is proved; a single device comes as an object", function()
    local r = windows(entry(0), { expected = 1 }, "Tesla T4, 00000000:13:00.0, 15360 MiB, 538.67\r\n")
    assert.is_true(r.ok)
    assert.same({}, r.findings)
    local d = r.devices[1]
    assert.same({ 0x10de, 0x1eb8, 0x10de, 0x12a2, 0, "nvlddmkm", 0x0302 },
      { d.vendor, d.device, d.subvendor, d.subdevice, d.problem_code, d.driver, d.class })
    assert.equal("538.67", r.smi[1].driver_version)
  end)

  it("with several devices counts the cards, not their other functions", function()
    local text = "[" .. entry(0) .. "," .. entry(0, { class = "040300", Service = "HDAudBus", PNPClass = "System" }) .. ","
      .. entry(28, { class = "0c8000", Service = false, PNPClass = false, Name = "NVIDIA USB Type-C Port Policy Controller" }) .. "]"
    local r = windows(text, { expected = 1 })
    assert.is_true(r.ok)
    assert.equal(1, #r.devices)
  end)

  it("counts a card without driver, which has no class but its compatible ids", function()
    local r = windows(entry(28, { Service = false, PNPClass = false, Name = "3D-Videocontroller" }), { expected = 1 })
    assert.same({ "code-28" }, codes(r))
    assert.equal(0x0302, r.devices[1].class)
    assert.is_false(r.ok)
    local later = windows(entry(28, { Service = false }), { expected = 1, driver = false })
    assert.is_true(later.ok)
  end)

  local meanings = { [12] = "MMIO window", [43] = "driver stopped the card", [28] = "no driver is installed",
    [10] = "cannot start", [31] = "cannot load", [14] = "restart", [22] = "disabled", [52] = "signature" }
  for number, words in pairs(meanings) do
    it(("with Code %d fails for the right cause"):format(number), function()
      local r = windows(entry(number), { expected = 1 })
      assert.is_false(r.ok)
      assert.same({ "code-" .. number }, codes(r))
      assert.matches(words, r.findings[1].cause)
      assert.matches("Code " .. number, r.findings[1].text)
      assert.equal(number, r.devices[1].problem_code)
    end)
  end

  it("with an unlisted code still fails", function()
    local r = windows(entry(47), { expected = 1 })
    assert.same({ "code-other" }, codes(r))
    assert.matches("Code 47", r.findings[1].text)
    assert.is_false(r.ok)
  end)

  it("with Code 43 gets the advice to hide the hypervisor only for a GeForce", function()
    assert.is_nil(windows(entry(43)).findings[1].fix)
    assert.equal("hide-hypervisor", windows(entry(43, { Name = "NVIDIA GeForce RTX 2080" })).findings[1].fix)
    assert.equal("mmio", windows(entry(12)).findings[1].fix)
  end)

  it("with only Microsoft's basic driver fails", function()
    local r = windows(entry(0, { Service = "BasicDisplay", class = "030000", Name = "Microsoft Basic Display Adapter" }), { expected = 1 })
    assert.same({ "no-driver" }, codes(r))
    assert.is_false(r.ok)
  end)

  it("does not count a card that it only remembers (Code 45)", function()
    local r = windows("[" .. entry(0) .. "," .. entry(45) .. "]", { expected = 1 })
    assert.is_true(r.ok)
  end)

  it("with an empty answer has no such card", function()
    assert.same({ "fewer-cards" }, codes(windows("\r\n", { expected = 1 })))
  end)

  it("may write UTF-16, another language, another code page, or a warning before the JSON", function()
    local utf16 = "\xFF\xFE" .. (entry(43) .. "\r\n"):gsub(".", "%0\0")
    assert.equal(43, windows(utf16).devices[1].problem_code)
    assert.equal(12, windows(entry(12, { Name = "Adaptador de pantalla b\xA0sico" })).devices[1].problem_code)
    assert.equal(12, windows("WARNUNG: etwas dauert\r\n[" .. entry(12) .. "]").devices[1].problem_code)
  end)

  it("whose answer cannot be read, or whose query failed, proves nothing", function()
    for _, out in ipairs { "Get-CimInstance : Access denied", "[{]", "{\"DeviceID\":" } do
      local r = windows(out, { expected = 1 })
      assert.same({ "no-answer" }, codes(r))
      assert.is_false(r.ok)
    end
    local r = proof.read("windows", { pnp = { out = "boom", status = 1 } }, { expected = 1 })
    assert.same({ "no-answer" }, codes(r))
  end)
end)

describe("the commands for a Windows guest", function()
  it("ask for each vendor by its number and answer as JSON", function()
    local command = proof.commands("windows", { vendors = { 0x10de, 0x1002 } })[1]
    assert.matches("powershell.exe$", command.program)
    assert.matches("'PCI\\VEN_10DE%*' %-or %$_.DeviceID %-like 'PCI\\VEN_1002%*'", command.arguments)
    assert.matches("ConvertTo%-Json", command.arguments)
  end)
end)

it("a guest of another family is refused", function()
  assert.same({ nil, "cannot verify guest family 'solaris': use linux or windows", "EINVAL" },
    { proof.commands "solaris" })
  assert.equal("EINVAL", select(3, proof.read("solaris", {})))
end)

it("every cause has words for a person", function()
  for _, entry_ in ipairs(require("gpupt.guest.causes").list()) do
    assert.is_true(#entry_.cause > 10 and #entry_.remedy > 10, entry_.code)
  end
end)

describe("the cards against their data sheets", function()
  local smi = "NVIDIA A100 80GB PCIe, 00000000:0B:00.0, %s MiB, 550.107.02\n"
  local link = "00000000:0B:00.0, 1, %d, %d, %d, Enabled\n"
  local lspci = "0000:0b:00.0 3D controller [0302]: NVIDIA Corporation GA100 [A100 PCIe 80GB] [10de:20b5] (rev a1)\n"
    .. "\tNUMA node: 0\n\tKernel driver in use: nvidia\n"

  local function found(memory, generation, width_now, width)
    local seen = proof.read("linux", { lspci = { out = lspci, status = 0 }, dmesg = { out = "", status = 0 },
      ["nvidia-smi"] = { out = smi:format(memory), status = 0 },
      ["nvidia-smi-link"] = { out = link:format(generation, width_now, width), status = 0 } }, { expected = 1 })
    local list = {}
    for _, finding in ipairs(seen.findings) do list[#list + 1] = finding.code end
    return table.concat(list, " "), seen
  end

  it("are as they should be", function() assert.equal("", found("81920", 4, 16, 16)) end)
  it("have less memory", function()
    local said, seen = found("40448", 4, 16, 16)
    assert.equal("memory-less", said)
    assert.equal("0000:0b:00.0: 40448 MiB of 80 GB", seen.findings[1].text)
    assert.is_true(seen.ok) -- a warning
  end)
  it("have a narrower or an older link than the card", function()
    assert.equal("link-width", found("81920", 4, 8, 8))
    assert.equal("link-generation", found("81920", 3, 16, 16))
    assert.equal("link-width", found("81920", 4, 8, 16))
  end)
  it("are on several NUMA nodes", function()
    local second = lspci:gsub("0b:00", "0c:00"):gsub("NUMA node: 0", "NUMA node: 1")
    local seen = proof.read("linux", { lspci = { out = lspci .. second, status = 0 } }, {})
    assert.equal("numa-nodes", seen.findings[#seen.findings].code)
    assert.matches("0000:0b:00.0 on 0, 0000:0c:00.0 on 1", seen.findings[#seen.findings].text, 1, true)
  end)
  it("of AMD are listed by its tool", function()
    local bus = "0000:0b:00.0 Display controller [0380]: AMD Aldebaran [1002:740f]\n\tKernel driver in use: amdgpu\n"
      .. "0000:0c:00.0 Display controller [0380]: AMD Aldebaran [1002:740f]\n\tKernel driver in use: amdgpu\n"
    local function seen(out, status)
      return proof.read("linux", { lspci = { out = bus, status = 0 }, ["amd-smi"] = { out = out, status = status } }, {})
    end
    local one = seen("version: 6.8.5\nGPU: 0\n    BDF: 0000:0B:00.0\n", 0)
    assert.equal("amdgpu 6.8.5", one.devices[1].driver_version)
    assert.equal("amd-smi lists 1 of 2 cards", one.findings[1].text)
    assert.same({}, seen("version: 6.8.5\nGPU[0]\t\t: PCI Bus: 0000:0b:00.0\nGPU[1]\t\t: PCI Bus: 0000:0c:00.0\n", 0).findings)
    assert.equal("amd-silent", seen("version: \nERROR:root:Unable to detect any GPU devices\n", 255).findings[1].code)
    assert.same({}, seen("version: \n", 127).findings)
  end)
end)
