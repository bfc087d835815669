-- Rows that share a commit fail together on a full disk: none of the calls that waited for them is sent, each host says
-- why, and the run can be resumed when there is space again.
local lab = require "spec.support.lab"
local store = require "gpupt.store"

local PLAY = [[return p.playbook { name = "roll", p.hosts { where = "/DC0/host/*/*",
  devices = p.gpus { match = "10de:20b5" }, p.host.enable {} } }]]

describe("a run whose disk is full when several hosts are about to be changed", function()
  local l, disk, journal
  setup(function()
    l = lab.start { speed = 300, fleet = { clusters = {
      { name = "gpu-a", hosts = { lab.host "a-1", lab.host "a-2" } }, { name = "gpu-b", hosts = { lab.host "b-1" } } } } }
    disk = l.dir .. "/disk"
    os.execute("mkdir " .. disk)
  end)
  teardown(function()
    if journal then journal:close() end
    os.execute("umount -l " .. disk .. " 2>/dev/null")
    l:stop()
  end)

  it("changes nothing, says so of each host, and can be resumed", function()
    local mounted = os.execute("mount -t tmpfs -o size=4m gpupt-spec " .. disk .. " 2>/dev/null")
    if not mounted then pending "cannot mount here" return end
    journal = assert(store.open(disk .. "/journal.db"))
    local plan = assert(l:plan(PLAY))
    l.sim:forget()
    local run = assert(plan:apply { journal = journal, allow = { "reboot" }, on_event = function(event)
      -- the claims are written, and the first change is about to be
      if event.kind == "step" then os.execute("cat /dev/zero >" .. disk .. "/filler 2>/dev/null") end
    end })
    local result = run:result()
    assert.equal("failed", result.status)
    assert.same({}, l:changing())
    local failed, unchanged = 0, { failed = true, deferred = true, ["not started"] = true }
    for _, target in ipairs(result.targets) do
      assert.is_true(unchanged[target.status], target.status)
      if target.status ~= "not started" then
        assert.equal("ENOSPC", target.code)
        assert.matches("no space left for the journal", target.message, 1, true)
      end
      if target.status == "failed" then failed = failed + 1 end
    end
    assert.is_true(failed >= 1)
    local text = tostring(run)
    for _, host in ipairs { "a-1", "a-2", "b-1" } do assert.matches(host, text, 1, true) end
    os.remove(disk .. "/filler")
    local resumed = assert(l:apply(PLAY, { allow = { "reboot" }, journal = journal, resume = result.id }))
    assert.equal("done", resumed.status)
    assert.same({}, l.sim:get "truth".violations)
  end)
end)
