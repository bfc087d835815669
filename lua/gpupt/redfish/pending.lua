--- Sets BIOS attributes for the next boot, and takes them back while they are pending. The manners of the services:
--
--   apply times   a service that lists OnReset gets @Redfish.SettingsApplyTime with it. An iDRAC that lists it applies
--                 nothing without it; one that lists none needs a job for its pending settings (POST .../Jobs)
--   jobs          202 or a Location names a job or a task. The reboot must not come before it is scheduled
--   busy          while an iDRAC has a job for the BIOS it refuses others (SYS011): whose it is, is not known, so that
--                 is said and nothing is deleted
--   If-Match      sent whenever the resource has an ETag: AMI's services answer 428 without it
--   password      iLO 4 answers TokenRequired if the BIOS has an administrator password. DSP0266 and the Bios schema
--                 have no field for one with a change (only the action ChangePassword); later iLOs ask for a privilege
--   flat          iLO 4 has the attributes in the resource itself, and loses what is in Attributes
-- Sources: facts of gpupt.facts.bios_settings, MANNERS.
local answer = require "gpupt.redfish.answer"
local bios = require "gpupt.redfish.bios"
local engine = require "gpupt.loop.engine"
local rest = require "gpupt.rest.client"

local pending = {}

-- seconds to wait for a job to be scheduled, and between two looks, at the most
pending.JOB_SECONDS, pending.PAUSE = 300, 3

-- ---- jobs

-- States of a Redfish task (DSP2046, Task.TaskState) and of a Dell job (DellJob.JobState).
local scheduled = { Scheduled = true, Pending = true, Completed = true, Starting = true }
local failed_states = { Failed = true, CompletedWithErrors = true, Exception = true, Killed = true, Cancelled = true,
  RebootFailed = true, Interrupted = true, ScheduledFailed = true }

local function state_of(job)
  local state = job.JobState or job.TaskState
  return type(state) == "string" and state or "?"
end

local function text_of_job(job)
  local words = answer.messages(job)
  if type(job.Message) == "string" then table.insert(words, 1, (job.Message:gsub("%s+", " "):sub(1, 300))) end
  return #words > 0 and ": " .. words[1]:gsub("%.$", "") or ""
end

--- Waits until a job is scheduled for the reboot: true; nil, message, code.
function pending.await(client, path)
  local deadline, pause = engine.now() + pending.JOB_SECONDS, 0.25
  while true do
    local job, message, code = client:get(path)
    if not job then return nil, message, code end
    local state = state_of(job)
    if failed_states[state] then
      return nil, ("%s: the job for the BIOS settings, %s, is %s%s"):format(client.base, path, state, text_of_job(job)),
        "EREDFISH"
    end
    if scheduled[state] then return true end
    if engine.now() >= deadline then
      return nil, ("%s: the job for the BIOS settings, %s, is still %s after %d seconds"):format(client.base, path,
        state, pending.JOB_SECONDS), "ETIMEDOUT"
    end
    rest.sleep(math.min(pause, pending.PAUSE))
    pause = pause * 2
  end
end

-- A service without $expand is asked for each job.
local JOBS = 300

