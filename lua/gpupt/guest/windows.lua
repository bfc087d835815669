--- autounattend.xml: the answers with which Windows Setup installs Windows and VMware Tools unattended. EFI and GPT
-- (system partition, MSR, one primary), an administrator, and the Tools installer at the first logon, from the CD that
-- is found by its label. No product or edition is built in: the image is chosen by index, name or product key.
--
--   local windows = require "gpupt.guest.windows"
--   local text = assert(windows.answer { computer_name = "CAD-01", password = secret, image = 2 })
--   windows.problems(text)   --> { { code="no-msr", line=, message= }, ... }, empty when Setup would succeed
--
-- The file contains the password in plain text, as Setup requires; Windows removes it from its own copy afterwards.
-- Delete the medium when the installation is done. Setup looks for the file in the
-- root of every medium, so the volume's label is free.
local accounts = require "gpupt.guest.accounts"
local characters = require "gpupt.guest.characters"
local options = require "gpupt.options"
local reveal = require "gpupt.guest.reveal"
local medium = require "gpupt.guest.tools_medium"
local tools = require "gpupt.guest.tools"
local xml = require "gpupt.guest.xml"

local windows = {}

local answer_options = options.declare("guest.answer.windows", {
  { "computer_name", "string", required = true, doc = "1 to 15 letters, digits and -" },
  { "password", "any", required = true, doc = "of the administrator: a function, a p.secret, or text" },
  { "user", "string", default = "Administrator", doc = "the account; another name creates a local administrator" },
  { "image", "integer|string",
    doc = "the edition in install.wim, by its index or its name (p.answer needs none if the medium has one edition)" },
  { "product_key", "any", doc = "a key, as a secret; chooses the edition when no image is named" },
  { "language", "string", default = "en-US", doc = "of the installed system and of Setup (the medium must have it)" },
  { "keyboard", "string", doc = "input locale, such as 0409:00000409; default: that of the language" },
  { "timezone", "string", default = "UTC", doc = "as Windows names it" },
  { "organization", "string", default = "", doc = "registered organization" },
  { "disk", "integer", default = 0, doc = "the disk to wipe" },
  { "esp_mb", "integer", default = 300, doc = "size of the EFI system partition" },
  { "drivers", "table", doc = "paths with drivers for Setup (pvscsi), such as E:\\drivers" },
  { "rdp", "boolean", default = true, doc = "allow Remote Desktop, with network level authentication" },
  { "tools", "table|boolean", default = true, doc = "options of guest.tools.command; false: no Tools" },
  { "commands", "table", doc = "more command lines of cmd.exe for the first logon, one after the other, after Tools" },
  { "redacted", "boolean", default = false, doc = "shows ******** instead of every secret, and reads none" },
})

local head = [[
<?xml version="1.0" encoding="utf-8"?>
<unattend xmlns="urn:schemas-microsoft-com:unattend" xmlns:wcm="http://schemas.microsoft.com/WMIConfig/2002/State">
]]

local function component(name, body)
  return ([[
    <component name="%s" processorArchitecture="amd64" publicKeyToken="31bf3856ad364e35"
               language="neutral" versionScope="nonSxS">
%s    </component>
]]):format(name, body)
end

-- {{$name}} in a template is the escaped value of that name.
local function fill(template, values)
  return (template:gsub("{{([%w_]+)}}", function(name) return assert(values[name], name) end))
end

local international = [[
      <InputLocale>{{keyboard}}</InputLocale>
      <SystemLocale>{{language}}</SystemLocale>
      <UILanguage>{{language}}</UILanguage>
      <UserLocale>{{language}}</UserLocale>
]]

local disks = [[
      <DiskConfiguration>
        <WillShowUI>OnError</WillShowUI>
        <Disk wcm:action="add">
          <DiskID>{{disk}}</DiskID>
          <WillWipeDisk>true</WillWipeDisk>
          <CreatePartitions>
            <CreatePartition wcm:action="add">
              <Order>1</Order><Type>EFI</Type><Size>{{esp_mb}}</Size>
            </CreatePartition>
            <CreatePartition wcm:action="add">
              <Order>2</Order><Type>MSR</Type><Size>16</Size>
            </CreatePartition>
            <CreatePartition wcm:action="add">
              <Order>3</Order><Type>Primary</Type><Extend>true</Extend>
            </CreatePartition>
          </CreatePartitions>
          <ModifyPartitions>
            <ModifyPartition wcm:action="add">
              <Order>1</Order><PartitionID>1</PartitionID><Format>FAT32</Format><Label>System</Label>
            </ModifyPartition>
            <ModifyPartition wcm:action="add">
              <Order>2</Order><PartitionID>2</PartitionID>
            </ModifyPartition>
            <ModifyPartition wcm:action="add">
              <Order>3</Order><PartitionID>3</PartitionID><Format>NTFS</Format><Label>Windows</Label><Letter>C</Letter>
            </ModifyPartition>
          </ModifyPartitions>
        </Disk>
      </DiskConfiguration>
      <ImageInstall>
        <OSImage>
{{from}}          <InstallTo><DiskID>{{disk}}</DiskID><PartitionID>3</PartitionID></InstallTo>
        </OSImage>
      </ImageInstall>
      <UserData>
        <AcceptEula>true</AcceptEula>
        <FullName>{{user}}</FullName>
        <Organization>{{organization}}</Organization>
{{key}}      </UserData>
]]

