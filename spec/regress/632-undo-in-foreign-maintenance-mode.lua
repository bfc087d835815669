-- The undo of what a run did to a host in another user's maintenance mode did all of it and said "failed", without a
-- cause: the plan's remark that the host stays in maintenance mode counted as a host that was left out.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

describe("undo on a host that another user put into maintenance mode", function()
  local l, journal
  setup(function()
    l = lab.start { speed = 400, fleet = { clusters = { { name = "a", hosts = { lab.host("esx-1", { maintenance = true }),
      lab.host "esx-2" } } } } }
    journal = l.dir .. "/journal.db"
  end)
  teardown(function() l:stop() end)

  it("is done, and leaves the host in it", function()
    local done = l:command { "apply", l:write [[return p.playbook { name = "foreign", p.hosts { where = "/DC0/host/a/esx-1",
      devices = p.gpus { match = "10de:20b5" }, p.host.enable { foreign_maintenance = true } } }]],
      "--allow", "reboot,foreign-maintenance", "--journal", journal }
    assert.equal(0, done.status, done.err)
    local id = done.err:match "run (foreign%-%S+)"
    local undone = l:command { "undo", id, "--journal", journal, "--allow", "reboot,foreign-maintenance" }
    assert.equal(0, undone.status, undone.err)
    assert.matches("esx-1 is in maintenance mode, and stays in it", undone.err, 1, true)
    local host = l:truth("hosts", "esx-1")
    local enabled = 0
    for _, card in ipairs(host.cards) do if card.enabled then enabled = enabled + 1 end end
    assert.same({ true, 0 }, { host.maintenance, enabled })
    local runs = gpupt.json.decode(l:command { "status", "--journal", journal, "--all", "--json" }.out)
    assert.equal("done", (runs.runs or runs)[1].status)
  end)
end)
