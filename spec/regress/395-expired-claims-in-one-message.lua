-- The message about claims that had expired was printed for each host, each VM and the run: five times and more in one
-- run. The first target says it; the others say it briefly.
local lab = require "spec.support.lab"

describe("a run whose claims expired", function()
  local l
  after_each(function() l:stop() end)

  it("says so once, on stderr and in its result", function()
    local hosts = {}
    for i = 1, 4 do hosts[i] = lab.host("a-" .. i) end
    l = lab.start { speed = 200, fleet = { clusters = { { name = "gpu-a", hosts = hosts } } } }
    local done = l:command({ "apply", l:write [[return p.playbook { name = "roll", p.hosts { where = "/DC0/host/gpu-a/*",
      roll = { unavailable = "2/cluster" }, devices = p.gpus { match = "10de:20b5" }, p.host.enable {} } }]],
      "--allow", "reboot", "--journal", l.dir .. "/journal.db" },
      { env = { GPUPT_SLEEP = "enabled 3b:00.0", LUA_INIT = "require 'spec.support.slept_here'" } })
    -- 130: where the run noticed it between two changes
    assert.is_true(done.status == 1 or done.status == 130, done.err)
    local _, count = (done.err .. done.out):gsub("were not renewed for 60 min", "")
    assert.equal(1, count, done.err .. done.out)
    for i = 1, 4 do
      assert.matches(("a%%-%d [^\n]*the claims of the run are lost"):format(i), done.out)
    end
    assert.matches("continue with: gpupt apply --resume", done.err, 1, true)
  end)
end)
