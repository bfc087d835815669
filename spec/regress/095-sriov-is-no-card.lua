-- A healthy VM with SR-IOV network functions (systemId BYPASS, ids 0, one physical function for several) was told that
-- two entries name the same card and that their ids are misspelt.
local gpupt = require "gpupt"

local VF = [[
pciPassthru%d.deviceId = "0"
pciPassthru%d.vendorId = "0"
pciPassthru%d.id = "00000:026:00.1"
pciPassthru%d.pfId = "00000:026:00.1"
pciPassthru%d.present = "TRUE"
pciPassthru%d.systemId = "BYPASS"
]]
local BASE = 'config.version = "8"\nvirtualHW.version = "19"\nfirmware = "efi"\nmemsize = "8192"\n'

local function examine(text) return gpupt.check(gpupt.doctor.examine { vmx = gpupt.check(gpupt.vmx.parse(text)) }) end

describe("network functions of SR-IOV", function()
  it("are no cards: several of one physical function are healthy", function()
    local result = examine(BASE .. VF:format(28, 28, 28, 28, 28, 28) .. VF:format(29, 29, 29, 29, 29, 29))
    assert.same({}, result.findings)
    assert.equal("healthy", result.verdict)
  end)

  it("do not hide two entries of a card at one address", function()
    local card = 'pciPassthru%d.present = "TRUE"\npciPassthru%d.id = "00000:066:00.0"\npciPassthru%d.deviceId = "0x1eb8"\n'
      .. 'pciPassthru%d.vendorId = "0x10de"\npciPassthru%d.systemId = "5f1c"\n'
    local result = examine(BASE .. card:format(0, 0, 0, 0, 0) .. card:format(1, 1, 1, 1, 1))
    local codes = {}
    for _, finding in ipairs(result.findings) do codes[finding.code] = true end
    assert.is_true(codes["same-device"])
  end)
end)
