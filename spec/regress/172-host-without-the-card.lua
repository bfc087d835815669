--- One host without the wanted card made the plan of a mixed fleet fail. Such a host is skipped and listed; it is an
-- error only if no host has the card.
local gpupt = require "gpupt"
local json = require "gpupt.json"
local lab = require "spec.support.lab"

local function playbook(match, more)
  return ([[return p.playbook { name = "mixed", p.hosts { where = "/DC0/host/*", devices = p.gpus { match = "%s" },
  roll = { back_within = "1h" }, p.host.enable { apply = "reboot" } } %s }]]):format(match, more or "")
end

describe("a host without the wanted card", function()
  local site
  before_each(function()
    site = lab.start { speed = 500, fleet = { clusters = { { name = "gpu-a", hosts = { lab.host "esx-1",
      lab.host("esx-2", { cards = { lab.card("0000:5e:00.0", { device = "1eb8", name = "Tesla T4" }) } }),
      lab.host("esx-3", { cards = json.array {} }) } } } } }
  end)
  after_each(function() site:stop() end)

  it("is skipped, and the plan lists it", function()
    local plan = gpupt.check(site:plan(playbook "10de:20b5"))
    local text = tostring(plan)
    assert.matches("! esx-2 has no card that matches 10de:20b5 (its GPUs: 10de:1eb8 at 5e:00.0): skipped", text, 1, true)
    assert.matches("! esx-3 has no card that matches 10de:20b5 (its GPUs: none): skipped", text, 1, true)
    for _, change in ipairs(plan:changes()) do assert.equal("esx-1", change.target) end
  end)

  it("is not touched, and the others are done", function()
    local result = gpupt.check(site:apply(playbook "10de:20b5", { allow = { "reboot" } }))
    assert.equal("done", result.status)
    assert.equal(1, #result.targets)
    assert.equal("esx-1", result.targets[1].target)
    for _, card in ipairs(site:truth("hosts", "esx-1").cards) do
      if card.address == "0000:3b:00.0" then assert.is_true(card.active) end
    end
    assert.same({}, site.sim:get "truth".violations)
  end)

  it("is skipped by a second plan and in a saved plan as well", function()
    local path = site.dir .. "/saved.plan"
    gpupt.check(gpupt.check(site:plan(playbook "10de:20b5")):save(path))
    local plan = gpupt.check(gpupt.check(gpupt.playbook.load_plan(path)):plan(site:client()))
    assert.equal("done", gpupt.check(plan:apply { journal = site:journal(), allow = { "reboot" } }):result().status)
    local again = gpupt.check(site:plan(playbook "10de:20b5"))
    assert.same({}, again:changes())
    assert.matches("! esx-3 has no card", tostring(again), 1, true)
  end)

  it("is an error if no host has the card: all are named", function()
    local plan, message, code = site:plan(playbook "10de:2330")
    assert.is_nil(plan)
    assert.equal("ENOCARDS", code)
    for _, name in ipairs { "esx-1", "esx-2", "esx-3" } do
      assert.matches(name .. ": no card matches 10de:2330", message, 1, true)
    end
  end)

  it("is an error if it is the only one that --limit leaves", function()
    local plan, message = site:plan(playbook "10de:20b5", { limit = "esx-3" })
    assert.is_nil(plan)
    assert.matches("esx-3: no card matches 10de:20b5", message, 1, true)
  end)
end)
