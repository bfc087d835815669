--- Names that a system accepts for accounts and hosts. An installer that meets another one stops at a question, or
-- makes the account under a different name, and guest operations then log in as nobody.
local characters = require "gpupt.guest.characters"

local accounts = {}

local function refuse(format, ...) return nil, format:format(...), "EINVAL" end

-- Accounts that the installed system has already: useradd refuses them, or the password goes to a system account.
local linux_taken = {}
for word in ([[root daemon bin sys sync games man lp mail news uucp proxy www-data backup list irc gnats nobody admin
  systemd-network systemd-resolve systemd-timesync messagebus syslog sshd landscape pollinate tss uuidd tcpdump
  fwupd-refresh usbmux _apt lxd]]):gmatch "%S+" do linux_taken[word] = true end

--- A Linux account: lower-case letters, digits, '_' and '-', a letter or '_' first, at most 32.
function accounts.linux(name)
  local ok, message, code = characters.line("user", name)
  if not ok then return nil, message, code end
  if not name:find "^[%l_][%l%d_%-]*$" or #name > 32 then
    return refuse("user '%s': up to 32 lower-case letters, digits, '_' and '-', a letter first", name)
  end
  if linux_taken[name] then
    return refuse("user '%s': is an account of the system itself; name another one (it may use sudo)", name)
  end
  return true
end

--- A host name of Linux: one label of RFC 1123.
function accounts.host(name)
  local ok, message, code = characters.line("hostname", name)
  if not ok then return nil, message, code end
  if not name:find "^%w[%w%-]*$" or name:find "%-$" or #name > 63 then
    return refuse("hostname '%s': up to 63 letters, digits and '-', which is neither first nor last", name)
  end
  return true
end

-- Names that Windows keeps for itself; Administrator is the one that Setup gives a password to.
local windows_taken = {}
for _, word in ipairs { "guest", "defaultaccount", "wdagutilityaccount", "system", "local service", "network service",
  "none", "everyone", "creator owner", "creator group", "network", "interactive", "anonymous logon", "users",
  "administrators", "guests", "power users", "krbtgt" } do windows_taken[word] = true end

--- A local account of Windows: 1 to 20 characters without " / \ [ ] : ; | = , + * ? < > @, not of blanks and periods
-- alone, no period or blank at the end; not the computer's name.
function accounts.windows(name, computer)
  local ok, message, code = characters.line("user", name)
  if not ok then return nil, message, code end
  if utf8.len(name) > 20 then return refuse("user '%s': Windows allows 20 characters", name) end
  local bad = name:match '["/\\%[%]:;|=,+*?<>@]'
  if bad then return refuse("user '%s': Windows does not allow '%s' in the name of an account", name, bad) end
  if name:find "^[%s%.]+$" or name:find "[%s%.]$" or name:find "^%s" then
    return refuse("user '%s': Windows allows no blank at either end and no period at the end", name)
  end
  if windows_taken[name:lower()] then
    return refuse("user '%s': Windows keeps this name for itself; name another one, or Administrator", name)
  end
  if computer and name:lower() == computer:lower() then
    return refuse("user '%s': is the computer's name too, which Windows does not allow", name)
  end
  return true
end

--- A computer name of Windows (NetBIOS): 1 to 15 letters, digits and '-'.
function accounts.computer(name)
  local ok, message, code = characters.optional("computer_name", name)
  if not ok then return nil, message, code end
  if #name > 15 or not name:find "^[%w%-]+$" or name:find "^%d+$" or name:find "^%-" or name:find "%-$" then
    return refuse("computer_name '%s': 1 to 15 letters, digits and '-', not digits alone, no '-' at either end", name)
  end
  return true
end

return accounts
