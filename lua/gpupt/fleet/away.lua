--- Which hosts of a cluster are out of service or about to be: not connected, in maintenance mode, or with a task that
-- takes them there, queued or running. Standby does not count: vCenter wakes such a host up.
--
-- One request reads the states of the hosts and which tasks they list, a second one those tasks that are not known to
-- have ended: a task that has ended does not change any more. If one is first seen to have ended here, what was read of
-- its host may be from before: the host is read again.
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

-- What a task says: "leaving" and the task, "entered" (maintenance mode) and the task, or "other".
local function judge(one)
  local state, host = one["info.state"], one["info.entity"]
  local why = host and why_leaving(one["info.name"], one["info.descriptionId"])
  if not why then return "other" end
  if state == "queued" or state == "running" then return "leaving", task_of(one, why) end
  if state == "success" and why == leaving.entermaintenancemode then return "entered", task_of(one, why) end
  return "other"
end

-- Enters a task into what was found: the first that leaves, the last that has entered.
local function note(found, entered, kind, task)
  if kind == "leaving" then
    if not found[task.host] or away.before(task, found[task.host]) then found[task.host] = task end
  elseif kind == "entered" then
    if not entered[task.host] or away.before(entered[task.host], task) then entered[task.host] = task end
  end
end

--- The tasks that take these hosts out of service, by host; and those by which they entered maintenance mode. Raises.
function away.tasks(vc, hosts)
  local found, entered = {}, {}
  for _, one in ipairs(recent_tasks(vc, hosts)) do note(found, entered, judge(one)) end
  return found, entered
end

-- ---- tasks that have ended, of each connection: { kind, task } by the task's id

local MOST = 4096 -- a server lists the tasks of ten minutes

local memory = setmetatable({}, { __mode = "k" })

-- A server that restarts may give an id again.
local function ended_of(vc)
  local known = memory[vc]
  if not known or known.generation ~= vc.generation or known.count > MOST then
    known = { generation = vc.generation, count = 0 }
    memory[vc] = known
  end
  return known
end

local function remember(vc, ref, kind, task)
  local known = ended_of(vc)
  known.count = known.count + 1
  known[ref.value] = { kind = kind, task = task }
end

--- The end of a task that was waited for, with its info: it needs not be read again.
function away.ended(vc, ref, info)
  if type(info) ~= "table" or info.state ~= "success" or field(info.entity, "type") ~= "HostSystem" then return end
  local one = { ref = ref }
  for _, path in ipairs(task_paths) do one[path] = info[path:match "%.(.*)$"] end
  remember(vc, ref, judge(one))
end

local state_paths = { "name", "runtime.connectionState", "runtime.inMaintenanceMode", "runtime.standbyMode",
  "runtime.bootTime", "runtime.dasHostState", "recentTask" }

--- The states of an HA agent on which HA counts.
away.joined = { master = true, connectedToMaster = true }

local function why_away(props)
  local connection, standby = props["runtime.connectionState"], props["runtime.standbyMode"]
  if connection ~= "connected" then
    if standby and standby ~= "" and standby ~= "none" then return nil end
    return host_records.disconnected(connection)
  end
  if props["runtime.inMaintenanceMode"] == true then return "is in maintenance mode", true end
  -- HA does not count on it yet, as after a reboot; the server says nothing where HA is off
  local agent = props["runtime.dasHostState"]
  if agent and not away.joined[agent.state] then
    return ("has no connected HA agent (%s)"):format(agent.state), false, true
  end
end

local card_paths = { "pciPassthruInfo" }

