--- The plan of a resume, while the host was away because of the run's own reboot, ended with "reboot x1": it only waits for
-- the host to return, and a reviewer took it for a second reboot.
local lab = require "spec.support.lab"
local vcenter = require "spec.support.vcenter"

local PLAY = [[return p.playbook { name = "roll", p.hosts { where = "/DC0/host/gpu-a/esx-1",
  devices = p.gpus { match = "10de:20b5" }, p.host.enable {} } }]]

describe("594: the plan of a resume", function()
  local l
  setup(function()
    l = lab.start { speed = 300, fleet = { clusters = { { name = "gpu-a",
      hosts = { lab.host("esx-1", { boot_seconds = 3000 }) } } } } }
  end)
  teardown(function() l:stop() end)

  it("counts waiting for the host to return as a wait", function()
    local journal, stop = l:journal(), nil
    local run = assert(assert(l:plan(PLAY)):apply { journal = journal, allow = { "reboot" }, asked = function()
      if stop then return "cancel", "interrupted" end
    end, on_event = function(event) stop = stop or event.text == "rebooting" end })
    local id = run:result().id
    for _ = 1, 200 do
      if l:truth("hosts", "esx-1").connection ~= "connected" then break end
      vcenter.sleep(0.02)
    end
    local plan = assert(l:plan(PLAY, { journal = journal, run = id }))
    local text = tostring(plan)
    assert.matches("wait for the host to return from this run's reboot", text, 1, true)
    assert.matches("\nwait x1.", text, 1, true)
    assert.not_matches("reboot x", text, 1, true)
    assert.same({ "reboot" }, plan:needs()) -- resuming goes on with the reboot that was approved
    assert.equal("done", l:apply(PLAY, { allow = { "reboot" }, journal = journal, resume = id }).status)
    assert.equal(1, l.sim:calls "RebootHost_Task")
  end)
end)
