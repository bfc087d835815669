-- Two processes with separate journals roll one cluster: whatever the timing, never two hosts are out of service.
local operators = require "spec.support.operators"

describe("two runs with separate journals on one cluster", function()
  local o

  after_each(function() o:stop() end)

  local function all_done(hosts, first, second)
    assert.same({ 0, 0 }, { first.status, second.status }, first.err .. second.err)
    assert.equal(hosts, o.sim:calls "RebootHost_Task")
    local truth = o.sim:get "truth"
    assert.same({}, truth.violations)
    for _, host in ipairs(truth.hosts) do
      assert.is_false(host.maintenance)
      for _, card in ipairs(host.cards) do
        if card.address == "0000:3b:00.0" then assert.is_true(card.active) end
      end
    end
  end

  -- two_operators_soak.lua tries other timings
  for name, late in pairs { ["at once"] = 0, ["at once, the first one with a late answer"] = 1 } do
    it("enter maintenance mode " .. name .. ": one host is out of service at most, and both finish", function()
      o = operators.start { hosts = 3 }
      o.sim:forget()
      o:meet()
      if late > 0 then o:late_answer(late, 1) end
      all_done(3, o:go { first = { "a-1", "a-2" }, second = { "a-3" } })
      local most, names = o:most_away()
      assert.equal(1, most, names)
      assert.is_true(o.sim:calls "CancelTask" >= 1) -- they did meet
    end)
  end

  it("have two hosts out of service at most if the playbook allows two", function()
    o = operators.start { hosts = 4, away = 2 }
    o.sim:forget()
    o:meet(4)
    all_done(4, o:go { first = { "a-1", "a-2" }, second = { "a-3", "a-4" } })
    local most, names = o:most_away()
    assert.equal(2, most, names)
  end)
end)
