--- Code 43, for driver.install: NVIDIA's Windows driver before 465 stops a GeForce when it sees a hypervisor. With
-- hide_hypervisor = "auto" the hypervisor is hidden (hypervisor.cpuid.v0 = FALSE) when that was seen, and the VM
-- powered off and on. Other cards never need it, and one was reported to fail with it, so for them it takes true and an
-- approval.
local cpuid = require "gpupt.settings.cpuid"
local guest = require "gpupt.step.guest_session"
local power = require "gpupt.step.vm_power"
local values = require "gpupt.step.vm_values"

local KEY = "hypervisor.cpuid.v0"

-- What a card of the guest is, by its ids, else by the name that its driver gives it.
local function kind_of(device)
  local kind = cpuid.kind { vendor = device.vendor, device = device.device }
  return kind ~= "unknown" and kind or cpuid.kind { vendor = device.vendor, name = device.name }
end

-- Whether this proof (of gpupt.guest.proof) shows what hiding helps with: a reason; nil, and why not (for the user).
local function reason(target, vm, seen)
  local code43 = false
  for _, finding in ipairs(seen.findings) do code43 = code43 or finding.code == "code-43" end
  local wish = target.options.hide_hypervisor
  if not code43 then return nil end
  if (vm.extra[KEY] or ""):upper() == "FALSE" then return nil, "the hypervisor is hidden already (" .. KEY .. ")" end
  if wish == false then return nil, 'hide_hypervisor = false keeps the hypervisor visible' end
  local others = {}
  for _, device in ipairs(seen.devices) do
    local kind = kind_of(device)
    if kind ~= "geforce" then others[#others + 1] = kind end
  end
  if #others > 0 and wish ~= true then
    return nil, "only a GeForce needs a hidden hypervisor"
  end
  if #others > 0 then return "as requested (hide_hypervisor = true)", "hide-hypervisor" end
  return "a GeForce with Code 43: its driver is before 465, or refuses the hypervisor"
end

--- Hides it where that helps, with a restart of the VM: a new session; false and a note if it does not help; nil,
-- message, code.
return function(ctx, target, seen)
  local vm = ctx.fleet:vm(target.ref)
  local why, allow = reason(target, vm, seen)
  if not why then return false, allow end
  if allow then ctx:require_approval(allow, "hiding the hypervisor from " .. target.name) end
  ctx:note(target, ("%s = FALSE: %s"):format(KEY, why))
  guest.leave(target)
  local ok, message, code, detail = power.off(ctx, target, vm)
  if not ok then return nil, message, code, detail end
  vm = ctx.fleet:vm(target.ref)
  ok, message, code, detail = values.reconfigure(ctx, target, vm, { extraConfig = { { key = KEY, value = "FALSE" } } },
    { action = "hide-hypervisor", text = "ReconfigVM (" .. KEY .. ")" })
  if not ok then return nil, message, code, detail end
  ok, message, code, detail = power.on(ctx, target)
  if not ok then return nil, message, code, detail end
  return guest.open(ctx, target, {})
end
