--- driver.install: installs the vendor's driver in the guest, from the distribution's packages (Linux), NVIDIA's .run
-- file (Linux), its installer (Windows) or a folder of packages (both), and proves its version. The kernel modules
-- must fit the cards: Blackwell needs the open ones, cards before Turing the proprietary ones (gpupt.guest.driver).
-- Guests with NVSwitches get Fabric Manager of the same version. The proof is stored on the VM (ExtraConfig
-- gpupt.driver, one for each vendor: gpupt.step.driver_vendor) with what it depends on; a later run installs nothing
-- while both are the same.
local cards = require "gpupt.step.guest_cards"
local core = require "gpupt.core".folder
local dkms = require "gpupt.guest.dkms"
local driver = require "gpupt.guest.driver"
local driver_folder = require "gpupt.step.driver_folder"
local fabric = require "gpupt.step.driver_fabric"
local files = require "gpupt.step.guest_files"
local guest = require "gpupt.step.guest_session"
local guest_family = require "gpupt.facts.guest_family"
local hidden = require "gpupt.step.driver_hidden"
local linux = require "gpupt.guest.linux"
local plain = require "gpupt.text"
local is_present = require "gpupt.step.driver_present"
local power = require "gpupt.step.vm_power"
local proof = require "gpupt.guest.proof"
local reboot = require "gpupt.step.guest_reboot"
local regular = require "gpupt.regular"
local sha256 = require "gpupt.sha256"
local units = require "gpupt.units"
local values = require "gpupt.step.vm_values"
local vendor = require "gpupt.step.driver_vendor"
local vms = require "gpupt.fleet.vm"

local step = {
  name = "driver.install", scope = "vms", login = true,
  options = {
    { "package", "string", late = true, doc = "Linux: the package, such as nvidia-driver-550-server-open" },
    { "from", "string", late = true, doc = "on this computer: NVIDIA's .run (Linux) or .exe (Windows), "
      .. "or a folder with .inf, .deb or .rpm files, which is copied into the guest" },
    { "max_size", "string", default = "8 GiB", late = true, doc = "the most that a folder on this computer may have" },
    { "folder", "string", late = true,
      doc = "a folder in the guest with .inf (Windows), .deb or .rpm files: a mounted medium or a share" },
    { "args", "string", late = true, doc = "arguments of that file; Windows: default -s -noreboot" },
    { "modules", "string", choices = { "auto", "open", "proprietary" }, default = "auto", late = true,
      doc = "Linux: the kernel modules of a .run file" },
    { "mok", "boolean", default = false, late = true,
      doc = "Linux with Secure Boot: modules that are built in the guest are signed with a key that it trusts" },
    { "hide_hypervisor", "string|boolean", default = "auto", late = true,
      doc = "Windows: auto hides it from a GeForce that stops with Code 43, and restarts the VM; true or false" },
    { "vendor", "string", choices = vendor.names, late = true, doc = "whose driver it is, where a VM has cards of "
      .. "several vendors; default: what the name of the package or file says, else all cards have to run" },
    { "version", "string", late = true, doc = "the version that must run afterwards, or the beginning of it" },
    { "within", "string", default = "30m", late = true, doc = "how long the installation may take" },
  },
  approvals = { ["guest-shutdown"] = "shut down the guests of running VMs",
    ["hide-hypervisor"] = "hide the hypervisor from a datacenter card's driver" },
  needs = { "VirtualMachine.Interact.Reset", "VirtualMachine.Interact.PowerOff", "VirtualMachine.Interact.PowerOn",
    "VirtualMachine.Config.AdvancedConfig",
    "VirtualMachine.GuestOperations.Execute", "VirtualMachine.GuestOperations.Query",
    "VirtualMachine.GuestOperations.Modify" },
}

