-- os.install powers a VM off again when it ends right after the power-on. Neither the role nor the plan said so, and if
-- that was refused, nothing did: an installer without its answers went on running.
local first_light = require "spec.support.first_light"
local vcenter = require "spec.support.vcenter"

local PLAY = [[
return p.playbook { name = "half",
  p.vms { name = "vm-1", place = { cluster = "gpu-b", datastore = "ds-1", network = "VM Network" },
    p.vm.create  { guest = "%s", cpus = 2, memory = "4 GiB", disk = "40 GiB" },
    p.os.install { iso = "[ds-1] iso/%s.iso", answer = %s } } }]]

local GENERATED = PLAY:format("ubuntu64Guest", "ubuntu-24.04", [[p.answer.cloud_init { hostname = "vm-1", user = "ops",
  password = p.secret.env "LINUX_PASSWORD" }]])

describe("the power-off of a VM on which nothing is installed yet", function()
  local l
  before_each(function() l = first_light.start { speed = 2 } end)
  after_each(function() l:stop() end)

  -- Interrupts the run when the VM is on: its result, and the VM's power state.
  local function interrupted()
    local run = l:start_command({ "apply", l:write(GENERATED) }, { env = { LINUX_PASSWORD = l.secrets.linux } })
    for _ = 1, 1500 do
      local vm = l:truth("vms", "vm-1")
      if vm and vm.power == "poweredOn" then break end
      vcenter.sleep(0.01)
    end
    run:kill "INT" -- the second one stops the step in progress
    vcenter.sleep(0.5)
    run:kill "INT"
    return run:wait(), l:truth("vms", "vm-1").power
  end

  it("is in the role", function()
    local role = l:command { "role", l:write(GENERATED) }
    assert.matches("VirtualMachine.Interact.PowerOff%s+VMs%s+os.install", role.out)
  end)

  it("is announced by the plan, for a generated answer medium and for the key that a Windows medium asks for", function()
    local plan = l:run_command { "plan", l:write(GENERATED) }
    assert.matches("if os.install fails within 5 minutes of the power-on, it powers the VM off again: nothing is installed yet",
      plan.out, 1, true)
    local windows = PLAY:format("windows2022srvNext_64Guest", "windows-2022", '"[ds-1] iso/render-answer.iso"')
    plan = l:run_command { "plan", l:write(windows) }
    assert.matches("if the run is killed before it has pressed the medium's key, the resumed run powers the VM off", plan.out,
      1, true)
    plan = l:run_command { "plan", l:write((windows:gsub('iso"? }', 'iso", keys = "none" }'))) }
    assert.is_nil(plan.out:find("powers the VM off", 1, true))
  end)

  it("happens when the run ends then, and is not mentioned", function()
    local result, power = interrupted()
    assert.equal("poweredOff", power)
    assert.is_nil((result.out .. result.err):find("cannot be powered off", 1, true))
  end)

  it("is reported if it is refused, with what to do", function()
    l.sim:trouble({ method = "PowerOffVM_Task" }, { kind = "fault", fault = "NoPermission" })
    local result, power = interrupted()
    assert.equal("poweredOn", power)
    assert.matches("the VM cannot be powered off %(.*%), and its installer has no answers%. Power it off, then run: gpupt apply",
      result.out .. result.err)
  end)
end)
