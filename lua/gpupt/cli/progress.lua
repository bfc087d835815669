--- The progress of a run on stderr: on a terminal a live line below the events, otherwise one line per event.
local printer = require "gpupt.printer"
local visible = require "gpupt.visible"

local progress = {}

local Progress = {}
Progress.__index = Progress

--- A new one; `live`: standard error is a terminal.
function progress.new(live)
  return setmetatable({ live = live, bars = {}, order = {}, started = os.time() }, Progress)
end

local function clock(seconds) return ("%d:%02d"):format(seconds // 60, seconds % 60) end

function Progress:line(text)
  if self.live then printer.live "" end
  printer.err("%s", text)
  self:draw()
end

function Progress:draw()
  if not self.live then return end
  local words = {}
  for _, target in ipairs(self.order) do
    local bar = self.bars[target]
    if bar then words[#words + 1] = ("%s %s %d%%"):format(target, bar.text, bar.percent) end
  end
  printer.live(table.concat(words, "  ", 1, math.min(#words, 3)))
end

local marks = { step = ">", proved = "+", note = " ", failed = "X", interrupted = "X", changed = "=",
  ok = "=", begin = "#" }

--- Handles one event of a run.
function Progress:event(event)
  local target = event.target
  if event.kind == "progress" then
    if not self.bars[target] then self.order[#self.order + 1] = target end
    self.bars[target] = event.percent < 100 and { text = event.text, percent = event.percent } or nil
    for i = #self.order, 1, -1 do if not self.bars[self.order[i]] then table.remove(self.order, i) end end
    return self:draw()
  end
  if event.kind == "begin" then return self:line("run " .. event.text) end
  local text = event.text
  if event.kind == "changed" then text = "done" elseif event.kind == "ok" then text = "nothing to change" end
  text = visible(text or event.kind)
  -- where in the playbook it failed
  local source = event.kind == "failed" and event.source
  if source and not text:find(source, 1, true) then text = ("%s: %s"):format(source, text) end
  self:line(("%5s %s %s %s %s"):format(clock(os.time() - self.started), marks[event.kind] or "!",
    visible.pad(target or "", 10), visible.pad(event.step or "", 12), text))
end

--- Removes the live line.
function Progress:close()
  if self.live then printer.live "" end
end

return progress
