local bar = require "gpupt.bar"

local G = 1 << 30
local function gb(list, rule) return assert(bar.window(list, { rule = rule })).gb end
local function cards(id, count) return { { vendor = id >> 16, device = id & 0xffff, count = count } } end

describe("the MMIO window", function()
  -- What a class of cards needs for 1, 2, 3, 4 and 8 of them; worked out by script from the rules and held against
  -- NVIDIA's table and the vendors' examples.
  local classes = {
    { name = "16G class", ids = { 0x10de15f8, 0x10de1db4, 0x10de2f04 },
      min = { 32, 64, 64, 128, 256 }, safe = { 32, 64, 128, 128, 256 } },
    { name = "32G class", ids = { 0x10de1b38, 0x10de1db6, 0x10de2236, 0x10de20b7, 0x10de27b8 },
      min = { 64, 128, 128, 256, 512 }, safe = { 64, 128, 256, 256, 512 } },
    { name = "64G class", ids = { 0x10de20f1, 0x10de2235, 0x10de26b9, 0x10de26b1, 0x1002740f },
      min = { 128, 256, 256, 512, 1024 }, safe = { 128, 256, 512, 512, 1024 } },
    { name = "128G class", ids = { 0x10de20b5, 0x10de2330, 0x10de2329 },
      min = { 256, 512, 512, 1024, 2048 }, safe = { 256, 512, 1024, 1024, 2048 } },
    { name = "256G class", ids = { 0x10de2335, 0x10de2901, 0x100274a1 },
      min = { 512, 1024, 1024, 2048, 4096 }, safe = { 512, 1024, 2048, 2048, 4096 } },
  }
  for _, class in ipairs(classes) do
    for _, id in ipairs(class.ids) do
      for i, count in ipairs { 1, 2, 3, 4, 8 } do
        it(("%s: %d x %04x:%04x"):format(class.name, count, id >> 16, id & 0xffff), function()
          assert.equal(class.min[i], gb(cards(id, count), "min"))
          assert.equal(class.safe[i], gb(cards(id, count), "safe"))
          -- for equal cards the rule of thumb always gives the exact minimum
          assert.equal(class.min[i], gb(cards(id, count), "seed"))
        end)
      end
    end
  end

  describe("of one card agrees with NVIDIA AI Enterprise's table", function()
    for id, want in pairs {
      [0x2335] = 512, [0x233b] = 512, [0x2330] = 256, [0x2331] = 256, [0x232c] = 512, [0x2329] = 256,
      [0x26b5] = 128, [0x26ba] = 128, [0x27b8] = 64, [0x27b6] = 64, [0x26b1] = 128, [0x26b2] = 64, [0x2235] = 128,
      [0x20b7] = 64, [0x2236] = 64, [0x20b5] = 256, [0x20b2] = 256, [0x20f1] = 128, [0x20b0] = 128, [0x2230] = 128,
      [0x2233] = 64, [0x2231] = 64, [0x1e78] = 64, [0x1e30] = 64, [0x1db5] = 64, [0x1db6] = 64,
    } do
      it(("10de:%04x needs %d"):format(id, want), function()
        for _, rule in ipairs { "min", "safe", "seed" } do assert.equal(want, gb(cards(0x10de0000 | id, 1), rule)) end
      end)
    end
  end)

  describe("reproduces the examples that vendors give", function()
    local function frames(count, size, rule)
      -- a frame buffer with the 32 MiB BAR that every card of the kind has beside it
      return gb({ { count = count, bars = { { kind = "mem64", size = size * G },
        { kind = "mem64", size = 32 << 20 } } } }, rule)
    end

    it("two 16 GB cards: 64; three: 64 (VMware's blog, HPE a00104867en_us)", function()
      assert.equal(64, frames(2, 16, "seed"))
      assert.equal(64, frames(3, 16, "seed"))
    end)

    it("one V100 of 32 GB: 64 (VMware's blog)", function() assert.equal(64, frames(1, 32, "seed")) end)

    it("2 x 16: 64, 8 x 16: 256 (Broadcom KB 323402)", function()
      assert.equal(64, frames(2, 16, "safe"))
      assert.equal(256, frames(8, 16, "safe"))
    end)

    it("a frame buffer of 80 GB: 256 (Broadcom KB 334594), by the BAR of 128 GiB that such a card has", function()
      assert.equal(256, frames(1, 128, "safe"))
    end)

    it("twice the memory of an MI210: 128 (AMD's guide)", function()
      assert.equal(128, gb(cards(0x1002740f, 1), "safe"))
    end)
  end)

  it("of exactly one 32 GiB BAR and nothing else is 32, but 64 by the strict rule", function()
    local one = { { bars = { { index = 0, kind = "mem64", size = 32 * G } } } }
    assert.equal(32, gb(one, "min"))
    assert.equal(32, gb(one, "safe"))
    assert.equal(64, gb(one, "seed"))
  end)

  it("32 GB does not hold 32 GiB + 32 MiB: an L4 failed with a window of 32", function()
    assert.equal(64, gb(cards(0x10de27b8, 1), "min"))
  end)

  it("of a mix adds up the rules' terms", function()
    local mix = { { vendor = 0x10de, device = 0x20b5, count = 2 },
      { bars = { { index = 1, kind = "mem64", size = 1 << 37 } }, count = 1 } }
    assert.equal(512, gb(mix, "min"))   -- 3 x 128G + 64M
    assert.equal(1024, gb(mix, "safe")) -- 2 x 256 + 128 = 640
    assert.equal(512, gb(mix, "seed"))  -- strictly above 384
  end)

  it("grows from 2048 to 4096 for eight H100 when an NVSwitch is added, and says so", function()
    local h100 = { vendor = 0x10de, device = 0x2330, count = 8 }
    local switch = { name = "NVSwitch", bars = { { index = 0, kind = "mem64", size = 32 << 20 } } }
    assert.equal(2048, gb({ h100 }, "safe"))
    local w = assert(bar.window({ h100, switch }, { rule = "safe" }))
    assert.equal(4096, w.gb)
    assert.matches("NVSwitch %(32 MiB%) makes the window 4096 instead of 2048", w.why)
    assert.not_matches("makes the window", assert(bar.window { h100 }).why)
  end)

  describe("is needed", function()
    it("above 3.5 GiB of memory BARs in all, not at it", function()
      local function of(...)
        local bars = {}
        for i, size in ipairs { ... } do bars[i] = { kind = "mem64", size = size } end
        return assert(bar.window { { bars = bars } }).needed
      end
      assert.is_false(of(2 * G, G, G >> 1))
      assert.is_true(of(2 * G, G, G >> 1, 4096))
      assert.equal(917504 * 4096, bar.LIMIT)
    end)

    it("not by one T4 (304 MiB), nor by eleven; by twelve", function()
      local t4 = assert(bar.window(cards(0x10de1eb8, 1)))
      assert.equal(304 << 20, t4.bytes)
      assert.is_false(t4.needed)
      assert.matches("304 MiB, within the 3.5 GiB", t4.why)
      assert.is_false(assert(bar.window(cards(0x10de1eb8, 11))).needed)
      assert.is_true(assert(bar.window(cards(0x10de1eb8, 12))).needed)
    end)

    it("counts 32-bit BARs, which take no room in the window itself", function()
      local w = assert(bar.window { { count = 2, bars = { { kind = "mem32", size = 2 * G } } } })
      assert.is_true(w.needed)
      assert.equal(1, w.min)
    end)
  end)

  it("reports high-end cards: more than 16 GB mapped", function()
    assert.is_true(assert(bar.window(cards(0x10de15f8, 1))).high_end)
    assert.is_false(assert(bar.window(cards(0x10de1eb8, 8))).high_end)
    assert.is_false(assert(bar.window { { bars = { { kind = "mem64", size = 16 * G } } } }).high_end)
  end)

  describe("warns, without refusing,", function()
    it("when the 32-bit BARs crowd the space below 4 GiB", function()
      local blackwell = { vendor = 0x10de, device = 0x2bb4, count = 14 }
      local w = assert(bar.window { blackwell })
      assert.equal(14 * 64 << 20, w.low_bytes)
      assert.same({}, w.warnings)
      blackwell.count = 15
      w = assert(bar.window { blackwell })
      assert.matches("32%-bit BARs sum to 960 MiB; below 4 GiB a guest has about 896 MiB", w.warnings[1])
      assert.matches("warning: the 32%-bit BARs", w.why)
    end)
    it("when the window takes half of a guest's physical addresses", function()
      assert.same({}, assert(bar.window(cards(0x10de2335, 8))).warnings)
      local w = assert(bar.window(cards(0x10de2335, 32)))
      assert.equal(16384, w.gb)
      assert.matches("window of 16384 GB .* %(45 bits, 32768 GB%)", w.warnings[1])
    end)
    it("when the window is above 4 TB, where another firmware lost a card", function()
      local w = assert(bar.window(cards(0x10de3182, 8)))
      assert.equal(8192, w.gb)
      assert.matches("placed 7 of 8 cards", w.warnings[1])
      assert.matches("warning: a window of 8192 GB", w.why)
    end)
    it("counts no 64-bit BAR as low", function() assert.equal(0, assert(bar.window(cards(0x10de2330, 8))).low_bytes) end)
  end)

  it("prefers measured BARs to the table and says where they come from", function()
    local measured = { vendor = 0x10de, device = 0x20b5, bars = { { index = 1, kind = "mem64", size = 64 * G } } }
    local w = assert(bar.window { measured })
    assert.equal("measured", w.source)
    assert.equal(64, w.gb)
    assert.equal("table", assert(bar.window(cards(0x10de20b5, 1))).source)
    assert.equal("mixed", assert(bar.window { measured, { vendor = 0x10de, device = 0x20b5 } }).source)
  end)

  it("explains itself", function()
    local w = assert(bar.window(cards(0x10de20b5, 2)))
    assert.equal([[
2 x A100 PCIe 80GB (10de:20b5): BARs 16M (32-bit) + 128G + 32M [table, from a public source: vmware.log: 33566722 pages]
rule safe: each card's 64-bit BARs rounded up to a power of two, 2 x 256G -> 512 GB
the memory BARs sum to 256 GiB + 96 MiB, above the 3.5 GiB that a VM may map without it: EFI, use64bitMMIO and 64bitMMIOSizeGB are needed together
high-end: a card maps more than 16 GB]], w.why)
    assert.matches("64%-bit BARs sum to 256 GiB %+ 64 MiB %-> 512 GB", assert(bar.window(cards(0x10de20b5, 2), { rule = "min" })).why)
    assert.matches("strictly above 2 x 128G %-> 512 GB", assert(bar.window(cards(0x10de20b5, 2), { rule = "seed" })).why)
  end)

  it("says which form of a card it assumed, where the table knows several", function()
    local w = assert(bar.window(cards(0x10de2203, 1)))
    assert.equal(64, w.gb)
    assert.matches("assumed 'Resizable BAR on', the larger form %(Resizable BAR off: 304 MiB%)", w.why)
  end)

  it("gives the cards back with their BARs", function()
    local w = assert(bar.window(cards(0x10de1b38, 3)))
    local device = w.devices[1]
    assert.equal(3, device.count)
    assert.equal((32 << 30) + (32 << 20), device.window)
    assert.equal((32 << 30) + (48 << 20), device.bytes)
    assert.same({ index = 1, kind = "mem64", size = 32 * G, prefetchable = true }, device.bars[2])
  end)

  describe("of a bad value is nil, message, code:", function()
    local function refused(list, code, pattern)
      local w, message, got = bar.window(list)
      assert.is_nil(w)
      assert.equal(code, got)
      assert.matches(pattern, message)
    end
    local function one(...) return { { name = "X", bars = { ... } } } end

    it("no cards", function() refused({}, "EINVAL", "give at least one") end)
    it("no BARs", function() refused(one(), "ENOBARS", "X: no BARs: give each as {kind=, size=}") end)
    it("I/O ports only", function() refused(one { kind = "io", size = 128 }, "ENOBARS", "X: no memory BAR") end)
    it("an unknown card", function()
      refused({ { vendor = 0x10de, device = 0xffff } }, "ENOENT", "10de:ffff is not in the table: give its BARs")
    end)
    it("a card known by its id only", function()
      refused(cards(0x10de2342, 1), "ENOBARS", "GH200.* is known by its id only: give its BARs")
    end)
    it("a size that is not a power of two", function()
      refused(one { kind = "mem64", size = 24 * G }, "EINVAL", "X: a BAR of 25769803776 bytes: BAR sizes are powers of two")
    end)
    it("a size of zero", function() refused(one { kind = "mem64", size = 0 }, "EINVAL", "powers of two") end)
    it("a negative size", function() refused(one { kind = "mem64", size = -4096 }, "EINVAL", "powers of two") end)
    it("a size in text", function() refused(one { kind = "mem64", size = "32G" }, "EINVAL", "bar.size reads") end)
    it("a 32-bit BAR of 4 GiB", function() refused(one { kind = "mem32", size = 4 * G }, "EINVAL", "at most") end)
    it("an unknown kind", function() refused(one { kind = "mem", size = 4096 }, "EINVAL", "kind 'mem' is none of") end)
    it("two BARs in one register", function()
      refused(one({ index = 1, kind = "mem64", size = G }, { index = 2, kind = "mem32", size = 4096 }), "EINVAL",
        "two BARs take register 2")
    end)
    it("a 64-bit BAR in the last register", function()
      refused(one { index = 5, kind = "mem64", size = G }, "EINVAL", "BAR 1 cannot have index 5")
    end)
    it("a count of zero", function()
      refused({ { vendor = 0x10de, device = 0x20b5, count = 0 } }, "EINVAL", "count must be at least 1")
    end)
    it("an id beyond 16 bits", function()
      refused({ { vendor = 0x110de, device = 0x20b5 } }, "EINVAL", "vendor must be an integer from 0 to 0xffff")
    end)
    it("neither ids nor BARs", function() refused({ { count = 2 } }, "EINVAL", "give vendor and device, or bars") end)
    it("a sum beyond 64 bits", function()
      refused({ { count = 1 << 40, bars = { { kind = "mem64", size = 1 << 40 } } } }, "ERANGE", "do not fit 64 bits")
      refused({ { bars = { { kind = "mem64", size = 1 << 62 }, { kind = "mem64", size = 1 << 62 },
        { kind = "mem64", size = 1 << 62 }, { kind = "mem64", size = 1 << 62 } } } }, "ERANGE", "do not fit 64 bits")
    end)
  end)

  describe("raises for misuse:", function()
    it("an unknown rule", function()
      assert.error_matches(function() bar.window(cards(0x10de20b5, 1), { rule = "save" }) end, "did you mean 'safe'")
    end)
    it("no list", function() assert.error_matches(function() bar.window() end, "a list of cards, not a nil") end)
    it("a field of the wrong type, at the caller's line", function()
      local _, message = pcall(function() bar.window { { vendor = "10de", device = 1 } } end)
      assert.matches("window_spec.lua:%d+: bar.window: card 1: vendor must be of type integer, not string", message)
    end)
  end)
end)

