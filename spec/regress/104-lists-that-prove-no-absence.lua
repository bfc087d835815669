-- A list made with a class filter, a list of one device, a guest's own list: what is not in it was taken for absent from the
-- host, and --fix removed the card's keys.
local command = require "spec.support.command"

local VMX = [[
config.version = "8"
virtualHW.version = "20"
firmware = "efi"
memSize = "16384"
sched.mem.min = "16384"
sched.mem.minSize = "16384"
sched.mem.pin = "TRUE"
pciBridge0.present = "TRUE"
pciBridge4.present = "TRUE"
pciBridge4.virtualDev = "pcieRootPort"
pciBridge4.functions = "8"
pciPassthru0.present = "TRUE"
pciPassthru0.id = "00000:059:00.0"
pciPassthru0.deviceId = "0x1eb8"
pciPassthru0.vendorId = "0x10de"
pciPassthru0.systemId = "5f1c2b3a-0001-0002-0003-aabbccddeeff"
]]

local ASPEED = "0000:03:00.0\n   Address: 0000:03:00.0\n   Vendor ID: 0x1a03\n   Device ID: 0x2000\n   Device Class: 0x0300\n"
  .. "   Passthru Capable: true\n"

local lists = {
  ["a class filter"] = "[root@esx:~] esxcli hardware pci list -c 0x0300 -m 0xff\n" .. ASPEED,
  ["one class"] = ASPEED .. ASPEED:gsub("03:00", "04:00"),
  ["one device"] = "81:00.0 3D controller [0302]: NVIDIA Corporation TU104GL [Tesla T4] [10de:1eb8] (rev a1)\n",
  ["grep"] = "$ lspci -nn | grep -i nvidia\n81:00.0 3D controller [0302]: NVIDIA Corporation T4 [10de:1eb8]\n"
    .. "82:00.1 Audio device [0403]: NVIDIA Corporation X [10de:10f8]\n",
}

describe("a list that cannot be complete", function()
  local c
  before_each(function()
    c = command.folder()
    c.write("vm.vmx", VMX)
  end)
  after_each(function() c.remove() end)

  for what, list in pairs(lists) do
    it("removes nothing: " .. what, function()
      c.write("list.txt", list)
      local _, out = c.gpupt "doctor --vmx vm.vmx --pci list.txt --fix"
      assert.matches("not in this list", out, 1, true)
      assert.not_matches("error: stale-backing", out, 1, true)
      assert.equal(VMX, c.read "vm.vmx")
    end)
  end

  it("of a guest is not taken for the host's", function()
    c.write("guest.txt", "00:0f.0 VGA compatible controller [0300]: VMware SVGA II Adapter [15ad:0405]\n"
      .. "00:00.0 Host bridge [0600]: Intel Corporation 440BX [8086:7190]\n"
      .. "13:00.0 3D controller [0302]: NVIDIA Corporation TU104GL [Tesla T4] [10de:1eb8]\n")
    local status, out = c.gpupt "doctor --vmx vm.vmx --pci guest.txt --fix"
    assert.equal(VMX, c.read "vm.vmx")
    assert.not_matches("stale-backing", out, 1, true)
    assert.matches("guest.txt: lspci; 3 devices; a guest's list", out, 1, true)
    assert.equal(0, status)
  end)
end)
