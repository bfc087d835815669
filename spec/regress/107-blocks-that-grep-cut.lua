-- `esxcli hardware pci list | grep -A 12 NVIDIA` parts what it found by "--" and leaves addresses out: the second block's ids
-- were given to the first block's device.
local command = require "spec.support.command"
local json = require "gpupt.json"

describe("gpupt pci of esxcli's list cut by grep", function()
  it("gives a device no fields of a block without an address", function()
    local status, out = command.run("pci --json --from -", "0000:3b:00.0\n   Address: 0000:3b:00.0\n   Vendor Name: NVIDIA Corporation\n"
      .. "   Vendor ID: 0x10de\n   Device ID: 0x1eb8\n--\n   Vendor Name: NVIDIA Corporation\n   Device Name: GA100 [A100 PCIe 80GB]\n"
      .. "   Vendor ID: 0x10de\n   Device ID: 0x20b5\n   Passthru Capable: false\n")
    assert.equal(0, status)
    local list = json.decode(out)
    assert.equal(1, #list)
    assert.equal(0x1eb8, list[1].device)
    assert.is_nil(list[1].capable)
  end)
end)
