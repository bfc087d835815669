-- A card that a machine held by passthrough counted as one with virtual GPUs in use: graphicsInfo lists the machines of
-- every kind of card, and its type says which kind. A second run over finished machines was refused for that.
local host = require "gpupt.fleet.host"

local function card_with(kind, vms)
  local record = host.record({ type = "HostSystem", value = "host-1" }, {
    name = "esx-1",
    ["hardware.pciDevice"] = { { id = "0000:3b:00.0", classId = 0x0302, vendorId = 0x10de, deviceId = 0x20b5,
      subVendorId = 0x10de, subDeviceId = 0, bus = 0x3b, slot = 0, ["function"] = 0, vendorName = "NVIDIA",
      deviceName = "A100" } },
    ["config.pciPassthruInfo"] = { { id = "0000:3b:00.0", passthruCapable = true, passthruEnabled = true,
      passthruActive = true, dependentDevice = "" } },
    ["config.graphicsInfo"] = { { pciId = "0000:3b:00.0", graphicsType = kind, vm = vms } },
  })
  return record.cards[1]
end

describe("a card of which graphicsInfo names a machine", function()
  local vms = { { type = "VirtualMachine", value = "vm-7" } }

  it("has no virtual GPUs when its type is direct: the machine has the card itself", function()
    assert.is_nil(card_with("direct", vms).vgpu)
  end)

  it("has virtual GPUs in use when its type is sharedDirect", function()
    assert.equal("virtual GPUs of it are in use", card_with("sharedDirect", vms).vgpu)
    assert.is_nil(card_with("sharedDirect", {}).vgpu)
  end)

  it("is drawn on by machines when its type is shared", function()
    assert.equal("VMs draw on it as a shared card", card_with("shared", vms).vgpu)
  end)
end)
