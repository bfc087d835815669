--- gpupt pci: the PCI devices of this machine or of a text.
local bar = require "gpupt.bar"
local failure = require "gpupt.failure"
local pci = require "gpupt.pci"
local printer = require "gpupt.printer"

local command = {
  name = "pci",
  summary = "PCI devices with their BARs, from sysfs or from the text of a tool; which of them are GPUs",
  usage = "pci [PATTERN...] [--gpus] [--together] [--root DIR] [--from FILE|-]",
  details = [[
Without --from, the devices come from sysfs. --from reads the output of esxcli hardware pci list, esxcli hardware pci
pcipassthru list, lspci (-nn, -vv, -x) or vmkchdev -l, which is recognised by itself; - is standard input.
A PATTERN is vendor:device[:subvendor:subdevice] with * for any, class=0302, an address, or gpu.
--gpus lists what can be passed through as a GPU; display controllers that were left out are said on stderr with the
reason (every server's management controller has a VGA of its own).]],
  options = {
    { "gpus", doc = "GPUs only" },
    { "together", doc = "with each device those that must go along with it, and why" },
    { "root", "DIR", doc = "a sysfs, or a copy of one [/sys]" },
    { "from", "FILE", many = true, doc = "text of esxcli, lspci or vmkchdev; - is standard input; may be repeated" },
    { "json", doc = "the list of gpupt.pci.list (with --together of gpupt.pci.together) as JSON" },
  },
  examples = {
    { "gpupt pci --gpus", "the GPUs of this machine" },
    { "esxcli hardware pci list | gpupt pci --from - 10de:*", "NVIDIA's devices of an ESXi host" },
    { "gpupt pci --gpus --together", "what else a VM gets with each GPU" },
    { "gpupt pci --root /mnt/sys class=03* --json" },
  },
}

local function read_all(path)
  if path == "-" then return io.stdin:read "a" end
  local file, message = io.open(path, "rb")
  if not file then return nil, message, "ENOENT" end
  local text, problem = file:read "a"
  file:close()
  if not text then return nil, path .. ": " .. problem, "EIO" end
  return text
end

local function load(options)
  if not options.from then return pci.list { root = options.root } end
  if options.root then return nil, "--root and --from exclude each other", "EUSAGE" end
  local texts = {}
  for _, path in ipairs(options.from) do
    local text, message, code = read_all(path)
    if not text then return nil, message, code end
    texts[#texts + 1] = text
  end
  return pci.parse(table.concat(texts, "\n"), { names = true })
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
      if not take and (dev.class or 0) >> 8 == 0x03 then
        printer.err("left out: %s %04x:%04x: %s", dev.address, dev.vendor or 0, dev.device or 0, reason)
      end
    end
    if take then chosen[#chosen + 1] = dev end
  end
  return chosen
end

local function describe(dev)
  local ids = dev.vendor and ("%04x:%04x"):format(dev.vendor, dev.device or 0) or "?"
  local class = dev.class and ("%04x"):format(dev.class) or "?"
  local name = dev.device_name or ""
  if dev.vendor_name then name = dev.vendor_name .. " " .. name end
  local lines = { ("%s  %s  %s  %s"):format(dev.address, ids, class, name):gsub("%s+$", "") .. "" }
  local sizes = {}
  for i, one in ipairs(dev.bars) do
    sizes[i] = ("%d:%s%s"):format(one.index, bar.short(one.size),
      one.kind == "io" and " io" or one.kind == "mem32" and " 32-bit" or "")
  end
  local facts = {}
  if #sizes > 0 then facts[#facts + 1] = "BARs " .. table.concat(sizes, ", ") end
  local function add(label, value)
    if value ~= nil then facts[#facts + 1] = label .. " " .. tostring(value) end
  end
  add("owner", dev.owner)
  if dev.configured_owner and dev.configured_owner ~= dev.owner then add("configured owner", dev.configured_owner) end
  if dev.enabled ~= nil then add("passthrough", dev.enabled and "enabled" or "off") end
  add("driver", dev.driver)
  if dev.sriov then add("virtual functions", ("%d of %d"):format(dev.sriov.enabled or 0, dev.sriov.total)) end
  add("NUMA node", dev.numa_node)
  add("IOMMU group", dev.iommu_group)
  if #facts > 0 then lines[2] = "    " .. table.concat(facts, "; ") end
  return lines
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

local function print_groups(groups)
  for i, group in ipairs(groups) do
    if i > 1 then printer.out "" end
    for _, dev in ipairs(group.devices) do printer.lines(describe(dev)) end
    for _, reason in ipairs(group.reasons) do printer.out("  together: %s", reason) end
  end
end

function command.run(options, patterns)
  local devices, message, code = load(options)
  if not devices then return nil, message, code end
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
    print_groups(groups)
  else
    for _, dev in ipairs(chosen) do printer.lines(describe(dev)) end
  end
  if #chosen == 0 then printer.err("none of %d devices fits", #devices) end
  return 0
end

return command
