-- A plan asked each host on which it found a card for the id by which backings name it (QueryConfigTarget): 1,000 requests
-- for 1,000 hosts. The id is needed to compare the backings that a VM has; what a plan adds is the same with any id.
local lab = require "spec.support.lab"
local requests = require "spec.support.requests"

describe("a plan that gives cards to VMs without any", function()
  local site
  setup(function() site = lab.start { speed = 1000, fleet = requests.fleet(10, { enabled = true, vms = 20 }), patience = 60 } end)
  teardown(function() site:stop() end)

  it("asks no host for its id, and the run asks those that it uses", function()
    local play = requests.playbook(requests.existing_vms "/DC0/vm/vm-00*")
    local counts, text = requests.plan(site, play)
    assert.matches("vm-[001-009]", text, 1, true)
    assert.equal(0, requests.of(counts, "QueryConfigTarget"))
    local planned, applied, result = requests.apply(site, play)
    assert.equal("done", result.status)
    assert.equal(0, requests.of(planned, "QueryConfigTarget"))
    assert.is_true(requests.of(applied, "QueryConfigTarget") >= 9)
  end)

  it("asks the hosts of VMs that have one", function()
    -- now nine of them have a card
    local counts, text = requests.plan(site, requests.playbook(requests.existing_vms "/DC0/vm/vm-00*"))
    assert.matches("nothing to change", text, 1, true)
    assert.is_true(requests.of(counts, "QueryConfigTarget") <= 9)
  end)
end)
