--- nvidia-smi: the table, -q, -L, topo -m, --query-gpu as CSV, and its refusals.
-- Public samples: the table github.com/fenghan0430/How-to-use-vGPU/issues/11 (on ESXi 8.0.3),
-- github.com/clayfreeman/gpu-passthrough/issues/4 (older driver); -q NVIDIA/gpu-operator/issues/628; topo -m
-- NVIDIA/nccl/issues/933, deepseek-ai/DeepEP/issues/128; -L DataDog/datadog-agent/issues/33120; refusals
-- NVIDIA/gpu-operator, QubesOS/qubes-issues/issues/10036.
local pci = require "gpupt.pci"

local nvidia = {}

local VENDOR = 0x10de
-- PCI Express generation -> GT/s
local SPEED = { 2.5, 5, 8, 16, 32, 64 }

local function address_of(text)
  local address = text and pci.address((text:lower():gsub("^0000(%x%x%x%x:)", "%1")), "hex")
  return address and tostring(address)
end

--- Fields of an address for a record of gpupt.pci.
local function with_address(card, text)
  local address = text and pci.address((text:lower():gsub("^0000(%x%x%x%x:)", "%1")), "hex")
  if address then
    card.address, card.domain, card.bus, card.slot, card.func = tostring(address), address.domain, address.bus,
      address.slot, address.func
  end
  return card
end
nvidia.with_address = with_address

local function megabytes(text)
  local number = text and text:match "(%d+)%s*Mi?B"
  return math.tointeger(tonumber(number or ""))
end

-- Where nvidia-smi ran: a Windows driver model, the ESXi prompt and a missing CUDA (vGPU manager) tell.
local function place(doc, cuda)
  local esxi = doc:on_esxi()
  if esxi or cuda == "N/A" then return "host" end
  if esxi == false then return "guest" end
  if doc.windows == nil then
    doc.windows = (doc.text:find("WDDM", 1, true) or doc.text:find(" TCC ", 1, true)
      or doc.text:find(" MCDM ", 1, true)) ~= nil
  end
  return doc.windows and "guest" or nil
end

local refusals = {
  { "couldn't communicate with the NVIDIA driver", "nvidia-smi-no-driver",
    "nvidia-smi cannot reach a driver: the kernel module is not loaded, or it refused every card.",
    "Run modprobe nvidia and read dmesg for NVRM lines; with Secure Boot the module must be signed." },
  { "No devices were found", "nvidia-smi-no-devices",
    "nvidia-smi finds no card: the driver is loaded but started none.",
    "Read dmesg for NVRM lines: a BAR without an address, a card that this driver does not support or that has no "
      .. "power end like this." },
  { "Driver/library version mismatch", "nvidia-smi-mismatch",
    "The kernel module that is loaded and the installed library are of different releases (the driver was updated "
      .. "without a restart).", "Restart the guest, or unload the nvidia modules and load them again." },
  { "GPU is lost", "nvidia-smi-lost", "The card fell off the bus while the driver used it.",
    "Look for Xid 79 in dmesg and for resets in vmkernel.log; power the VM off and on." },
  { "Unable to determine the device handle", "nvidia-smi-no-handle",
    "The driver found the card and cannot open it.", "Read dmesg for NVRM and Xid lines of that card." },
}

local function refused(doc, i, line)
  for _, one in ipairs(refusals) do
    if line:find(one[1], 1, true) then
      doc:take("nvidia-smi", i)
      local sign = { code = one[2], severity = "error", cause = one[3], remedy = one[4],
        address = address_of(line:match "GPU%s?(%x+:%x+:%x+%.%x)") }
      doc:sign("nvidia-smi", i, sign)
      return true
    end
  end
end

-- A row whose text was broken goes on until the closing bar.
local function row(doc, i)
  local line, last = doc.lines[i], i
  while last - i < 3 do
    local next_line = doc.lines[last + 1]
    if not next_line or not next_line:find "%S" or next_line:find "^%s*[|+]" then break end
    if line:find "|%s*$" and not next_line:find "|%s*$" then break end
    last = last + 1
    line = line .. " " .. next_line:gsub("^%s+", "")
  end
  return line, last
