--- 200 VMs, each powered off, reconfigured and powered on: tasks of 0.4 s, at most 8 or 16 VMs at a time. The client,
-- a run of gpupt with its journal and a proof of each VM, a bare C loop, pyVmomi with as many threads, and govc under
-- xargs, one after the other on the same server. The lower bound of the elapsed time is ceil(VMs / cap) times the three
-- delays: elapsed times are printed as multiples of it, CPU time and requests for each VM. The medians of the passes.
-- usage: lua5.4 bench/cycle.lua [passes [VMs]]      needs `make build vcenter`, Go, gcc, build/venv
local median = require "bench.support.median"
local vcenter = require "spec.support.vcenter"

local passes, vms = tonumber(arg and arg[1]) or 3, tonumber(arg and arg[2]) or 200
local DELAY, scratch = 0.4, "build/bench"

local function sh(command, ...)
  local text, ok = vcenter.shell(command:format(...))
  if not ok then error(command .. " failed: " .. text, 0) end
  return text
end

local function start()
  return vcenter.start { speed = 1, patience = 60, fleet = { steady = true,
    delays = { PowerOffVM_Task = DELAY, ReconfigVM_Task = DELAY, PowerOnVM_Task = DELAY },
    clusters = { { name = "c", count = 10, hosts = { { name = "h-{n}", memory_gb = 1024, cpus = 64 } } } },
    datastores = { { name = "ds-1", capacity_gb = 65536 } },
    vms = { { name = "vm-{n:03}", count = vms, cluster = "c", datastore = "ds-1", memory_mb = 256, disk_gb = 1,
      power = "poweredOn" } } } }
end

-- Each prints its wall and CPU seconds.
local function command_of(name, sim, cap)
  local ready = sim.ready
  local login = ("'%s' '%s' '%s' '%s' %d"):format(ready.url, ready.username, ready.password, ready.ca_file, cap)
  if name == "C loop" then return scratch .. "/cycle " .. login end
  if name == "client" then return "lua5.4 bench/cycle/client.lua " .. login end
  if name == "run" then return "lua5.4 bench/cycle/run.lua " .. login .. " " .. sim.dir end
  if name == "pyVmomi" then
    return ("build/venv/bin/python bench/cycle/pyvmomi.py %s %s '%s' '%s' '%s' %d"):format(ready.host:match "^(.-):",
      ready.host:match ":(%d+)$", ready.username, ready.password, ready.ca_file, cap)
  end
  return ("GOVC_URL='%s' GOVC_USERNAME='%s' GOVC_PASSWORD='%s' GOVC_TLS_CA_CERTS='%s' GOVC_VIM_VERSION=8.0.3.0 "
    .. "bench/cycle/govc.sh %s/govc %d %d %s"):format(ready.url, ready.username, ready.password, ready.ca_file, scratch,
    cap, vms, sim.dir)
end

local function measure(name, cap)
  local sim <close> = setmetatable({ it = start() }, { __close = function(self) self.it:stop() end })
  sim.it:forget()
  local text = sh("%s 2>&1", command_of(name, sim.it, cap))
  local wall, cpu = text:match "([%d.]+)%s+([%d.]+)%s*$"
  assert(tonumber(wall), text)
  local all, waits = 0, 0
  for _, method in ipairs(sim.it:calls()) do
    all = all + 1
    if method:find "^WaitForUpdates" then waits = waits + 1 end
  end
  for _, vm in ipairs(sim.it:get("truth").vms) do assert(vm.power == "poweredOn", vm.name) end
  return { wall = wall / (math.ceil(vms / cap) * 3 * DELAY), cpu = cpu / vms * 1e3, requests = all / vms,
    waits = waits / vms }
end

sh("mkdir -p %s && gcc -O2 -Wall -Wextra -o %s/cycle bench/cycle/loop.c bench/support/bare.c -lcurl", scratch, scratch)
sh(". build-support/environment && cd spec/vcenter && go build -o ../../%s/govc ./govc", scratch)
print(("%d VMs off, reconfigured and on, with 3 x %.1f s of delay each"):format(vms, DELAY))
print "  cap          x delay   CPU ms/VM        requests/VM (of them WaitForUpdates)"
for _, cap in ipairs { 8, 16 } do
  local base
  for _, name in ipairs { "C loop", "client", "run", "pyVmomi", "govc" } do
    local list = {}
    -- govc is slow: one pass says enough
    for i = 1, name == "govc" and 1 or passes do list[i] = measure(name, cap) end
    local cpu = median(list, "cpu")
    base = base or cpu
    print(("  %3d  %-8s %6.3f  %8.2f (%.1f x C)  %6.2f (%.2f)"):format(cap, name, median(list, "wall"), cpu, cpu / base,
      median(list, "requests"), median(list, "waits")))
  end
end
