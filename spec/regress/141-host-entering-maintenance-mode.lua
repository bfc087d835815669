-- A host that was entering maintenance mode did not count as out of service: two runs with separate journals, or a run
-- beside an administrator, took two hosts of a cluster down that tolerates one. Now such a host counts, and a run looks
-- again after its own task has started: the later task, by queueTime, is cancelled, and its host waits as it was.
local claim = require "gpupt.playbook.claim"
local clock = require "gpupt.clock"
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

local PLAY = [[return p.playbook { name = "roll", p.hosts { where = "/DC0/host/gpu-a/%s",
  devices = p.gpus { match = "10de:20b5" }, roll = { guests = "shutdown-idle", settle_within = "1s", %s }, p.host.enable {} } }]]

describe("a host that is entering maintenance mode", function()
  local l, pause, other

  before_each(function()
    pause, claim.PAUSE = claim.PAUSE, 0.2
  end)

  after_each(function()
    claim.PAUSE = pause
    l:stop()
  end)

  -- three hosts; VMs without a card keep a host from entering, for as long as they run
  local function start(vms, hosts)
    l = lab.start { speed = 100, fleet = { vms = vms, users = { { name = "alice", password = "Alice-1-pass" } },
      clusters = { { name = "gpu-a", drs = "manual",
        hosts = hosts or { lab.host("a-1", { enter_seconds = 100 }), lab.host "a-2", lab.host "a-3" } } } } }
    l:client()
    other = l.sim:connect { username = "alice", password = "Alice-1-pass" }
    l.sim:forget()
  end

  local function plain(name, host)
    return { name = name, host = host, guest = "ubuntu64Guest", memory_mb = 1024, power = "poweredOn" }
  end

  local function enter(host)
    return gpupt.check(gpupt.check(other:one("/DC0/host/gpu-a/" .. host)):EnterMaintenanceMode_Task { timeout = 0 })
  end

  -- Applies the playbook; `watch` gets each event.
  local function apply(where, roll, watch)
    local plan, said = gpupt.check(l:plan(PLAY:format(where, roll or ""))), {}
    local journal = l:journal()
    local run = gpupt.check(plan:apply { journal = journal, allow = { "reboot", "guest-shutdown" },
      on_event = function(event)
        said[#said + 1] = event.text
        if watch then watch(event.text or "", journal) end
      end })
    return run:result(), table.concat(said, "\n"), journal
  end

  local function enabled(host, address)
    for _, one in ipairs(l:truth("hosts", host).cards) do if one.address == address then return one.enabled end end
  end

  local function calls(name) return l.sim:calls(name) end

  local function at_once(text, action)
    local done
    return function(said)
      if done or not said:find(text, 1, true) then return end
      done = true
      action()
    end
  end

  it("counts as out of service: another host waits, then is deferred unchanged", function()
    start { plain("w", "a-3") }
    enter "a-3"
    l.sim:forget()
    local result, said = apply("a-1", 'claim_within = "1s"')
    assert.equal("deferred", result.targets[1].status)
    assert.matches("a-3 is entering maintenance mode (task-", result.targets[1].message, 1, true)
    assert.matches("of alice), and unavailable = '1/cluster'", result.targets[1].message, 1, true)
    assert.matches("waiting for a free slot in gpu-a: a-3 is entering", said, 1, true)
    assert.same({}, l:changing())
  end)

  it("counts while its task is queued too", function()
    start()
    l.sim:trouble({ method = "EnterMaintenanceMode_Task" }, { kind = "task-hang" })
    for _ = 1, 9 do enter "a-3" end -- eight of a host run at once
    l.sim:forget()
    local result = apply("a-1", 'claim_within = "1s"')
    assert.equal("deferred", result.targets[1].status)
  end)

  it("does not count once its task was cancelled, and the run goes on", function()
    start { plain("w", "a-3") }
    local task = enter "a-3"
    local result = apply("a-1", "", at_once("waiting for a free slot", function() gpupt.check(task:CancelTask()) end))
    assert.equal("done", result.status, result.targets[1].message)
  end)

  it("goes first if its task came first: the run cancels its own task, waits, and continues", function()
    start { plain("w", "a-2") }
    local task
    local result, said, journal = apply("a-1", "", function(text, book)
      if text:find("not active yet", 1, true) and not task then
        task = enter "a-2"
      elseif text:find("waiting for a free slot", 1, true) then
        assert.is_false(l:truth("hosts", "a-1").maintenance)
        assert.is_true(enabled("a-1", "0000:3b:00.0")) -- they stay enabled while it waits
        -- if this run is killed now, nobody has to release a host that is in service
        for lease in book:leases(clock.read()) do assert.is_nil(lease.kept, lease.what) end
        pcall(task.CancelTask, task)
      end
    end)
    assert.equal("done", result.status, result.targets[1].message)
    assert.matches("other hosts go first (a-2 is entering maintenance mode", said, 1, true)
    local actions = {}
    for row in journal:rows(result.id) do
      if row.kind == "change" then actions[#actions + 1] = row.action end
    end
    assert.same({ "passthrough-enable", "maintenance-enter", "maintenance-enter-cancel", "maintenance-enter",
      "reboot-intent", "reboot", "Refresh", "maintenance-exit" }, actions)
    assert.same({}, l.sim:get "truth".violations)
  end)

  it("is as before when it loses its slot and is deferred: cards, maintenance mode and VMs", function()
    local guest = { name = "old-7", host = "a-1", guest = "ubuntu64Guest", firmware = "efi", memory_mb = 8192,
      memory_lock = true, devices = { "0000:86:00.0" }, power = "poweredOn", installed = "ubuntu",
      extra_config = { ["pciPassthru.use64bitMMIO"] = "TRUE", ["pciPassthru.64bitMMIOSizeGB"] = "256" } }
    local first = lab.host("a-1", { enter_seconds = 100 })
    first.cards = { lab.card "0000:3b:00.0", lab.card("0000:86:00.0", { enabled = true }) }
    start({ guest, plain("w", "a-2") }, { first, lab.host "a-2" })
    local vm = gpupt.check(l.vc:one "/DC0/vm/old-7")
    assert(l.vc:wait_for(vm, { "guest.toolsRunningStatus" }, function(v)
      return v["guest.toolsRunningStatus"] == "guestToolsRunning"
    end, { timeout = 20 }))
    local task
    local result, said = apply("a-1", 'claim_within = "1s"', function(text)
      if text:find("not active yet", 1, true) then task = enter "a-2" end
    end)
    assert.is_truthy(task)
    assert.equal("deferred", result.targets[1].status, result.targets[1].message)
    assert.matches("other hosts go first", said, 1, true)
    assert.equal(1, calls "ShutdownGuest")
    assert.equal("poweredOn", l:truth("vms", "old-7").power)
    assert.is_false(l:truth("hosts", "a-1").maintenance)
    assert.is_false(enabled("a-1", "0000:3b:00.0"))
    assert.is_true(enabled("a-1", "0000:86:00.0")) -- which was enabled before the run
    assert.same({}, l.sim:get "truth".violations)
  end)

  it("goes second if its task came second: the run goes on", function()
    start { plain("w", "a-2") }
    local result, said = apply("a-1", "", at_once("EnterMaintenanceMode", function() enter "a-2" end))
    assert.equal("done", result.status, result.targets[1].message)
    assert.is_nil(said:find("go first", 1, true))
  end)

  it("is one of the first two if two may be out of service", function()
    for count = 1, 2 do
      start({ plain("w2", "a-2"), plain("w3", "a-3") })
      local result, said = apply("a-1", 'unavailable = "2/cluster", claim_within = "1s"',
        at_once("not active yet", function()
          enter "a-2"
          if count == 2 then enter "a-3" end
        end))
      assert.equal(count == 1 and "changed" or "deferred", result.targets[1].status, result.targets[1].message)
      assert.equal(count == 2, said:find("go first", 1, true) ~= nil)
      if count == 1 then l:stop() end
    end
  end)

  it("leaves maintenance mode before the reboot if another host went away meanwhile", function()
    start()
    local result, said = apply("a-1", 'claim_within = "1s"', at_once("entered maintenance mode", function()
      l.sim:post("set", { host = "a-3", connection = "notResponding" })
    end))
    assert.equal("deferred", result.targets[1].status, result.targets[1].message)
    assert.matches("not rebooted now: a-3 is not responding", said, 1, true)
    assert.equal(0, calls "RebootHost_Task")
    assert.same({ false, false }, { l:truth("hosts", "a-1").maintenance, enabled("a-1", "0000:3b:00.0") })
  end)

  it("does not count if it is in standby: vCenter wakes it up", function()
    start()
    l.sim:post("set", { host = "a-3", standby = "in", connection = "notResponding" })
    assert.equal("done", apply("a-1", 'claim_within = "1s"').status)
  end)

  it("counts if it is about to reboot", function()
    start()
    l.sim:trouble({ method = "RebootHost_Task" }, { kind = "task-hang" })
    gpupt.check(gpupt.check(other:one "/DC0/host/gpu-a/a-3"):RebootHost_Task { force = true })
    local result = apply("a-1", 'claim_within = "1s"')
    assert.matches("a-3 is about to reboot (task-", result.targets[1].message, 1, true)
  end)
end)
