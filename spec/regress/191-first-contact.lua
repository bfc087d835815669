-- A user with a real vCenter had nothing to send: GPUPT_RECORD was not known, and a trace has the names of hosts and VMs.
local lab = require "spec.support.lab"
local vcenter = require "spec.support.vcenter"

describe("a user with a real vCenter", function()
  local l, folder
  setup(function()
    l = lab.start { speed = 200, fleet = { clusters = { { name = "cluster-acme", hosts = { lab.host "esx-acme" } } },
      vms = { { name = "vm-acme", host = "esx-acme" } } } }
    folder = vcenter.shell("mktemp -d -t gpupt-contact.XXXXXX"):match "%S+"
  end)
  teardown(function()
    l:stop()
    os.execute("rm -rf " .. folder)
  end)

  it("can record what gpus asks and gets, without a name", function()
    local result = l:command({ "gpus" }, { env = { GPUPT_RECORD = folder .. "/gpus" } })
    assert.equal(0, result.status, result.err)
    assert.matches("esx-acme", result.out, 1, true)
    local text = vcenter.shell(("cat %s/gpus/*"):format(folder))
    assert.matches("<deviceId>8373</deviceId>", text, 1, true)
    assert.matches("RetrievePropertiesEx", text, 1, true)
    assert.is_nil(text:lower():find "acme")
  end)

  it("changes nothing while recording", function()
    local result = l:command({ "vim", "PowerOnVM_Task", "/DC0/vm/vm-acme" }, { env = { GPUPT_RECORD = folder .. "/on" } })
    assert.equal(1, result.status)
    assert.equal(0, l.sim:calls "PowerOnVM_Task")
  end)
end)
