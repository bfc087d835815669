--- horizon.agent: installs the Horizon Agent in a Windows guest that has its card and Tools, by the vendor's installer,
-- and proves its version, features and service (gpupt.step.horizon_install). A managed agent, the default, gets no
-- secret. One of a VM that no vCenter of the pod manages registers itself with a Connection Server: the password
-- reaches the installer's command line by a variable of its environment, so it is in no script, file or log of gpupt;
-- administrators of the guest can see that command line while the installer runs.
-- The proof is stored on the VM (ExtraConfig gpupt.horizon-agent); a later run does nothing while it is the same.
local guest = require "gpupt.step.guest_session"
local guest_family = require "gpupt.facts.guest_family"
local horizon = require "gpupt.guest.horizon"
local install = require "gpupt.step.horizon_install"
local power = require "gpupt.step.vm_power"
local regular = require "gpupt.regular"
local secret = require "gpupt.secret"
local sessions = require "gpupt.step.horizon_session"
local sha256 = require "gpupt.sha256"
local units = require "gpupt.units"
local values = require "gpupt.step.vm_values"
local vms = require "gpupt.fleet.vm"

local step = {
  name = "horizon.agent", scope = "vms", login = true,
  options = {
    { "from", "string", required = true, late = true, doc = "the installer, a local file: "
      .. "Omnissa-Horizon-Agent-x86_64-2603-8.18.0-24273927036.exe" },
    { "version", "string", late = true, doc = "its version, such as 8.18.0; default: by the file's name" },
    { "features", "table", late = true, doc = "names for ADDLOCAL; default: those of a desktop with its own card" },
    { "properties", "table", late = true, doc = "more MSI properties: { NAME = value }" },
    { "server", "string", doc = "of an unmanaged VM: the Connection Server with which the agent registers" },
    { "register", "table",
      doc = "of an unmanaged VM: p.login(\"DOMAIN\\\\user\", secret) for that; its administrators can see it" },
    { "within", "string", default = "30m", late = true, doc = "how long the installer may take" },
  },
  approvals = { ["guest-shutdown"] = "shut down the guests of running VMs" },
  needs = { "VirtualMachine.Interact.Reset", "VirtualMachine.Config.AdvancedConfig",
    "VirtualMachine.GuestOperations.Execute", "VirtualMachine.GuestOperations.Query",
    "VirtualMachine.GuestOperations.Modify" },
}

local function registration_problem(o)
  if (o.server == nil) ~= (o.register == nil) then
    return "set both server and register for a VM that no vCenter of the pod manages, or neither"
  end
  if not o.server then return nil end
  if not o.server:find "^[%w][%w.-]*$" then
    return ("server = '%s' is not the name of a Connection Server"):format(o.server)
  end
  local ok, message = sessions.account(o.register)
  if not ok then return message:gsub("^login", "register") end
  return horizon.property_problem("USER", o.register.options.user) and "register: the account's name has a character "
    .. "that the installer's command line cannot take" or nil
end

function step.check(o)
  if type(o.from) == "string" and not o.from:find "%.[Ee][Xx][Ee]$" then
    return ("from = '%s' is not a .exe file"):format(o.from)
  end
  if type(o.version) == "string" then
    local release, message = horizon.release(o.version)
    if not release then return "version: " .. message end
  end
  if type(o.features) == "table" then
    if #o.features == 0 then return "features: name at least one, or leave it out" end
    local ok, message = horizon.check_features(o.features)
    if not ok then return message end
  end
  if type(o.properties) == "table" then
    for name, value in pairs(o.properties) do
      local message = horizon.property_problem(name, value)
      if message then return message end
    end
  end
  if type(o.within) == "string" then
    local _, message = units.duration(o.within)
    if message then return "within: " .. message end
  end
  return registration_problem(o)
end

-- Changed when the rules of the default features change: then the guests are looked at again.
local RULES = "1"

