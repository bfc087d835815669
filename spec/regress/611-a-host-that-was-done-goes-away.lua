--- A resumed run took a host that it had rebooted, proved and put back into service earlier, and that is away now, for one
-- that its reboot had not brought back: it waited for back_within and called the host lost, which held up all others.
local json = require "gpupt.json"
local lab = require "spec.support.lab"

local PLAY = [[return p.playbook { name = "back", p.hosts { where = "/DC0/host/a/*", roll = { unavailable = "2/cluster",
  back_within = "15s" }, devices = p.gpus { match = "10de:20b5" }, p.host.enable {} } }]]

describe("611: a resumed run", function()
  local l, journal, id
  setup(function()
    l = lab.start { speed = 500, fleet = { clusters = { { name = "a", max_away = 5,
      hosts = { lab.host "esx-1", lab.host "esx-2" } } } } }
    journal = l.dir .. "/journal.db"
    l.sim:post("set", { host = "esx-2", connection = "notResponding" })
    local result = l:command { "apply", l:write(PLAY), "--allow", "reboot", "--journal", journal, "--json" }
    assert.equal(3, result.status, result.err)
    id = json.decode(result.out).id
    l.sim:post("set", { host = "esx-2", connection = "connected" })
    l.sim:post("set", { host = "esx-1", connection = "disconnected" })
  end)
  teardown(function() l:stop() end)

  it("skips a host that an earlier part was done with and that is away, and does the others", function()
    local result = l:command { "apply", "--resume", id, "--allow", "reboot", "--journal", journal }
    assert.equal(3, result.status, result.err)
    assert.matches("esx%-1 +%- +%- +%- +skipped: is disconnected\n", result.out)
    assert.matches("esx%-2 +3b:00.0 .* active +changed\n", result.out)
    local text = l:command { "status", id, "--journal", journal }.out
    assert.matches("\nesx%-1 +skipped\n    cause: is disconnected; an earlier part of this run was done with it\n", text)
  end)
end)
