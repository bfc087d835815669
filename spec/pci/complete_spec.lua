--- Only a complete list shows that a card is missing.
local pci = require "gpupt.pci"

local function block(address, class, device)
  return ("%s\n   Address: %s\n   Vendor ID: 0x8086\n   Device ID: 0x%s\n   Device Class: 0x%s\n"):format(address, address, device or "1234", class)
end
local BRIDGE, GPU, NIC = block("0000:00:00.0", "0600"), block("0000:3b:00.0", "0302"), block("0000:18:00.0", "0200")

local function complete(text)
  local _, about = assert(pci.parse(text))
  return about.complete, about.why
end

describe("a list of devices", function()
  for what, case in pairs {
    ["with a host bridge and other classes is complete"] = { BRIDGE .. GPU .. NIC, true },
    ["with names only is complete when lspci names the host bridge"] = {
      "00:00.0 Host bridge: Intel Corporation X\n00:1f.0 ISA bridge: Intel Corporation Y\n3b:00.0 3D controller: NVIDIA Corporation Z\n", true },
    ["behind its command is complete"] = { "[root@esx:~] esxcli hardware pci list\n" .. BRIDGE .. GPU .. NIC, true },
    ["without a host bridge may be cut down"] = { GPU .. NIC, "unknown", "no host bridge" },
    ["of pcipassthru list has no classes"] = { "0000:3b:00.0 true\n0000:3c:00.0 false\n", "unknown", "no host bridge" },
    ["of one device is cut down"] = { GPU, false, "one device only" },
    ["of one class is cut down"] = { GPU .. block("0000:5e:00.0", "0302"), false, "of one class" },
    ["of bridges alone is cut down"] = { BRIDGE .. block("0000:80:00.0", "0600"), false, "of one class" },
    ["made with a class"] = { "[root@esx:~] esxcli hardware pci list -c 0x0300 -m 0xff\n" .. BRIDGE .. GPU, false, "which chooses" },
    ["made with --class"] = { "[root@esx:~] esxcli hardware pci list --class=0x0302\n" .. BRIDGE .. GPU, false, "which chooses" },
    ["made with lspci -d"] = { "$ lspci -nn -d 10de:\n00:00.0 Host bridge [0600]: x [8086:1234]\n3b:00.0 3D controller [0302]: y [10de:1eb8]\n",
      false, "which chooses" },
    ["made with lspci -s"] = { "$ lspci -vs 3b:00.0\n3b:00.0 3D controller [0302]: y [10de:1eb8]\n3b:00.1 Audio device [0403]: z [10de:10f8]\n",
      false, "which chooses" },
    ["made with grep"] = { "user@vm:~$ lspci -nn | grep -i nvidia\n" .. BRIDGE .. GPU, false, "which chooses" },
    ["with grep in another command is what it is"] = { "$ dmesg | grep nvidia\n" .. BRIDGE .. GPU .. NIC, true },
    ["made with lspci -nnk is not cut down"] = { "$ lspci -nnk\n" .. BRIDGE .. GPU .. NIC, true },
  } do
    it(what, function()
      local is, why = complete(case[1])
      assert.equal(case[2], is)
      if case[3] then assert.matches(case[3], why, 1, true) end
    end)
  end

  it("that is empty proves nothing", function() assert.is_false((pci.complete({}))) end)

  it("from sysfs is complete where it has a host bridge", function()
    assert.is_true((pci.complete { { class = 0x0600 }, { class = 0x0302 } }))
  end)
end)

describe("pci.parse", function()
  it("tells where each device stands, what was typed, and what pasting did", function()
    local list, about = assert(pci.parse("[root@esx:~] esxcli hardware pci list\n" .. BRIDGE .. "\n" .. GPU:gsub("\n +", "\n")))
    assert.equal(2, #list)
    assert.same({ ["0000:00:00.0"] = 2, ["0000:3b:00.0"] = 8 }, about.lines)
    assert.equal("esxcli hardware pci list", about.commands[1].text)
    local codes = {}
    for _, one in ipairs(about.damage) do codes[one.code] = one.line end
    assert.same({ prompt = 1, indentation = 10 }, codes)
  end)

  it("is what its source says", function()
    local devices = assert(pci.parse(GPU))
    devices.complete = true
    assert.is_true((pci.complete(devices)))
  end)

  it("numbers lines as in the file, whatever was left out or joined", function()
    local _, about = assert(pci.parse(((BRIDGE .. GPU):gsub("\n", "\n\n"))))
    assert.same({ ["0000:00:00.0"] = 1, ["0000:3b:00.0"] = 11 }, about.lines)
    _, about = assert(pci.parse("3b:00.0 3D controller [0302]: NVIDIA Corporation TU104GL [Tesla\nT4] [10de:1eb8]\n"
      .. "3c:00.0 3D controller [0302]: x [10de:1eb8]\n"))
    assert.same({ ["0000:3b:00.0"] = 1, ["0000:3c:00.0"] = 3 }, about.lines)
  end)
end)
