--- tools.ensure: installs VMware Tools with only the features that a VM with cards should have.
-- Windows: setup64 of the mounted Tools CD with ADDLOCAL=ALL and the REMOVE list of that release (gpupt.guest.tools);
-- Linux: the distribution's open-vm-tools. The installer restarts Tools during the call, so its end is awaited twice.
-- The release and features are stored on the VM (ExtraConfig gpupt.tools); if either changes, the step runs again.
local guest = require "gpupt.step.guest_session"
local guest_family = require "gpupt.facts.guest_family"
local tools = require "gpupt.guest.tools"
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

local READY = { "guest.toolsRunningStatus", "guest.guestOperationsReady" }

local function command_of(target, vm)
  return tools.command { version = vm.guest.version, horizon = target.options.horizon, nsx = target.options.nsx,
    remove = target.options.remove, keep = target.options.keep }
end

--- The mark that the VM should have; nil, message, code if its Tools version cannot be read.
local function wanted_mark(target, vm)
  if vms.family(vm) == "linux" then return "open-vm-tools" end
  local command, message, code = command_of(target, vm)
  if not command then return nil, message, code end
  return command.version.text .. " REMOVE=" .. table.concat(command.remove, ","), command
end

-- Only Windows has Tools from the host's CD, whose installer may request a reboot.
local LINUX = { "VirtualMachine.Config.AdvancedConfig", "VirtualMachine.GuestOperations.Execute",
  "VirtualMachine.GuestOperations.Query", "VirtualMachine.GuestOperations.Modify" }

local function family(target, vm)
  if vm and (vm.guest.family or vm.guest_id) then return vms.family(vm) end
  return guest_family(nil, nil, target.forecast.guest_id)
end

function step.observe(ctx, target)
  if not target.ref then return {} end
  return { vm = ctx.fleet:vm(target.ref) }
end

function step.plan(_, target, seen)
  local vm = seen.vm
  if not vm or target.forecast.installs or not vm.guest.version or vm.guest.version == "0" then
    return { { sign = "+", verb = "tools", what = "VMware Tools with the features for this release" },
      needs = family(target, vm) == "linux" and LINUX or nil }
  end
  local mark, command, code = wanted_mark(target, vm)
  if not mark then return nil, ("%s: %s"):format(target.name, command), code end
  if vm.extra["gpupt.tools"] == mark then return {} end
  if vm.power ~= "poweredOn" then
    return nil, target.name .. " is not running, and its VMware Tools must be changed. Power it on first", "EREFUSED"
  end
  return { { sign = "~", verb = "tools",
    what = command and command.line or "open-vm-tools installed and running" }, needs = not command and LINUX or nil }
end

local function mark(ctx, target, text)
  return ctx:task(target, target.ref, "ReconfigVM_Task", { spec = {
    extraConfig = { { key = "gpupt.tools", value = text } } } },
    { action = "mark-tools", text = "ReconfigVM (mark Tools)" })
end

local function wait_ready(ctx, target, seconds)
  return ctx:wait_for(target.ref, READY, function(props)
    return props["guest.toolsRunningStatus"] == "guestToolsRunning" and props["guest.guestOperationsReady"] == true
  end, { timeout = seconds })
end

local function reboot_guest(ctx, target)
  ctx:note(target, "the installer requests a reboot of the guest")
  local ok, message, code, detail = ctx:call(target, target.ref, "RebootGuest", {}, "RebootGuest")
  if not ok then return nil, message, code, detail end
  -- Tools stop during the reboot; what counts is that they come back
  ctx:wait_for(target.ref, READY, function(props) return props["guest.toolsRunningStatus"] ~= "guestToolsRunning" end,
    { timeout = 120 })
  return wait_ready(ctx, target, 900)
end

local function windows(ctx, target, session, seconds)
  local vm = ctx.fleet:vm(target.ref)
  local text, command, code = wanted_mark(target, vm)
  if not text then return nil, command, code end
  for _, one in ipairs(command.notes) do ctx:note(target, one) end
  local ok, message
  ok, message, code = ctx:call(target, target.ref, "MountToolsInstaller", {}, "MountToolsInstaller")
  if not ok then return nil, message, code end
  ctx:note(target, command.line)
  local result
  result, message, code = session:run(tools.from_cd(command), { changing = "setup64", timeout = seconds })
  ctx:call(target, target.ref, "UnmountToolsInstaller", {}, "UnmountToolsInstaller")
  if not result then return nil, ("%s: Tools: %s"):format(target.name, message), code end
  local outcome = tools.outcome(result.status)
  if not outcome.success then
    return nil, ("%s: Tools: exit code %d: %s%s"):format(target.name, outcome.code, outcome.meaning,
      outcome.remedy and "; " .. outcome.remedy or ""), outcome.retry and "EBUSY" or "EGUEST"
  end
  ok, message, code = wait_ready(ctx, target, 600)
  if not ok then
    return nil, ("%s: Tools did not start again after their installation: %s"):format(target.name, message), code
  end
  if outcome.reboot then
    ok, message, code = reboot_guest(ctx, target)
    if not ok then return nil, message, code end
  end
  vm = ctx.fleet:vm(target.ref)
  text, message, code = wanted_mark(target, vm)
  if not text then return nil, message, code end
  return mark(ctx, target, text)
end

local function linux(ctx, target, session, seconds)
  local vm = ctx.fleet:vm(target.ref)
  local plan, message, code = tools.linux { id = (vm.guest.id or vm.guest_id or ""):lower():gsub("64guest$", "")
    :gsub("guest$", ""):gsub("%d+$", "") }
  if not plan then return nil, message, code end
  local shell = { program = "/bin/bash" }
  local function run(script, changing)
    shell.arguments = "-c '" .. script:gsub("'", "'\\''") .. "'"
    return session:run(shell, { changing = changing, timeout = seconds })
  end
  local result
  result, message, code = run(plan.check)
  if not result then return nil, ("%s: Tools: %s"):format(target.name, message), code end
  if result.status ~= 0 then
    result, message, code = run(plan.ensure, "open-vm-tools")
    if not result then return nil, ("%s: Tools: %s"):format(target.name, message), code end
    if result.status ~= 0 then
      return nil, ("%s: open-vm-tools: status %d: %s"):format(target.name, result.status,
        ((result.err or "") .. (result.out or "")):sub(-300)), "EGUEST"
    end
  end
  return mark(ctx, target, "open-vm-tools")
end

function step.apply(ctx, target)
  local seconds = require("gpupt.units").duration(target.options.within)
  local session, message, code = guest.open(ctx, target)
  if not session then return nil, message, code end
  local vm = ctx.fleet:vm(target.ref)
  local wanted = wanted_mark(target, vm)
  if wanted and vm.extra["gpupt.tools"] == wanted then return true end
  if vms.family(vm) == "windows" then return windows(ctx, target, session, seconds) end
  return linux(ctx, target, session, seconds)
end

function step.prove(ctx, target)
  local vm = ctx.fleet:vm(target.ref)
  local text, message, code = wanted_mark(target, vm)
  if not text then return nil, message, code end
  if vm.extra["gpupt.tools"] ~= text then
    return nil, ("%s: Tools are %s, not %s"):format(target.name, vm.extra["gpupt.tools"] or "unchanged", text),
      "EPROOF"
  end
  return text
end

return step
