-- A remedy printed 64bitMMIOSizeGB = "..." although the log beside it held the BARs, and other examples.
local run = require "spec.support.command".run
local vmlog = require "gpupt.vmlog"

local BARS = "PCIPassthru: Device 0000:13:00.0 barIndex 0 type 2 realaddr 0xd4000000 size 16777216 flags 0\n"
  .. "PCIPassthru: Device 0000:13:00.0 barIndex 1 type 3 realaddr 0x3b800000000 size 68719476736 flags 12\n"

describe("a remedy", function()
  it("takes the size of the window from the BARs of the log", function()
    local _, out = run("log -", BARS .. "pciMmioError\n")
    assert.matches('64bitMMIOSizeGB = "64"', out, 1, true)
  end)

  it("says which file would tell it, where the log does not", function()
    for _, text in ipairs { "NVRM: BAR1 is 0M @ 0x0 (PCI:0000:05:00.0)", "\tRegion 1: Memory at <unassigned> (64-bit, prefetchable)",
      "amdgpu: probe of 0000:03:00.0 failed with error -12", "NVRM: This PCI I/O region assigned to your NVIDIA device is invalid:" } do
      local _, out = run("log -", text .. "\n")
      assert.not_matches('"..."', out, 1, true)
      assert.matches("vmware.log", out, 1, true)
    end
  end)

  it("gives the exact line of passthru.map when the log tells the ids of the card", function()
    local _, out = run("log -", 'DICT pciPassthru0.id = "00000:013:00.3"\nDICT pciPassthru0.vendorId = "0x1022"\nDICT pciPassthru0.deviceId = "0x149c"\n'
      .. "PCIPassthru: Failed to register device 0000:0d:00.3 error = 0xffffffff\n")
    assert.matches('"1022  149c  d3d0  default"', out, 1, true)
    _, out = run("log -", "cpu7:2100020)WARNING: PCI: 471: Dev 0000:0d:00.3 is unresponsive after reset\n")
    assert.matches("esxcli hardware pci list for 0000:0d:00.3", out, 1, true)
  end)

  it("gives the vendor id that a script wrote as the API's signed short", function()
    local text = 'DICT pciPassthru0.vendorId = "0xffff8086"\nThe systemId does not match the current system or the deviceId, and the '
      .. "vendorId does not match the device currently at 97:0.0.\n"
    assert.matches('Set pciPassthru0.vendorId = "0x8086".', select(2, run("log -", text)), 1, true)
  end)

  it("computes the decimal id of the address that the log names", function()
    local _, out = run("log -", 'DICT pciPassthru0.id = "0000:0d:00.0"\nAH No device hints found\n')
    assert.matches('"00000:013:00.0"', out, 1, true)
  end)

  it("of an IOMMU fault goes by the number of cards", function()
    local fault = "PCI passthru device 0000:0d:00.0 caused an IOMMU fault type 5 at address 0x1\n"
    local one = 'DICT pciPassthru0.present = "TRUE"\n'
    local two = one .. 'DICT pciPassthru1.present = "TRUE"\n'
    local function remedy(text) return vmlog.scan { text = text }.findings[1].remedy end
    assert.matches("one card, so peer-to-peer is not the cause", remedy(one .. fault), 1, true)
    assert.matches("2 cards: if they talk to each other, set pciPassthru.allowP2P", remedy(two .. fault), 1, true)
    assert.matches("allowP2P is on already", remedy(two .. 'DICT pciPassthru.allowP2P = "TRUE"\n' .. fault), 1, true)
  end)

  it("of used up interrupt vectors goes by the release that the log names", function()
    local function remedy(version)
      return vmlog.scan { text = (version and "2023-07-21T09:40:50.413Z In(05) vmx - Log for VMware ESX pid=1 version=VMware ESXi "
        .. version .. " build=build-1 option=Release\n" or "")
        .. "PCIPassthruChangeIntrSettings: 0000:08:10.1 failed to register interrupt (error code 195887110)\n" }.findings[1].remedy
    end
    assert.matches("intrFirstMsixVector -v 0x80", remedy "7.0.3", 1, true)
    assert.matches("intrFirstMsixVector -v 0x80", remedy "8.0.0", 1, true)
    assert.not_matches("-v 0x80", remedy "8.0.2", 1, true)
    assert.not_matches("-v 0x80", remedy "6.7.0", 1, true)
    assert.matches("7.0.1 to 8.0", remedy(), 1, true)
  end)

  it("of Code 43 goes by the driver's release and the card that the report names", function()
    local function finding(text) return vmlog.scan { text = text .. "ConfigManagerErrorCode : 43\n" }.findings[1] end
    assert.matches("537.13", finding("Name: NVIDIA GeForce RTX 2080 Ti\nDriver Version: 31.0.15.3713\n").cause, 1, true)
    assert.matches("not needed", finding("Name: NVIDIA GeForce RTX 2080 Ti\nDriver Version: 31.0.15.3713\n").remedy, 1, true)
    assert.matches("before 465", finding("Name: NVIDIA GeForce GTX 1080\nDriver Version: 27.21.14.5671\n").cause, 1, true)
    assert.matches("only NVIDIA's driver checks for a hypervisor", finding("Name : AMD Radeon RX 6800 XT\n").cause, 1, true)
    assert.matches("Resizable BAR", finding("Name : Intel(R) Arc(TM) Pro B50 Graphics\n").remedy, 1, true)
  end)
end)
