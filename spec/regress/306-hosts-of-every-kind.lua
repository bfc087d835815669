-- What a roll does about hosts that are not simply in service, and on an ESXi host without a vCenter.
local lab = require "spec.support.lab"

local function playbook(roll, where)
  return ([[return p.playbook { name = "roll", p.hosts { where = "%s", devices = p.gpus { match = "10de:20b5" },
    roll = { unavailable = "5/cluster", %s }, p.host.enable {} } }]]):format(where or "/DC0/host/*", roll or "")
end

describe("a roll", function()
  local l

  after_each(function()
    if l then l:stop() end
    l = nil
  end)

  local function start(hosts, more)
    local fleet = { clusters = { { name = "gpu-a", hosts = hosts, max_away = 5 } } }
    for name, value in pairs(more or {}) do fleet[name] = value end
    l = lab.start { speed = 200, fleet = fleet }
    l:client()
    l.sim:forget()
  end

  local function outcomes(result)
    local list = {}
    for _, one in ipairs(result.targets) do list[one.target] = one.status end
    return list
  end

  it("skips hosts in standby, in quarantine and in strict lockdown, and says so; normal lockdown does not matter", function()
    start { lab.host "a-1", lab.host("a-2", { standby = true }), lab.host "a-3",
      lab.host("a-4", { lockdown = "lockdownStrict" }), lab.host("a-5", { lockdown = "lockdownNormal" }),
      lab.host("a-6", { rebind_without_reboot = true }) }
    l.sim:post("set", { host = "a-3", quarantine = true })
    local text = tostring(assert(l:plan(playbook())))
    assert.matches("! a-2 is in standby: skipped", text, 1, true)
    assert.matches("! a-3 is in quarantine: skipped", text, 1, true)
    assert.matches("! a-4 is in strict lockdown: skipped", text, 1, true)
    local result = l:apply(playbook(), { allow = { "reboot" } })
    assert.same({ ["a-1"] = "changed", ["a-5"] = "changed", ["a-6"] = "changed" }, outcomes(result))
    assert.equal(2, l.sim:calls "RebootHost_Task") -- a-6 can do without
  end)

  it("rolls an ESXi host without a vCenter: its session and tasks end with the reboot", function()
    start({ lab.host("esx-1", { boot_seconds = 400 }) }, { endpoint = "esxi" })
    local result = l:apply(playbook(nil, "/ha-datacenter/host/*"), { allow = { "reboot" } })
    assert.equal("done", result.status, result.targets[1].message)
    assert.equal(1, l.sim:calls "RebootHost_Task")
    assert.is_false(l:truth("hosts", "esx-1").maintenance)
  end)

  it("says that a host is lost only at its own deadline, however often the vCenter restarts before", function()
    start { lab.host("a-1", { boot_seconds = 1200 }) }
    local restarts = 0
    local plan = assert(l:plan(playbook 'back_within = "60s"'))
    local run = assert(plan:apply { journal = l:journal(), allow = { "reboot" }, outage = "1s", on_event = function(event)
      if event.text == "rebooting" then
        restarts = restarts + 1
        l.sim:restart { seconds = 2.5 } -- longer than the run's patience with other calls
      end
    end })
    assert.equal(1, restarts)
    assert.same({ ["a-1"] = "changed" }, outcomes(run:result()), run:result().targets[1].message)
  end)

  it("says it then, although the vCenter answers nothing", function()
    start { lab.host("a-1", { boot_fault = "never" }) }
    local plan = assert(l:plan(playbook 'back_within = "4s"'))
    local run = assert(plan:apply { journal = l:journal(), allow = { "reboot" }, outage = "1s", on_event = function(event)
      if event.text == "rebooting" then l.sim:restart { seconds = 2 } end
    end })
    local target = run:result().targets[1]
    assert.equal("ELOST", target.code)
    assert.matches("a-1 did not reconnect within 4 s of the reboot", target.message, 1, true)
  end)
end)
