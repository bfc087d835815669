--- Random fleets for the test vCenter, from a source of chance: the same chances give the same fleet.
--   local fleet = random_fleet.make(chance)   chance(n) -> 1..n; chance() -> 0..1
--   fleet.file     for lab.start { fleet = }
--   fleet.setup    what the file cannot say of a VM: { [name] = { snapshots =, spec =, power_on =, session =, deaf = } }
--   random_fleet.prepare(l, fleet)            makes that of a started lab
local gpupt = require "gpupt"

local random_fleet = {}

local ADDRESSES = { "0000:3b:00.0", "0000:5e:00.0", "0000:86:00.0", "0000:af:00.0" }

--- Kinds of cards: those with large BARs need EFI and the 64-bit keys.
random_fleet.kinds = {
  t4 = { device = "1eb8", subdevice = "12a2", name = "TU104GL [Tesla T4]", bars = { "16M:32", "256M:64p", "32M:64p" } },
  l4 = { device = "27b8", subdevice = "16ca", name = "AD104GL [L4]", bars = { "16M:32", "32G:64p", "32M:64p" }, large = 64 },
  a100 = { device = "20b5", subdevice = "1533", name = "GA100 [A100 PCIe 80GB]", bars = { "16M:32", "128G:64p", "32M:64p" },
    large = 256 },
}
local KINDS = { "t4", "t4", "l4", "a100" }

