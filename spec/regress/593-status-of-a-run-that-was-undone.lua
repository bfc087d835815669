--- `gpupt status` of a run that was undone said "done" and "changed" of its hosts, as if it were still in force, and of one
-- that had failed it gave a command to resume it, which is refused for a run that was undone.
local json = require "gpupt.json"
local lab = require "spec.support.lab"

local PLAY = [[return p.playbook { name = "roll", p.hosts { where = "/DC0/host/gpu-a/*",
  devices = p.gpus { match = "10de:20b5" }, p.host.enable {} } }]]

describe("593: the status of a run", function()
  local l, journal, id
  setup(function()
    l = lab.start { speed = 500, fleet = { clusters = { { name = "gpu-a", hosts = { lab.host "esx-1", lab.host "esx-2" } } } } }
    journal = l.dir .. "/journal.db"
    -- one host fails: its status has a next command
    l:client()
    l.sim:trouble({ method = "UpdatePassthruConfig", count = 1 }, { kind = "fault",
      fault = "HostConfigFault", message = "no" })
    local result = l:command { "apply", l:write(PLAY), "--allow", "reboot", "--journal", journal, "--json" }
    id = assert(json.decode(result.out).id, result.err)
  end)
  teardown(function() l:stop() end)

  local function status(...) return l:command { "status", id, "--journal", journal, ... }.out end

  it("says nothing of an undo before there is one", function()
    assert.not_matches("undone", status(), 1, true)
    assert.matches("gpupt apply --resume", status(), 1, true)
  end)

  it("says that it was undone, by which run, and gives no command to resume it", function()
    local undone = l:command { "undo", id, "--allow", "reboot", "--journal", journal }
    assert.equal(0, undone.status, undone.err)
    local text = status()
    assert.matches("\nundone at %d+%-%d+%-%d+ %d+:%d+:%d+Z by run [%w-]+\n", text)
    assert.not_matches("--resume", text, 1, true)
    local value = json.decode(status "--json")
    assert.equal("done", value.run.undone_by.state)
    assert.matches(value.run.undone_by.id, text, 1, true)
    local list = l:command { "status", "--journal", journal }.out
    assert.matches("play%-%d+.lua %(undone%)\n", list)
  end)
end)