local oobe = [[
      <OOBE>
        <HideEULAPage>true</HideEULAPage>
        <HideOEMRegistrationScreen>true</HideOEMRegistrationScreen>
        <HideOnlineAccountScreens>true</HideOnlineAccountScreens>
        <HideWirelessSetupInOOBE>true</HideWirelessSetupInOOBE>
        <ProtectYourPC>3</ProtectYourPC>
      </OOBE>
      <UserAccounts>
{{account}}      </UserAccounts>
      <AutoLogon>
        <Enabled>true</Enabled>
        <LogonCount>1</LogonCount>
        <Username>{{user}}</Username>
        <Password><Value>{{password}}</Value><PlainText>true</PlainText></Password>
      </AutoLogon>
]]

-- Microsoft-Windows-TerminalServices-LocalSessionManager, fDenyTSConnections: "You must also enable the Remote Desktop
-- group in Windows Firewall". The group's name depends on the language of Windows, its resource does not.
local remote_desktop = {
  { "Microsoft-Windows-TerminalServices-LocalSessionManager",
    "      <fDenyTSConnections>false</fDenyTSConnections>\n" },
  { "Networking-MPSSVC-Svc", [[
      <FirewallGroups>
        <FirewallGroup wcm:action="add" wcm:keyValue="RemoteDesktop">
          <Active>true</Active><Group>@FirewallAPI.dll,-28752</Group><Profile>all</Profile>
        </FirewallGroup>
      </FirewallGroups>
]] },
}

local product_key = [[
        <ProductKey><Key>{{product_key}}</Key><WillShowUI>OnError</WillShowUI></ProductKey>
]]

local administrator = [[
        <AdministratorPassword><Value>{{password}}</Value><PlainText>true</PlainText></AdministratorPassword>
]]

local local_account = [[
        <LocalAccounts>
          <LocalAccount wcm:action="add">
            <Name>{{user}}</Name><Group>Administrators</Group>
            <Password><Value>{{password}}</Value><PlainText>true</PlainText></Password>
          </LocalAccount>
        </LocalAccounts>
]]

--- Checks every text before a file is created. The secrets are checked where they are read.
local function check_texts(o)
  local ok, message, code = accounts.computer(o.computer_name)
  if ok then ok, message, code = accounts.windows(o.user, o.computer_name) end
  if ok then ok, message, code = characters.optional("organization", o.organization) end
  for _, name in ipairs { "language", "keyboard" } do
    if ok and o[name] then ok, message, code = characters.line(name, o[name]) end
  end
  if ok then ok, message, code = characters.windows_zone(o.timezone) end
  if ok and not o.language:find "^%a%a%a?%-[%w%-]+$" then
    ok, message, code = nil, ("language '%s': expected a tag such as en-US"):format(o.language), "EINVAL"
  end
  if ok and type(o.image) == "string" then ok, message, code = characters.line("image", o.image) end
  if ok and math.type(o.image) and o.image < 1 then
    ok, message, code = nil, ("image %d: the indexes of install.wim start at 1"):format(o.image), "EINVAL"
  end
  if ok and o.disk < 0 then ok, message, code = nil, "disk: the first disk is 0", "EINVAL" end
  if ok then ok, message, code = characters.each("drivers", o.drivers, characters.line) end
  if ok then ok, message, code = characters.each("commands", o.commands, characters.line) end
  return ok, message, code
end

local function image_from(o)
  if not o.image then return "" end
  local key = math.type(o.image) and "/IMAGE/INDEX" or "/IMAGE/NAME"
  local value, message, code = xml.text("image", tostring(o.image))
  if not value then return nil, message, code end
  return ('          <InstallFrom><MetaData wcm:action="add"><Key>%s</Key><Value>%s</Value></MetaData></InstallFrom>\n')
    :format(key, value)
end

-- What keeps a command from being one of several on a line of cmd.exe; nil if nothing does.
local function unfinished(line)
  local depth, quoted = 0, false
  for c in line:gmatch '["()]' do
    if c == '"' then quoted = not quoted end
    if not quoted then depth = depth + (c == "(" and 1 or c == ")" and -1 or 0) end
    if depth < 0 then break end
  end
  return quoted and "a quote is not closed" or depth ~= 0 and "its parentheses are not in pairs" or nil
end

