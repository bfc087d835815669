--- Checks a ks.cfg that a user supplies. Each problem is a question that Anaconda would ask on the console, a reason
-- why it refuses the file, or why the guest would lack VMware Tools: { code=, severity="error"|"warning", line=,
-- message= }.
-- Sources: Red Hat, "Kickstart commands and options reference" (RHEL 8, 9 and 10: names, what is required, what happens
-- at the end); pykickstart 3.78, the handlers RHEL8, RHEL9 and RHEL10 (the names of commands and sections).
local accounts = require "gpupt.guest.accounts"
local crypt = require "gpupt.guest.crypt"
local nearest = require "gpupt.nearest"

local function words_of(text)
  local list, set = {}, {}
  for word in text:gmatch "%S+" do list[#list + 1], set[word] = word, true end
  return list, set
end

local commands, is_command = words_of [[
  auth authconfig authselect autopart autostep bootc bootloader btrfs cdrom clearpart cmdline device deviceprobe dmraid
  driverdisk eula fcoe firewall firstboot graphical group halt harddrive hmc ignoredisk install iscsi iscsiname keyboard
  lang liveimg logging logvol mediacheck method module mount multipath network nfs nvdimm ostreecontainer ostreesetup
  part partition poweroff raid rdp realm reboot repo reqpart rescue rhsm rootpw selinux services shutdown skipx snapshot
  sshkey sshpw syspurpose text timesource timezone updates url user vnc volgroup xconfig zerombr zfcp zipl]]

local sections, is_section = words_of [[
  %addon %anaconda %certificate %onerror %packages %post %pre %pre-install %traceback]]

-- The words of a line, split as a shell does; nil when a quote is not closed.
local function split(line)
  local list, current, quote, i = {}, nil, nil, 1
  while i <= #line do
    local c = line:sub(i, i)
    if quote then
      if c == quote then
        quote = nil
      elseif c == "\\" and quote == '"' and line:sub(i + 1, i + 1):find '[\\"]' then
        i = i + 1
        current = current .. line:sub(i, i)
      else
        current = current .. c
      end
    elseif c == "'" or c == '"' then
      quote, current = c, current or ""
    elseif c == "#" and not current then
      break
    elseif c:find "%s" then
      if current then list[#list + 1], current = current, nil end
    elseif c == "\\" then
      i = i + 1
      current = (current or "") .. line:sub(i, i)
    else
      current = (current or "") .. c
    end
    i = i + 1
  end
  if quote then return nil end
  if current then list[#list + 1] = current end
  return list
end

-- The value of an option: "--name=value" or "--name value".
local function option(entry, ...)
  for i, one in ipairs(entry.words) do
    for _, name in ipairs { ... } do
      if one == name then return entry.words[i + 1] or "" end
      if one:sub(1, #name + 1) == name .. "=" then return one:sub(#name + 2) end
    end
  end
end

local function has(entry, name)
  for _, one in ipairs(entry.words) do if one == name then return true end end
end

-- The commands by name, each a list of { words =, line = }, and the sections: { name =, line =, lines = {} }.
local function read(text, add)
  local found, parts, part, number = {}, {}, nil, 0
  for line in (text:gsub("\r\n", "\n") .. "\n"):gmatch "([^\n]*)\n" do
    number = number + 1
    local head = line:match "^%s*(%S+)"
    if part then
      if head == "%end" then
        part = nil
      elseif head and is_section[head] then
        add("no-end", "error", number, ("%s begins before %s of line %d ends with %%end"):format(head, part.name,
          part.line))
        part = { name = head, line = number, lines = {} }
        parts[#parts + 1] = part
      else
        part.lines[#part.lines + 1] = { text = line, line = number }
      end
    elseif head and head:sub(1, 1) == "%" then
      if head == "%include" or head == "%ksappend" then
        add("include", "warning", number, head .. ": the file is not on the medium that gpupt creates")
      elseif is_section[head] then
        part = { name = head, line = number, lines = {} }
        parts[#parts + 1] = part
      else
        add("unknown-section", "error", number, ("there is no section '%s'%s: Anaconda refuses the file")
          :format(head, nearest.hint(head, sections)))
      end
    elseif head and head:sub(1, 1) ~= "#" then
      local words = split(line)
      if not words then
        add("open-quote", "error", number, "a quote is not closed: Anaconda refuses the file")
      elseif not is_command[head] then
        add("unknown-command", "error", number, ("Anaconda has no command '%s'%s and refuses the file")
          :format(head:sub(1, 40), nearest.hint(head, commands)))
      else
        found[head] = found[head] or {}
        table.insert(found[head], { words = words, line = number })
      end
    end
  end
  if part then add("no-end", "error", part.line, part.name .. " does not end with %end: Anaconda refuses the file") end
  return found, parts
end

local function check_accounts(found, add)
  local able, locked
  for _, user in ipairs(found.user or {}) do
    local name, password = option(user, "--name"), option(user, "--password")
    local ok, message = accounts.linux(name or "")
    if not ok then add("bad-name", "error", user.line, message) end
    if not password or password == "" or has(user, "--lock") then
      locked = locked or user
    else
      able = true
      if has(user, "--iscrypted") and not crypt.is_hash(password) then
        add("plain-password", "error", user.line, "user --iscrypted: the password is not a hash ($6$..., as printed by "
          .. "`openssl passwd -6`), and never matches")
      end
    end
  end
  local root = found.rootpw and found.rootpw[#found.rootpw]
  if root and #root.words > 1 and not has(root, "--lock") then able = true end
  if able then return end
  if locked then
    add("locked-password", "warning", locked.line, "user without --password: guest operations cannot log in")
  else
    add("no-account", "error", (root or { line = 1 }).line, "neither user with a password nor rootpw: Anaconda asks "
      .. "for an account")
  end
end

local function each_partition(found)
  local list = {}
  for _, name in ipairs { "part", "partition", "logvol", "raid", "btrfs", "mount" } do
    for _, entry in ipairs(found[name] or {}) do
      list[#list + 1] = { at = name == "mount" and entry.words[3] or entry.words[2] or "", line = entry.line }
    end
  end
  return list
end

local function check_disk(found, add)
  if found.autopart or found.ostreesetup and not found.part then return end
  local root, efi, first
  for _, one in ipairs(each_partition(found)) do
    first = first or one.line
    root = root or one.at == "/"
    efi = efi or one.at == "/boot/efi"
  end
  if not root then
    return add("no-disk", "error", first or 1, "neither autopart nor a partition for /: Anaconda asks where to install")
  end
  if not efi and not found.reqpart then
    add("no-esp", "error", first, "no partition for /boot/efi (or reqpart): the system cannot boot with EFI firmware, "
      .. "which passthrough of a large GPU needs")
  end
end

local function check_end(found, add)
  if found.reboot then return end
  local off = found.poweroff or found.shutdown
  if off then
    add("powers-off", "error", off[1].line, "the VM is powered off at the end, and its Tools never run: use reboot")
  else
    add("no-reboot", "error", found.halt and found.halt[1].line or 1, "no reboot: Anaconda waits for a key at the end")
  end
end

local function check_tools(found, parts, add)
  local packages
  for _, part in ipairs(parts) do
    packages = packages or part.name == "%packages" and part
    for _, line in ipairs(part.lines) do
      local text = line.text:gsub("^%s*#.*", "")
      if part.name == "%packages" and text:find "^%s*%-%s*open%-vm%-tools" then
        return add("no-tools", "error", line.line, "%packages excludes open-vm-tools: without VMware Tools, guest "
          .. "operations are not available")
      end
      if (part.name == "%packages" or part.name == "%post") and text:find("open-vm-tools", 1, true) then return end
    end
  end
  if not packages and not (found.liveimg or found.ostreesetup or found.ostreecontainer or found.bootc) then
    return add("no-packages", "error", 1, "no %packages section: Anaconda asks what to install")
  end
  add("no-tools", "error", packages and packages.line or 1, "open-vm-tools is neither in %packages nor in %post: "
    .. "without VMware Tools, guest operations are not available")
end

--- The problems of the text, in the order of its lines; an empty list when Anaconda would succeed.
return function(text)
  local problems = {}
  local function add(code, severity, line, message)
    problems[#problems + 1] = { code = code, severity = severity, line = line, message = message }
  end
  local found, parts = read(text, add)
  for _, name in ipairs { "lang", "keyboard", "timezone" } do
    if not found[name] then add("asks", "error", 1, name .. " is missing: Anaconda asks for it") end
  end
  for _, name in ipairs { "autostep", "rescue" } do
    if found[name] then add("asks", "error", found[name][1].line, name .. ": nothing is installed unattended") end
  end
  check_accounts(found, add)
  check_disk(found, add)
  check_end(found, add)
  check_tools(found, parts, add)
  table.sort(problems, function(a, b)
    if a.line ~= b.line then return a.line < b.line end
    if a.code ~= b.code then return a.code < b.code end
    return a.message < b.message
  end)
  return problems
end
