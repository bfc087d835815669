-- Scenario 1: one host, one VM, from a card in the slot to its proof. The calls that change something are those of the
-- procedure that people follow by hand, in its order.
local first_light = require "spec.support.first_light"

describe("one host and one VM, from bare to proved", function()
  local l
  setup(function()
    l = first_light.start { speed = 500, change = function(fleet)
      fleet.clusters[1].hosts = { fleet.clusters[1].hosts[1] }
    end }
  end)
  teardown(function() l:stop() end)

  it("makes the calls of the procedure in its order", function()
    l.sim:forget()
    local done = l:run_command { "apply", l.playbook, "--allow", "reboot", "--limit", "esx-a-1,render-01", "--journal",
      l.dir .. "/j.db" }
    assert.equal(0, done.status, done.err)
    local page, seen = l.sim:get "journal", {}
    for _, entry in ipairs(page.requests or page) do
      if entry.changing and not entry.fault then seen[#seen + 1] = entry.method end
    end
    local at = 1
    local wanted = { "UpdatePassthruConfig", "EnterMaintenanceMode_Task", "RebootHost_Task", "ExitMaintenanceMode_Task",
      "CreateVM_Task", "PowerOnVM_Task", "ShutdownGuest", "ReconfigVM_Task", "PowerOnVM_Task" }
    for _, method in ipairs(seen) do if method == wanted[at] then at = at + 1 end end
    assert.equal(#wanted + 1, at, table.concat(seen, " "))
    local function count(method)
      local n = 0
      for _, one in ipairs(seen) do if one == method then n = n + 1 end end
      return n
    end
    assert.same({ 1, 1, 1, 1, 2 }, { count "UpdatePassthruConfig", count "RebootHost_Task", count "CreateVM_Task",
      count "ShutdownGuest", count "PowerOnVM_Task" })
    assert.same({}, l.sim:get "truth".violations)
  end)
end)