-- One command line for all: Windows starts the commands of FirstLogonCommands at the same time (Microsoft's reference,
-- SynchronousCommand/Order), and cmd.exe runs them in order. With /s it removes the outer quotes and no others; the
-- parentheses keep an `if` from taking the commands behind it.
local function in_order(tools_line, commands)
  if #commands == 0 then return tools_line end
  local list = { tools_line or nil }
  for i, line in ipairs(commands) do
    local problem = unfinished(line)
    if problem then return nil, ("commands, entry %d: %s"):format(i, problem), "EINVAL" end
    list[#list + 1] = "(" .. line .. ")"
  end
  return 'cmd.exe /s /c "' .. table.concat(list, " & ") .. '"'
end

local function first_logon(tools_line, commands)
  if not tools_line and #commands == 0 then return "" end
  local line, message, code = in_order(tools_line, commands)
  if not line then return nil, message, code end
  -- Setup truncates longer ones, or refuses the whole file
  if #line > 1024 then
    return nil, ("the commands for the first logon, with that of Tools, have %d characters; at most 1024 are allowed")
      :format(#line), "EINVAL"
  end
  local text
  text, message, code = xml.text("commands", line)
  if not text then return nil, message, code end
  return ('      <FirstLogonCommands>\n        <SynchronousCommand wcm:action="add"><Order>1</Order><CommandLine>%s'
    .. "</CommandLine></SynchronousCommand>\n      </FirstLogonCommands>\n"):format(text)
end

local function tools_line(given)
  if given == false then return false end
  local o = {}
  for key, value in pairs(given == true and {} or given) do o[key] = value end
  -- The Tools release on the CD is not known here; the feature names of 12 exist in every release.
  o.version = o.version or 12
  local command, message, code = tools.command(o)
  if not command then return nil, "tools: " .. message, code end
  return medium.from_cd(command).line
end

--- The text of autounattend.xml; nil, message, code ("EINVAL" for a bad value, "ESECRET" when a secret cannot be
-- read).
function windows.answer(given)
  local o = answer_options:check(given)
  local ok, message, code = check_texts(o)
  if not ok then return nil, message, code end
  if not o.image and not o.product_key then
    return nil, "set image (an index or a name in install.wim) or product_key, or Setup asks for the edition",
      "EINVAL"
  end
  if o.esp_mb < 100 then return nil, "esp_mb: an EFI system partition needs at least 100 MB", "EINVAL" end
  local values = {}
  local texts = { language = o.language, keyboard = o.keyboard or o.language, timezone = o.timezone, user = o.user,
    organization = o.organization, computer_name = o.computer_name, disk = tostring(o.disk),
    esp_mb = tostring(o.esp_mb) }
  for _, name in ipairs { "password", "product_key" } do
    if o[name] then
      texts[name], message, code = reveal(name, o[name], o.redacted)
      if not texts[name] then return nil, message, code end
    end
  end
  for name, text in pairs(texts) do
    values[name], message, code = xml.text(name, text)
    if not values[name] then return nil, message, code end
  end
  values.from, message, code = image_from(o)
  if not values.from then return nil, message, code end
  values.key = values.product_key and fill(product_key, values) or ""
  values.account = fill(o.user:lower() == "administrator" and administrator or local_account, values)

  local line
  line, message, code = tools_line(o.tools)
  if line == nil then return nil, message, code end
  local commands
  commands, message, code = first_logon(line, o.commands or {})
  if not commands then return nil, message, code end

  local pe = component("Microsoft-Windows-International-Core-WinPE",
    fill("      <SetupUILanguage><UILanguage>{{language}}</UILanguage></SetupUILanguage>\n" .. international, values))
    .. component("Microsoft-Windows-Setup", fill(disks, values))
  if o.drivers then
    local paths = {}
    for i, path in ipairs(o.drivers) do
      local text
      text, message, code = xml.text("drivers", path)
      if not text then return nil, message, code end
      paths[i] = ('        <PathAndCredentials wcm:action="add" wcm:keyValue="%d"><Path>%s</Path>'
        .. "</PathAndCredentials>\n"):format(i, text)
    end
    pe = pe .. component("Microsoft-Windows-PnpCustomizationsWinPE",
      "      <DriverPaths>\n" .. table.concat(paths) .. "      </DriverPaths>\n")
  end
  local shell = fill("      <ComputerName>{{computer_name}}</ComputerName>\n"
    .. "      <TimeZone>{{timezone}}</TimeZone>\n", values)
  local specialize = component("Microsoft-Windows-Shell-Setup", shell)
  for _, one in ipairs(o.rdp and remote_desktop or {}) do specialize = specialize .. component(one[1], one[2]) end
  return table.concat {
    head,
    '  <settings pass="windowsPE">\n', pe, "  </settings>\n",
    '  <settings pass="specialize">\n', specialize, "  </settings>\n",
    '  <settings pass="oobeSystem">\n',
    component("Microsoft-Windows-International-Core", fill(international, values)),
    component("Microsoft-Windows-Shell-Setup", fill(oobe, values) .. commands), "  </settings>\n",
    "</unattend>\n",
  }
end

--- The problems that stop Setup or leave the guest without Tools: see gpupt.guest.windows_problems.
function windows.problems(text, file) return require "gpupt.guest.windows_problems"(text, file) end

return windows
