--- os.present: the operating system comes from elsewhere (PXE, installed by hand). The step powers the VM on if it is
-- off, waits until Tools run and guest operations are ready, and marks the VM (ExtraConfig gpupt.os), so that a later
-- run knows it without starting anything. It installs nothing and needs no account in the guest.
local power = require "gpupt.step.vm_power"
local restore = require "gpupt.step.vm_restore"
local units = require "gpupt.units"
local values = require "gpupt.step.vm_values"

local step = {
  name = "os.present", scope = "vms",
  options = {
    { "within", "string", default = "2h", late = true,
      doc = "how long to wait for VMware Tools, including an installation by PXE or by hand" },
    { "power_on", "boolean", default = true, late = true, doc = "power on a VM that is off, so that it boots by PXE" },
  },
  needs = { "VirtualMachine.Config.AdvancedConfig", "VirtualMachine.Interact.PowerOn" },
}

local MARK = "installed outside gpupt"

function step.check(o)
  if type(o.within) ~= "string" then return end
  local _, message = units.duration(o.within)
  if message then return "within: " .. message end
end

function step.observe(ctx, target)
  if not target.ref then return { present = false } end
  local vm = ctx.fleet:vm(target.ref)
  return { vm = vm, present = vm.extra["gpupt.os"] ~= nil or (vm.power == "poweredOn" and vm.guest.running) }
end

function step.plan(_, target, seen)
  if seen.present then return {} end
  local off = not seen.vm or seen.vm.power ~= "poweredOn"
  if seen.vm and off and not target.options.power_on then
    return nil, ("%s is %s, and power_on is false: power it on, or remove power_on"):format(target.name, seen.vm.power),
      "EREFUSED"
  end
  local wait = ("wait up to %s for the operating system: VMware Tools must run"):format(target.options.within)
  local starts = off and target.options.power_on
  return { { sign = "?", verb = "wait", starts = starts, what = starts and "power on, and " .. wait or wait } },
    { installs = true }
end

local function running(props)
  return props["guest.toolsRunningStatus"] == "guestToolsRunning" and props["guest.guestOperationsReady"] == true
end

function step.apply(ctx, target, _, seen)
  local ok, message, code, detail
  if target.options.power_on then
    ok, message, code, detail = power.on(ctx, target)
    if not ok then return nil, message, code, detail end
  end
  local within = units.duration(target.options.within)
  ctx:note(target, "waiting for the operating system")
  ok, message, code, detail = ctx:wait_for(target.ref, { "guest.toolsRunningStatus", "guest.guestOperationsReady" },
    running, { timeout = within })
  if not ok then
    if code == "ETIMEDOUT" then
      message = ("%s: VMware Tools are not running after %s. Install the operating system with Tools, then resume the "
        .. "run"):format(target.name, units.span(within))
    end
    return nil, message, code, detail
  end
  local vm = seen.vm or ctx.fleet:vm(target.ref)
  return values.reconfigure(ctx, target, vm, { extraConfig = { { key = "gpupt.os", value = MARK } } },
    { action = "mark-installed", text = "ReconfigVM (operating system present)" })
end

function step.prove(ctx, target)
  local seen = step.observe(ctx, target)
  if not seen.present then return nil, target.name .. ": VMware Tools are not running", "EPROOF" end
  return "the operating system is there, Tools " .. (seen.vm.guest.running and "running" or "were running")
end

--- The mark is taken back; the power state is the undo of the whole VM.
function step.undo(ctx, target, done) return restore.undo(ctx, target, done) end

return step
