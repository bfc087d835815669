--- VMware Tools in a Windows guest, for tools.ensure: the installer of the mounted medium, with the features that its
-- Feature table has, then the proof that Windows Installer has them as they were asked for.
--
--   mount -> look (installer, version, features) -> run it, and read what is installed, in one go -> unmount
--         -> reboot where it is requested -> Tools run again
--
-- Where PowerShell is absent or constrained, the medium is found by cmd.exe, the table of the release is assumed, and
-- the installed features are read from the installer's log.
local guest = require "gpupt.step.guest_session"
local install = require "gpupt.step.guest_msi"
local medium = require "gpupt.guest.tools_medium"
local msi = require "gpupt.guest.msi"
local reboot = require "gpupt.step.guest_reboot"
local tools = require "gpupt.guest.tools"

local windows = {}

-- The log stays in the guest: it is overwritten by the next installation.
local LOG = [[C:\Windows\Temp\gpupt-tools.log]]

--- What the installer of a version should do, by the step's options; nil, message, code.
function windows.command(target, version, more)
  local o = target.options
  return tools.command { version = version, program = more and more.name, features = more and more.features,
    log = more and LOG, horizon = o.horizon, nsx = o.nsx, remove = o.remove, keep = o.keep }
end

-- The mounted installer; nil, message, code.
local function find(ctx, target, session)
  local found, message, code = session:look { medium.find() }
  if not found then return nil, message, code end
  local installer
  installer, message, code = medium.installer(found[1].out)
  local constrained = found[1].out:match "problem|([^\r\n]+)"
  if installer and not installer.features then
    ctx:note(target, ("the Feature table of %s cannot be read (%s): the features of its release are assumed"):format(
      installer.path, constrained or "PowerShell: status " .. tostring(found[1].status)))
  end
  if installer or found[1].status == 0 and found[1].out:find "%S" then return installer, message, code end
  local again, why, failed = session:look { medium.find_by_cmd() }
  if not again then return nil, why, failed end
  local by_cmd = medium.installer(again[1].out)
  if by_cmd then
    ctx:note(target, ("PowerShell cannot be used in the guest (status %d): the features of Tools %s are assumed")
      :format(found[1].status, by_cmd.version.text))
  end
  return by_cmd, message, code
end

-- Which installer is mounted, and what it should do.
local function choose(ctx, target, session, vm)
  local installer, message, code = find(ctx, target, session)
  if not installer then return nil, message, code end
  local running = tools.version(vm.guest.version)
  if running and tools.newer(running, installer.version) then
    return nil, ("the guest has VMware Tools %s, and the mounted installer %s is older (%s). Put newer Tools media on "
      .. "the host"):format(running.text, installer.path, installer.version.text), "EREFUSED"
  end
  local command
  command, message, code = windows.command(target, installer.version.text, installer)
  if not command then return nil, message, code end
  for _, one in ipairs(command.notes) do ctx:note(target, one) end
  ctx:note(target, ("%s of Tools %s: %s"):format(installer.path, installer.version.text, command.arguments))
  return { command = command, installer = installer }
end

-- Whether the installed version and features are those that were asked for; nil, message, "EPROOF" otherwise. `said`:
-- what medium.installed printed.
local function prove(ctx, target, session, chosen, said, outcome)
  local installed = medium.read_installed(said)
  local states, source = installed and installed.states, "Windows Installer"
  local ended = outcome.lost and "the guest restarted during the installation"
    or ("the installer ended with %d"):format(outcome.code)
  local version = installed and tools.version(installed.version:match "^%d+%.%d+%.%d+")
  if installed and (not version or version.text ~= chosen.command.version.text) then
    return nil, ("%s, but Tools %s are installed, not %s (by %s). Run it again"):format(ended, installed.version,
      chosen.command.version.text, source), "EPROOF"
  end
  if outcome.lost and not installed then
    return nil, ended .. ", and what it installed cannot be read. Run it again", "EPROOF"
  end
  if not states then
    local log = ctx.vc.guest:get(target.ref, session.auth, LOG, nil, { max = 64 << 20, timeout = 300 })
    states, source = log and msi.features(log), "the installer's log"
  end
  if not states then
    ctx:note(target, "the installed features cannot be read: neither by PowerShell, nor from the installer's log")
    return true
  end
  for _, name in ipairs(chosen.command.remove) do
    local state = states[name]
    if state and state ~= "Absent" then
      return nil, ("%s, but the feature %s is installed (%s, by %s)"):format(ended, name, state, source), "EPROOF"
    end
  end
  for _, name in ipairs(target.options.keep or {}) do
    if states[name] == "Absent" then
      return nil, ("%s, but the feature %s is not installed (by %s)"):format(ended, name, source), "EPROOF"
    end
  end
  return true
end

-- Runs the installer of the medium while it is mounted: its outcome, and what was chosen.
local function run(ctx, target, session, vm, seconds)
  local ok, message, code, detail = ctx:call(target, target.ref, "MountToolsInstaller", {}, "MountToolsInstaller")
  if not ok then return nil, message, code, detail end
  local chosen, outcome
  chosen, message, code = choose(ctx, target, session, vm)
  if chosen then
    outcome, message, code = install(ctx, target, session, medium.run(chosen.command, chosen.installer), {
      product = "Tools", changing = chosen.installer.name, log = LOG, seconds = seconds,
      after = { medium.installed() } })
  end
  ctx:call(target, target.ref, "UnmountToolsInstaller", {}, "UnmountToolsInstaller")
  if not outcome then return nil, ("%s: %s"):format(target.name, message), code end
  local said = outcome.after and outcome.after[1].out
  if outcome.lost then
    local again
    again, message, code = session:look { medium.installed() }
    if not again then return nil, ("%s: Tools: %s"):format(target.name, message), code end
    said = again[1].out
  end
  ok, message, code = prove(ctx, target, session, chosen, said, outcome)
  if not ok then return nil, ("%s: Tools: %s"):format(target.name, message), code end
  return outcome, chosen
end

-- Waits for Tools that the installer has restarted.
local function tools_again(ctx, target)
  local ok, message, code = guest.wait(ctx, target, 600)
  if ok == nil then
    return nil, ("%s: Tools did not start again after their installation: %s"):format(target.name, message), code
  end
  return true
end

local REBOOT = "the installer requests a reboot of the guest"

local function restart(ctx, target, session, outcome)
  if outcome.rebooting then
    ctx:note(target, "the installer is rebooting the guest (1641)")
    return reboot.by_installer(ctx, target, session, LOG)
  end
  if not outcome.reboot then return tools_again(ctx, target) end
  if target.options.reboot == "later" then
    ctx:note(target, "the installer requests a reboot of the guest (3010), which the playbook leaves for later")
    return tools_again(ctx, target)
  end
  -- the Tools that gave the installer's result can reboot the guest, unless they were restarted since
  local ok, message, code, detail = reboot.request(ctx, target, session, REBOOT)
  if ok or code ~= "ToolsUnavailable" then return ok, message, code, detail end
  ok, message, code = tools_again(ctx, target)
  if not ok then return nil, message, code end
  return reboot.request(ctx, target, session, REBOOT)
end

--- Installs them: { version = "12.4.0", remove = { names } }; nil, message, code.
function windows.install(ctx, target, session, vm, seconds)
  local outcome, chosen, code = run(ctx, target, session, vm, seconds)
  if not outcome then return nil, chosen, code end
  local ok, message, failed = restart(ctx, target, session, outcome)
  if not ok then return nil, message, failed end
  return { version = chosen.command.version.text, remove = chosen.command.remove }
end

return windows
