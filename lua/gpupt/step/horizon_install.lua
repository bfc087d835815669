--- The Horizon Agent in a guest, for horizon.agent: it looks at what is there, does the phases that are missing, and
-- proves the result. Everything is read from the guest, so a resumed run goes on where the last one ended.
--
--   an installer of this run still works -> wait    agent as wanted, service stopped -> reboot
--   agent as wanted -> nothing                      else: copy -> install -> remove the copy -> reboot -> prove
local files = require "gpupt.step.guest_files"
local guest = require "gpupt.step.guest_session"
local horizon = require "gpupt.guest.horizon"
local loop = require "gpupt.loop"
local msi = require "gpupt.step.guest_msi"
local reboot = require "gpupt.step.guest_reboot"

local install = {}

local TEMP = [[C:\Windows\Temp\]]

-- The log stays in the guest: it is overwritten by the next installation.
local LOG = TEMP .. "gpupt-agent.log"

-- The variable of the installer's environment that has the password.
local VARIABLE = "GPUPT_SECRET"

-- Seconds: between two looks, more each time, and how long the service may take to start after a reboot.
local FIRST_PAUSE, LONGEST_PAUSE, SERVICE = 1, 10, 300

-- The installer is copied there and unpacks itself.
local function place(o)
  return { from = o.from, folder = TEMP, prefix = "gpupt-agent-", within = o.within, room = 2 }
end

--- The installer's command line by the step's options: for the guest in which `seen` was read, or in general. nil,
-- message, code.
function install.command(o, seen)
  local release, message, code = horizon.release(o.version or o.from:match "[^/]*$")
  if not release then
    return nil, ("from: %s. Set version, such as version = \"8.18.0\""):format(message), code
  end
  local user = o.register and o.register.options.user
  local command
  command, message, code = horizon.command { version = release.text, features = o.features, server = o.server,
    user = user, password = user and VARIABLE, properties = o.properties, log = not user and LOG or nil }
  if not command or not seen then return command, message, code end
  local have = seen.version and horizon.release(seen.version)
  if not have or have.text ~= release.text then return command end
  local remove = horizon.surplus(seen, release, command.features)
  if #remove == 0 then return command end
  command, message, code = horizon.command { version = release.text, features = o.features, server = o.server,
    user = user, password = user and VARIABLE, properties = o.properties, log = not user and LOG or nil,
    remove = remove }
  if command then command.surplus = remove end
  return command, message, code
end

local function look(session)
  local results, message, code, detail = session:look(horizon.look())
  if not results then return nil, message, code, detail end
  return horizon.read(results)
end

-- An installer that an interrupted run has started may still work: waits for its end.
local function earlier(ctx, target, session, inside, seconds)
  local name, until_time, pause = inside:match "[^\\]*$", loop.now() + seconds, FIRST_PAUSE
  while true do
    local list, message, code, detail = ctx.vc.guest:list(target.ref, session.auth)
    if not list then return nil, message, code, detail end
    local running = false
    for _, process in ipairs(list) do
      running = running or not process.ended and process.command and process.command:find(name, 1, true) ~= nil
    end
    if not running then return true end
    if loop.now() >= until_time then
      return nil, "the installer that an interrupted run has started does not end", "ETIMEDOUT"
    end
    if pause == FIRST_PAUSE then
      ctx:note(target, "the installer of the interrupted run still works: waiting for its end")
    end
    ctx:sleep(pause)
    pause = math.min(LONGEST_PAUSE, pause * 2)
  end
end

-- What is wrong, as one text; nil if nothing.
local function wrong(seen, command)
  local list = horizon.missing(seen, command.release, command.features)
  local more = horizon.surplus(seen, command.release, command.features)
  if #more > 0 then list[#list + 1] = ("installed although not wanted: %s"):format(table.concat(more, ", ")) end
  return list[1] and table.concat(list, "; ") or nil
end

