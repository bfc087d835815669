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

--- `command` = { program =, arguments = }; o = { product = its name, changing = the journal row's words, log = the path
-- of the log that the command writes (optional), seconds = how long everything may take }. The outcome of a success
-- (gpupt.guest.msi: reboot, rebooting); nil, message, code ("EBUSY": another installation still runs).
return function(ctx, target, session, command, o)
  local until_time, pause = loop.now() + o.seconds, FIRST_PAUSE
  while true do
    local left = math.max(1, until_time - loop.now())
    local result, message, code, detail = session:run(command, { changing = o.changing, timeout = left })
    if not result then return nil, ("%s: %s"):format(o.product, message), code, detail end
    local outcome = msi.outcome(result.status)
    if outcome.success then return outcome end
    if not outcome.retry or loop.now() + pause >= until_time then
      local log = o.log and not outcome.retry and log_of(ctx, target, session, o.log)
      if log then outcome = msi.outcome(result.status, log) end
      for _, line in ipairs(outcome.lines or {}) do ctx:note(target, "MSI log: " .. line) end
      return nil, complaint(o, outcome), outcome.retry and "EBUSY" or "EGUEST"
    end
    ctx:note(target, ("%s: %s (%d): trying again in %d s"):format(o.product, outcome.meaning, outcome.code,
      math.floor(pause)))
    ctx:sleep(pause)
    pause = math.min(LONGEST_PAUSE, pause * 2)
  end
end
