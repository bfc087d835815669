--- Waiting for a thousand tasks at once, on the test vCenter: the number of requests, the CPU time, and how long after
-- a task's end (its completeTime) its waiter resumes. The tasks are changes of a thousand VMs that take some seconds
-- each, report progress four times, and end spread over a second or more. Compared with pyVmomi with one filter, and
-- govmomi with its own wait for each task. The lower bound of the latency is one round trip to the server.
-- usage: lua5.4 bench/wait.lua [passes [tasks]]      needs `make build vcenter`, Go, build/venv
local gpupt = require "gpupt"
local loop = require "gpupt.loop"
local vcenter = require "spec.support.vcenter"

local passes, tasks = tonumber(arg and arg[1]) or 7, tonumber(arg and arg[2]) or 1000
local SECONDS = math.max(3, math.ceil(tasks / 100)) -- of each task: all must have begun before the first one ends
local VERSION = "8.0.3.0"

-- Many changes come in one answer only when there are many: a thousand tasks take less than a request for two. Of a few
-- each change (queued, started, four of progress, ended) may arrive alone.
local LIMIT = tasks >= 500 and tasks // 2 or 8 * tasks + 8

-- Wall-clock seconds for an instant of the loop's monotonic clock: the closest of several readings.
local function wall_offset()
  local best, offset = math.huge, nil
  for _ = 1, 9 do
    local from = loop.now()
    local text = vcenter.shell "date +%s.%N"
    local till = loop.now()
    -- the program reads the clock when it is about to end
    if till - from < best then best, offset = till - from, tonumber(text) - (from + till) / 2 end
  end
  return offset, best
end

