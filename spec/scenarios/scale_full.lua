-- Scenario 20: 1,000 hosts with four cards each and 8,000 VMs. The wall time is printed: an operator expects 10 s for
-- gpus and 30 s for the plan.
local scale = require "spec.support.scale"

describe("a fleet of 1,000 hosts and 8,000 VMs", function()
  local found
  setup(function() found = scale.measure { hosts = 1000, vms = 8000 } end)

  for name, most in pairs { gpus = { requests = 110, cpu = 3, memory = 150 }, plan = { requests = 260, cpu = 8, memory = 300 } } do
    it(("is read by gpupt %s in few requests, with little CPU time and memory"):format(name), function()
      local one, line = found[name], scale.line(name, found[name])
      io.stderr:write(line, "\n")
      assert.is_true(one.requests <= most.requests, line)
      assert.is_true(one.cpu <= most.cpu, line)
      assert.is_true(one.memory <= most.memory, line)
      assert.same({ 1, 0 }, { one.logins, one.sessions })
      assert.is_true(one.waits <= 1, one.waits)
      assert.is_true(one.at_once <= 8, one.at_once)
    end)
  end
end)
