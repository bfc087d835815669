--- The Horizon Agent in a Windows guest: the command line of its installer by version, which Windows it supports, and
-- what is installed. Nothing here talks to a guest: the step horizon.agent runs the commands and passes their outputs.
--
--   horizon.release "Omnissa-Horizon-Agent-x86_64-2603-8.18.0-24273927036.exe"  --> { text = "8.18.0", name = "2603" }
--   local c = horizon.command { version = "8.18.0", features = { "Core", "USB" } }
--   c.arguments     --> /s /v"/qn REBOOT=ReallySuppress VDM_VC_MANAGED_AGENT=1 ADDLOCAL=Core,USB"
--   horizon.windows(26200, release)        --> nil, "Windows 11 25H2 needs ... 2512 ...", "EREFUSED"
--   horizon.look()                         --> commands that look at the guest, without PowerShell
--   horizon.read(outputs)                  --> { build =, version =, features = { USB = true }, running =, service = }
local facts = require "gpupt.facts.horizon_agent"
local msi = require "gpupt.guest.msi"
local nearest = require "gpupt.nearest"
local options = require "gpupt.options"
local text = require "gpupt.text"

local horizon = {}

--- The agent's version in the name of its installer, or in a version's text: { minor =, patch =, text =, name = its
-- release, such as 2603 }; nil, message, "EINVAL".
function horizon.release(value)
  local major, minor, patch = value:match "%f[%d](%d+)%.(%d+)%.(%d+)"
  if not major then
    local name = value:match "x86_64%-(2%d[01]%d)%f[%D]" or value:match "^(2%d[01]%d)$"
    for version, release in pairs(facts.releases) do
      if release == name then
        major, minor = version:match "^(%d+)%.(%d+)$"
        patch = 0
      end
    end
  end
  if not major then
    return nil, ("'%s' has no version of the Horizon Agent (such as 8.18.0 or 2603)"):format(value), "EINVAL"
  end
  major, minor, patch = tonumber(major), tonumber(minor), tonumber(patch)
  if major ~= 8 then
    return nil, ("Horizon Agent %d.%d.%d: only those of Horizon 8 (2006 and later) are supported"):format(major, minor,
      patch), "EREFUSED"
  end
  return { minor = math.tointeger(minor), patch = math.tointeger(patch), text = ("8.%d.%d"):format(minor, patch),
    name = facts.releases["8." .. minor] }
end

local function lists(minor)
  for _, one in ipairs(facts.features) do
    if minor >= one.from then return one.list, one.sure[minor] == true end
  end
end

