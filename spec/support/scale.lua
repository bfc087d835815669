--- Scenario 20: what reading and planning a large fleet costs. gpupt gpus and gpupt plan as processes of their own, against
-- the test vCenter; requests from its journal, CPU and memory from the system.
--   scale.measure{ hosts =, vms = }  ->  { gpus = cost, plan = cost }, cost = { wall, cpu (seconds), memory (MB), requests,
--   logins, waits (WaitForUpdatesEx at once), at_once (requests at once), sessions (left) }
local lab = require "spec.support.lab"
local requests = require "spec.support.requests"
local vcenter = require "spec.support.vcenter"

local scale = {}

-- The most requests between their begin and their end at one moment. WaitForUpdatesEx, which is held, has its own count.
local function most_at_once(list)
  local marks = {}
  for _, entry in ipairs(list) do
    if entry.method ~= "WaitForUpdatesEx" then
      marks[#marks + 1] = { entry.t0, 1 }
      marks[#marks + 1] = { entry.t1 or entry.t0, -1 }
    end
  end
  table.sort(marks, function(a, b)
    if a[1] ~= b[1] then return a[1] < b[1] end
    return a[2] < b[2]
  end)
  local now, most = 0, 0
  for _, mark in ipairs(marks) do
    now = now + mark[2]
    most = math.max(most, now)
  end
  return most
end

-- { wall, cpu, memory } of a command of the lab, run under bench/measure.py.
local function measured(l, words)
  l:command { "bar", "10de:20b5" } -- leaves the environment file
  local text = vcenter.shell((". %s/environment; python3 bench/measure.py lua5.4 bin/gpupt %s 2>%s/err"):format(l.dir, words, l.dir))
  local wall, cpu, memory = text:match "([%d.]+) ([%d.]+) ([%d.]+)"
  assert(wall, vcenter.read(l.dir .. "/err"))
  return { wall = tonumber(wall), cpu = tonumber(cpu), memory = tonumber(memory) }
end

local function cost(l, words)
  l.sim:forget()
  local before = l.sim:get "sessions".logins
  local one = measured(l, words)
  local page = l.sim:get "journal"
  local list = page.requests or page
  one.requests, one.at_once = #list, most_at_once(list)
  local sessions = l.sim:get "sessions"
  one.logins, one.waits, one.sessions = sessions.logins - before, sessions.peak_waiting, sessions.sessions
  return one
end

function scale.measure(o)
  local l = lab.start { speed = 60, patience = 120, fleet = requests.fleet(o.hosts, { vms = o.vms, enabled = true }) }
  local path = l:write(requests.playbook(requests.hosts "/DC0/host/*", requests.existing_vms "/DC0/vm/vm-*0"))
  local result = { gpus = cost(l, "gpus"), plan = cost(l, "plan " .. path) }
  l:stop()
  return result
end

--- One line of figures.
function scale.line(name, one)
  return ("%s: %d requests, %.2f s CPU, %.0f MB, %.1f s"):format(name, one.requests, one.cpu, one.memory, one.wall)
end

return scale
