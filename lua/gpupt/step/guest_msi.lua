--- Runs an installer that is a Windows Installer package in a guest: waits while another installation runs (1618), and
-- explains a failure from the log that the installer wrote in the guest.
local loop = require "gpupt.loop"
local msi = require "gpupt.guest.msi"

-- Seconds between two tries while another installation runs.
local FIRST_PAUSE, LONGEST_PAUSE = 2, 30

-- Bytes of a verbose log that are fetched: UTF-16, so twice its characters.
local LONGEST_LOG = 64 << 20

local function log_of(ctx, target, session, path)
  local bytes = ctx.vc.guest:get(target.ref, session.auth, path, nil, { max = LONGEST_LOG, timeout = 300 })
  return bytes
end

local function complaint(o, outcome)
  return ("%s: exit code %d: %s%s%s"):format(o.product, outcome.code, outcome.meaning,
    outcome.remedy and "; " .. outcome.remedy or "",
    o.log and (". The installer's log is %s in the guest"):format(o.log) or "")
end

-- A log of an earlier installation must not explain this one: it goes first, in the same script.
local function without(log)
  return { program = [[C:\Windows\System32\cmd.exe]], arguments = ('/d /c if exist "%s" del /q "%s"'):format(log, log) }
end

--- `command` = { program =, arguments = }; o:
--   product  its name                      seconds  how long everything may take
--   changing the journal row's words       log      the path of the log that the command writes (optional)
--   after    commands that run after it in the same go, such as one that reads what is installed (optional)
--   secrets  variables of its environment: { NAME = text } (optional)
-- The outcome of a success (gpupt.guest.msi: reboot, rebooting; after = the results of these commands), or { lost =
-- true } when the guest restarted during the installation and the exit code is lost; nil, message, code ("EBUSY":
-- another installation still runs).
return function(ctx, target, session, command, o)
  local commands = o.log and { without(o.log), command } or { command }
  local main = #commands
  table.move(o.after or {}, 1, #(o.after or {}), main + 1, commands)
  local until_time, pause = loop.now() + o.seconds, FIRST_PAUSE
  while true do
    local left = math.max(1, until_time - loop.now())
    local how = { changing = o.changing, timeout = left, secrets = o.secrets, main = main }
    local results, message, code, detail = session:run_all(commands, how)
    if code == "ERESTARTED" then
      ctx:note(target, ("%s: %s: what is installed decides"):format(o.product, message))
      return { lost = true }
    end
    if not results then return nil, ("%s: %s"):format(o.product, message), code, detail end
    local outcome = msi.outcome(results[main].status)
    if outcome.success then
      outcome.after = table.move(results, main + 1, #results, 1, {})
      return outcome
    end
    if not outcome.retry or loop.now() + pause >= until_time then
      local log = o.log and not outcome.retry and log_of(ctx, target, session, o.log)
      if log then outcome = msi.outcome(results[main].status, log) end
      for _, line in ipairs(outcome.lines or {}) do ctx:note(target, "MSI log: " .. line) end
      return nil, complaint(o, outcome), outcome.retry and "EBUSY" or "EGUEST"
    end
    ctx:note(target, ("%s: %s (%d): trying again in %d s"):format(o.product, outcome.meaning, outcome.code,
      math.floor(pause)))
    ctx:sleep(pause)
    pause = math.min(LONGEST_PAUSE, pause * 2)
  end
end
