--- A run of gpupt in bench/cycle.lua, with journal and proof: usage: run.lua URL USER PASSWORD CA CAP FOLDER
-- A playbook whose own step powers each VM off, reconfigures it and powers it on, at most CAP at a time. Prints the
-- wall and CPU seconds of the run; the plan is made before.
local gpupt = require "gpupt"
local loop = require "gpupt.loop"

local url, username, password, ca_file, cap, folder = table.unpack(arg)
local vc <close> = gpupt.check(gpupt.vim.connect { url = url, username = username, password = password,
  ca_file = ca_file })
local playbook = gpupt.check(gpupt.playbook.load("bench/cycle/playbook.lua", { cap = math.tointeger(tonumber(cap)) }))
local plan = gpupt.check(playbook:plan(vc))
local journal <close> = gpupt.check(require "gpupt.store".open(folder .. "/journal.db"))
local wall, cpu = loop.now(), os.clock()
local run = gpupt.check(plan:apply { journal = journal, allow = { "power-off" } })
wall, cpu = loop.now() - wall, os.clock() - cpu
local result = run:result()
if result.status ~= "done" then error(result.message or result.targets[1].message) end
local changes = 0
for row in journal:rows(result.id) do if row.kind == "change" then changes = changes + 1 end end
assert(changes == 3 * #result.targets, changes)
print(wall, cpu)
