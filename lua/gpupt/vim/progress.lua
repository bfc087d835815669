--- The progress of tasks, for the waits that show it: one request reads it for all of them, at first once a second,
-- less often as the youngest of them grows old (every 10 seconds from its second minute on). Short tasks end before
-- they are read. What is read goes into the wait's entry (gpupt.vim.watch), whose caller is woken: no callback runs
-- here.
local collect = require "gpupt.vim.collect"
local engine = require "gpupt.loop.engine"
local failure = require "gpupt.failure"
local fiber = require "gpupt.loop.fiber"
local wait = require "gpupt.loop.wait"

local progress = { LEAST = 1, MOST = 10 }

-- The entries that are still waited for.
local function living(list)
  local left = {}
  for _, one in ipairs(list) do if not one.entry.removed then left[#left + 1] = one end end
  return left
end

local function pause_of(list)
  local youngest = math.huge
  for _, one in ipairs(list) do youngest = math.min(youngest, engine.now() - one.since) end
  return math.max(progress.LEAST, math.min(progress.MOST, youngest / 10))
end

-- What cannot be read is not shown: the wait itself finds out whether its task still exists.
local function read(client, list)
  local tasks, seen = {}, {}
  for _, one in ipairs(list) do
    local task = one.entry.object
    if not seen[task] then tasks[#tasks + 1] = task end
    seen[task] = true
  end
  local ok, found = pcall(collect.all, client, { type = "Task", objects = tasks, paths = { "info.progress" } })
  if not ok and not failure.is(found) then error(found, 0) end
  for _, object in ipairs(ok and found or {}) do
    for _, one in ipairs(list) do
      local entry = one.entry
      if entry.object == object.ref and entry.values["info.progress"] ~= object["info.progress"] then
        entry.values["info.progress"] = object["info.progress"]
        engine.fire(entry.event)
      end
    end
  end
end

local function helper(client)
  while true do
    wait.wait(engine.event(), engine.now() + pause_of(client.progress), true)
    client.progress = living(client.progress)
    if #client.progress == 0 or client.closed then break end
    read(client, client.progress)
  end
  client.progress = nil
end

--- From now on the entry's values have the progress of its task.
function progress.follow(client, entry)
  local list = rawget(client, "progress")
  if list then
    list[#list + 1] = { entry = entry, since = engine.now() }
    return
  end
  rawset(client, "progress", { { entry = entry, since = engine.now() } })
  fiber.helper(function()
    local ok, err = pcall(helper, client)
    if not ok then
      client.progress = nil
      error(err, 0)
    end
  end)
end

return progress