local function quantile(list, part)
  return list[math.max(1, math.ceil(#list * part))]
end

local waiting = { "CreatePropertyCollector", "CreateListView", "ModifyListView", "CreateFilter", "WaitForUpdatesEx",
  "DestroyPropertyFilter", "CancelWaitForUpdates", "DestroyPropertyCollector" }

-- What one pass gave: { requests, parts (by method), cpu, median, p99, most, peak }.
local function result(sim, cpu, late)
  local counts, parts, total = {}, {}, 0
  for _, method in ipairs(sim:calls()) do counts[method] = (counts[method] or 0) + 1 end
  for _, method in ipairs(waiting) do
    local n = counts[method] or 0
    total = total + n
    if n > 0 then parts[#parts + 1] = n .. " " .. method end
  end
  table.sort(late)
  assert(#late == tasks, #late)
  return { requests = total, parts = table.concat(parts, ", "), cpu = cpu, median = quantile(late, 0.5),
    p99 = quantile(late, 0.99), most = late[#late], peak = sim:get("sessions").peak_waiting }
end

-- Starts the tasks.
local function begin(vc)
  local vms = gpupt.check(vc:find("/**", { type = "VirtualMachine" }))
  assert(#vms == tasks, #vms)
  local started = loop.now()
  local list = loop.run(function()
    local works = {}
    for i, vm in ipairs(vms) do
      works[i] = function() return (gpupt.check(vm:ReconfigVM_Task { spec = { annotation = "n " .. i } })) end
    end
    return loop.all(works)
  end)
  assert(loop.now() - started < SECONDS * 0.8, "starting the tasks took longer than the tasks")
  return list
end

local function ours(sim)
  local vc <close> = sim:connect()
  local offset, doubt = wall_offset()
  local list = begin(vc)
  sim:forget()
  local notices, cpu = {}, os.clock()
  loop.run(function()
    local works = {}
    for i, task in ipairs(list) do
      works[i] = function()
        local _, info = gpupt.check(vc:wait(task))
        notices[i] = { at = loop.now(), info = info }
        return true
      end
    end
    loop.all(works)
  end)
  cpu = os.clock() - cpu
  local late, first, last = {}, math.huge, 0
  for i, notice in ipairs(notices) do
    assert(notice.info.state == "success")
    local ended = assert(tonumber(gpupt.vim.seconds(notice.info.completeTime)))
    first, last = math.min(first, ended), math.max(last, ended)
    late[i] = notice.at + offset - ended
  end
  local pass = result(sim, cpu, late)
  pass.spread, pass.doubt = last - first, doubt / 2
  return pass
end

-- The same number of tasks, waited for by another program: it gets a file with their ids, prints "ready", its CPU
-- seconds, and how late each notice was.
local function theirs(command)
  return function(sim)
    local vc <close> = sim:connect()
    local path = sim.dir .. "/tasks"
    os.remove(path)
    local ids = {}
    local pipe = assert(io.popen(("while [ ! -e %s ]; do sleep 0.05; done; exec %s %s"):format(path, command, path)))
    for i, task in ipairs(begin(vc)) do ids[i] = task.value end
    vcenter.write(path .. ".new", table.concat(ids, "\n") .. "\n")
    sim:forget()
    assert(os.rename(path .. ".new", path))
    assert(pipe:read "l" == "ready", command:match "%S+" .. " does not begin")
    local cpu, late = tonumber(pipe:read "l"), {}
    for line in pipe:lines() do late[#late + 1] = tonumber(line) end
    pipe:close()
    return result(sim, cpu, late)
  end
end

local function round_trip(sim)
  local vc <close> = sim:connect()
  local least, list = math.huge, {}
  for i = 1, 200 do
    local from = loop.now()
    gpupt.check(vc:call(vc.instance, "CurrentTime"))
    list[i] = loop.now() - from
    least = math.min(least, list[i])
  end
  table.sort(list)
  return least, quantile(list, 0.5)
end

local function compare(list, field)
  local values = {}
  for i, pass in ipairs(list) do values[i] = pass[field] end
  table.sort(values)
  return values[1], values[#values // 2 + 1], values[#values]
end

local function row(name, list, base)
  local requests, requests_median, requests_most = compare(list, "requests")
  local cpu, cpu_median = compare(list, "cpu")
  local median, median_median = compare(list, "median")
  local p99, p99_median = compare(list, "p99")
  local _, _, peak = compare(list, "peak")
  print(("  %-8s %d passes  requests min %d  median %d  CPU min %.3f s  median %.3f s%s"):format(name, #list,
    requests, requests_median, cpu, cpu_median, base and ("  %6.2f x gpupt"):format(cpu / base) or ""))
  print(("           end to notice, min and median of the passes: median %.1f, %.1f ms  p99 %.1f, %.1f ms")
    :format(median * 1e3, median_median * 1e3, p99 * 1e3, p99_median * 1e3))
  print(("           %d waits in flight at most; the last pass: %s"):format(peak, list[#list].parts))
  return cpu, requests_most, peak
end

local function sh(command)
  local text, ok = vcenter.shell(command)
  if not ok then error(command .. " failed: " .. text, 0) end
end

sh "mkdir -p build/bench && . build-support/environment && cd bench/peers && go build -o ../../build/bench/peers ."
local fleet = {
  delays = { ReconfigVM_Task = SECONDS },
  clusters = { { name = "c", count = 10, hosts = { { name = "h-{n}" } } } },
  datastores = { { name = "ds-1", capacity_gb = 65536 } },
  vms = { { name = "vm-{n:04}", count = tasks, cluster = "c", datastore = "ds-1", memory_mb = 256, disk_gb = 1 } },
}
local sim <close> = setmetatable({
  it = vcenter.start { speed = 1, patience = 60, flags = "-version " .. VERSION, fleet = fleet },
}, { __close = function(self) self.it:stop() end })
local ready = sim.it.ready
local address, port = ready.host:match "^(.-):(%d+)$"

print(("%d tasks of %d s on %d virtual machines"):format(tasks, SECONDS, tasks))
local least, middle = round_trip(sim.it)
print(("  the floor: one round trip takes %.2f ms at least, %.2f ms in the middle of 200"):format(least * 1e3,
  middle * 1e3))
local function run(work, count)
  local list = {}
  for i = 1, count do list[i] = work(sim.it) end
  return list
end
local mine = run(ours, passes)
print(("  the tasks ended within %.1f s; the clocks agree to %.1f ms"):format(mine[1].spread, mine[1].doubt * 1e3))
local cpu, requests, peak = row("gpupt", mine)
local pyvmomi = "build/venv/bin/python bench/pyvmomi_wait.py %s %s '%s' '%s' '%s'"
row("pyVmomi", run(theirs(pyvmomi:format(address, port, ready.username, ready.password, ready.ca_file)),
  math.min(passes, 3)), cpu)
-- last: the server's page shows the most waits in flight since it started
local govmomi = "build/bench/peers wait %s '%s' '%s' '%s' %s"
row("govmomi", run(theirs(govmomi:format(ready.host, ready.username, ready.password, ready.ca_file, VERSION)),
  math.min(passes, 3)), cpu)
if requests > LIMIT or peak > 1 then
  print(("a limit is not held: at most %d requests, one wait in flight"):format(LIMIT))
  os.exit(1)
end
