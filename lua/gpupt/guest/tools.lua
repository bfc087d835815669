--- VMware Tools: which installer command a guest needs, and what its exit code means.
-- Nothing here talks to a guest. Steps build the command here, run it through guest
-- operations (or give `installer_options` to UpgradeTools_Task), and pass the exit code to `outcome`.
--
--   local tools = require "gpupt.guest.tools"
--   local c = tools.command { version = "12.4.0", horizon = true, nsx = false }
--   c.line       --> setup64.exe /s /v"/qn REBOOT=R ADDLOCAL=ALL REMOVE=Hgfs,VSS,SVGA,NetworkIntrospection"
--   c.arguments  --> /s /v"/qn REBOOT=R ADDLOCAL=ALL REMOVE=Hgfs,VSS,SVGA,NetworkIntrospection"
--   c.why        --> { {feature="SVGA", why="the Horizon Agent brings its own display driver"}, ... }
--   c.notes      --> assumptions, for the user ("the feature list of Tools 13 is ... assumed")
--   tools.find()                              --> the command that lists the installers of the guest's media
--   tools.installer(its_output)               --> { path="D:\\setup64.exe", name="setup64.exe", version={...} }
--   tools.from_cd(c, installer)               --> the command that runs it
--   local o = tools.outcome(3010)             --> { success=true, reboot=true, retry=false, meaning="..." }
--   local l = tools.linux { id = "ubuntu" }   --> { family="debian", check=, install=, ... }: shell text
--
-- The installer that is mounted decides (its name and version), not the Tools that run in the guest: with a 12.4 medium
-- in a guest with Tools 11.3.5, REMOVE=AppDefense ends in 1603.
--
-- Which features are removed (ADDLOCAL=ALL installs everything first):
--   Hgfs, VSS             always
--   AppDefense            Tools 11 and older only: 12 does not have it and fails with MSI error 2711
--   SVGA                  only if the Horizon Agent will be installed
--   NetworkIntrospection  only if NSX is not used
-- FileIntrospection stays, although ADDLOCAL=ALL installs it too: agentless virus scanners use it without
-- NSX networking. Without either, set `remove = { "FileIntrospection" }`.
local nearest = require "gpupt.nearest"
local options = require "gpupt.options"
local linux = require "gpupt.guest.linux"
local msi = require "gpupt.guest.msi"
local text = require "gpupt.text"

local tools = {}

-- Feature names are case-sensitive. The list of Tools 13 is not published: that of 12 is assumed, and a note says so.
local common = {
  "Audio", "BootCamp", "Drivers", "FileIntrospection", "Hgfs", "MemCtl", "Mouse", "MouseUSB",
  "NetworkIntrospection", "PVSCSI", "Perfmon", "SVGA", "Toolbox", "VMCI", "VMXNet", "VMXNet3", "VSS",
}
local additions = {
  [10] = { "AppDefense", "Sync", "ThinPrint", "Unity", "WYSE" },
  [11] = { "AppDefense", "CBHelper", "DeviceHelper", "EFIFW", "ServiceDiscovery", "VmwTimeProvider" },
  [12] = { "CBHelper", "DeviceHelper", "EFIFW", "ServiceDiscovery", "VmwTimeProvider" },
}
additions[13] = additions[12]

local oldest, newest = 10, 13

--- The label of the Tools CD. A CD's letter depends on how many drives a VM has; its label does not.
tools.cd_label = "VMware Tools"

--- Reads a Tools version: "12.4.0", "12.4.0.1234", 12, or the packed number of guest.toolsVersion ("12416"
-- is 12.4.0: major * 1024 + minor * 32 + patch). Returns {major=, minor=, patch=, text=}; or nil, message,
-- "EINVAL".
function tools.version(value)
  local major, minor, patch
  local number = math.tointeger(tonumber(value))
  if number and number >= 1024 then
    if number >= 0x7fffffff then
      return nil, "Tools version 2147483647 means that the guest manages its own Tools (open-vm-tools): "
        .. "there is no installer to run", "EINVAL"
    end
    major, minor, patch = number // 1024, number % 1024 // 32, number % 32
  else
    major, minor, patch = tostring(value):match "^(%d+)%.?(%d*)%.?(%d*)[%d%.]*$"
    if not major then
      return nil, ("'%s' is not a version of VMware Tools (such as 12.4.0 or 12416)"):format(tostring(value)), "EINVAL"
    end
    major, minor, patch = tonumber(major), tonumber(minor) or 0, tonumber(patch) or 0
  end
  return { major = major, minor = minor, patch = patch, text = ("%d.%d.%d"):format(major, minor, patch) }
end

local function set_of(list)
  local set = {}
  for _, name in ipairs(list) do set[name] = true end
  return set
end

