--- What the client offers for waiting: vc:wait, vc:wait_all, vc:wait_for. How updates reach a wait is gpupt.vim.watch.
local engine = require "gpupt.loop.engine"
local failure = require "gpupt.failure"
local fault = require "gpupt.vim.fault"
local fiber = require "gpupt.loop.fiber"
local options = require "gpupt.options"
local progress = require "gpupt.vim.progress"
local property_path = require "gpupt.vim.property_path"
local task_info = require "gpupt.vim.task_info"
local wait = require "gpupt.loop.wait"
local watch = require "gpupt.vim.watch"

local waits = {}

local task_options = options.declare("vc:wait", {
  { "timeout", "number", doc = "seconds; the task continues after that" },
  { "progress", "callable", doc = "called with (percent, info) when the task's progress or state changes" },
  { "cancel_task", "boolean", doc = "cancel the task when the wait is cancelled or times out" },
})

--- A finished task's outcome: its result (true when it has none) and info; or nil, message, code, detail.
function waits.outcome(task, info)
  if info.state == "success" then
    local result = info.result
    if result == nil then result = true end
    return result, info
  end
  local message, code, detail = fault.read(info.error or {})
  if info.error == nil then message, code = "the task failed, and the server gave no reason", "EFAULT" end
  detail = detail or {}
  detail.task, detail.object, detail.method, detail.info = task, info.entity, info.descriptionId or info.name, info
  return nil, message, code, detail
end

local function until_of(o) return o.timeout and engine.now() + o.timeout end

local function cancel_task(client, task)
  wait.shield(function() return client:call(task, "CancelTask", {}, { timeout = 10 }) end)
end

--- Waits for a task's end. Gives its result (true when it has none) and its info (as gpupt.vim.task_info says); or nil,
-- message, code, detail of the fault it ended in, or "ETIMEDOUT", or "EUNKNOWN" when the server has forgotten it (it
-- restarted). Cancelling the wait does not cancel the task, unless cancel_task is set.
function waits.task(client, task, given)
  local o = task_options:check(given)
  if type(task) ~= "table" or rawget(task, "type") ~= "Task" then
    error("vc:wait: expected a Task, not " .. tostring(task), 3)
  end
  local shown, state
  local follow = o.progress and progress.follow
  local results = table.pack(pcall(watch.await, client, task, task_info.paths, function(values)
    if not o.progress and task_info.unfinished(values) then return nil end
    local info, message, code = task_info.of(values)
    if message then return nil, message, code end
    if not info then return nil end
    if o.progress and (info.progress ~= shown or info.state ~= state) then
      shown, state = info.progress, info.state
      o.progress(info.state == "success" and 100 or info.progress or 0, info)
    end
    if info.state == "success" or info.state == "error" then return waits.outcome(task, info) end
  end, until_of(o), tostring(task), follow))
  if not results[1] then
    if o.cancel_task and failure.is(results[2]) then cancel_task(client, task) end
    error(results[2], 0)
  end
  if o.cancel_task and results[4] == "ETIMEDOUT" then cancel_task(client, task) end
  if results[2] == nil and results[4] == "ManagedObjectNotFound" then
    return nil, ("%s no longer exists on the server: whether its work was done is unknown"):format(tostring(task)),
      "EUNKNOWN", { task = task, cause = results[4] }
  end
  return table.unpack(results, 2, results.n)
end

--- Waits for a list of tasks; a list of { ok =, result =, info = } or { ok = false, message =, code =, detail = }.
function waits.tasks(client, tasks, given)
  local o = task_options:check(given)
  local outcomes = {}
  local functions = {}
  for i, task in ipairs(tasks) do
    functions[i] = function()
      local result, info, code, detail = waits.task(client, task, o)
      if result ~= nil then outcomes[i] = { ok = true, result = result, info = info }
      else outcomes[i] = { ok = false, message = info, code = code, detail = detail } end
      return true
    end
  end
  fiber.all(functions)
  return outcomes
end

local property_options = options.declare("vc:wait_for", {
  { "timeout", "number", doc = "seconds" },
})

-- The paths as a list, and what is waited for in words; nil, message, code.
local function paths_of(object, paths)
  paths = type(paths) == "string" and { paths } or paths
  for _, path in ipairs(paths) do
    local message = property_path(object.type, path)
    if message then return nil, message, "InvalidProperty" end
  end
  return paths, ("%s of %s"):format(table.concat(paths, ", "), tostring(object))
end

local function examining(object, predicate)
  return function(values)
    local result = predicate(values, object)
    if result then return result end
  end
end

--- Waits until predicate(values, object) gives something true, and gives that. `paths` are read and watched together;
-- values holds those that are set. nil, message, code, detail when the object is removed or a path is refused.
function waits.property(client, object, paths, predicate, given)
  local o = property_options:check(given)
  local list, what, code = paths_of(object, paths)
  if not list then return nil, what, code end
  return watch.await(client, object, list, examining(object, predicate), until_of(o), what)
end

local Watched = {}
Watched.__index = Watched

--- Watches properties of an object until close (or as a to-be-closed variable). For several waits, one after the other:
-- watched:wait_for(predicate, o) is vc:wait_for, without a request of its own. Or nil, message, code.
function waits.watching(client, object, paths)
  if client.closed then return nil, "this connection is closed", "ECLOSED" end
  local list, what, code = paths_of(object, paths)
  if not list then return nil, what, code end
  return setmetatable({ object = object, what = what, view = watch.open(client, object, list) }, Watched)
end

function Watched:wait_for(predicate, given)
  local o = property_options:check(given)
  return self.view:await(examining(self.object, predicate), until_of(o), self.what)
end

function Watched:close() self.view:close() end
Watched.__close = Watched.close

return waits
