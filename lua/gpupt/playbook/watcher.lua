--- What a run does beside its targets, once a second: it renews its claims when that is due, and looks whether it was
-- asked to stop: by the program (`asked`, which is Ctrl-C in the command), or by `gpupt stop` from another terminal,
-- which writes a row into the run's journal.
local json = require "gpupt.json"
local leases = require "gpupt.playbook.leases"
local loop = require "gpupt.loop"

local watcher = {}

--- Seconds between two looks.
watcher.TICK = 1

-- What the newest stop row says that this process has not seen: { how = "drain" or "cancel", reason = }.
local function stop_row(run)
  local asked
  for row in run.journal:rows(run.id, run.last_row) do
    run.last_row = row.number
    if row.kind == "stop" then
      local detail = json.decode(row.detail or "{}")
      detail = type(detail) == "table" and detail or {}
      asked = { how = row.action == "cancel" and "cancel" or "drain",
        reason = ("stopped by %s at %s (gpupt stop)"):format(detail.who or "?", detail.client_host or "?") }
    end
  end
  return asked
end

local function heed(run, asked)
  if asked.how == "cancel" then return run:cancel(asked.reason) end
  run:drain(asked.reason, asked.brief)
end

local function renew(run)
  local ok, message, code = run.leases:renew_if_due()
  if ok then
    run.trouble = nil
  elseif code == "ELAPSED" then
    run:drain(message, leases.LOST)
  elseif run.trouble ~= message then
    run.trouble = message
    run.ctx:note(nil, message .. ". No change is made until they are; trying again")
  end
end

--- One look.
function watcher.look(run)
  renew(run)
  if run.asked then
    local how, reason, brief = run.asked()
    if how then heed(run, { how = how, reason = reason or "stopped", brief = brief }) end
  end
  local asked = stop_row(run)
  if asked then heed(run, asked) end
end

--- Looks until it is cancelled: the body of a fiber.
function watcher.watch(run)
  while true do
    watcher.look(run)
    loop.sleep(watcher.TICK)
  end
end

return watcher
