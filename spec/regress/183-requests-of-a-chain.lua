--- A VM from its creation to its proof took 114 requests (Linux) and 110 (Windows): each step read the VM several times,
-- each program in the guest took a transfer for its exit code and one for each of its outputs. WaitForUpdatesEx is not
-- counted: it is one long request. `make bench` prints the requests by method.
local lab = require "spec.support.lab"
local requests = require "spec.support.requests"

-- A wait is one request: it adds an object to the list that the filter of the session watches. One is the host's id, for
-- which the plan does not ask.
local ceilings = { linux = 44, windows = 58 }

describe("the requests of one VM from vm.create to guest.verify", function()
  for family, ceiling in pairs(ceilings) do
    it(("are at most %d in %s"):format(ceiling, family), function()
      local site = lab.start { speed = 300, fleet = requests.fleet(2, { enabled = true }) }
      local _, counts, result = requests.apply(site, requests.playbook(requests.new_vms(family, "c-01", 1)))
      site:stop()
      assert.equal("done", result.status)
      local text = requests.table { { name = family, counts = counts } }
      assert.is_true(counts.total - requests.waiting(counts) <= ceiling, text)
      assert.is_true(requests.of(counts, "RetrievePropertiesEx") <= 11, text)
      assert.equal(1, requests.of(counts, "ValidateCredentialsInGuest"))
      assert.equal(1, requests.of(counts, "FindChild"))
    end)
  end
end)
