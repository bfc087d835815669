--- Writing a run's rows: those that are due in one turn of the loop share one commit, because each costs a write to the
-- disk. What changes the fleet waits for it; what only records something is written with the next change, or a little
-- later:
--
--   fiber 1: write(change) -------+                    +--> fiber 1 sends its call
--   fiber 2: write(change) -------+--> commit (once) --+--> fiber 2 sends its call
--   fiber 3: add(result)        --+                         (fiber 3 went on)
--
-- If the commit fails, none of its rows is written, and none of their calls is sent. The journal is locked for other
-- processes during the commit only.
local engine = require "gpupt.loop.engine"
local failure = require "gpupt.failure"
local fiber = require "gpupt.loop.fiber"
local wait = require "gpupt.loop.wait"

local rows = {}

--- Seconds after which rows are written that nothing waits for.
rows.LATER = 0.2

-- journal -> { list = what is to be written, event = of the commit, wake = hurries the helper, failures = count }
local open = setmetatable({}, { __mode = "k" })

local failures = setmetatable({}, { __mode = "k" })

-- A row's `of` may be an item (rows.soon), whose number is known when it is written: whether it is the number now.
local function settled(row)
  if type(row.of) == "table" then row.of = row.of.number or row.of end
  return type(row.of) ~= "table"
end

-- Writes the list inside a transaction. true; or nil, message, code.
local function write_all(journal, list)
  local ok, message, code = journal:gather()
  for i = 1, ok and #list or 0 do
    local item = list[i]
    if item.row then
      settled(item.row)
      ok, message, code = journal:append(item.row)
      item.number = ok
    else
      ok, message, code = item.work(journal)
    end
    if not ok then break end
  end
  if not ok then
    journal:commit() -- nothing is left of it
    return nil, message, code
  end
  return journal:commit()
end

--- Writes what was added so far, now, and with it what `work`(journal) does, if it is given, which gives true or nil,
-- message, code. true; or nil, message, code: then nothing of it is written.
function rows.flush(journal, work)
  local state = open[journal]
  open[journal] = nil
  if not state and not work then return journal:commit() end
  local list = state and state.list or {}
  if work then list[#list + 1] = { work = work } end
  local ok, message, code = write_all(journal, list)
  for _, item in ipairs(list) do
    if item.written then item.written(ok and item.number) end
  end
  if not ok then failures[journal] = (failures[journal] or 0) + 1 end
  if state then
    if not ok then state.event.failed = { message, code } end
    engine.fire(state.event)
    engine.fire(state.wake)
  end
  return ok, message, code
end

--- How many commits have failed so far: what was done in them is not done.
function rows.failures(journal) return failures[journal] or 0 end

local function state_of(journal)
  local state = open[journal]
  if state then return state end
  state = { list = {}, event = engine.event(), wake = engine.event() }
  open[journal] = state
  fiber.helper(function()
    wait.wait(state.wake, engine.now() + rows.LATER)
    -- it raises only if the journal was closed, which has written them
    if open[journal] == state then pcall(rows.flush, journal) end
  end)
  return state
end

local function push(journal, item)
  local state = state_of(journal)
  state.list[#state.list + 1] = item
  return state, item
end

--- Adds a row, to be written with the next change, or soon. true; or nil, message, code.
function rows.add(journal, row)
  -- outside a loop nothing turns until something is waited for: the journal itself writes such rows when it is closed
  if not fiber.inside() and settled(row) then
    local ok, message, code = true, nil, nil
    if open[journal] and open[journal].list[1] then ok, message, code = rows.flush(journal) end
    if ok then ok, message, code = journal:gather() end
    if not ok then return nil, message, code end
    ok, message, code = journal:append(row)
    if not ok then return nil, message, code end
    state_of(journal)
    return true
  end
  push(journal, { row = row })
  return true
end

--- Adds a row like rows.add, before its number is known: gives an item, which a later row may have as its `of`
-- instead of the number. written(number) is called when it is on disk, written(nil) if the commit failed.
function rows.soon(journal, row, written)
  local _, item = push(journal, { row = row, written = written })
  return item
end

--- Adds other work on the journal, work(journal), which gives true or nil, message, code.
function rows.work(journal, work) push(journal, { work = work }) end

--- Writes a row that has to be on disk before anything else happens: its number. Raises if it is not, or if the waiting
-- fiber is stopped.
function rows.write(journal, row)
  local state, item = push(journal, { row = row })
  engine.fire(state.wake)
  local stop = wait.wait(state.event)
  if stop then error(stop, 0) end
  if state.event.failed then failure.check(nil, table.unpack(state.event.failed, 1, 2)) end
  return item.number
end

return rows
