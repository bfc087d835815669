--- TaskInfo as waits watch it: its fields one by one, without those that change while the task works (progress,
-- progressDetails, description, changeTag). Watching `info` as a whole gives an update for each percent of each task,
-- and each update carries the whole of it. The progress is read apart, see gpupt.vim.progress.
local codec = require("gpupt.net").codec

local task_info = { paths = {} }

local fields = { "key", "task", "name", "descriptionId", "entity", "entityName", "state", "cancelled", "cancelable",
  "error", "result", "reason", "queueTime", "startTime", "completeTime", "eventChainId", "parentTaskKey",
  "rootTaskKey", "activationId" }

for i, field in ipairs(fields) do task_info.paths[i] = "info." .. field end

-- In an anyType slot the server may send anything.
local kinds = { ["info.state"] = "string", ["info.error"] = "table", ["info.name"] = "string",
  ["info.descriptionId"] = "string", ["info.entity"] = "table" }

local unfinished = { queued = true, running = true }

--- Whether a wait's values by path say that the task has not ended; nil, message, code if they make no sense.
function task_info.unfinished(values)
  for path, kind in next, kinds do
    local value = values[path]
    if value ~= nil and type(value) ~= kind then
      return nil, ("the server sent a %s as %s of a task"):format(type(value), path), "EPROTOCOL"
    end
  end
  return unfinished[values["info.state"]] or false
end

--- The info of a wait's values by path; nil before the server gave any; nil, message, code if they make no sense.
function task_info.of(values)
  if values["info.state"] == nil then return nil end
  local known, message, code = task_info.unfinished(values)
  if known == nil then return nil, message, code end
  local info = { progress = values["info.progress"] }
  for i, field in ipairs(fields) do info[field] = values[task_info.paths[i]] end
  return codec.typed("TaskInfo", info)
end

return task_info
