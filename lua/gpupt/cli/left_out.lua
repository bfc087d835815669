--- What a command says of hosts and VMs that a plan left out because they could not be reached or used. It ends with
-- status 3 then, if nothing worse happened.
local cli = require "gpupt.cli"
local ranges = require "gpupt.ranges"

local left_out = {}

local ONE = "1 %s left out, because it or its host could not be reached or used: %s. %s"
local SEVERAL = "%d %s left out, because they or their hosts could not be reached or used: %s. %s"

-- The rest is done, or can be: verb and advice for one, and for several.
local done = { "was", "Apply again when it can be", "were", "Apply again when they can be" }
local planned = { "is", "Without it, the others can be applied", "are", "Without them, the others can be applied" }

local function say(list, words)
  local names = {}
  for i, one in ipairs(list) do names[i] = one.target end
  local text = ranges.text(names, 8)
  if #list == 1 then
    cli.complain(ONE, words[1], text, words[2])
  else
    cli.complain(SEVERAL, #list, words[3], text, words[4])
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
