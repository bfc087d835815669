local run = require "spec.support.command".run
local json = require "gpupt.json"

describe("gpupt bar", function()
  it("prints the keys, the reason and the three rules", function()
    local status, out, err = run "bar 2x10de:20b5"
    assert.equal(0, status)
    assert.equal("", err)
    assert.equal([[
pciPassthru.use64bitMMIO = "TRUE"
pciPassthru.64bitMMIOSizeGB = "512"

2 x A100 PCIe 80GB (10de:20b5): BARs 16M (32-bit) + 128G + 32M [table, from a public source: vmware.log: 33566722 pages]
rule safe: each card's 64-bit BARs rounded up to a power of two, 2 x 256G -> 512 GB
the memory BARs sum to 256 GiB + 96 MiB, above the 3.5 GiB that a VM may map without it: EFI, use64bitMMIO and 64bitMMIOSizeGB are needed together
high-end: a card maps more than 16 GB
min 512, safe 512, seed 512 (GB)
]], out)
  end)

  it("takes measured BARs, 32-bit ones and I/O ports marked", function()
    local status, out = run "bar 3xBARS=16M/32,32G,32M,128/io --rule min --json"
    assert.equal(0, status)
    local result = json.decode(out)
    assert.equal(128, result.gb)
    assert.equal(256, result.safe)
    assert.equal("measured", result.source)
    assert.equal("mem32", result.devices[1].bars[1].kind)
    assert.equal("io", result.devices[1].bars[4].kind)
    assert.equal(3, result.devices[1].count)
  end)

  it("gives the Lua result as JSON, under the same names", function()
    local _, out = run "bar 8x10de:2330 BARS=32M --json"
    local result = json.decode(out)
    for _, name in ipairs { "gb", "rule", "min", "safe", "seed", "needed", "high_end", "bytes", "source", "why", "devices" } do
      assert.is_not_nil(result[name], name)
    end
    assert.equal(4096, result.gb)
  end)

  it("explains the figures of a failed power-on", function()
    local status, out = run "bar --pages 33566722"
    assert.equal(0, status)
    assert.equal("128 GiB + 48 MiB\nBARs of sizes such as 128G, 32M, 16M\npciPassthru.64bitMMIOSizeGB = \"256\" holds them\n", out)
    assert.matches("^32 GiB %+ 32 MiB\n", select(2, run "bar --kb 33587200"))
    assert.equal(64, json.decode(select(2, run "bar --kb 33587200 --json")).gb)
  end)

  it("prints its table in the form in which a user's own file is read", function()
    local status, out = run "bar --table"
    assert.equal(0, status)
    local tbl = assert(require "gpupt.bar".load { text = out })
    local count = 0
    for _ in tbl:each() do count = count + 1 end
    assert.equal(select(2, out:gsub("\n", "")), count)
    assert.matches("10de:1b38 | Tesla P40 |  | 0:mem32:16M 1:mem64:32G 3:mem64:32M | S | vmware.log of ESXi 8.0.2\n", out, 1, true)
    assert.equal(count, #json.decode(select(2, run "bar --table --json")))
  end)

  it("takes a user's file of cards", function()
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write "10de:9999 | Mine | | 1:mem64:512G | S | measured\n"
    file:close()
    assert.matches('64bitMMIOSizeGB = "512"', select(2, run("bar 10de:9999 --cards " .. path)), 1, true)
    assert.matches("10de:9999 | Mine", select(2, run("bar --table --cards " .. path)), 1, true)
    os.remove(path)
  end)

  it("has help with examples that work", function()
    local status, out = run "bar --help"
    assert.equal(0, status)
    local count = 0
    for example in out:gmatch "\n  gpupt ([^\n]*)" do
      assert.equal(0, (run(example)), example)
      count = count + 1
    end
    assert.equal(4, count)
  end)

  for words, want in pairs {
    ["bar"] = { 2, "no card given" }, ["bar xyz"] = { 2, "'xyz' is not a card" }, ["bar 10de"] = { 2, "is not a card" },
    ["bar BARS="] = { 2, "'' is not a size" }, ["bar BARS=16M/33"] = { 2, "ends in /32, /64 or /io" },
    ["bar BARS=24G"] = { 1, "powers of two" }, ["bar 0x10de:20b5"] = { 1, "count must be at least 1" },
    ["bar 99999999999999999999x10de:20b5"] = { 2, "the count is too large" }, ["bar 10de:ffff"] = { 1, "not in the table" },
    ["bar 10de:20b5 --rule save"] = { 2, "did you mean 'safe'" }, ["bar 10de:20b5 --rul min"] = { 2, "did you mean" },
    ["bar --pages x"] = { 2, "not a whole number" }, ["bar --pages 1"] = { 1, "cannot be the BARs" },
    ["bar --table 10de:20b5"] = { 2, "takes no cards" }, ["bar 10de:20b5 --cards /no/such"] = { 1, "/no/such" },
    ["bar 1000000000000x10de:2335"] = { 1, "do not fit" },
  } do
    it(("%s: one message on stderr, status %d"):format(words, want[1]), function()
      local status, out, err = run(words)
      assert.equal(want[1], status)
      assert.equal("", out)
      assert.matches("^gpupt: ", err)
      assert.matches(want[2], err)
    end)
  end
end)
