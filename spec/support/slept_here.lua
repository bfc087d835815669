--- Loaded by LUA_INIT into a gpupt whose computer sleeps for an hour when its run makes a note that contains GPUPT_SLEEP.
local clock = require "gpupt.clock"
local context = require "gpupt.playbook.context"
local Context = getmetatable(context.new {}).__index
local note, slept = Context.note, false

function Context:note(target, text, more)
  note(self, target, text, more)
  if not slept and text:find(os.getenv "GPUPT_SLEEP", 1, true) then
    slept = true
    clock.move(3600)
  end
end

return true
