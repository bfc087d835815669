--- tools.ensure: installs VMware Tools with only the features that a VM with cards should have.
-- Windows: the installer of the mounted Tools medium, with ADDLOCAL=ALL and the REMOVE list of that installer's version
-- (gpupt.guest.tools); Linux: the distribution's open-vm-tools. The installer restarts Tools during the call, so its
-- end is awaited twice. The release and features are stored on the VM (ExtraConfig gpupt.tools). The step runs again
-- when the Tools that run, or what the rules say about their release, are not what is stored there.
local guest = require "gpupt.step.guest_session"
local guest_family = require "gpupt.facts.guest_family"
local reboot = require "gpupt.step.guest_reboot"
local shell = require "gpupt.shell"
local tools = require "gpupt.guest.tools"
local values = require "gpupt.step.vm_values"
local vms = require "gpupt.fleet.vm"

local step = {
  name = "tools.ensure", scope = "vms", login = true,
  options = {
    { "horizon", "boolean", default = false, late = true, doc = "the Horizon agent will be installed" },
    { "nsx", "boolean", default = false, late = true, doc = "NSX guest introspection is used" },
    { "remove", "table", late = true, doc = "additional features to exclude" },
    { "keep", "table", late = true, doc = "features to install even if the rules exclude them" },
    { "within", "string", default = "30m", late = true, doc = "how long the installer may take" },
  },
  needs = { "VirtualMachine.Interact.ToolsInstall", "VirtualMachine.Interact.Reset",
    "VirtualMachine.Config.AdvancedConfig", "VirtualMachine.GuestOperations.Execute",
    "VirtualMachine.GuestOperations.Query", "VirtualMachine.GuestOperations.Modify" },
}

function step.check(o)
  for _, field in ipairs { "remove", "keep" } do
    if type(o[field]) == "table" then
      local ok, message = tools.check_features(field, o[field])
      if not ok then return message end
    end
  end
end

-- What the installer of a version should do: the command and the mark that it leaves; nil, message, code.
local function wanted(target, version, name)
  local o = target.options
  local command, message, code = tools.command { version = version, program = name, horizon = o.horizon, nsx = o.nsx,
    remove = o.remove, keep = o.keep }
  if not command then return nil, message, code end
  return command, command.version.text .. " REMOVE=" .. table.concat(command.remove, ",")
end

-- Only Windows has Tools from the host's CD, whose installer may request a reboot.
local LINUX_NEEDS = { "VirtualMachine.Config.AdvancedConfig", "VirtualMachine.GuestOperations.Execute",
  "VirtualMachine.GuestOperations.Query", "VirtualMachine.GuestOperations.Modify" }

local function family(target, vm)
  if vm and (vm.guest.family or vm.guest_id) then return vms.family(vm) end
  return guest_family(nil, nil, target.forecast.guest_id)
end

-- Whether Tools of a Windows guest are as wanted: the mark for the version that runs. nil, message, code if its version
-- cannot be read.
local function satisfied(target, vm)
  local version, message, code = tools.version(vm.guest.version)
  if not version then return nil, message, code end
  -- a feature that this version does not have is no reason to refuse: the mounted installer may have it
  local command, mark = wanted(target, version.text)
  return command ~= nil and vm.extra["gpupt.tools"] == mark, mark
end

local LINUX = "open-vm-tools"

function step.observe(ctx, target)
  if not target.ref then return {} end
  return { vm = ctx.fleet:vm(target.ref) }
end

function step.plan(_, target, seen)
  local vm = seen.vm
  if not vm or target.forecast.installs or not vm.guest.version or vm.guest.version == "0" then
    return { { sign = "+", verb = "tools", lost = "guest installs",
      what = "VMware Tools with the features for this release" },
      needs = family(target, vm) == "linux" and LINUX_NEEDS or nil }
  end
  local change = { sign = "~", verb = "tools", lost = "guest installs" }
  if vms.family(vm) == "linux" then
    if vm.extra["gpupt.tools"] == LINUX then return {} end
    change.what, change.needs = "open-vm-tools installed and running", LINUX_NEEDS
  else
    local done, message, code = satisfied(target, vm)
    if done == nil then return nil, ("%s: %s"):format(target.name, message), code end
    if done then return {} end
    -- the mounted installer's version decides; it is likely to be the one that runs
    local likely = wanted(target, vm.guest.version)
    change.what = "VMware Tools from the mounted medium" .. (likely and #likely.remove > 0
      and ", without " .. table.concat(likely.remove, ", ") or "")
  end
  if vm.power ~= "poweredOn" then
    return nil, target.name .. " is not running, and its VMware Tools must be changed. Power it on first", "EREFUSED"
  end
  return { change }
end

local function mark(ctx, target, vm, text)
  return values.reconfigure(ctx, target, vm, { extraConfig = { { key = "gpupt.tools", value = text } } },
    { action = "mark-tools", text = "ReconfigVM (mark Tools)" })
end

