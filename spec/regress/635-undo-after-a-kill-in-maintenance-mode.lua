-- A run was killed when its host had entered maintenance mode, before it wrote that down; it was resumed, rebooted the
-- host and left maintenance mode. The undo took the task of then for a request that still runs, waited for it, and found
-- the host not in maintenance mode: "another user or another run ended it".
local lab = require "spec.support.lab"

describe("undo of a run that was killed when its host had entered maintenance mode", function()
  local l, journal
  setup(function()
    l = lab.start { speed = 400, fleet = { clusters = { { name = "a", hosts = { lab.host "esx-1", lab.host "esx-2" } } } } }
    journal = l.dir .. "/journal.db"
  end)
  teardown(function() l:stop() end)

  it("enters it again", function()
    local path = l:write [[return p.playbook { name = "killed", p.hosts { where = "/DC0/host/a/esx-1",
      devices = p.gpus { match = "10de:20b5" }, roll = { resend_after = "2s", watch_for = "1s" }, p.host.enable {} } }]]
    local killed = l:command({ "apply", path, "--allow", "reboot", "--journal", journal },
      { env = { GPUPT_KILL = "host.enable|maintenance-enter:ended", LUA_INIT = "require 'spec.support.kill_here'" } })
    assert.is_true(killed.status > 128, killed.err)
    local id = killed.err:match "run (killed%-%S+)"
    local resumed = l:command { "apply", "--resume", id, "--allow", "reboot", "--journal", journal }
    assert.equal(0, resumed.status, resumed.err)
    local undone = l:command { "undo", id, "--allow", "reboot", "--journal", journal }
    assert.equal(0, undone.status, undone.err)
    local host = l:truth("hosts", "esx-1")
    assert.is_false(host.maintenance)
    for _, card in ipairs(host.cards) do
      if card.address == "0000:3b:00.0" then assert.same({ false, false }, { card.enabled, card.active }) end
    end
    assert.same({}, l.sim:get "truth".violations)
  end)
end)
