--- gpu.attach allowed 32 passthrough devices at hardware version 20, the doctor 64: both had their own number. Now there is
-- one definition, and the host's release decides: 32 on ESXi 8.0, 64 on 8.0 U1 (Broadcom KB 309986).
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

describe("a VM of hardware version 20 with 33 cards", function()
  local function plan_on(version)
    local cards = {}
    for i = 1, 33 do
      cards[i] = { address = ("0000:%02x:00.0"):format(0x20 + i), vendor = "10de", device = "1eb8", subvendor = "10de",
        subdevice = "12a2", name = "TU104GL [Tesla T4]", class = "0302", bars = { "16M:32", "256M:64p", "32M:64p" },
        enabled = true }
    end
    local site = lab.start { speed = 500, flags = "-version " .. version, fleet = {
      clusters = { { name = "gpu-a", hosts = { { name = "esx-1", memory_gb = 512, cards = cards } } } },
      vms = { { name = "vm-1", host = "esx-1", power = "poweredOff", memory_mb = 4096, version = "vmx-20",
        firmware = "efi" } } } }
    local plan, message, code = site:plan [[
return p.playbook { name = "x", p.vms { where = "/DC0/vm/vm-1",
  p.gpu.attach { devices = p.gpus { match = "10de:1eb8" }, count = 33, power_on = false } } }]]
    local release = gpupt.check(gpupt.check(site.vc:one "/DC0/host/gpu-a/esx-1"):get "summary.config.product.version")
    site:stop()
    return plan, message, code, release
  end

  it("is planned on ESXi 8.0 U3", function()
    local plan, message, _, release = plan_on "8.0.3.0"
    assert.matches("^8%.0%.3", release)
    assert.is_truthy(plan, message)
  end)

  it("is refused on ESXi 8.0", function()
    local plan, message, _, release = plan_on "8.0.0.0"
    assert.matches("^8%.0%.0", release)
    assert.is_nil(plan)
    assert.matches("can have 32 passthrough devices at hardware version 20, but would get 33", message, 1, true)
  end)
end)
