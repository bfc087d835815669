-- A run with drain = "vmotion" moved VMs off its hosts. Its undo, which does not move them back, did not say so, and the
-- plan of the run did not count vMotion among what cannot be undone.
local lab = require "spec.support.lab"

describe("undo of a run that moved VMs off a host by vMotion", function()
  local l, journal
  setup(function()
    l = lab.start { speed = 400, fleet = { clusters = { { name = "a", drs = "manual", hosts = { lab.host "esx-1", lab.host "esx-2" } } },
      vms = { { name = "web", host = "esx-1", firmware = "efi", memory_mb = 2048, disk_gb = 10, power = "poweredOn" } } } }
    journal = l.dir .. "/journal.db"
  end)
  teardown(function() l:stop() end)

  it("names those VMs, which stay where they are", function()
    local done = l:command { "apply", l:write [[return p.playbook { name = "drain", p.hosts { where = "/DC0/host/a/esx-1",
      devices = p.gpus { match = "10de:20b5" }, roll = { drain = "vmotion" }, p.host.enable {} } }]],
      "--allow", "reboot,drain-vmotion", "--journal", journal }
    assert.equal(0, done.status, done.err)
    assert.matches("Not undoable: reboot, vMotion.", done.err, 1, true)
    assert.equal("esx-2", l:truth("vms", "web").host)
    local id = done.err:match "run (drain%-%S+)"
    local dry = l:command { "undo", id, "--dry-run", "--journal", journal }
    assert.matches("! esx-1: cannot be undone: vMotion of web to esx-2: the VM stays there", dry.out, 1, true)
    local undone = l:command { "undo", id, "--allow", "reboot", "--journal", journal }
    assert.equal(0, undone.status, undone.err)
    assert.equal("esx-2", l:truth("vms", "web").host)
  end)
end)
