-- Get-PnpDevice's own table cuts ids off ("PCI\VEN_10D..."): the row of a card with an error was left out, and the
-- result was healthy. The events of NVIDIA's driver for Windows (13, 14, 153) were a file of unknown form.
local gpupt = require "gpupt"

local HEAD = [[

Status     Class           FriendlyName                                                                     InstanceId
------     -----           ------------                                                                     ----------
OK         Display         VMware SVGA 3D                                                                   PCI\VEN_15AD&...
]]

local function row(status, name, id) return ("%-11s%-16s%-81s%s\n"):format(status, "Display", name, id) end

local function examine(text)
  local folder = require "spec.support.command".folder()
  folder.write("text", text)
  local result = gpupt.check(gpupt.doctor.examine { evidence = folder.path .. "/text" })
  folder.remove()
  return result
end

describe("Get-PnpDevice's table", function()
  for _, id in ipairs { [[PCI\VEN_10D...]], [[PCI\VEN_1...]], [[PCI\VEN_10DE&D...]], [[PCI\VE...]], "PCI\\VEN_10D\u{2026}" } do
    it("knows a card by its name when its id was cut to " .. id, function()
      local text = HEAD .. row("Error", "NVIDIA Tesla T4", id)
      local result = gpupt.check(gpupt.evidence.read { text = text })
      assert.equal(2, #result.cards)
      assert.equal(0x10de, result.cards[2].vendor)
      assert.equal("Error", result.cards[2].state)
      assert.equal(5, result.cards[2].line)
      assert.are_not.equal("healthy", examine(text).verdict)
    end)
  end

  it("has no card in the row of another device with a cut id", function()
    local result = gpupt.check(gpupt.evidence.read { text = HEAD .. row("Error", "Base System Device", [[PCI\VE...]]) })
    assert.equal(1, #result.cards)
  end)
end)

describe("an event of NVIDIA's driver for Windows", function()
  local function scan(text) return gpupt.check(gpupt.vmlog.scan { text = text }) end

  for _, text in ipairs {
    "The description for Event ID 153 from source nvlddmkm cannot be found.\n\\Device\\Video3\nError occurred on GPUID: 100\n",
    "\\Device\\Video3\nRestarting TDR occurred on GPUID:100\n", "\\Device\\Video3\nUCodeReset TDR occurred on GPUID:100\n",
    "Resetting TDR occurred on GPUID:1300\n",
  } do
    it("is a problem: " .. text:match "([^\n]+)\n$", function()
      local result = scan(text)
      assert.equal("windows-gpuid", result.findings[1].code)
      assert.equal("problems", result.verdict)
    end)
  end

  it("is not seen in other words", function()
    assert.same({}, scan("No error occurred; GPUID is listed in the next table\n").findings)
  end)
end)