end

local function read_table(doc, first)
  local head, last = row(doc, first)
  local driver = head:match "Driver Version:%s*([%d.]+)" or head:match "KMD Version:%s*([%d.]+)"
    or head:match "NVIDIA%-SMI%s+([%d.]+)"
  local cuda = head:match "CUDA Version:%s*([%d.N/A]+)" or head:match "CUDA UMD Version:%s*([%d.N/A]+)"
  local where, before = place(doc, cuda), #doc.cards
  doc:take("nvidia-smi", first, last)
  doc:version("nvidia-smi", first, "nvidia-driver", driver)
  if cuda and cuda ~= "N/A" then doc:version("nvidia-smi", first, "cuda", cuda) end
  local i, card = last + 1, nil
  while doc.lines[i] do
    local line, stop = row(doc, i)
    local trimmed = line:match "^%s*(.-)%s*$"
    if not trimmed:find "^[|+]" and trimmed ~= "" then break end
    local index, name, mode, bus, rest =
      trimmed:match "^|%s+(%d+)%s+(%S.-)%s+(%S+)%s+|%s*(%x+:%x+:%x+%.%x)%s+%S*%s*|(.*)$"
    if index then
      card = doc:card("nvidia-smi", i, with_address({ index = math.tointeger(index), vendor = VENDOR, name = name,
        driver = "nvidia", driver_version = driver, where = where, text = trimmed }, bus))
      if mode == "WDDM" or mode == "TCC" or mode == "MCDM" then card.driver_model = mode end
      if rest:find("ERR!", 1, true) then card.state = "ERR!" end
    elseif card and trimmed:find "^|" and not card.memory_mb then
      card.memory_mb = megabytes(trimmed:match "/%s*(%d+%s*Mi?B)")
      if trimmed:find("ERR!", 1, true) then card.state = "ERR!" end
    end
    if trimmed:find "^|%s*Processes" then card = nil end
    doc:take("nvidia-smi", i, stop)
    if trimmed == "" and not (doc.lines[stop + 1] or ""):find "^%s*[|+]" then break end
    i = stop + 1
  end
  for n = before + 1, #doc.cards do
    local one = doc.cards[n]
    if one.state == "ERR!" then
      doc:sign("nvidia-smi", first, { code = "nvidia-smi-err", severity = "error", index = one.index,
        address = one.address, text = one.text, cause = ("The driver cannot read the state of GPU %d (ERR!): the "
          .. "card does not respond or has lost power."):format(one.index),
        remedy = "Look for Xid lines in the guest's dmesg; power the VM off and on." })
    end
  end
end

-- -q: what a key means, by its section ("" for any)
local fields = {
  -- the licensed product has a name as well, further down
  ["Product Name"] = function(card, value) card.name = card.name or value end,
  ["Product Architecture"] = function(card, value) card.architecture = value end,
  ["GPU UUID"] = function(card, value) card.uuid = value end,
  ["VBIOS Version"] = function(card, value) card.vbios = value end,
  ["Virtualization Mode"] = function(card, value) card.virtualization = value end,
  ["License Status"] = function(card, value) card.license = value end,
  ["NUMA Node"] = function(card, value) card.numa_node = math.tointeger(tonumber(value)) end,
  ["Bus Id"] = function(card, value) with_address(card, value) end,
  ["Device Id"] = function(card, value)
    local device = value:match "^0x(%x%x%x%x)10[dD][eE]$"
    if device then card.device = tonumber(device, 16) end
  end,
  ["Sub System Id"] = function(card, value)
    local device, vendor = value:match "^0x(%x%x%x%x)(%x%x%x%x)$"
    if device then card.subdevice, card.subvendor = tonumber(device, 16), tonumber(vendor, 16) end
  end,
}

local function generation(value) return SPEED[tonumber(value:match "%d+" or "")] end
local function lanes(value) return math.tointeger(tonumber(value:match "^(%d+)x?$" or "")) end

