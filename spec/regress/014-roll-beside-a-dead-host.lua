-- A roll took a host down although another host of its cluster was dead, or in maintenance mode set by another user:
-- unavailable = "1/cluster" counted only its own hosts.
local claim = require "gpupt.playbook.claim"
local lab = require "spec.support.lab"

local host = lab.host

local function playbook(where, roll)
  return ([[return p.playbook { name = "roll", p.hosts { where = %s, devices = p.gpus { match = "10de:20b5" },
    roll = { %s }, p.host.enable {} } }]]):format(where, roll)
end

describe("a roll in a cluster with a host out of service", function()
  local l, pause

  before_each(function()
    pause, claim.PAUSE = claim.PAUSE, 0.2
    l = lab.start { speed = 200, fleet = { clusters = { { name = "gpu-a", hosts = { host "a-1", host "a-2", host "a-3" } },
      { name = "gpu-b", hosts = { host "b-1" } } } } }
    l:client()
    l.sim:forget()
  end)

  after_each(function()
    claim.PAUSE = pause
    l:stop()
  end)

  local function outcomes(result)
    local list = {}
    for _, one in ipairs(result.targets) do list[one.target] = one.status end
    return list
  end

  local function touched()
    local list = {}
    for _, entry in ipairs(l:changing()) do list[#list + 1] = entry end
    return list
  end

  it("waits, then defers its hosts unchanged; the other cluster is finished", function()
    l.sim:post("set", { host = "a-3", connection = "notResponding" })
    local result, events = l:apply(playbook('{ "/DC0/host/gpu-a/a-1", "/DC0/host/gpu-a/a-2", "/DC0/host/gpu-b/*" }',
      'claim_within = "1s"'), { allow = { "reboot" } })
    assert.equal("failed", result.status)
    assert.same({ ["a-1"] = "deferred", ["a-2"] = "deferred", ["b-1"] = "changed" }, outcomes(result))
    for _, one in ipairs(result.targets) do
      if one.target == "a-1" then
        assert.equal("EDEFERRED", one.code)
        assert.matches("deferred and not changed: in gpu-a, a-3 is not responding, and unavailable = '1/cluster'", one.message,
          1, true)
      end
    end
    local waits = 0
    for _, event in ipairs(events) do if (event.text or ""):find("waiting for a free slot", 1, true) then waits = waits + 1 end end
    assert.equal(1, waits) -- one host waits for its cluster, the others do not wait the same again
    for _, name in ipairs { "a-1", "a-2" } do
      local truth = l:truth("hosts", name)
      assert.is_false(truth.maintenance)
      for _, device in ipairs(truth.cards) do assert.is_false(device.enabled, device.address) end
    end
  end)

  it("counts a host that another user put into maintenance mode", function()
    local ref = assert(l.vc:one "/DC0/host/gpu-a/a-3")
    assert(l.vc:wait(assert(ref:EnterMaintenanceMode_Task { timeout = 0 })))
    l.sim:forget()
    local result = l:apply(playbook('"/DC0/host/gpu-a/a-1"', 'claim_within = "1s"'), { allow = { "reboot" } })
    assert.same({ ["a-1"] = "deferred" }, outcomes(result))
    assert.matches("a-3 is in maintenance mode", result.targets[1].message, 1, true)
    assert.same({}, touched())
  end)

  it("continues as soon as the host is back", function()
    local ref = assert(l.vc:one "/DC0/host/gpu-a/a-3")
    assert(l.vc:wait(assert(ref:EnterMaintenanceMode_Task { timeout = 0 })))
    local plan = assert(l:plan(playbook('"/DC0/host/gpu-a/a-1"', 'claim_within = "60s"')))
    local freed
    local run = assert(plan:apply { journal = l:journal(), allow = { "reboot" }, on_event = function(event)
      if not freed and (event.text or ""):find("waiting for a free slot", 1, true) then
        freed = true
        assert(ref:ExitMaintenanceMode_Task { timeout = 0 })
      end
    end })
    assert.is_true(freed)
    assert.equal("done", run:result().status)
  end)

  it("continues if the playbook allows one more host to be out of service", function()
    l.sim:post("set", { host = "a-3", connection = "notResponding" })
    local result = l:apply(playbook('"/DC0/host/gpu-a/*"', 'unavailable = "2/cluster", claim_within = "1s"'),
      { allow = { "reboot" } })
    assert.same({ ["a-1"] = "changed", ["a-2"] = "changed" }, outcomes(result))
  end)

  it("releases the lease of a deferred host", function()
    l.sim:post("set", { host = "a-3", connection = "notResponding" })
    local journal = l:journal()
    local text = playbook('"/DC0/host/gpu-a/a-1"', 'claim_within = "1s"')
    assert.equal("failed", l:apply(text, { allow = { "reboot" }, journal = journal }).status)
    l.sim:post("set", { host = "a-3", connection = "connected" })
    assert.equal("done", l:apply(text, { allow = { "reboot" }, journal = journal }).status)
  end)

  it("is reported in the plan, and an invalid duration is refused before anything is called", function()
    l.sim:post("set", { host = "a-3", connection = "notResponding" })
    assert.matches("! a-3 is not responding: skipped, counted as out of service (unavailable = '1/cluster')",
      tostring(assert(l:plan(playbook('"/DC0/host/gpu-a/*"', "")))), 1, true)
    for _, name in ipairs { "back_within", "drain_within", "claim_within" } do
      local ok, err = pcall(l.load, l, playbook('"/DC0/host/gpu-a/*"', name .. ' = "soonish"'))
      assert.is_false(ok)
      assert.matches(name .. ": invalid duration 'soonish'", tostring(err.message or err), 1, true)
    end
  end)
end)
