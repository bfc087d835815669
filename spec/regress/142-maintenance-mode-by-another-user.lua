-- When another user was putting the same host into maintenance mode, a run gave up with a bare TaskInProgress and
-- disabled its cards again, which that user (a second run, for example) counted on. Now nothing is undone, and the
-- message says whose task it is. A run that was killed while its own task was running started a second one when it was
-- resumed, failed, and disabled the cards while the first continued.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"
local store = require "gpupt.store"
local vcenter = require "spec.support.vcenter"

local PLAY = [[return p.playbook { name = "roll", p.hosts { where = "/DC0/host/gpu-a/esx-1",
  devices = p.gpus { match = "10de:20b5" }, roll = { guests = "shutdown-idle", %s }, p.host.enable {} } }]]

describe("a host", function()
  local l, other

  local function start(host)
    l = lab.start { speed = 100, fleet = { users = { { name = "alice", password = "Alice-1-pass" } },
      clusters = { { name = "gpu-a", drs = "manual", hosts = { host or lab.host "esx-1" } } } } }
    l:client()
    other = l.sim:connect { username = "alice", password = "Alice-1-pass" }
  end

  after_each(function() l:stop() end)

  local function enter()
    return gpupt.check(gpupt.check(other:one "/DC0/host/gpu-a/esx-1"):EnterMaintenanceMode_Task { timeout = 0 })
  end

  local function enabled(address)
    for _, one in ipairs(l:truth("hosts", "esx-1").cards) do if one.address == address then return one.enabled end end
  end

  it("that another user puts into maintenance mode keeps its cards enabled; the message says who", function()
    start(lab.host("esx-1", { enter_seconds = 3000 }))
    local task
    local plan = gpupt.check(l:plan(PLAY:format ""))
    l.sim:forget()
    local run = gpupt.check(plan:apply { journal = l:journal(), allow = { "reboot" }, on_event = function(event)
      if (event.text or ""):find("not active yet", 1, true) then
        task = enter()
        gpupt.check(other:wait_for(task, "info.state", function(v) return v["info.state"] == "running" end, { timeout = 10 }))
      end
    end })
    local one = run:result().targets[1]
    assert.same({ "failed", "TaskInProgress" }, { one.status, one.code })
    assert.matches("^esx%-1: .*EnterMaintenanceMode_Task %(task%-%d+ of alice%) is in progress", one.message)
    assert.matches("Nothing was undone: the cards stay enabled. Resume the run when that is finished", one.message, 1, true)
    assert.is_true(enabled "0000:3b:00.0")
    assert.equal(1, l.sim:calls "UpdatePassthruConfig")
    assert.is_false(gpupt.check(task:get "info.cancelled"))
    assert.equal(0, l.sim:calls "CancelTask")
  end)

  it("that another user has put into maintenance mode meanwhile keeps its cards enabled", function()
    start()
    local plan = gpupt.check(l:plan(PLAY:format ""))
    l.sim:forget()
    local run = gpupt.check(plan:apply { journal = l:journal(), allow = { "reboot" }, on_event = function(event)
      if (event.text or ""):find("not active yet", 1, true) then gpupt.check(other:wait(enter())) end
    end })
    local one = run:result().targets[1]
    assert.same({ "failed", "InvalidState" }, { one.status, one.code })
    assert.matches("Nothing was undone", one.message, 1, true)
    assert.is_true(enabled "0000:3b:00.0")
    assert.is_true(l:truth("hosts", "esx-1").maintenance)
    assert.equal(1, l.sim:calls "UpdatePassthruConfig")
  end)

  it("is not left to itself with staged cards if entering takes too long: the task is cancelled first", function()
    start()
    local text = PLAY:format 'drain_within = "1s", cancel_after = "1s"'
    -- the server's own time-out does not come
    l.sim:trouble({ method = "EnterMaintenanceMode_Task" }, { kind = "task-hang" })
    local result, _, rows = l:apply(text, { allow = { "reboot" } })
    assert.equal("ETIMEDOUT", result.targets[1].code)
    local actions = {}
    for _, row in ipairs(rows) do if row.kind == "change" then actions[#actions + 1] = row.action end end
    assert.same({ "passthrough-enable", "maintenance-enter", "maintenance-enter-cancel", "passthrough-restore" }, actions)
    assert.is_false(enabled "0000:3b:00.0")
    assert.is_false(l:truth("hosts", "esx-1").maintenance)
  end)

  -- Starts the command, waits until the host begins to enter maintenance mode, kills it. The run's id.
  local function killed_while_entering(path, journal)
    l:command { "bar", "10de:20b5" } -- leaves the environment file
    vcenter.write(l.dir .. "/start.sh", (". %s/environment\nexec bin/gpupt apply %s --allow reboot --journal %s\n"):format(
      l.dir, path, journal))
    local pid = vcenter.shell(("sh %s/start.sh >%s/o 2>%s/e </dev/null & echo $!"):format(l.dir, l.dir, l.dir)):match "%d+"
    local seen
    for _ = 1, 600 do
      for _, event in ipairs(l.sim:get "truth".timeline) do seen = seen or event.kind == "maintenance-begin" end
      if seen then break end
      vcenter.sleep(0.02)
    end
    os.execute("kill -9 " .. pid)
    assert.is_true(seen, tostring(vcenter.read(l.dir .. "/e")))
    local book, id = assert(store.open(journal)), nil
    for record in book:runs() do id = record.id end
    book:close()
    return id
  end

  it("that a killed run is putting into maintenance mode enters it once when the run is resumed", function()
    start(lab.host("esx-1", { enter_seconds = 400 }))
    local path, journal = l:write(PLAY:format ""), l.dir .. "/j.db"
    l.sim:forget()
    local id = killed_while_entering(path, journal)
    local resumed = l:command { "apply", "--resume", id, "--allow", "reboot", "--journal", journal }
    assert.equal(0, resumed.status, resumed.err)
    assert.same({ 1, 1 }, { l.sim:calls "EnterMaintenanceMode_Task", l.sim:calls "RebootHost_Task" })
    assert.is_false(l:truth("hosts", "esx-1").maintenance)
    assert.same({}, l.sim:get "truth".violations)
  end)

  it("enters maintenance mode once although the answer is lost or late, and its run goes on", function()
    for _, seconds in ipairs { 100, 1000 } do -- it has ended by then; it is still running
      start(lab.host("esx-1", { enter_seconds = seconds }))
      l.sim:trouble({ method = "EnterMaintenanceMode_Task" }, { kind = "hold", seconds = 0 })
      local result = l:apply(PLAY:format 'answer_within = "1s"', { allow = { "reboot" } })
      assert.equal("done", result.status, result.targets[1].message)
      assert.same({ 1, 1 }, { l.sim:calls "EnterMaintenanceMode_Task", l.sim:calls "RebootHost_Task" })
      assert.is_false(l:truth("hosts", "esx-1").maintenance)
      if seconds == 100 then l:stop() end
    end
  end)

  it("gets the request again if it did not arrive", function()
    start()
    l.sim:trouble({ method = "EnterMaintenanceMode_Task" }, { kind = "reset-before" })
    local result = l:apply(PLAY:format 'answer_within = "1s"', { allow = { "reboot" } })
    assert.equal("done", result.status, result.targets[1].message)
    assert.equal(2, l.sim:calls "EnterMaintenanceMode_Task")
  end)

  it("that another user put into maintenance mode after this run had left it is not taken out of it", function()
    start()
    local journal = l:journal()
    local first = l:apply(PLAY:format "", { journal = journal, allow = { "reboot" } })
    assert.equal("done", first.status)
    gpupt.check(other:wait(enter()))
    l.sim:forget()
    local plan = gpupt.check(l:plan(PLAY:format "", { journal = journal, run = first.id }))
    assert.equal(0, #plan:changes())
  end)
end)
