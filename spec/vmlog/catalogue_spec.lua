local vmlog = require "gpupt.vmlog"

local P = "2023-07-21T09:40:52.413Z In(05) vmx - "

-- code -> { messages that must be found, near miss that must not }: the messages as published (the catalogue names the
-- source of each); a near miss differs where the meaning does.
local cases = require "spec.vmlog.messages"

local function codes(text)
  local list = {}
  for _, finding in ipairs(assert(vmlog.scan { text = text }).findings) do list[finding.code] = finding end
  return list
end

local function is_shown(entry) return not (entry.lead or entry.note or entry.unclear) end

local families = {}
for family in ("power device mmio reset vectors hotplug reboot iommu vgpu nvidia xid amd intel linux windows"):gmatch "%S+" do
  families[family] = true
end

describe("the catalogue", function()
  it("has a case here for every code, and none beside them", function()
    local known = {}
    for _, entry in ipairs(vmlog.catalogue()) do
      assert.is_nil(known[entry.code], entry.code .. " stands twice")
      known[entry.code] = true
      assert.is_table(cases[entry.code], entry.code .. " has no case")
      assert.matches("%S", entry.source)
      assert.not_matches("assumed", entry.source)
      assert.is_truthy(entry.cause and entry.remedy)
      assert.is_true(families[entry.family], entry.code .. " is of no known family")
    end
    for code in pairs(cases) do assert.is_true(known[code], code .. " is not in the catalogue") end
  end)

  for _, entry in ipairs(vmlog.catalogue()) do
    local case = cases[entry.code]
    local patterns = type(entry.match) == "table" and entry.match or { entry.match }
    describe(entry.code, function()
      it("has a message for each of its patterns", function()
        for _, pattern in ipairs(patterns) do
          local hit = false
          for _, text in ipairs(case[1]) do
            -- the first pattern that fits counts
            for _, other in ipairs(patterns) do
              if text:find(other) then
                hit = hit or other == pattern
                break
              end
            end
          end
          assert.is_true(hit, pattern)
        end
      end)
      if is_shown(entry) then
        for i, text in ipairs(case[1]) do
          it("is found in its message" .. (i > 1 and ", form " .. i or ""), function()
            local found = codes(text)[entry.code]
            assert.is_table(found)
            assert.equal(1, found.line)
            assert.equal(1, found.count)
            assert.equal(text, found.text)
            assert.equal(entry.family, found.family)
            assert.matches("%S", found.cause)
            assert.matches("%.$", found.cause)
            assert.matches("%.$", found.remedy)
            assert.not_matches("%%[sd]", found.cause .. found.remedy)
            assert.not_matches("%.%.%.\"", found.remedy)
          end)
        end
        it("is found behind a prefix, with its place", function()
          local text = case[1][1]
          local found = codes("first\nsecond\n" .. P .. text .. "\nlast")[entry.code]
          assert.equal(3, found.line)
          if not text:match "^%d%d%d%d%-" then assert.equal("2023-07-21T09:40:52.413Z", found.time) end
        end)
        it("makes a log sick or not by its severity", function()
          local result = assert(vmlog.scan { text = case[1][1] })
          assert.equal(entry.severity == "info" and "healthy" or "problems", result.verdict)
          assert.same({}, result.not_understood)
          assert.not_equal("unknown", result.form)
        end)
      end
      it("is not found in a near miss", function()
        local found = codes(case[2])[entry.code]
        assert.is_nil(found)
      end)
    end)
  end

  it("is listed next to a second cause, and consequences under one", function()
    for _, entry in ipairs(vmlog.catalogue()) do
      if is_shown(entry) then
        local other = entry.side == "host" and (entry.code == "nested-hv" and "memory-reservation" or "nested-hv")
          or entry.code == "nvrm-region" and "nvrm-no-gpu" or "nvrm-region"
        local found = codes(cases[other][1][1] .. "\n" .. cases[entry.code][1][1] .. "\n")
        assert.is_table(found[other], entry.code)
        assert.equal(1, found[other].line)
        if entry.consequence then
          assert.is_nil(found[entry.code], entry.code)
          local under = false
          for _, one in ipairs(found[other].consequences) do under = under or one.code == entry.code and one.line == 2 end
          assert.is_true(under, entry.code)
        else
          assert.is_table(found[entry.code], entry.code)
          assert.equal(2, found[entry.code].line)
        end
      end
    end
  end)
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

  it("that only says that something failed stands under the one that says why, though both are in one line", function()
    local found = codes(cases["not-passthrough"][1][1])
    assert.is_nil(found["device-power-on"])
    assert.equal("device-power-on", found["not-passthrough"].consequences[1].code)
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
  it("is listed next to a second cause", function()
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