describe("figures of a failed power-on", function()
  it("4206594 pages are 16 GiB + 48 MiB (Dell KB 000199172)", function()
    local r = assert(bar.from_pages(4206594))
    assert.equal("16 GiB + 48 MiB", r.text)
    assert.same({ 16 << 30, 32 << 20, 16 << 20 }, r.sizes)
    assert.equal(32, r.gb)
  end)

  it("33566722 pages are 128 GiB + 48 MiB: an A100 of 80 GB, whose window is 256", function()
    local r = assert(bar.from_pages(33566722))
    assert.equal("128 GiB + 48 MiB", r.text)
    assert.equal(assert(bar.lookup(0x10de, 0x20b5)).bytes, r.bytes)
    assert.equal(256, r.gb)
  end)

  it("33587200 KB are 32 GiB + 32 MiB: the 64-bit BARs of an L4 (Broadcom KB 334594)", function()
    local r = assert(bar.from_kb(33587200))
    assert.equal("32 GiB + 32 MiB", r.text)
    assert.equal(assert(bar.window { { vendor = 0x10de, device = 0x27b8 } }).devices[1].window, r.bytes)
    assert.equal(64, r.gb)
  end)

  it("that no device has are refused", function()
    for _, pages in ipairs { 0, 2, -1, math.maxinteger } do
      local r, message, code = bar.from_pages(pages)
      assert.is_nil(r)
      assert.matches("cannot be the BARs of a device", message)
      assert.equal("EINVAL", code)
    end
    assert.equal("EINVAL", select(3, bar.from_kb(0)))
    assert.equal("EINVAL", select(3, bar.from_kb(math.maxinteger)))
  end)
end)

