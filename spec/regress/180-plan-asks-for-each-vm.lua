--- A plan asked the server for each VM on its own: FindChild for its name, QueryConfigTarget for its host's id again and
-- again, and each step read the VM again: 140 requests for 40 new VMs, 200 for 40 existing ones. Now the number does not
-- depend on the number of VMs: 12 requests, the further pages of large answers, one for each host that is asked for its
-- id (regress 383), or each cluster that is asked for its guest ids, and one for each datastore that is searched. (Later:
-- where media are looked into, a few ranges of each, and the lookup of their datastore.)
local lab = require "spec.support.lab"
local requests = require "spec.support.requests"

local function check_budget(counts, hosts, clusters)
  local pages = requests.of(counts, "ContinueRetrievePropertiesEx")
  local ids = requests.of(counts, "QueryConfigTarget")
  local guests, searches = requests.of(counts, "QueryConfigOptionEx"), requests.of(counts, "SearchDatastore_Task")
  assert.is_true(ids <= hosts, ids)
  assert.is_true(guests <= clusters, guests)
  assert.is_true(searches <= 1, searches)
  local ranges = requests.of(counts, "HTTP GET")
  assert.is_true(ranges <= 24, ranges) -- of two media
  -- a search is a call, and a filter that waits for its task
  local others = counts.total - pages - ids - guests - 2 * searches - ranges
  assert.is_true(others <= (ranges > 0 and 16 or 12), requests.table { { name = "plan", counts = counts } })
end

describe("the requests of a plan", function()
  local site

  local function start(hosts, o)
    site = lab.start { speed = 1000, fleet = requests.fleet(hosts, o), patience = 60 }
  end
  after_each(function()
    site:stop()
    site = nil
  end)

  it("do not depend on the number of new VMs", function()
    start(20, { enabled = true })
    for _, count in ipairs { 1, 30 } do
      local counts, text = requests.plan(site, requests.playbook(requests.hosts "/DC0/host/*",
        requests.new_vms("linux", "c-01", count)))
      check_budget(counts, 0, 1)
      assert.matches(count > 1 and ("linux-[001-%03d]"):format(count) or "linux-001", text, 1, true)
      -- the existing names are those of the inventory
      assert.equal(0, requests.of(counts, "FindChild"))
    end
  end)

  it("do not depend on the number of scopes, clusters and existing VMs", function()
    start(100, { enabled = true, vms = 40 })
    local scopes = {}
    for i = 1, 10 do scopes[i] = requests.new_vms("windows", ("c-%02d"):format(i), 2, ("new-%d-{n:02}"):format(i)) end
    local counts, text = requests.plan(site, requests.playbook(requests.hosts "/DC0/host/*",
      requests.existing_vms "/DC0/vm/vm-*", table.unpack(scopes)))
    check_budget(counts, 0, 10)
    assert.matches("vm-[001-040]", text, 1, true)
    assert.matches("new-10-[01-02]", text, 1, true)
  end)

  it("do not ask hosts without an active card for an id", function()
    start(20)
    local counts = requests.plan(site, requests.playbook(requests.hosts "/DC0/host/*",
      requests.new_vms("linux", "c-02", 20)))
    check_budget(counts, 0, 1)
  end)

  it("read the VMs that run on the hosts together", function()
    local fleet = requests.fleet(10, { vms = 10 })
    for _, vm in ipairs(fleet.vms) do vm.power = "poweredOn" end
    site = lab.start { speed = 1000, fleet = fleet }
    local counts, text = requests.plan(site, requests.playbook(requests.hosts "/DC0/host/*"))
    check_budget(counts, 0, 0)
    assert.matches("-> reboot; vMotion of 10 VMs", text, 1, true)
  end)
end)
