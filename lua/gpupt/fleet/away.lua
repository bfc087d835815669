--- Which hosts of a cluster are out of service or about to be: not connected, in maintenance mode, or with a task that
-- takes them there, queued or running. Standby does not count: vCenter wakes such a host up.
--
-- The tasks are read before the states: a host whose task ends in between shows it in its state.
local check = require "gpupt.failure".check
local failure = require "gpupt.failure"
local host_records = require "gpupt.fleet.host"
local vim = require "gpupt.vim"
local vim_ref = require "gpupt.vim.ref"

---@class gpupt.Leaving            a task that takes a host out of service
---@field ref userdata             the Task
---@field host userdata
---@field why string               "is entering maintenance mode"
---@field since number             its queueTime
---@field by string?               who or what started it
---@field operation string?        its activationId

---@class gpupt.Away               a host that is out of service, or has a task that takes it there
---@field ref userdata
---@field name string
---@field why string
---@field maintenance boolean?     it is in maintenance mode
---@field task gpupt.Leaving?      the task that takes it out of service; nil if it is out of service already
---@field entered gpupt.Leaving?   the task by which it entered maintenance mode, if the server still lists it

local away = {}

-- by TaskInfo.name without _Task, and by the second word of descriptionId (HostSystem.enterMaintenanceMode)
local leaving = {
  entermaintenancemode = "is entering maintenance mode", reboothost = "is about to reboot",
  reboot = "is about to reboot", shutdownhost = "is about to shut down", shutdown = "is about to shut down",
  disconnecthost = "is about to be disconnected", disconnect = "is about to be disconnected",
}

local function field(value, name) return type(value) == "table" and rawget(value, name) or nil end

local function why_leaving(name, description)
  local method, verb = (name or ""):gsub("_Task$", ""), (description or ""):match "[^.]*$"
  return leaving[method:lower()] or leaving[verb:lower()]
end

--- Who or what started a task, by its reason; nil if it does not say.
function away.owner(reason)
  local user, alarm, schedule = field(reason, "userName"), field(reason, "alarmName"), field(reason, "name")
  if user and user ~= "" then return user end
  if alarm then return ("the alarm '%s'"):format(alarm) end
  if schedule then return ("the scheduled task '%s'"):format(schedule) end
end

--- A task as people read it: "task-12 of alice".
function away.title(task) return task.ref.value .. (task.by and " of " .. task.by or "") end

--- The task of a TaskInProgress fault: "EnterMaintenanceMode_Task (task-12 of alice)", or nil if it cannot be read.
function away.in_progress(fault)
  local ref = field(fault, "task")
  local info = ref and failure.catch(ref.get, ref, "info")
  if not info then return ref and ref.value end
  return ("%s (%s)"):format(info.name or info.descriptionId, away.title { ref = ref, by = away.owner(info.reason) })
end

local function number_of(ref) return math.tointeger(ref.value:match "%-(%d+)$") end

--- Whether task `a` was there before task `b`: by queueTime, then by moref (vCenter numbers tasks upwards).
function away.before(a, b)
  if a.since ~= b.since then return a.since < b.since end
  local m, n = number_of(a.ref), number_of(b.ref)
  if m and n and m ~= n then return m < n end
  return a.ref.value < b.ref.value
end

local task_paths = { "info.name", "info.descriptionId", "info.state", "info.entity", "info.reason", "info.queueTime",
  "info.activationId" }

local function task_of(one, why)
  return { ref = one.ref, host = one["info.entity"], why = why, since = vim.seconds(one["info.queueTime"]) or 0,
    by = away.owner(one["info.reason"]), operation = one["info.activationId"] }
end

