-- host.enable with apply = "stage" on a host in another user's maintenance mode whose cards wait for a reboot: the plan
-- had the change "use the host in maintenance mode" each time, and apply did nothing each time. And the line about the
-- limit of the roll said "3 of 2 hosts".
local lab = require "spec.support.lab"

describe("apply = stage on a host in another user's maintenance mode", function()
  local l
  setup(function()
    l = lab.start { speed = 400, fleet = { clusters = { { name = "a", max_away = 3, hosts = { lab.host("esx-1", { maintenance = true,
      cards = { lab.card("0000:3b:00.0", { enabled = true, active = false }) } }), lab.host "esx-2" } } } } }
  end)
  teardown(function() l:stop() end)

  local function plan(host, more)
    return l:command { "plan", l:write(([[return p.playbook { name = "stage", p.hosts { where = "/DC0/host/a/%s",
      devices = p.gpus { match = "10de:20b5" }, %s } }]]):format(host, more)) }
  end

  it("has nothing to change if its cards wait for a reboot", function()
    for _, option in ipairs { "", ", foreign_maintenance = true" } do
      local done = plan("esx-1", 'p.host.enable { apply = "stage"' .. option .. " }")
      assert.equal(0, done.status, done.err)
      assert.matches("nothing to change", done.out, 1, true)
      assert.matches("3b:00.0: enabled but not active: pending reboot", done.out, 1, true)
    end
  end)

  it("says of no cluster that more hosts are out of service than it has", function()
    local done = plan("esx-2", 'roll = { unavailable = "3/cluster" }, p.host.enable {}')
    assert.equal(0, done.status, done.err)
    assert.matches("out of service at once, at most: 2 of 2 hosts of a", done.out, 1, true)
  end)
end)
