-- A reset method was read and neither shown nor judged, /etc/vmware/passthru.map counted as a clean log, and a card that the
-- host cannot pass through (Passthru Capable: false) looked like any other.
local command = require "spec.support.command"

local function block(address, device, more)
  return ("%s\n   Address: %s\n   Vendor Name: NVIDIA Corporation\n   Vendor ID: 0x10de\n   Device ID: 0x%s\n"
    .. "   Device Class: 0x0300\n   Configured Owner: VM Passthru\n   Current Owner: VM Passthru\n   Parent Device: PCI 0:0:3:0\n"
    .. "   Dependent Device: PCI 0:0:3:0\n%s\n"):format(address, address, device, more)
end

local P600 = block("0000:04:00.0", "1cb2", "   Passthru Capable: true\n   Reset Method: Bridge reset\n   FPT Sharable: true\n")
local MAP = "# file format: vendor-id device-id resetMethod fptShareable\n# NVIDIA\n10de  ffff  bridge   false\n"

describe("gpupt pci", function()
  local c
  before_each(function() c = command.folder() end)
  after_each(function() c.remove() end)

  it("shows the reset method and what it takes down, with the line for passthru.map", function()
    c.write("esxcli.txt", P600)
    local status, out = c.gpupt "pci --from esxcli.txt"
    assert.equal(0, status)
    assert.matches("reset: Bridge reset", out, 1, true)
    assert.matches("10de  1cb2  d3d0  ", out, 1, true)
  end)

  it("names the line of passthru.map that chose the method", function()
    c.write("esxcli.txt", P600)
    c.write("passthru.map", MAP)
    local status, out = c.gpupt "pci --from esxcli.txt --from passthru.map"
    assert.equal(0, status)
    assert.matches("passthru.map:3: 10de  ffff  bridge   false", out, 1, true)
    assert.matches("10de  1cb2  d3d0  false", out, 1, true)
  end)

  it("gives no advice on a card that resets itself", function()
    c.write("esxcli.txt", (P600:gsub("Bridge reset", "Function reset")))
    local _, out = c.gpupt "pci --from esxcli.txt"
    assert.matches("reset: Function reset", out, 1, true)
    assert.not_matches("passthru.map", out, 1, true)
  end)

  it("says that a card cannot be passed through", function()
    c.write("esxcli.txt", block("0000:04:00.0", "1cb2", "   Passthru Capable: false\n   Reset Method: Function reset\n"))
    local _, out = c.gpupt "pci --from esxcli.txt"
    assert.matches("passthrough not possible (Passthru Capable: false)", out, 1, true)
  end)

  it("reads passthru.map alone", function()
    c.write("passthru.map", MAP)
    local status, out = c.gpupt "pci --from passthru.map"
    assert.equal(0, status)
    assert.matches("passthru.map:3  10de:*  bridge  not sharable", out, 1, true)
  end)
end)

describe("gpupt doctor", function()
  it("judges the reset method of the host's list by the map beside it", function()
    local c <close> = setmetatable(command.folder(), { __close = function(self) self.remove() end })
    c.write("esxcli.txt", P600)
    c.write("passthru.map", MAP)
    local status, out = c.gpupt "doctor --evidence esxcli.txt --evidence passthru.map"
    assert.equal(1, status)
    assert.matches("warning: bridge-reset", out, 1, true)
    assert.matches("esxcli.txt:1: 0000:04:00.0", out, 1, true)
    assert.matches("passthru.map:3: 10de  ffff  bridge   false", out, 1, true)
    assert.matches("10de  1cb2  d3d0  false", out, 1, true)
  end)
end)
