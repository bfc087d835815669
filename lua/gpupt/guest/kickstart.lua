--- ks.cfg: the answers with which Anaconda installs a system of the RHEL family (RHEL, Rocky, AlmaLinux, CentOS Stream,
-- Fedora), with open-vm-tools and an account, for EFI firmware.
-- Anaconda loads /ks.cfg from a volume with the label OEMDRV without any boot option (Red Hat, "Making a Kickstart file
-- available on a local volume for automatic loading"). The packages come from the medium that boots: the DVD image has
-- them, the boot image has not.
--
--   local kickstart = require "gpupt.guest.kickstart"
--   local text = assert(kickstart.answer { hostname = "train-01", user = "ops", password = secret })
--   kickstart.problems(text)   --> { { code="no-tools", line=, message= }, ... }
--
-- The file never contains the password: it is hashed (SHA-512-crypt) here. root is locked; the account may use sudo.
local linux_answers = require "gpupt.guest.linux_answers"
local options = require "gpupt.options"
local password_hash = require "gpupt.guest.password_hash"

local kickstart = {}

--- The label by which Anaconda finds the medium.
kickstart.label = "OEMDRV"

local answer_options = options.declare("guest.answer.kickstart", linux_answers.fields {
  { "disk", "string", default = "sda", doc = "the disk to wipe; an NVMe disk is nvme0n1" },
  { "storage", "string", choices = { "plain", "lvm" }, default = "plain", doc = "partitions, or a volume group" },
  { "environment", "string", default = "@core", doc = "the group to install, such as @^minimal-environment" },
  { "commands", "table", doc = "commands at the end of the installation, in the new system (%post)" },
})

local function check_texts(o)
  local ok, message, code = linux_answers.check(o, { "environment" }, { "commands" })
  if ok and not o.disk:find "^%l[%l%d]*$" then
    ok, message, code = nil, ("disk '%s': use the name of a disk, such as sda or nvme0n1"):format(o.disk), "EINVAL"
  end
  for _, list in ipairs { { o.environment }, o.packages or {} } do
    for _, name in ipairs(list) do
      if ok and not name:find "^[@%w][%^%w@+._:*-]*$" then
        ok, message, code = nil, ("packages: '%s' is not the name of a package or a @group"):format(name), "EINVAL"
      end
    end
  end
  for _, text in ipairs(o.commands or {}) do
    if ok and ("\n" .. text):find "\n%s*%%" then
      ok, message, code = nil, "commands: a line that begins with % would end the section", "EINVAL"
    end
  end
  return ok, message, code
end

-- A word of a command line, which Anaconda splits as a shell does.
local function word(text)
  if text:find "^[%w_./:@=+,-]+$" then return text end
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function partitions(o)
  local on = " --ondisk=" .. o.disk
  local list = { "part /boot/efi --fstype=efi --size=600" .. on, "part /boot --fstype=xfs --size=1024" .. on }
  if o.storage == "plain" then
    list[3] = "part / --fstype=xfs --size=8192 --grow" .. on
  else
    list[3] = "part pv.01 --size=8192 --grow" .. on
    list[4] = "volgroup system pv.01"
    list[5] = "logvol / --vgname=system --name=root --fstype=xfs --size=6144 --grow"
  end
  return table.concat(list, "\n")
end

--- The text of ks.cfg; nil, message, code ("EINVAL" for a bad value, "ESECRET" when a secret cannot be read).
function kickstart.answer(given)
  local o = answer_options:check(given)
  local ok, message, code = check_texts(o)
  if not ok then return nil, message, code end
  local hash
  hash, message, code = password_hash(o)
  if not hash then return nil, message, code end
  local lines = {
    "text",
    "lang " .. word(o.locale),
    "keyboard --xlayouts=" .. word(o.keyboard),
    "timezone " .. word(o.timezone) .. " --utc",
    "network --bootproto=dhcp --device=link --activate --hostname=" .. o.hostname,
    "rootpw --lock",
    ("user --name=%s%s --iscrypted --password=%s"):format(o.user, o.sudo and " --groups=wheel" or "", word(hash)),
  }
  for _, key in ipairs(o.ssh_keys or {}) do
    lines[#lines + 1] = ("sshkey --username=%s %s"):format(o.user, word(key))
  end
  table.move({
    "firewall --enabled --service=ssh",
    "services --enabled=sshd,vmtoolsd",
    "firstboot --disable",
    "eula --agreed",
    "ignoredisk --only-use=" .. o.disk,
    "zerombr",
    "clearpart --all --initlabel --disklabel=gpt --drives=" .. o.disk,
    partitions(o),
    "bootloader --boot-drive=" .. o.disk,
    "reboot --eject",
    "%packages",
    table.concat(linux_answers.packages(o, o.environment), "\n"),
    "%end",
  }, 1, 13, #lines + 1, lines)
  local commands = {}
  if o.sudo then commands[1] = linux_answers.sudo_rule(o, "") end
  table.move(o.commands or {}, 1, #(o.commands or {}), #commands + 1, commands)
  if #commands > 0 then
    lines[#lines + 1] = "%post --erroronfail\nset -e\n" .. table.concat(commands, "\n") .. "\n%end"
  end
  return table.concat(lines, "\n") .. "\n"
end

--- The problems that stop Anaconda or leave the guest without Tools: see gpupt.guest.kickstart_problems.
function kickstart.problems(text, file) return require "gpupt.guest.kickstart_problems"(text, file) end

return kickstart
