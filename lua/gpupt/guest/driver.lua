--- The vendor's driver in a guest: which kernel modules fit the cards, which commands install it, what their exit codes
-- mean. Nothing here talks to a guest: a step runs the commands and passes their output back.
--
--   driver.flavour({ { vendor = 0x10de, device = 0x2330 } }, { branch = 570 })  --> { open = true, why = "..." }
--   driver.package "nvidia-driver-550-server-open"            --> { branch = 550, server = true, open = true }
--   driver.run_file "NVIDIA-Linux-x86_64-550.90.07.run"       --> { version = "550.90.07", branch = 550 }
--   driver.look()                                             --> the command that looks at a Linux guest
--   driver.read(its output)   --> { family =, kernel =, secure_boot =, nouveau =, root =, loaded = { version = } }
local architecture = require "gpupt.facts.nvidia_architecture"
local dkms = require "gpupt.guest.dkms"
local linux = require "gpupt.guest.linux"
local shell = require "gpupt.shell"

local driver = {}

local NVIDIA = 0x10de

--- What the name of an Ubuntu or NVIDIA package says; nil for others.
function driver.package(name)
  if name == "nvidia-open" then return { open = true } end
  if name == "cuda-drivers" or name == "nvidia-driver" then return {} end
  for _, stem in ipairs { "driver", "headless", "open" } do
    local branch, rest = name:match("^nvidia%-" .. stem .. "%-(%d+)(.*)$")
    if branch then
      return { branch = math.tointeger(tonumber(branch)), server = rest:find("-server", 1, true) ~= nil,
        open = stem == "open" or rest:find("-open", 1, true) ~= nil, ubuntu = stem ~= "open" }
    end
  end
end

--- Version and branch in the name of NVIDIA's installer (.run, .exe); nil if the name has none.
function driver.run_file(name)
  local version = name:match "[%-_](%d%d%d+%.[%d.]*%d)" or name:match "^(%d%d%d+%.%d[%d.]*%d)%-"
  if not version then return nil end
  return { version = version, branch = math.tointeger(tonumber(version:match "^%d+")) }
end

local function names(list)
  table.sort(list)
  return table.concat(list, ", ")
end

-- The first open branch for which NVIDIA recommends the open modules wherever they run.
local OPEN_BY_DEFAULT = 560

