-- A few rounds of spec/scenarios/random_soak.lua, always the same.
local round = require "spec.support.random_round"

describe("random fleets and playbooks", function()
  local kinds = {}
  for _, seed in ipairs { 3000, 3003, 3013, 3015 } do
    it(("are planned, applied and undone as the plans say: seed %d"):format(seed), function()
      local result, problems = round.run(round.case(seed))
      assert.same({}, problems)
      kinds[result.kind] = (kinds[result.kind] or 0) + 1
      if result.killed then kinds.killed = (kinds.killed or 0) + 1 end
    end)
  end

  it("are applied in most of these rounds, and killed in some", function()
    assert.is_true((kinds.applied or 0) >= 4)
    assert.is_true((kinds.killed or 0) >= 2)
  end)
end)