function step.check(o)
  local count = (o.package and 1 or 0) + (o.from and 1 or 0) + (o.folder and 1 or 0)
  if count ~= 1 then return "set one of package, from and folder" end
  if type(o.hide_hypervisor) == "string" and o.hide_hypervisor ~= "auto" then
    return ("hide_hypervisor: '%s' is not one of true, false, auto"):format(o.hide_hypervisor)
  end
  if type(o.package) == "string" and not o.package:find "^[%w][%w.+_:~=-]*$" then
    return ("package = '%s' is not the name of one package"):format(o.package)
  end
  if type(o.max_size) == "string" then
    local _, message = units.mebibytes(o.max_size)
    if message then return "max_size: " .. message end
  end
  if type(o.within) == "string" then
    local _, message = units.duration(o.within)
    if message then return "within: " .. message end
  end
end

local NVIDIA = 0x10de

-- Whether `from` is an installer, and no folder.
local function is_file(from) return from:find "%.run$" ~= nil or from:find "%.[Ee][Xx][Ee]$" ~= nil end

-- The folder on this computer, read for all targets at once; false if `from` is a file; nil, message, code.
local function local_folder(ctx, o)
  if not o.from or is_file(o.from) then return false end
  if not core.kind(o.from) then return nil, ("from: %s does not exist"):format(o.from), "ENOENT" end
  if core.kind(o.from) ~= "folder" then
    return nil, ("from: %s is neither a .run or .exe file nor a folder"):format(o.from), "EREFUSED"
  end
  return driver_folder.read(ctx, o.from, units.mebibytes(o.max_size) << 20)
end

