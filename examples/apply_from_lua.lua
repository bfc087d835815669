-- The same as `gpupt plan` and `gpupt apply` in your own program: load, plan, check the plan, apply, read the result.
--   lua5.4 examples/apply_from_lua.lua examples/first_light.lua
local gpupt = require "gpupt"
local store = require "gpupt.store"

local vc <close> = gpupt.check(gpupt.vim.connect {})
local playbook = gpupt.check(gpupt.playbook.load(arg[1] or "examples/first_light.lua"))
local plan = gpupt.check(playbook:plan(vc))

local approved = { reboot = true }
for _, word in ipairs(plan:needs()) do
  if not approved[word] then error("this plan needs '" .. word .. "', which is not approved", 0) end
end
print(("%d changes"):format(#plan:changes()))

local journal <close> = gpupt.check(store.open(arg[2] or "journal.db"))
local run = gpupt.check(plan:apply { journal = journal, allow = plan:needs() })
local result = run:result()
print(result.status)
for _, target in ipairs(result.targets) do print(("%s: %s"):format(target.target, target.status)) end
os.exit((result.status == "done" or result.status == "nothing") and 0 or 1, true)
