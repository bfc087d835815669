-- A card of two functions and a board with NVSwitches were shown as devices that have nothing to do with each other: the
-- NVSwitches were left out without a word, and the line for passthru.map would have named one function of two.
local command = require "spec.support.command"

local function block(func, device, class, more)
  return ("0000:04:00.%d\n   Address: 0000:04:00.%d\n   Vendor ID: 0x10de\n   Device ID: 0x%s\n   Device Class: 0x%s\n   Device Class Name: %s\n"
    .. "   Configured Owner: VM Passthru\n   Current Owner: VM Passthru\n   Passthru Capable: true\n   Parent Device: PCI 0:0:3:0\n"
    .. "   Dependent Device: PCI 0:0:3:0\n   Reset Method: Bridge reset\n"):format(func, func, device, class, more)
end

describe("gpupt pci", function()
  it("shows the other functions of a card, and a line for each in passthru.map", function()
    local status, out = command.run("pci --gpus --from -", block(0, "1cb2", "0300", "VGA compatible controller") .. "\n"
      .. block(1, "0fb9", "0403", "Audio device"))
    assert.equal(0, status)
    assert.matches("same card: 0000:04:00.1 (Audio device)", out, 1, true)
    assert.matches('"10de  1cb2  d3d0  false" and, for 0000:04:00.1, "10de  0fb9  d3d0  false"', out, 1, true)
    assert.matches("takes 0000:04:00.1 down as well", out, 1, true)
  end)

  it("--gpus lists which NVSwitches it excludes, and what they are for", function()
    local status, out, err = command.run("pci --gpus --from -", "07:00.0 3D controller [0302]: NVIDIA Corporation GA100 [A100 SXM4 80GB] [10de:20b2] (rev a1)\n"
      .. "c4:00.0 Bridge [0680]: NVIDIA Corporation GA100 [A100 NVSwitch] [10de:1af1] (rev a1)\n")
    assert.equal(0, status)
    assert.not_matches("c4:00.0", out, 1, true)
    assert.equal("excluded: 0000:c4:00.0 10de:1af1: an NVSwitch of an HGX A100 board, which the board's GPUs need for NVLink\n", err)
  end)
end)
