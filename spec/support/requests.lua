--- How many requests a piece of work costs, by method, from the test vCenter's own journal; and the rollouts that are
-- measured so, by the bench and by the specs that hold the ceilings.
--   local counts = requests.during(sim, function() ... end)       counts.total, counts.by_method.FindChild
--   requests.table { { name = "plan", counts = counts }, ... }    text: a line for each method
-- WaitForUpdatesEx is listed but not in the total: it is one long request, answered as often as something happens.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

local requests = {}

requests.uncounted = { WaitForUpdatesEx = true }

--- The requests since sim:forget().
function requests.since(sim)
  local counts = { total = 0, by_method = {} }
  for _, method in ipairs(sim:calls()) do
    counts.by_method[method] = (counts.by_method[method] or 0) + 1
    if not requests.uncounted[method] then counts.total = counts.total + 1 end
  end
  return counts
end

--- The requests of a function's run.
function requests.during(sim, work)
  sim:forget()
  work()
  return requests.since(sim)
end

--- The sum over some methods.
function requests.of(counts, ...)
  local sum = 0
  for _, method in ipairs { ... } do sum = sum + (counts.by_method[method] or 0) end
  return sum
end

--- The requests that a busy computer adds: a program that has not ended at the first look gets others.
function requests.waiting(counts)
  local looks = requests.of(counts, "InitiateFileTransferFromGuest") - requests.of(counts, "HTTP GET")
  return looks + (looks > 0 and requests.of(counts, "ListProcessesInGuest") or 0)
end

--- A table by method: one column for each { name =, counts = }.
function requests.table(columns)
  local methods, seen = {}, {}
  for _, column in ipairs(columns) do
    for method in pairs(column.counts.by_method) do
      if not seen[method] then
        seen[method] = true
        methods[#methods + 1] = method
      end
    end
  end
  local function most(method)
    local n = 0
    for _, column in ipairs(columns) do n = math.max(n, column.counts.by_method[method] or 0) end
    return n
  end
  table.sort(methods, function(a, b)
    if most(a) ~= most(b) then return most(a) > most(b) end
    return a < b
  end)
  local lines = {}
  local function line(first, value)
    local words = { ("%-34s"):format(first) }
    for i, column in ipairs(columns) do words[i + 1] = ("%16s"):format(value(column)) end
    lines[#lines + 1] = table.concat(words)
  end
  line("method", function(column) return column.name end)
  for _, method in ipairs(methods) do
    line(method .. (requests.uncounted[method] and " (not counted)" or ""), function(column)
      return tostring(column.counts.by_method[method] or "-")
    end)
  end
  line("together", function(column) return tostring(column.counts.total) end)
  return table.concat(lines, "\n")
end

-- ---- fleets and playbooks

local GPU = 'p.gpus { match = "10de:20b5" }'

--- A fleet of `hosts` hosts in clusters of ten (or o.cluster), each with four cards. o.enabled: the cards are
-- passthrough devices; o.vms: as many powered-off VMs, spread over the hosts.
function requests.fleet(hosts, o)
  o = o or {}
  local clusters, vms = {}, {}
  for n = 1, hosts do
    local cluster = clusters[(n - 1) // (o.cluster or 10) + 1]
    if not cluster then
      cluster = { name = ("c-%02d"):format(#clusters + 1), hosts = {}, drs = "fullyAutomated" }
      clusters[#clusters + 1] = cluster
    end
    local cards = {}
    for i, bus in ipairs { "1b", "3b", "86", "af" } do
      cards[i] = lab.card(("0000:%s:00.0"):format(bus), { enabled = o.enabled })
    end
    cluster.hosts[#cluster.hosts + 1] = { name = ("esx-%03d"):format(n), memory_gb = 1024, cpus = 64,
      boot_seconds = 60, cards = cards }
  end
  for n = 1, o.vms or 0 do
    vms[n] = { name = ("vm-%03d"):format(n), host = ("esx-%03d"):format((n - 1) % hosts + 1), power = "poweredOff",
      memory_mb = 16384, version = "vmx-20", firmware = "efi" }
  end
  return { clusters = clusters, vms = vms[1] and vms, networks = { "VM Network" },
    datastores = { { name = "ds-1", capacity_gb = 1 << 16, files = {
      ["iso/windows-2022.iso"] = { os = "windows" }, ["iso/ubuntu-24.04.iso"] = { os = "ubuntu" },
      ["iso/windows-answer.iso"] = { source = "builtin:windows-answer" },
      ["iso/ubuntu-answer.iso"] = { source = "builtin:ubuntu-answer" } } } } }
end

-- the accounts of the test vCenter's own answer media
local login = { linux = 'p.login("ops", p.secret.command "echo Train-1-pass")',
  windows = 'p.login("Administrator", p.secret.command "echo Train-1-pass")' }
local guest = { linux = "ubuntu64Guest", windows = "windows2022srvNext_64Guest" }
local media = { linux = 'iso = "[ds-1] iso/ubuntu-24.04.iso", answer = "[ds-1] iso/ubuntu-answer.iso"',
  windows = 'iso = "[ds-1] iso/windows-2022.iso", answer = "[ds-1] iso/windows-answer.iso", tools = "none"' }

--- The scope of `count` new VMs of a cluster, from vm.create to guest.verify.
function requests.new_vms(family, cluster, count, name)
  return ([[
  p.vms { name = "%s", count = %d, login = %s,
    place = { cluster = "%s", datastore = "ds-1", network = "VM Network" },
    p.vm.create { guest = "%s", cpus = 8, memory = "16 GiB", disk = "40 GiB" },
    p.os.install { %s },
    p.tools.ensure {},
    p.gpu.attach { devices = %s, count = 1 },
    p.guest.verify {} },
]]):format(name or family .. "-{n:03}", count, login[family], cluster, guest[family], media[family], GPU)
end

--- The scope of existing VMs that get a card each, and are powered on if `on`.
function requests.existing_vms(where, on)
  return ('  p.vms { where = "%s", p.gpu.attach { devices = %s, count = 1, power_on = %s } },\n'):format(where, GPU,
    on and "true" or "false")
end

--- The scope of hosts.
function requests.hosts(where)
  return ('  p.hosts { where = "%s", devices = %s, p.host.enable {} },\n'):format(where, GPU)
end

function requests.playbook(...)
  return 'return p.playbook { name = "measured",\n' .. table.concat { ... } .. "}\n"
end

--- Plans on a connection of its own, whose opening and closing are not counted. Gives the counts and the plan's text.
function requests.plan(site, text)
  local pb, said = site:load(text), nil
  local vc <close> = gpupt.check(gpupt.vim.connect(site.sim:options()))
  local counts = requests.during(site.sim, function() said = tostring(gpupt.check(pb:plan(vc))) end)
  return counts, said
end

--- Plans and applies on a connection of its own. Gives the counts of the plan and those of the run, and its result.
function requests.apply(site, text, o)
  local pb, result = site:load(text), nil
  local vc <close> = gpupt.check(gpupt.vim.connect(site.sim:options()))
  local plan
  local planned = requests.during(site.sim, function() plan = gpupt.check(pb:plan(vc)) end)
  local applied = requests.during(site.sim, function()
    result = gpupt.check(plan:apply { journal = site:journal(), allow = o and o.allow or {} }):result()
  end)
  return planned, applied, result
end

return requests
