-- host.disable, gpu.detach and vm.delete in a playbook: what a rollout did, taken away by steps.
local lab = require "spec.support.lab"

local GPUS = 'p.gpus { match = "10de:20b5" }'

describe("a playbook that takes cards away", function()
  local l, journal, run

  setup(function()
    l = lab.start { speed = 400, fleet = { datastores = { { name = "ds-1", capacity_gb = 1000, files = {} } },
      clusters = { { name = "gpu-a", hosts = { lab.host "esx-a-1" } } } } }
    journal = l.dir .. "/journal.db"
    local done = l:command { "apply", l:write(([[return p.playbook { name = "rollout",
      p.hosts { where = "/DC0/host/gpu-a/*", devices = %s, p.host.enable {} },
      p.vms { name = "new-01", place = { cluster = "gpu-a", datastore = "ds-1", network = "VM Network" },
        p.vm.create { guest = "ubuntu64Guest", cpus = 2, memory = "2 GiB", disk = "10 GiB" },
        p.gpu.attach { devices = %s, power_on = false } } }]]):format(GPUS, GPUS)), "--allow", "reboot", "--journal", journal }
    assert.equal(0, done.status, done.err)
    run = done.err:match "run (rollout%-%S+)"
  end)
  teardown(function() if l then l:stop() end end)

  local HOSTS = ("p.hosts { where = '/DC0/host/gpu-a/*', devices = %s, p.host.disable {} },"):format(GPUS)

  it("refuses a card that is in a VM's configuration", function()
    l.sim:forget()
    local got = l:command { "plan", l:write("return p.playbook { name = 'x', " .. HOSTS .. " }"), "--journal", journal }
    assert.equal(1, got.status)
    assert.matches("3b:00.0 is in the configuration of new-01 (poweredOff). Detach it first (p.gpu.detach)", got.err, 1, true)
    assert.same({}, l:changing())
  end)

  it("detaches it and disables it in one run, the VM before its host", function()
    local path = l:write("return p.playbook { name = 'x', " .. HOSTS
      .. " p.vms { where = '/DC0/vm/new-01', p.gpu.detach { settings = 'remove' } } }")
    local got = l:command { "apply", path, "--allow", "reboot", "--journal", journal }
    assert.equal(0, got.status, got.err)
    local vm, host = l:truth("vms", "new-01"), l:truth("hosts", "esx-a-1")
    assert.same({ {}, nil, false }, { vm.devices or {}, vm.extra_config["pciPassthru.64bitMMIOSizeGB"], vm.memory_locked })
    for _, card in ipairs(host.cards) do
      if card.address == "0000:3b:00.0" then assert.same({ false, false }, { card.enabled, card.active }) end
    end
    assert.same({}, l.sim:get "truth".violations)
    local again = l:command { "apply", path, "--journal", journal }
    assert.matches("nothing to change", again.out, 1, true)
  end)

  it("deletes a VM of the run with the approval, and only by the journal that has its creation", function()
    local path = l:write(("return p.playbook { name = 'x', p.vms { where = '/DC0/vm/new-01', p.vm.delete { run = '%s' } } }"):format(run))
    l.sim:forget()
    local without = l:command { "plan", path, "--journal", l.dir .. "/none.db" }
    assert.equal(1, without.status)
    assert.matches("can be deleted only with the journal that has this run", without.err, 1, true)
    local refused = l:command { "apply", path, "--journal", journal }
    assert.equal(4, refused.status)
    assert.matches("--allow delete-vm", refused.err, 1, true)
    assert.same({}, l:changing())
    local done = l:command { "apply", path, "--allow", "delete-vm", "--journal", journal }
    assert.equal(0, done.status, done.err)
    assert.is_nil(l:truth("vms", "new-01"))
  end)
end)