--- Which kernel modules the cards need: { open = true or false, why = "text" }; open is nil if either will do and
-- nothing was chosen. o.branch: the driver's; o.open: what was chosen, or nil. nil, message, "EREFUSED".
function driver.flavour(cards, o)
  local only_open, only_closed, unknown = {}, {}, {}
  for _, card in ipairs(cards) do
    if card.vendor == NVIDIA then
      local one = architecture(card.device)
      local id = ("%04x:%04x"):format(card.vendor, card.device)
      if not one then
        unknown[#unknown + 1] = id
      else
        local said = ("%s (%s)"):format(id, one.name)
        if o.branch and o.branch < one.first then
          return nil, ("driver %d does not support %s: it needs %d or later"):format(o.branch, said, one.first),
            "EREFUSED"
        end
        if o.branch and one.last and o.branch > one.last then
          return nil, ("driver %d does not support %s: %d is its last branch"):format(o.branch, said, one.last),
            "EREFUSED"
        end
        if not one.closed then only_open[said] = true end
        if not one.open then only_closed[said] = true end
      end
    end
  end
  local open, closed = {}, {}
  for said in pairs(only_open) do open[#open + 1] = said end
  for said in pairs(only_closed) do closed[#closed + 1] = said end
  if #open > 0 and #closed > 0 then
    return nil, ("no driver supports both %s (only the open kernel modules) and %s (only the proprietary ones)")
      :format(names(open), names(closed)), "EREFUSED"
  end
  if #open > 0 and o.open == false then
    return nil, names(open) .. " need the open kernel modules", "EREFUSED"
  end
  if #closed > 0 and o.open then
    return nil, names(closed) .. " need the proprietary kernel modules: the open ones support Turing and later",
      "EREFUSED"
  end
  if #open > 0 then return { open = true, why = names(open) .. " need the open kernel modules" } end
  if #closed > 0 then return { open = false, why = names(closed) .. " need the proprietary kernel modules" } end
  if o.open ~= nil then return { open = o.open, why = "as chosen" } end
  if #unknown > 0 then
    return { why = "the architecture of " .. names(unknown) .. " is not known, so the package's default is used" }
  end
  if o.branch and o.branch >= OPEN_BY_DEFAULT then
    return { open = true, why = "NVIDIA recommends the open modules from 560 on" }
  end
  return { open = false, why = "NVIDIA's default before 560" }
end

--- A shell text that runs a command as root: directly, or by sudo without a password.
function driver.as_root(command)
  local quoted = shell.quote(command)
  return ('if [ "$(id -u)" = 0 ]; then bash -c %s; else sudo -n bash -c %s; fi'):format(quoted, quoted)
end

local function bash(script)
  return { program = "/bin/bash",
    arguments = "-c " .. shell.quote("export LC_ALL=C PATH=$PATH:/usr/sbin:/sbin; " .. script) }
end
driver.bash = bash

local LOOK = [[echo @os; cat /etc/os-release
echo @kernel; uname -r
echo @root; id -u; sudo -n true 2>/dev/null && echo sudo
echo @secure; { mokutil --sb-state || dmesg || sudo -n dmesg; } 2>/dev/null | grep -i "secure *boot"
echo @modules; cat /proc/modules
echo @version; cat /proc/driver/nvidia/version 2>/dev/null
echo @module; modinfo -F version nvidia 2>/dev/null; modinfo -F license nvidia 2>/dev/null
echo @amdgpu; cat /sys/module/amdgpu/version 2>/dev/null || echo none
modinfo -F version amdgpu 2>/dev/null
echo @dkms; dkms status 2>/dev/null
echo @cards; for d in /sys/bus/pci/devices/*; do v=$(cat "$d/vendor" 2>/dev/null)
case $v in 0x10de|0x1002|0x8086) c=$(cat "$d/class"); e=$(cat "$d/device"); c=${c#0x}
echo "${d##*/} ${c%??}: ${v#0x}:${e#0x}";; esac; done
echo @end]]

--- The command that looks at a Linux guest.
function driver.look() return bash(LOOK) end

--- Reads its output; nil, message, "EGUEST".
function driver.read(output)
  local sections, message, code = linux.sections(output,
    "os kernel root secure modules version module amdgpu dkms cards")
  if not sections then return nil, message, code end
  local os_release = linux.os_release(table.concat(sections.os, "\n"))
  local family = linux.family(os_release.ID or "?", os_release.ID_LIKE)
  local seen = { family = family, id = os_release.ID, name = os_release.PRETTY_NAME, kernel = sections.kernel[1] or "?",
    root = sections.root[1] == "0" or sections.root[2] == "sudo", modules = {}, cards = {} }
  for _, line in ipairs(sections.modules) do seen.modules[line:match "^(%S+)" or ""] = true end
  local secure = table.concat(sections.secure, " "):lower()
  seen.secure_boot = secure:find "secure ?boot enabled" ~= nil
  seen.nouveau = seen.modules.nouveau == true
  local version = table.concat(sections.version, " "):match "NVRM version:.-(%d%d%d+%.[%d.]+)"
  local file_version, license = sections.module[1], sections.module[2] or ""
  if version then seen.loaded = { version = version } end
  seen.amdgpu = { loaded = sections.amdgpu[1], module = sections.amdgpu[2] or "" }
  seen.dkms = sections.dkms
  if file_version then seen.module = { version = file_version, open = license:find "GPL" ~= nil } end
  for _, line in ipairs(sections.cards) do
    local class, vendor, device = line:match "^%S+ (%x%x%x%x): (%x%x%x%x):(%x%x%x%x)"
    if class then
      seen.cards[#seen.cards + 1] = { class = tonumber(class, 16), vendor = tonumber(vendor, 16),
        device = tonumber(device, 16) }
    end
  end
  return seen
end

--- The same with the cards of one vendor only, for its driver; unchanged if the guest has none of them.
function driver.only(seen, vendor)
  local cards = {}
  for _, card in ipairs(seen.cards) do
    if card.vendor == vendor then cards[#cards + 1] = card end
  end
  if #cards == 0 then return seen end
  local result = {}
  for name, value in pairs(seen) do result[name] = value end
  result.cards = cards
  if vendor ~= NVIDIA then result.nouveau, result.loaded, result.module = false, nil, nil end
  return result
end

-- Ubuntu's packages of signed modules are named after the kernel's flavour: 6.8.0-45-generic.
local function kernel_flavour(kernel) return kernel:match "%-(%a[%w%-]*)$" or "generic" end

-- The package with the headers of the running kernel, by family; %s is the kernel.
local HEADERS = { debian = "linux-headers-%s", rhel = "kernel-devel-%s", suse = "kernel-default-devel" }

-- Whether a package compiles its modules in the guest, by DKMS: those of NVIDIA's and AMD's repositories do.
local function builds(name, family)
  if name:find "dkms" then return true end
  return (family == "rhel" or family == "suse") and (name:find "^nvidia%-open" or name:find "^nvidia%-driver"
    or name:find "^cuda%-drivers") ~= nil
end

--- The packages to install for a package that the playbook names: with Secure Boot on Ubuntu, the distribution's signed
-- modules come first. nil, message, "EREFUSED" if Secure Boot would reject the modules.
function driver.packages(name, seen, o)
  local known = driver.package(name)
  if not seen.secure_boot or o.mok then
    local list = {}
    if builds(name, seen.family) then
      local headers = HEADERS[seen.family]
      list[1] = headers and headers:format(seen.kernel)
    end
    list[#list + 1] = name
    return list
  end
  if seen.id == "ubuntu" and known and known.ubuntu then
    return { ("linux-modules-nvidia-%d%s%s-%s"):format(known.branch, known.server and "-server" or "",
      known.open and "-open" or "", kernel_flavour(seen.kernel)), name }
  end
  return nil, ("Secure Boot is on, and the modules of %s are built in the guest and signed with no key that it trusts. "
    .. "On Ubuntu use nvidia-driver-BRANCH-server or its -open form, whose modules are signed; elsewhere enrol a key "
    .. "(mokutil --import) and set mok = true, or switch Secure Boot off"):format(name), "EREFUSED"
end

-- What NVIDIA's installer needs to build modules, by family; %s is the running kernel.
local BUILD = {
  debian = { "gcc", "make", "linux-headers-%s" }, rhel = { "gcc", "make", "kernel-devel-%s" },
  suse = { "gcc", "make", "kernel-default-devel" },
}

--- The packages that the .run file needs; nil, message, "EREFUSED".
function driver.build_packages(seen)
  local list = BUILD[seen.family]
  if not list then
    return nil, ("NVIDIA's .run file cannot be prepared on %s: use package"):format(seen.name or "this distribution"),
      "EREFUSED"
  end
  local result = {}
  for i, name in ipairs(list) do result[i] = name:format(seen.kernel) end
  return result
end

local NOUVEAU = "printf 'blacklist nouveau\\noptions nouveau modeset=0\\n' > /etc/modprobe.d/gpupt-nouveau.conf && "
local INITRAMFS = { debian = "update-initramfs -u", rhel = "dracut --force", suse = "dracut --force" }

--- Whether the guest has to be rebooted before its driver runs the cards.
function driver.needs_restart(now)
  local nvidia, other = false, false
  for _, card in ipairs(now.cards) do
    if card.vendor == NVIDIA then nvidia = true else other = true end
  end
  if now.nouveau then return true end
  if nvidia and (not now.loaded or now.module ~= nil and now.module.version ~= now.loaded.version) then return true end
  if not other then return false end
  if now.amdgpu.module ~= "" and now.amdgpu.module ~= now.amdgpu.loaded then return true end
  return not (now.modules.amdgpu or now.modules.i915 or now.modules.xe)
end

-- How DKMS calls what other vendors' packages build: amdgpu-dkms and intel-i915-dkms (or the i915 of others).
local TREES = { [0x1002] = { "amdgpu" }, [0x8086] = { "intel-i915-dkms", "i915" } }

--- Why there is no module for the running kernel although packages were installed, and DKMS's name of it; nil if there
-- is one, or no card that needs one. The kernel's own amdgpu or i915 does not count if DKMS failed to replace it.
-- `log`: the output of dkms.make_log of that name.
function driver.unbuilt(now, log)
  local vendors = {}
  for _, card in ipairs(now.cards) do vendors[card.vendor] = true end
  for vendor, trees in pairs(TREES) do
    for _, name in ipairs(vendors[vendor] and trees or {}) do
      local why = dkms.why(now.dkms, name, now.kernel, log)
      if why then return why, name end
    end
  end
  if not vendors[NVIDIA] or now.module or now.loaded then return nil end
  local why = dkms.why(now.dkms, "nvidia", now.kernel, log)
  if why then return why, "nvidia" end
  return ("the packages are installed, but there is no nvidia module for the running kernel %s. Install the headers "
    .. "of that kernel, then run it again"):format(now.kernel), "nvidia"
end

--- The command that adds all drivers of a folder in a Windows guest, and installs them for their devices.
function driver.add_drivers(folder)
  return { program = [[C:\Windows\System32\pnputil.exe]],
    arguments = ('/add-driver "%s\\*.inf" /subdirs /install'):format((folder:gsub("[\\/]+$", ""))) }
end

-- Exit codes of pnputil (learn.microsoft.com, PnPUtil return values).
local pnputil = {
  [0] = { success = true }, [3010] = { success = true, reboot = true }, [1641] = { success = true, reboot = true },
  [259] = { success = true, note = "no device of the guest matched, or a better driver is there (259)" },
  [2] = { meaning = "the folder has no .inf file" }, [5] = { meaning = "the account is not an administrator" },
}

--- What its exit code means: { success =, reboot =, note =, meaning = }.
function driver.pnputil(status) return pnputil[status] or { meaning = "the drivers were not added" } end

--- The shell text, for root, that keeps nouveau from being loaded at the next boot.
function driver.without_nouveau(family) return NOUVEAU .. (INITRAMFS[family] or "update-initramfs -u") end

--- The shell text that runs NVIDIA's .run file.
function driver.run_command(path, branch, open, args)
  local words = { "sh", shell.quote(path), "--silent" }
  if branch and branch >= 560 then
    words[#words + 1] = "--kernel-module-type=" .. (open and "open" or "proprietary")
  elseif open then
    words[#words + 1] = "-m=kernel-open"
  end
  if args then words[#words + 1] = args end
  return table.concat(words, " ")
end

--- What is installed and running, for people and for comparison: "NVIDIA 550.107.02 (open modules)"; nil if nothing is.
function driver.describe(seen)
  if not seen.loaded then return nil end
  local kind = seen.module and (seen.module.open and " (open modules)" or " (proprietary modules)") or ""
  return "NVIDIA " .. seen.loaded.version .. kind
end

return driver
