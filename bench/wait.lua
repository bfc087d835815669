--- A thousand tasks waited for at once, against the test vCenter: how many requests the waiting takes, how much of our
-- CPU, and how long after a task's end (its completeTime) its waiter goes on. The tasks are changes of a thousand
-- virtual machines that take some seconds each, report progress four times, and end spread over two or three seconds.
-- pyVmomi waits for as many, with one filter of its own.
-- usage: lua5.4 bench/wait.lua [tasks]      needs `make build vcenter` and build/venv
local gpupt = require "gpupt"
local loop = require "gpupt.loop"
local vcenter = require "spec.support.vcenter"

local tasks = tonumber(arg and arg[1]) or 1000
local SECONDS = 12 -- of each task: all must have begun before the first one ends

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

local function count(sim)
  local counts = {}
  for _, method in ipairs(sim:calls()) do counts[method] = (counts[method] or 0) + 1 end
  return counts
end

local waiting = { "CreatePropertyCollector", "CreateFilter", "WaitForUpdatesEx", "DestroyPropertyFilter",
  "CancelWaitForUpdates", "DestroyPropertyCollector" }

local function row(name, counts, cpu, late, peak)
  local total, parts = 0, {}
  for _, method in ipairs(waiting) do
    local n = counts[method] or 0
    total = total + n
    if n > 0 then parts[#parts + 1] = n .. " " .. method end
  end
  table.sort(late)
  print(("  %-8s %5d requests (%s)"):format(name, total, table.concat(parts, ", ")))
  local form = "           CPU %.3f s; end to notice: median %.1f ms, p99 %.1f ms, most %.1f ms; %s in flight at most"
  print(form:format(cpu, quantile(late, 0.5) * 1e3, quantile(late, 0.99) * 1e3, late[#late] * 1e3, peak))
  return total
end

-- A thousand tasks, begun.
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
  local late, cpu = {}, os.clock()
  loop.run(function()
    local works = {}
    for i, task in ipairs(list) do
      works[i] = function()
        local _, info = gpupt.check(vc:wait(task))
        late[i] = { at = loop.now(), info = info }
        return true
      end
    end
    loop.all(works)
  end)
  cpu = os.clock() - cpu
  local first, last = math.huge, 0
  for i, notice in ipairs(late) do
    assert(notice.info.state == "success")
    local ended = assert(tonumber(gpupt.vim.seconds(notice.info.completeTime)))
    first, last = math.min(first, ended), math.max(last, ended)
    late[i] = notice.at + offset - ended
  end
  print(("  the tasks ended within %.1f s; the clocks agree to %.1f ms"):format(last - first, doubt / 2 * 1e3))
  assert(#late == tasks)
  local page = sim:get "sessions"
  return row("gpupt", count(sim), cpu, late, page.peak_waiting), page.peak_waiting
end

-- The same tasks once more, waited for by pyVmomi with one filter.
local function theirs(sim)
  local vc <close> = sim:connect()
  local path = sim.dir .. "/tasks"
  local address, port = sim.ready.host:match "^(.-):(%d+)$"
  local command = "while [ ! -e %s ]; do sleep 0.05; done; exec build/venv/bin/python bench/pyvmomi_wait.py"
    .. " %s %s '%s' '%s' '%s' %s"
  local pipe = assert(io.popen(command:format(path, address, port, sim.ready.username, sim.ready.password,
    sim.ready.ca_file, path)))
  local ids = {}
  for i, task in ipairs(begin(vc)) do ids[i] = task.value end
  vcenter.write(path .. ".new", table.concat(ids, "\n") .. "\n")
  sim:forget()
  assert(os.rename(path .. ".new", path))
  assert(pipe:read "l" == "ready", "pyVmomi does not begin")
  local cpu, late = tonumber(pipe:read "l"), {}
  for line in pipe:lines() do late[#late + 1] = tonumber(line) end
  pipe:close()
  assert(#late == tasks, #late)
  row("pyVmomi", count(sim), cpu, late, 1)
end

local sim <close> = setmetatable({ it = vcenter.start { speed = 1, patience = 60, fleet = {
  delays = { ReconfigVM_Task = SECONDS },
  clusters = { { name = "c", count = 10, hosts = { { name = "h-{n}" } } } },
  datastores = { { name = "ds-1", capacity_gb = 65536 } },
  vms = { { name = "vm-{n:04}", count = tasks, cluster = "c", datastore = "ds-1", memory_mb = 256, disk_gb = 1 } },
} } }, { __close = function(self) self.it:stop() end })

print(("%d tasks of %d s on %d virtual machines"):format(tasks, SECONDS, tasks))
local requests, peak = ours(sim.it)
theirs(sim.it)
if requests > tasks // 2 or peak > 1 then
  print("a limit is not held: fewer than one request for two tasks, one wait in flight")
  os.exit(1)
end
