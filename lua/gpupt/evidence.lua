--- Evidence: any text that people have about a card, read into facts of one shape.
-- The form of a text is recognised by what is in it, never by its name; a text may hold several forms one after
-- another.
-- A text in which no form is found is said to be unread. docs/guide/evidence.md lists the forms, the commands that
-- give them, and what is read.
--
--   local read = gpupt.check(require "gpupt.evidence".read "nvidia-smi.txt")
--
-- The result:
--   name      of the file; "standard input" for -
--   forms     {{form=, line=}...} in the order met; `unread` = true when there is none
--   cards     {card...}: what each form says of each card. A card has the fields of gpupt.pci's records as far as they
--             are known (address, vendor, device, subvendor, subdevice, class, vendor_name, device_name, bars,
--             unassigned, link, numa_node, driver, owner, configured_owner, capable, enabled, reset_method, sharable,
--             parent, dependent), and: name (as the driver gives it), where ("host", "guest" or nil), index, id (of
--             Windows), state, problem_code, driver_version, driver_release (of NVIDIA on Windows), driver_model,
--             memory_mb, uuid, virtualization, license, mig, fabric, graphics_type, vms, active; file, line, form, text
--   devices   the list of PCI devices in the text, when it has one, as pci.parse gives it; with device_lines (by
--             address), complete (true, false or "unknown") and complete_why
--   software  {{what="nvidia-driver"|"cuda"|"amdgpu"|"rocm"|"esxi"|"vmware-tools"|"horizon-agent", version=, ...}...}
--   exits     {{program=, code=, name=, success=, meaning=, feature=, action=, ...}...}
--   signs     {{code=, severity=, cause=, remedy=, text=, ...}...}: what the text itself says is wrong
--   resets    the lines of passthru.map: {{vendor=, device= (0xffff any), method=, shareable=, ...}...}
--   host      {graphics = {type=, policy=, ...}, system_id = {id=, ...}}
--   topology  of nvidia-smi topo -m: {gpus=, links={{"GPU0", "GPU1", "NV12"}...}, ...}
--   damage    what pasting did to the text, each kind once: {{code=, line=, count=, text=}...}
--   commands  what was typed at the prompts in it
--   where     "host", "guest" or nil: whose the text is
-- `...` stands for file, line and text: each fact says where it comes from.
local failure = require "gpupt.failure"
local options = require "gpupt.options"
local stdin = require "gpupt.stdin"

local evidence = {}

-- The order counts: what one form takes is not offered to the next.
local FORMS = { "nvidia", "amd", "esxi", "msi", "lshw", "powercli", "windows" }

local LIMIT = 64 << 20

local function forms()
  local list = {}
  for i, name in ipairs(FORMS) do list[i] = require("gpupt.evidence.forms." .. name).form end
  return list
end

local read_options = options.declare("evidence.read", {
  { "names", "string|boolean", default = true, doc = "a pci.ids file; true for the system's; false for no names" },
  { "keep", "boolean", default = false, doc = "keep the text, plain, as `bytes` of the result" },
})

local function has(text, words)
  for _, word in ipairs(words) do
    if text:find(word, 1, true) then return true end
  end
  return false
end

-- Which tool wrote a list of PCI devices, by its own words.
local function list_form(text)
  if text:find "Passthru Capable:" or text:find "Vendor ID: 0x%x" then return "esxcli hardware pci list" end
  if text:find "Device ID%s+Enabled" then return "esxcli hardware pci pcipassthru list" end
  if text:find "pci %x+:%x+:%x+%.%x: " then return "kernel log" end
  if text:find "%x%x%x%x:%x%x%x%x %x%x%x%x:%x%x%x%x %a" then return "vmkchdev -l" end
  return "lspci"
end

