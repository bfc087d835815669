--- Checks an autounattend.xml that a user supplies, before an hour of installation is spent on it. Each problem
-- is a question that Windows Setup would ask on the console, or a reason why the guest would lack VMware Tools. It is
-- { code=, severity="error"|"warning", line=, message= }.
local accounts = require "gpupt.guest.accounts"
local medium = require "gpupt.guest.tools_medium"
local tools = require "gpupt.guest.tools"
local xml = require "gpupt.guest.xml"

local namespace = "urn:schemas-microsoft-com:unattend"

local function yes(value) return value:lower() == "true" end

local function component(root, pass, name)
  local other
  for _, settings in ipairs(xml.all(root, "settings")) do
    if settings.attr.pass == pass then
      for _, one in ipairs(xml.all(settings, "component")) do
        if one.attr.name == name then
          if (one.attr.processorArchitecture or ""):lower() == "amd64" then return one end
          other = one
        end
      end
    end
  end
  return nil, other
end

local function by_order(list)
  table.sort(list, function(a, b)
    return (tonumber(xml.value(a, "Order")) or 0) < (tonumber(xml.value(b, "Order")) or 0)
  end)
  return list
end

local function check_partitions(setup, add)
  local disk
  for _, one in ipairs(xml.all(setup, "DiskConfiguration", "Disk")) do disk = disk or one end
  if not disk then
    return add("no-disk", "error", setup.line, "DiskConfiguration with a Disk is missing: Setup asks where to "
      .. "install")
  end
  if not yes(xml.value(disk, "WillWipeDisk")) then
    add("no-wipe", "error", disk.line, "WillWipeDisk is not true: a blank disk gets no partition table")
  end
  local esp, msr, primary
  for i, one in ipairs(by_order(xml.all(disk, "CreatePartitions", "CreatePartition"))) do
    local kind, size = xml.value(one, "Type"):upper(), tonumber(xml.value(one, "Size"))
    if kind == "EFI" then
      esp = i
      if not size or size < 100 then
        add("small-esp", "error", one.line, "the EFI system partition needs a Size of at least 100 (MB)")
      end
    elseif kind == "MSR" then
      msr = i
    elseif kind == "PRIMARY" then
      primary = i
    end
    if not size and not yes(xml.value(one, "Extend")) then
      add("no-size", "error", one.line, ("partition %d has neither Size nor Extend"):format(i))
    end
  end
  if not esp then
    add("no-esp", "error", disk.line, "no partition of Type EFI: Windows cannot boot from this disk with EFI "
      .. "firmware, "
      .. "which passthrough of a large GPU needs")
  end
  if not msr then
    add("no-msr", "error", disk.line, "no partition of Type MSR: Setup refuses the layout on an EFI VM")
  end
  if not primary then
    add("no-primary", "error", disk.line, "no partition of Type Primary: Windows has no partition to install to")
  end
  local image = xml.first(setup, "ImageInstall", "OSImage")
  if not image then
    return add("no-target", "error", setup.line, "ImageInstall/OSImage is missing: Setup asks where to install")
  end
  local target = xml.value(image, "InstallTo", "PartitionID")
  if not yes(xml.value(image, "InstallToAvailablePartition")) then
    if target == "" then
      add("no-target", "error", image.line, "InstallTo has no DiskID and PartitionID: Setup asks where to install")
    elseif primary and tonumber(target) ~= primary then
      add("wrong-target", "error", image.line, ("InstallTo names partition %s, but the primary partition is %d")
        :format(target, primary))
    end
  end
end

local function check_setup(root, add)
  local language, other = component(root, "windowsPE", "Microsoft-Windows-International-Core-WinPE")
  if not language then
    add("no-language", "error", other and other.line or root.line,
      "windowsPE has no Microsoft-Windows-International-Core-WinPE for amd64: Setup asks for the language")
  elseif xml.value(language, "UILanguage") == "" then
    add("no-language", "error", language.line, "UILanguage is missing: Setup asks for the language")
  end
  local setup, wrong = component(root, "windowsPE", "Microsoft-Windows-Setup")
  if not setup then
    return add(wrong and "wrong-architecture" or "no-setup", "error", (wrong or root).line,
      wrong and "Microsoft-Windows-Setup is not for processorArchitecture amd64: 64-bit Setup ignores it"
      or "windowsPE has no component Microsoft-Windows-Setup: Setup asks for every setting")
  end
  check_partitions(setup, add)
  local user = xml.first(setup, "UserData")
  if not yes(xml.value(user, "AcceptEula")) then
    add("no-licence", "error", (user or setup).line, "UserData/AcceptEula is not true: Setup asks to accept "
      .. "the licence")
  end
  if not xml.first(setup, "ImageInstall", "OSImage", "InstallFrom", "MetaData")
    and xml.value(user, "ProductKey", "Key") == "" then
    add("no-edition", "error", setup.line,
      "neither InstallFrom/MetaData nor a ProductKey: with several editions on the medium Setup asks for one")
  end
end

