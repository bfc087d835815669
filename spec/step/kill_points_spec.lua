-- A run that is killed at a point of a changing call, then resumed: the end is the same, and nothing is done twice. One
-- kill for each kind of call, the points in turn; each step at each point of each call: kill_matrix_soak.lua.
local matrix = require "spec.support.kill_matrix"

describe("a run killed at a point of a changing call", function()
  local covered, turn = {}, 0

  for _, case in ipairs(matrix.cases) do
    if not case.long then
      it(("ends as if it had not been killed: %s"):format(case.name), function()
        local reference = matrix.reference(case)
        for _, kind in ipairs(reference.kinds) do
          if kind.method and not covered[kind.method] then
            covered[kind.method] = true
            local points = matrix.points(kind)
            turn = turn + 1
            assert.is_nil(matrix.kill(case, reference, kind, points[(turn - 1) % #points + 1]))
          end
        end
      end)
    end
  end

  it("is done for each kind of call that these steps make", function()
    local list = {}
    for method in pairs(covered) do list[#list + 1] = method end
    table.sort(list)
    assert.same({ "CloneVM_Task", "CreateVM_Task", "Destroy_Task", "EnterMaintenanceMode_Task", "ExitMaintenanceMode_Task",
      "PowerOnVM_Task", "RebootHost_Task", "ReconfigVM_Task", "Refresh", "RelocateVM_Task",
      "RemoveAllSnapshots_Task", "ShutdownGuest", "UpdatePassthruConfig" }, list)
  end)
end)
