--- Writing a run's rows: those that are due in one turn of the loop share one commit, because each costs a write to the
-- disk. What changes the fleet waits for it:
--
--   fiber 1: add(change) settle --+                    +--> fiber 1 sends its call
--   fiber 2: add(change) settle --+--> commit (once) --+--> fiber 2 sends its call
--   fiber 3: add(result)        --+                         (fiber 3 went on)
--
-- If the commit fails, none of its rows is written, and none of their calls is sent.
local engine = require "gpupt.loop.engine"
local failure = require "gpupt.failure"
local fiber = require "gpupt.loop.fiber"
local wait = require "gpupt.loop.wait"

local rows = {}

local open = setmetatable({}, { __mode = "k" }) -- journal -> the event of its next commit

--- Writes what was added so far, now. true; or nil, message, code.
function rows.flush(journal)
  local event = open[journal]
  open[journal] = nil
  local ok, message, code = journal:commit()
  if event then
    event.failed = not ok and { message, code } or nil
    engine.fire(event)
  end
  return ok, message, code
end

--- Adds a row, to be written when the loop turns, or with flush. Its number; or nil, message, code.
function rows.add(journal, row)
  local ok, message, code = journal:gather()
  if not ok then return nil, message, code end
  local event = open[journal]
  if not event then
    event = engine.event()
    open[journal] = event
    fiber.helper(function()
      -- it raises only if the journal was closed, which has written them
      if open[journal] == event then pcall(rows.flush, journal) end
    end)
  end
  return journal:append(row)
end

--- Waits until everything added so far is on disk. true; or nil, message, code. Raises if the waiting fiber is stopped.
function rows.settle(journal)
  local event = open[journal]
  if not event then return true end
  local stop = wait.wait(event)
  if stop then error(stop, 0) end
  if event.failed then return nil, table.unpack(event.failed, 1, 2) end
  return true
end

--- The same for a row that has to be on disk before anything else happens. Raises if it is not.
function rows.write(journal, row)
  local number = failure.check(rows.add(journal, row))
  failure.check(rows.settle(journal))
  return number
end

return rows
