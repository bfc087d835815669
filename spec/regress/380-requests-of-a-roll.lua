-- A host of a roll took 30 requests, WaitForUpdatesEx not counted: whether other hosts of its cluster are out of service
-- took three requests, three times; each change was followed by a read of everything that is known of a host; and each
-- wait for the rebooting host had a filter of its own.
local lab = require "spec.support.lab"
local requests = require "spec.support.requests"

local HOSTS, MOST = 20, 15

describe("the requests of a roll", function()
  it(("are at most %d for each host"):format(MOST), function()
    local site = lab.start { speed = 300, fleet = requests.fleet(HOSTS) }
    local _, counts, result = requests.apply(site, requests.playbook(requests.hosts "/DC0/host/*"), { allow = { "reboot" } })
    site:stop()
    assert.equal("done", result.status)
    local text = requests.table { { name = "roll", counts = counts } }
    -- a task that began while its list was being changed is added by a request of its own
    local lists = requests.of(counts, "ModifyListView")
    assert.is_true(counts.total - lists <= (MOST - 2) * HOSTS + 5, text)
    assert.is_true(lists <= 3 * HOSTS, text)
    -- one filter for all waits of the run
    assert.equal(1, requests.of(counts, "CreateFilter"), text)
    assert.equal(0, requests.of(counts, "DestroyPropertyFilter"), text)
    assert.is_true(requests.of(counts, "CurrentTime") <= 2, text)
  end)
end)
