--- Names, addresses and serial numbers out of texts that are to be posted: each gets a replacement, the same one
-- wherever it stands. PCI addresses, ids of models, sizes and times stay: they are what the report is about.
--
--   local redact = require "gpupt.doctor.redact".new()
--   redact:name("vm", "train-01")       a name that is known beforehand
--   redact:learn(text)                  names that a text gives away (prompts, syslog, paths, URLs); before any apply
--   redact:apply(text)                  the text with all of them replaced
local Redact = {}
Redact.__index = Redact

-- Accounts that every host has: they identify no one.
local common = { root = true, administrator = true, admin = true, dcui = true, vpxuser = true, nobody = true,
  system = true, ["local"] = true, user = true, localhost = true, node = true, host = true, esx = true, esxi = true,
  vmkernel = true, kernel = true, vmx = true, name = true, unknown = true }

-- A dotted name is a host when it ends in one of these; file names, keys and versions do not.
local top_levels = {}
for word in ("com net org edu gov mil int info biz io cloud dev local lan corp internal intra intranet home arpa "
  .. "example test invalid localdomain de at ch fr it es nl be uk us ca au nz jp cn ru pl cz se no fi dk pt br in kr "
  .. "eu"):gmatch
  "%a+" do
  top_levels[word] = true
end

local function number_of(self, kind)
  self.counts[kind] = (self.counts[kind] or 0) + 1
  return ("%s-%d"):format(kind, self.counts[kind])
end

--- The replacement of `text`, which is of that kind.
function Redact:standin(kind, text)
  local key = text:lower()
  if not self.known[key] then
    self.known[key] = number_of(self, kind)
    self.known_standins[self.known[key]] = true
  end
  return self.known[key]
end

