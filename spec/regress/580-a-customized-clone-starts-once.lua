-- A run that was killed after it had shut a customized clone down, and before the clone had its card, powered the clone
-- on when it was resumed, only to shut it down again: vm.clone took a VM without a card for one that still has to start.
-- Its customization had ended: the mark of it was gone.
local matrix = require "spec.support.kill_matrix"

describe("580: a run that is resumed after the shutdown of a customized clone", function()
  for _, case in ipairs(matrix.cases) do
    if case.name == "clone" then
      local reference = matrix.reference(case)
      for _, kind in ipairs(reference.kinds) do
        local points = ({ ["guest-shutdown"] = { "answered" }, attach = { "row" } })[kind.step == "gpu.attach" and kind.action]
        for _, point in ipairs(points or {}) do
          it(("does not power it on for nothing: killed at %s, %s"):format(kind.action, point), function()
            assert.is_nil(matrix.kill(case, reference, kind, point))
          end)
        end
      end
    end
  end
end)
