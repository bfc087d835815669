--- Follows a run that works in another process, by its journal: each row as it is written, until the run ends or its
-- process is gone. The journal is opened again for each look, for reading only: where it cannot be written, an open one
-- would not show what is added.
local account = require "gpupt.playbook.account"
local journal = require "gpupt.playbook.journal"
local loop = require "gpupt.loop"

local follow = {}

--- Seconds between two looks.
follow.TICK = 0.5

-- The rows after self.last. The state is read before them: a run that ends in between has its last row among them.
local function look(self)
  local store <close>, message, code = journal.read(self.url)
  if not store then return nil, message, code end
  local record
  record, message, code = journal.find(store, self.id)
  if not record then return nil, message, code end
  self.id = record.id
  local state, runner, known = account.state(store, record)
  for row in store:rows(record.id, self.last) do
    self.last = row.number
    if row.kind == "end" then self.ended = row.what elseif row.kind == "resume" then self.ended = nil end
    self.on_row(row)
  end
  local working = state == "running" or state == "stopped"
  if known ~= self.known and working and self.on_state then self.on_state(known, runner, record) end
  self.known = known
  if self.ended then return self.ended end
  return working and "working" or "gone"
end

--- `id`: a run, or the beginning of one; nil: the newest. o.on_row(row) gets each row, the earlier ones first;
-- o.on_state(state, runner, record) is called when its process is seen, and when that is stopped by a signal or
-- continued; o.looked() after each look, and it ends the following if it returns false. Returns the run's id and
-- "done", "partial", "failed" or "interrupted" as its last row says, "gone" if its process is gone without one, or
-- "left"; or nil, message, code.
function follow.run(url, id, o)
  local self = { url = url, id = id, last = 0, on_row = o.on_row, on_state = o.on_state }
  while true do
    local state, message, code = look(self)
    if not state then return nil, message, code end
    if o.looked and o.looked() == false then return self.id, "left" end
    if state ~= "working" then return self.id, state end
    loop.sleep(follow.TICK)
  end
end

return follow
