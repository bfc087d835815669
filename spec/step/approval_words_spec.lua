-- The words of --allow are known without loading every step (gpupt.step, gpupt.playbook).
local playbook = require "gpupt.playbook"
local steps = require "gpupt.step"

describe("the words of --allow", function()
  local function words_of(list)
    local words = {}
    for i, one in ipairs(list) do words[i] = one.word end
    return words
  end

  it("are those that the steps ask for", function()
    assert.same(words_of(steps.approvals()), steps.approval_words)
  end)

  it("are those of the steps and over-commit", function()
    assert.same(words_of(playbook.approvals()), playbook.approval_words())
  end)
end)
