-- Every step, killed at every point of each of its changes, and resumed. Prints the table of what was covered; GPUPT_CASE:
-- only this case.
local matrix = require "spec.support.kill_matrix"

describe("a run killed at a point of a change", function()
  local steps = {}

  for _, case in ipairs(matrix.cases) do
    if (os.getenv "GPUPT_CASE" or case.name) == case.name then
      it(("ends as if it had not been killed: %s"):format(case.name), function()
        local reference, problems = matrix.reference(case), {}
        for _, kind in ipairs(reference.kinds) do
          steps[kind.step] = true
          local words = {}
          for i, point in ipairs(matrix.points(kind, true)) do
            local problem = matrix.kill(case, reference, kind, point)
            words[i] = point .. (problem and " NO" or "")
            problems[#problems + 1] = problem
          end
          print(("%-8s %-15s %-28.28s %-26s %s"):format(case.name, kind.step, kind.action, kind.method or "-",
            table.concat(words, ", ")))
          io.stdout:flush()
        end
        assert.same({}, problems)
      end)
    end
  end

  it("covers every step that changes something", function()
    if os.getenv "GPUPT_CASE" then return end
    local missing = {}
    for _, name in ipairs(require "gpupt.step".names) do
      -- os.present only waits
      if not steps[name] and name ~= "os.present" then missing[#missing + 1] = name end
    end
    assert.same({}, missing)
  end)
end)
