--- Random playbooks for a random fleet: lists of scopes as text, so that one can be left out.
--   random_playbook.make(chance, fleet) -> { "p.hosts { ... }", ... }     random_playbook.text(scopes) -> the playbook
local random_fleet = require "spec.support.random_fleet"

local random_playbook = {}
local pick = random_fleet.pick

local function match_of(device) return ('match = "10de:%s"'):format(device) end

-- A selector of cards, mostly one that some host's cards match.
local function gpus(chance, fleet)
  local devices, labels = {}, {}
  for _, cluster in ipairs(fleet.file.clusters) do
    for _, host in ipairs(cluster.hosts) do
      for _, card in ipairs(host.cards) do
        devices[#devices + 1] = card.device
        labels[#labels + 1] = card.label
      end
    end
  end
  local how = chance()
  if how < 0.08 and #labels > 0 then return ('p.gpus { label = "%s" }'):format(pick(chance, labels)) end
  if how < 0.2 then return 'p.gpus { match = "10de:*" }' end
  local device = #devices > 0 and pick(chance, devices) or "1eb8"
  return ("p.gpus { %s%s }"):format(match_of(device), chance() < 0.08 and ', label = "ml"' or "")
end

local function roll(chance)
  local words = { 'resend_after = "2s"', 'watch_for = "1s"', 'claim_within = "4s"', 'shutdown_within = "2s"', 'busy_within = "5s"' }
  if chance() < 0.8 then words[#words + 1] = 'guests = "shutdown-idle"' end
  if chance() < 0.4 then words[#words + 1] = 'drain = "vmotion"' end
  if chance() < 0.4 then
    words[#words + 1] = ('unavailable = "%s/cluster"'):format(pick(chance, { "2", "50%", "3" }))
  end
  if chance() < 0.2 then words[#words + 1] = "max_failures = 1" end
  return ("roll = { %s }"):format(table.concat(words, ", "))
end

-- The hosts of a scope, which no other scope has.
local function hosts_where(chance, fleet, used)
  local cluster = pick(chance, fleet.file.clusters)
  local names = {}
  for _, host in ipairs(cluster.hosts) do if not used[host.name] then names[#names + 1] = host.name end end
  if #names == 0 then return end
  if chance() < 0.4 then names = { pick(chance, names) } end
  local paths = {}
  for i, name in ipairs(names) do
    used[name] = true
    paths[i] = cluster.name and ('"/DC0/host/%s/%s"'):format(cluster.name, name) or ('"/DC0/host/%s/%s"'):format(name, name)
  end
  return ("where = { %s }"):format(table.concat(paths, ", "))
end

local function host_scope(chance, fleet, used)
  local where = hosts_where(chance, fleet, used)
  if not where then return end
  local words = {}
  local apply = chance()
  if apply < 0.15 then words[1] = 'apply = "stage"' elseif apply < 0.3 then words[1] = 'apply = "reboot"' end
  if chance() < 0.3 then words[#words + 1] = "foreign_maintenance = true" end
  local cards = gpus(chance, fleet)
  if chance() < 0.1 then cards = cards:gsub(" }$", ', label = "new" }') end
  return ("p.hosts { %s, devices = %s, %s,%s\n  p.host.%s { %s } }"):format(where, cards, roll(chance),
    chance() < 0.15 and " canary = 1," or "",
    chance() < 0.55 and "enable" or "disable", table.concat(words, ", "))
end

local function attach(chance, fleet)
  local words = { "devices = " .. gpus(chance, fleet) }
  if chance() < 0.4 then words[#words + 1] = 'backing = "dynamic"' end
  if chance() < 0.2 then words[#words + 1] = "count = 2" end
  if chance() < 0.3 then words[#words + 1] = 'snapshots = "delete"' end
  if chance() < 0.1 then words[#words + 1] = 'accept = { "snapshots" }' end
  if chance() < 0.25 then words[#words + 1] = "power_on = false" end
  return ("p.gpu.attach { %s }"):format(table.concat(words, ", "))
end

local function detach(chance, fleet)
  local words = {}
  if chance() < 0.3 then words[1] = "devices = " .. gpus(chance, fleet) end
  if chance() < 0.5 then words[#words + 1] = 'settings = "remove"' end
  if chance() < 0.2 then words[#words + 1] = "power_on = false" end
  return ("p.gpu.detach { %s }"):format(table.concat(words, ", "))
end

local function repair(chance)
  local all, fix = { "mmio", "memory", "hot-add", "stale-backing", "hide-hypervisor" }, {}
  for _, word in ipairs(all) do if chance() < 0.6 then fix[#fix + 1] = ('"%s"'):format(word) end end
  if #fix == 0 then fix[1] = '"memory"' end
  return ("p.doctor.repair { fix = { %s }%s }"):format(table.concat(fix, ", "), chance() < 0.3 and ", power_on = false" or "")
end

local function move(chance, fleet)
  local cluster = pick(chance, fleet.file.clusters)
  local to = pick(chance, cluster.hosts).name
  return ('p.vm.move { to = "%s"%s }'):format(to, chance() < 0.3 and ', datastore = "ds-2"' or "")
end

local WITHIN = 'shutdown_within = "2s", busy_within = "5s", tools_within = "20s"'

local function existing(chance, fleet, used)
  local names = {}
  for _, vm in ipairs(fleet.file.vms) do
    if not used[vm.name] and (not vm.template or chance() < 0.1) then names[#names + 1] = vm.name end
  end
  if #names == 0 then return end
  local paths = {}
  for i = 1, math.min(#names, chance(3)) do
    local name = table.remove(names, chance(#names))
    used[name] = true
    paths[i] = ('"/DC0/vm/%s"'):format(name)
  end
  if chance() < 0.1 then -- a pattern, which may mean VMs of another scope as well
    paths = { ('"/DC0/vm/vm-%d*"'):format(chance(3)) }
  end
  local steps
  local what = chance()
  if what < 0.3 then steps = { attach(chance, fleet) }
  elseif what < 0.45 then steps = { detach(chance, fleet) }
  elseif what < 0.6 then steps = { repair(chance) }
  elseif what < 0.75 then steps = { move(chance, fleet) }
  elseif what < 0.85 then steps = { move(chance, fleet), attach(chance, fleet) }
  elseif what < 0.95 then steps = { detach(chance, fleet), attach(chance, fleet) }
  else steps = { attach(chance, fleet), repair(chance) } end
  return ("p.vms { where = { %s }, %s,%s\n  %s }"):format(table.concat(paths, ", "), WITHIN, chance() < 0.3 and " canary = 1," or "",
    table.concat(steps, ",\n  "))
end

local function sources(fleet)
  local list = {}
  for _, vm in ipairs(fleet.file.vms) do
    if not vm.devices and not (fleet.setup[vm.name] or {}).power_on then list[#list + 1] = vm.name end
  end
  return list
end

local function new(chance, fleet, number)
  local cluster = pick(chance, fleet.file.clusters)
  local place = { chance() < 0.7 and cluster.name and ('cluster = "%s"'):format(cluster.name)
    or ('host = "%s"'):format(pick(chance, cluster.hosts).name), 'datastore = "ds-1"', 'network = "VM Network"' }
  local from, steps = sources(fleet), {}
  if #from > 0 and chance() < 0.5 then
    steps[1] = ('p.vm.clone { from = "%s"%s%s }'):format(pick(chance, from), chance() < 0.2 and ", cpus = 4" or "",
      chance() < 0.2 and ", power_on = true" or "")
    if chance() < 0.7 then table.remove(place) end
  else
    steps[1] = ('p.vm.create { guest = "ubuntu64Guest", cpus = 2, memory = "4 GiB", disk = "10 GiB"%s }'):format(
      chance() < 0.1 and ', firmware = "bios"' or "")
  end
  if chance() < 0.65 then steps[#steps + 1] = attach(chance, fleet) end
  local count = chance(3)
  return ('p.vms { %sname = "new%d-%s", %s%s, place = { %s },\n  %s }'):format(count > 1 and ("count = %d, "):format(count) or "",
    number, count > 1 and "{n}" or "x", WITHIN, chance() < 0.3 and ', spread = "pack"' or "", table.concat(place, ", "),
    table.concat(steps, ",\n  "))
end

function random_playbook.make(chance, fleet)
  local scopes, used = {}, {}
  for i = 1, chance(3) do
    local what = chance()
    local scope
    if what < 0.4 then scope = host_scope(chance, fleet, used)
    elseif what < 0.7 then scope = existing(chance, fleet, used)
    else scope = new(chance, fleet, i) end
    scopes[#scopes + 1] = scope
  end
  if #scopes == 0 then scopes[1] = new(chance, fleet, 9) end
  return scopes
end

function random_playbook.text(scopes)
  return ('return p.playbook { name = "random",\n%s }'):format(table.concat(scopes, ",\n"))
end

return random_playbook
