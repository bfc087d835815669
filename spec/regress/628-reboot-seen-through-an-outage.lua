-- A vCenter that did not answer for longer than resend_after while a host rebooted: the host was rebooted a second time as
-- soon as the vCenter answered, because nothing had been seen of its reboot. And a host of which nothing is known was
-- called lost, with the advice to look at its console.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

local PLAY = [[return p.playbook { name = "outage", p.hosts { where = "/DC0/host/a/*", devices = p.gpus { match = "10de:20b5" },
  roll = { %s }, p.host.enable {} } }]]

describe("a vCenter that does not answer while a host reboots", function()
  local l
  before_each(function() l = lab.start { speed = 100, fleet = { clusters = { { name = "a", hosts = { lab.host "esx-1" } } } } } end)
  after_each(function() l:stop() end)

  local function reboots()
    local count = 0
    for _, event in ipairs(l.sim:get "truth".timeline) do if event.kind == "reboot" then count = count + 1 end end
    return count
  end

  local function applies(roll, seconds)
    local command = l:start_command { "apply", l:write(PLAY:format(roll)), "--allow", "reboot", "--journal", l.dir .. "/j.db" }
    command:says "host.enable  rebooting"
    l.sim:restart { seconds = seconds }
    return command:wait()
  end

  it("has its host rebooted once, if that takes longer than resend_after", function()
    local done = applies('back_within = "60s", resend_after = "2s"', 6)
    assert.equal(0, done.status, done.err)
    assert.equal(1, reboots())
    assert.is_nil(done.err:find("once more", 1, true))
  end)

  it("is what the message is about, if back_within ends before it answers; a resume goes on", function()
    local done = applies('back_within = "3s"', 12)
    assert.equal(1, done.status, done.err)
    assert.truthy(done.err:find("esx-1: https://127.0.0.1", 1, true), done.err)
    assert.truthy(done.err:find("does not answer since", 1, true), done.err)
    assert.truthy(done.err:find("it is not known whether the host is back from its reboot", 1, true), done.err)
    assert.is_nil(done.err:find("Check its console", 1, true))
    local run = done.err:match "run (outage%-%S+)"
    local resumed
    for _ = 1, 100 do
      resumed = l:command { "apply", "--resume", run, "--allow", "reboot", "--journal", l.dir .. "/j.db" }
      if resumed.status ~= 3 then break end
      assert.truthy(resumed.err:find("the server is starting, or a proxy cannot reach it", 1, true), resumed.err)
      gpupt.loop.sleep(0.3)
    end
    assert.equal(0, resumed.status, resumed.err)
    assert.equal(1, reboots())
  end)
end)
