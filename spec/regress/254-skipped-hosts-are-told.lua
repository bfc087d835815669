--- `gpupt apply` with nothing to change on the hosts that were left said "nothing to change" and nothing of those that it
-- skipped: an operator took a fleet for done of which half was away. `plan --json` did not list them either. And of a
-- host that is away because another run reboots it, the plan did not name that run.
local gpupt = require "gpupt"
local json = require "gpupt.json"
local lab = require "spec.support.lab"
local leases = require "gpupt.playbook.leases"

local PLAY = [[return p.playbook { name = "away", p.hosts { where = "/DC0/host/*",
  devices = p.gpus { match = "10de:20b5" }, p.host.enable {} } }]]

describe("a host that is skipped", function()
  local site, journal
  setup(function()
    local function host(name) return lab.host(name, { cards = { lab.card("0000:3b:00.0", { enabled = true }) } }) end
    site = lab.start { speed = 500, fleet = { clusters = { { name = "a", hosts = { host "esx-1", host "esx-2" } } } } }
    journal = site.dir .. "/journal.db"
    site.sim:post("set", { host = "esx-2", connection = "notResponding" })
  end)
  teardown(function() site:stop() end)

  it("is listed by apply where nothing is to change, on standard error", function()
    local result = site:command { "apply", site:write(PLAY), "--journal", journal }
    assert.equal(3, result.status, result.err) -- it is not done (spec 591)
    assert.matches("nothing to change", result.out, 1, true)
    assert.matches("! esx-2 is not responding: skipped", result.err, 1, true)
  end)

  it("is in the JSON of plan", function()
    local result = site:command { "plan", site:write(PLAY), "--journal", journal, "--json" }
    local skipped = json.decode(result.out).skipped
    assert.equal(1, #skipped)
    assert.equal("esx-2", skipped[1].target)
    assert.matches("esx-2 is not responding: skipped", skipped[1].text, 1, true)
  end)

  it("is shown with the claim of the run that took it down", function()
    local store = gpupt.check(require "gpupt.store".open(journal))
    local uuid
    for host in site:client():collect { type = "HostSystem", paths = { "name", "hardware.systemInfo.uuid" } } do
      if host.name == "esx-2" then uuid = host["hardware.systemInfo.uuid"] end
    end
    local moment = require "gpupt.clock".read()
    assert(store:enter(moment, { run = "other-1", process = "p", pid = 1, client_host = "elsewhere", seconds = 600 }))
    assert(store:claim(moment, { run = "other-1", process = "p", what = "host esx-2",
      resource = leases.host { uuid = uuid } }))
    local plan = gpupt.check(site:load(PLAY):plan(site:client(), { journal = store }))
    store:close()
    assert.equal(1, #plan:claimed())
    assert.matches("! host esx-2 is claimed by run other-1", tostring(plan), 1, true)
  end)
end)
