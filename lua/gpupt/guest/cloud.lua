--- user-data and meta-data: the answers with which a Linux installation gets open-vm-tools and an account. With
-- autoinstall (the default) for the Ubuntu server installer; without it for a cloud image that cloud-init configures
-- at its first boot. Both read a medium with the label CIDATA and the two files in its root.
--
--   local cloud = require "gpupt.guest.cloud"
--   local files = assert(cloud.answer { hostname = "train-01", user = "ops", password = secret })
--   files["user-data"], files["meta-data"]
--   cloud.problems(files)      --> { { code="unknown-key", file="user-data", line=3, message="..." }, ... }
--
-- The files never contain the password: it is hashed (SHA-512-crypt) here. An existing hash is given as
-- `password_hash`. Guest operations log in with this account, so a password is needed even with ssh keys. The Ubuntu
-- installer asks "Continue with autoinstall?" unless the kernel command line of its medium contains autoinstall, which
-- the answers cannot change.
local accounts = require "gpupt.guest.accounts"
local characters = require "gpupt.guest.characters"
local options = require "gpupt.options"
local password_hash = require "gpupt.guest.password_hash"
local yaml = require "gpupt.guest.yaml"

local cloud = {}

--- The label by which cloud-init finds its medium.
cloud.label = "CIDATA"

local answer_options = options.declare("guest.answer.cloud_init", {
  { "hostname", "string", required = true, doc = "letters, digits and -" },
  { "user", "string", required = true, doc = "the account to create" },
  { "password", "any", doc = "a function, a p.secret, or text; hashed here" },
  { "password_hash", "any", doc = "as in /etc/shadow ($6$...), instead of password" },
  { "salt", "string", doc = "for the hash; random when absent" },
  { "ssh_keys", "table", doc = "public keys that may log in" },
  { "sudo", "boolean", default = true, doc = "the user may use sudo without a password (drivers need root)" },
  { "autoinstall", "boolean", default = true, doc = "answers for the Ubuntu installer; false: for a cloud image" },
  { "storage", "string", choices = { "direct", "lvm", "zfs" }, default = "direct", doc = "layout of the disk" },
  { "packages", "table", doc = "more packages; open-vm-tools is always included" },
  { "late_commands", "table", doc = "commands at the end of the installation; /target is the new system" },
  { "runcmd", "table", doc = "commands at the first boot" },
  { "locale", "string", default = "en_US.UTF-8", doc = "of the installed system" },
  { "keyboard", "string", default = "us", doc = "layout" },
  { "timezone", "string", default = "Etc/UTC", doc = "as Linux names it" },
  { "instance_id", "string", doc = "of meta-data; default: the host name. cloud-init runs once for each" },
  { "redacted", "boolean", default = false, doc = "shows ******** instead of every secret, and reads none" },
})

--- Checks every text before a file is created. The secrets are checked where they are read.
local function check_texts(o)
  local ok, message, code = accounts.host(o.hostname)
  if ok then ok, message, code = accounts.linux(o.user) end
  for _, name in ipairs { "locale", "keyboard", "instance_id" } do
    if ok and o[name] then ok, message, code = characters.line(name, o[name]) end
  end
  if ok then ok, message, code = characters.linux_zone(o.timezone) end
  for _, name in ipairs { "ssh_keys", "packages" } do
    if ok then ok, message, code = characters.each(name, o[name], characters.line) end
  end
  -- what apt, dnf or zypper would take for an option, or for several packages
  for _, name in ipairs(o.packages or {}) do
    if ok and type(name) == "string" and not name:find "^[@%w][%w.+:~=*/^_-]*$" then
      ok, message, code = nil, ("packages: '%s' is not the name of a package"):format(name), "EINVAL"
    end
  end
  for _, name in ipairs { "late_commands", "runcmd" } do
    if ok then ok, message, code = characters.each(name, o[name], characters.lines) end
  end
  return ok, message, code
end

local function packages_of(o)
  local list = { "open-vm-tools" }
  for _, name in ipairs(o.packages or {}) do
    if name ~= "open-vm-tools" then list[#list + 1] = name end
  end
  return list
end

local function autoinstall(o, hash)
  local late = table.move(o.late_commands or {}, 1, #(o.late_commands or {}), 1, {})
  if o.sudo then
    local rule = "/target/etc/sudoers.d/90-" .. o.user
    table.insert(late, 1, ("mkdir -p /target/etc/sudoers.d && echo '%s ALL=(ALL) NOPASSWD:ALL' > %s && chmod 0440 %s")
      :format(o.user, rule, rule))
  end
  local map = yaml.map {
    { "version", 1 },
    { "locale", o.locale },
    { "keyboard", yaml.map { { "layout", o.keyboard } } },
    { "timezone", o.timezone },
    { "identity", yaml.map { { "hostname", o.hostname }, { "username", o.user }, { "password", hash } } },
    { "ssh", yaml.map { { "install-server", true }, { "allow-pw", o.ssh_keys == nil },
      { "authorized-keys", o.ssh_keys or {} } } },
    { "storage", yaml.map { { "layout", yaml.map { { "name", o.storage } } } } },
    { "packages", packages_of(o) },
  }
  if #late > 0 then map[#map + 1] = { "late-commands", late } end
  if o.runcmd then map[#map + 1] = { "user-data", yaml.map { { "runcmd", o.runcmd } } } end
  return yaml.map { { "autoinstall", map } }
end

local function cloud_image(o, hash)
  local user = yaml.map {
    { "name", o.user }, { "shell", "/bin/bash" }, { "lock_passwd", false }, { "passwd", hash },
  }
  if o.sudo then user[#user + 1] = { "sudo", "ALL=(ALL) NOPASSWD:ALL" } end
  if o.ssh_keys then user[#user + 1] = { "ssh_authorized_keys", o.ssh_keys } end
  local map = yaml.map {
    { "hostname", o.hostname },
    { "locale", o.locale },
    { "keyboard", yaml.map { { "layout", o.keyboard } } },
    { "timezone", o.timezone },
    { "users", { user } },
    { "package_update", true },
    { "packages", packages_of(o) },
  }
  if o.runcmd then map[#map + 1] = { "runcmd", o.runcmd } end
  return map
end

--- The files of the medium: { ["user-data"] = text, ["meta-data"] = text }; nil, message, code.
function cloud.answer(given)
  local o = answer_options:check(given)
  local ok, message, code = check_texts(o)
  if not ok then return nil, message, code end
  if o.late_commands and not o.autoinstall then
    return nil, "late_commands need autoinstall; use runcmd for a cloud image", "EINVAL"
  end
  local hash
  hash, message, code = password_hash(o)
  if not hash then return nil, message, code end
  local map = o.autoinstall and autoinstall(o, hash) or cloud_image(o, hash)
  local user_data = "#cloud-config\n" .. yaml.write(map)
  return {
    ["user-data"] = user_data,
    ["meta-data"] = yaml.write(yaml.map {
      { "instance-id", o.instance_id or o.hostname }, { "local-hostname", o.hostname },
    }),
  }
end

--- The problems that stop the installation or leave the guest without Tools: see gpupt.guest.cloud_problems.
function cloud.problems(files) return require "gpupt.guest.cloud_problems"(files) end

return cloud
