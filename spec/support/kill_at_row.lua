--- Loaded by LUA_INIT into a gpupt that is to die at a row of its journal: GPUPT_KILL_ROW = "7:before" or "7:after" that
-- row is written. A process that writes fewer rows ends as ever.
local number, point = (os.getenv "GPUPT_KILL_ROW" or ""):match "^(%d+):(%a+)$"
if not number then return true end
number = math.tointeger(tonumber(number))

local function die()
  os.execute "kill -9 $PPID"
  while true do end -- the signal is on its way
end

local context = require "gpupt.playbook.context"
local Context = getmetatable(context.new {}).__index
local write, count = Context.row, 0

function Context:row(...)
  count = count + 1
  if count == number and point == "before" then die() end
  local results = table.pack(write(self, ...))
  if count == number and point == "after" then die() end
  return table.unpack(results, 1, results.n)
end

return true
