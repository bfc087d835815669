-- What a chain of VMs from bare to proven asks of the vCenter, by counts; `make bench` prints the same for 20 VMs.
local chain = require "spec.support.chain"
local requests = require "spec.support.requests"

-- Measured: 51 in Linux and 57 in Windows. Of fewer VMs each has more, because fewer reads go together.
local COUNT, CEILING = 20, 60

describe("a chain of VMs from bare to proven", function()
  for _, family in ipairs { "linux", "windows" } do
    it("has one WaitForUpdatesEx in flight and at most 60 requests for each VM: " .. family, function()
      local one = chain.run { family = family, count = COUNT }
      assert.equal("done", one.result.status, one.result.targets[1].message)
      for _, step in ipairs { "driver.install", "guest.verify" } do
        assert.is_string(one.result.targets[COUNT].proofs[step])
      end
      -- so many that one alone is worth saying
      assert.is_true(requests.of(one.applied, "WaitForUpdatesEx") > 10)
      assert.equal(1, one.waits)
      assert.is_true((one.applied.total - requests.waiting(one.applied)) / COUNT <= CEILING,
        requests.table { { name = family, counts = one.applied } })
      -- what a step's programs had in the guest is gone
      assert.equal(requests.of(one.applied, "CreateTemporaryDirectoryInGuest"),
        requests.of(one.applied, "DeleteDirectoryInGuest"))
    end)
  end
end)
