-- A log of which 9 % are settings (DICT lines) took 12 times as long as one without: each went through Lua. And no more
-- than 64 words could be sought.
local vmlog = require "gpupt.vmlog"

local NOISE = "2023-07-21T09:40:51.000Z In(05) vmx - SVGA: nothing of interest here at all\n"
local settings = { 'scsi0.present = "TRUE"', 'ethernet0.networkName = "VM Network"', 'memSize = "65536"', 'pciPassthru0.id = "00000:101:00.0"',
  'toolScripts.afterPowerOn = "TRUE"', 'firmware = "efi"' }

describe("a log that lists settings on every eleventh line", function()
  it("is read in less than five times of one that lists none", function()
    local parts = {}
    for i = 1, 10000 do
      parts[i] = i % 11 == 0 and ("2023-07-21T09:40:51.000Z In(05) vmx - DICT %30s\n"):format(settings[i % #settings + 1]) or NOISE
    end
    local with, without = table.concat(parts):rep(30), NOISE:rep(300000)
    local function seconds(text)
      local best = math.huge
      for _ = 1, 3 do
        local from = os.clock()
        assert(vmlog.scan { text = text })
        best = math.min(best, os.clock() - from)
      end
      return best
    end
    seconds(NOISE)
    local ratio = seconds(with) / seconds(without)
    assert.is_true(ratio < 5, ("%.1f times"):format(ratio))
  end)

  it("gives the last value of each, with its line", function()
    local r = assert(vmlog.scan { text = 'DICT memSize = "1"\nDICT scsi0.present = "TRUE"\nDICT MEMSIZE =   2  \r\nDICT firmware="efi"\n' })
    assert.same({ memsize = { key = "MEMSIZE", value = "2", line = 3 }, firmware = { key = "firmware", value = "efi", line = 4 } }, r.config)
  end)
end)

describe("the words that are sought", function()
  it("may be hundreds, and each is found", function()
    local count = 0
    for _, entry in ipairs(vmlog.catalogue()) do count = count + (type(entry.word) == "table" and #entry.word or 1) end
    assert.is_true(count > 64)
  end)
end)
