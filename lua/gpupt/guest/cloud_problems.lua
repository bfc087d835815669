--- What is wrong with the user-data and meta-data that somebody brings along.
-- cloud-init ignores a misspelt key at the top without a word (its own schema check misses that too), and
-- Ubuntu's installer refuses one below autoinstall; both are found here, with the nearest known name. A problem
-- is { code=, severity="error"|"warning", file=, line=, message= }.
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

local function flow(value) return value:find "^[%[{&*]" ~= nil end

-- entries by "path.key"
local function index(entries)
  local at = {}
  for _, entry in ipairs(entries) do
    if entry.key then
      local name = entry.path == "" and entry.key or entry.path .. "." .. entry.key
      at[name] = at[name] or entry
    end
  end
  return at
end

local function check_autoinstall(entries, at, add)
  local root = at.autoinstall
  if flow(root.value) then return end
  for _, entry in ipairs(entries) do
    if entry.path == "autoinstall" and entry.key and not contains(autoinstall, entry.key) then
      add("unknown-key", "error", entry.line, ("autoinstall has no key '%s'%s: the installer refuses the file")
        :format(entry.key, nearest.hint(entry.key, autoinstall)))
    end
  end
  local version = at["autoinstall.version"]
  if not version or version.value ~= "1" then
    add("no-version", "error", (version or root).line, "autoinstall needs version: 1")
  end
  local sections = at["autoinstall.interactive-sections"]
  if sections and sections.value ~= "[]" then
    add("asks", "error", sections.line, "interactive-sections: the installer would ask on a console that "
      .. "nobody watches")
  end
  local identity, users = at["autoinstall.identity"], at["autoinstall.user-data.users"]
  if not identity and not users and not (at["autoinstall.user-data"] and flow(at["autoinstall.user-data"].value)) then
    add("no-account", "error", root.line,
      "neither identity nor user-data/users: the installer asks for a name and a password")
  elseif identity and not flow(identity.value) then
    for _, key in ipairs { "hostname", "username", "password" } do
      local entry = at["autoinstall.identity." .. key]
      if not entry or entry.value == "" then
        add("no-account", "error", (entry or identity).line, "identity lacks " .. key)
      elseif key == "password" and not crypt.is_hash(entry.value) then
        add("plain-password", "error", entry.line,
          "identity/password must be a hash ($6$..., as `openssl passwd -6` makes it); a plain password never "
            .. "matches")
      end
    end
  end
  local storage = at["autoinstall.storage.layout.name"]
  if storage and not contains({ "lvm", "direct", "zfs", "hybrid" }, storage.value) then
    add("unknown-layout", "error", storage.line, ("no storage layout '%s': lvm, direct, zfs"):format(storage.value))
  end
end

local function check_cloud(at, add)
  local users = at.users
  if not users and not at.password and not at.chpasswd then
    add("no-password", "warning", 1, "no users, password or chpasswd: the image's default user has no password, and "
      .. "guest operations cannot log in")
  elseif users and at["users[].name"] and not flow(users.value) then
    local locked = at["users[].lock_passwd"]
    if not locked or locked.value:lower() ~= "false" then
      add("locked-password", "warning", (locked or users).line, "users: without lock_passwd: false cloud-init "
        .. "locks the "
        .. "password, and guest operations cannot log in")
    end
  end
end

local function check_user_data(text, add)
  local first = text:match "^[^\r\n]*"
  if first:find "^%s*#cloud%-config%s*$" == nil or first:find "^%s" then
    add("no-header", "error", 1, ("the first line must be #cloud-config, or cloud-init ignores the file; it is '%s'")
      :format(first:sub(1, 40)))
    return
  end
  local entries, message = yaml.outline(text)
  if not entries then
    add("not-yaml", "error", tonumber(message:match "^line (%d+)"), message)
    return
  end
  for _, entry in ipairs(entries) do
    if entry.path == "" and entry.key and not contains(top, entry.key) then
      local below = contains(autoinstall, entry.key) and " (it belongs below "
        .. "autoinstall)" or nearest.hint(entry.key, top)
      add("unknown-key", "error", entry.line, ("cloud-init knows no key '%s'%s, and ignores it without a word")
        :format(entry.key, below))
    end
  end
  local at = index(entries)
  if at.autoinstall then check_autoinstall(entries, at, add) else check_cloud(at, add) end
  if not text:gsub("#[^\n]*", ""):find("open-vm-tools", 1, true) then
    add("no-tools", at.autoinstall and "error" or "warning", 1,
      "open-vm-tools stands neither in packages nor in a command: without Tools the guest can be neither "
        .. "asked nor commanded"
      .. (at.autoinstall and "" or ", unless the image has it"))
  end
end

--- The problems of { ["user-data"] = text, ["meta-data"] = text }; an empty list when the installation would get
-- through.
return function(files)
  local problems = {}
  local file
  local function add(code, severity, line, message)
    problems[#problems + 1] = { code = code, severity = severity, file = file, line = line, message = message }
  end
  file = "user-data"
  if files["user-data"] then
    check_user_data(files["user-data"], add)
  else
    add("no-user-data", "error", nil, "user-data is missing")
  end
  file = "meta-data"
  if not files["meta-data"] then
    add("no-meta-data", "error", nil, "meta-data is missing: cloud-init then does not take the medium (an "
      .. "empty file will do)")
  else
    local entries, message = yaml.outline(files["meta-data"])
    if not entries then add("not-yaml", "error", tonumber(message:match "^line (%d+)"), message) end
  end
  return problems
end
