-- A guest that had no room for a card's BAR was silent: the kernel's lines and lspci's <unassigned> were not read ("none of
-- 1 devices fits"), nor was the link.
local command = require "spec.support.command"
local json = require "gpupt.json"

local function devices(text)
  local status, out, err = command.run("pci --json --from -", text)
  assert.equal("", status == 0 and "" or err)
  return json.decode(out)
end

describe("gpupt pci of a guest's text", function()
  for how, line in pairs {
    ["no space"] = "[    0.712] pci 0000:13:00.0: BAR 1: no space for [mem size 0x1000000000 64bit pref]\n",
    ["failed to assign"] = "[    0.712] pci 0000:13:00.0: BAR 1: failed to assign [mem size 0x1000000000 64bit pref]\n",
    ["can't assign"] = "Dec 06 10:00:00 vm kernel: pci 0000:13:00.0: BAR 1 [mem size 0x1000000000 64bit pref]: can't assign; no space\n",
    ["a broken line"] = "[    0.712] pci 0000:13:00.0: BAR 1 [mem size 0x1000000000\n64bit pref]: can't assign; no space\n",
  } do
    it("knows from the kernel that a BAR has no address: " .. how, function()
      local dev = devices("[    0.500] pci 0000:13:00.0: [10de:1b38] type 00 class 0x030200\n" .. line)[1]
      assert.same({ 0x10de, 0x1b38, 0x0302 }, { dev.vendor, dev.device, dev.class })
      assert.same({ { index = 1, kind = "mem64", size = 64 << 30, prefetchable = true } }, dev.bars)
      assert.same({ 1 }, dev.unassigned)
    end)
  end

  it("knows from the kernel what a BAR has got", function()
    for _, line in ipairs { "BAR 1 [mem 0xf800000000-0xfbffffffff 64bit pref]", "reg 0x14: [mem 0xf800000000-0xfbffffffff 64bit pref]",
      "BAR 1: assigned [mem 0xf800000000-0xfbffffffff 64bit pref]" } do
      local dev = devices("[    0.6] pci 0000:01:00.0: " .. line .. "\n")[1]
      assert.same({ index = 1, kind = "mem64", size = 16 << 30, prefetchable = true, address = 0xf800000000 }, dev.bars[1])
      assert.is_nil(dev.unassigned)
    end
  end)

  it("takes a BAR for assigned when that came later", function()
    local dev = devices("pci 0000:13:00.0: BAR 1: no space for [mem size 0x1000000 64bit pref]\n"
      .. "pci 0000:13:00.0: BAR 1: assigned [mem 0xd4000000-0xd4ffffff 64bit pref]\n")[1]
    assert.is_nil(dev.unassigned)
    assert.equal(0xd4000000, dev.bars[1].address)
  end)

  it("lists no device for a kernel's line that tells nothing of one", function()
    local status = command.run("pci --from -", "[    0.6] pci 0000:01:00.0: Enabling HDA controller\n"
      .. "[    0.6] pci 0000:01:00.0: VF BAR 0 [mem 0x00000000-0x0003ffff 64bit pref]\n[    0.6] pci 0000:00:17.3: BAR 13: "
      .. "no space for [io  size 0x1000]\n")
    assert.equal(1, status)
  end)

  it("shows an unassigned region and the link", function()
    local status, out = command.run("pci --from -", "13:00.0 3D controller [0302]: NVIDIA Corporation GP102GL [Tesla P40] [10de:1b38] (rev a1)\n"
      .. "\tNUMA node: 0\n\tRegion 0: Memory at fc000000 (32-bit, non-prefetchable) [size=16M]\n"
      .. "\tRegion 1: Memory at <unassigned> (64-bit, prefetchable)\n\tRegion 3: Memory at e4000000 (64-bit, prefetchable) [size=32M]\n"
      .. "\tCapabilities: [78] Express (v2) Legacy Endpoint, MSI 00\n\t\tLnkCap:\tPort #0, Speed 8GT/s, Width x16, ASPM L0s L1\n"
      .. "\t\tLnkSta:\tSpeed 2.5GT/s (downgraded), Width x8 (downgraded)\n\tKernel driver in use: nvidia\n")
    assert.equal(0, status)
    assert.matches("BAR 1 unassigned", out, 1, true)
    assert.matches("link 2.5 of 8 GT/s, x8 of x16", out, 1, true)
  end)
end)
