-- lspci without -nn gave names and no ids, so that no pattern and no --gpus could fit ("none of 1 devices fits"). Names are
-- looked up in pci.ids; a name that several ids have is told as such, and none is taken.
local command = require "spec.support.command"
local json = require "gpupt.json"
local pci = require "gpupt.pci"

describe("gpupt pci finds the ids of names", function()
  it("of Linux's lspci", function()
    local status, out = command.run("pci --from - 10de:1eb8",
      "3b:00.0 3D controller: NVIDIA Corporation TU104GL [Tesla T4] (rev a1)\n00:1f.0 ISA bridge: Intel Corporation Q35\n")
    assert.equal(0, status)
    assert.matches("^0000:3b:00.0  10de:1eb8  0302  NVIDIA Corporation TU104GL %[Tesla T4%]", out)
    assert.matches("ids by name", out, 1, true)
  end)

  it("of ESXi's lspci -v, which has the ids in the next line", function()
    local _, out = command.run("pci --from - --gpus", "0000:3b:00.0 Display controller 3D controller: NVIDIA Corporation "
      .. "TU104GL [Tesla T4]\n\t Class 0302: 10de:1eb8\n0000:00:1f.6 Network controller: Intel Corporation Ethernet "
      .. "Connection [vmnic0]\n")
    assert.matches("^0000:3b:00.0  10de:1eb8  0302", out)
    assert.not_matches("ids by name", out, 1, true)
  end)

  it("of ESXi's lspci with the brand glued to the model", function()
    local _, out = command.run("pci --json --from - 10de:*", "0000:42:00.0 Display controller: NVIDIA Corporation "
      .. "NVIDIATesla P40 [vmgfx0]\n")
    assert.equal(0x1b38, json.decode(out)[1].device)
  end)

  it("of a device that the pci.ids of that machine did not know", function()
    local _, out = command.run("pci --json --from -", "65:00.0 3D controller: NVIDIA Corporation Device 20b5 (rev a1)\n")
    local dev = json.decode(out)[1]
    assert.same({ 0x10de, 0x20b5 }, { dev.vendor, dev.device })
  end)

  it("and says so when several ids have the name", function()
    local names = os.tmpname()
    local file = assert(io.open(names, "w"))
    file:write("10de  NVIDIA Corporation\n\t1111  GX100 [Card]\n\t2222  GX100 [Card]\n1002  Advanced Micro Devices, Inc. [AMD/ATI]\n"
      .. "\t3333  GX100 [Card]\nC 03  Display controller\n\t00  VGA compatible controller\n\t02  3D controller\n")
    file:close()
    local list = assert(pci.parse("65:00.0 3D controller: NVIDIA Corporation GX100 [Card] (rev a1)\n", { names = names }))
    os.remove(names)
    assert.equal("10de:1111 10de:2222", list[1].candidates)
    assert.same({ 0x10de, 0x0302 }, { list[1].vendor, list[1].class })
    assert.is_nil(list[1].device)
    -- the system's pci.ids has such a name as well
    local _, out = command.run("pci --from -", "65:00.0 VGA compatible controller: NVIDIA Corporation GT218 [GeForce 210]\n")
    assert.matches("10de:", out, 1, true)
  end)

  it("and says why a pattern matches nothing when a device has no ids at all", function()
    local _, out, err = command.run("pci --from - 10de:*", "65:00.0 3D controller: Nobody Ltd. Unheard of\n")
    assert.equal("", out)
    assert.equal("none of 1 device fits; 1 of them has only a name that is not in pci.ids\n", err)
  end)
end)
