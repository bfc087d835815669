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
--   local o = tools.outcome(3010)             --> { success=true, reboot=true, retry=false, meaning="..." }
--   local l = tools.linux { id = "ubuntu" }   --> { family="debian", check=, install=, ... }: shell text
--
-- The installer that is mounted decides (its name, version and Feature table: gpupt.guest.tools_medium), not the Tools
-- that run in the guest: with a 12.4 medium in a guest with Tools 11.3.5, REMOVE=AppDefense ends in 1603.
--
-- Which features are removed (ADDLOCAL=ALL installs everything first):
--   Hgfs, VSS             always
--   AppDefense            where the installer has it (Tools 11 and older): 12 fails with MSI error 2711
--   SVGA                  only if a Horizon Agent before 2111, or of unknown version, will be installed
--   NetworkIntrospection  only if NSX is not used
-- FileIntrospection stays, although ADDLOCAL=ALL installs it too: agentless virus scanners use it without
-- NSX networking. Without either, set `remove = { "FileIntrospection" }`.
local nearest = require "gpupt.nearest"
local options = require "gpupt.options"
local linux = require "gpupt.guest.linux"
local msi = require "gpupt.guest.msi"
local versions = require "gpupt.guest.tools_version"

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
  { "horizon", "boolean|string", default = false,
    doc = "the Horizon Agent will be installed afterwards: true, or its version, such as 2306 or 8.10" },
  { "nsx", "boolean", default = false, doc = "NSX is used, so its network driver must stay" },
  { "features", "table", doc = "the feature names of this installer, if they were read from its Feature table" },
  { "remove", "table", doc = "more features to remove" },
  { "keep", "table", doc = "features to keep even if the rules would remove them" },
  { "reboot", "boolean", default = false, doc = "lets the installer reboot the guest (without REBOOT=R)" },
  { "log", "string", doc = "a file in the guest for the MSI log" },
  { "program", "string", default = "setup64.exe", doc = "the installer, with its path where that is known" },
})

-- Horizon 8.4 is 2111: since then the Agent has an indirect display driver, and SVGA serves the console. Source:
-- Horizon 2309 documentation, from memory.
local INDIRECT_DISPLAY = 2111

-- Whether the Agent replaces the display driver of Tools; an Agent of unknown version does. nil, message if the text is
-- not a version.
local function replaces_display(horizon)
  if type(horizon) ~= "string" then return horizon == true end
  local year_month = horizon:match "^(%d%d%d%d)%f[%D]" or horizon:match "^(%d%d%d%d)$"
  if year_month then return tonumber(year_month) < INDIRECT_DISPLAY end
  local major, minor = horizon:match "^(%d+)%.(%d+)"
  if not major then
    return nil, ("horizon = '%s' is not the version of a Horizon Agent (such as 2306 or 8.10)"):format(horizon)
  end
  return tonumber(major) < 8 or tonumber(major) == 8 and tonumber(minor) < 4
end

-- The rules, in this order; `read`: the features were read from the installer.
local rules = {
  { "Hgfs", "shared folders are a workstation feature", function() return true end },
  { "VSS", "it is for quiesced snapshots, which passthrough does not support", function() return true end },
  { "AppDefense", "the product is discontinued; Tools 12 no longer has the feature",
    function(_, version, read) return read or version.major <= 11 end },
  { "SVGA", "the Horizon Agent brings its own display driver", function(o) return replaces_display(o.horizon) end },
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
  local version, message, code = versions.read(o.version)
  if not version then return nil, message, code end
  local replaces, problem = replaces_display(o.horizon)
  if replaces == nil then return nil, problem, "EINVAL" end
  local notes = {}
  if type(o.horizon) == "string" and not replaces then
    notes[1] = ("SVGA stays: the Agent %s has a display driver of its own kind, and SVGA serves the console")
      :format(o.horizon)
  end
  local list, read = o.features, o.features ~= nil
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
    if applies(o, version, read) then
      if known[name] then
        leave_out(name, reason)
      elseif name ~= "AppDefense" or version.major <= 11 then
        notes[#notes + 1] = name .. " is not removed: this installer does not have it"
      end
    end
  end
  for _, name in ipairs(o.remove or {}) do leave_out(name, "requested") end

  if o.program:lower():match "[^\\/]*$" == "setup.exe" and version.major >= 12 then
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

--- Reads a Tools version, and compares two: see gpupt.guest.tools_version.
tools.version = versions.read
tools.newer = versions.newer

--- What an exit code of the installer means, and which feature name its log reports as wrong: see gpupt.guest.msi.
tools.outcome = msi.outcome
tools.wrong_feature = msi.wrong_feature

--- The same for Linux guests: open-vm-tools from the distribution's package manager. See gpupt.guest.linux.
tools.linux = linux.tools
tools.linux_outcome = linux.outcome

return tools
