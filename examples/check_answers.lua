-- Checks answers that were written by hand: what would stop the installer, or leave the VM without Tools?
--   lua5.4 examples/check_answers.lua autounattend.xml        or        check_answers.lua user-data
local answer = require "gpupt.guest.answer"

local file = assert(io.open(arg[1] or "user-data", "rb"))
local text = file:read "a"
file:close()

local problems = assert(answer.problems(text))
for _, problem in ipairs(problems) do
  print(("%s: line %s: %s"):format(problem.severity, problem.line or "-", problem.message))
end
print(#problems == 0 and "no problems" or ("%d problems"):format(#problems))
os.exit(#problems == 0 and 0 or 1, true)
