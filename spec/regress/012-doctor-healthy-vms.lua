-- A VM with an NVIDIA vGPU was told that its card has no id: pciPassthruN of a vGPU names a profile and never a card.
local gpupt = require "gpupt"

local BASE = [[
config.version = "8"
virtualHW.version = "19"
memsize = "16384"
firmware = "efi"
pciBridge4.present = "TRUE"
]]

local function codes(given)
  local list = {}
  for i, finding in ipairs(gpupt.check(gpupt.doctor.examine(given)).findings) do list[i] = finding.code end
  return list
end

describe("a healthy VM", function()
  for _, field in ipairs { 'pciPassthru0.vgpu = "grid_p40-4q"', 'pciPassthru0.virtualDev = "vmiop"' } do
    it("with a vGPU gives no finding: " .. field, function()
      local doc = gpupt.check(gpupt.vmx.parse(BASE .. 'pciPassthru0.present = "TRUE"\n' .. field .. "\n"))
      assert.same({}, codes { vmx = doc })
    end)
  end

  it("whose card has no id and no profile still gives one", function()
    local doc = gpupt.check(gpupt.vmx.parse(BASE .. 'pciPassthru0.present = "TRUE"\n'))
    assert.equal("incomplete-device", codes { vmx = doc }[1])
  end)

  it("may spell the host's id in capitals", function()
    local doc = gpupt.check(gpupt.vmx.parse(BASE .. [[
sched.mem.min = "16384"
pciPassthru0.present = "TRUE"
pciPassthru0.id = "00000:066:00.0"
pciPassthru0.deviceId = "0x1eb8"
pciPassthru0.vendorId = "0x10de"
pciPassthru0.systemId = "5F3A2B10-AA11"
]]))
    assert.same({}, codes { vmx = doc, system_id = "5f3a2b10-aa11" })
    assert.same({ "stale-backing" }, codes { vmx = doc, system_id = "5f3a2b10-aa12" })
  end)
end)
