--- Power operations for steps: a clean shutdown, and a power-on that explains failures.
local units = require "gpupt.units"
local values = require "gpupt.step.vm_values"
local waits = require "gpupt.step.waits"

local power = {}

--- Whether the VM may already be in use: then shutting it down needs an approval. `run` (optional): for the run that
-- made it, or gave it its card, it is not, although that run has proved it already.
function power.delivered(vm, run)
  local by = vm.extra["gpupt.run"]
  return by == nil or vm.extra["gpupt.proved"] ~= nil and by ~= run
end

--- Why a plan cannot shut this VM down, or nil: it has no VMware Tools. They may still come in a VM that a run of gpupt
-- made a moment ago, and that a step of the plan gives a system.
function power.refusal(target, vm)
  local none = vm.power == "poweredOn" and not vm.guest.running and vm.guest.version_status == "guestToolsNotInstalled"
  if not none or target.forecast.installs or not power.delivered(vm) then return nil end
  return ("%s runs and has to be shut down for this, but VMware Tools are not installed in it. Shut it down by hand, "
    .. "or install them"):format(target.name)
end

--- The longest time that `off` waits for.
function power.stop_seconds(target) return waits.of(target, "shutdown_within") + waits.of(target, "tools_within") end

-- ShutdownGuest needs running Tools: waits for them if they are installed and only not started yet.
local function request_shutdown(ctx, target, vm)
  local change = { action = "guest-shutdown", text = "ShutdownGuest",
    detail = values.power("poweredOn", "poweredOff") }
  local ok, message, code, detail = ctx:call(target, target.ref, "ShutdownGuest", {}, change)
  if ok or code ~= "ToolsUnavailable" or vm.guest.version_status == "guestToolsNotInstalled" then
    return ok, message, code, detail
  end
  ctx:note(target, "waiting for VMware Tools, without which the guest cannot be shut down")
  if not ctx:wait_for(target.ref, { "guest.toolsRunningStatus" }, function(props)
    return props["guest.toolsRunningStatus"] == "guestToolsRunning"
  end, { timeout = waits.of(target, "tools_within") }) then
    return nil, message, code, detail
  end
  return ctx:call(target, target.ref, "ShutdownGuest", {}, change)
end

--- Shuts the guest down and waits. A guest that ignores the request is not powered off.
function power.off(ctx, target, vm)
  if vm.power == "poweredOff" then return true end
  if power.delivered(vm) then ctx:require_approval("guest-shutdown", "shutting down " .. target.name) end
  if vm.power ~= "poweredOn" then
    return nil, ("%s is %s. Power it on or off first"):format(target.name, vm.power), "EREFUSED"
  end
  local ok, message, code, detail = request_shutdown(ctx, target, vm)
  if not ok then return nil, ("%s: the guest cannot be shut down: %s"):format(target.name, message), code, detail end
  ok, message, code, detail = ctx:wait_for(target.ref, { "runtime.powerState" }, function(props)
    return props["runtime.powerState"] == "poweredOff"
  end, { timeout = waits.of(target, "shutdown_within") })
  if not ok then
    return nil, ("%s did not shut down (%s) and is still running"):format(target.name, message), code, detail
  end
  return true
end

--- The findings in the VM's log about a failed power-on: "; vmware.log:1182: cause. remedy", or "".
local function evidence(ctx, target)
  local ok, text = pcall(function()
    local vm = ctx.fleet:vm(target.ref)
    local folder = vm.path:match "^(%[[^%]]+%] .*)/[^/]*$"
    local content = ctx.vc.datastore:text(folder .. "/vmware.log")
    if not content then return "" end
    local scan = require "gpupt.vmlog".scan { text = content }
    local words = {}
    for _, finding in ipairs(scan and scan.findings or {}) do
      words[#words + 1] = ("vmware.log:%d: %s %s"):format(finding.line, finding.cause, finding.remedy or "")
    end
    return #words > 0 and "; " .. table.concat(words, "; ") or ""
  end)
  return ok and text or ""
end

--- PowerOnVM_Task of a VM of the target, for power_on_within: the task's result; nil, message, code, detail.
function power.start(ctx, target, ref, change)
  local seconds = waits.of(target, "power_on_within")
  local ok, message, code, detail = ctx:task(target, ref, "PowerOnVM_Task", {}, change, { timeout = seconds })
  if ok == nil and code == "ETIMEDOUT" then
    message = ("it did not end within %s (power_on_within), and may still end; resume the run"):format(
      units.span(seconds))
  end
  return ok, message, code, detail
end

--- Powers the VM on, unless it runs. `vm`: its record or claim, if it was read right before.
function power.on(ctx, target, vm)
  vm = vm or ctx.fleet:vm(target.ref)
  if vm.power == "poweredOn" then return true end
  local ok, message, code, detail = power.start(ctx, target, target.ref,
    { action = "power-on", text = "PowerOnVM", detail = values.power(vm.power, "poweredOn") })
  if not ok then
    return nil, ("%s: power on failed: %s%s"):format(target.name, message, evidence(ctx, target)), code, detail
  end
  ctx:note(target, "powered on")
  return true
end

return power
