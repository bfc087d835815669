--- Two operators who roll one cluster at the same time: two processes with separate journals, watched from outside.
--   local o = operators.start{ hosts = 4, away = 1 }      a lab with a cluster of that many hosts
--   o:go{ first = { "a-1" }, second = { "a-2" } }         runs both commands to their end: { status =, err =, id = } each
--   o:most_away()                                         how many hosts were out of service at one instant, and when
local lab = require "spec.support.lab"
local vcenter = require "spec.support.vcenter"

local operators = {}

local Operators = {}
Operators.__index = Operators

-- the command looks at the cluster every ten seconds; here every half second
local FASTER = [[require("gpupt.playbook.claim").PAUSE = 0.5]]

function operators.start(o)
  local hosts = {}
  for i = 1, o.hosts do
    hosts[i] = lab.host("a-" .. i, { enter_seconds = o.enter_seconds or 400, boot_seconds = o.boot_seconds or 60 })
  end
  local l = lab.start { speed = o.speed or 100, fleet = { clusters = { { name = "gpu-a", hosts = hosts,
    max_away = o.away } } } }
  l:command { "bar", "10de:20b5" } -- leaves the environment file
  return setmetatable({ lab = l, sim = l.sim, away = o.away or 1 }, Operators)
end

local PLAY = [[return p.playbook { name = "roll", p.hosts { where = { %s }, devices = p.gpus { match = "10de:20b5" },
  roll = { unavailable = "%d/cluster", claim_within = "30m", back_within = "10m" }, p.host.enable {} } }]]

-- Starts the command in the background.
local function begin(self, name, hosts)
  local dir, words = self.lab.dir, {}
  for i, host in ipairs(hosts) do words[i] = ('"/DC0/host/gpu-a/%s"'):format(host) end
  local path = self.lab:write(PLAY:format(table.concat(words, ", "), self.away))
  vcenter.write(("%s/%s.sh"):format(dir, name), (". %s/environment\nexport LUA_INIT='%s'\n"
    .. "bin/gpupt apply %s --allow reboot --journal %s/%s.db >%s/%s.out 2>%s/%s.err </dev/null\n"
    .. "echo $? >%s/%s.status\n"):format(dir, FASTER, path, dir, name, dir, name, dir, name, dir, name))
  os.execute(("rm -f %s/%s.status; sh %s/%s.sh &"):format(dir, name, dir, name))
end

local function finish(self, name)
  local dir = self.lab.dir
  for _ = 1, 2400 do
    local status = (vcenter.read(("%s/%s.status"):format(dir, name)) or ""):match "%d+"
    if status then
      return { status = tonumber(status), err = vcenter.read(("%s/%s.err"):format(dir, name)),
        out = vcenter.read(("%s/%s.out"):format(dir, name)) }
    end
    vcenter.sleep(0.05)
  end
  error(name .. " does not end: " .. tostring(vcenter.read(("%s/%s.err"):format(dir, name))), 0)
end

--- Runs both; `pause` seconds between their starts.
function Operators:go(hosts, pause)
  begin(self, "first", hosts.first)
  if pause then vcenter.sleep(pause) end
  begin(self, "second", hosts.second)
  return finish(self, "first"), finish(self, "second")
end

--- Lets both see a free slot: the answers to enabling the cards, of `count` hosts, are held back.
function Operators:meet(count)
  self.sim:trouble({ method = "UpdatePassthruConfig", count = count or 2 }, { kind = "hold", seconds = 1.5 })
end

--- Holds back the answer to the n-th EnterMaintenanceMode: its task runs, and its run does not know yet.
function Operators:late_answer(nth, seconds)
  self.sim:trouble({ method = "EnterMaintenanceMode_Task", nth = nth }, { kind = "hold", seconds = seconds })
end

local out = { ["maintenance-enter"] = true, away = true }
local back = { ["maintenance-exit"] = true }

--- The largest number of hosts that were in maintenance mode or away at one instant, by the observer's timeline, and
-- their names then. A host is out of service until it leaves maintenance mode.
function Operators:most_away()
  local now, most, names = {}, 0, ""
  for _, event in ipairs(self.sim:get "truth".timeline) do
    if event.host and out[event.kind] then now[event.host] = true end
    if event.host and back[event.kind] then now[event.host] = nil end
    local list = {}
    for host in pairs(now) do list[#list + 1] = host end
    if #list > most then
      table.sort(list)
      most, names = #list, table.concat(list, " ") .. " at " .. event.t
    end
  end
  return most, names
end

function Operators:stop() self.lab:stop() end

return operators
