--- One playbook for several vCenters: each has its own session, plan and run, and one that is away stops only its own
-- hosts and VMs.
local json = require "gpupt.json"
local lab = require "spec.support.lab"
local playbook = require "gpupt.playbook"
local store = require "gpupt.store"
local vcenter = require "spec.support.vcenter"

local PLAY = [[
local gpus = p.gpus { match = "10de:20b5" }
return p.playbook { name = "two",
  p.vcenter { name = "east", url = %q, ca_file = %q, login = p.login(%q, p.secret.env "EAST") },
  p.vcenter { name = "west", url = %q, ca_file = %q, login = p.login(%q, p.secret.env "WEST") },
  p.hosts { on = "east", where = "/DC0/host/*", devices = gpus, p.host.enable {} },
  p.hosts { on = "west", where = "/DC0/host/*", devices = gpus, p.host.enable {} } }
]]

describe("a playbook for several vCenters", function()
  local east, west, dir

  local function fleet(host) return { clusters = { { name = "gpu-a", hosts = { lab.host(host) } } } } end

  before_each(function()
    east, west = lab.start { speed = 400, fleet = fleet "esx-e" }, lab.start { speed = 400, fleet = fleet "esx-w" }
    dir = east.dir
  end)
  after_each(function()
    east:stop()
    west:stop()
  end)

  local function play(text)
    local e, w = east.sim, west.sim
    return east:write(text or PLAY:format(e.url, e.ca_file, e.username, w.url, w.ca_file, w.username))
  end

  -- The command without a server in its environment.
  local function command(words, more)
    local env = { EAST = east.sim.password, WEST = west.sim.password, GOVC_URL = false, GOVC_USERNAME = false,
      GOVC_PASSWORD = false, GOVC_TLS_CA_CERTS = false }
    for name, value in pairs(more or {}) do env[name] = value end
    return east:command(words, { env = env })
  end

  local function enabled(site, host)
    for _, one in ipairs(site:truth("hosts", host).cards) do
      if one.address == "0000:3b:00.0" then return one.active end
    end
  end

  it("is planned for all of them, and each change says for which", function()
    local path = play()
    local result = command { "plan", path }
    assert.equal(0, result.status, result.err)
    assert.matches("vCenter east\n.*esx%-e.*vCenter west\n.*esx%-w", result.out)
    local changes = json.decode(command({ "plan", path, "--json" }).out).changes
    local said = {}
    for _, one in ipairs(changes) do said[one.target] = one.vcenter end
    assert.same({ ["esx-e"] = "east", ["esx-w"] = "west" }, said)
  end)

  it("is applied to all of them at the same time, with a run and a session for each", function()
    local path, journal = play(), dir .. "/j.db"
    assert.equal(4, command({ "apply", path, "--journal", journal }).status) -- the approval is needed before any change
    assert.equal(0, east.sim:calls "UpdatePassthruConfig" + west.sim:calls "UpdatePassthruConfig")
    local result = command { "apply", path, "--allow", "reboot", "--journal", journal }
    assert.equal(0, result.status, result.err)
    assert.is_true(enabled(east, "esx-e") and enabled(west, "esx-w"))
    local book, ids = assert(store.open(journal)), {}
    for run in book:runs() do ids[#ids + 1] = run.id:match "^two%-(%a+)%-" end
    book:close()
    table.sort(ids)
    assert.same({ "east", "west" }, ids)
    assert.equal(0, east.sim:get "sessions".sessions + west.sim:get "sessions".sessions)
    result = command { "apply", path, "--journal", journal }
    assert.matches("nothing to change", result.out)
    assert.equal(0, result.status)
  end)

  it("goes on with one vCenter if another is away, and ends with status 3", function()
    local path, journal = play(PLAY:gsub('url = "?%%q', 'url = %%q', 1):format(east.sim.url, east.sim.ca_file,
      east.sim.username, "https://127.0.0.1:9/sdk", west.sim.ca_file, west.sim.username)), dir .. "/j.db"
    local plan = command { "plan", path }
    assert.equal(3, plan.status)
    assert.matches("esx%-e", plan.out)
    assert.matches("vCenter west: .*Its hosts and VMs are left out", plan.out)
    local result = command { "apply", path, "--allow", "reboot", "--journal", journal }
    assert.equal(3, result.status, result.err)
    assert.matches("vCenter west: .*Nothing was changed there", result.err)
    assert.is_true(enabled(east, "esx-e"))
    local gpus = command { "gpus", "--playbook", path }
    assert.equal(3, gpus.status)
    assert.matches("esx%-e", gpus.out)
    assert.matches("vCenter west: ", gpus.err)
  end)

  it("logs in once with a refused password, and says for which vCenter", function()
    local result = command({ "plan", play() }, { WEST = "Zq7-refused-9" })
    assert.equal(3, result.status)
    assert.matches("vCenter west: ", result.err)
    assert.is_nil((result.out .. result.err):find("Zq7", 1, true))
    assert.equal(1, west.sim:calls "Login")
  end)

  it("resumes each run with its own vCenter", function()
    local path, journal = play(), dir .. "/j.db"
    west.sim:trouble({ method = "EnterMaintenanceMode_Task", count = 1 }, { kind = "fault", fault = "InvalidState" })
    local first = command { "apply", path, "--allow", "reboot", "--journal", journal }
    assert.equal(1, first.status, first.err)
    local id = assert(first.err:match "%-%-resume (two%-west%-%S+)", first.err)
    assert.is_nil(first.err:find "resume two%-east")
    east.sim:forget()
    local again = command { "apply", "--resume", id, "--allow", "reboot", "--journal", journal }
    assert.equal(0, again.status, again.err)
    assert.is_true(enabled(west, "esx-w"))
  end)

  it("is undone by run, each at its own vCenter: another one is refused, also one of the same name", function()
    local path, journal = play(), dir .. "/j.db"
    local done = command { "apply", path, "--allow", "reboot", "--journal", journal }
    assert.equal(0, done.status, done.err)
    local book, id = assert(store.open(journal)), nil
    for run in book:runs() do id = run.id:find "^two%-west" and run.id or id end
    book:close()
    local function at(site)
      return { GOVC_URL = site.sim.ready.url, GOVC_USERNAME = site.sim.ready.username, GOVC_PASSWORD = site.sim.ready.password,
        GOVC_TLS_CA_CERTS = site.sim.ready.ca_file }
    end
    east.sim:forget()
    local refused = command({ "undo", id, "--allow", "reboot", "--journal", journal }, at(east))
    assert.equal(1, refused.status)
    assert.matches(("run %s worked on 127.0.0.1 (p.vcenter 'west'), and this is another server of that name: connect to that one")
      :format(id), refused.err, 1, true)
    assert.same({}, east:changing())
    local undone = command({ "undo", id, "--allow", "reboot", "--journal", journal }, at(west))
    assert.equal(0, undone.status, undone.err)
    assert.is_false(enabled(west, "esx-w"))
    assert.is_true(enabled(east, "esx-e"))
  end)

  it("is saved as one plan, which is refused for the vCenter that has changed since", function()
    local path, file = play(), dir .. "/two.plan"
    assert.equal(0, command({ "plan", path, "--out", file }).status)
    assert.equal(0, command({ "apply", path, "--limit", "esx-w", "--allow", "reboot", "--journal", dir .. "/a.db" }).status)
    local result = command { "apply", file, "--allow", "reboot", "--journal", dir .. "/b.db" }
    assert.equal(1, result.status)
    assert.matches("vCenter west: the fleet has changed since the plan was created", result.err)
    assert.is_false(enabled(east, "esx-e"))
  end)

  it("lists the cards of all, as JSON with their vCenter", function()
    local seen = json.decode(command({ "gpus", "--playbook", play(), "--json" }).out)
    local said = {}
    for _, card in ipairs(seen.cards) do said[card.host] = card.vcenter end
    assert.same({ ["esx-e"] = "east", ["esx-w"] = "west" }, said)
    assert.equal(2, seen.hosts)
  end)

  it("takes connected clients from a program", function()
    local pb = assert(playbook.load(play()))
    local plan = assert(pb:plan { east = east:client(), west = west:client() })
    assert.equal(4, #plan:changes())
    assert.same({ "reboot" }, plan:needs())
  end)

  it("says at which line a vCenter is missing or unknown", function()
    local function refused(text) return select(2, playbook.load(play('return p.playbook { name = "x",\n' .. text .. "}"))) end
    local site = 'p.vcenter { name = "%s", url = "https://%s/sdk", login = p.login("a", p.secret.env "A") },\n'
    local scope = 'p.hosts { %s where = "/*", devices = p.gpus { match = "10de:*" }, p.host.enable {} } '
    local one, two = site:format("vc-1", "vc-1.example"), site:format("vc-2", "vc-2.example")
    assert.matches("play%-%d+%.lua:2.*say which vCenter it is for: on = 'vc%-1' or 'vc%-2'", refused(one .. two .. scope:format ""))
    assert.matches("on = 'vc%-3' is not one of its p%.vcenter", refused(one .. two .. scope:format 'on = "vc-3",'))
    assert.matches("but the playbook has no p%.vcenter", refused(scope:format 'on = "vc-1",'))
    assert.matches("is declared again", refused(one .. one .. scope:format ""))
    assert.matches("url must not contain an account", refused(site:format("v", "u:p@h") .. scope:format ""))
    assert.is_not_nil(playbook.load(play('return p.playbook { name = "x",\n' .. one .. scope:format "" .. "}")))
  end)

  it("refuses --url beside it", function()
    local result = command { "plan", play(), "--url", "https://other.example/sdk" }
    assert.equal(2, result.status)
    assert.matches("%-%-url: the playbook names its vCenters itself", result.err)
    assert.is_nil(vcenter.read(dir .. "/none"))
  end)
end)
