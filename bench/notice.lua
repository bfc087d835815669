--- How long after a task's end (its completeTime) its waiter resumes: a thousand tasks that end within a second, and
-- sixteen that end one by one. On a server of tasks only (bench/peers/tasks.go), because a whole test vCenter takes
-- longer to answer than the client to notice. Beside it pyVmomi with one filter for all, and for sixteen tasks govmomi
-- with its own wait for each. The lower bound is one round trip. Medians of the passes.
-- usage: lua5.4 bench/notice.lua [passes]      needs `make build`, Go, build/venv
local gpupt = require "gpupt"
local loop = require "gpupt.loop"
local median = require "bench.support.median"
local vcenter = require "spec.support.vcenter"

local passes = tonumber(arg and arg[1]) or 5
local LIMIT = 5 -- ms, of the median over 1,000 tasks
local SECONDS = 3 -- of each task: all are waited for before the first one ends

local function sh(command, ...)
  local text, ok = vcenter.shell(command:format(...))
  return ok and text or error(command .. " failed: " .. text, 0)
end

local dir = sh "mktemp -d":match "%S+"
sh "mkdir -p build/bench && . build-support/environment && cd bench/peers && go build -o ../../build/bench/peers ."

-- The server lives as long as its standard input is open.
local input = assert(io.popen(("build/bench/peers tasks %s/ca.pem >%s/address"):format(dir, dir), "w"))
local address
repeat
  vcenter.sleep(0.05)
  address = (vcenter.read(dir .. "/address") or ""):match "^(%S+)\n"
until address

local function ask(path) return sh("curl -sS --cacert %s/ca.pem 'https://%s%s'", dir, address, path) end

-- Wall-clock seconds for an instant of the loop's monotonic clock: the closest of several readings.
local function wall_offset()
  local best, offset = math.huge, nil
  for _ = 1, 9 do
    local from = loop.now()
    local text = vcenter.shell "date +%s.%N"
    local till = loop.now()
    if till - from < best then best, offset = till - from, tonumber(text) - (from + till) / 2 end
  end
  return offset
end

local function connect()
  return gpupt.check(gpupt.vim.connect { url = "https://" .. address .. "/sdk", username = "user", password = "word",
    ca_file = dir .. "/ca.pem" })
end

-- Both give how late each notice was, and the CPU seconds.
local function ours(ids)
  local vc <close> = connect()
  local offset, late, cpu = wall_offset(), {}, os.clock()
  loop.run(function()
    local works = {}
    for i, id in ipairs(ids) do
      works[i] = function()
        local _, info = gpupt.check(vc:wait(vc:ref("Task", id)))
        late[i] = loop.now() + offset - gpupt.vim.seconds(info.completeTime)
        return true
      end
    end
    loop.all(works)
  end)
  return late, os.clock() - cpu
end

local function theirs(command)
  return function(ids)
    local path = dir .. "/tasks"
    vcenter.write(path, table.concat(ids, "\n") .. "\n")
    local pipe = assert(io.popen(command .. " " .. path))
    assert(pipe:read "l" == "ready", command:match "%S+" .. " does not begin")
    local cpu, late = tonumber(pipe:read "l"), {}
    for line in pipe:lines() do late[#late + 1] = tonumber(line) end
    pipe:close()
    return late, cpu
  end
end

local host, port = address:match "^(.-):(%d+)$"
local pyvmomi = ("build/venv/bin/python bench/pyvmomi_wait.py %s %s user word %s/ca.pem"):format(host, port, dir)
local govmomi = ("build/bench/peers wait %s user word %s/ca.pem 8.0.3.0"):format(address, dir)
local programs = {
  { name = "gpupt", work = ours, most = math.huge }, { name = "pyVmomi", work = theirs(pyvmomi), most = math.huge },
  -- a connection for each of a thousand waits is measured in bench/wait.lua
  { name = "govmomi", work = theirs(govmomi), most = 100 },
}

local function measure(work, count, spread)
  local ids = {}
  for id in ask(("/begin?count=%d&seconds=%d&spread=%g"):format(count, SECONDS, spread)):gmatch "%S+" do
    ids[#ids + 1] = id
  end
  ask "/calls"
  local late, cpu = work(ids)
  assert(#late == count, #late)
  table.sort(late)
  local _, lines = ask "/calls":gsub("\n", "\n")
  return { median = late[(count + 1) // 2] * 1e3, p99 = late[math.ceil(count * 0.99)] * 1e3, cpu = cpu,
    calls = lines - 1 } -- the first line is not one
end

local function round_trip()
  local vc <close> = connect()
  local list = {}
  for i = 1, 200 do
    local from = loop.now()
    gpupt.check(vc:call(vc.instance, "CurrentTime"))
    list[i] = { seconds = loop.now() - from }
  end
  return median(list, "seconds") * 1e3
end

print(("the end of a task to its notice, in ms; one round trip takes %.2f ms"):format(round_trip()))
local failed = false
for _, count in ipairs { 1000, 16 } do
  for _, program in ipairs(programs) do
    local list, limited = {}, count == 1000 and program.name == "gpupt"
    for i = 1, count <= program.most and passes or 0 do list[i] = measure(program.work, count, 1) end
    if list[1] then
      local middle = median(list, "median")
      failed = failed or limited and middle > LIMIT
      print(("  %4d tasks  %-8s median %5.1f%s  p99 %5.1f  CPU %.3f s  %4d requests"):format(count, program.name,
        middle, limited and (" (limit %d)"):format(LIMIT) or "", median(list, "p99"), median(list, "cpu"),
        median(list, "calls")))
    end
  end
end
input:close()
os.execute("rm -rf " .. dir)
os.exit(not failed)