-- The recent tasks of these hosts. The server leaves out of a traversal what may not be read: every task that a host
-- lists has to be in the answer, or reading it says why not.
local function recent_tasks(vc, hosts)
  local tasks, listed, seen, rest = {}, {}, {}, {}
  for _, object in ipairs(check(vc:collect_all { objects = hosts, follow = { HostSystem = "recentTask" },
    types = { HostSystem = { "recentTask" }, Task = task_paths } })) do
    if object.ref.type == "Task" then
      tasks[#tasks + 1], seen[object.ref] = object, true
    else
      for _, task in ipairs(object.recentTask or {}) do listed[#listed + 1] = task end
    end
  end
  for _, task in ipairs(listed) do if not seen[task] then rest[#rest + 1] = task end end
  for _, one in ipairs(check(vc:collect_all { objects = rest, type = "Task", paths = task_paths })) do
    tasks[#tasks + 1] = one
  end
  return tasks
end

--- The tasks that take these hosts out of service, by host; and those by which they entered maintenance mode. Raises.
function away.tasks(vc, hosts)
  local found, entered = {}, {}
  for _, one in ipairs(recent_tasks(vc, hosts)) do
    local state, host = one["info.state"], one["info.entity"]
    local why = host and why_leaving(one["info.name"], one["info.descriptionId"])
    local task = why and task_of(one, why)
    if task and (state == "queued" or state == "running") then
      if not found[host] or away.before(task, found[host]) then found[host] = task end
    elseif task and state == "success" and why == leaving.entermaintenancemode then
      if not entered[host] or away.before(entered[host], task) then entered[host] = task end
    end
  end
  return found, entered
end

local state_paths = { "name", "runtime.connectionState", "runtime.inMaintenanceMode", "runtime.standbyMode",
  "runtime.dasHostState" }

-- The states of an HA agent on which HA counts.
local joined = { master = true, connectedToMaster = true }

local function why_away(props)
  local connection, standby = props["runtime.connectionState"], props["runtime.standbyMode"]
  if connection ~= "connected" then
    if standby and standby ~= "" and standby ~= "none" then return nil end
    return host_records.disconnected(connection)
  end
  if props["runtime.inMaintenanceMode"] == true then return "is in maintenance mode", true end
  -- HA does not count on it yet, as after a reboot; the server says nothing where HA is off
  local agent = props["runtime.dasHostState"]
  if agent and not joined[agent.state] then
    return ("has no connected HA agent (%s)"):format(agent.state), false, true
  end
end

local function without(list, gone)
  local left = {}
  for _, ref in ipairs(list) do if ref ~= gone then left[#left + 1] = ref end end
  return left
end

local function read(vc, hosts)
  local list, tasks, entered = {}, away.tasks(vc, hosts)
  for _, object in ipairs(check(vc:collect_all { objects = hosts, type = "HostSystem", paths = state_paths })) do
    local task, why, maintenance, unguarded = tasks[object.ref], why_away(object)
    if why and not (unguarded and task) then
      list[#list + 1] = { ref = object.ref, name = object.name, why = why, maintenance = maintenance,
        unguarded = unguarded, entered = maintenance and entered[object.ref] or nil }
    elseif task then
      list[#list + 1] = { ref = object.ref, name = object.name, task = task,
        why = ("%s (%s)"):format(task.why, away.title(task)) }
    end
  end
  table.sort(list, function(a, b) return a.name < b.name end)
  return list
end

--- The hosts of a cluster, or of a list of references, that are away or leaving, by name; an empty list if there is one
-- host only. Raises.
function away.of(vc, group)
  local cluster, refs = group, nil
  if not vim_ref.is(group) then cluster, refs = group.cluster, group.refs end
  for try = 1, 5 do
    local hosts = refs or check(cluster:get { "host" }).host or {}
    if #hosts < 2 then return {} end
    local list, message, code, detail = failure.catch(read, vc, hosts)
    if list then return list end
    -- a task that the server dropped after it was listed, or a host that was removed, makes the whole read fail
    if code ~= "ManagedObjectNotFound" or try == 5 then error(failure.new(message, code, detail), 0) end
    if refs then refs = without(refs, detail and detail.fault and field(detail.fault, "obj")) end
  end
end

return away
