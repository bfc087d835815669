--- What a command says of hosts and VMs that a plan left out because they could not be reached or used. It ends with
-- status 3 then, if nothing worse happened.
local cli = require "gpupt.cli"
local ranges = require "gpupt.ranges"

local left_out = {}

local ONE = "1 %s left out, because it or its host could not be reached or used: %s. %s"
local SEVERAL = "%d %s left out, because they or their hosts could not be reached or used: %s. %s"

-- The rest is done, or will be.
local done = { one = "was", several = "were", advice = "Apply again when %s can be" }
local planned = { one = "is", several = "are", advice = "Without %s, the others can be applied" }

local function say(list, words)
  local names = {}
  for i, one in ipairs(list) do names[i] = one.target end
  local text = ranges.text(names, 8)
  if #list == 1 then
    cli.complain(ONE, words.one, text, words.advice:format "it")
  else
    cli.complain(SEVERAL, #list, words.several, text, words.advice:format(words == done and "they" or "them"))
  end
  return cli.UNREACHABLE
end

--- Of a run that is done but for these; the exit status.
function left_out.of_run(list) return say(list, done) end

--- Of a plan, with the vCenters that are left out: the exit status, or nil if nothing is.
function left_out.of_plan(plan)
  local status
  if plan.away and #plan:away() > 0 then
    cli.complain("%s", plan:away_text())
    status = cli.UNREACHABLE
  end
  local list = plan:unreached()
  if #list > 0 then status = say(list, planned) end
  return status
end

return left_out
