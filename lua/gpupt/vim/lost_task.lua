--- Finds the task that a call started when the call's answer was lost, by the call's operationID.
local collect = require "gpupt.vim.collect"
local schema = require("gpupt.net").schema

-- Among recent tasks: the object's own first, then all that the server lists (the last 200 that ended).
local function find_recent(client, object, operation_id)
  local managers, seen = {}, {}
  if schema.is_a(object.type, "ManagedEntity") then managers[1] = object end
  if client.content.taskManager then managers[#managers + 1] = client.content.taskManager end
  for _, manager in ipairs(managers) do
    local tasks, message, code = client.get_properties(manager, "recentTask")
    if tasks == nil then return nil, message, code end
    local fresh = {}
    for _, task in ipairs(tasks or {}) do
      if not seen[task] then fresh[#fresh + 1] = task end
      seen[task] = true
    end
    -- a task that the server has dropped since makes the whole read fail; the history is searched then
    local found = #fresh > 0
      and collect.all(client, { type = "Task", paths = { "info.activationId" }, objects = fresh })
    for _, one in ipairs(found or {}) do
      if one["info.activationId"] == operation_id then return one.ref end
    end
  end
end

-- In the server's task history, which covers a longer time. ESXi has none.
local function find_past(client, operation_id)
  local manager = client.content.taskManager
  local again = { safe = true } -- a second collector is removed with the session
  local history = manager and client:call(manager, "CreateCollectorForTasks",
    { filter = { activationId = { operation_id } } }, again)
  if not history then return nil end
  local tasks, message, code = client:call(history, "ReadNextTasks", { maxCount = 10 }, again)
  client:call(history, "DestroyCollector", {}, again)
  if not tasks then return nil, message, code end
  -- a server that does not know the filter answers with tasks of others
  for _, info in ipairs(tasks) do
    if info.activationId == operation_id then return info.task end
  end
end

--- Looks in the object's and the server's recent tasks and in the history for the task that carries this operationID.
-- Gives the reference, or nil, message, "ENOENT" (no such task there) or the error of the search.
return function(client, object, operation_id)
  local task, message, code = find_recent(client, object, operation_id)
  if not task and not message then task, message, code = find_past(client, operation_id) end
  if task then return task end
  if message then return nil, message, code end
  return nil, ("no task has the operationID %s"):format(operation_id), "ENOENT"
end
