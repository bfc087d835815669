-- The same as `gpupt plan` and `gpupt apply` in your own program: load, plan, check the plan, apply, read the result.
--   lua5.4 examples/apply_from_lua.lua examples/first_light.lua
local gpupt = require "gpupt"
local store = require "gpupt.store"

local vc <close> = gpupt.check(gpupt.vim.connect {})
local playbook = gpupt.check(gpupt.playbook.load(arg[1] or "examples/first_light.lua"))
local plan = gpupt.check(playbook:plan(vc))

local approved = { reboot = true }
for _, word in ipairs(plan:needs()) do
  if not approved[word] then
    io.stderr:write("this plan needs '" .. word .. "', which is not approved\n")
    os.exit(4, true)
  end
end
print(("%d changes"):format(#plan:changes()))

local journal <close> = gpupt.check(store.open(arg[2] or "journal.db"))
local run = gpupt.check(plan:apply { journal = journal, allow = plan:needs() })
local result = run:result()
print(result.status)
for _, target in ipairs(result.targets) do print(("%s: %s"):format(target.target, target.status)) end
for _, skip in ipairs(result.skipped) do print(("%s: skipped: %s"):format(skip.target, skip.why)) end

-- the exit status of the command: all else is done (3), paused after a canary (5), resumable (130)
local exit = { done = 0, nothing = 0, partial = 3, paused = 5, interrupted = 130 }
os.exit(exit[result.status] or 1, true)
