--- gpupt pci: the PCI devices of this system or of a text.
local bar = require "gpupt.bar"
local evidence = require "gpupt.evidence"
local failure = require "gpupt.failure"
local pci = require "gpupt.pci"
local printer = require "gpupt.printer"

local command = {
  name = "pci",
  summary = "list PCI devices and GPUs with their BARs",
  usage = "pci [PATTERN...] [--gpus] [--together] [--root DIR] [--from FILE|-]",
  details = [[
Without --from, reads the devices from sysfs. --from reads the output of
esxcli, lspci, vmkchdev, nvidia-smi, rocm-smi, amd-smi, vim-cmd, PowerCLI or
Windows, a kernel log, passthru.map or esx.conf, and detects which one it is;
- is standard input. docs/guide/evidence.md lists the forms. Several texts are
combined into one list. Checks reset methods: for a bridge reset, prints the
line to put into /etc/vmware/passthru.map.

A PATTERN is vendor:device[:subvendor:subdevice] with * for any, class=0302,
an address, or gpu. --gpus lists what can be passed through as a GPU, and
prints excluded display controllers to stderr with the reason (the management
controller of every server has a VGA device).]],
  options = {
    { "gpus", doc = "GPUs only" },
    { "together", doc = "list with each device those it needs, and why" },
    { "root", "DIR", doc = "a sysfs, or a copy of one [/sys]" },
    { "from", "FILE", many = true, doc = "output of a tool, or - (repeatable)" },
    { "json", doc = "print the list as JSON" },
  },
  examples = {
    { "gpupt pci --gpus", "the GPUs of this system" },
    { "esxcli hardware pci list | gpupt pci --from - 10de:*", "NVIDIA's devices of an ESXi host" },
    { "gpupt pci --gpus --together", "what else a VM gets with each GPU" },
    { "gpupt pci --root /mnt/sys class=03* --json" },
  },
}