local function all_of(list)
  local names = {}
  for _, part in ipairs { "on", "off", "with" } do table.move(list[part], 1, #list[part], #names + 1, names) end
  return names
end

local function check_names(names, known, complaint)
  local set = {}
  for _, name in ipairs(known) do set[name] = true end
  for _, name in ipairs(names) do
    if not set[name] and name ~= "ALL" then
      return nil, ("features: %s '%s'%s; the names are case-sensitive, and a wrong one ends the installation with 1603")
        :format(complaint, tostring(name), nearest.hint(name, known)), "EINVAL"
    end
  end
  return true
end

--- Checks names of features while the agent's release is not known: true; nil, message, "EINVAL" if none has them.
function horizon.check_features(names)
  local known, seen = {}, {}
  for _, one in ipairs(facts.features) do
    for _, name in ipairs(all_of(one.list)) do
      if not seen[name] then
        seen[name] = true
        known[#known + 1] = name
      end
    end
  end
  return check_names(names, known, "no Horizon Agent has a feature")
end

--- What a public MSI property and its value may be; a message, or nil. The installer gets them inside two levels of
-- quotes, and cmd.exe may read them.
function horizon.property_problem(name, value)
  if type(name) ~= "string" or not name:find "^[%u][%u%d_]*$" then
    return ("properties: '%s' is not the name of a public property: capitals, digits and _ only"):format(tostring(name))
  end
  if name == "ADDLOCAL" or name == "REMOVE" then return "properties: use features for " .. name end
  if name == "REBOOT" then return "properties: REBOOT is always ReallySuppress, because the step reboots the guest" end
  if name:find "PASSWORD" then return "properties: a password must be a secret: use register = p.login(...)" end
  if name:find "^VDM_VC_MANAGED_AGENT$" or name:find "^VDM_SERVER_" then
    return ("properties: use server and register for %s"):format(name)
  end
  local shown = tostring(value)
  if type(value) == "boolean" or shown:find "[%c\"%%!&|<>^]" then
    return ("properties: %s = %s: use a number, or a text without quotes, line ends and any of %%!&|<>^"):format(name,
      shown)
  end
end

local command_options = options.declare("guest.horizon.command", {
  { "version", "string", required = true, doc = "of the agent: 8.18.0, 2603, or the installer's name" },
  { "features", "table", doc = "names for ADDLOCAL; default: those of a vDGA desktop" },
  { "remove", "table", doc = "installed features to remove (REMOVE)" },
  { "server", "string", doc = "an unmanaged agent: the Connection Server to register with" },
  { "user", "string", doc = "an unmanaged agent: DOMAIN\\user for the registration" },
  { "password", "string", doc = "an unmanaged agent: the variable of the environment that has the password" },
  { "properties", "table", doc = "more MSI properties: { NAME = value }" },
  { "log", "string", doc = "a file in the guest for the MSI log" },
})

-- A property's value for msiexec: in quotes if it has a blank.
local function property(name, value)
  value = tostring(value)
  return value:find "[%s,;]" and ('%s="%s"'):format(name, value) or name .. "=" .. value
end

local function chosen_features(o, release)
  local list, sure = lists(release.minor)
  local known = all_of(list)
  if not o.features then
    local names = {}
    for _, name in ipairs(list.on) do if not facts.without[name] then names[#names + 1] = name end end
    return names, sure
  end
  local ok, message, code = check_names(o.features, known, "Horizon Agent " .. release.text .. " has no feature")
  if not ok then return nil, message, code end
  local names, core = {}, false
  for i, name in ipairs(o.features) do
    names[i], core = name, core or name == "Core" or name == "ALL"
  end
  if not core then table.insert(names, 1, "Core") end -- ADDLOCAL without it fails
  return names, sure
end

--- The installer's command line: { arguments =, features = { names }, notes = { texts }, release = }. What follows /v
-- is one string in quotes, in which quotes have a backslash. nil, message, code.
function horizon.command(given)
  local o = command_options:check(given)
  local release, message, code = horizon.release(o.version)
  if not release then return nil, message, code end
  local notes = {}
  if release.minor > facts.newest then
    notes[1] = ("Horizon Agent %s is newer than the newest that is known (%s): its features are assumed to be the same")
      :format(release.text, facts.releases["8." .. facts.newest])
  end
  local features, sure
  features, sure, code = chosen_features(o, release)
  if not features then return nil, sure, code end
  if not sure and #notes == 0 then
    notes[1] = ("the features of Horizon Agent %s are assumed to be those of a neighbouring release"):format(
      release.text)
  end
  local words = { "/qn", "REBOOT=ReallySuppress", "VDM_VC_MANAGED_AGENT=" .. (o.server and "0" or "1") }
  if o.server then
    words[#words + 1] = property("VDM_SERVER_NAME", o.server)
    words[#words + 1] = property("VDM_SERVER_USERNAME", o.user)
    words[#words + 1] = ('VDM_SERVER_PASSWORD="!%s!"'):format(o.password)
  end
  words[#words + 1] = "ADDLOCAL=" .. table.concat(features, ",")
  if o.remove and #o.remove > 0 then words[#words + 1] = "REMOVE=" .. table.concat(o.remove, ",") end
  local names = {}
  for name in pairs(o.properties or {}) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    message = horizon.property_problem(name, o.properties[name])
    if message then return nil, message, "EINVAL" end
    words[#words + 1] = property(name, o.properties[name])
  end
  if o.log then words[#words + 1] = msi.log_words(o.log) end
  local arguments = '/s /v"' .. table.concat(words, " "):gsub('"', '\\"') .. '"'
  return { arguments = arguments, features = features, notes = notes, release = release }
end

--- The program that runs the installer at `path`, and its arguments. With a password cmd.exe puts it in where the
-- command has the variable's name, at the last moment (delayed expansion): it is in the environment only.
function horizon.program(command, path, secret)
  if not secret then return { program = path, arguments = command.arguments } end
  return { program = [[C:\Windows\System32\cmd.exe]],
    arguments = ('/d /v:on /s /c ""%s" %s"'):format(path, command.arguments) }
end

--- Why a password cannot be given to the installer, or nil: inside quotes that are inside quotes.
function horizon.password_problem(password)
  if password:find '["%c]' or password:find "\\$" then
    return "the password to register with has a quote, a control character or a backslash at its end, which the "
      .. "installer's command line cannot take: use another account"
  end
end

--- Whether the agent supports the guest's Windows, by its build: true and a note or nil; nil, message, "EREFUSED".
function horizon.windows(build, release)
  local row = build and facts.windows[build]
  local agent = ("Horizon Agent %s%s"):format(release.text, release.name and " (" .. release.name .. ")" or "")
  if not row then
    return true, ("whether %s supports Windows build %s is not known to gpupt (Omnissa KB 78714)"):format(agent,
      tostring(build or "?"))
  end
  if row.never then
    return nil, ("%s is no guest for Horizon: it is for new devices only (Omnissa KB 78714)"):format(row.name),
      "EREFUSED"
  end
  if not row.from then
    return true, ("%s is not in the vendor's list of any Horizon Agent (Omnissa KB 78714, 2026-09)"):format(row.name)
  end
  local service_release = row.also and row.also[release.minor]
  if release.minor >= row.from or service_release and release.patch >= service_release then return true end
  local first = facts.releases["8." .. row.from]
  local complaint = ("%s needs Horizon Agent %s (8.%d) or later, and this is %s (%s)"):format(row.name, first, row.from,
    agent, row.sure and "Omnissa KB 78714" or "from memory, see Omnissa KB 78714")
  if not row.sure then return true, complaint end
  return nil, complaint, "EREFUSED"
end

local CMD, SYSTEM = [[C:\Windows\System32\cmd.exe]], [[C:\Windows\System32\]]

--- The commands that look at the guest: its Windows build, the features that the installer wrote, the uninstall entries
-- with the agent's version, the service. None needs PowerShell, and none is read by words of the guest's language.
function horizon.look()
  local list = { { program = CMD, arguments = "/d /c ver" } }
  for _, key in ipairs(facts.feature_keys) do
    list[#list + 1] = { program = SYSTEM .. "reg.exe", arguments = ('query "%s"'):format(key) }
  end
  list[#list + 1] = { program = SYSTEM .. "reg.exe",
    arguments = [[query HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall /s]] }
  list[#list + 1] = { program = SYSTEM .. "sc.exe", arguments = "query " .. facts.service }
  return list
end

-- A line of reg.exe's answer: "    NAME    REG_SZ    VALUE".
local function values(output, take)
  for line in text.lines(output) do
    local name, value = line:match "^%s+(.-)%s%s+REG_%u+%s+(.-)%s*$"
    if name then take(name, value) else take(nil, line) end
  end
end

local function installed_version(output)
  local names, found = {}, nil
  local function close()
    if (names.DisplayName or ""):find "Horizon Agent" and names.DisplayVersion then found = names.DisplayVersion end
    names = {}
  end
  values(output, function(name, value)
    if name then names[name] = value elseif value:find "^HKEY_" then close() end
  end)
  close()
  return found
end

--- What the outputs of horizon.look say: { build =, version =, features = { name = true } or nil, service = whether it
-- is there, running = }.
function horizon.read(outputs)
  local seen = { build = math.tointeger(tonumber(outputs[1].out:match "%d+%.%d+%.(%d+)")) }
  for i = 2, 1 + #facts.feature_keys do
    if outputs[i].status == 0 then
      seen.features = seen.features or {}
      values(outputs[i].out, function(name, value)
        if name and value:lower() == "local" then seen.features[name] = true end
      end)
    end
  end
  seen.version = installed_version(outputs[#outputs - 1].out)
  local state = outputs[#outputs].status == 0 and outputs[#outputs].out:match ":%s+([1-7])%s+%u"
  seen.service, seen.running = state ~= nil and state ~= false, state == "4"
  return seen
end

--- The features that are installed in this release and are not wanted, by name.
function horizon.surplus(seen, release, features)
  local wanted, list, known = {}, {}, lists(release.minor)
  for _, name in ipairs(features) do wanted[name] = true end
  if wanted.ALL then return list end
  for _, part in ipairs { "on", "off" } do -- those that come with Core cannot be chosen
    for _, name in ipairs(known[part]) do
      if (seen.features or {})[name] and not wanted[name] then list[#list + 1] = name end
    end
  end
  table.sort(list)
  return list
end

--- What is not as wanted: a list of texts, empty if the agent of this version with these features runs.
function horizon.missing(seen, release, features)
  local list = {}
  local version = seen.version and horizon.release(seen.version)
  if not version then
    list[1] = ("the guest has no Horizon Agent %s"):format(release.text)
  elseif version.text ~= release.text then
    list[1] = ("the guest has Horizon Agent %s, not %s"):format(version.text, release.text)
  end
  for _, name in ipairs(features) do
    local there = name == "ALL" or (seen.features or {})[name]
    if not there then list[#list + 1] = ("feature %s is not installed"):format(name) end
  end
  if not seen.running then
    list[#list + 1] = seen.service and ("the service %s does not run"):format(facts.service)
      or ("there is no service %s"):format(facts.service)
  end
  return list
end

return horizon
