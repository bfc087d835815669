--- A VM that an earlier run had started from one ISO, and a playbook that names another: the plan said "wait for the
-- running installation", and apply waited for hours for a system that could not come; or the VM was started with both
-- and booted from the first. The plan refuses both, with the medium in the drive and what to do.
local lab = require "spec.support.lab"

local function playbook(o)
  return ([[return p.playbook { name = "x",
  p.vms { name = "vm-1", place = { cluster = "a", datastore = "ds-1", network = "VM Network" },
    p.vm.create  { guest = "ubuntu64Guest", cpus = 4, memory = "16 GiB", disk = "40 GiB" },
    p.os.install { iso = "[ds-1] iso/%s.iso", answer = "[ds-1] iso/%s.iso", within = "1s" } } }]]):format(o.iso or "old",
    o.answer or "answer")
end

describe("a VM with another medium than the playbook names", function()
  local site
  setup(function()
    site = lab.start { speed = 20, fleet = { clusters = { { name = "a", hosts = { lab.host "esx-1" } } },
      datastores = { { name = "ds-1", files = { ["iso/old.iso"] = { os = "ubuntu" }, ["iso/new.iso"] = { os = "ubuntu" },
        ["iso/answer.iso"] = { source = "builtin:ubuntu-answer" }, ["iso/better.iso"] = { source = "builtin:ubuntu-answer" } } } } } }
    assert.equal("failed", (site:apply(playbook {})).status)
    site.sim:forget()
  end)
  teardown(function() site:stop() end)

  local function refused(o, wanted)
    local plan, message, code = site:plan(playbook(o))
    assert.is_nil(plan)
    assert.equal("EREFUSED", code)
    assert.matches(wanted, message, 1, true)
    assert.same({}, site:changing())
  end

  it("control: waits for the installation from the same medium", function()
    assert.matches("wait for the running installation", tostring(assert(site:plan(playbook {}))), 1, true)
  end)

  it("is refused while it is being installed from it", function()
    refused({ iso = "new" }, "vm-1 has [ds-1] iso/old.iso in a CD drive, and would be installed from it, not [ds-1] "
      .. "iso/new.iso. Set iso to that medium, or power the VM off and eject it")
    refused({ answer = "better" }, "vm-1 has [ds-1] iso/answer.iso in a CD drive")
  end)

  it("is refused while it is off, and would boot from it", function()
    local vc = site:client()
    assert(vc:wait(assert(assert(vc:one "/DC0/vm/vm-1"):PowerOffVM_Task())))
    site.sim:forget()
    refused({ iso = "new" }, "vm-1 has [ds-1] iso/old.iso in a CD drive, and would boot from it, not [ds-1] iso/new.iso. "
      .. "Eject it, or set iso to that medium")
    assert.matches("install from [ds-1] iso/old.iso", tostring(assert(site:plan(playbook {}))), 1, true)
  end)
end)
