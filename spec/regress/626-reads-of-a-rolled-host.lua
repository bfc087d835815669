-- Just before the reboot a host's own state and the states of the other hosts of its cluster were read by two requests,
-- one after the other: now by one, as the server's answer about one moment.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"
local requests = require "spec.support.requests"

local HOSTS = 4

local function fleet()
  local made = requests.fleet(HOSTS, { cluster = HOSTS })
  made.steady = true
  return made
end

describe("a host of a roll", function()
  local site
  before_each(function() site = lab.start { speed = 20, patience = 60, fleet = fleet() } end)
  after_each(function() site:stop() end)

  it("is read seven times: observed, claimed, staged, behind others, before the reboot, after it, in service", function()
    local plan = gpupt.check(site:load(requests.playbook(requests.hosts "/DC0/host/*")):plan(site:client()))
    local counts = requests.during(site.sim, function()
      assert.equal("done", gpupt.check(plan:apply { journal = site:journal(), allow = { "reboot" } }):result().status)
    end)
    -- two more may be needed: a task that ended while the group was looked at, and its host again
    local reads = requests.of(counts, "RetrievePropertiesEx")
    assert.is_true(reads <= 7 * HOSTS + 2, reads .. " reads")
  end)

  it("is brought up to date by the look at its cluster", function()
    local away = require "gpupt.fleet.away"
    local vc = site:client()
    local fleet_of = require "gpupt.fleet.snapshot"
    local snapshot = gpupt.check(fleet_of.new(vc))
    local found = gpupt.check(vc:find("/DC0/host/**", { type = "HostSystem" }))
    gpupt.check(snapshot:read_hosts(found))
    local record = snapshot.by_ref[found[1]]
    local card = record.cards[1]
    assert.is_false(card.enabled)
    gpupt.check(record.system:UpdatePassthruConfig { config = { { _type = "HostPciPassthruConfig", id = card.address,
      passthruEnabled = true, applyNow = false } } })
    gpupt.check(vc:wait(gpupt.check(found[1]:EnterMaintenanceMode_Task { timeout = 0 })))
    local counts = requests.during(site.sim, function()
      local list, fresh = away.of(vc, record.parent, nil, record)
      assert.is_true(fresh)
      assert.equal(record.name, list[1].name)
    end)
    assert.is_true(card.enabled)
    assert.is_false(card.active)
    assert.is_true(record.maintenance)
    -- the task that has ended is not known yet: it is read, and the host once more
    assert.equal(3, counts.total)
  end)

  it("is brought up to date by the look at a group of another kind", function()
    local away = require "gpupt.fleet.away"
    local vc = site:client()
    local snapshot = gpupt.check(require "gpupt.fleet.snapshot".new(vc))
    local found = gpupt.check(vc:find("/DC0/host/**", { type = "HostSystem" }))
    gpupt.check(snapshot:read_hosts(found))
    local record = snapshot.by_ref[found[2]]
    gpupt.check(record.system:UpdatePassthruConfig { config = { { _type = "HostPciPassthruConfig",
      id = record.cards[2].address, passthruEnabled = true, applyNow = false } } })
    local _, fresh = away.of(vc, { refs = { found[1], found[2] } }, nil, record)
    assert.is_true(fresh)
    assert.is_true(record.cards[2].enabled)
  end)

  it("is not taken for up to date if it has left the group that is looked at", function()
    local away = require "gpupt.fleet.away"
    local vc = site:client()
    local snapshot = gpupt.check(require "gpupt.fleet.snapshot".new(vc))
    local found = gpupt.check(vc:find("/DC0/host/**", { type = "HostSystem" }))
    gpupt.check(snapshot:read_hosts(found))
    local _, fresh = away.of(vc, { refs = { found[1], found[3] } }, nil, snapshot.by_ref[found[2]])
    assert.is_false(fresh)
  end)
end)
