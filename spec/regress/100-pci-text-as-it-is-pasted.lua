-- A list of PCI devices that had been through a forum, a mail program, a web page or PowerShell was read in part or not at
-- all: esxcli's text without its indentation gave "? ?", an empty line after each line ended the device.
local command = require "spec.support.command"
local json = require "gpupt.json"

local BLOCK = [[
0000:04:00.0
   Address: 0000:04:00.0
   Segment: 0x0000
   Bus: 0x04
   Vendor Name: NVIDIA Corporation
   Device Name: GP107GL [Quadro P600]
   Configured Owner: VM Passthru
   Current Owner: VM Passthru
   Vendor ID: 0x10de
   Device ID: 0x1cb2
   Device Class: 0x0300
   Passthru Capable: true
   Reset Method: Bridge reset
   NUMA Node: 1
]]

local function utf16(text)
  return "\xFF\xFE" .. text:gsub("\n", "\r\n"):gsub(".", "%0\0")
end

local forms = {
  ["without indentation"] = BLOCK:gsub("\n +", "\n"),
  ["without indentation and heading"] = BLOCK:gsub("\n +", "\n"):gsub("^[^\n]*\n", ""),
  ["with an empty line after each line"] = BLOCK:gsub("\n", "\n\n"),
  ["without indentation, with an empty line after each line"] = BLOCK:gsub("\n +", "\n"):gsub("\n", "\n\n"),
  ["quoted in a mail"] = ("\n" .. BLOCK):gsub("\n(.)", "\n> %1"):sub(2),
  ["with blanks that do not break"] = BLOCK:gsub("   ", "\xC2\xA0\xC2\xA0 "),
  ["with HTML entities"] = "<pre>" .. BLOCK:gsub("   ", "&nbsp; &nbsp;"):gsub("\n", "<br>\n") .. "</pre>",
  ["with colours"] = BLOCK:gsub("Address", "\27[01;31mAddress\27[0m"):gsub("^", "\27[0m"),
  ["as PowerShell's UTF-16"] = utf16(BLOCK),
  ["with a prompt before it"] = "[root@esx01:~] esxcli hardware pci list\n" .. BLOCK,
}

local function devices(text, words)
  local status, out, err = command.run("pci --json --from - " .. (words or ""), text)
  assert.equal("", status == 0 and "" or err)
  return json.decode(out)
end

describe("gpupt pci reads esxcli's list", function()
  for how, text in pairs(forms) do
    it(how, function()
      local list = devices(text)
      assert.equal(1, #list)
      local dev = list[1]
      assert.same({ "0000:04:00.0", 0x10de, 0x1cb2, 0x0300, "VM Passthru", "Bridge reset" },
        { dev.address, dev.vendor, dev.device, dev.class, dev.owner, dev.reset_method })
      assert.is_true(dev.capable)
      assert.equal(1, dev.numa_node)
    end)
  end

  it("of two devices without indentation, each with its own fields", function()
    local text = BLOCK:gsub("\n +", "\n") .. BLOCK:gsub("\n +", "\n"):gsub("04:00", "05:00"):gsub("1cb2", "1eb8")
    local list = devices(text)
    assert.same({ 2, 0x1cb2, 0x1eb8 }, { #list, list[1].device, list[2].device })
  end)
end)

describe("gpupt pci reads", function()
  it("pcipassthru list when its lines were run together", function()
    local list = devices "Device ID Enabled ------------ ------- 0000:03:00.0 false 0000:04:00.0 true 0000:65:00.0 false\n"
    assert.equal(3, #list)
    assert.same({ false, true, false }, { list[1].enabled, list[2].enabled, list[3].enabled })
  end)

  it("lspci in a listing of Markdown, and with numbers before its lines", function()
    local text = "3b:00.0 3D controller [0302]: NVIDIA Corporation TU104GL [Tesla T4] [10de:1eb8]\n"
      .. "3b:00.1 Audio device [0403]: NVIDIA Corporation X [10de:10f8]\n86:00.0 3D controller [0302]: NVIDIA Corporation Y [10de:20b5]\n"
    local number = 0
    for _, form in ipairs { ("\n" .. text):gsub("\n(.)", "\n    %1"), (text:gsub("([^\n]+)\n", function(line)
      number = number + 1
      return ("%6d\t%s\n"):format(number, line)
    end)) } do
      if type(form) == "string" then assert.same({ 3, 0x20b5 }, { #devices(form), devices(form)[3].device }) end
    end
  end)

  it("lspci whose long lines were broken", function()
    local list = devices("3b:00.0 3D controller [0302]: NVIDIA Corporation TU104GL [Tesla\nT4] [10de:1eb8] (rev a1)\n"
      .. "\tRegion 1: Memory at 1ff000000000 (64-bit,\nprefetchable) [size=256M]\n"
      .. "86:00.0 3D controller [0302]: NVIDIA Corporation GA100 [A100 PCIe\n80GB] [10de:20b5] (rev a1)\n")
    assert.equal(2, #list)
    assert.same({ 0x1eb8, 0x20b5, 256 << 20 }, { list[1].device, list[2].device, list[1].bars[1].size })
  end)

  it("a table without a line that is a device as none", function()
    local status, out, err = command.run("pci --from -", "Status  Class\n------  -----\nOK      Mouse\n")
    assert.same({ 1, "" }, { status, out })
    assert.matches("no PCI device found", err, 1, true)
  end)
end)