-- The devices of all texts, and what the texts say beside: {resets=, texts=}.
local function from_texts(paths)
  local results, resets = {}, {}
  for i, path in ipairs(paths) do
    local result, message, code = evidence.read(path)
    if not result then return nil, message, code end
    results[i] = result
    table.move(result.resets, 1, #result.resets, #resets + 1, resets)
  end
  local devices, found = evidence.devices(results), #resets > 0
  for _, result in ipairs(results) do
    found = found or #result.signs > 0
    if result.unread and #results > 1 then printer.err("%s", evidence.summary(result)) end
  end
  if #devices == 0 and not found then
    return nil, "no PCI device found: the text should be the output of esxcli hardware pci list, lspci, vmkchdev -l or "
      .. "another tool of docs/guide/evidence.md", "EPARSE"
  end
  return devices, { resets = resets, results = results }
end

local function load(options)
  if not options.from then return pci.list { root = options.root } end
  if options.root then return nil, "--root and --from exclude each other", "EUSAGE" end
  return from_texts(options.from)
end

local function choose(devices, options, patterns)
  local chosen = require "gpupt.json".array {}
  for _, dev in ipairs(devices) do
    local take = true
    if #patterns > 0 then
      local message, code
      take, message, code = pci.match(dev, patterns)
      if take == nil then return nil, message, code == "EINVAL" and "EUSAGE" or code end
    end
    if take and options.gpus then
      local reason
      take, reason = pci.is_gpu(dev)
      if not take and ((dev.class or 0) >> 8 == 0x03 or pci.switch_of(dev)) then
        printer.err("excluded: %s %04x:%04x: %s", dev.address, dev.vendor or 0, dev.device or 0, reason)
      end
    end
    if take then chosen[#chosen + 1] = dev end
  end
  return chosen
end

local function speed(value) return ("%g"):format(value) end

-- "link 2.5 of 8 GT/s, x8 of x16"
local function link_of(link)
  local parts = {}
  if link.speed then
    parts[1] = speed(link.speed) .. (link.max_speed and " of " .. speed(link.max_speed) or "") .. " GT/s"
  elseif link.max_speed then
    parts[1] = "up to " .. speed(link.max_speed) .. " GT/s"
  end
  if link.width then
    parts[#parts + 1] = "x" .. link.width .. (link.max_width and " of x" .. link.max_width or "")
  elseif link.max_width then
    parts[#parts + 1] = "up to x" .. link.max_width
  end
  return table.concat(parts, ", ")
end

local function ids_of(dev)
  if dev.candidates and not dev.device then return (dev.candidates:gsub(" ", " or ")) end
  if not dev.vendor then return "?" end
  return dev.device and ("%04x:%04x"):format(dev.vendor, dev.device) or ("%04x:?"):format(dev.vendor)
end

local function name_of(dev)
  local name = dev.device_name or dev.name or dev.vendor_name or ""
  if dev.vendor_name and dev.device_name then name = dev.vendor_name .. " " .. name end
  return name
end

-- The other functions of the card in the same slot: what is passed through without them is left to the host.
local function siblings_of(dev, all)
  local list = {}
  for _, other in ipairs(all) do
    if other ~= dev and other.address and dev.address and other.domain == dev.domain and other.bus == dev.bus
      and other.slot == dev.slot then
      list[#list + 1] = ("%s (%s)"):format(other.address, other.class_name or other.class
        and ("class %04x"):format(other.class) or "class unknown")
    end
  end
  return list
end

local function describe(dev, all, resets, grouped)
  local class = dev.class and ("%04x"):format(dev.class) or "?"
  local lines = { ("%s  %s  %s  %s"):format(dev.address or dev.id or "?", ids_of(dev), class, name_of(dev))
    :gsub("%s+$", "") .. "" }
  local sizes = {}
  for i, one in ipairs(dev.bars or {}) do
    sizes[i] = ("%d:%s%s"):format(one.index, bar.short(one.size),
      one.kind == "io" and " io" or one.kind == "mem32" and " 32-bit" or "")
  end
  local facts = {}
  if #sizes > 0 then facts[#facts + 1] = "BARs " .. table.concat(sizes, ", ") end
  local function add(label, value)
    if value ~= nil then facts[#facts + 1] = label .. " " .. tostring(value) end
  end
  for _, index in ipairs(dev.unassigned or {}) do facts[#facts + 1] = ("BAR %d unassigned"):format(index) end
  if dev.candidates then facts[#facts + 1] = "its name has several ids"
  elseif dev.by_name then facts[#facts + 1] = "ids by name" end
  add("owner", dev.owner)
  if dev.configured_owner and dev.configured_owner ~= dev.owner then add("configured owner", dev.configured_owner) end
  if dev.capable == false then
    facts[#facts + 1] = "passthrough not possible (Passthru Capable: false)"
  elseif dev.enabled ~= nil then
    add("passthrough", dev.enabled and (dev.active == false and "enabled, not active: reboot the host" or "enabled")
      or "off")
  end
  add("graphics type", dev.graphics_type)
  add("driver", dev.driver)
  if dev.driver_version then add("driver version", dev.driver_release or dev.driver_version) end
  add("driver model", dev.driver_model)
  if dev.memory_mb then
    add("memory", dev.memory_mb % 1024 == 0 and ("%d GiB"):format(dev.memory_mb // 1024)
      or ("%d MiB"):format(dev.memory_mb))
  end
  if dev.problem_code and dev.problem_code ~= 0 then add("Code", dev.problem_code) end
  if dev.state and dev.state ~= "OK" then add("state", dev.state) end
  add("virtualization", dev.virtualization)
  add("licence", dev.license)
  if dev.sriov then add("virtual functions", ("%d of %d"):format(dev.sriov.enabled or 0, dev.sriov.total)) end
  if dev.link then add("link", link_of(dev.link)) end
  add("NUMA node", dev.numa_node)
  add("IOMMU group", dev.iommu_group)
  if #facts > 0 then lines[#lines + 1] = "    " .. table.concat(facts, "; ") end
  local siblings = not grouped and pci.is_gpu(dev) and siblings_of(dev, all) or {}
  if #siblings > 0 then lines[#lines + 1] = "    same card: " .. table.concat(siblings, ", ") end
  if dev.reset_method then lines[#lines + 1] = "    reset: " .. dev.reset_method end
  local advice = (pci.is_gpu(dev) or (dev.configured_owner or ""):lower():find "passthr")
    and evidence.reset_advice(dev, resets, all)
  if advice then
    for _, line in ipairs(advice.map) do
      lines[#lines + 1] = ("    %s:%d: %s"):format(line.file, line.line, line.text)
    end
    lines[#lines + 1] = "    " .. advice.cause
    lines[#lines + 1] = "    " .. advice.remedy
  end
  return lines
end

-- The lines of passthru.map, where no device was given.
local function print_resets(resets)
  local function id(value) return value == 0xffff and "*" or ("%04x"):format(value) end
  for _, line in ipairs(resets) do
    printer.out("%s:%d  %s:%s  %s  %s", line.file, line.line, id(line.vendor), id(line.device), line.method,
      line.shareable == "false" and "not sharable" or line.shareable == "true" and "sharable" or "default")
  end
end

--- The groups that hold a chosen device, in the order of the chosen.
local function groups_of(devices, chosen)
  local group_of, groups = {}, require "gpupt.json".array {}
  for _, group in ipairs(pci.together(devices)) do
    for _, dev in ipairs(group.devices) do group_of[dev] = group end
  end
  for _, dev in ipairs(chosen) do
    local group = group_of[dev]
    if not group.listed then
      group.listed = true
      groups[#groups + 1] = group
    end
  end
  for _, group in ipairs(groups) do group.listed = nil end
  return groups
end

local function print_groups(groups, all, resets)
  for i, group in ipairs(groups) do
    if i > 1 then printer.out "" end
    for _, dev in ipairs(group.devices) do printer.lines(describe(dev, all, resets, true)) end
    for _, reason in ipairs(group.reasons) do printer.out("  together: %s", reason) end
  end
end

-- The message when nothing matches: also that some devices could not be judged.
local function none_fits(devices)
  local nameless = 0
  for _, dev in ipairs(devices) do
    if not dev.vendor and not dev.candidates then nameless = nameless + 1 end
  end
  printer.err("none of %d device%s fits%s", #devices, #devices == 1 and "" or "s",
    nameless > 0 and ("; %d of them %s only a name that is not in pci.ids"):format(nameless,
      nameless == 1 and "has" or "have") or "")
end

function command.run(options, patterns)
  local devices, message, code = load(options)
  if not devices then return nil, message, code end
  local beside = type(message) == "table" and message or { resets = {}, results = {} }
  local chosen, problem, status = choose(devices, options, patterns)
  if not chosen then return nil, problem, status end
  local groups = options.together and groups_of(devices, chosen)
  if options.json then
    local json = require "gpupt.json"
    for _, dev in ipairs(devices) do json.array(dev.bars) end
    for _, group in ipairs(groups or {}) do json.array(group.reasons) end
    failure.check(printer.json(groups or chosen))
    return 0
  end
  if groups then
    print_groups(groups, devices, beside.resets)
  else
    for _, dev in ipairs(chosen) do printer.lines(describe(dev, devices, beside.resets)) end
  end
  if #devices == 0 then
    print_resets(beside.resets)
    for _, result in ipairs(beside.results) do
      for _, sign in ipairs(result.signs) do
        printer.out("%s:%d: %s", sign.file, sign.line, sign.text)
        printer.out("  %s", sign.cause)
      end
    end
  elseif #chosen == 0 then
    none_fits(devices)
  end
  return 0
end

return command
