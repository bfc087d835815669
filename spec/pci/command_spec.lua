local run = require "spec.support.command".run
local json = require "gpupt.json"

local TEXT = [[
65:00.0 3D controller [0302]: NVIDIA Corporation GA100 [A100 PCIe 80GB] [10de:20b5] (rev a1)
	Region 1: Memory at 1ff000000000 (64-bit, prefetchable) [size=128G]
	Kernel driver in use: vfio-pci
65:00.1 Audio device [0403]: NVIDIA Corporation Device [10de:22ba]
02:00.0 VGA compatible controller [0300]: ASPEED Technology, Inc. ASPEED Graphics Family [1a03:2000]
]]

describe("gpupt pci", function()
  it("lists the devices of a text with what is known of them", function()
    local status, out, err = run("pci --from -", TEXT)
    assert.equal(0, status)
    assert.equal("", err)
    assert.matches("0000:65:00.0  10de:20b5  0302  .*GA100 %[A100 PCIe 80GB%]\n    BARs 1:128G; driver vfio%-pci\n", out)
    assert.matches("0000:02:00.0  1a03:2000", out)
  end)

  it("--gpus says on stderr which display controllers were excluded, and why", function()
    local status, out, err = run("pci --from - --gpus", TEXT)
    assert.equal(0, status)
    assert.matches("^0000:65:00.0", out)
    assert.not_matches("22ba", out)
    assert.not_matches("1a03", out)
    assert.equal("excluded: 0000:02:00.0 1a03:2000: ASPEED management graphics\n", err)
  end)

  it("takes patterns, of which one must fit", function()
    assert.equal(2, #json.decode(select(2, run("pci --from - --json 1a03:* class=0403", TEXT))))
    local status, out, err = run("pci --from - 1002:*", TEXT)
    assert.equal(0, status)
    assert.equal("", out)
    assert.equal("none of 3 devices fits\n", err)
    assert.equal("[]\n", select(2, run("pci --from - --json 1002:*", TEXT)))
  end)

  it("--together shows what goes along with a card, and why", function()
    local status, out = run("pci --from - --together 10de:20b5", TEXT)
    assert.equal(0, status)
    assert.matches("^0000:65:00.0  .*\n0000:65:00.1  10de:22ba.*\n  together: functions of one device, 0000:65:00\n$", out)
    local groups = json.decode(select(2, run("pci --from - --together --json gpu class=0403 1a03:*", TEXT)))
    assert.equal(2, #groups)
    assert.equal(2, #groups[1].devices)
    assert.same({}, groups[2].reasons)
  end)

  it("gives the records as JSON, lists as lists", function()
    local _, out = run("pci --from - --json", TEXT)
    local list = json.decode(out)
    assert.equal(128 << 30, list[1].bars[1].size)
    assert.matches('"bars": %[%]', out)
  end)

  it("joins several texts into one record", function()
    local a, b = os.tmpname(), os.tmpname()
    for path, text in pairs { [a] = TEXT, [b] = "0000:65:00.0     true\n" } do
      local file = assert(io.open(path, "w"))
      file:write(text)
      file:close()
    end
    local list = json.decode(select(2, run(("pci --json --from %s --from %s 65:00.0"):format(a, b))))
    os.remove(a)
    os.remove(b)
    assert.is_true(list[1].enabled)
    assert.equal(0x20b5, list[1].device)
  end)

  for words, want in pairs {
    ["pci --from /no/such"] = { 1, "/no/such" }, ["pci --from - "] = { 1, "no PCI device found" },
    ["pci --root /no/such"] = { 1, "/no/such" }, ["pci --root /sys --from -"] = { 2, "exclude each other" },
    ["pci --from /"] = { 1, "directory" }, ["pci --gpu"] = { 2, "did you mean '%-%-gpus'" },
  } do
    it(("%s: one message, status %d"):format(words, want[1]), function()
      local status, out, err = run(words)
      assert.equal(want[1], status)
      assert.equal("", out)
      assert.matches(want[2], err)
    end)
  end
  it("a bad pattern is wrong usage", function()
    local status, _, err = run("pci --from - xyz", TEXT)
    assert.equal(2, status)
    assert.matches("'xyz' is not a pattern", err)
  end)
end)
