-- Random fleets and random playbooks, planned, applied, applied again and undone; a third of the runs are killed on the
-- way and resumed. GPUPT_ROUNDS: how many (300); GPUPT_CASE: the seed of the first, or with GPUPT_ROUNDS=1 of the only one.
-- A round that fails prints its seed, its fleet and its playbook. What holds of each: spec/support/random_round.lua.
local gpupt = require "gpupt"
local random_playbook = require "spec.support.random_playbook"
local round = require "spec.support.random_round"

describe("random fleets and playbooks", function()
  local rounds = tonumber(os.getenv "GPUPT_ROUNDS" or "300")
  local first = tonumber(os.getenv "GPUPT_CASE" or os.time())

  it(("are planned, applied and undone as the plans say, from seed %d"):format(first), function()
    print(("%d rounds from GPUPT_CASE=%d"):format(rounds, first))
    local counts, wrong = {}, {}
    for seed = first, first + rounds - 1 do
      local case = round.case(seed)
      local result, problems = round.run(case)
      counts[result.kind] = (counts[result.kind] or 0) + 1
      if result.killed then counts["killed in " .. result.killed] = (counts["killed in " .. result.killed] or 0) + 1 end
      if #problems > 0 then
        wrong[#wrong + 1] = ("GPUPT_CASE=%d GPUPT_ROUNDS=1: %s"):format(seed, problems[1])
        print(wrong[#wrong])
        print(gpupt.json.encode(case.fleet))
        print(random_playbook.text(result.scopes or case.playbooks[1]))
      end
      io.stdout:flush()
    end
    local words = {}
    for kind, count in pairs(counts) do words[#words + 1] = ("%s %d"):format(kind, count) end
    table.sort(words)
    print(table.concat(words, ", "))
    assert.same({}, wrong)
    -- rounds that never apply anything would show little
    assert.is_true((counts.applied or 0) * 2 >= rounds or rounds < 20)
  end)
end)