-- What the stored proof depends on. The installer's folder and the password are no part of it.
local function fingerprint(o)
  local words = { RULES, o.from:match "[^/]*$", o.version or "", o.server or "",
    o.register and o.register.options.user or "" }
  local features, properties = table.move(o.features or {}, 1, #(o.features or {}), 1, {}), {}
  table.sort(features)
  for name, value in pairs(o.properties or {}) do properties[#properties + 1] = name .. "=" .. tostring(value) end
  table.sort(properties)
  words[#words + 1], words[#words + 2] = table.concat(features, ","), table.concat(properties, "\n")
  return sha256(table.concat(words, "\0")):sub(1, 24)
end

local function family(target, vm)
  if vm and (vm.guest.family or vm.guest_id) then return vms.family(vm) end
  return guest_family(nil, nil, target.forecast and target.forecast.guest_id)
end

function step.observe(ctx, target)
  if not target.ref then return {} end
  local vm = ctx.fleet:vm(target.ref)
  local hash, said = (vm.extra["gpupt.horizon-agent"] or ""):match "^(%x+) (.*)$"
  return { vm = vm, installed = hash == fingerprint(target.options) and said or nil,
    in_use = vm.power == "poweredOn" and power.delivered(vm, ctx.run) }
end

function step.plan(_, target, seen)
  local o, vm = target.options, seen.vm
  if seen.installed and not target.forecast.installs then return {} end
  if family(target, vm) ~= "windows" then
    return nil, ("%s: horizon.agent: only Windows guests are supported"):format(target.name), "EREFUSED"
  end
  local command, message, code = install.command(o)
  if not command then return nil, ("%s: horizon.agent: %s"):format(target.name, message), code end
  local wrong, failed = regular.missing(o.from)
  if wrong then return nil, "from: " .. wrong, failed end
  local release = command.release
  local change = { sign = "+", verb = "agent", what = ("install Horizon Agent %s%s with %s"):format(release.text,
    release.name and " (" .. release.name .. ")" or "", table.concat(command.features, ", ")) }
  if o.server then change.what = ("%s, registered with %s"):format(change.what, o.server) end
  if seen.in_use then
    change.what, change.allow = change.what .. ", and reboot the guest", "guest-shutdown"
  end
  return { change, lost = { "guest installs" } }
end

-- The password of the registration; nil for a managed agent; false, message, code.
local function password(o)
  if not o.register then return nil end
  local text, message, code = secret.reveal(o.register.options.password)
  if not text then return false, message, code end
  message = horizon.password_problem(text)
  if message then return false, message, "EINVAL" end
  return text
end

function step.secrets(o)
  local text, message, code = password(o)
  if text == false then return nil, message, code end
  return true
end

function step.apply(ctx, target, _, seen)
  local o = target.options
  local vm = ctx.fleet:vm(target.ref)
  if vm.power ~= "poweredOn" then
    return nil, target.name .. " is not running, so no agent can be installed. Power it on first", "EREFUSED"
  end
  if seen.in_use then
    ctx:require_approval("guest-shutdown", "rebooting the guest of " .. target.name)
  end
  local text, message, code = password(o)
  if text == false then return nil, message, code end
  local session, detail
  session, message, code, detail = guest.open(ctx, target, { vm = vm })
  if not session then return nil, message, code, detail end
  local have
  have, message, code, detail = install.ensure(ctx, target, session, { options = o, password = text or nil,
    seconds = units.duration(o.within) })
  if not have then return nil, ("%s: horizon.agent: %s"):format(target.name, message), code, detail end
  local names = {}
  for name in pairs(have.features or {}) do names[#names + 1] = name end
  table.sort(names)
  vm = ctx.fleet:vm(target.ref)
  return values.reconfigure(ctx, target, vm, { extraConfig = { { key = "gpupt.horizon-agent",
    value = ("%s %s with %s"):format(fingerprint(o), have.version, table.concat(names, ", ")) } } },
    { action = "mark-agent", text = "ReconfigVM (mark the agent)" })
end

function step.prove(ctx, target)
  local seen = step.observe(ctx, target)
  if not seen.installed then return nil, target.name .. ": the Horizon Agent is not proved", "EPROOF" end
  return "Horizon Agent " .. seen.installed
end

return step