-- Which installer is mounted, and what it should do.
local function choose(ctx, target, session, vm)
  local found, message, code = session:look { tools.find() }
  if not found then return nil, message, code end
  local installer
  installer, message, code = tools.installer(found[1].out)
  if not installer then return nil, message, code end
  local running = tools.version(vm.guest.version)
  if running and tools.newer(running, installer.version) then
    return nil, ("the guest has VMware Tools %s, and the mounted installer %s is older (%s). Put newer Tools media on "
      .. "the host"):format(running.text, installer.path,
      installer.version.text), "EREFUSED"
  end
  local command, mark_text
  command, mark_text, code = wanted(target, installer.version.text, installer.name)
  if not command then return nil, mark_text, code end
  for _, one in ipairs(command.notes) do ctx:note(target, one) end
  ctx:note(target, ("%s of Tools %s: %s"):format(installer.path, installer.version.text, command.arguments))
  return { command = command, installer = installer, mark = mark_text }
end

-- Runs the installer of the medium while it is mounted: the outcome of the installer, and the mark.
local function install(ctx, target, session, vm, seconds)
  local ok, message, code = ctx:call(target, target.ref, "MountToolsInstaller", {}, "MountToolsInstaller")
  if not ok then return nil, message, code end
  local chosen, result
  chosen, message, code = choose(ctx, target, session, vm)
  if chosen then
    result, message, code = session:run(tools.from_cd(chosen.command, chosen.installer),
      { changing = chosen.installer.name, timeout = seconds })
  end
  ctx:call(target, target.ref, "UnmountToolsInstaller", {}, "UnmountToolsInstaller")
  if not result then return nil, ("%s: Tools: %s"):format(target.name, message), code end
  return tools.outcome(result.status), chosen.mark
end

local function windows(ctx, target, session, vm, seconds)
  local outcome, text, code = install(ctx, target, session, vm, seconds)
  if not outcome then return nil, text, code end
  if not outcome.success then
    return nil, ("%s: Tools: exit code %d: %s%s"):format(target.name, outcome.code, outcome.meaning,
      outcome.remedy and "; " .. outcome.remedy or ""), outcome.retry and "EBUSY" or "EGUEST"
  end
  local ok, message
  if outcome.reboot then
    -- the Tools that gave the installer's result can reboot the guest, unless they were restarted since
    ok, message, code = reboot(ctx, target, "the installer requests a reboot of the guest")
    if ok then return mark(ctx, target, vm, text) end
    if code ~= "ToolsUnavailable" then return nil, message, code end
  end
  ok, message, code = guest.wait(ctx, target, 600)
  if ok == nil then
    return nil, ("%s: Tools did not start again after their installation: %s"):format(target.name, message), code
  end
  if outcome.reboot then
    ok, message, code = reboot(ctx, target, "the installer requests a reboot of the guest")
    if not ok then return nil, message, code end
  end
  return mark(ctx, target, vm, text)
end

local function linux(ctx, target, session, vm, seconds)
  local plan, message, code = tools.linux { id = (vm.guest.id or vm.guest_id or ""):lower():gsub("64guest$", "")
    :gsub("guest$", ""):gsub("%d+$", "") }
  if not plan then return nil, message, code end
  local function bash(script) return { program = "/bin/bash", arguments = "-c " .. shell.quote(script) } end
  local results
  results, message, code = session:look({ bash(plan.check) }, { timeout = seconds })
  if not results then return nil, ("%s: Tools: %s"):format(target.name, message), code end
  if results[1].status ~= 0 then
    local result
    result, message, code = session:run(bash(plan.ensure), { changing = LINUX, timeout = seconds })
    if not result then return nil, ("%s: Tools: %s"):format(target.name, message), code end
    if result.status ~= 0 then
      return nil, ("%s: open-vm-tools: status %d: %s"):format(target.name, result.status,
        ((result.err or "") .. (result.out or "")):sub(-300)), "EGUEST"
    end
  end
  return mark(ctx, target, vm, LINUX)
end

function step.apply(ctx, target, _, seen)
  local seconds = require("gpupt.units").duration(target.options.within)
  local vm = seen.vm
  local session, message, code = guest.open(ctx, target, { vm = vm })
  if not session then return nil, message, code end
  if not (vm.guest.running and vm.guest.ready) then vm = ctx.fleet:vm(target.ref) end -- its Tools run only now
  if vms.family(vm) == "windows" then return windows(ctx, target, session, vm, seconds) end
  return linux(ctx, target, session, vm, seconds)
end

function step.prove(ctx, target)
  local vm = ctx.fleet:vm(target.ref)
  if vms.family(vm) == "linux" then
    if vm.extra["gpupt.tools"] == LINUX then return LINUX end
    return nil, target.name .. ": open-vm-tools are not installed", "EPROOF"
  end
  local done, mark_text, code = satisfied(target, vm)
  if done == nil then return nil, mark_text, code end
  if not done then
    return nil, ("%s: Tools are %s, not %s"):format(target.name, vm.extra["gpupt.tools"] or "unchanged", mark_text),
      "EPROOF"
  end
  return mark_text
end

--- What was installed in the guest stays, and so does the mark that says what that is.
function step.undo(_, target)
  return { changes = {}, lost = target.ref and { "VMware Tools as installed in the guest" } or nil }
end

return step