local function pick(chance, list) return list[chance(#list)] end
random_fleet.pick = pick

local function card(chance, kind, address)
  local of = random_fleet.kinds[kind]
  local state = chance()
  local one = { address = address, vendor = "10de", device = of.device, subvendor = "10de", subdevice = of.subdevice,
    name = of.name, class = "0302", bars = of.bars, enabled = state < 0.6 or state > 0.9 }
  if state > 0.9 then one.active = false end -- enabled, and not active until a reboot
  if state > 0.85 and state <= 0.9 then one.active = true end -- disabled, and active until a reboot
  if chance() < 0.15 then one.label = pick(chance, { "ml", "vdi" }) end
  return one
end

local function host(chance, name, kind)
  local one = { name = name, memory_gb = pick(chance, { 64, 128, 256 }), boot_seconds = 60, cards = gpupt.json.array {},
    rebind_without_reboot = chance() < 0.15 or nil }
  for i = 1, chance(5) - 1 do
    one.cards[i] = card(chance, chance() < 0.8 and kind or pick(chance, KINDS), ADDRESSES[i])
  end
  local state = chance()
  if state < 0.04 then one.maintenance = true elseif state < 0.06 then one.standby = true end
  return one
end

local DRS = { "fullyAutomated", "fullyAutomated", "partiallyAutomated", "manual", "off" }

local function cluster(chance, letter)
  local one = { name = "cl-" .. letter, drs = pick(chance, DRS), ha = chance() < 0.4, hosts = {}, max_away = 4 }
  if one.ha and chance() < 0.4 then one.host_failures = 1 elseif one.ha and chance() < 0.3 then one.ha_percent = 25 end
  local kind = pick(chance, KINDS)
  for i = 1, chance(4) do one.hosts[i] = host(chance, ("esx-%s%d"):format(letter, i), kind) end
  return one
end

-- The settings that a VM with these cards needs to run.
local function settings_for(cards)
  local large = 0
  for _, one in ipairs(cards) do
    for _, kind in pairs(random_fleet.kinds) do
      if kind.device == one.device then large = large + (kind.large or 0) end
    end
  end
  if large == 0 then return nil end
  local window = 64
  while window < large do window = window * 2 end
  return { ["pciPassthru.use64bitMMIO"] = "TRUE", ["pciPassthru.64bitMMIOSizeGB"] = tostring(window) }
end

local function vm(chance, fleet, name, on, free)
  local one = { name = name, host = on.name, guest = "ubuntu64Guest", memory_mb = pick(chance, { 2048, 4096, 8192 }), cpus = 2,
    firmware = chance() < 0.8 and "efi" or "bios", version = pick(chance, { "vmx-20", "vmx-20", "vmx-21", "vmx-17" }), disk_gb = 10,
    datastore = pick(chance, { "ds-1", "ds-1", "ds-2" }) }
  local setup = {}
  if chance() < 0.75 then
    one.installed, one.username, one.password = "ubuntu", "ops", "Rnd-pass-1"
  end
  local running = chance() < 0.5 and not on.maintenance and not on.standby
  if #free > 0 and chance() < 0.5 and not on.standby then
    local cards = {}
    for i = 1, math.min(#free, chance() < 0.8 and 1 or 2) do
      cards[i] = table.remove(free, chance(#free))
    end
    one.devices = {}
    for i, of in ipairs(cards) do one.devices[i] = of.address end
    one.extra_config = settings_for(cards)
    if one.extra_config then one.firmware = "efi" end
    one.memory_lock = true
    if not running and chance() < 0.4 then -- a sick one
      if chance() < 0.5 then one.memory_lock = nil else one.extra_config = nil end
    end
  elseif chance() < 0.1 then
    one.template, running = true, false
  elseif chance() < 0.2 then
    setup.snapshots = chance(2)
  end
  if not one.template and not one.devices and chance() < 0.25 then
    setup.spec = { cpuHotAddEnabled = chance() < 0.7 or nil, memoryHotAddEnabled = chance() < 0.7 or nil }
  end
  if running and one.installed then
    local state = chance()
    if state < 0.06 then setup.session = "carol" elseif state < 0.1 then setup.deaf = true end
  end
  setup.power_on = running or nil
  fleet.setup[name] = setup
  return one
end

function random_fleet.make(chance)
  local file = { datastores = { { name = "ds-1" }, { name = "ds-2" } }, networks = { "VM Network", "lab" }, clusters = {}, vms = gpupt.json.array {} }
  local fleet = { file = file, setup = {} }
  for i = 1, chance(2) do file.clusters[i] = cluster(chance, ("ab"):sub(i, i)) end
  if chance() < 0.25 then -- a standalone host
    file.clusters[#file.clusters + 1] = { hosts = { host(chance, "esx-s1", "t4") }, max_away = 4 }
  end
  for _, one in ipairs(file.clusters) do
    for _, on in ipairs(one.hosts) do
      local free = {}
      for _, of in ipairs(on.cards) do
        if of.enabled and of.active == nil then free[#free + 1] = of end
      end
      for _ = 1, chance(4) - 1 do
        file.vms[#file.vms + 1] = vm(chance, fleet, ("vm-%d"):format(#file.vms + 1), on, free)
      end
    end
  end
  return fleet
end

local function wait(l, task) return gpupt.check(l:client():wait(gpupt.check(task))) end

function random_fleet.prepare(l, fleet)
  local check, running = gpupt.check, {}
  for _, one in ipairs(fleet.file.vms or {}) do
    local setup = fleet.setup[one.name] or {}
    if next(setup) then
      local ref = check(l:client():one("/DC0/vm/" .. one.name))
      if setup.spec and next(setup.spec) then wait(l, ref:ReconfigVM_Task { spec = setup.spec }) end
      for n = 1, setup.snapshots or 0 do
        wait(l, ref:CreateSnapshot_Task { name = "snap-" .. n, memory = false, quiesce = false })
      end
      if setup.power_on then
        -- where HA or the host's memory does not admit it, it stays off
        local on = l:client():wait(check(ref:PowerOnVM_Task {}))
        if on and one.installed then running[#running + 1] = { ref = ref, setup = setup, name = one.name } end
      end
    end
  end
  for _, one in ipairs(running) do
    check(l:client():wait_for(one.ref, { "guest.toolsRunningStatus" }, function(props)
      return props["guest.toolsRunningStatus"] == "guestToolsRunning"
    end, { timeout = 60 }))
    if one.setup.session then l.sim:post("set", { vm = one.name, session = one.setup.session }) end
    if one.setup.deaf then l.sim:post("set", { vm = one.name, deaf = true }) end
  end
end

return random_fleet
