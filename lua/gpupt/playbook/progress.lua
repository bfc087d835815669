--- The progress of a run on stderr: on a terminal a live line below the events, otherwise one line per event.
local progress = {}

local Progress = {}
Progress.__index = Progress

--- Makes one. `out` is a file, `live` whether it is a terminal.
function progress.new(out, live)
  return setmetatable({ out = out, live = live, bars = {}, order = {}, started = os.time() }, Progress)
end

local function clock(seconds) return ("%d:%02d"):format(seconds // 60, seconds % 60) end

function Progress:line(text)
  if self.live then self.out:write "\r\27[K" end
  self.out:write(text, "\n")
  self:draw()
end

function Progress:draw()
  if not self.live then return end
  local words = {}
  for _, target in ipairs(self.order) do
    local bar = self.bars[target]
    if bar then words[#words + 1] = ("%s %s %d%%"):format(target, bar.text, bar.percent) end
  end
  self.out:write("\r\27[K", table.concat(words, "  ", 1, math.min(#words, 3)))
  self.out:flush()
end

local marks = { step = ">", proved = "+", note = " ", failed = "X", ["cut off"] = "X", changed = "=",
  ok = "=", begin = "#" }

--- Takes one event of a run.
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
  self:line(("%5s %s %-10s %-12s %s"):format(clock(os.time() - self.started), marks[event.kind] or "!", target or "",
    event.step or "", text or event.kind))
end

--- Takes the live line away.
function Progress:close()
  if self.live then
    self.out:write "\r\27[K"
    self.out:flush()
  end
end

return progress
