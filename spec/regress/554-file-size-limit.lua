-- Under a limit of file sizes (`ulimit -f`, as cron jobs and batch systems set it) the journal's next page ended the
-- process by SIGXFSZ, in the middle of a host's reboot and without a word. Now it is like a full disk: no change without
-- a row, the hosts and VMs are listed, status 1. The results of hosts that were not started after Ctrl-C said "Ctrl-C
-- again stops at once", long after it could.
local lab = require "spec.support.lab"

local function start(speed)
  return lab.start { speed = speed, fleet = { clusters = { { name = "ga", max_away = 1,
    hosts = { lab.host "esx-1", lab.host "esx-2" } } } } }
end

local ROLL = [[return p.playbook { name = "roll", p.hosts { where = "/DC0/host/ga",
  devices = p.gpus { match = "10de:20b5" }, p.host.enable {} } }]]

describe("554: a run", function()
  local l
  after_each(function() l:stop() end)

  it("that meets a limit of file sizes ends as on a full disk", function()
    l = start(1000)
    local path = l:write(ROLL)
    local run = l:command({ "apply", path, "--allow", "reboot" }, { before = "ulimit -f 230;" })
    assert.equal(1, run.status, run.err)
    assert.matches("the journal: disk I/O error",
      run.err, 1, true)
    assert.matches("esx%-2", run.out)
    local id = run.err:match "%-%-resume (%S+)"
    local again = l:command { "apply", "--resume", id, "--allow", "reboot" }
    assert.equal(0, again.status, again.err)
    assert.equal(2, l.sim:calls "RebootHost_Task")
  end)

  it("that was interrupted says so of the others, and no longer what Ctrl-C does", function()
    l = start(20)
    local run = l:start_command { "apply", l:write(ROLL), "--allow", "reboot" }
    run:says "rebooting"
    run:kill "INT"
    run:says "interrupted (Ctrl-C again stops at once): finishing the steps in progress"
    l.sim:speed(1000)
    local ended = run:wait()
    assert.equal(130, ended.status)
    assert.matches("esx%-2 +3b:00.0 .- off +interrupted\n", ended.out)
  end)
end)
