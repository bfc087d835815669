-- In the list of lspci -v, which does not number the regions, a BAR without an address was forgotten when another one
-- followed: the card was healthy. And lspci given as a log was read as a kernel's log: one line, without the card.
local gpupt = require "gpupt"

local function v(address)
  return ([[
0b:00.0 VGA compatible controller: NVIDIA Corporation TU104GL [Quadro RTX 5000] (rev a1) (prog-if 00 [VGA controller])
	Flags: bus master, fast devsel, latency 64, IRQ 73, NUMA node 0
	Memory at fc000000 (32-bit, non-prefetchable) [size=16M]
	Memory at %s (64-bit, prefetchable)
	Memory at e6000000 (64-bit, prefetchable) [size=32M]
	I/O ports at 5000 [size=128]
	Kernel driver in use: nvidia
]]):format(address)
end

local VVV = [[
13:00.0 3D controller: NVIDIA Corporation GA100 [A100 PCIe 40GB] (rev a1)
	Physical Slot: 192
	NUMA node: 0
	Region 0: Memory at fc000000 (32-bit, non-prefetchable) [size=16M]
	Region 1: Memory at <unassigned> (64-bit, prefetchable)
	Region 3: Memory at <unassigned> (64-bit, prefetchable)
	Capabilities: [78] Express Endpoint, MSI 00
		LnkSta:	Speed 8GT/s (downgraded), Width x8 (downgraded)
	Kernel modules: nvidia
]]

local function examine(text, as)
  local folder = require "spec.support.command".folder()
  folder.write("lspci.txt", text)
  local result = gpupt.check(gpupt.doctor.examine { [as] = folder.path .. "/lspci.txt" })
  folder.remove()
  return result
end

describe("lspci of a guest", function()
  for _, address in ipairs { "<ignored>", "<unassigned>" } do
    it("-v: a BAR that is " .. address .. " is remembered, and those behind it are counted on", function()
      local device = gpupt.check(gpupt.pci.parse(v(address)))[1]
      assert.same({ 1 }, device.unassigned)
      assert.same({ 0, 3, 5 }, { device.bars[1].index, device.bars[2].index, device.bars[3].index })
    end)
  end

  it("twice in one text is counted from the beginning again", function()
    local device = gpupt.check(gpupt.pci.parse(v "e8000000" .. "\n" .. v "<ignored>"))[1]
    assert.same({ 1 }, device.unassigned)
  end)

  for _, as in ipairs { "log", "evidence" } do
    it("names the card and all its BARs when it is given as " .. as, function()
      local result = examine(VVV, as)
      assert.equal("problems", result.verdict)
      assert.equal(1, #result.findings)
      local finding = result.findings[1]
      assert.matches("BAR 1, BAR 3 of 0000:13:00.0", finding.cause, 1, true)
      for _, text in ipairs(result.looked_at) do assert.is_nil(text:find("of a dmesg", 1, true), text) end
    end)
  end

  it("before a kernel's log in one file leaves the log what it is", function()
    local result = examine(VVV .. "[   12.1] NVRM: GPU 0000:13:00.0: RmInitAdapter failed! (0x22:0x56:884)\n", "log")
    assert.equal(1, #result.findings)
    local finding = result.findings[1]
    assert.equal("bar-unassigned", finding.code)
    assert.is_nil(finding.cause:find "BAR %d")
    assert.matches("RmInitAdapter", finding.consequences[1].text)
  end)
end)
