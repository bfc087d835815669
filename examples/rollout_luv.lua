-- A rollout inside a luv program: uv.run() drives gpupt with everything else, for example a web server. The program
-- gives the approvals, shows what happens, and stops the run cleanly on SIGTERM; a run that was stopped is resumed.
--   GOVC_URL=... GOVC_USERNAME=... GOVC_PASSWORD=... lua5.4 examples/rollout_luv.lua PLAYBOOK JOURNAL [RUN]
local gpupt = require "gpupt"
local store = require "gpupt.store"
local uv = require "luv"

local luv = gpupt.loop.use "luv"
local check = gpupt.check

-- the rest of the program
local ticks = 0
local timer = uv.new_timer()
timer:start(10, 10, function() ticks = ticks + 1 end)

local stop -- what the run asks once a second: "drain" lets the steps in progress finish
local signal = uv.new_signal()
signal:start("sigterm", function() stop = "drain" end)

local status
luv.go(function()
  local resumed = arg[3]
  local vc <close> = check(gpupt.vim.connect {})
  local journal <close> = check(store.open(arg[2]))
  local playbook = check(gpupt.playbook.load(arg[1]))
  local plan = check(playbook:plan(vc, { journal = journal, run = resumed }))
  print(plan)
  local run = check(plan:apply { journal = journal, allow = { "reboot" }, run = resumed,
    asked = function() return stop, "the program ends" end,
    on_event = function(event)
      if event.kind == "note" then print(("%s: %s"):format(event.target or "", event.text)) end
    end })
  local result = run:result()
  for _, one in ipairs(result.targets) do print(one.target, one.status, one.message or "") end
  for _, one in ipairs(result.skipped) do print(one.target, "skipped", one.why) end
  status = result.status
  if status == "interrupted" then print("resume with " .. run.id) end
  timer:close()
  signal:close()
end)

uv.run()
print(ticks > 0 and "the rest of the program kept running" or "the rest of the program was blocked")
-- as the command: all else is done (3), paused after a canary (5), resumable (130)
local exit = { done = 0, nothing = 0, partial = 3, paused = 5, interrupted = 130 }
os.exit(exit[status] or 1, true)
