-- Whether a card that a plan takes out of passthrough is given to a VM was looked up in all entries of the plan for each
-- change of each entry, also for those that take out no card: 9 million looks in a plan of 1,000 hosts and 2,000 VMs.
local taken_away = require "gpupt.playbook.taken_away"

describe("the check of cards that are taken out of passthrough", function()
  it("looks at each entry of a plan once if no card is", function()
    local count, looks, entries = 200, 0, {}
    for i = 1, count do
      entries[i] = { target = { kind = "vm", ref = "vm-" .. i, host = { ref = "host-1" }, cards = {} },
        steps = { { instance = { name = "gpu.attach" }, changes = { {} } } } }
    end
    local counted = setmetatable({}, { __index = function(_, i)
      looks = looks + 1
      return entries[i]
    end })
    taken_away.check({ entries = counted, vms = {}, playbook = {} }, error)
    assert.is_true(looks <= 3 * count, looks .. " looks")
  end)
end)