local function check_accounts(shell, add)
  local known = {}
  local administrator = xml.first(shell, "UserAccounts", "AdministratorPassword")
  if administrator then known.administrator = xml.value(administrator, "Value") end
  for _, one in ipairs(xml.all(shell, "UserAccounts", "LocalAccounts", "LocalAccount")) do
    local name = xml.value(one, "Name")
    local ok, message = accounts.windows(name)
    if not ok then add("bad-name", "error", one.line, "LocalAccount/" .. message) end
    known[name:lower()] = xml.value(one, "Password", "Value")
  end
  if not next(known) then
    add("no-account", "error", shell.line, "UserAccounts has neither AdministratorPassword nor LocalAccounts: "
      .. "the first "
      .. "start asks for one, and guest operations have no account")
  end
  local auto = xml.first(shell, "AutoLogon")
  local commands = xml.all(shell, "FirstLogonCommands", "SynchronousCommand")
  if auto and yes(xml.value(auto, "Enabled")) then
    if known[xml.value(auto, "Username"):lower()] == nil then
      add("wrong-logon", "error", auto.line, ("AutoLogon as '%s', which is not an account in this file")
        :format(xml.value(auto, "Username")))
    end
  elseif #commands > 0 then
    add("no-logon", "error", commands[1].line,
      "FirstLogonCommands wait for a logon: AutoLogon with Enabled true and LogonCount 1 is missing")
  end
  return commands
end

local function check_tools_line(line, at, add)
  if line:find "[D-Zd-z]:\\+[Ss][Ee][Tt][Uu][Pp]" then
    add("cd-by-letter", "warning", at, "Tools are run from a drive letter, which depends on the number of "
      .. "drives: find "
      .. "the CD by its label '" .. medium.label .. "'")
  end
  if not (line:find "/q[nb]" or line:find "/quiet" or line:find "/passive") then
    add("tools-ask", "error", at, "the Tools installer does not run silently (/S /v\"/qn REBOOT=R\"): it "
      .. "waits for a "
      .. "person")
  end
  local known = {}
  for _, major in ipairs { 10, 11, 12 } do
    for _, name in ipairs(tools.features(major)) do known[name] = math.max(known[name] or 0, major) end
  end
  for list in line:gmatch "REMOVE=([%w_,]+)" do
    for name in list:gmatch "[%w_]+" do
      if name ~= "ALL" and not known[name] then
        add("wrong-feature", "error", at, ("REMOVE names '%s', which is not a feature of Tools: the installation "
          .. "ends with "
          .. "1603 (MSI error 2711)"):format(name))
      elseif known[name] == 11 then
        add("old-feature", "warning", at, ("REMOVE names '%s', which Tools 12 and later do not have: with them the "
          .. "installation ends with 1603 (MSI error 2711)"):format(name))
      end
    end
  end
end

local function check_commands(root, first_logon, add)
  local has_tools = false
  local function look(element, text, limit)
    if #text > limit then
      add("long-command", "error", element.line, ("a command of %d characters; at most %d are allowed")
        :format(#text, limit))
    end
    local lower = text:lower()
    if lower:find("setup64.exe", 1, true) or lower:find("setup.exe", 1, true) or lower:find("vmware tools", 1,
      true) then
      has_tools = true
      check_tools_line(text, element.line, add)
    end
  end
  local deployment = component(root, "specialize", "Microsoft-Windows-Deployment")
  local others = 0
  for _, one in ipairs(xml.all(deployment, "RunSynchronous", "RunSynchronousCommand")) do
    others = others + 1
    look(one, xml.value(one, "Path"), 259)
  end
  for _, one in ipairs(first_logon) do
    others = others + 1
    look(one, xml.value(one, "CommandLine"), 1024)
  end
  if not has_tools then
    add("no-tools", others > 0 and "warning" or "error", root.line, "no command runs the Tools installer "
      .. "(setup64.exe): "
      .. "without VMware Tools, guest operations are not available" .. (others > 0 and ", unless a script "
        .. "does it" or ""))
  end
end

--- The problems of the text, in the order of its lines; an empty list when Setup would succeed. `file` is its
-- name, for messages. nil, message, "ENOLIBRARY" where gpupt was built without the library that reads XML.
return function(text, file)
  local problems = {}
  local function add(code, severity, line, message)
    problems[#problems + 1] = { code = code, severity = severity, line = line, message = message }
  end
  local root, message, code, detail = xml.parse(text, file or "autounattend.xml")
  if not root then
    if code == "ENOLIBRARY" then return nil, message, code end
    add("not-xml", "error", detail and detail.line, message)
    return problems
  end
  if root.name ~= "unattend" or root.ns ~= namespace then
    add("not-unattend", "error", root.line, ('the root is not <unattend xmlns="%s">: Setup ignores the file')
      :format(namespace))
    return problems
  end
  check_setup(root, add)
  local name = xml.value((component(root, "specialize", "Microsoft-Windows-Shell-Setup")), "ComputerName")
  if #name > 15 then
    add("long-name", "error", root.line, ("ComputerName '%s' has more than 15 characters"):format(name))
  elseif name ~= "" and name ~= "*" then
    local ok, problem = accounts.computer(name)
    if not ok then add("bad-name", "error", root.line, "ComputerName: " .. problem) end
  end
  local shell = component(root, "oobeSystem", "Microsoft-Windows-Shell-Setup")
  if shell then
    check_commands(root, check_accounts(shell, add), add)
  else
    add("no-account", "error", root.line, "oobeSystem has no Microsoft-Windows-Shell-Setup for amd64: the "
      .. "first start "
      .. "asks for an account")
    check_commands(root, {}, add)
  end
  table.sort(problems, function(a, b)
    if (a.line or 0) ~= (b.line or 0) then return (a.line or 0) < (b.line or 0) end
    if a.code ~= b.code then return a.code < b.code end
    return a.message < b.message
  end)
  return problems
end
