--- Checks the user-data and meta-data that a user supplies.
-- cloud-init silently ignores a misspelt key at the top level (its own schema check misses it too), and
-- Ubuntu's installer refuses one below autoinstall; both are found here, with the nearest known name. A problem
-- is { code=, severity="error"|"warning", file=, line=, message= }.
local accounts = require "gpupt.guest.accounts"
local crypt = require "gpupt.guest.crypt"
local nearest = require "gpupt.nearest"
local yaml = require "gpupt.guest.yaml"

-- The keys of cloud-init's modules.
local top = {}
for word in ([[
  allow_public_ssh_keys ansible apk_repos apt apt_pipelining apt_reboot_if_required apt_update apt_upgrade
  authkey_hash autoinstall bootcmd byobu_by_default ca-certs ca_certs chef chpasswd cloud_config_modules
  cloud_final_modules cloud_init_modules create_hostname_file datasource datasource_list debug device_aliases
  disable_ec2_metadata disable_root disable_root_opts disk_setup drivers fan final_message fqdn fs_setup
  groups growpart grub-dpkg grub_dpkg hostname keyboard landscape launch-index locale locale_configfile lxd
  manage_etc_hosts manage_resolv_conf mcollective merge_how merge_type migrate mount_default_fields mounts
  network no_ssh_fingerprints ntp output package_reboot_if_required package_update package_upgrade packages
  password phone_home power_state prefer_fqdn_over_hostname preserve_hostname puppet random_seed reporting
  resize_rootfs resolv_conf rh_subscription rsyslog runcmd salt_minion snap spacewalk ssh ssh_authorized_keys
  ssh_deletekeys ssh_fp_console_blacklist ssh_genkeytypes ssh_import_id ssh_keys ssh_publish_hostkeys
  ssh_pwauth ssh_quiet_keygen swap system_info timezone ubuntu_advantage ubuntu_pro updates user users
  vendor_data wireguard write_files yum_repo_dir yum_repos zypper]]):gmatch "%S+" do top[#top + 1] = word end

-- The keys of Ubuntu's autoinstall, version 1.
local autoinstall = {}
for word in ([[
  version interactive-sections early-commands locale refresh-installer keyboard source network proxy apt
  storage identity active-directory ubuntu-pro ubuntu-advantage ssh codecs drivers oem snaps
  debconf-selections packages kernel kernel-crash-dumps timezone updates shutdown late-commands error-commands
  reporting user-data zdevs]])
  :gmatch "%S+" do autoinstall[#autoinstall + 1] = word end

local function contains(list, value)
  for _, one in ipairs(list) do
    if one == value then return true end
  end
  return false
end

local at, text_of = yaml.at, yaml.text

local function check_identity(identity, add)
  if identity.kind ~= "map" then
    return add("no-account", "error", identity.line, "identity must be a mapping with hostname, username and password")
  end
  for _, key in ipairs { "hostname", "username", "password" } do
    local node = identity.by[key]
    local value = text_of(node)
    if not value or value == "" then
      add("no-account", "error", (node or identity).line, "identity has no " .. key)
    elseif key == "password" then
      if not crypt.is_hash(value) then
        add("plain-password", "error", node.line, "identity/password must be a hash ($6$..., as printed by "
          .. "`openssl passwd -6`); a plain password never matches")
      end
    else
      local ok, message = (key == "hostname" and accounts.host or accounts.linux)(value)
      if not ok then add("bad-name", "error", node.line, "identity/" .. message) end
    end
  end
end

local function check_autoinstall(root, add)
  if root.kind ~= "map" then
    return add("no-version", "error", root.line, "autoinstall must be a map with version: 1")
  end
  for _, entry in ipairs(root) do
    if not contains(autoinstall, entry.key) then
      add("unknown-key", "error", entry.line, ("autoinstall has no key '%s'%s: the installer refuses the file")
        :format(entry.key, nearest.hint(entry.key, autoinstall)))
    end
  end
  local version = root.by.version
  if text_of(version) ~= "1" or not version.plain then
    add("no-version", "error", (version or root).line, "autoinstall needs version: 1")
  end
  local sections = root.by["interactive-sections"]
  if sections and (sections.kind ~= "list" or #sections > 0) then
    add("asks", "error", sections.line, "interactive-sections: the installer would wait for an answer "
      .. "on the console")
  end
  local identity = root.by.identity
  if identity then
    check_identity(identity, add)
  elseif not at(root, "user-data", "users") then
    add("no-account", "error", root.line,
      "neither identity nor user-data/users: the installer asks for a name and a password")
  end
  local storage = at(root, "storage", "layout", "name")
  if storage and not contains({ "lvm", "direct", "zfs", "hybrid" }, text_of(storage)) then
    add("unknown-layout", "error", storage.line, ("unknown storage layout '%s': use lvm, direct or zfs")
      :format(text_of(storage) or "(a " .. storage.kind .. ")"))
  end
end

local function check_users(users, add)
  local named, locked, open
  for _, user in ipairs(users.kind == "list" and users or {}) do
    local name = at(user, "name")
    if name then
      named = true
      local ok, message = accounts.linux(text_of(name) or "")
      if not ok and text_of(name) ~= "root" then add("bad-name", "error", name.line, "users: " .. message) end
      local lock = at(user, "lock_passwd")
      if yaml.truth(lock) == false then open = true else locked = locked or lock end
    end
  end
  if named and not open then
    add("locked-password", "warning", (locked or users).line, "users: without lock_passwd: false cloud-init "
      .. "locks the password, and guest operations cannot log in")
  end
end

local function check_cloud(root, add)
  local users = root.by.users
  if users then
    check_users(users, add)
  elseif not root.by.password and not root.by.chpasswd then
    add("no-password", "warning", 1, "no users, password or chpasswd: the image's default user has no password, and "
      .. "guest operations cannot log in")
  end
end

local function check_user_data(text, add)
  local first = text:match "^[^\r\n]*"
  if first:find "^%s*#cloud%-config%s*$" == nil or first:find "^%s" then
    add("no-header", "error", 1, ("the first line must be #cloud-config, or cloud-init ignores the file; it is '%s'")
      :format(first:sub(1, 40)))
    return true
  end
  local root, message, code, detail = yaml.parse(text, "user-data")
  if root == nil then
    if code == "ENOLIBRARY" then return nil, message, code end
    add("not-yaml", "error", detail and detail.line, message)
    return true
  end
  root = root or { kind = "map", line = 1, by = {} }
  if root.kind ~= "map" then
    add("not-a-map", "error", root.line, ("the file is a %s instead of a map of keys and values; cloud-init ignores it")
      :format(root.kind == "list" and "list" or "single value"))
    return true
  end
  for _, entry in ipairs(root) do
    if not contains(top, entry.key) then
      local below = contains(autoinstall, entry.key) and " (it belongs below "
        .. "autoinstall)" or nearest.hint(entry.key, top)
      add("unknown-key", "error", entry.line, ("cloud-init has no key '%s'%s and silently ignores it")
        :format(entry.key, below))
    end
  end
  local installs = root.by.autoinstall
  if installs then check_autoinstall(installs, add) else check_cloud(root, add) end
  if not yaml.mentions(root, "open-vm-tools") then
    add("no-tools", installs and "error" or "warning", 1,
      "open-vm-tools is neither in packages nor in a command: without VMware Tools, guest operations are not available"
      .. (installs and "" or ", unless the image has it"))
  end
  return true
end

local function check_meta_data(text, add)
  local root, message, code, detail = yaml.parse(text, "meta-data")
  if root == nil then
    if code == "ENOLIBRARY" then return nil, message, code end
    add("not-yaml", "error", detail and detail.line, message)
  elseif root and root.kind == "map" then
    local name = root.by["local-hostname"]
    local ok, problem = true, nil
    if name then ok, problem = accounts.host((text_of(name) or ""):match "^[^.]*") end
    if not ok then add("bad-name", "error", name.line, "local-" .. problem) end
  end
  return true
end

--- The problems of { ["user-data"] = text, ["meta-data"] = text }; an empty list when the installation would
-- succeed. nil, message, "ENOLIBRARY" where gpupt was built without the library that reads YAML.
return function(files)
  local problems = {}
  local file
  local function add(code, severity, line, message)
    problems[#problems + 1] = { code = code, severity = severity, file = file, line = line, message = message }
  end
  local rules = { { "user-data", check_user_data, "is missing" },
    { "meta-data", check_meta_data, "is missing: without it cloud-init ignores the medium (an empty file is enough)" } }
  for _, rule in ipairs(rules) do
    file = rule[1]
    if files[file] then
      local ok, message, code = rule[2](files[file], add)
      if not ok then return nil, message, code end
    else
      add("no-" .. file, "error", nil, file .. " " .. rule[3])
    end
  end
  table.sort(problems, function(a, b)
    if a.file ~= b.file then return a.file > b.file end
    if (a.line or 0) ~= (b.line or 0) then return (a.line or 0) < (b.line or 0) end
    if a.code ~= b.code then return a.code < b.code end
    return a.message < b.message
  end)
  return problems
end