local sections = {
  ["PCIe Generation"] = function(card, key, value)
    card.link = card.link or {}
    if key == "Max" then card.link.max_speed = generation(value) end
    if key == "Current" then card.link.speed = generation(value) end
  end,
  ["Link Width"] = function(card, key, value)
    card.link = card.link or {}
    if key == "Max" then card.link.max_width = lanes(value) end
    if key == "Current" then card.link.width = lanes(value) end
  end,
  ["FB Memory Usage"] = function(card, key, value) if key == "Total" then card.memory_mb = megabytes(value) end end,
  ["BAR1 Memory Usage"] = function(card, key, value)
    local mb = key == "Total" and megabytes(value)
    if mb and mb > 0 and mb & (mb - 1) == 0 and mb < 1 << 40 then
      card.bars = { { index = 1, kind = "mem64", size = mb << 20, prefetchable = true } }
    end
  end,
  ["Driver Model"] = function(card, key, value) if key == "Current" then card.driver_model = value end end,
  ["MIG Mode"] = function(card, key, value) if key == "Current" then card.mig = value end end,
  ["Fabric"] = function(card, key, value)
    if key == "State" then card.fabric = value end
    if key == "Status" then card.fabric_status = value end
  end,
}

local function read_query(doc, first)
  local card, section, where, driver
  doc:take("nvidia-smi -q", first)
  for i = first + 1, #doc.lines do
    local line = doc.lines[i]
    if line:find "^[|+]" or line:find "^[^%s:]+:~?[$#]" or line:find("NVSMI LOG", 1, true) then break end
    local key, value = line:match "^%s*([%w][%w ./%-]-)%s*:%s*(.-)%s*$"
    local bus = line:match "^%s*GPU%s+(%x+:%x+:%x+%.%x)%s*$"
    if bus then
      card = doc:card("nvidia-smi -q", i, with_address({ vendor = VENDOR, driver = "nvidia", driver_version = driver,
        where = where }, bus))
      section = ""
    elseif key and key:find "^Driver Version" then
      driver = value
      doc:version("nvidia-smi -q", i, "nvidia-driver", value)
    elseif key and key:find "^CUDA" then
      where = place(doc, value == "Not Found" and "N/A" or value)
      if value:find "^%d" then doc:version("nvidia-smi -q", i, "cuda", value) end
    elseif key and key:find "^Attached GPUs" then
      if value == "0" then refused(doc, i, "No devices were found") end
    elseif key and card then
      if section ~= "" and sections[section] then sections[section](card, key, value) end
      if fields[key] and value ~= "N/A" then fields[key](card, value) end
      if key == "GPU Fabric GUID" then section = "" end
    elseif line:find "%S" then
      section = line:match "^%s*(.-)%s*$"
    end
    if line:find "%S" then doc:take("nvidia-smi -q", i) end
  end
end

local function read_list(doc, i, line)
  local index, name, uuid = line:match "^%s*GPU (%d+): (.-) %(UUID: (GPU%-[%x-]+)%)"
  if index then
    doc:take("nvidia-smi -L", i)
    doc:card("nvidia-smi -L", i, { index = math.tointeger(index), name = name, uuid = uuid, vendor = VENDOR,
      driver = "nvidia", where = place(doc) })
    return true
  end
  if line:find "^%s+MIG %S+%s+Device%s+%d+: %(UUID" then
    doc:take("nvidia-smi -L", i)
    return true
  end
end

