--- A roll of 100 hosts in 10 clusters by `gpupt apply` with host.enable, one host of a cluster at a time; and the same
-- with 200 VMs that get a card and are powered on when their host is back. Elapsed times are from the start of the
-- process to its end, as multiples of the critical path, which bench/roll/path.py computes from the fleet file and its
-- delays alone. CPU time and memory are those of the process, requests from the journal of the test vCenter. The C loop
-- is the lower bound: the same changes with as few requests as correctness allows, without a journal, claims or a look
-- at other hosts; elapsed and CPU time are also printed as multiples of its own. pyVmomi makes the same calls with a
-- thread for each cluster, without journal, claims and proofs too. Medians of the passes, and the longest elapsed time.
-- usage: lua5.4 bench/roll.lua [passes [clusters [hosts of a cluster]]]
-- needs `make build vcenter`, gcc, build/venv
local lab = require "spec.support.lab"
local median = require "bench.support.median"
local requests = require "spec.support.requests"
local vcenter = require "spec.support.vcenter"

local passes, clusters = tonumber(arg and arg[1]) or 5, tonumber(arg and arg[2]) or 10
local size = tonumber(arg and arg[3]) or 10
local hosts = clusters * size
local LIMITS = { wall = 1.05, with_vms = 1.10, cpu = 10, memory = 60, requests = 15 }

-- Hosts that differ: what one takes is not what the next one takes.
local function fleet(vms)
  local made = requests.fleet(hosts, { vms = vms and 2 * hosts, cluster = size })
  made.steady = true
  made.delays = { RebootHost_Task = 0.4, ReconfigVM_Task = 0.4, PowerOnVM_Task = 0.4 }
  local n = 0
  for _, cluster in ipairs(made.clusters) do
    for _, host in ipairs(cluster.hosts) do
      n = n + 1
      host.enter_seconds, host.boot_seconds, host.exit_seconds = 0.6 + 0.05 * (n % 7), 2.5 + 0.1 * (n * 7 % 11), 0.5
    end
  end
  return made
end

local function sh(command)
  local text, ok = vcenter.shell(command)
  return ok and text or error(command .. " failed: " .. text, 0)
end

sh("mkdir -p build/bench && gcc -O2 -Wall -Wextra -o build/bench/roll bench/roll/loop.c bench/support/bare.c -lcurl")

local function gpupt(site, vms)
  local scopes = { requests.hosts "/DC0/host/*" }
  if vms then scopes[2] = requests.existing_vms("/DC0/vm/*", true) end
  return ("lua5.4 bin/gpupt apply %s --allow reboot"):format(site:write(requests.playbook(table.unpack(scopes))))
end

local function c_loop(site)
  local ready = site.sim.ready
  return ("build/bench/roll '%s' '%s' '%s' '%s' 10de:20b5"):format(ready.url, ready.username, ready.password,
    ready.ca_file)
end

local function pyvmomi(site)
  local ready = site.sim.ready
  return ("build/venv/bin/python bench/roll/pyvmomi.py %s %s '%s' '%s' '%s' 10de:20b5"):format(
    ready.host:match "^(.-):", ready.host:match ":(%d+)$", ready.username, ready.password, ready.ca_file)
end

local function measure(command, vms)
  local started = lab.start { speed = 1, patience = 300, fleet = fleet(vms) }
  local site <close> = setmetatable({ it = started }, { __close = function() started:stop() end }) -- luacheck: ignore
  local path = tonumber(sh(("python3 bench/roll/path.py %s/fleet.json 1"):format(started.dir)))
  local ready = started.sim.ready
  started.sim:forget()
  local text = sh(("GOVC_URL='%s' GOVC_USERNAME='%s' GOVC_PASSWORD='%s' GOVC_TLS_CA_CERTS='%s' XDG_STATE_HOME=%s "
    .. "python3 bench/measure.py %s 2>%s/err || { cat %s/err; exit 1; }"):format(ready.url, ready.username,
    ready.password, ready.ca_file, started.dir, command(started, vms), started.dir, started.dir))
  local wall, cpu, memory = text:match "([%d.]+) ([%d.]+) ([%d.]+)"
  local counts = requests.since(started.sim)
  local truth = started.sim:get "truth"
  assert(#truth.violations == 0, "the server's rules were broken")
  for _, host in ipairs(truth.hosts) do
    assert(not host.maintenance, host.name .. " is in maintenance mode")
    for _, card in ipairs(host.cards) do
      assert(card.device ~= "20b5" or card.active, host.name .. " is not rolled")
    end
  end
  return { wall = tonumber(wall) / path, cpu = tonumber(cpu) * 1e3 / hosts, memory = tonumber(memory), path = path,
    requests = counts.total / hosts, waits = (counts.by_method.WaitForUpdatesEx or 0) / hosts }
end

local function worst(list)
  local most = 0
  for _, one in ipairs(list) do most = math.max(most, one.wall) end
  return most
end

local function line(...)
  print((("  %-15s %7s %7s %11s %7s %10s %4s %9s %14s"):format(...):gsub(" +$", "")))
end

local floor -- the figures of the C loop, which is measured first

-- vms: more than the C loop does, so not compared with it
local function row(name, command, count, vms)
  local list, of = {}, {}
  for i = 1, count do list[i] = measure(command, vms) end
  for _, field in ipairs { "wall", "cpu", "memory", "requests", "waits" } do of[field] = median(list, field) end
  local function times(format, field) return floor and not vms and format:format(of[field] / floor[field]) or "" end
  line(name, ("%.3f"):format(of.wall), ("%.3f"):format(worst(list)), times("(%.3f x C)", "wall"),
    ("%.2f"):format(of.cpu), times("(%.1f x C)", "cpu"), ("%.0f"):format(of.memory), ("%.1f"):format(of.requests),
    ("%.1f"):format(of.waits))
  floor = floor or of
  return list[1].path
end

local function limits(wall)
  line("  at most", ("%.3f"):format(wall), "", "", LIMITS.cpu, "", LIMITS.memory, LIMITS.requests, "")
end

print(("%d hosts in %d clusters, CPU and requests for each host"):format(hosts, clusters))
line("", "x path", "worst", "", "CPU ms", "", "MB", "requests", "WaitForUpdates")
local path = row("C loop", c_loop, math.min(passes, 3))
row("gpupt", gpupt, passes)
limits(LIMITS.wall)
row("pyVmomi", pyvmomi, math.min(passes, 3))
row(("gpupt, %d VMs"):format(2 * hosts), gpupt, passes, true)
limits(LIMITS.with_vms)
print(("  the critical path of the hosts: %.1f s"):format(path))