--- Makes a name known, so that it is replaced as a word wherever it stands.
function Redact:name(kind, text)
  if type(text) ~= "string" then return end
  text = text:match "^%s*(.*%S)" or ""
  local key = text:lower()
  if #text < 3 or common[key] or self.words[key] or not text:find "%a" then return end
  self.words[key] = self:standin(kind, text)
  self.order[#self.order + 1] = text
  self.sorted = false
end

--- A file's name: folders go, well-known names stay, others are numbered with their ending.
local well_known = { "^vmware%-?%d*%.log$", "^vmkernel[%w.%-]*$", "^vmkwarning[%w.%-]*$", "^hostd[%w.%-]*$",
  "^dmesg[%w.]*$", "^lspci[%w.]*$", "^esxcli[%w.]*$", "^nvidia%-smi[%w.]*$", "^passthru%.map$", "^esx%.conf$",
  "^standard input$", "^the [%w .]+$", "^localcli_[%w.%-]+$" }

function Redact:file(path)
  if self.files[path] then return self.files[path] end
  local base = path:match "([^/\\]+)[/\\]*$" or path
  local shown = base
  local known = false
  for _, pattern in ipairs(well_known) do known = known or base:lower():find(pattern) ~= nil end
  if not known then
    local stem, ending = base:match "^(.+)(%.%w+)$"
    stem, ending = stem or base, ending or ""
    shown = self:standin(ending:lower() == ".vmx" and "vm" or "file", stem) .. ending
    if ending:lower() == ".vmx" then self:name("vm", stem) end
  end
  self.files[path] = shown
  self.paths[#self.paths + 1] = path
  self.sorted = false
  return shown
end

-- Dotted words that are no hosts: settings, messages, types and classes, files.
local no_hosts = {}
for word in ("sched windows hypervisor uefi msg svga mks vmotion virtualhw tools guestinfo isolation log monitor "
  .. "cpuid numa disk migrate time rtc vmware bios efi smbios mem vcpu vhv vvtd config machine sound toolscripts vim "
  .. "com org java sun annotation encoding pcihole featmask replay nvram priority policy gui cleanshutdown "
  .. "softpoweroff maintenance managedvm vmx ht board uuid www"):gmatch "%a+" do
  no_hosts[word] = true
end
local devices = { "^pcipassthru%d*$", "^pcibridge%d+$", "^ethernet%d+$", "^scsi%d+$", "^nvme%d+$", "^sata%d+$",
  "^ide%d+$",
  "^usb%w*$", "^vmci%d*$", "^hpet%d*$", "^floppy%d+$", "^serial%d+$", "^parallel%d+$", "^filter%d+$" }
local file_endings = {}
for word in ("log txt vmx vmxf vmdk vmsd vswp nvram lck so c cpp h ko conf map sys dll exe py sh lua gz tgz tar rom "
  .. "bin iso md html htm json xml csv inf cat service rules ids"):gmatch "%a+" do
  file_endings[word] = true
end

--- A dotted name: of two parts only with an ending that hosts have, of more with any.
local function is_host(name)
  local lower = name:lower()
  local first, last = lower:match "^([^.]+)", lower:match "%.(%a%a+)$"
  if not last or file_endings[last] or no_hosts[first] then return false end
  for _, pattern in ipairs(devices) do
    if first:find(pattern) then return false end
  end
  local _, dots = lower:gsub("%.", "")
  -- a last part with capitals inside is a type or a message, as in vim.fault.InvalidState
  return top_levels[last] or (dots >= 2 and not name:match "%.(%a+)$":find "%l%u")
end

--- Every dotted name that is a host, with the short name that stands elsewhere.
local function learn_hosts(self, text)
  for name in text:gmatch "%f[%w]%w[%w%-]*%.[%w%-.]*%a%f[^%w%-]" do
    if is_host(name) then
      self:name("host", name)
      local short = name:match "^[^.]+"
      if short and not common[short:lower()] and not no_hosts[short:lower()] and not self.words[short:lower()] then
        self.known[short:lower()] = self.known[name:lower()]
        self:name("host", short)
      end
    end
  end
end

-- Words before a backslash that are no domain of Windows: parts of paths, of the registry and of device ids.
local no_domains = {}
for word in ("pci usb acpi root swd display hdaudio hid scsi storage sw umb htree vmware nt authority builtin "
  .. "hklm hkcu hkcr hku hkey_local_machine hkey_current_user hkey_classes_root hkey_users system software windows "
  .. "drivers local localhost vsphere"):gmatch "%S+" do
  no_domains[word] = true
end

--- CONTOSO\jdoe: a domain in capitals, as Windows and vSphere write it, and its user.
local function learn_domain_users(self, text)
  for at, domain, user, stop in text:gmatch "()(%u[%u%d%-]+)\\(%a[%w%-_.]+)()" do
    local before, after = text:sub(at - 1, at - 1), text:sub(stop, stop)
    local own = at == 1 or not before:find "[%w\\&_]"
    if own and not after:find "[\\&]" and not no_domains[domain:lower()] then
      self:name("domain", domain)
      self:name("user", user)
    end
  end
end

function Redact:learn(text)
  if type(text) ~= "string" then return end
  learn_hosts(self, text)
  learn_domain_users(self, text)
  for user in text:gmatch "%f[%w][uU]ser%s+['\"]([%w][%w%-_.]+)['\"]" do self:name("user", user) end
  for user, host in text:gmatch "([%w][%w%-_.]*)@([%w][%w%-_.]*)" do
    self:name("user", user)
    if not host:find "^[%d.]+$" then self:name("host", host) end
  end
  self:name("host", text:match "^%a%a%a%s+%d+ %d%d:%d%d:%d%d ([%w][%w%-_.]*) ")
  self:name("host", text:match "^%d%d%d%d%-%d%d%-%d%dT%S+ ([%w][%w%-_.]*) [%w%-_./]+%[?%d*%]?: ")
  for host in text:gmatch "[hH]ost ?[nN]ame%s*[:=]%s*\"?([%w][%w%-_.]*)" do self:name("host", host) end
  for name in text:gmatch "[Ee]ntity \"([^\"]+)\"" do self:name("vm", name) end
  for name in text:gmatch "[Vv]irtual machine ['\"]([^'\"]+)['\"]" do self:name("vm", name) end
  self:name("vm", text:match "^%s*[dD]isplayName%s*=%s*\"?([^\"]+)")
  self:name("vm", text:match "DICT%s+displayName%s*=%s*\"?([^\"]+)")
  self:name("network", text:match "[nN]etworkName%s*=%s*\"?([^\"]+)")
  for store, folder in text:gmatch "/vmfs/volumes/([^/%s\"]+)/([^/%s\"]+)/" do
    self:name("datastore", store)
    self:name("vm", folder)
  end
  for store in text:gmatch "/vmfs/volumes/([^/%s\"]+)" do self:name("datastore", store) end
  for store, folder in text:gmatch "%[([%w%-_ .]*%a[%w%-_ .]*)%] ([%w%-_ .]+)/" do
    self:name("datastore", store)
    self:name("vm", folder)
  end
  for user in text:gmatch "/home/([%w%-_.]+)" do self:name("user", user) end
  for user in text:gmatch "/Users/([%w%-_.]+)" do self:name("user", user) end
  for user in text:gmatch "\\Users\\([%w%-_.]+)" do self:name("user", user) end
  for user in text:gmatch "[uU]ser%s*[=:]%s*'?\"?([%w%-_.\\]+)" do self:name("user", user) end
  for user in text:gmatch "%f[%w]as user '?\"?([%w%-_.\\]+)" do self:name("user", user) end
end

-- What is replaced by its form alone, in this order: longer forms first. A function may refuse (nil).
local HEX2 = "%x%x"
local forms = {
  { "uuid", "%f[%w]%x%x%x%x%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x%f[%W]" },
  { "uuid", "%f[%w]%x%x%x%x%x%x%x%x%-%x%x%x%x%x%x%x%x%-%x%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x%f[%W]" },
  { "uuid", "%f[%w]" .. (HEX2 .. " "):rep(7) .. HEX2 .. "[%- ]" .. (HEX2 .. " "):rep(7) .. HEX2 .. "%f[%W]" },
  { "license", "%f[%w]%w%w%w%w%w%-%w%w%w%w%w%-%w%w%w%w%w%-%w%w%w%w%w%-%w%w%w%w%w%f[%W]" },
  { "mac", "%f[%w]" .. (HEX2 .. "[:%-]"):rep(5) .. "[%x:%-]*%x%x%f[%W]" },
}

--- Four numbers up to 255; more or fewer are a version.
local function is_ip4(text)
  local count = 0
  for part in text:gmatch "[^.]+" do
    count = count + 1
    if not part:find "^%d%d?%d?$" or tonumber(part) > 255 then return false end
  end
  return count == 4
end

local function is_ip6(text)
  local _, colons = text:gsub(":", "")
  if text:find("::", 1, true) then return colons <= 7 and text:find "%x" ~= nil and not text:find ":::" end
  return colons == 7
end

--- IP addresses: runs of their characters, without a letter or digit next to them.
local function addresses(self, text)
  local function alone(from, to)
    return not text:sub(from - 1, from - 1):find "%w" and not text:sub(to, to):find "%w"
  end
  text = text:gsub("()([%x:]+:[%x:]+)()", function(from, found, to)
    local plain, colon = found:match "^(.-)(:?)$"
    if found:find "::$" then plain, colon = found, "" end
    if from > 1 and not alone(from, to) or not is_ip6(plain) or #plain < 3 then return nil end
    return self:standin("ip", plain) .. colon
  end)
  return (text:gsub("()([%d.]+)()", function(from, found, to)
    local plain, dots = found:match "^(.-)(%.*)$"
    if from > 1 and text:sub(from - 1, from - 1):find "%w" or text:sub(to, to):find "%a" then return nil end
    return is_ip4(plain) and self:standin("ip", plain) .. dots or nil
  end))
end

-- The words before a serial number. With a sign between (":", "=", JSON's and XML's) any word is one, without it
-- only what looks like one: "serial port 0" and "serial8250" do not.
local SERIAL = "[sS]erial[ _]?[nN]?[uU]?[mM]?[bB]?[eE]?[rR]?"
local marked = { SERIAL .. "\"?%s*[:=#>]%s*\"?", "S/N%s*:?%s*", "[sS]ervice ?[tT]ag\"?%s*[:=]%s*\"?",
  "[aA]sset ?[tT]ag\"?%s*[:=]%s*\"?" }
local unmarked = { "%f[%w]" .. SERIAL .. "%s+\"?", "%f[%w][sS]ervice ?[tT]ag%s+" }

local function looks_like_serial(text)
  local _, digits = text:gsub("%d", "")
  return #text >= 7 and #text <= 32 and digits >= 2 and not text:find "^0x" and not text:find "%l"
    and not text:find "^%x%x%x%x%-"
end

local function serials(self, text)
  for _, before in ipairs(marked) do
    text = text:gsub("(" .. before .. ")(%w[%w%-]+)", function(said, found)
      if #found < 4 or self.known_standins[found] then return nil end
      return said .. self:standin("serial", found)
    end)
  end
  for _, before in ipairs(unmarked) do
    text = text:gsub("(" .. before .. ")(%w[%w%-]+)", function(said, found)
      if not looks_like_serial(found) then return nil end
      return said .. self:standin("serial", found)
    end)
  end
  return text
end

--- Words are matched without case and as words; the longest first.
local function replace_words(self, text)
  local lower = text:lower()
  for _, word in ipairs(self.order) do
    local key = word:lower()
    local from = 1
    while true do
      local first, last = lower:find(key, from, true)
      if not first then break end
      local before, after = lower:sub(first - 1, first - 1), lower:sub(last + 1, last + 1)
      -- a disk of the VM train-01 is train-01_1.vmdk: an underscore parts words
      if not (first > 1 and before:find "%w") and not after:find "%w" then
        local by = self.words[key]
        text = text:sub(1, first - 1) .. by .. text:sub(last + 1)
        lower = text:lower()
        from = first + #by
      else
        from = last + 1
      end
    end
  end
  return text
end

local function replace_paths(self, text)
  for _, path in ipairs(self.paths) do
    local from, by = 1, self.files[path]
    while #path >= 3 and by ~= path do
      local first, last = text:find(path, from, true)
      if not first then break end
      -- "a.log" is no part of "data.log"
      local before = text:sub(first - 1, first - 1)
      if first > 1 and before:find "[%w_]" or text:sub(last + 1, last + 1):find "[%w_]" then
        from = last + 1
      else
        text = text:sub(1, first - 1) .. by .. text:sub(last + 1)
        from = first + #by
      end
    end
  end
  return text
end

local function sort(self)
  if self.sorted then return end
  table.sort(self.order, function(a, b) return #a > #b or (#a == #b and a < b) end)
  table.sort(self.paths, function(a, b) return #a > #b or (#a == #b and a < b) end)
  self.sorted = true
end

function Redact:apply(text)
  if type(text) ~= "string" then return text end
  sort(self)
  -- free texts say anything: they go as a whole
  text = text:gsub("^(%s*[aA]nnotation%s*=%s*).*$", '%1"(removed)"'):gsub("^(%s*guestinfo%.[%w._%-]+%s*=%s*).*$",
    '%1"(removed)"'):gsub("^(%s*machine%.id%s*=%s*).*$", '%1"(removed)"')
  text = text:gsub("([pP]ass[wW]or[dt]%a*%s*[=:]%s*)[^%s,;]+", "%1(removed)"):gsub(
    "([tT]oken%s*[=:]%s*)[^%s,;]+", "%1(removed)")
  text = replace_paths(self, text)
  for _, form in ipairs(forms) do
    text = text:gsub(form[2], function(found) return self:standin(form[1], found) end)
  end
  text = text:gsub("(iqn%.%d%d%d%d%-%d%d%.)([%w.%-:_]+)", function(before, found)
    return before .. self:standin("iscsi", found)
  end)
  text = serials(self, text)
  text = text:gsub("[%w%-_.+]+@[%w%-]+%.[%w%-.]*%a", function(found)
    return not found:find "^root@" and self:standin("mail", found) or nil
  end)
  text = addresses(self, text)
  for _, kind in ipairs { "naa", "eui", "vml", "t10" } do
    text = text:gsub("%f[%w]" .. kind .. "%.([%w_]+)", function(found) return kind .. "." .. self:standin("disk",
      found) end)
  end
  text = text:gsub("(/home/)[^%s\"]+", "%1(path)"):gsub("(\\Users\\)[^%s\"]+", "%1(path)")
  text = text:gsub("/vmfs/volumes/([^/%s\"]+)([^%s\"]*)", function(store, rest)
    local base = rest:match "([^/]+)$"
    return "/vmfs/volumes/" .. (self.words[store:lower()] or self:standin("datastore", store))
      .. (base and "/.../" .. base or rest)
  end)
  text = replace_words(self, text)
  -- what is left of the names of a VM's files
  for _, ending in ipairs { "vmdk", "iso", "vswp", "nvram", "vmsd", "vmxf", "vmsn", "ova", "ovf" } do
    text = text:gsub("([%w%-_]+)(%." .. ending .. ")%f[%W]", function(stem, last)
      if stem:find "^%a+%-%d+[%-_%d]*$" and self.known_standins[stem:match "^%a+%-%d+"] then return nil end
      return self:standin("file", stem) .. last
    end)
  end
  return text
end

local redact = {}

function redact.new()
  return setmetatable({ counts = {}, known = {}, known_standins = {}, words = {}, order = {}, files = {}, paths = {},
    sorted = true },
    Redact)
end

return redact
