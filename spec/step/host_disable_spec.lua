-- p.host.disable: without a reboot where the host can, staged for the next reboot, and hosts that another user put into
-- maintenance mode. With VMs that hold the cards: spec/undo/steps_spec.lua.
local lab = require "spec.support.lab"

local PLAY = [[return p.playbook { name = "off", p.hosts { where = "/DC0/host/gpu-a/%s", devices = p.gpus { match = "10de:20b5" },
  p.host.disable { %s } } }]]

describe("p.host.disable", function()
  local l
  setup(function()
    local function host(name, more)
      local o = { cards = { lab.card("0000:3b:00.0", { enabled = true }) } }
      for field, value in pairs(more or {}) do o[field] = value end
      return lab.host(name, o)
    end
    l = lab.start { speed = 400, fleet = { clusters = { { name = "gpu-a", hosts = { host("esx-1", { rebind_without_reboot = true }),
      host "esx-2", host "esx-3" } } } } }
  end)
  teardown(function() l:stop() end)

  local function card(name)
    for _, one in ipairs(l:truth("hosts", name).cards) do
      if one.address == "0000:3b:00.0" then return { one.enabled, one.active } end
    end
  end

  local function done(name, options, allow)
    l.sim:forget()
    local result, message = l:apply(PLAY:format(name, options or ""), { allow = allow or {} })
    assert.is_truthy(result, message)
    assert.equal("done", result.status, result.targets[1] and result.targets[1].message)
    return result.targets[1]
  end

  it("takes a card away without a reboot where the host supports that", function()
    done "esx-1"
    assert.same({ false, false }, card "esx-1")
    assert.same({ 0, 0 }, { l.sim:calls "RebootHost_Task", l.sim:calls "EnterMaintenanceMode_Task" })
  end)

  it("stages it for the next reboot, and does nothing the second time", function()
    local target = done("esx-2", 'apply = "stage"')
    assert.equal("3b:00.0 disabled, pending reboot", target.proofs["host.disable"])
    assert.same({ false, true }, card "esx-2")
    assert.same({ 0, 0 }, { l.sim:calls "RebootHost_Task", l.sim:calls "EnterMaintenanceMode_Task" })
    assert.equal("nothing", l:apply(PLAY:format("esx-2", 'apply = "stage"')).status)
  end)

  it("reboots the host for what was staged", function()
    done("esx-2", "", { "reboot" })
    assert.same({ false, false }, card "esx-2")
    assert.equal(1, l.sim:calls "RebootHost_Task")
  end)

  it("uses a host that is in maintenance mode by another user only with both words, and leaves it in it", function()
    l.sim:post("set", { host = "esx-3", maintenance = true })
    local plan, message = l:plan(PLAY:format("esx-3", ""))
    assert.is_nil(plan)
    assert.matches("maintenance mode", message, 1, true)
    local text = PLAY:format("esx-3", "foreign_maintenance = true")
    assert.same({ "foreign-maintenance", "reboot" }, assert(l:plan(text)):needs())
    done("esx-3", "foreign_maintenance = true", { "reboot", "foreign-maintenance" })
    assert.same({ false, false }, card "esx-3")
    assert.is_true(l:truth("hosts", "esx-3").maintenance)
    assert.same({}, l.sim:get "truth".violations)
  end)
end)