describe("a size", function()
  for given, want in pairs {
    ["32G"] = 32 << 30, ["128M"] = 128 << 20, ["512K"] = 512 << 10, ["1T"] = 1 << 40, ["16777216"] = 16 << 20,
    ["33587200 KB"] = 33587200 << 10, ["32 GiB"] = 32 << 30, ["64mb"] = 64 << 20, ["128"] = 128, ["0x1000"] = 4096,
    ["0"] = 0,
  } do
    it(("'%s' is %d bytes"):format(given, want), function() assert.equal(want, bar.size(given)) end)
  end
  it("may be an integer", function() assert.equal(4096, bar.size(4096)) end)

  for given, code in pairs {
    [""] = "EINVAL", ["G"] = "EINVAL", ["32X"] = "EINVAL", ["-1G"] = "EINVAL", ["1.5G"] = "EINVAL", ["32GG"] = "EINVAL",
    ["0x20G"] = "EINVAL", ["16777216T"] = "ERANGE", ["99999999999999999999"] = "ERANGE", ["18446744073709551615"] = "ERANGE",
  } do
    it(("'%s' is refused (%s)"):format(given, code), function()
      local bytes, message, got = bar.size(given)
      assert.is_nil(bytes)
      assert.is_string(message)
      assert.equal(code, got)
    end)
  end
  it("of another type raises", function() assert.has_error(function() bar.size {} end) end)

  it("reads back what bar.short writes", function()
    for bit = 0, 62 do assert.equal(1 << bit, bar.size(bar.short(1 << bit))) end
    assert.equal("1536 GiB", bar.format(1536 << 30))
    assert.equal("2 TiB", bar.format(2 << 40))
    assert.equal("0 bytes", bar.format(0))
    assert.equal("1 KiB + 5 bytes", bar.format(1029))
  end)
end)
