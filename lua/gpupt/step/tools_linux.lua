--- VMware Tools in a Linux guest, for tools.ensure: the distribution's open-vm-tools, installed and running.
local linux = require "gpupt.guest.linux"
local plain = require "gpupt.text"
local shell = require "gpupt.shell"

local tools = {}

--- The mark of a VM that has them.
function tools.mark(o) return o.desktop and "open-vm-tools with the desktop package" or "open-vm-tools" end

local function words(text)
  local list = {}
  for word in text:gmatch "%S+" do list[#list + 1] = word end
  return list
end

local function look(session, seconds)
  local results, message, code = session:look({ linux.look() }, { timeout = seconds })
  if not results then return nil, message, code end
  return linux.read_look(results[1].out)
end

-- What is not as wanted: "a, b are missing", "the service does not run"; nil if everything is.
local function lacking(seen, wanted)
  local missing = {}
  for _, name in ipairs(words(wanted.packages)) do
    if not seen.packages[name] then missing[#missing + 1] = name end
  end
  if #missing > 0 then return table.concat(missing, ", ") .. (#missing == 1 and " is missing" or " are missing") end
  if not seen.version then return "vmtoolsd is not in the search path" end
  return not seen.running and "the service " .. wanted.service .. " does not run" or nil
end

-- The legacy Tools of the .tar installer have the files of open-vm-tools under other names.
local function refuse_tar(vm)
  if vm.guest.install_type ~= "guestToolsTypeTar" then return nil end
  return "the guest has VMware Tools of the .tar installer, beside which open-vm-tools cannot run. Remove them first "
    .. "(vmware-uninstall-tools.pl), then install open-vm-tools from the console"
end

local function refuse(ctx, target, seen, wanted, problem)
  if seen.root or seen.sudo then return nil end
  ctx:note(target, problem)
  return ("%s, and the account is neither root nor may it use sudo without a password, which %s needs")
    :format(problem, wanted.packages)
end

--- Installs and starts what is missing: { family =, version = }; nil, message, code.
function tools.ensure(ctx, target, session, vm, seconds)
  local tar = refuse_tar(vm)
  if tar then return nil, tar, "EREFUSED" end
  local seen, message, code = look(session, seconds)
  if not seen then return nil, message, code end
  local wanted = linux.tools { family = seen.family, desktop = target.options.desktop }
  local problem = lacking(seen, wanted)
  if not problem then return seen end
  local refusal = refuse(ctx, target, seen, wanted, problem)
  if refusal then return nil, refusal, "EREFUSED" end
  ctx:note(target, ("%s: %s"):format(seen.name, problem))
  local command = seen.root and wanted.ensure or "sudo -n /bin/sh -c " .. shell.quote(wanted.ensure)
  local result
  result, message, code = session:run({ program = "/bin/sh", arguments = "-c " .. shell.quote(
    "export PATH=$PATH:/usr/sbin:/sbin; " .. command) }, { changing = wanted.packages, timeout = seconds })
  if not result then return nil, message, code end
  local outcome = linux.outcome(seen.family, result.status)
  if not outcome.success then
    return nil, ("%s: status %d (%s): %s"):format(wanted.packages, result.status, outcome.meaning,
      plain.tail(plain.plain(result.err or "") .. plain.plain(result.out or ""), 300)),
      outcome.retry and "EBUSY" or "EGUEST"
  end
  seen, message, code = look(session, seconds)
  if not seen then return nil, message, code end
  problem = lacking(seen, wanted)
  if problem then return nil, "the package manager reported success, but " .. problem, "EPROOF" end
  return seen
end

return tools