-- The jobs for the BIOS that wait for a reboot, of the manager of a Dell: paths.
local function waiting_jobs(client, self)
  local manager, message, code = client:path_of(self.manager, self.system)
  if not manager then return nil, message, code end
  local list
  for _, place in ipairs { "/Oem/Dell/Jobs", "/Jobs" } do -- iDRAC 9 and later, and before
    list, message, code = client:members(manager .. place, true)
    if list or code ~= "ENOENT" then break end
  end
  if not list then return nil, message, code end
  local found = {}
  for i = #list, math.max(1, #list - JOBS), -1 do
    local one = type(list[i]) == "table" and list[i] or {}
    local path = client:path_of(one["@odata.id"], manager)
    local job = one.JobState and one or path and client:get(path)
    if job and job.JobType == "BIOSConfiguration" and (job.JobState == "Scheduled" or job.JobState == "New") then
      found[#found + 1] = path
    end
  end
  return found
end

local function busy(message)
  return nil, ("%s. Another job for the BIOS is waiting at this BMC: let it finish (a reboot) or delete it there")
    :format((message:gsub("%.$", ""))), "EBUSY"
end

-- ---- setting

local function body_of(self, values)
  local attributes = {}
  for name, value in pairs(values) do attributes[name] = value end
  if self.flat then return attributes end
  local body = { Attributes = attributes }
  if self.apply_times.OnReset then
    body["@Redfish.SettingsApplyTime"] = { ["@odata.type"] = "#Settings.v1_1_0.PreferredApplyTime",
      ApplyTime = "OnReset" }
  end
  return body
end

-- A job for the pending settings, where the service lists no apply times and makes none itself: its path.
local function make_job(client, self)
  local manager, message, code = client:path_of(self.manager, self.system)
  if not manager then return nil, message, code end
  local body, info, failed = client:send("POST", manager .. "/Jobs", { TargetSettingsURI = self.settings })
  if not body then
    return nil, ("%s (the job that applies the pending settings)"):format(info), failed
  end
  return client:location(info.headers.location, "the job")
end

-- Sends the changes: the path of a job or false; nil, message, code.
local function patch(client, self, values)
  local body, info, code, detail = client:send("PATCH", self.settings, body_of(self, values), { etag = self.etag })
  if not body then
    if detail and (answer.has(detail.body, "SYS011") or answer.has(detail.body, "SYS430")) then
      return busy(info)
    end
    if detail and answer.has(detail.body, "TokenRequired") then
      return nil, ("%s. This server's BIOS has an administrator password, which iLO 4 asks for with each change. "
        .. "Redfish has no field for it, and gpupt sends none: change the settings in the BIOS setup (RBSU), or clear "
        .. "that password there"):format((info:gsub("%.$", ""))), "EREFUSED"
    end
    if code == "ESTALE" then
      return nil, ("%s. Another user has changed the pending settings meanwhile: try again"):format(
        (info:gsub("%.$", ""))), code
    end
    return nil, info, code
  end
  -- 200 with the error of a part: the Redfish Specification allows that
  local words, ids = answer.messages(body)
  for _, id in ipairs(ids) do
    if not id:find "Success" and not id:find "SettingsApplied" and not id:find "SystemResetRequired"
      and not id:find "SYS413" and not id:find "SYS410" and not id:find "ResetRequired" then
      return nil, ("%s: PATCH %s: %s"):format(client.base, self.settings, words[1] or id), "EREDFISH"
    end
  end
  local location = info.headers.location
  if location and location ~= "" then return client:location(location, "the job") end
  return false
end

-- What of `values` the next boot will not set, as text; nil if it sets all.
local function lost(self, values)
  local list = {}
  for name, value in pairs(values) do
    local now = bios.next_value(self, name)
    if not bios.same(self, name, now, value) then
      list[#list + 1] = ("%s is %s, not %s"):format(name, tostring(now), tostring(value))
    end
  end
  table.sort(list)
  return #list > 0 and table.concat(list, ", ") or nil
end

--- Sets attributes for the next boot: true; nil, message, code. `self` is what bios.read gave, read just before.
function pending.set(client, self, values)
  if not self.settings then
    return nil, ("%s: the BMC shows no pending settings (@Redfish.Settings): the BIOS cannot be changed by Redfish")
      :format(client.base), "ENOTSUP"
  end
  local job, message, code = patch(client, self, values)
  if job == nil then return nil, message, code end
  if not job and self.vendor == "Dell" and not self.apply_times.OnReset then
    job, message, code = make_job(client, self)
    if not job then return nil, message, code end
  end
  local ok
  if job then
    ok, message, code = pending.await(client, job)
    if not ok then return nil, message, code end
  end
  ok, message, code = bios.read_pending(client, self)
  if not ok then return nil, message, code end
  local off = lost(self, values)
  if off then
    -- a service without pending settings of its own applies them at once
    ok, message, code = bios.read_current(client, self)
    if not ok then return nil, message, code end
    off = lost(self, values)
  end
  if off then
    return nil, ("%s: the BMC accepted the settings and did not keep them: %s"):format(client.base, off), "EPROOF"
  end
  return true
end

-- ---- taking back

-- Deletes the jobs of an iDRAC for the BIOS, and what is pending without a job.
local function clear_dell(client, self)
  local jobs, message, code = waiting_jobs(client, self)
  if not jobs then return nil, message, code end
  local manager = client:path_of(self.manager, self.system)
  local id = manager:match "[^/]+$"
  for _, path in ipairs(jobs) do
    local body
    for _, place in ipairs { manager .. "/Oem/Dell", "/redfish/v1/Dell/Managers/" .. id } do
      body, message, code = client:send("POST", place .. "/DellJobService/Actions/DellJobService.DeleteJobQueue",
        { JobID = path:match "[^/]+$" })
      if body or code ~= "ENOENT" then break end
    end
    if not body then return nil, message, code end
  end
  local actions = type(self.pending_object.Actions) == "table" and self.pending_object.Actions or {}
  local oem = type(actions.Oem) == "table" and actions.Oem or {}
  local clear = oem["#DellManager.ClearPending"] or actions["#DellManager.ClearPending"]
  local target = type(clear) == "table" and client:path_of(clear.target, self.settings)
  local ok
  ok, message, code = bios.read_pending(client, self)
  if not ok then return nil, message, code end
  if #bios.changes(self) > 0 and target then
    local body
    body, message, code = client:send("POST", target, {})
    if not body then return nil, message, code end
  end
  return bios.read_pending(client, self)
end

--- Takes pending values back: the next boot leaves these attributes as they are. On an iDRAC that deletes the job, with
-- all that is pending; elsewhere the current values are set as pending. true; nil, message, code.
function pending.withdraw(client, self, names)
  local values, any = {}, false
  for _, name in ipairs(names) do
    if bios.pending_change(self, name) ~= nil then values[name], any = self.current[name], true end
  end
  if not any then return true end
  if self.vendor == "Dell" then
    local ok, message, code = clear_dell(client, self)
    if not ok then return nil, message, code end
  else
    local job, message, code = patch(client, self, values)
    if job == nil then return nil, message, code end
    local ok
    ok, message, code = bios.read_pending(client, self)
    if not ok then return nil, message, code end
  end
  local off = lost(self, values)
  if off then return nil, ("%s: still pending: %s"):format(client.base, off), "EPROOF" end
  return true
end

-- ---- before and after the boot

--- Whether pending attributes would be lost at the boot, because the iDRAC has no job for them. nil, message, code.
function pending.jobless(client, self, names)
  if self.vendor ~= "Dell" or not self.manager then return false end
  local any = false
  for _, name in ipairs(names) do any = any or bios.pending_change(self, name) ~= nil end
  if not any then return false end
  local jobs, message, code = waiting_jobs(client, self)
  if not jobs then return nil, message, code end
  return #jobs == 0
end

--- Right before the reboot: true if it will set these values, and their job is scheduled; nil, message, code.
function pending.ready(client, self, values)
  local off = lost(self, values)
  if off then return nil, ("no longer pending: %s"):format(off), "ESTALE" end
  local names = {}
  for name in pairs(values) do names[#names + 1] = name end
  local jobless, message, code = pending.jobless(client, self, names)
  if jobless == nil then return nil, message, code end
  if jobless then return nil, "the job that applies the pending settings is gone", "ESTALE" end
  if self.vendor ~= "Dell" or not self.manager then return true end
  local jobs
  jobs, message, code = waiting_jobs(client, self)
  for _, path in ipairs(jobs or {}) do
    local ok, why, failed = pending.await(client, path)
    if not ok then return nil, why, failed end
  end
  if not jobs then return nil, message, code end
  return true
end

--- After the boot: whether the BIOS has not dealt with these attributes yet, because one of them is still pending or a
-- job of an iDRAC is not finished. nil, message, code if that cannot be read.
function pending.unfinished(client, self, names)
  for _, name in ipairs(names) do if bios.pending_change(self, name) ~= nil then return true end end
  if self.vendor ~= "Dell" or not self.manager then return false end
  local jobs, message, code = waiting_jobs(client, self)
  if not jobs then return nil, message, code end
  return #jobs > 0
end

return pending