--- The features of the installer of a major version, sorted; nil, message, "EINVAL" for an unknown version.
function tools.features(major)
  if not additions[major] then
    return nil, ("the features of VMware Tools %s are not known; supported versions are %d to %d")
      :format(tostring(major), oldest, newest), "EINVAL"
  end
  local list = table.move(common, 1, #common, 1, {})
  table.move(additions[major], 1, #additions[major], #list + 1, list)
  table.sort(list)
  return list
end

local command_options = options.declare("guest.tools.command", {
  { "version", "string|number", required = true, doc = "of the installer that will run: 12.4.0, or 12416" },
  { "horizon", "boolean", default = false, doc = "the Horizon Agent will be installed afterwards" },
  { "nsx", "boolean", default = false, doc = "NSX is used, so its network driver must stay" },
  { "features", "table", doc = "the feature names of this installer, when known" },
  { "remove", "table", doc = "more features to remove" },
  { "keep", "table", doc = "features to keep even if the rules would remove them" },
  { "reboot", "boolean", default = false, doc = "lets the installer reboot the guest (without REBOOT=R)" },
  { "log", "string", doc = "a file in the guest for the MSI log" },
  { "program", "string", default = "setup64.exe", doc = "the installer, with its path where that is known" },
})

-- The rules, in this order.
local rules = {
  { "Hgfs", "shared folders are a workstation feature", function() return true end },
  { "VSS", "it is for quiesced snapshots, which passthrough does not support", function() return true end },
  { "AppDefense", "the product is discontinued; Tools 12 no longer has the feature",
    function(_, version) return version.major <= 11 end },
  { "SVGA", "the Horizon Agent brings its own display driver", function(o) return o.horizon end },
  { "NetworkIntrospection", "NSX is not used; ADDLOCAL=ALL would install its driver",
    function(o) return not o.nsx end },
}

local function check_names(what, names, known, list)
  for _, name in ipairs(names or {}) do
    if not known[name] then
      return nil, ("%s: the installer has no feature '%s'%s; the names are case-sensitive, and a wrong one "
        .. "causes MSI error 2711 (exit code 1603)"):format(what, tostring(name), nearest.hint(name, list)), "EINVAL"
    end
  end
  return true
end

-- The MSI's command line after /v: one string in quotes; inner quotes are escaped with a backslash.
local function setup_arguments(line) return '/s /v"' .. line:gsub('"', '\\"') .. '"' end

--- Checks names of features against all supported releases, before the installer is known: true; nil, message,
-- "EINVAL" if none has such a feature.
function tools.check_features(what, names)
  local known, list = {}, {}
  for major = oldest, newest do
    for _, name in ipairs(tools.features(major)) do
      if not known[name] then
        known[name] = true
        list[#list + 1] = name
      end
    end
  end
  return check_names(what, names, known, list)
end

--- The installer's command line for a Windows guest.
-- Returns { program=, arguments=, line=, msi=, installer_options=, remove={names}, why={{feature=,why=}},
-- notes={texts}, version= }. `msi` is what msiexec receives, `installer_options` the text for
-- UpgradeTools_Task (Windows only: Linux guests must be given none). nil, message, "EINVAL" for a version
-- or feature that does not exist.
function tools.command(given)
  local o = command_options:check(given)
  local version, message, code = tools.version(o.version)
  if not version then return nil, message, code end
  local notes = {}
  local list = o.features
  if not list then
    if version.major < oldest then
      return nil, ("VMware Tools %s: releases before %d are not supported"):format(version.text, oldest), "EINVAL"
    end
    list = tools.features(math.min(version.major, newest))
    if version.major >= 13 then
      notes[#notes + 1] = ("the feature list of Tools %d is not published; that of 12 is assumed")
        :format(version.major)
    end
  end
  local known = set_of(list)
  for what, names in pairs { remove = o.remove or {}, keep = o.keep or {} } do
    local ok, why, kind = check_names(what, names, known, list)
    if not ok then return nil, why, kind end
  end

  local kept, removed, remove, why = set_of(o.keep or {}), {}, {}, {}
  local function leave_out(name, reason)
    if removed[name] or kept[name] then return end
    removed[name] = true
    remove[#remove + 1] = name
    why[#why + 1] = { feature = name, why = reason }
  end
  for _, rule in ipairs(rules) do
    local name, reason, applies = rule[1], rule[2], rule[3]
    if applies(o, version) then
      if known[name] then
        leave_out(name, reason)
      else
        notes[#notes + 1] = name .. " is not removed: this installer does not have it"
      end
    end
  end
  for _, name in ipairs(o.remove or {}) do leave_out(name, "requested") end

  if o.program:lower():match "[^\\/]*$" == "setup.exe" then
    notes[#notes + 1] = "the switches of setup.exe are assumed to be those of setup64.exe"
  end
  local words = { "/qn" }
  if not o.reboot then words[#words + 1] = "REBOOT=R" end
  words[#words + 1] = "ADDLOCAL=ALL"
  if #remove > 0 then words[#words + 1] = "REMOVE=" .. table.concat(remove, ",") end
  if o.log then words[#words + 1] = msi.log_words(o.log) end
  local line = table.concat(words, " ")
  local arguments = setup_arguments(line)
  local program = o.program:find "%s" and '"' .. o.program .. '"' or o.program
  return {
    program = o.program, arguments = arguments, line = program .. " " .. arguments, msi = line,
    installer_options = arguments, remove = remove, why = why, notes = notes, version = version,
  }
end

-- One argument in double quotes for a Windows command line: a quote gets a backslash, and backslashes
-- before a quote are doubled (the rule of CommandLineToArgvW).
local function in_double_quotes(script)
  return '"' .. script:gsub('(\\*)"', function(slashes) return slashes .. slashes .. '\\"' end) .. '"'
end

local powershell = [[C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe]]

local function by_powershell(script)
  local arguments = "-NoProfile -NonInteractive -ExecutionPolicy Bypass -Command " .. in_double_quotes(script)
  return { program = powershell, arguments = arguments, line = "powershell.exe " .. arguments }
end

local function in_single_quotes(word) return "'" .. word:gsub("'", "''") .. "'" end

-- Older media have setup64.exe, and setup.exe for 32-bit Windows; newer ones (seen: 13.0.1) have setup.exe alone, for
-- 64-bit Windows. Source: vmware-samples/packer-examples-for-vsphere issue 997.
local names = { "setup64.exe", "setup.exe" }

--- The command that lists the Tools installers on all volumes of the guest, for tools.installer to read: a line
-- PATH|VERSION for each. A medium is known by its label or by its installer's product name, not by its letter.
function tools.find()
  return by_powershell(("Get-Volume | Where-Object { $_.DriveLetter } | ForEach-Object { $d = $_; "
    .. "foreach ($n in '%s') { $f = $d.DriveLetter + ':\\' + $n; if (Test-Path $f) { "
    .. "$i = (Get-Item $f).VersionInfo; "
    .. "if ($d.FileSystemLabel -eq '%s' -or $i.ProductName -like '%s*') { $f + '|' + $i.ProductVersion } } } }")
    :format(table.concat(names, "','"), tools.cd_label, tools.cd_label))
end

local function newer(a, b)
  if a.major ~= b.major then return a.major > b.major end
  if a.minor ~= b.minor then return a.minor > b.minor end
  return a.patch > b.patch
end

--- Whether the Tools version `a` is newer than `b` (tables of tools.version).
tools.newer = newer

--- The installer to run, from the output of tools.find: the newest one, setup64.exe before setup.exe. Returns { path =,
-- name =, version = }; nil, message, "ENOENT" (there is no Tools medium) or "EINVAL" (its version cannot be read).
function tools.installer(output)
  local best, unreadable
  local rank = { [names[1]] = 1, [names[2]] = 2 }
  for line in text.lines(output) do
    local path, product = line:match "^%s*(%a:\\[^|]+)|(.-)%s*$"
    local name = path and path:match "[^\\]+$":lower()
    if name and rank[name] then
      local version = tools.version(product:match "^%d+%.%d+%.%d+" or "")
      local one = { path = path, name = name, version = version }
      if not version then
        unreadable = ("the version of %s cannot be read ('%s')"):format(path, product)
      elseif not best or newer(version, best.version)
        or (not newer(best.version, version) and rank[name] < rank[best.name]) then
        best = one
      end
    end
  end
  if best then return best end
  if unreadable then return nil, unreadable .. ", and it decides which features there are", "EINVAL" end
  return nil, ("the guest has no medium with the label '%s' or an installer of that product"):format(tools.cd_label),
    "ENOENT"
end

--- The command that runs the installer; its exit code is the installer's. `command` is a result of tools.command,
-- `installer` one of tools.installer. Without the latter the medium is found by its label, for an answer file, and the
-- exit code is 2 when there is none. Returns { program=, arguments=, line= }.
function tools.from_cd(command, installer)
  local arguments = in_single_quotes(command.arguments)
  if installer then
    return by_powershell(("$p = Start-Process -FilePath %s -ArgumentList %s -Wait -PassThru; exit $p.ExitCode"):format(
      in_single_quotes(installer.path), arguments))
  end
  return by_powershell(("$v = Get-Volume | Where-Object { $_.FileSystemLabel -eq '%s' }; "
    .. "if (-not $v) { Write-Error 'no CD with the label %s'; exit 2 }; $f = $v.DriveLetter + ':\\%s'; "
    .. "if (-not (Test-Path $f)) { $f = $v.DriveLetter + ':\\%s' }; "
    .. "$p = Start-Process -FilePath $f -ArgumentList %s -Wait -PassThru; exit $p.ExitCode"):format(tools.cd_label,
    tools.cd_label, names[1], names[2], arguments))
end

--- What an exit code of the installer means, and which feature name its log reports as wrong: see gpupt.guest.msi.
tools.outcome = msi.outcome
tools.wrong_feature = msi.wrong_feature

--- The same for Linux guests: open-vm-tools from the distribution's package manager. See gpupt.guest.linux.
tools.linux = linux.tools
tools.linux_outcome = linux.outcome

return tools
