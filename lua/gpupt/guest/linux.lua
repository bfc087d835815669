--- open-vm-tools on a Linux guest: the shell text that checks, installs and starts it, by distribution
-- family. Every distribution that vSphere supports has open-vm-tools as a package; the old tar
-- installer is not used. The texts are for `/bin/bash -c`, run as root or with `sudo = true`; none of
-- them prompts.
--
--   local linux = require "gpupt.guest.linux"
--   local t = linux.tools { os_release = "ID=ubuntu\n" }    -- or { id = "rocky" }, { family = "rhel" }
--   t.check      --> command -v vmtoolsd >/dev/null && vmtoolsd -v    (status 0 and a version when installed)
--   t.install    --> DEBIAN_FRONTEND=noninteractive apt-get install -y open-vm-tools
--   t.enable     --> systemctl enable --now open-vm-tools.service
--   t.ensure     --> all three in one; changes nothing when Tools are installed and running
--   linux.outcome("debian", 100)  --> { success=false, retry=true, meaning="...holds the lock" }
local nearest = require "gpupt.nearest"
local options = require "gpupt.options"
local shell = require "gpupt.shell"
local text = require "gpupt.text"

local linux = {}

local families = {
  debian = {
    ids = { "debian", "ubuntu", "linuxmint", "raspbian", "kali" },
    service = "open-vm-tools.service",
    refresh = "DEBIAN_FRONTEND=noninteractive apt-get update",
    install = "DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y %s",
    codes = { [100] = { retry = true,
      meaning = "apt failed; just after the first boot usually because another apt or dpkg holds the lock" } },
  },
  rhel = {
    ids = { "rhel", "centos", "rocky", "almalinux", "ol", "fedora", "amzn", "oraclelinux" },
    service = "vmtoolsd.service",
    install = "if command -v dnf >/dev/null; then dnf install -y %s; else yum install -y %s; fi",
    codes = { [200] = { retry = true, meaning = "dnf could not get its lock" },
      [1] = { meaning = "dnf or yum failed: no subscription or repository, or no such package" } },
  },
  suse = {
    ids = { "sles", "sled", "suse", "opensuse", "opensuse-leap", "opensuse-tumbleweed", "sle-micro" },
    service = "vmtoolsd.service",
    install = "zypper --non-interactive install %s",
    codes = { [7] = { retry = true, meaning = "another zypper or YaST holds the lock" },
      [102] = { success = true, reboot = true, meaning = "installed; a reboot is required" },
      [103] = { success = true, retry = true, meaning = "zypper updated itself and must be run again" },
      [104] = { meaning = "no such package in the enabled repositories" } },
  },
  photon = {
    ids = { "photon" },
    service = "vmtoolsd.service",
    install = "tdnf install -y %s",
    codes = {},
  },
  alpine = {
    ids = { "alpine", "postmarketos" },
    service = "open-vm-tools",
    -- the base package has no guest operations: those are plug-ins
    packages = "open-vm-tools open-vm-tools-plugins-all",
    desktop = "open-vm-tools open-vm-tools-plugins-all open-vm-tools-gtk",
    install = "apk add --no-progress %s",
    active = "rc-service -q open-vm-tools status >/dev/null 2>&1",
    enable = "rc-update -q add open-vm-tools boot && rc-service open-vm-tools start",
    codes = { [99] = { retry = true, meaning = "apk could not lock its database" },
      [1] = { meaning = "apk failed: no such package in the enabled repositories (community has open-vm-tools), or "
        .. "another apk holds the lock" } },
  },
}

