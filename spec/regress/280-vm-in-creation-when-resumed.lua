--- A run that was killed while the server was creating its VM created it again when it was resumed: CreateVM_Task failed
-- with DuplicateName as soon as the first task ended, and the resumed run failed. It waits for the task that its killed
-- process started, and uses what that made.
local lab = require "spec.support.lab"
local store = require "gpupt.store"

local PLAY = [[return p.playbook { name = "create", p.vms { name = "slow", place = { cluster = "a", datastore = "ds-1" },
  p.vm.create { guest = "ubuntu64Guest", cpus = 2, memory = "4 GiB", disk = "10 GiB" } } }]]

describe("a run that is killed while its VM is being created", function()
  it("waits for that VM when it is resumed, and makes no other", function()
    local site = lab.start { speed = 200, fleet = { delays = { CreateVM_Task = 300 },
      clusters = { { name = "a", hosts = { lab.host "esx-1" } } } } }
    local path, journal = site:write(PLAY), site.dir .. "/j.db"
    local killed = site:command({ "apply", path, "--journal", journal },
      { env = { GPUPT_KILL = "vm.create|create:answered", LUA_INIT = "require 'spec.support.kill_here'" } })
    assert.is_true(killed.status ~= 0)
    local book, id = assert(store.open(journal)), nil
    for run in book:runs() do id = run.id end
    book:close()
    local resumed = site:command { "apply", "--resume", id, "--journal", journal }
    local calls, vms = site.sim:calls "CreateVM_Task", #site.sim:get "truth".vms
    site:stop()
    assert.equal(0, resumed.status, resumed.err)
    assert.same({ 1, 1 }, { calls, vms })
  end)
end)
