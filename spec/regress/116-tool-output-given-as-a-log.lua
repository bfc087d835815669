-- The output of a tool that was given with --log counted as a clean log, or as a file of unknown form, although what it
-- is can be seen from what is in it.
local command = require "spec.support.command"

local BLOCK = "0000:04:00.0\n   Address: 0000:04:00.0\n   Vendor ID: 0x10de\n   Device ID: 0x1cb2\n   Device Class: 0x0300\n"
  .. "   Configured Owner: VM Passthru\n   Current Owner: VM Passthru\n   Reset Method: Bridge reset\n"

describe("gpupt doctor --log", function()
  local c
  before_each(function() c = command.folder() end)
  after_each(function() c.remove() end)

  it("reads the output of a tool for what it is", function()
    c.write("esxcli.txt", BLOCK)
    local status, out = c.gpupt "doctor --log esxcli.txt"
    assert.equal(1, status)
    assert.matches("warning: bridge-reset", out, 1, true)
    assert.not_matches("unknown form", out, 1, true)
  end)

  it("does so beside a log", function()
    c.write("esxcli.txt", BLOCK)
    c.write("vmkernel.log", "cpu7:2100020)WARNING: PCI: 471: Dev 0000:04:00.0 is unresponsive after reset\n")
    local _, out = c.gpupt "doctor --log vmkernel.log --log esxcli.txt"
    assert.matches("10de  1cb2  d3d0  false", out, 1, true)
    assert.matches("vmkernel.log: 1 line of a vmkernel.log", out, 1, true)
  end)

  it("says of a letter that it was not read", function()
    c.write("letter.txt", "Dear support,\nthe card does not work.\n")
    local status, out = c.gpupt "doctor --log letter.txt"
    assert.equal(1, status)
    assert.matches("letter.txt: a file of unknown form: it was not read", out, 1, true)
  end)
end)
