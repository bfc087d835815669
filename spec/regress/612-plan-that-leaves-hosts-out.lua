--- `gpupt plan` ended with 0 although hosts were left out that could not be reached, and with 3 if that was a vCenter. A
-- script that asked the plan whether all is done took "nothing to change" for yes.
local json = require "gpupt.json"
local lab = require "spec.support.lab"

local PLAY = [[return p.playbook { name = "away", p.hosts { where = "/DC0/host/a/*", roll = { unavailable = "3/cluster" },
  devices = p.gpus { match = "10de:20b5" }, p.host.enable {} } }]]

describe("612: a plan that leaves hosts out", function()
  local l, journal
  setup(function()
    l = lab.start { speed = 500, fleet = { clusters = { { name = "a", max_away = 5,
      hosts = { lab.host "esx-1", lab.host "esx-2", lab.host "esx-3",
        lab.host("esx-4", { cards = { lab.card("0000:3b:00.0", { device = "1eb8" }) } }) } } } } }
    journal = l.dir .. "/journal.db"
  end)
  teardown(function() l:stop() end)

  local function away(state)
    for _, name in ipairs { "esx-2", "esx-3" } do l.sim:post("set", { host = name, connection = state }) end
  end

  local function plan(...) return l:command { "plan", l:write(PLAY), "--journal", journal, ... } end

  it("because they are without the card ends with 0", function()
    local result = plan()
    assert.equal(0, result.status, result.err)
    assert.matches("! esx-4 has no card that matches", result.out, 1, true)
    assert.equal("", result.err)
  end)

  it("because they cannot be reached ends with 3 and names them, saved or not", function()
    away "notResponding"
    local result = plan("--out", l.dir .. "/a.plan")
    assert.equal(3, result.status, result.err)
    assert.matches("~ esx%-1 +host.enable", result.out)
    assert.matches("gpupt: 2 are left out, because they or their hosts could not be reached or used: esx-[2-3]. "
      .. "Without them, the others can be applied", result.err, 1, true)
    local one = plan("--limit", "esx-[12]")
    assert.equal(3, one.status)
    assert.matches("gpupt: 1 is left out, because it or its host could not be reached or used: esx-2. Without it,",
      one.err, 1, true)
  end)

  it("ends with 4 with --exit-code as long as changes are pending", function()
    local result = plan "--exit-code"
    assert.equal(4, result.status)
    assert.matches("2 are left out", result.err, 1, true)
  end)

  it("says in its JSON which of them were meant", function()
    local result = plan "--json"
    assert.equal(3, result.status)
    local of = {}
    for _, one in ipairs(json.decode(result.out).skipped) do of[one.target] = one end
    assert.same({ target = "esx-2", kind = "host", why = "is not responding", unreached = true, text = of["esx-2"].text },
      of["esx-2"])
    assert.is_nil(of["esx-4"].unreached)
  end)

  it("is applied as it is, and ends with 3 also when nothing is left to change", function()
    local result = l:command { "apply", l.dir .. "/a.plan", "--allow", "reboot", "--journal", journal }
    assert.equal(3, result.status, result.err)
    for _, options in ipairs { {}, { "--exit-code" } } do
      local again = plan(table.unpack(options))
      assert.equal(3, again.status)
      assert.matches("nothing to change", again.out, 1, true)
    end
  end)

  it("of an undo ends with 3 as well, without a change", function()
    away "connected"
    local done = l:command { "apply", l:write(PLAY), "--allow", "reboot", "--journal", journal, "--json" }
    assert.equal(0, done.status, done.err)
    l.sim:post("set", { host = "esx-2", connection = "disconnected" })
    l:client()
    l.sim:forget()
    local id = json.decode(done.out).id
    local result = l:command { "undo", id, "--dry-run", "--journal", journal }
    assert.equal(3, result.status, result.err)
    assert.matches("~ esx%-3 +host.enable", result.out)
    assert.matches("1 is left out, because it or its host could not be reached or used: esx-2", result.err, 1, true)
    assert.same({}, l:changing())
  end)
end)