-- What the stored proof depends on. `folder`: that on this computer, or false.
local function fingerprint(o, folder)
  local words = { o.package or "", o.from and o.from:match "[^/]*$" or "", o.args or "", o.modules, o.version or "" }
  if o.folder or folder then words[#words + 1] = o.folder or folder.digest end
  if o.vendor then words[#words + 1] = o.vendor end
  return sha256(table.concat(words, "\0")):sub(1, 24)
end

local function family(target, vm)
  if vm and (vm.guest.family or vm.guest_id) then return vms.family(vm) end
  return guest_family(nil, nil, target.forecast and target.forecast.guest_id)
end

-- Branch and kernel modules, as the options say.
local function chosen(o)
  if o.package then return driver.package(o.package) or {} end
  local file = o.from and driver.run_file(o.from:match "[^/]*$") or {}
  if o.modules ~= "auto" then file.open = o.modules == "open" end
  return file
end

local function cards_of(target)
  local list = {}
  for _, card in ipairs(target.cards or {}) do
    if card.vendor and card.device then list[#list + 1] = card end
  end
  return list
end

function step.observe(ctx, target)
  local folder, message, code = local_folder(ctx, target.options)
  if folder == nil then return nil, ("%s: %s"):format(target.name, message), code end
  if not target.ref then return { folder = folder } end
  local vm = ctx.fleet:vm(target.ref)
  local hash, said = vendor.mark(target.options, vm):match "^(%x+) (.*)$"
  return { vm = vm, folder = folder, installed = hash == fingerprint(target.options, folder) and said or nil }
end

function step.plan(_, target, seen)
  local o, vm = target.options, seen.vm
  if seen.installed and not target.forecast.installs then return {} end
  local kind = family(target, vm)
  if kind == "windows" and (o.package or o.from and o.from:find "%.run$") then
    return nil, ("%s: Windows needs from = \"FILE.exe\", or folder"):format(target.name), "EREFUSED"
  end
  if kind == "linux" and o.from and o.from:find "%.[Ee][Xx][Ee]$" then
    return nil, ("%s: Linux needs package, or from = \"FILE.run\""):format(target.name), "EREFUSED"
  end
  if seen.folder then
    local needed = kind == "windows" and { "inf" } or { "deb", "rpm" }
    if not (seen.folder.has[needed[1]] or seen.folder.has[needed[2]]) then
      return nil, ("%s: from: %s has no .%s file"):format(target.name, o.from, table.concat(needed, " or .")),
        "EREFUSED"
    end
  elseif o.from then
    local wrong, failed = regular.missing(o.from)
    if wrong then return nil, "from: " .. wrong, failed end
  end
  local what = "install " .. (o.package or o.folder or (o.from:gsub("/+$", ""):match "[^/]*$"))
  if seen.folder then
    what = ("%s (%s, %s)"):format(what, units.count(#seen.folder.files, "file"), files.megabytes(seen.folder.bytes))
  end
  if kind ~= "windows" then
    local fits, message, code = driver.flavour(cards_of(target), chosen(o))
    if not fits then return nil, ("%s: %s"):format(target.name, message), code end
    if fits.open ~= nil and o.from and not seen.folder then
      what = ("%s with the %s kernel modules (%s)"):format(what, fits.open and "open" or "proprietary", fits.why)
    end
  end
  local change = { sign = "+", verb = "driver", what = what }
  if vm and vm.power == "poweredOn" and power.delivered(vm) then
    change.what, change.allow = change.what .. ", and reboot the guest if the driver needs that", "guest-shutdown"
  end
  return { change, lost = { "guest installs" } }
end

-- ---- Linux

local function tail(result)
  return plain.tail(plain.plain(result.err or "") .. plain.plain(result.out or ""), 400)
end

-- What the guest has, of the driver's vendor.
local function read_own(session, output)
  local seen, message, code = driver.read(output)
  if not seen then return nil, message, code end
  return driver.only(seen, vendor.of(session.target.options))
end

local function look(session)
  local results, message, code = session:look({ driver.look() })
  if not results then return nil, message, code end
  return read_own(session, results[1].out)
end

-- Runs a command as root, with a journal row. The result, and with `looking` what the guest has after it (nil if that
-- cannot be read), by the same script; nil, message, code, detail.
local function as_root(session, command, what, seconds, looking)
  local commands = { driver.bash(driver.as_root(command)), looking and driver.look() or nil }
  local results, message, code, detail = session:run_all(commands, { changing = what, timeout = seconds })
  if not results then return nil, message, code, detail end
  return results[1], results[2] and read_own(session, results[2].out) or nil
end

-- Why DKMS has built no module for the running kernel: its state and its log; nil if there is nothing to say.
local function unbuilt(session, now)
  local why, module = driver.unbuilt(now)
  if not why then return nil end
  local results = session:look { driver.bash(dkms.make_log(module)) }
  return (driver.unbuilt(now, results and results[1].out))
end

-- What a failed installation says: DKMS's reason, if modules could not be built, else the package manager's words.
local function refused(session, what, result, outcome, now)
  now = tail(result):find "[Dd][Kk][Mm][Ss]" and (now or look(session))
  local why = now and #now.dkms > 0 and unbuilt(session, now)
  if why then return nil, ("%s: status %d: %s"):format(what, result.status, why), "EGUEST" end
  return nil, ("%s: status %d (%s): %s"):format(what, result.status, outcome.meaning, tail(result)),
    outcome.retry and "EBUSY" or "EGUEST"
end

-- Runs the command of a package manager: { reboot =, now = what the guest has then, if that could be read }.
local function by_manager(session, seen, command, what, seconds)
  local result, now, code = as_root(session, command, "install " .. what, seconds, true)
  if not result then return nil, now, code end
  local outcome = linux.outcome(seen.family, result.status)
  if outcome.success then return { reboot = outcome.reboot, now = now } end
  return refused(session, what, result, outcome, now)
end

local function install_packages(session, seen, packages, seconds)
  local command, message, code = linux.install(seen.family, table.concat(packages, " "))
  if not command then return nil, message, code end
  return by_manager(session, seen, command, table.concat(packages, " "), seconds)
end

-- Opens a session again after a reboot.
local function again(ctx, target, session, why)
  local ok, message, code, detail = reboot.request(ctx, target, session, why)
  if not ok then return nil, message, code, detail end
  return guest.open(ctx, target, {})
end

-- The packages of a folder in the guest, without a repository.
local function install_folder(session, seen, folder, seconds)
  local command, message, code = linux.install_folder(seen.family, folder)
  if not command then return nil, message, code end
  return by_manager(session, seen, command, folder, seconds)
end

-- Copies the installer into a folder of the guest; its path there.
local function put(ctx, target, session, folder)
  local o = target.options
  return files.put(ctx, target, session, { from = o.from, folder = folder, prefix = "gpupt-driver-",
    within = o.within })
end

-- The reasons in NVIDIA's log, which say more than the installer's output.
local function installer_log(session)
  local results = session:look({ driver.bash("grep ERROR /var/log/nvidia-installer.log 2>/dev/null") })
  local text = results and results[1].out:gsub("%s+", " ") or ""
  return text ~= "" and " (" .. text:sub(1, 400) .. ")" or ""
end

local function run_file(ctx, target, session, seen, seconds)
  local o = target.options
  local fits, message, code = driver.flavour(seen.cards, chosen(o))
  if not fits then return nil, message, code end
  if seen.secure_boot and not o.mok then
    return nil, "Secure Boot is on, and the modules of a .run file are signed with no key that the guest trusts. Use "
      .. "package on Ubuntu, enrol a key (mokutil --import) and set mok = true, or switch Secure Boot off", "EREFUSED"
  end
  local needed
  needed, message, code = driver.build_packages(seen)
  if not needed then return nil, message, code end
  local ok
  ok, message, code = install_packages(session, seen, needed, seconds)
  if not ok then return nil, message, code end
  if seen.nouveau then
    local result
    result, message, code = as_root(session, driver.without_nouveau(seen.family), "blacklist nouveau", seconds)
    if not result then return nil, message, code end
    if result.status ~= 0 then return nil, "nouveau cannot be disabled: " .. tail(result), "EGUEST" end
    session, message, code = again(ctx, target, session, "nouveau has the card: rebooting the guest without it")
    if not session then return nil, message, code end
  end
  local inside
  inside, message, code = put(ctx, target, session, "/var/tmp/")
  if not inside then return nil, message, code end
  local result
  result, message, code = as_root(session, driver.run_command(inside, chosen(o).branch, fits.open, o.args),
    o.from:match "[^/]*$", seconds)
  files.remove(ctx, target, session, inside)
  if not result then return nil, message, code end
  if result.status ~= 0 then
    return nil, ("NVIDIA's installer: status %d: %s%s"):format(result.status, tail(result), installer_log(session)),
      "EGUEST"
  end
  return session
end

local function on_linux(ctx, target, session, seconds, folder)
  local o = target.options
  local seen, message, code = look(session)
  if not seen then return nil, message, code end
  if not seen.root then
    return nil, "the account is neither root nor may it use sudo without a password, which a driver needs", "EREFUSED"
  end
  if not seen.family then
    return nil, ("the distribution '%s' is not known"):format(seen.name or seen.id or "?"), "EREFUSED"
  end
  local done = {}
  if folder then
    done, message, code = install_folder(session, seen, folder, seconds)
    if not done then return nil, message, code end
  elseif o.from then
    session, message, code = run_file(ctx, target, session, seen, seconds)
    if not session then return nil, message, code end
  else
    local fits, packages
    fits, message, code = driver.flavour(seen.cards, chosen(o))
    if not fits then return nil, message, code end
    packages, message, code = driver.packages(o.package, seen, o)
    if not packages then return nil, message, code end
    done, message, code = install_packages(session, seen, packages, seconds)
    if not done then return nil, message, code end
  end
  local now = done.now
  if not now then
    now, message, code = look(session)
    if not now then return nil, message, code end
  end
  local missing = unbuilt(session, now)
  if missing then return nil, missing, "EGUEST" end
  if done.reboot or driver.needs_restart(now) then
    session, message, code = again(ctx, target, session, now.nouveau and "nouveau has the card: rebooting the guest"
      or "the new modules are not loaded yet: rebooting the guest")
    if not session then return nil, message, code end
  end
  return session, seen
end

-- Fabric Manager of the driver's version, where the guest has NVSwitches: words for the proof, or ""; nil, message,
-- code.
local function with_fabric(ctx, target, session, seen, said, seconds)
  local root = {
    run = function(command, what) return as_root(session, command, what, seconds) end,
    install = function(package) return install_packages(session, seen, { package }, seconds) end,
  }
  local words, message, code = fabric(ctx, target, session, seen, said, root)
  if words == nil then return nil, message, code end
  return words and ", " .. words or ""
end

-- ---- Windows

-- Exit codes of NVIDIA's installer: 0, and 1 for "a reboot is needed" as well as for failures. So the proof decides.
local function on_windows(ctx, target, session, seconds, folder)
  local o = target.options
  if folder then
    local result, message, code = session:run(driver.add_drivers(folder), { changing = "pnputil " .. folder,
      timeout = seconds })
    if not result then return nil, message, code end
    local outcome = driver.pnputil(result.status)
    if not outcome.success then
      return nil, ("pnputil: exit code %d: %s: %s"):format(result.status, outcome.meaning, tail(result)), "EGUEST"
    end
    if outcome.note then ctx:note(target, "pnputil: " .. outcome.note) end
    if outcome.reboot then return again(ctx, target, session, "pnputil requests a reboot of the guest") end
    return session
  end
  local name = o.from:match "[^/]*$"
  local inside, message, code, detail = put(ctx, target, session, [[C:\Windows\Temp\]])
  if not inside then return nil, message, code, detail end
  local results
  results, message, code = session:run_all({ { program = inside, arguments = o.args or "-s -noreboot" },
    files.removal(inside) }, { changing = name, timeout = seconds })
  if not results or results[2].status ~= 0 or results[2].err ~= "" then files.remove(ctx, target, session, inside) end
  if not results then return nil, message, code end
  local result = results[1]
  if result.status == 1618 then
    return nil, name .. ": another installation is running in the guest (1618). Resume the run when it has ended",
      "EBUSY"
  end
  if result.status > 1 or result.status < 0 then
    return nil, ("%s: exit code %d: %s"):format(name, result.status, tail(result)), "EGUEST"
  end
  if result.status == 1 then
    return again(ctx, target, session, name .. " ended with 1: rebooting the guest, then the driver is checked")
  end
  return session
end

-- ---- the proof

-- The driver that runs all cards: its description; nil, message, code.
local function running(target, session, kind)
  local vendors = vendor.proved(target.options, cards.vendors(target) or { NVIDIA, 0x1002, 0x8086 })
  local commands = proof.commands(kind, { vendors = vendors })
  local outputs, message, code = cards.outputs(session, commands)
  if not outputs then return nil, message, code end
  local seen = proof.read(kind, outputs, { vendors = vendors, driver = true })
  if not seen.ok then
    return nil, "the driver does not run all cards: " .. cards.complaint(seen.findings), "EPROOF", seen
  end
  local versions, names = {}, {}
  local function add(one)
    local said = one.driver_version or one.driver or "?"
    if not versions[said] then
      versions[said] = true
      names[#names + 1] = said
    end
  end
  -- nvidia-smi tells the version; cards of other vendors may have the name of their driver only
  for _, one in ipairs(seen.smi or {}) do add(one) end
  for _, one in ipairs(seen.devices) do
    if one.vendor ~= NVIDIA or #(seen.smi or {}) == 0 then add(one) end
  end
  if #names == 0 then return nil, "the guest sees no card of the vendor", "EPROOF" end
  table.sort(names)
  cards.keep(target, session, commands, outputs)
  return table.concat(names, ", ")
end

-- The driver that runs and is the wanted one, and what was read of a Linux guest; false if it has to be installed; nil,
-- message, code. A VM that gpupt has just created is not asked.
local function present(ctx, target, session, kind, vm)
  local o = target.options
  if not power.delivered(vm) and not ctx:did(target) then return false end
  local file = o.from and is_file(o.from) and driver.run_file(o.from:match "[^/]*$") or {}
  if not (o.package or o.version or file.version) then return false end
  local said = running(target, session, kind)
  -- an installer's name has the whole version: 551.6 is another driver than 551.61
  if not said or file.version and said ~= file.version then return false end
  local found, read, code = is_present(session, kind, said, { package = o.package, version = o.version or file.version,
    vendor = vendor.of(o), flavour = function(seen) return driver.flavour(seen.cards, chosen(o)) end })
  if not found then return found, read, code end
  ctx:note(target, ("%s is installed and runs all cards: it is not installed again"):format(said))
  return said, read
end

-- Installs what is wanted: the session then, and what was read of a Linux guest; nil, message, code, detail.
local function install(ctx, target, session, kind, folder)
  local o = target.options
  local seconds, copied = units.duration(o.within), nil
  if folder then
    local message, code, detail
    copied, message, code, detail = driver_folder.put(ctx, target, session, folder, { kind = kind, within = o.within })
    if not copied then return nil, message, code, detail end
  end
  local results = table.pack((kind == "windows" and on_windows or on_linux)(ctx, target, session, seconds,
    copied or o.folder))
  if copied then driver_folder.remove(ctx, target, results[1] or session, copied) end
  return table.unpack(results, 1, results.n)
end

function step.apply(ctx, target, _, seen)
  local o = target.options
  local vm = seen.vm or ctx.fleet:vm(target.ref) -- observed right before
  if vm.power ~= "poweredOn" then
    return nil, target.name .. " is not running, so no driver can be installed. Power it on first", "EREFUSED"
  end
  if seen.vm and power.delivered(vm) then
    ctx:require_approval("guest-shutdown", "rebooting the guest of " .. target.name)
  end
  local session, message, code, detail = guest.open(ctx, target, { vm = vm })
  if not session then return nil, message, code, detail end
  local kind = session.family or vms.family(vm)
  local said, linux_seen, proved
  said, linux_seen, code = present(ctx, target, session, kind, vm)
  if said == nil then return nil, ("%s: driver: %s"):format(target.name, linux_seen), code end
  if not said then
    session, linux_seen, code, detail = install(ctx, target, session, kind, seen.folder)
    if not session then return nil, ("%s: driver: %s"):format(target.name, linux_seen), code, detail end
    said, message, code, proved = running(target, session, kind)
  end
  if not said and proved and kind == "windows" then
    local again_open, why, failed, more = hidden(ctx, target, proved)
    if again_open == nil then return nil, why, failed, more end
    if again_open then
      session, vm = again_open, ctx.fleet:vm(target.ref) -- as it was before, but for the hidden hypervisor
      said, message, code = running(target, session, kind)
    elseif why then
      message = message .. ". " .. why
    end
  end
  if not said then return nil, ("%s: driver: %s"):format(target.name, message), code end
  if o.version and not vendor.has_version(said, o.version) then
    return nil, ("%s: driver: version %s runs, not %s"):format(target.name, said, o.version), "EPROOF"
  end
  if linux_seen then
    local more
    more, message, code = with_fabric(ctx, target, session, linux_seen, said, units.duration(o.within))
    if not more then return nil, ("%s: driver: %s"):format(target.name, message), code end
    said = said .. more
  end
  return values.reconfigure(ctx, target, vm, { extraConfig = { { key = vendor.key(o),
    value = fingerprint(o, seen.folder) .. " " .. said } } },
    { action = "mark-driver", text = "ReconfigVM (mark the driver)" })
end

function step.prove(ctx, target)
  local seen = step.observe(ctx, target)
  if not seen.installed then return nil, target.name .. ": the driver is not proved", "EPROOF" end
  return "driver " .. seen.installed
end

return step
