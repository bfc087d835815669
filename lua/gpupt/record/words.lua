--- Sentences and log lines without what they name: a word stays when it is one of a fixed vocabulary, the messages
-- that gpupt knows and ordinary words of such messages; anything else becomes "(...)", the same for all. So the name of
-- a VM that is called "on" looks like any other "on".
local fields = require "gpupt.record.fields"
local vmlog = require "gpupt.vmlog"

local words = {}

-- Ordinary words of faults and logs that the catalogue's entries do not have.
local ordinary = [[
  a an the of on in at to by for from with without and or not no is are was were be been being it its this that
  these those which who has have had do does did done can cannot could may might must will would should as if then
  than when while because before after during until only also already still again more most less least all any
  each every some none other another same such own new old first last next one two three virtual machine host
  hosts vm vms datastore network cluster resource pool datacenter folder device devices card cards adapter memory
  cpu cpus disk file files configuration config settings setting value values property parameter argument
  operation method task state power powered off suspended running started stopped start stop failed failure fails
  error errors warning invalid valid required requires require needs need specified specify found exist exists
  available unavailable supported unsupported allowed permitted permission denied privilege privileges user
  session login password incorrect authenticated authentication name object objects reference deleted created
  completely has been locked module failed could reason unable connect connected disconnected responding
  communicate timed out time timeout limit exceeded insufficient reservation reserved maintenance mode enter exit
  reboot rebooting shutdown shut down installed install tools guest operating system version hardware firmware
  compatible incompatible current request requested refused response server service vcenter esx esxi passthrough
  passthru pci pcie gpu gpus vgpu mmio bar bars bus slot address interrupt iommu reset general type unknown
  internal occurred performed perform processing process prevented access read write reading writing space full
  path directory parent child number size large small too many few maximum minimum greater lower equal license
  licensed feature enabled disabled enable disable active inactive pending label key hard controller ethernet
  keyboard mouse video pointing vmci ide scsi sata usb nvme floppy serial parallel port cdrom cd dvd drive
  successfully registered attached created mappings increase try domain using open close loaded unloaded released]]

-- Modules of the monitor that messages name in quotes.
local modules = { DevicePowerOn = true, MonitorLoop = true, MainMem = true, Disk = true, CPUID = true,
  DevicePowerOnEarly = true, FeatureCompatLate = true }

local vocabulary

local function add(text)
  for word in text:gsub("%%%a", " "):gmatch "%a+" do vocabulary[word:lower()] = true end
end

local function add_all(value)
  if type(value) == "string" then add(value) end
  for _, one in ipairs(type(value) == "table" and value or {}) do add_all(one) end
end

local function load()
  vocabulary = {}
  add(ordinary)
  for _, entry in ipairs(vmlog.catalogue()) do
    add_all(entry.word)
    add_all(entry.match)
    add_all(entry.cause)
  end
  for _, word in ipairs(vmlog.words()) do add(word) end
  add "barIndex realaddr type size flags Device vmx vcpu DICT CPU"
end

-- A part of a token between signs: a word, words joined by a hyphen or a slash, a number, a version, a figure of
-- VMware's with its word. A word with a number (esx-01) is a name.
local function is_part(text, figures)
  local number = text:match "^%-?(%d+)$" or text:match "^0x(%x+)$"
  if number then return #number <= figures end
  if text:find "^%d+%.%d+$" or text:find "^%d+%.%d+%.%d+$" then return #text <= 12 end
  local kind, figure = text:match "^(%l+)%-(%d+)$"
  if kind == "vmx" or kind == "vcpu" or kind == "build" then return #figure <= figures end
  for piece in text:gmatch "[^%-/]+" do
    if not (vocabulary[piece:lower()] or #piece == 1) or piece:find "%A" then return false end
  end
  return true
end

local ADDRESS = "%x%x%x%x:%x%x:%x%x%.%x"

-- figures: how long a number may be.
local function is_kept(token, figures)
  if token:find("^%p*" .. ADDRESS .. "%p*$") or token:find "^%p*%x%x:%x%x%.%x%p*$" then return true end
  if token:find "^%(PCI:%x%x%x%x:%x%x:%x%x%)?:?%p*$" then return true end
  local numbers = 0
  for part in token:gmatch "[^%[%]=%(%),;:|'\"<>!?*+]+" do
    part = part:gsub("%.+$", "")
    if not is_part(part, figures) then return false end
    if part:find "^%d" then numbers = numbers + 1 end
  end
  return numbers <= 2 -- more of them are an address
end

local function tokens(text, figures)
  local kept = text:gsub("%S+", function(token) return is_kept(token, figures) and token or "(...)" end)
  return (kept:gsub("%(%.%.%.%)[%s%(%.%)]*%(%.%.%.%)", "(...)"))
end

-- What is in quotes is a name more often than not.
local function without_quoted(text)
  for _, quote in ipairs { "'", '"', "`" } do
    text = text:gsub(quote .. "([^" .. quote .. "]*)" .. quote, function(inside)
      if not modules[inside] then return "(...)" end
    end)
  end
  return text
end

--- A sentence, such as a fault's message.
function words.filter(text)
  if not vocabulary then load() end
  return tokens(without_quoted(text), 6)
end

local prefix = { "^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d[%d.]*Z?[%d:+-]*%s*|?", "^%s*%a%a%(%d+%)", "^%s*[IWEA]%d%d%d:",
  "^%s*|?%s*vmx|?", "^%s*|?%s*vcpu%-%d+|?", "^%s*%-%s" }

-- The time, level and thread at the beginning of a line.
local function head_of(line)
  local at, moved = 1, true
  while moved do
    moved = false
    for _, pattern in ipairs(prefix) do
      local _, last = line:sub(at):find(pattern)
      if last and last > 0 then at, moved = at + last, true end
    end
  end
  return line:sub(1, at - 1), line:sub(at)
end

-- A line of a setting, as gpupt.record.fields allows; any other DICT line is a heading with a path.
local function setting(line, names)
  local before, key, between, value = line:match '^(.-DICT%s+)([%w_.:%-]+)(%s*=%s*)"?(.-)"?%s*$'
  if not key then return line:find("DICT", 1, true) and "" or nil end
  if not fields.option(key) then return "" end
  local kept = fields.option_value(value) and value or names:value(value)
  local head, rest = head_of(before)
  return ('%s%s%s%s"%s"'):format(head, tokens(rest, 6), key, between, kept)
end

--- A vmware.log: the lines that gpupt reads, the others empty, so that the numbers of lines stay.
function words.log(text, names)
  if not vocabulary then load() end
  local sought, out = vmlog.words(), {}
  for line in (text:gsub("\r", "") .. "\n"):gmatch "(.-)\n" do
    local kept = ""
    for _, word in ipairs(sought) do
      if line:find(word, 1, true) then
        local head, rest = head_of(line)
        kept = setting(line, names) or head .. tokens(without_quoted(rest), line:find "barIndex" and 20 or 9)
        break
      end
    end
    out[#out + 1] = kept
  end
  if text:sub(-1) == "\n" then out[#out] = nil end
  return table.concat(out, "\n") .. "\n"
end

return words