-- topo -m: columns are parted by tabs, or by blanks when they were copied.
local function read_topology(doc, first)
  local columns, count = {}, 0
  for word in doc.lines[first]:gmatch "%S+" do
    if word:find "^GPU%d+$" or word:find "^NIC%d+$" or word:find "^mlx5_%d+$" then columns[#columns + 1] = word end
  end
  doc:take("nvidia-smi topo", first)
  local topology = doc.topology or { gpus = 0, links = {}, line = doc:number(first), file = doc.name }
  for i = first + 1, #doc.lines do
    local name, rest = doc.lines[i]:match "^%s*(%a[%w_]*%d+)%s+(.*)$"
    if not name or not (name:find "^GPU%d" or name:find "^NIC%d" or name:find "^mlx5_%d") then
      if doc.lines[i]:find "%S" then break end
    else
      local words = {}
      for word in rest:gmatch "%S+" do words[#words + 1] = word end
      for n, column in ipairs(columns) do
        if name < column and words[n] and words[n] ~= "X" and name:find "^GPU" and column:find "^GPU" then
          table.insert(topology.links, { name, column, words[n] })
        end
      end
      local node = math.tointeger(tonumber(words[#columns + 2] or ""))
      if name:find "^GPU" then
        count = count + 1
        doc:card("nvidia-smi topo", i, { index = math.tointeger(name:match "%d+"), vendor = VENDOR, driver = "nvidia",
          numa_node = node, where = place(doc) })
      end
      doc:take("nvidia-smi topo", i)
    end
  end
  topology.gpus = math.max(topology.gpus, count)
  doc.topology = topology
end

-- --query-gpu=name,pci.bus_id,memory.total,driver_version --format=csv,noheader
local function read_row(doc, i, line)
  local name, bus, memory, version =
    line:match "^%s*(.-)%s*,%s*(%x+:%x+:%x+%.%x)%s*,%s*(%d+ Mi?B)%s*,%s*(%d[%d.]*)%s*$"
  if not name then return false end
  doc:take("nvidia-smi --query-gpu", i)
  doc:version("nvidia-smi --query-gpu", i, "nvidia-driver", version)
  doc:card("nvidia-smi --query-gpu", i, with_address({ name = name, vendor = VENDOR, driver = "nvidia",
    driver_version = version, memory_mb = megabytes(memory), where = place(doc) }, bus))
  return true
end

local function has_fields(text) return text:find("pci.bus_id", 1, true) or text:find("driver_version", 1, true) end

-- The same with a heading, whatever fields were asked for.
local function read_csv(doc)
  for _, record in ipairs(require "gpupt.evidence.records".of(doc)) do
    local f = record.fields
    if f["pci.bus_id"] or (f[1] and f.driver_version and f.name) then
      local card = with_address({ name = f.name, vendor = VENDOR, driver = "nvidia", uuid = f.uuid,
        driver_version = f.driver_version, memory_mb = megabytes(f["memory.total"]), where = place(doc),
        index = math.tointeger(tonumber(f.index or "")), text = f[1] }, f["pci.bus_id"])
      doc:take("nvidia-smi --query-gpu", record.first, record.last)
      doc:card("nvidia-smi --query-gpu", record.first, card)
      if f.driver_version then
        doc:version("nvidia-smi --query-gpu", record.first, "nvidia-driver", f.driver_version)
      end
    end
  end
end

local function read(doc)
  if has_fields(doc.text) then read_csv(doc) end
  for i, line in ipairs(doc.lines) do
    if doc:free(i) and #line < 4000 then
      if line:find "NVIDIA%-SMI%s+%d" then
        read_table(doc, i)
      elseif line:find "NVSMI LOG" then
        read_query(doc, i)
      elseif line:find "^%s*GPU0%s" and line:find "CPU Affinity" then
        read_topology(doc, i)
      elseif not refused(doc, i, line) and not read_list(doc, i, line) then
        read_row(doc, i, line)
      end
    end
  end
end

nvidia.form = {
  form = "nvidia-smi", title = "nvidia-smi: the table, -q, -L, topo -m, --query-gpu",
  how = "nvidia-smi; nvidia-smi -q; nvidia-smi -L; nvidia-smi topo -m (in the guest, or on the host of a vGPU)",
  facts = "cards, driver, CUDA, memory, BAR1, link, driver model, virtualization mode, licence, topology, refusals",
  source = "fenghan0430/How-to-use-vGPU#11, NVIDIA/gpu-operator#628, NVIDIA/nccl#933",
  words = { "NVIDIA-SMI", "NVSMI LOG", "UUID: GPU-", "CPU Affinity", "No devices were found", "MiB, ", "NVML",
    "pci.bus_id", "driver_version",
    "Unable to determine the device handle" },
  read = read,
}

return nvidia
