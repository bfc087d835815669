-- "Module DevicePowerOn power on failed" and "RmInitAdapter failed" were findings of their own beside their cause.
local json = require "gpupt.json"
local run = require "spec.support.command".run

local function findings(text) return json.decode(select(2, run("log - --json", text))).findings end

describe("a message that only says that something failed", function()
  it("stands under the one that says why", function()
    local list = findings("PCIPassthru: total number of pages needed (33566722) exceeds limit (917504), failing\n"
      .. "Module 'DevicePowerOn' power on failed.\n")
    assert.equal(1, #list)
    assert.equal("mmio-limit", list[1].code)
    assert.equal("device-power-on", list[1].consequences[1].code)
    assert.equal(2, list[1].consequences[1].line)
    list = findings("[ 4.1] NVRM: BAR1 is 0M @ 0x0 (PCI:0000:05:00.0)\n[ 4.2] NVRM: GPU 0000:05:00.0: RmInitAdapter failed! (0x24:0x72:1447)\n"
      .. "[ 4.3] NVRM: None of the NVIDIA devices were initialized.\n")
    assert.equal(1, #list)
    assert.equal("nvrm-bar-unassigned", list[1].code)
    assert.equal(2, #list[1].consequences)
  end)

  it("of hot-plug is tied to the power-on that it spoiled", function()
    local list = findings("cpu98:2097948)PCIEHP: 1496: 0000:a8:01.0: hotplug slot:0x1 (0000:a9:00.0) Adapter removed.\n"
      .. "Module DevicePowerOn power on failed. Failed to start the virtual machine. Device 6:0.0 is not a passthrough device.\n")
    assert.equal("not-passthrough", list[2].code)
    assert.matches("hot-plug took it away (line 1)", list[2].cause, 1, true)
  end)

  it("stands for itself where nothing says why, and is never under a cause of the other side", function()
    assert.equal("device-power-on", findings("Module 'DevicePowerOn' power on failed.\n")[1].code)
    local list = findings("Module 'DevicePowerOn' power on failed.\n[ 4.1] NVRM: No NVIDIA GPU found.\n")
    assert.equal(2, #list)
  end)
end)
