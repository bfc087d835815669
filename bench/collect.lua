--- The devices of 5,000 VMs and the PCI lists of 1,000 hosts, read by gpupt, govc and pyVmomi: from the test vCenter,
-- which returns at most a hundred objects per page, and from govmomi's simulator, which returns pages only on request.
-- The server's encoder dominates the elapsed time, so the client's CPU time and its
-- requests are compared.
-- The figures of govc are those of the whole program, since that is how it is used; the others' begin after the login.
-- usage: lua5.4 bench/collect.lua [passes [VMs [hosts]]]      needs `make build vcenter`, Go, build/venv
local vcenter = require "spec.support.vcenter"

local passes = tonumber(arg and arg[1]) or 7
local machines, hosts = tonumber(arg and arg[2]) or 5000, tonumber(arg and arg[3]) or 1000
local PAGE = 100
local scratch = "build/bench"

local function sh(command, ...)
  local text, ok = vcenter.shell(command:format(...))
  if not ok then error(command .. " failed: " .. text, 0) end
  return text
end

local function cards()
  local list = {}
  for i, bus in ipairs { "3b", "3c", "86", "af" } do
    list[i] = { address = ("0000:%s:00.0"):format(bus), vendor = "10de", device = "20b5" }
  end
  return list
end

-- A server is { host =, username =, password =, ca_file =, dir = a folder for scratch files, forget() and requests() =
-- how many there were since, connect(), stop() }.

local function test_vcenter()
  local clusters, vms = {}, {}
  for i = 1, 4 do
    local name = "c" .. i
    clusters[i] = { name = name, count = hosts // 4, hosts = { { name = name .. "-{n:03}", cards = cards() } } }
    vms[i] = { name = name .. "-vm-{n:04}", count = machines // 4, cluster = name, memory_mb = 16384, cpus = 4,
      disk_gb = 40, firmware = "efi" }
  end
  local sim = vcenter.start { speed = 50, patience = 120, fleet = { clusters = clusters, vms = vms,
    datastores = { { name = "ds-1", capacity_gb = 1 << 20 } } } }
  return {
    host = sim.ready.host, username = sim.ready.username, password = sim.ready.password, ca_file = sim.ready.ca_file,
    dir = sim.dir, version = "8.0.3.0",
    connect = function() return sim:connect() end,
    forget = function() sim:forget() end,
    requests = function() return #sim:calls() end,
    stop = function()
      sim:close_all()
      sim:stop()
    end,
  }
end

local function stock()
  local dir = sh("mktemp -d -t gpupt-bench.XXXXXX"):match "%S+"
  local pipe = assert(io.popen(("exec %s/peers serve %d %d >%s/ready"):format(scratch, machines, hosts, dir), "w"))
  local host, ca_file
  for _ = 1, 1200 do
    host, ca_file = (vcenter.read(dir .. "/ready") or ""):match "^(%S+) (%S+)\n"
    if host then break end
    vcenter.sleep(0.1)
  end
  assert(host, "the simulator did not start")
  local self = { host = host, username = "user", password = "pass", ca_file = ca_file, dir = dir }
  function self.requests() return tonumber((sh("curl -sS --cacert %s https://%s/requests", ca_file, host))) end
  self.forget = self.requests
  local vc
  function self.connect()
    local gpupt = require "gpupt"
    vc = gpupt.check(gpupt.vim.connect { url = "https://" .. host .. "/sdk", username = self.username,
      password = self.password, ca_file = ca_file })
    return vc
  end
  function self.stop()
    if vc then vc:close() end
    pipe:close()
    os.execute("rm -rf " .. dir)
  end
  return self
end

-- Megabytes that this process holds.
local function resident()
  local file <close> = assert(io.open "/proc/self/status")
  return tonumber(file:read("a"):match "VmRSS:%s+(%d+)") / 1024
end

--- What each client does: read(kind, path) gives the number of objects and the CPU seconds.
local function clients(server)
  local vc = server.connect()
  local address, port = server.host:match "^(.-):(%d+)$"
  local login = ("GOVC_URL='https://%s/sdk' GOVC_USERNAME='%s' GOVC_PASSWORD='%s' GOVC_TLS_CA_CERTS='%s' "
    .. "GOVC_PERSIST_SESSION=false%s"):format(server.host, server.username, server.password, server.ca_file,
      server.version and " GOVC_VIM_VERSION=" .. server.version or "")
  local short = { VirtualMachine = "m", HostSystem = "h" }
  return {
    { name = "gpupt", read = function(kind, path)
      collectgarbage()
      local before, peak = resident(), 0
      local from, count = os.clock(), 0
      for object in vc:collect { type = kind, paths = { "name", path }, page = PAGE } do
        count = count + 1
        assert(#object[path] > 0)
        if count % 500 == 0 then peak = math.max(peak, resident() - before) end
      end
      return count, os.clock() - from, peak
    end },
    { name = "govc", read = function(kind, path)
      local out = server.dir .. "/govc"
      local text = sh("bash -c \"TIMEFORMAT='%%U %%S'; time %s %s/govc collect -json -type %s / name %s >%s\" 2>&1",
        login, scratch, short[kind], path, out)
      local user, system = text:match "([%d.]+) ([%d.]+)%s*$"
      local count = tonumber((sh("grep -c '\"name\": \"%s\"' %s", path, out)))
      return count, user + system
    end },
    { name = "pyVmomi", read = function(kind, path)
      local text = sh("build/venv/bin/python bench/pyvmomi_collect.py %s %s '%s' '%s' %s %s name %s", address, port,
        server.username, server.password, server.ca_file, kind, path)
      local count, seconds = text:match "(%d+) ([%d.]+)"
      return tonumber(count), tonumber(seconds)
    end },
  }
end

sh(". build-support/environment && cd spec/vcenter && go build -o ../../%s/govc ./govc", scratch)
sh(". build-support/environment && cd bench/peers && go build -o ../../%s/peers .", scratch)

local good = true
local function compare(server, title, kind, path, expected, list)
  print(("%s (%s.%s)"):format(title, kind, path))
  local least = {}
  for _, client in ipairs(list) do
    local times, count, requests, grown = {}, nil, nil, nil
    for i = 1, client.name == "pyVmomi" and math.min(passes, 3) or passes do
      server.forget()
      local more
      count, times[i], more = client.read(kind, path)
      grown = more and math.max(grown or 0, more)
      requests = server.requests()
    end
    table.sort(times)
    least[client.name] = times[1]
    local form = "  %-8s CPU min %7.3f s  median %7.3f s  %6.2f x gpupt  %3d requests, %s objects"
    print(form:format(client.name, times[1], times[#times // 2 + 1], times[1] / least.gpupt, requests, count))
    if client.name == "gpupt" then
      print(("           and grew by %.1f MB at most meanwhile"):format(grown))
      assert(count == expected, count)
      good = good and requests <= 3 + math.ceil(expected / PAGE)
    end
  end
  good = good and least.gpupt <= least.govc / 4
end

for _, case in ipairs {
  { "the test vCenter", test_vcenter }, { "govmomi's simulator as it is", stock },
} do
  local server <close> = setmetatable(case[2](), { __close = function(self) self.stop() end })
  print(case[1])
  local list = clients(server)
  compare(server, machines .. " virtual machines with their devices", "VirtualMachine", "config.hardware.device",
    machines, list)
  compare(server, "the PCI lists of " .. hosts .. " hosts", "HostSystem", "hardware.pciDevice", hosts, list)
end
if not good then
  print("a limit is not held: a quarter of govc's CPU, three requests and one for each page")
  os.exit(1)
end
