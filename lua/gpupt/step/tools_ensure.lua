--- tools.ensure: installs VMware Tools with only the features that a VM with cards should have.
-- Windows: the installer of the mounted Tools medium, with ADDLOCAL=ALL and the REMOVE list of that installer
-- (gpupt.step.tools_windows); Linux: the distribution's open-vm-tools (gpupt.step.tools_linux). The installer
-- restarts Tools during the call, so its end is awaited twice. The release, the removed features and the options are
-- stored on the VM (ExtraConfig gpupt.tools). The step runs again when the Tools that run, or the options, are not what
-- is stored there.
local guest = require "gpupt.step.guest_session"
local guest_family = require "gpupt.facts.guest_family"
local linux = require "gpupt.step.tools_linux"
local power = require "gpupt.step.vm_power"
local sha256 = require "gpupt.sha256"
local tools = require "gpupt.guest.tools"
local units = require "gpupt.units"
local values = require "gpupt.step.vm_values"
local vms = require "gpupt.fleet.vm"
local windows = require "gpupt.step.tools_windows"

local step = {
  name = "tools.ensure", scope = "vms", login = true,
  options = {
    { "horizon", "boolean|string", default = false, late = true,
      doc = "the Horizon Agent will be installed: true, or its version, such as 2306 or 8.10" },
    { "nsx", "boolean", default = false, late = true, doc = "NSX guest introspection is used" },
    { "remove", "table", late = true, doc = "additional features to exclude" },
    { "keep", "table", late = true, doc = "features to install even if the rules exclude them" },
    { "desktop", "boolean", default = false, late = true, doc = "Linux: also the package for desktops" },
    { "reboot", "string", choices = { "when-requested", "later" }, default = "when-requested", late = true,
      doc = "Windows: whether the guest is rebooted when the installer requests it" },
    { "within", "string", default = "30m", late = true, doc = "how long the installer may take" },
  },
  approvals = { ["guest-shutdown"] = "shut down the guests of running VMs" },
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
  if type(o.horizon) == "string" then
    local ok, message = tools.command { version = 12, horizon = o.horizon }
    if not ok then return message end
  end
  if type(o.within) == "string" then
    local _, message = units.duration(o.within)
    if message then return "within: " .. message end
  end
end

-- Changed when the rules of gpupt.guest.tools change: then Tools are installed again.
local RULES = "1"

-- What the stored mark depends on, beside the release of Tools.
local function fingerprint(o)
  local words = { RULES, tostring(o.horizon), tostring(o.nsx) }
  for _, field in ipairs { "remove", "keep" } do
    local names = table.move(o[field] or {}, 1, #(o[field] or {}), 1, {})
    table.sort(names)
    words[#words + 1] = field .. "=" .. table.concat(names, ",")
  end
  return sha256(table.concat(words, "\n")):sub(1, 12)
end

-- "12.4.0 REMOVE=Hgfs,VSS 0123456789ab": the text, the release and the fingerprint of a mark; nil for none.
local function read_mark(vm)
  local said, release, hash = (vm.extra["gpupt.tools"] or ""):match "^((%S+) REMOVE=%S*) (%x+)$"
  return said, release, hash
end

-- Only Windows has Tools from the host's CD, whose installer may request a reboot.
local LINUX_NEEDS = { "VirtualMachine.Config.AdvancedConfig", "VirtualMachine.GuestOperations.Execute",
  "VirtualMachine.GuestOperations.Query", "VirtualMachine.GuestOperations.Modify" }

local function family(target, vm)
  if vm and (vm.guest.family or vm.guest_id) then return vms.family(vm) end
  return guest_family(nil, nil, target.forecast.guest_id)
end

-- What is stored of Tools in a Windows guest, if they are as wanted; false if not; nil, message, code if their version
-- cannot be read.
local function satisfied(target, vm)
  local version, message, code = tools.version(vm.guest.version)
  if not version then return nil, message, code end
  local said, release, hash = read_mark(vm)
  return said and release == version.text and hash == fingerprint(target.options) and said or false
end

function step.observe(ctx, target)
  if not target.ref then return {} end
  return { vm = ctx.fleet:vm(target.ref) }
end

function step.plan(_, target, seen)
  local vm, o = seen.vm, target.options
  if not vm or target.forecast.installs or not vm.guest.version or vm.guest.version == "0" then
    return { { sign = "+", verb = "tools", lost = "guest installs",
      what = "VMware Tools with the features for this release" },
      needs = family(target, vm) == "linux" and LINUX_NEEDS or nil }
  end
  local change = { sign = "~", verb = "tools", lost = "guest installs" }
  if vms.family(vm) == "linux" then
    if vm.extra["gpupt.tools"] == linux.mark(o) then return {} end
    change.what, change.needs = linux.mark(o) .. " installed and running", LINUX_NEEDS
  else
    local done, message, code = satisfied(target, vm)
    if done == nil then return nil, ("%s: %s"):format(target.name, message), code end
    if done then return {} end
    -- the mounted installer's version decides; it is likely to be the one that runs
    local likely = windows.command(target, vm.guest.version)
    change.what = "VMware Tools from the mounted medium" .. (likely and #likely.remove > 0
      and ", without " .. table.concat(likely.remove, ", ") or "")
    if o.reboot ~= "later" and vm.power == "poweredOn" and power.delivered(vm) then
      change.what, change.allow = change.what .. ", and reboot the guest if the installer requests it", "guest-shutdown"
    end
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

function step.apply(ctx, target, _, seen)
  local seconds, vm, o = units.duration(target.options.within), seen.vm, target.options
  local in_use = vm and vm.power == "poweredOn" and power.delivered(vm)
  local session, message, code, detail = guest.open(ctx, target, { vm = vm })
  if not session then return nil, message, code, detail end
  if not (vm.guest.running and vm.guest.ready) then vm = ctx.fleet:vm(target.ref) end -- its Tools run only now
  local done
  if vms.family(vm) == "windows" then
    if in_use and o.reboot ~= "later" then
      ctx:require_approval("guest-shutdown", "rebooting the guest of " .. target.name)
    end
    done, message, code, detail = windows.install(ctx, target, session, vm, seconds)
    if not done then return nil, message, code, detail end
    return mark(ctx, target, vm, ("%s REMOVE=%s %s"):format(done.version, table.concat(done.remove, ","),
      fingerprint(o)))
  end
  done, message, code, detail = linux.ensure(ctx, target, session, vm, seconds)
  if not done then return nil, ("%s: Tools: %s"):format(target.name, message), code, detail end
  return mark(ctx, target, vm, linux.mark(o))
end

function step.prove(ctx, target)
  local vm, o = ctx.fleet:vm(target.ref), target.options
  if not vm.guest.running then return nil, target.name .. ": VMware Tools do not run", "EPROOF" end
  if vms.family(vm) == "linux" then
    if vm.extra["gpupt.tools"] == linux.mark(o) then return linux.mark(o) end
    return nil, target.name .. ": open-vm-tools are not installed", "EPROOF"
  end
  local done, message, code = satisfied(target, vm)
  if done == nil then return nil, message, code end
  if done then return done end
  local said, release = read_mark(vm)
  if said and release ~= tools.version(vm.guest.version).text then
    return nil, ("%s: Tools %s run, and %s were installed: the guest may have to be rebooted"):format(target.name,
      tools.version(vm.guest.version).text, release), "EPROOF"
  end
  return nil, ("%s: Tools are %s"):format(target.name, said or vm.extra["gpupt.tools"] or "unchanged"), "EPROOF"
end

--- What was installed in the guest stays, and so does the mark that says what that is.
function step.undo(_, target)
  return { changes = {}, lost = target.ref and { "VMware Tools as installed in the guest" } or nil }
end

return step
