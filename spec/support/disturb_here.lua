--- Loaded by LUA_INIT into a gpupt that something happens to at one of its changes. GPUPT_DISTURB = "STEP|ACTION:WHAT":
--   sleep   its computer sleeps for an hour, right after the change was made
--   full    the disk of its journal is full when the change's row is to be written (GPUPT_FULL: a file on that disk)
-- (For its death see kill_here.lua.)
local key, what = (os.getenv "GPUPT_DISTURB" or ""):match "^(.+):(%a+)$"
if not key then return true end

local context = require "gpupt.playbook.context"
local Context = getmetatable(context.new {}).__index
local write, done = Context.row, false

function Context:row(target, kind, of, ...)
  local step = target and target.instance and target.instance.name or ""
  local mine = not done and step .. "|" .. (type(of) == "table" and (of.action or of.text) or tostring(of)) == key
  if mine and kind == "change" and what == "full" then
    done = true
    os.execute(("cat /dev/zero >'%s' 2>/dev/null"):format(os.getenv "GPUPT_FULL"))
  end
  local number = write(self, target, kind, of, ...)
  if mine and kind == "result" and what == "sleep" then
    done = true
    require "gpupt.clock".move(3600)
  end
  return number
end

return true
