-- What a chain of VMs from bare to proven asks of the vCenter, by counts; `make bench` prints the same for 20 VMs.
local chain = require "spec.support.chain"
local requests = require "spec.support.requests"

describe("a chain of VMs from bare to proven", function()
  for _, family in ipairs { "linux", "windows" } do
    it("has one WaitForUpdatesEx in flight, however many VMs wait: " .. family, function()
      local one = chain.run { family = family, count = 4 }
      assert.equal("done", one.result.status, one.result.targets[1].message)
      for _, step in ipairs { "driver.install", "guest.verify" } do
        assert.is_string(one.result.targets[4].proofs[step])
      end
      -- so many that one alone is worth saying
      assert.is_true(requests.of(one.applied, "WaitForUpdatesEx") > 10)
      assert.equal(1, one.waits)
    end)
  end
end)
