--- rocm-smi and amd-smi.
-- Public samples: ROCm/legacy-rocm-build/issues/4759 (GPU[0] lines, amd-smi version), Umio-Yasuno/amdgpu_top/issues/60
-- (concise table), ROCm/rocm_smi_lib/issues/77 (older keys), sebhildebrandt/systeminformation/pull/960 (JSON),
-- ROCm/amdsmi/pull/110 and ROCm/rocm-install-on-linux/pull/656 (the table of amd-smi),
-- ROCm/rocm-systems/issues/3654 and 2987 (blocks of amd-smi list and static), ROCm/legacy-rocm-build/issues/4740
-- (the NUMA node).
local with_address = require "gpupt.evidence.forms.nvidia".with_address

local amd = {}

local VENDOR = 0x1002

local function hex(text)
  local digits = text:match "^0x(%x%x?%x?%x?)$"
  return digits and tonumber(digits, 16)
end

local function card_at(doc, cards, form, i, index)
  if not cards[index] then
    cards[index] = doc:card(form, i, { index = index, vendor = VENDOR, driver = "amdgpu", where = "guest" })
  end
  return cards[index]
end

-- What both programs call the same thing by different names; the key without case, blanks and signs
local fields = {
  cardseries = "name", cardmodel = "model", devicename = "name", marketname = "name", uuid = "uuid",
  vbiosversion = "vbios",
}

local function field(card, key, value)
  local plain = key:lower():gsub("[^%a]", "")
  if value == "N/A" or value == "" then return end
  if fields[plain] then
    card[fields[plain]] = card[fields[plain]] or value
  elseif plain == "deviceid" or plain == "gpuid" then
    card.device = hex(value:lower()) or card.device
  elseif plain == "subsystemid" then
    card.subdevice = hex(value:lower()) or card.subdevice
  elseif plain == "subvendorid" then
    card.subvendor = hex(value:lower()) or card.subvendor
  elseif plain == "topologynumanode" then
    card.numa_node = math.tointeger(tonumber(value))
  elseif plain == "pcibus" or plain == "bdf" then
    with_address(card, value)
  elseif plain == "maxpciewidth" then
    card.link = card.link or {}
    card.link.max_width = math.tointeger(tonumber(value:match "%d+" or ""))
  elseif plain == "maxpciespeed" then
    card.link = card.link or {}
    card.link.max_speed = tonumber(value:match "[%d.]+" or "")
  elseif plain == "vramtotalmemoryb" then
    local bytes = math.tointeger(tonumber(value))
    card.memory_mb = bytes and bytes >> 20
  end
end

local function read_rocm(doc, cards, i, line)
  local index, key, value = line:match "^%s*GPU%[(%d+)%]%s*:%s*(.-):%s*(.-)%s*$"
  if index then
    doc:take("rocm-smi", i)
    -- a key with remarks in it, as "Temperature (Sensor edge) (C)", is no fact here
    field(card_at(doc, cards, "rocm-smi", i, math.tointeger(index)), key, value)
    return true
  end
  local version = line:match "^%s*Driver version:%s*(%d%S*)"
  if version then
    doc:take("rocm-smi", i)
    doc:version("rocm-smi", i, "amdgpu", version)
    return true
  end
  -- "0       1     0x74a1,   28851  40.0°C ..." and "0    51.0c           4.0W ..."
  local n, _, id = line:match "^%s*(%d+)%s+(%d+)%s+(0x%x+),%s*%d+%s"
  if n then
    doc:take("rocm-smi", i)
    local card = card_at(doc, cards, "rocm-smi", i, math.tointeger(n))
    card.device = hex(id) or card.device
    return true
  end
  n = line:match "^%s*(%d+)%s+[%d.]+c%s+[%d.]+W"
  if n then
    doc:take("rocm-smi", i)
    card_at(doc, cards, "rocm-smi", i, math.tointeger(n))
    return true
  end
  if line:find "^=+%s*.*%s*=+%s*$" and (line:find "ROCm" or line:find "Concise Info" or line:find "Product Info") then
    doc:take("rocm-smi", i)
    return true
  end
  if line:find "Driver not initialized %(amdgpu not found in modules%)" then
    doc:take("rocm-smi", i)
    doc:sign("rocm-smi", i, { code = "rocm-smi-no-driver", severity = "error",
      cause = "The kernel module amdgpu is not loaded, so rocm-smi cannot reach a card.",
      remedy = "Run modprobe amdgpu and read dmesg for amdgpu lines: a missing BAR ends its probe with -12." })
    return true
  end
end

