-- Scenario 18: under one roll the session expires, the server answers 503, an update is cut short, and the connection
-- breaks right after RebootHost. The request is sent once, nothing is done twice, and no password goes to a server with
-- another certificate.
local gpupt = require "gpupt"
local json = require "gpupt.json"
local lab = require "spec.support.lab"
local vcenter = require "spec.support.vcenter"

local PLAY = [[return p.playbook { name = "roll", p.hosts { where = "/DC0/host/*", devices = p.gpus { match = "10de:20b5" },
  p.host.enable {} } }]]

describe("a roll in trouble", function()
  local l
  before_each(function()
    l = lab.start { speed = 200, fleet = { clusters = { { name = "gpu-a", hosts = { lab.host "a-1", lab.host "a-2" } } } } }
    l:client()
  end)
  after_each(function() l:stop() end)

  it("goes on through all of it, and reboots each host once", function()
    local plan, troubles = gpupt.check(l:plan(PLAY)), 0
    l.sim:trouble({ method = "RebootHost_Task", count = 1 }, { kind = "reset-after" })
    local run = gpupt.check(plan:apply { journal = l:journal(), allow = { "reboot" }, on_event = function(event)
      if event.text == "entered maintenance mode" and event.target == "a-1" then
        l.sim:post "sessions/drop"
      elseif event.text == "connected again" and event.target == "a-1" then
        l.sim:trouble({ method = "RetrievePropertiesEx", count = 2 }, { kind = "status", code = 503 })
        l.sim:trouble({ method = "WaitForUpdatesEx", count = 1 }, { kind = "truncate", bytes = 200 })
      else
        return
      end
      troubles = troubles + 1
    end })
    assert.equal("done", run:result().status, run:result().targets[1].message)
    assert.equal(2, troubles)
    local reboots = {}
    for _, event in ipairs(l.sim:get "truth".timeline) do
      if event.kind == "reboot" then reboots[event.host] = (reboots[event.host] or 0) + 1 end
    end
    assert.same({ ["a-1"] = 1, ["a-2"] = 1 }, reboots)
    assert.equal(2, l.sim:calls "RebootHost_Task")
    assert.same({}, l.sim:get "truth".violations)
  end)

  it("ends, and sends no password, if the server has another certificate when the connection has to be made again", function()
    local path = l:write((PLAY:gsub("p.host.enable", 'roll = { back_within = "60s" }, %0', 1)))
    l.sim:trouble({ method = "WaitForUpdatesEx", nth = 3, count = 200 }, { kind = "close" })
    local process = l:start_command { "apply", path, "--allow", "reboot", "--outage", "3s", "--journal", l.dir .. "/j.db" }
    process:says "entered maintenance mode"
    local before = l.sim:calls "Login"
    l.sim:post("set", { certificate = "new" })
    local done = process:wait()
    assert.equal(1, done.status)
    assert.matches("the certificate of 127.0.0.1:%d+ is not trusted", done.err)
    assert.matches("continue with: gpupt apply --resume", done.err, 1, true)
    assert.matches("is out of service: no further hosts will be started", done.err, 1, true)
    -- the control pages have the new certificate as well
    local page = json.decode((vcenter.shell(("curl -sk '%s/journal'"):format(l.sim.ready.control))))
    local logins = 0
    for _, entry in ipairs(page.requests or page) do if entry.method == "Login" then logins = logins + 1 end end
    assert.equal(before, logins)
  end)
end)