-- Whether everything is installed and a start of the service is what is missing.
local function only_service(seen, command)
  if seen.running or not seen.service then return false end
  local started = setmetatable({ running = true }, { __index = seen })
  return not wrong(started, command)
end

-- Runs the installer: the outcome of guest_msi; nil, message, code.
local function run(ctx, target, session, command, o)
  local inside, message, code, detail = files.put(ctx, target, session, place(o.options))
  if not inside then return nil, message, code, detail end
  ctx:note(target, ("Horizon Agent %s: %s"):format(command.release.text, command.arguments))
  local outcome
  outcome, message, code, detail = msi(ctx, target, session, horizon.program(command, inside, o.password), {
    product = "Horizon Agent", changing = { action = "agent", text = "install Horizon Agent " .. command.release.text },
    log = not o.password and LOG or nil, seconds = o.seconds,
    secrets = o.password and { [VARIABLE] = o.password } })
  files.remove(ctx, target, session, inside)
  return outcome, message, code, detail
end

-- Looks until the agent is as wanted and its service runs: what the guest has then; nil, message, code.
local function settled(ctx, target, command)
  local until_time, pause = loop.now() + SERVICE, FIRST_PAUSE
  while true do
    local session, message, code, detail = guest.open(ctx, target, {})
    if not session then return nil, message, code, detail end
    local seen
    seen, message, code, detail = look(session)
    if not seen and code ~= "ERESTARTED" then return nil, message, code, detail end
    local problem = seen and wrong(seen, command)
    if seen and not problem then return seen end
    -- a service starts a while after the boot, and its guest may only now restart
    if seen and not only_service(seen, command) or loop.now() >= until_time then
      return nil, (problem or message), "EPROOF"
    end
    ctx:sleep(pause)
    pause = math.min(LONGEST_PAUSE, pause * 2)
  end
end

local function refuse_older(seen, command)
  local have = seen.version and horizon.release(seen.version)
  if not have then return true end
  local want = command.release
  if have.minor > want.minor or have.minor == want.minor and have.patch > want.patch then
    return nil, ("the guest has Horizon Agent %s, and %s is older: uninstall it in the guest first"):format(have.text,
      want.text), "EREFUSED"
  end
  return true
end

--- Installs the agent as the options say and proves it. o = { options =, seconds =, password = of an unmanaged agent's
-- registration }. What the guest has then; nil, message, code, detail.
function install.ensure(ctx, target, session, o)
  local inside = files.path(ctx, target, place(o.options))
  local ok, message, code, detail = earlier(ctx, target, session, inside, o.seconds)
  if not ok then return nil, message, code, detail end
  local seen, command
  seen, message, code, detail = look(session)
  if not seen then return nil, message, code, detail end
  command, message, code = install.command(o.options, seen)
  if not command then return nil, message, code end
  ok, message, code = refuse_older(seen, command)
  if not ok then return nil, message, code end
  local note
  ok, note, code = horizon.windows(seen.build, command.release)
  if not ok then return nil, note, code end
  local problem = wrong(seen, command)
  if not problem then
    files.remove(ctx, target, session, inside) -- of an interrupted run
    return seen
  end
  if note then ctx:note(target, note) end
  for _, one in ipairs(command.notes) do ctx:note(target, one) end
  local outcome = { reboot = true }
  if only_service(seen, command) then
    files.remove(ctx, target, session, inside)
    problem = problem .. ": rebooting the guest"
  else
    outcome, message, code, detail = run(ctx, target, session, command, o)
    if not outcome then return nil, message, code, detail end
    problem = "the installer requests a reboot of the guest (3010)"
  end
  if outcome.rebooting then
    ctx:note(target, "the installer is rebooting the guest (1641)")
    ok, message, code = reboot.by_installer(ctx, target, session, not o.password and LOG or nil)
  elseif outcome.reboot then
    ok, message, code, detail = reboot.request(ctx, target, session, problem)
  end
  if not ok then return nil, message, code, detail end
  return settled(ctx, target, command)
end

return install
