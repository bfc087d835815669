-- A VM is refused with nested virtualization, which VBS needs; but a reconfigure sets each of them alone, and a VM with VBS
-- alone was planned. vSphere supports no passthrough beside VBS (vSphere Security, VBS best practices).
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

local check = gpupt.check

describe("a VM with virtualization-based security alone", function()
  local l
  setup(function()
    l = lab.start { speed = 500, fleet = { clusters = { { name = "c", hosts = { lab.host("esx-1", { memory_gb = 512,
      cards = { lab.card("0000:1b:00.0", { enabled = true }) } }) } } },
      vms = { { name = "secure", host = "esx-1", guest = "windows2019srvNext_64Guest", firmware = "efi", memory_mb = 4096,
        version = "vmx-20" } } } }
    local vc = l:client()
    check(vc:wait(check(check(vc:one "/DC0/vm/secure"):ReconfigVM_Task { spec = { flags = { vbsEnabled = true } } })))
  end)
  teardown(function() l:stop() end)

  it("is refused by the plan, with a fixed and with a dynamic backing", function()
    for _, backing in ipairs { "fixed", "dynamic" } do
      local plan, message, code = l:plan(([[return p.playbook { name = "v", p.vms { where = "/DC0/vm/secure",
        p.gpu.attach { devices = p.gpus { match = "10de:20b5" }, backing = %q } } }]]):format(backing))
      assert.is_nil(plan)
      assert.equal("EREFUSED", code)
      assert.matches("secure has virtualization-based security (VBS) enabled", message, 1, true)
    end
  end)
end)
