-- Scenario 20, small: 100 hosts with four cards each and 800 VMs. (1,000 and 8,000: scale_full.lua.) CPU and memory have
-- wide ceilings here, because others may work on the machine; the requests are exact.
local scale = require "spec.support.scale"

describe("a fleet of 100 hosts and 800 VMs", function()
  local found
  setup(function() found = scale.measure { hosts = 100, vms = 800 } end)

  for name, most in pairs { gpus = { requests = 20, cpu = 1.5, memory = 60 }, plan = { requests = 36, cpu = 3, memory = 80 } } do
    it(("is read by gpupt %s in few requests, with little CPU time and memory"):format(name), function()
      local one, line = found[name], scale.line(name, found[name])
      assert.is_true(one.requests <= most.requests, line)
      assert.is_true(one.cpu <= most.cpu, line)
      assert.is_true(one.memory <= most.memory, line)
    end)

    it(("is read by gpupt %s in one session, with one WaitForUpdatesEx and eight connections at most"):format(name), function()
      local one = found[name]
      assert.same({ 1, 0 }, { one.logins, one.sessions })
      assert.is_true(one.waits <= 1, one.waits)
      assert.is_true(one.at_once <= 8, one.at_once)
    end)
  end
end)