local function read_table(doc, i, line)
  local tool, driver, rocm = line:match "AMD%-SMI%s+(%S+)%s+amdgpu version:%s*(%S+)%s+ROCm version:%s*(%S+)"
  if not tool then
    driver, rocm = line:match "amdgpu version:%s*([%w.+-]+)", line:match "ROCm version:%s*([%w.+-]+)"
    if not (rocm and line:find "AMDSMI Tool:") then driver, rocm = nil, nil end
  end
  if rocm then
    doc:take("amd-smi", i)
    if driver and driver:find "^%d" then doc:version("amd-smi", i, "amdgpu", driver) end
    if rocm ~= "N/A" then doc:version("amd-smi", i, "rocm", rocm) end
    return true
  end
  local bus, name = line:match "^%s*|%s*(%x+:%x+:%x+%.%x)%s+(%S.-)%s+|"
  if bus then
    doc:take("amd-smi", i)
    local card = with_address({ name = name, vendor = VENDOR, driver = "amdgpu", where = "guest" }, bus)
    doc:card("amd-smi", i, card)
    local index = (doc.lines[i + 1] or ""):match "^%s*|%s*(%d+)%s"
    if index then
      card.index = math.tointeger(index)
      card.memory_mb = math.tointeger(tonumber(doc.lines[i + 1]:match "/(%d+) MB" or ""))
      doc:take("amd-smi", i + 1)
    end
    return true
  end
end

-- Blocks of amd-smi list and static:  GPU: 0 / BDF: ... / ASIC: / MARKET_NAME: ...
local function read_blocks(doc)
  local card
  for i, line in ipairs(doc.lines) do
    local index = doc:free(i) and line:match "^%s*GPU:%s*(%d+)%s*$"
    if index then
      card = doc:card("amd-smi", i, { index = math.tointeger(index), vendor = VENDOR, where = "guest" })
      doc:take("amd-smi", i)
    elseif card and (line:find "^%s*[%u_]*NIC:%s*%d+%s*$" or line:find "^%s*CPU:%s*%d+%s*$") then
      -- the block of another device, with a BDF of its own
      card = nil
    elseif card and doc:free(i) then
      local key, value = line:match "^%s*([%u][%u_%d]+):%s*(.-)%s*$"
      if key then
        doc:take("amd-smi", i)
        if key == "NAME" and value == "amdgpu" then card.driver = value end
        if key == "VENDOR_ID" then card.vendor = hex(value:lower():gsub("%s.*$", "")) or card.vendor end
        if key == "VERSION" and value:find "^%d+%.%d+" and card.driver then
          card.driver_version = value
          doc:version("amd-smi", i, "amdgpu", value)
        end
        if key == "NODE" then card.numa_node = math.tointeger(tonumber(value)) end
        field(card, key, value)
      elseif line:find "%S" then
        card = nil
      end
    end
  end
end

-- rocm-smi --json: {"card0": {"Device ID": "0x1900", "PCI Bus": "0000:C4:00.0", ...}}
local function read_json(doc, cards)
  local from = doc.text:find '{%s*"card%d+"'
  local value = from and require "gpupt.json".decode((doc.text:sub(from):gsub("}[^}]*$", "}")))
  if type(value) ~= "table" then return end
  local first = 1
  for i, line in ipairs(doc.lines) do
    if line:find '"card%d+"' then
      first = i
      break
    end
  end
  local names = {}
  for name in pairs(value) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local index = name:match "^card(%d+)$"
    if index and type(value[name]) == "table" then
      local card = card_at(doc, cards, "rocm-smi", first, math.tointeger(index))
      for key, one in pairs(value[name]) do
        if type(one) == "string" then field(card, key:gsub(":$", ""), one) end
      end
    end
  end
  for i = first, #doc.lines do doc:take("rocm-smi", i) end
end

local function read(doc)
  local cards = {}
  local rocm = doc.text:find "GPU%[%d+%]"
  for _, word in ipairs { "ROCm", "Concise Info", "amdgpu" } do rocm = rocm or doc.text:find(word, 1, true) end
  if doc.text:find '"card%d+"' then read_json(doc, cards) end
  for i, line in ipairs(doc.lines) do
    if doc:free(i) and #line < 4000 then
      local _ = (rocm and read_rocm(doc, cards, i, line)) or read_table(doc, i, line)
    end
  end
  if doc.text:find("BDF:", 1, true) or doc.text:find("MARKET_NAME", 1, true) then read_blocks(doc) end
end

amd.form = {
  form = "rocm-smi", title = "rocm-smi and amd-smi",
  how = "rocm-smi; rocm-smi -a; rocm-smi --json; amd-smi; amd-smi list; amd-smi static (in the guest)",
  facts = "cards, ids, address, driver and ROCm, memory, link, NUMA node, refusals",
  source = "ROCm/legacy-rocm-build#4759, Umio-Yasuno/amdgpu_top#60, ROCm/amdsmi#110, ROCm/rocm-systems#3654",
  words = { "ROCm", "Concise Info", "GPU[", "AMD-SMI", "AMDSMI", "BDF:", "amdgpu not found", '"card0"' },
  read = read,
}

return amd
