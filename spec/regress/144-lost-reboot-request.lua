-- A run that was resumed counted the wait for a lost reboot request from its own start, and each resume could send one
-- more: three requests for one host. Now the time counts from the journal row of the first request, by a clock that
-- setting the date does not move; the second request is a change of its own in the journal, and there is no third.
local clock = require "gpupt.clock"
local gpupt = require "gpupt"
local lab = require "spec.support.lab"
local reboot = require "gpupt.step.host_reboot"
local since = require "gpupt.step.since"

local PLAY = [[return p.playbook { name = "roll", p.hosts { where = "/DC0/host/gpu-a/esx-1",
  devices = p.gpus { match = "10de:20b5" }, roll = { watch_for = "0.5s", %s }, p.host.enable {} } }]]

describe("a reboot request that was lost", function()
  local l, journal, read

  before_each(function()
    read = clock.read
    l = lab.start { speed = 200, fleet = { clusters = { { name = "gpu-a",
      hosts = { lab.host("esx-1", { boot_seconds = 60 }), lab.host "esx-2" } } } } }
    journal = l:journal()
    l:client()
    l.sim:forget()
  end)

  after_each(function()
    clock.read = read
    l:stop()
  end)

  local function lose(count) l.sim:trouble({ method = "RebootHost_Task", count = count }, { kind = "reset-before" }) end

  local function requests() return l.sim:calls "RebootHost_Task" end

  -- Applies or resumes; `watch_event` gets each event's text.
  local function apply(roll, resume, watch_event)
    local said = {}
    local plan = gpupt.check(l:plan(PLAY:format(roll), { journal = resume and journal or nil, run = resume }))
    local run = gpupt.check(plan:apply { journal = journal, allow = { "reboot" }, run = resume,
      on_event = function(event)
        said[#said + 1] = event.text
        if watch_event then watch_event(event.text or "") end
      end })
    return run:result(), table.concat(said, "\n")
  end

  local function actions(id)
    local list = {}
    for row in journal:rows(id) do
      if row.kind == "change" and row.action:find "^reboot" then list[#list + 1] = row.action end
    end
    return list
  end

  it("is sent once more after resend_after, as a change of its own", function()
    lose(1)
    local moved
    local result, said = apply('resend_after = "2m"', nil, function(text)
      if moved or not text:find("its result is not known", 1, true) then return end
      moved = true
      clock.move(121)
    end)
    assert.equal("done", result.status, result.targets[1].message)
    assert.matches("has not rebooted within 2 min: sending the request once more", said, 1, true)
    assert.same({ "reboot-intent", "reboot", "reboot-again" }, actions(result.id))
    assert.equal(2, requests())
  end)

  it("is not sent before resend_after, and by default not before half of back_within", function()
    lose(1)
    local result = apply('back_within = "3s", resend_after = "2h"')
    assert.equal("ELOST", result.targets[1].code)
    assert.equal(1, requests())
    local seconds = reboot.resend_after
    assert.same({ 900, 900, 600, 120 }, { seconds { back_within = "45m" }, seconds { back_within = "30m" },
      seconds { back_within = "20m" }, seconds { back_within = "45m", resend_after = "2m" } })
  end)

  it("is never sent a third time, however often the run is resumed", function()
    lose(-1)
    local roll = 'back_within = "3s", resend_after = "1s"'
    local result = apply(roll)
    assert.equal("ELOST", result.targets[1].code)
    assert.equal(2, requests())
    for _ = 1, 2 do
      clock.move(3600)
      local again = apply(roll, result.id)
      assert.equal("ELOST", again.targets[1].code)
    end
    assert.equal(2, requests())
    assert.same({ "reboot-intent", "reboot", "reboot-again" }, actions(result.id))
  end)

  it("counts its time from the first request across an interruption", function()
    lose(1)
    local roll = 'back_within = "3s", resend_after = "10m"'
    local result = apply(roll)
    assert.equal("ELOST", result.targets[1].code)
    assert.equal("ELOST", apply(roll, result.id).targets[1].code) -- too early
    assert.equal(1, requests())
    clock.move(600)
    assert.equal("done", apply(roll, result.id).status)
    assert.equal(2, requests())
  end)

  it("counts by the server's clock after a reboot of this computer, whatever its date says", function()
    lose(1)
    clock.read = function() return { now = 1e9, wall = 1, boot = "another" } end
    local roll = 'back_within = "3s", resend_after = "6s"'
    local result = apply(roll)
    assert.same({ "ELOST", 1 }, { result.targets[1].code, requests() })
    clock.read = read
    assert.equal("done", apply(roll, result.id).status)
    assert.equal(2, requests())
    local stamp = since.stamp(l.vc)
    assert.is_true(since.elapsed(l.vc, { now = 1, boot = "another", server = stamp.server - 50 }) >= 50)
    assert.is_true(since.elapsed(l.vc, { now = 1, boot = "another", server = stamp.server + 50 }) == 0)
    assert.is_nil(since.elapsed(l.vc, { now = 1, boot = "another" }))
    assert.equal(0, since.elapsed(l.vc, { now = clock.now() + 100, boot = clock.boot() }))
  end)

  it("is not sent again while the host is away, and after its return only when it stays with its old boot time", function()
    lose(1)
    local lost
    local result, said = apply('back_within = "4s", resend_after = "2s"', nil, function(text)
      if not lost and text:find("its result is not known", 1, true) then
        lost = true
        l.sim:post("set", { host = "esx-1", connection = "notResponding" })
      end
    end)
    assert.equal("ELOST", result.targets[1].code)
    assert.equal(1, requests())
    assert.is_nil(said:find("once more", 1, true))
    l.sim:post("set", { host = "esx-1", connection = "connected" })
    local again = apply('back_within = "4s", resend_after = "2s"', result.id)
    assert.equal("done", again.status, again.targets[1].message)
    assert.equal(2, requests())
  end)

  it("is not sent again if the cards were disabled meanwhile: the host stays in maintenance mode", function()
    lose(1)
    local done
    local result = apply('back_within = "20s", resend_after = "1s"', nil, function(text)
      if done or not text:find("its result is not known", 1, true) then return end
      done = true
      l.sim:post("set", { host = "esx-1", card = { address = "0000:3b:00.0", enabled = false } })
    end)
    assert.equal("ESTALE", result.targets[1].code)
    assert.matches("The reboot was requested once, without effect; it is not requested again", result.targets[1].message,
      1, true)
    assert.equal(1, requests())
    assert.is_true(l:truth("hosts", "esx-1").maintenance)
  end)

  it("is watched, not failed and sent again, if its task ends in a fault that does not say that nothing began", function()
    l.sim:trouble({ method = "RebootHost_Task" }, { kind = "task-fail", fault = "HostCommunication" })
    local roll = 'back_within = "2s", resend_after = "1h"'
    local result, said = apply(roll)
    assert.equal("ELOST", result.targets[1].code)
    assert.matches("its result is not known", said, 1, true)
    assert.equal("ELOST", apply(roll, result.id).targets[1].code)
    assert.equal(1, requests())
  end)

  it("control: is sent when the run is resumed if the server had refused it", function()
    l.sim:trouble({ method = "RebootHost_Task" }, { kind = "fault", fault = "InvalidState" })
    local result = apply ""
    assert.equal("InvalidState", result.targets[1].code)
    assert.equal("done", apply("", result.id).status)
    assert.equal(2, requests())
  end)
end)
