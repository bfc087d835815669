--- Names that a system accepts for accounts and hosts. With any other name an installer stops at a question, or creates
-- the account under a different name, and guest operations cannot log in.
local characters = require "gpupt.guest.characters"

local accounts = {}

local function refuse(format, ...) return nil, format:format(...), "EINVAL" end

-- Accounts that the installed system has already: useradd refuses them, or the password is set for a system account.
local linux_taken = {}
for word in ([[root daemon bin sys sync games man lp mail news uucp proxy www-data backup list irc gnats nobody admin
  systemd-network systemd-resolve systemd-timesync messagebus syslog sshd landscape pollinate tss uuidd tcpdump
  fwupd-refresh usbmux _apt lxd]]):gmatch "%S+" do linux_taken[word] = true end

--- A Linux account: lower-case letters, digits, '_' and '-', a letter or '_' first, at most 32.
function accounts.linux(name)
  local ok, message, code = characters.line("user", name)
  if not ok then return nil, message, code end
  if not name:find "^[%l_][%l%d_%-]*$" or #name > 32 then
    return refuse("user '%s': use up to 32 lower-case letters, digits, '_' and '-', with a letter or '_' first", name)
  end
  if linux_taken[name] then
    return refuse("user '%s': is a system account. Choose another name (it may use sudo)", name)
  end
  return true
end

--- A host name of Linux: one label of RFC 1123.
function accounts.host(name)
  local ok, message, code = characters.line("hostname", name)
  if not ok then return nil, message, code end
  if not name:find "^%w[%w%-]*$" or name:find "%-$" or #name > 63 then
    return refuse("hostname '%s': use up to 63 letters, digits and '-', without '-' at either end", name)
  end
  return true
end

-- Names that Windows reserves; Administrator is the account for which Setup sets a password.
local windows_taken = {}
for _, word in ipairs { "guest", "defaultaccount", "wdagutilityaccount", "system", "local service", "network service",
  "none", "everyone", "creator owner", "creator group", "network", "interactive", "anonymous logon", "users",
  "administrators", "guests", "power users", "krbtgt" } do windows_taken[word] = true end

--- A local account of Windows: 1 to 20 characters without " / \ [ ] : ; | = , + * ? < > @, not only blanks
-- and periods, no period or blank at the end; not the computer's name.
function accounts.windows(name, computer)
  local ok, message, code = characters.line("user", name)
  if not ok then return nil, message, code end
  if utf8.len(name) > 20 then return refuse("user '%s': Windows allows at most 20 characters", name) end
  local bad = name:match '["/\\%[%]:;|=,+*?<>@]'
  if bad then return refuse("user '%s': Windows does not allow '%s' in an account name", name, bad) end
  if name:find "^[%s%.]+$" or name:find "[%s%.]$" or name:find "^%s" then
    return refuse("user '%s': Windows allows no blank at either end and no period at the end", name)
  end
  if windows_taken[name:lower()] then
    return refuse("user '%s': is reserved by Windows. Choose another name, or Administrator", name)
  end
  if computer and name:lower() == computer:lower() then
    return refuse("user '%s': is also the computer name, which Windows does not allow", name)
  end
  return true
end

--- A computer name of Windows (NetBIOS): 1 to 15 letters, digits and '-'.
function accounts.computer(name)
  local ok, message, code = characters.optional("computer_name", name)
  if not ok then return nil, message, code end
  if #name > 15 or not name:find "^[%w%-]+$" or name:find "^%d+$" or name:find "^%-" or name:find "%-$" then
    return refuse("computer_name '%s': use 1 to 15 letters, digits and '-', not only digits, without '-' at either end",
      name)
  end
  return true
end

return accounts
