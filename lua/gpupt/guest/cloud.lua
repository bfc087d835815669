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
-- the answers cannot change: p.os.install types yes then (its option keys).
local linux_answers = require "gpupt.guest.linux_answers"
local options = require "gpupt.options"
local password_hash = require "gpupt.guest.password_hash"
local yaml = require "gpupt.guest.yaml"

local cloud = {}

--- The label by which cloud-init finds its medium.
cloud.label = "CIDATA"

local answer_options = options.declare("guest.answer.cloud_init", linux_answers.fields {
  { "autoinstall", "boolean", default = true, doc = "answers for the Ubuntu installer; false: for a cloud image" },
  { "storage", "string", choices = { "direct", "lvm", "zfs" }, default = "direct", doc = "layout of the disk" },
  { "late_commands", "table", doc = "commands at the end of the installation; /target is the new system" },
  { "runcmd", "table", doc = "commands at the first boot" },
  { "instance_id", "string", doc = "of meta-data; default: the host name. cloud-init runs once for each" },
})

local function autoinstall(o, hash)
  local late = table.move(o.late_commands or {}, 1, #(o.late_commands or {}), 1, {})
  if o.sudo then
    table.insert(late, 1, "mkdir -p /target/etc/sudoers.d && " .. linux_answers.sudo_rule(o, "/target"))
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
    { "packages", linux_answers.packages(o) },
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
    { "packages", linux_answers.packages(o) },
  }
  if o.runcmd then map[#map + 1] = { "runcmd", o.runcmd } end
  return map
end

--- The files of the medium: { ["user-data"] = text, ["meta-data"] = text }; nil, message, code.
function cloud.answer(given)
  local o = answer_options:check(given)
  local ok, message, code = linux_answers.check(o, { "instance_id" }, { "late_commands", "runcmd" })
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
