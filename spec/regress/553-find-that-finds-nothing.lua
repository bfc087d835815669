-- "A p.find that finds nothing is not an error" (docs/guide/playbook.md), but a playbook in which all of them found
-- nothing failed with status 1, so that a nightly repair failed whenever there was nothing to repair. And the last lines
-- of a run that failed did not say which of its hosts or VMs each one is about.
local lab = require "spec.support.lab"

describe("553:", function()
  local l
  setup(function()
    l = lab.start { speed = 1000, fleet = { clusters = { { name = "ga", hosts = { lab.host("esx-1",
      { cards = { lab.card("0000:3b:00.0", { enabled = true }), lab.card("0000:5e:00.0", { enabled = true }) } }) } } },
      vms = { { name = "desk-{n}", count = 2, cluster = "ga", memory_mb = 4096, firmware = "efi" } } } }
  end)
  teardown(function() l:stop() end)

  describe("a playbook whose p.finds find nothing", function()
    local path
    setup(function()
      path = l:write [[return p.playbook { name = "repair",
        p.vms { where = p.find { path = "/DC0/vm/**", has = "passthrough" }, p.doctor.repair { fix = { "mmio" } } } }]]
    end)

    it("has nothing to change, and says why", function()
      local plan = l:command { "plan", path }
      assert.equal(0, plan.status, plan.err)
      assert.matches("p.find found none of 2 objects\nnothing to change\n", plan.out, 1, true)
      local run = l:command { "apply", path }
      assert.equal(0, run.status, run.err)
      assert.equal("nothing to change\n", run.out)
      assert.matches("p.find found none of 2 objects", run.err, 1, true)
      assert.matches('"targets": []', l:command { "apply", path, "--json" }.out, 1, true)
    end)

    it("is still refused with a --limit that names nothing", function()
      local run = l:command { "plan", path, "--limit", "dsk-*" }
      assert.equal(1, run.status)
      assert.matches("'dsk-*' matches no hosts or VMs", run.err, 1, true)
    end)
  end)

  it("a run that failed says of which hosts and VMs its last lines are", function()
    l.sim:trouble({ method = "ReconfigVM_Task", count = -1 }, { kind = "task-fail", fault = "GenericVmConfigFault",
      message = "not now" })
    local run = l:command { "apply", l:write [[return p.playbook { name = "cards", p.vms { where = "/DC0/vm/desk-*",
      p.gpu.attach { devices = p.gpus { match = "10de:20b5" }, power_on = false } } }]] }
    assert.equal(1, run.status)
    for _, name in ipairs { "desk-1", "desk-2" } do
      assert.matches(("\ngpupt: [^\n]*: gpu.attach: %s: not now"):format(name:gsub("%-", "%%-")), run.err)
    end
  end)
end)
