-- A warning about passthrough that no entry of the catalogue knew was "nothing about passthrough", status 0.
local run = require "spec.support.command".run

local K = "2026-03-01T00:00:00.000Z In(182) vmkernel: cpu1:2097152)"

describe("gpupt log of trouble that it does not know", function()
  for what, line in pairs {
    ["a warning of passthrough"] = K .. "WARNING: VMKPCIPassthru: 12: FLR of 0000:65:00.0 was refused",
    ["an error of a driver"] = "[    4.123456] NVRM: a message of tomorrow: something failed",
    ["a reset of a device"] = K .. "WARNING: PCI: 12: reset of function 0000:65:00.0 was skipped",
    ["interrupt vectors"] = K .. "WARNING: IntrVector: 12: pool of vectors fragmented",
    ["an address of a card"] = K .. "WARNING: Something: 12: 0000:65:00.0 did what nobody expected",
    ["an unknown id of a translated message"] = "[msg.pciPassthru.neuerGrund] Das geht nicht.",
  } do
    it("shows " .. what .. ", and calls the log unclear", function()
      local status, out = run("log -", line .. "\n")
      assert.equal(1, status)
      assert.matches("not understood", out, 1, true)
      assert.matches(line, out, 1, true)
      assert.matches("verdict: unclear", out, 1, true)
    end)
  end

  it("calls a log of which all was understood healthy", function()
    local status, out = run("log -", K .. "PCIPassthru: 1750: Disable Domain for device 0000:05:00.0\n")
    assert.equal(0, status)
    assert.matches("verdict: healthy", out, 1, true)
  end)
end)