-- The states of a cluster's hosts, or of a list of references. The server leaves out of a traversal what may not be
-- read: reading it says why not. `system`: the HostPciPassthruSystem of a host, whose cards are read with them; they
-- are the second result.
local function states_of(vc, cluster, refs, system)
  local types, objects, cards = { HostSystem = state_paths }, { cluster }, nil
  if refs then objects = table.move(refs, 1, #refs, 1, {}) else types[cluster.type] = { "host" } end
  if system then
    objects[#objects + 1], types[system.type] = system, card_paths
  end
  local list, seen, rest, hosts = {}, {}, {}, {}
  for _, object in ipairs(check(vc:collect_all { objects = objects, types = types,
    follow = not refs and { [cluster.type] = "host" } or nil })) do
    if object.ref == system then
      cards = object.pciPassthruInfo
    elseif object.ref == cluster then
      hosts = object.host or {}
    else
      list[#list + 1], seen[object.ref] = object, true
    end
  end
  for _, ref in ipairs(hosts) do if not seen[ref] then rest[#rest + 1] = ref end end
  for _, object in ipairs(check(vc:collect_all { objects = rest, type = "HostSystem", paths = state_paths })) do
    list[#list + 1] = object
  end
  return list, cards
end

-- The tasks of these hosts that leave and that have entered, by host; and the hosts of which a task was first seen to
-- have ended. `mine` is read only if there are others to read.
local function tasks_of(vc, states, mine)
  local found, entered, unknown, ended, seen, any = {}, {}, {}, {}, {}, false
  local known = ended_of(vc)
  for _, object in ipairs(states) do
    for _, task in ipairs(object.recentTask or {}) do
      local before = known[task.value]
      if before then
        note(found, entered, before.kind, before.task)
      else
        unknown[#unknown + 1] = task
        any = any or task ~= mine
      end
    end
  end
  if not any then return found, entered, ended end
  for _, one in ipairs(check(vc:collect_all { objects = unknown, type = "Task", paths = task_paths })) do
    local kind, task = judge(one)
    note(found, entered, kind, task)
    if one["info.state"] == "success" or one["info.state"] == "error" then
      remember(vc, one.ref, kind, task)
      local host = why_leaving(one["info.name"], one["info.descriptionId"]) and one["info.entity"]
      if host and not seen[host] then ended[#ended + 1], seen[host] = host, true end
    end
  end
  return found, entered, ended
end

-- Whether another host than that of the task `mine` is out of service.
local function others_away(states, own)
  for _, object in ipairs(states) do
    if object.ref ~= own and why_away(object) then return true end
  end
end

local function owner_of(states, task)
  for _, object in ipairs(states) do
    for _, one in ipairs(object.recentTask or {}) do if one == task then return object.ref end end
  end
end

local function read(vc, cluster, refs, mine, record)
  local states, cards = states_of(vc, cluster, refs, record and record.system)
  local fresh = false
  for _, object in ipairs(cards and states or {}) do
    if object.ref == record.ref then
      host_records.update_part(record, object, cards)
      fresh = true
    end
  end
  if #states < 2 then return {}, fresh end
  -- which of the two came first has to be known only if there are others
  if mine and others_away(states, owner_of(states, mine)) then mine = nil end
  local tasks, entered, ended = tasks_of(vc, states, mine)
  if #ended > 0 then
    local again = {}
    for _, object in ipairs(check(vc:collect_all { objects = ended, type = "HostSystem", paths = state_paths })) do
      again[object.ref] = object
    end
    for i, object in ipairs(states) do states[i] = again[object.ref] or object end
  end
  local list = {}
  for _, object in ipairs(states) do
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
  return list, fresh
end

local function without(list, gone)
  local left = {}
  for _, ref in ipairs(list) do if ref ~= gone then left[#left + 1] = ref end end
  return left
end

--- The hosts of a cluster, or of a list of references, that are away or leaving, by name; an empty list if there is one
-- host only. `mine`: a task of the caller's that takes a host out of service; without any other such host, its own may
-- be missing from the list. `record`: of one of these hosts; it is brought up to date as far as host.update_part does,
-- by the same request, and the second result is true, unless it has left the group or the server did not show its
-- cards. Raises.
function away.of(vc, group, mine, record)
  local cluster, refs = group, nil
  if not vim_ref.is(group) then cluster, refs = group.cluster, group.refs end
  for try = 1, 5 do
    if refs and #refs < 2 then return {} end
    local list, message, code, detail = failure.catch(read, vc, cluster, refs, mine, record)
    if list then return list, message end
    -- a task that the server dropped after it was listed, or a host that was removed, makes the whole read fail
    if code ~= "ManagedObjectNotFound" or try == 5 then error(failure.new(message, code, detail), 0) end
    if refs then refs = without(refs, detail and detail.fault and field(detail.fault, "obj")) end
  end
end

return away
