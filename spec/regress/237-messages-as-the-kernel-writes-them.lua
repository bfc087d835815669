-- A message was in the catalogue in words that no kernel writes, others of the same failure were "not understood", and a
-- line that is its own consequence was listed under itself.
local gpupt = require "gpupt"

local function scan(text) return gpupt.check(gpupt.vmlog.scan { text = text }) end

describe("a driver that gave the card up", function()
  it("xe says so in its own words (public report CachyOS/linux-cachyos#892)", function()
    local result = scan "[ 9.2] xe 0000:03:00.0: [drm] *ERROR* CRITICAL: Xe has declared device 0000:03:00.0 as wedged.\n"
    assert.equal("intel-wedged", result.findings[1].code)
    assert.same({}, result.not_understood)
  end)

  it("is listed under its cause, with i915's last line", function()
    local result = scan [[
[    3.1] i915 0000:03:00.0: [drm] *ERROR* GT0: GuC firmware i915/dg2_guc_70.bin: fetch failed -ENOENT
[    3.2] i915 0000:03:00.0: [drm] *ERROR* Device initialization failed (-5)
]]
    assert.equal(1, #result.findings)
    assert.equal("intel-guc", result.findings[1].code)
    assert.same({}, result.not_understood)
  end)

  it("kfd excludes a device: a consequence, not a line that is not understood", function()
    local result = scan [[
[   12.3] kfd kfd: amdgpu: skipped device 1002:67df, PCI rejects atomics 730<0
[   12.4] kfd kfd: amdgpu: device 1002:67df NOT added due to errors
]]
    assert.equal(1, #result.findings)
    assert.equal("kfd-atomics", result.findings[1].code)
    assert.matches("NOT added", result.findings[1].consequences[1].text)
    assert.same({}, result.not_understood)
  end)

  it("is not a consequence of its own line", function()
    local result = scan [==[
[   12.0] [drm:amdgpu_device_ip_init [amdgpu]] *ERROR* hw_init of IP block <psp> failed -22
[   12.1] amdgpu 0000:13:00.0: amdgpu: amdgpu_device_ip_init failed
]==]
    assert.equal(1, #result.findings)
    assert.equal("amdgpu-psp", result.findings[1].code)
    assert.equal(1, #result.findings[1].consequences)
    assert.equal(2, result.findings[1].consequences[1].line)
  end)
end)
