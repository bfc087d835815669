-- The undo of a run whose first change failed, or that was killed before it, ended with "the playbook matches no hosts or
-- VMs": there is nothing to undo, and that is what it says.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

describe("undo of a run that changed nothing", function()
  local l, journal
  setup(function()
    l = lab.start { speed = 400, fleet = { clusters = { { name = "a", hosts = { lab.host "esx-1" } } },
      vms = { { name = "vm-1", host = "esx-1", firmware = "efi", memory_mb = 2048, disk_gb = 10 } } } }
    journal = l.dir .. "/journal.db"
  end)
  teardown(function() l:stop() end)

  it("says that nothing is left to undo, and changes nothing", function()
    l.sim:trouble({ method = "UpdatePassthruConfig" }, { kind = "fault", fault = "HostConfigFault", message = "no" })
    local done = l:command { "apply", l:write [[return p.playbook { name = "none", p.hosts { where = "/DC0/host/a/*",
      devices = p.gpus { match = "10de:20b5" }, p.host.enable {} } }]], "--allow", "reboot", "--journal", journal }
    assert.equal(1, done.status, done.err)
    l.sim:calm()
    l.sim:forget()
    local id = done.err:match "run (none%-%S+)"
    local dry = l:command { "undo", id, "--journal", journal, "--dry-run" }
    assert.same({ 0, "" }, { dry.status, dry.err })
    assert.matches("nothing is left to undo", dry.out, 1, true)
    local undone = l:command { "undo", id, "--journal", journal }
    assert.equal(0, undone.status, undone.err)
    assert.matches("nothing is left to undo", undone.out, 1, true)
    local json = l:command { "undo", id, "--journal", journal, "--dry-run", "--json" }
    assert.same({}, gpupt.json.decode(json.out).changes)
    assert.same({}, l:changing())
  end)
end)
