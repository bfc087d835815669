--- What the command costs on a large fleet: gpupt gpus on 1,000 hosts and 8,000 VMs, a plan of 1,000 hosts and 2,000
-- VMs, and a plan of 100 hosts and 40 new VMs where each answer takes 50 ms more. CPU time and memory of the process,
-- requests; elapsed times only where the delay is injected. The peers read
-- the same properties in bench/collect.lua.
-- usage: lua5.4 bench/fleet.lua [passes [hosts [VMs]]]      needs `make build vcenter`, python3
local lab = require "spec.support.lab"
local median = require "bench.support.median"
local requests = require "spec.support.requests"
local vcenter = require "spec.support.vcenter"

local passes = tonumber(arg and arg[1]) or 5
local hosts, vms = tonumber(arg and arg[2]) or 1000, tonumber(arg and arg[3]) or 8000
local LATENCY = 0.05

local function measure(site, words)
  site.sim:forget()
  local ready = site.sim.ready
  local text, ok = vcenter.shell(("GOVC_URL='%s' GOVC_USERNAME='%s' GOVC_PASSWORD='%s' GOVC_TLS_CA_CERTS='%s' "
    .. "XDG_STATE_HOME=%s python3 bench/measure.py lua5.4 bin/gpupt %s 2>%s/err"):format(ready.url, ready.username,
    ready.password, ready.ca_file, site.dir, table.concat(words, " "), site.dir))
  if not ok then error(vcenter.read(site.dir .. "/err"), 0) end
  local wall, cpu, memory = text:match "([%d.]+) ([%d.]+) ([%d.]+)"
  return { wall = tonumber(wall), cpu = tonumber(cpu), memory = tonumber(memory), requests = #site.sim:calls() }
end

local function row(name, site, words, limits)
  local list = {}
  for i = 1, passes do list[i] = measure(site, words) end
  print(("  %-34s CPU %5.2f s%s  %4.0f MB%s  %4d requests  %5.2f s"):format(name, median(list, "cpu"),
    limits.cpu and (" (limit %.1f)"):format(limits.cpu) or "", median(list, "memory"),
    limits.memory and (" (limit %d)"):format(limits.memory) or "", list[1].requests, median(list, "wall")))
end

local function start(count, o)
  return lab.start { speed = 1000, patience = 300, fleet = requests.fleet(count, o) }
end

local site = start(hosts, { enabled = true, vms = vms })
row(("gpus, %d hosts, %d VMs"):format(hosts, vms), site, { "gpus" }, { cpu = 0.6, memory = 60 })
site:stop()

site = start(hosts, { enabled = true, vms = 2 * hosts })
local play = site:write(requests.playbook(requests.hosts "/DC0/host/*", requests.existing_vms "/DC0/vm/*"))
row(("plan, %d hosts, %d VMs"):format(hosts, 2 * hosts), site, { "plan", play }, { cpu = 1.5, memory = 100 })
site:stop()

site = start(100, {})
site.sim:trouble({ count = -1 }, { kind = "hold", seconds = LATENCY })
play = site:write(requests.playbook(requests.hosts "/DC0/host/*", requests.new_vms("linux", "c-01", 40)))
row(("plan, 100 hosts, 40 VMs, %d ms more"):format(LATENCY * 1e3), site, { "plan", play }, {})
site:stop()
