--- Every card whose ECC was off got a warning, also an RTX A6000, which ships with it off; the warning did not say what
-- the card's data sheet has.
local proof = require "gpupt.guest.proof"

local PNP = '[{"DeviceID":"PCI\\\\VEN_10DE&DEV_%s\\\\1","ConfigManagerErrorCode":0,"Service":"nvlddmkm","PNPClass":"Display"}]'
local LSPCI = "0000:0b:00.0 3D controller [0302]: NVIDIA Corporation X [10de:%s]\n\tKernel driver in use: nvidia\n"
local LINK = "00000000:0B:00.0, 4, 4, 16, 16, %s\n"

local function warnings(family, device, ecc)
  local outputs = { ["nvidia-smi-link"] = { out = LINK:format(ecc), status = 0 } }
  if family == "linux" then outputs.lspci = { out = LSPCI:format(device), status = 0 }
  else outputs.pnp = { out = PNP:format(device), status = 0 } end
  local result, list = proof.read(family, outputs, { driver = true }), {}
  assert.is_true(result.ok)
  for _, finding in ipairs(result.findings) do
    if finding.code == "ecc-off" then
      assert.equal("warning", finding.severity)
      list[#list + 1] = finding.text
    end
  end
  return list
end

describe("ECC that is switched off", function()
  for _, family in ipairs { "linux", "windows" } do
    it("is a warning on a card that ships with it on, in " .. family, function()
      assert.same({ "00000000:0b:00.0: ECC Disabled, and the card ships with it switched on" },
        warnings(family, "20b5", "Disabled"))
      assert.same({}, warnings(family, "20b5", "Enabled"))
      assert.same({}, warnings(family, "20b5", "[N/A]"))
    end)

    it("is none on a card that ships with it off, in " .. family, function()
      assert.same({}, warnings(family, "2230", "Disabled"))
    end)

    it("is a warning on a card that is not listed, in " .. family, function()
      assert.same({ "00000000:0b:00.0: ECC Disabled" }, warnings(family, "ffff", "Disabled"))
    end)
  end
end)
