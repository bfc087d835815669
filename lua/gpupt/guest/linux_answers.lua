--- What the answers of all Linux installers have in common: the options, their checks, the packages, and the rule of
-- sudo. The formats are in gpupt.guest.cloud and gpupt.guest.kickstart.
local accounts = require "gpupt.guest.accounts"
local characters = require "gpupt.guest.characters"

local linux_answers = {}

local before = {
  { "hostname", "string", required = true, doc = "letters, digits and -" },
  { "user", "string", required = true, doc = "the account to create" },
  { "password", "any", doc = "a function, a p.secret, or text; hashed here" },
  { "password_hash", "any", doc = "as in /etc/shadow ($6$...), instead of password" },
  { "salt", "string", doc = "for the hash; random when absent" },
  { "ssh_keys", "table", doc = "public keys that may log in" },
  { "sudo", "boolean", default = true, doc = "the user may use sudo without a password (drivers need root)" },
}

local after = {
  { "packages", "table", doc = "more packages; open-vm-tools and pciutils are always included" },
  { "locale", "string", default = "en_US.UTF-8", doc = "of the installed system" },
  { "keyboard", "string", default = "us", doc = "layout" },
  { "timezone", "string", default = "Etc/UTC", doc = "as Linux names it" },
  { "redacted", "boolean", default = false, doc = "shows ******** instead of every secret, and reads none" },
}

--- The fields of a format's options: the common ones, and its own between them.
function linux_answers.fields(own)
  local list = table.move(before, 1, #before, 1, {})
  table.move(own, 1, #own, #list + 1, list)
  return table.move(after, 1, #after, #list + 1, list)
end

--- Checks every common text before a file is created, and those of the format: `lines` are options of one line, `texts`
-- lists of texts of several. The secrets are checked where they are read. true, or nil, message, code.
function linux_answers.check(o, lines, texts)
  local ok, message, code = accounts.host(o.hostname)
  if ok then ok, message, code = accounts.linux(o.user) end
  for _, list in ipairs { { "locale", "keyboard" }, lines } do
    for _, name in ipairs(list) do
      if ok and o[name] then ok, message, code = characters.line(name, o[name]) end
    end
  end
  if ok then ok, message, code = characters.linux_zone(o.timezone) end
  for _, name in ipairs { "ssh_keys", "packages" } do
    if ok then ok, message, code = characters.each(name, o[name], characters.line) end
  end
  -- what apt, dnf or zypper would take for an option, or for several packages
  for _, name in ipairs(o.packages or {}) do
    if ok and type(name) == "string" and not name:find "^[@%w][%w.+:~=*/^_@-]*$" then
      ok, message, code = nil, ("packages: '%s' is not the name of a package"):format(name), "EINVAL"
    end
  end
  for _, name in ipairs(texts) do
    if ok then ok, message, code = characters.each(name, o[name], characters.lines) end
  end
  return ok, message, code
end

--- The packages to install, each once: `first`, open-vm-tools, pciutils (minimal systems have no lspci, by
-- which cards are proved), and the user's.
function linux_answers.packages(o, first)
  local list, seen = {}, {}
  for _, names in ipairs { { first }, { "open-vm-tools", "pciutils" }, o.packages or {} } do
    for _, name in ipairs(names) do
      if not seen[name] then list[#list + 1], seen[name] = name, true end
    end
  end
  return list
end

--- A command that lets the user use sudo without a password in the system below `root`.
function linux_answers.sudo_rule(o, root)
  local rule = root .. "/etc/sudoers.d/90-" .. o.user
  return ("echo '%s ALL=(ALL) NOPASSWD:ALL' > %s && chmod 0440 %s"):format(o.user, rule, rule)
end

return linux_answers
