-- The meaning of most Xids was from memory: 11, 25, 37, 66, 96 and others were "not in this catalogue", 32 was the
-- driver's fault, and Xid 154, which names the recovery that the card needs, was not read to its end.
-- Source: docs.nvidia.com/deploy/xid-errors/analyzing-xid-catalog.html
local vmlog = require "gpupt.vmlog"
local xids = require "gpupt.facts.xids"

local function found(text)
  local list = {}
  for _, one in ipairs(assert(vmlog.scan { text = text }).findings) do list[one.code] = one end
  return list
end

local function line(number, rest) return ("NVRM: Xid (PCI:0000:13:00): %d, %s\n"):format(number, rest or "pid=1, name=x") end

describe("an Xid", function()
  for _, number in ipairs { 11, 25, 37, 66, 96, 103, 128, 144, 156, 158, 168 } do
    it(("%d has its meaning"):format(number), function()
      local list = found(line(number))
      assert.is_table(list["xid-" .. number])
      assert.is_nil(list["xid-other"])
    end)
  end

  it("32 is laid to the PCIe connection first", function()
    assert.equal("hardware", found(line(32))["xid-32"].detail.kind)
  end)

  it("79 needs the host switched off and on, 46 only the VM", function()
    assert.matches("^Power the host off and on", found(line(79))["xid-79"].remedy)
    assert.matches("^Power the VM off and on", found(line(46))["xid-46"].remedy)
  end)

  it("154 gives the recovery that the driver names", function()
    local one = found(line(154, "GPU recovery action changed from 0x0 (None) to 0x2 (Node Reboot Required)"))["xid-154"]
    assert.matches("Node Reboot Required", one.cause)
    assert.matches("Power the VM off and on; if the message comes again, power the host off and on", one.remedy, 1, true)
    one = found(line(154, "GPU recovery action changed from 0x0 (None) to 0x1 (GPU Reset Required)"))["xid-154"]
    assert.matches("Stop the programs on the card", one.remedy)
  end)

  it("154 stands under the Xid that it is about", function()
    local list = found(line(79, "GPU has fallen off the bus.") .. line(154, "GPU recovery action changed from 0x0 (None) to 0x2 (Node Reboot Required)"))
    assert.is_table(list["xid-79"])
    assert.is_nil(list["xid-154"])
  end)
end)

describe("the table of Xids", function()
  it("has each number once, with a source and a known action", function()
    local seen = {}
    local actions = { none = true, application = true, gpu = true, host = true, power = true, software = true, earlier = true }
    for _, row in ipairs(xids.list()) do
      assert.is_nil(seen[row.number], row.number)
      seen[row.number] = true
      assert.is_true(actions[row.action], row.number)
      assert.matches("^NVIDIA", row.source)
    end
  end)
end)
