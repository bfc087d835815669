-- Hardware version 20 is that of ESXi 8.0 (32 devices) and of 8.0 U1 (64): a VM with 40 was told that it has too many.
local gpupt = require "gpupt"

local function too_many(version, count)
  local lines = { ('virtualHW.version = "%d"'):format(version) }
  for n = 0, count - 1 do lines[#lines + 1] = ('pciPassthru%d.present = "TRUE"'):format(n) end
  local doc = gpupt.check(gpupt.vmx.parse(table.concat(lines, "\n") .. "\n"))
  for _, finding in ipairs(gpupt.check(gpupt.doctor.examine { vmx = doc }).findings) do
    if finding.code == "too-many-devices" then return true end
  end
  return false
end

describe("the number of cards", function()
  for _, case in ipairs { { 19, 16 }, { 20, 64 }, { 21, 128 }, { 22, 128 } } do
    it(("of hardware version %d may be %d and no more"):format(case[1], case[2]), function()
      assert.is_false(too_many(case[1], case[2]))
      assert.is_true(too_many(case[1], case[2] + 1))
    end)
  end
end)