-- A guest of vSphere has VMware's own devices; ESXi's tools never print what Linux's lspci and kernel do.
local function whose(devices, text, form)
  if form:find "^esxcli" or form:find "^vmkchdev" then return "host" end
  for _, device in ipairs(devices) do
    -- a host that is itself a VM has VMware's devices as well
    if (device.vmkernel_name or ""):find "^vm%a+%d" then return "host" end
  end
  for _, device in ipairs(devices) do
    if device.vendor == 0x15ad or (device.device_name or ""):find "^VMware " then return "guest" end
    -- no host boots with a card that has no address
    if device.unassigned then return "guest" end
  end
  if form == "kernel log" or text:find("Hypervisor detected: VMware", 1, true) then return "guest" end
end

local function read_list(doc, names)
  local pci = require "gpupt.pci"
  local rest = doc:rest()
  if not rest.text:find "%x:%x%x?%.%x" then return end
  local devices, recognised, about = require "gpupt.pci.text".read(rest, names)
  if not devices then failure.check(nil, recognised, about) end
  if recognised == 0 or #devices == 0 then return end
  local form = list_form(rest.text)
  local where = whose(devices, rest.text, form)
  doc.devices, doc.device_lines, doc.where = devices, about.lines, where
  doc.complete, doc.complete_why = pci.complete(devices, doc.commands)
  if form ~= "esxcli hardware pci list" and form ~= "lspci" and doc.complete == "unknown" then
    doc.complete_why = form .. " has no classes"
  end
  local known = {}
  for _, one in ipairs(doc.damage) do known[one.code] = true end
  for _, one in ipairs(about.damage) do
    if not known[one.code] then doc.damage[#doc.damage + 1] = one end
  end
  local first
  for _, device in ipairs(devices) do
    local line = about.lines[device.address]
    device.where, device.file, device.line, device.form = where, doc.name, line, form
    first = math.min(first or line or 1, line or 1)
  end
  doc.forms[#doc.forms + 1] = { form = form, line = first or 1 }
end

-- Drivers give names ("NVIDIA A100-SXM4-40GB"), whose ids pci.ids knows under "GA100 [A100 SXM4 40GB]".
local MAKERS = { [0x10de] = "NVIDIA Corporation", [0x1002] = "Advanced Micro Devices, Inc. [AMD/ATI]" }

local function identify(cards, names)
  local core = require "gpupt.core".pci
  local function model(card) return (card.name:gsub("^NVIDIA ", ""):gsub("^AMD ", "")) end
  for _, spelled in ipairs { function(text) return text end, function(text) return (text:gsub("%-", " ")) end } do
    local lines, open = {}, {}
    for _, card in ipairs(cards) do
      local name
      if card.device or card.candidates or #open == 256 then
        name = nil
      elseif card.name and MAKERS[card.vendor] then
        name = MAKERS[card.vendor] .. " " .. spelled(model(card))
      elseif card.vendor_name and card.device_name then
        name = card.vendor_name .. " " .. card.device_name
      end
      -- a name that the tool itself cut off is none
      if name and not name:find "%.%.%.$" and not name:find "\n" then
        open[#open + 1] = card
        lines[#open] = ("%02x:00.0 X: %s"):format(#open - 1, name)
      end
    end
    if #open == 0 then return end
    for i, device in ipairs(core.text(table.concat(lines, "\n") .. "\n", names) or {}) do
      local card = open[i]
      if device.device then
        card.vendor, card.device, card.by_name = device.vendor, device.device, true
      else
        card.candidates = device.candidates
      end
    end
  end
end

-- A .vmx and a log are no forms of this module, and are not unread either: who asked reads them.
local function kind_of(doc)
  local settings, lines = 0, 0
  for i, line in ipairs(doc.lines) do
    if i > 400 then break end
    if line:find "%S" then lines = lines + 1 end
    if line:find '^%s*%.?[%w_.:]+%s*=%s*"' then settings = settings + 1 end
  end
  if settings >= 2 and settings * 2 > lines and (doc.text:find "config%.version" or doc.text:find "virtualHW%.version"
    or doc.text:find "pciPassthru" or doc.text:find "guestOS") then
    return "vmx"
  end
end

local function read_text(bytes, name, names)
  local doc = require "gpupt.evidence.document".new(bytes, name)
  doc.kind = kind_of(doc)
  if not doc.kind then
    for _, form in ipairs(forms()) do
      if has(doc.text, form.words) then form.read(doc) end
    end
    read_list(doc, names)
    if names then identify(doc.cards, names) end
  end
  table.sort(doc.forms, function(a, b) return a.line < b.line end)
  for _, card in ipairs(doc.cards) do doc.where = doc.where or card.where end
  doc.unread = #doc.forms == 0 and not doc.kind
  local result = {}
  for _, key in ipairs { "name", "forms", "cards", "devices", "device_lines", "complete", "complete_why", "software",
    "exits", "signs", "resets", "host", "topology", "damage", "commands", "where", "unread", "kind" } do
    result[key] = doc[key]
  end
  result.lines = #doc.lines
  -- a .vmx is judged as it is; what has line numbers of its own is handed on as it was, but for its character set
  if doc.kind == "vmx" then return result, bytes end
  return result, doc.plain.numbers and require "gpupt.text".plain(bytes) or doc.text
end

local function names_of(wanted)
  if wanted ~= true then return wanted or nil end
  return require "gpupt.pci".names_file()
end

local function bytes_of(source)
  if type(source) == "table" then
    if type(source.text) ~= "string" then error("evidence.read: a path or {text=...}", 4) end
    return source.text, source.name or "the text"
  end
  if type(source) ~= "string" then error("evidence.read: a path or {text=...}, not a " .. type(source), 4) end
  if source == "-" then return stdin(LIMIT), "standard input" end
  local file, message = io.open(source, "rb")
  if not file then failure.check(nil, message, "ENOENT") end
  local text, problem = file:read(LIMIT + 1)
  file:close()
  if not text and problem then failure.check(nil, source .. ": " .. problem, "EIO") end
  if text and #text > LIMIT then failure.check(nil, source .. ": larger than 64 MiB", "EFBIG") end
  return text or "", source
end

--- Reads a text: a path, "-" (standard input) or {text=, name=}. nil, message, code when it cannot be read.
function evidence.read(source, opts)
  opts = read_options:check(opts)
  return failure.catch(function()
    local bytes, name = bytes_of(source)
    local result, plain = read_text(bytes, name, names_of(opts.names))
    if opts.keep then result.bytes = plain end
    return result
  end)
end

local COPIED = { "vendor", "device", "subvendor", "subdevice", "class", "vendor_name", "device_name", "name", "driver",
  "driver_version", "driver_release", "driver_model", "owner", "configured_owner", "capable", "enabled", "active",
  "reset_method", "sharable", "parent", "dependent", "link", "numa_node", "memory_mb", "uuid", "virtualization",
  "license", "mig", "fabric", "graphics_type", "vms", "by_name",
  "candidates", "state", "problem_code", "id", "index", "vmkernel_name",
  "physical_slot", "unassigned" }

-- What a later text says of the same card is added, and where both tell something the later one counts.
local function merge(into, from)
  -- an id that a list tells is better than one that was found by a name
  local weaker = (from.by_name or from.candidates) and into.device and not into.by_name
  for _, key in ipairs(COPIED) do
    local skip = weaker and (key == "vendor" or key == "device" or key == "by_name" or key == "candidates")
    if from[key] ~= nil and not skip then into[key] = from[key] end
  end
  if from.device and not from.by_name then into.by_name, into.candidates = nil, nil end
  if from.bars and #from.bars > 0 then
    into.bars = from.bars
    into.bytes = 0
    for _, bar in ipairs(from.bars) do
      if bar.kind ~= "io" then into.bytes = into.bytes + bar.size end
    end
  end
end

local function is_display(card) return card.class == nil or card.class >> 8 == 0x03 or card.class == 0x1200 end

--- The devices of several results as one list of gpupt.pci's records, each address once for the host and once for the
-- guest. `where` ("host" or "guest") excludes what is known to be the other's. Cards without an address come at the
-- end.
function evidence.devices(results, where)
  local list, at, loose = {}, {}, {}
  local function add(one)
    if where and one.where and one.where ~= where then return end
    if not one.address then
      if one.id or one.name or one.index then loose[#loose + 1] = one end
      return
    end
    local known = at[(one.where or "?") .. one.address] or at["?" .. one.address]
      or (not one.where and (at["host" .. one.address] or at["guest" .. one.address]))
    -- two texts of which one does not say whose it is may mean two machines
    if known and (known.where ~= one.where) and known.vendor and one.vendor and known.vendor ~= one.vendor then
      known = nil
    end
    if known then
      merge(known, one)
    else
      known = { bars = {}, bytes = 0 }
      for key, value in pairs(one) do known[key] = value end
      at[(one.where or "?") .. one.address] = known
      list[#list + 1] = known
    end
  end
  for _, result in ipairs(results) do
    for _, device in ipairs(result.devices or {}) do add(device) end
  end
  for _, result in ipairs(results) do
    for _, card in ipairs(result.cards) do add(card) end
  end
  -- lists by number (nvidia-smi -L, topo -m) add to the card that has the number
  local by_index = {}
  for _, device in ipairs(list) do
    if device.index and device.vendor then by_index[device.vendor << 32 | device.index] = device end
  end
  for _, card in ipairs(loose) do
    local owner = card.index and card.vendor and by_index[card.vendor << 32 | card.index]
    if owner then
      merge(owner, card)
    elseif is_display(card) or card.problem_code then
      card.bars, card.bytes = card.bars or {}, card.bytes or 0
      list[#list + 1] = card
      if card.index and card.vendor then by_index[card.vendor << 32 | card.index] = card end
    end
  end
  return list
end

--- One line on what a result holds, for people.
function evidence.summary(result)
  if result.kind then return ("%s: a .vmx"):format(result.name) end
  if result.unread then
    return ("%s: unread: %s of unknown form"):format(result.name,
      result.lines == 0 and "empty, and so" or ("%d line%s"):format(result.lines, result.lines == 1 and "" or "s"))
  end
  local names, seen = {}, {}
  for _, form in ipairs(result.forms) do
    if not seen[form.form] then names[#names + 1] = form.form end
    seen[form.form] = true
  end
  local parts = { table.concat(names, ", ") }
  local function counted(n, what)
    if n > 0 then parts[#parts + 1] = ("%d %s%s"):format(n, what, n == 1 and "" or "s") end
  end
  counted(#(result.devices or {}), "device")
  counted(#result.cards, "card")
  counted(#result.resets, "reset method")
  for _, one in ipairs(result.software) do parts[#parts + 1] = one.what .. " " .. one.version end
  if result.where == "guest" and result.devices then parts[#parts + 1] = "a guest's list" end
  if result.complete == false then parts[#parts + 1] = "not complete: " .. result.complete_why end
  return ("%s: %s"):format(result.name, table.concat(parts, "; "))
end

--- What is wrong with how the host resets a card, and the line of passthru.map that would change it: {cause=, remedy=,
-- map = {line...}}, or nil. `resets` are the lines of passthru.map that were read, `devices` the host's others.
function evidence.reset_advice(device, resets, devices)
  return require "gpupt.evidence.reset".advice(device, resets, devices)
end

--- The forms that are known: {{form=, title=, how=, facts=, source=}...}, for the documentation.
function evidence.forms()
  local list = { { form = "pci",
    title = "esxcli hardware pci list, pcipassthru list; lspci; vmkchdev -l; a kernel's log",
    how = "esxcli hardware pci list; esxcli hardware pci pcipassthru list; lspci -nnvvv; dmesg",
    facts = "devices with ids, names, class, owner, reset method, capable, enabled, BARs, link, NUMA node",
    source = "unknownfault.com, public notes on esxcli, pciutils, QubesOS/qubes-issues#10036 (kernel)" } }
  for _, form in ipairs(forms()) do list[#list + 1] = form end
  return list
end

return evidence