--- The family of a distribution by /etc/os-release's ID and ID_LIKE; nil, message, "EINVAL" when none is
-- known.
function linux.family(id, id_like)
  local words = { id }
  for word in (id_like or ""):gmatch "%S+" do words[#words + 1] = word end
  local names = {}
  for _, word in ipairs(words) do
    if families[word] then return word end
    for family, entry in pairs(families) do
      for _, known in ipairs(entry.ids) do
        if known == word then return family end
        names[#names + 1] = known
      end
    end
  end
  return nil, ("unknown Linux distribution: '%s'%s"):format(id, nearest.hint(id, names)), "EINVAL"
end

--- Reads /etc/os-release: a table of its variables.
function linux.os_release(content)
  local values = {}
  for line in text.lines(content) do
    local key, value = line:match "^%s*([A-Z_0-9]+)=(.*)$"
    if key then
      value = text.trim(value)
      values[key] = value:match '^"(.*)"$' or value:match "^'(.*)'$" or value
    end
  end
  return values
end

local tools_options = options.declare("guest.linux.tools", {
  { "family", "string", choices = { "debian", "rhel", "suse", "photon", "alpine" }, doc = "if already known" },
  { "id", "string", doc = "ID of /etc/os-release" },
  { "id_like", "string", doc = "ID_LIKE of /etc/os-release" },
  { "os_release", "string", doc = "the text of /etc/os-release" },
  { "desktop", "boolean", default = false, doc = "adds open-vm-tools-desktop" },
  { "sudo", "boolean", default = false, doc = "the user is not root, but may use sudo without a password" },
})

--- Shell texts for a distribution: { family=, packages=, check=, refresh=, install=, enable=, ensure=,
-- service= }.
function linux.tools(given)
  local o = tools_options:check(given)
  local family = o.family
  if not family then
    local release = o.os_release and linux.os_release(o.os_release) or {}
    local id = o.id or release.ID
    if not id then return nil, "set family, id or os_release (with an ID line)", "EINVAL" end
    local found, message, code = linux.family(id, o.id_like or release.ID_LIKE)
    if not found then return nil, message, code end
    family = found
  end
  local entry = families[family]
  local packages = o.desktop and (entry.desktop or "open-vm-tools open-vm-tools-desktop")
    or entry.packages or "open-vm-tools"
  local function as_root(command)
    if not o.sudo then return command end
    return "sudo -n /bin/sh -c '" .. command .. "'"
  end
  local check = "command -v vmtoolsd >/dev/null && vmtoolsd -v"
  local install = as_root((entry.install:gsub("%%s", packages)))
  local refresh = entry.refresh and as_root(entry.refresh)
  local enable = as_root(entry.enable or "systemctl enable --now " .. entry.service)
  local active = entry.active or "systemctl is-active --quiet " .. entry.service
  return {
    family = family, packages = packages, service = entry.service, check = check,
    refresh = refresh, install = install, enable = enable,
    -- with a desktop the second package may be missing, which vmtoolsd does not show
    ensure = ("%s { %s%s; } && { %s || %s; }"):format(o.desktop and "" or "{ " .. check .. "; } ||",
      refresh and refresh .. " && " or "", install, active, enable):gsub("^ ", ""),
  }
end

--- The parts of an output that lines of the form @name begin, by name: lists of lines. `names` are those that have to
-- be there, separated by spaces. nil, message, "EGUEST" if one of them, or the line @end, is missing.
function linux.sections(output, names)
  local part, sections = nil, {}
  for line in text.lines(output or "") do
    local name = line:match "^@(%l+)$"
    if name then
      part = {}
      sections[name] = part
    elseif part then
      part[#part + 1] = line
    end
  end
  for name in (names .. " end"):gmatch "%l+" do
    if not sections[name] then return nil, "the guest's answer is not complete", "EGUEST" end
  end
  return sections
end

--- The command that looks at Tools in a guest, for linux.read_look; it needs no root.
function linux.look()
  return { program = "/bin/sh", arguments = "-c " .. shell.quote([[export LC_ALL=C PATH=$PATH:/usr/sbin:/sbin
echo @os; cat /etc/os-release
echo @root; id -u; sudo -n true 2>/dev/null && echo sudo
echo @tools; command -v vmtoolsd >/dev/null && vmtoolsd -v
echo @packages
for p in open-vm-tools open-vm-tools-desktop open-vm-tools-plugins-all open-vm-tools-gtk; do
  if command -v apk >/dev/null; then apk info -e $p
  elif command -v dpkg-query >/dev/null && test -e /etc/debian_version; then dpkg-query -W -f='${Package} ${Status}
' $p
  else rpm -q --qf '%{NAME}
' $p; fi 2>/dev/null
done
echo @service; systemctl is-active open-vm-tools.service vmtoolsd.service 2>/dev/null
test -d /run/openrc && rc-service open-vm-tools status >/dev/null 2>&1 && echo active
echo @end]]) }
end

--- Reads its output: { family =, id =, name =, root =, sudo =, version = of vmtoolsd or nil, packages = a set,
-- running = }; nil, message, code.
function linux.read_look(output)
  local sections, message, code = linux.sections(output, "os root tools packages service")
  if not sections then return nil, message, code end
  local release = linux.os_release(table.concat(sections.os, "\n"))
  if not release.ID then return nil, "the guest has no /etc/os-release with an ID", "EGUEST" end
  local family
  family, message, code = linux.family(release.ID, release.ID_LIKE)
  if not family then return nil, message, code end
  local seen = { family = family, id = release.ID, name = release.PRETTY_NAME or release.ID, packages = {},
    root = sections.root[1] == "0", sudo = sections.root[2] == "sudo" }
  seen.version = table.concat(sections.tools, " "):match "version ([%d.]+)"
  for _, line in ipairs(sections.packages) do
    local name, status = line:match "^(%S+) ?(.*)$"
    if name and (status == "" or status == "install ok installed") then seen.packages[name] = true end
  end
  for _, line in ipairs(sections.service) do seen.running = seen.running or line == "active" end
  return seen
end

--- The shell text, for root, that installs packages on a distribution of the family; it never asks.
function linux.install(family, packages)
  local entry = families[family]
  if not entry then return nil, ("no package manager is known for family '%s'"):format(tostring(family)), "EINVAL" end
  local install = entry.install:gsub("%%s", (packages:gsub("%%", "%%%%")))
  return entry.refresh and entry.refresh .. " && " .. install or install
end

local folders = {
  debian = "DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y --no-download %s/*.deb",
  rhel = "dnf install -y --disablerepo='*' %s/*.rpm",
  suse = "zypper --non-interactive --no-remote install --allow-unsigned-rpm %s/*.rpm",
}

--- The shell text, for root, that installs the packages of a folder in the guest without a repository.
function linux.install_folder(family, folder)
  local command = folders[family]
  if not command then
    return nil, ("no folder of packages is known for family '%s'"):format(tostring(family)), "EINVAL"
  end
  return (command:gsub("%%s", (shell.quote(folder):gsub("%%", "%%%%"))))
end

--- What the package manager's exit code means: { success=, retry=, reboot=, meaning= }.
function linux.outcome(family, exit_code)
  if exit_code == 0 then
    return { code = 0, success = true, retry = false, reboot = false, meaning = "installed" }
  end
  local known = (families[family] or { codes = {} }).codes[exit_code] or {}
  local meaning = known.meaning
  if not meaning and exit_code == 127 then
    meaning = "a command was not found: check the distribution family"
  end
  return {
    code = exit_code, success = known.success == true, retry = known.retry == true,
    reboot = known.reboot == true,
    meaning = meaning or ("the package manager exited with %d"):format(exit_code),
  }
end

return linux
