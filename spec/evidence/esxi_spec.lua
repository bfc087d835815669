local evidence = require "gpupt.evidence"

local function read(text) return assert(evidence.read({ text = text, name = "t.txt" })) end

describe("esxcli graphics", function()
  local LIST = [[
[root@esx01:~] esxcli graphics device list
0000:af:00.0
   Vendor Name: NVIDIA Corporation
   Device Name: GA100 [A100 PCIe 40GB]
   Module Name: nvidia
   Graphics Type: Shared
   Memory Size in KB: 41943040
   Number of VMs: 2

0000:d8:00.0
   Vendor Name: NVIDIA Corporation
   Device Name: GA100 [A100 PCIe 40GB]
   Module Name: None
   Graphics Type: Basic
   Memory Size in KB: 0
   Number of VMs: 0
]]
  for how, text in pairs { ["as it is printed"] = LIST, ["without indentation"] = LIST:gsub("\n +", "\n") } do
    it("device list gives type, driver, memory and VMs, " .. how, function()
      local result = read(text)
      assert.equal("esxcli graphics device list", result.forms[1].form)
      local first, second = result.cards[1], result.cards[2]
      assert.same({ "0000:af:00.0", "Shared", "nvidia", 40960, 2, "host", 2 }, { first.address, first.graphics_type, first.driver,
        first.memory_mb, first.vms, first.where, first.line })
      assert.same({ "0000:d8:00.0", "Basic" }, { second.address, second.graphics_type })
      assert.is_nil(second.driver)
      assert.is_nil(result.devices)
    end)
  end

  it("host get gives the default type", function()
    local result = read "   Default Graphics Type: SharedPassthru\n   Shared Passthru Assignment Policy: Performance\n"
    assert.same({ "SharedPassthru", "Performance" }, { result.host.graphics.type, result.host.graphics.policy })
  end)
end)

describe("vim-cmd", function()
  it("hostsvc/hosthardware gives devices from signed numbers", function()
    local result = read [[
(vim.host.HardwareInfo) {
   pciDevice = (vim.host.PciDevice) [
      (vim.host.PciDevice) {
         id = "0000:3b:00.0",
         classId = 770,
         bus = 59,
         slot = 0,
         function = 0,
         vendorId = 4318,
         subVendorId = 4318,
         vendorName = "NVIDIA Corporation",
         deviceId = 7864,
         subDeviceId = 4770,
         parentBridge = "0000:3a:00.0",
         deviceName = "TU104GL [Tesla T4]"
      },
      (vim.host.PciDevice) {
         id = "0000:88:00.0",
         classId = 512,
         vendorId = -32634,
         deviceId = 5515,
         parentBridge = <unset>,
         deviceName = "Ethernet Controller"
      }
   ],
}
]]
    assert.equal("vim-cmd", result.forms[1].form)
    local t4, nic = result.cards[1], result.cards[2]
    assert.same({ "0000:3b:00.0", 0x10de, 0x1eb8, 0x0302, "0000:3a:00.0", "TU104GL [Tesla T4]", "host" },
      { t4.address, t4.vendor, t4.device, t4.class, t4.parent, t4.device_name, t4.where })
    assert.same({ 0x8086, 0x158b }, { nic.vendor, nic.device })
    assert.is_nil(nic.parent)
  end)

  it("gives what is enabled, capable and active", function()
    local result = read [[
pciPassthruInfo = (vim.host.PciPassthruInfo) [
   (vim.host.PciPassthruInfo) {
      id = "0000:3b:00.0",
      dependentDevice = "0000:3b:00.0",
      passthruEnabled = true,
      passthruCapable = true,
      passthruActive = false
   }
]
]]
    local card = result.cards[1]
    assert.same({ true, true, false, "0000:3b:00.0" }, { card.enabled, card.capable, card.active, card.dependent })
  end)
end)

describe("passthru.map", function()
  it("gives the method of each model; ffff is any", function()
    local result = read("# file format: vendor-id device-id resetMethod fptShareable\n# Intel\n8086  10d3  d3d0     default\n"
      .. "10de  ffff  bridge   false\n1002\t66af\tlink\n")
    assert.equal("passthru.map", result.forms[1].form)
    assert.same({ 3, 0x8086, 0x10d3, "d3d0", "default", 3 }, { #result.resets, result.resets[1].vendor, result.resets[1].device,
      result.resets[1].method, result.resets[1].shareable, result.resets[1].line })
    assert.same({ 0xffff, "bridge", "false" }, { result.resets[2].device, result.resets[2].method, result.resets[2].shareable })
    assert.is_nil(result.resets[3].shareable)
  end)
  it("is not seen in words", function()
    assert.is_true(read("dead beef flr please\nfeed cafe bridgehead true\n").unread)
  end)
end)

describe("esx.conf", function()
  it("gives owners, in its own decimal spelling and in lspci's", function()
    local result = read('/device/00000:059:00.0/owner = "passthru"\n/device/00000:024:00.1/vmkname = "vmnic1"\n/device/0000:3c:00.0/owner = "passthru"\n'
      .. '/device/000:11.0/owner = "passthru"\n/system/uuid = "5f1c2b3a-0001-0002-0003-aabbccddeeff"\n')
    assert.equal("esx.conf", result.forms[1].form)
    assert.same({ "0000:3b:00.0", "passthru", true }, { result.cards[1].address, result.cards[1].configured_owner, result.cards[1].enabled })
    assert.same({ "0000:18:00.1", "vmnic1" }, { result.cards[2].address, result.cards[2].vmkernel_name })
    assert.same({ "0000:3c:00.0", true }, { result.cards[3].address, result.cards[3].handwritten })
    assert.equal("0000:00:0b.0", result.cards[4].address)
    assert.same({ "5f1c2b3a-0001-0002-0003-aabbccddeeff", 5 }, { result.host.system_id.id, result.host.system_id.line })
  end)
end)

describe("vmware -v", function()
  it("gives the release", function()
    assert.equal("8.0.3 build-24280767", read("[root@esx01:~] vmware -v\nVMware ESXi 8.0.3 build-24280767\n").software[1].version)
  end)
end)
