-- A window could not be said in the time zone of the vCenter appliance, which is what its administrators see in its logs. The
-- zone `vcenter` is read by the plan; an account that may not read it is told so, and nothing is guessed.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"
local window = require "gpupt.playbook.window"

local PLAY = [[return p.playbook { name = "roll", p.hosts { where = "/DC0/host/*", devices = p.gpus { match = "10de:20b5" },
  roll = { window = "22:00-05:00 vcenter" }, p.host.enable {} } }]]

describe("a window in the zone of vCenter", function()
  local l
  teardown(function() if l then l:stop() end end)

  it("is read from the appliance by the plan, and said; without the right the plan is refused", function()
    l = lab.start { speed = 300, fleet = { time_zone = "Asia/Tokyo", users = { { name = "reader", password = "Reader-1-pass", role = "ReadOnly" } },
      clusters = { { name = "a", hosts = { lab.host "esx-1" } } } } }
    local text = tostring(gpupt.check(l:plan(PLAY)))
    assert.matches("22:00-05:00 vcenter (Asia/Tokyo)", text, 1, true)
    assert.matches("UTC+09:00", text, 1, true)
    local vc = l.sim:connect { username = "reader", password = "Reader-1-pass" }
    local plan, message = l:load(PLAY):plan(vc)
    assert.is_nil(plan)
    assert.matches("window = '22:00-05:00 vcenter': the time zone of 127.0.0.1 cannot be read: ", message, 1, true)
    assert.matches("HTTP 403: Permission to perform this operation was denied. The account has to be an administrator of "
      .. "vCenter; or name the zone in the window, such as Europe/Berlin", message, 1, true)
    assert.is_true(gpupt.check(l:load(PLAY:gsub("vcenter", "UTC")):plan(vc)) ~= nil)
    vc:close()
  end)

  it("opens by that zone, daylight saving time included", function()
    local one = assert(window.parse "22:00-05:00 vcenter")
    assert.is_true(one:needs_vcenter())
    assert.is_true(one:set_vcenter "Asia/Tokyo")
    local noon = 1767268800 -- 2026-01-01 12:00 UTC, 21:00 in Tokyo
    assert.same({ false, noon + 3600 }, { one:fits(noon, 60) })
    assert.is_true((one:fits(noon + 3600, 60)))
    local set, message = assert(window.parse "22:00-05:00 vcenter"):set_vcenter "Nowhere/Land"
    assert.is_nil(set)
    assert.matches("unknown time zone 'Nowhere/Land'", message)
  end)

  it("is refused when a loaded playbook is planned for vCenters of two zones, of which the last would win", function()
    local two = lab.start { speed = 300, fleet = { time_zone = "Europe/Berlin",
      clusters = { { name = "a", hosts = { lab.host "esx-1" } } } } }
    local playbook = l:load(PLAY)
    gpupt.check(playbook:plan(l:client()))
    gpupt.check(playbook:plan(l:client()))
    local plan, message = playbook:plan(two:client())
    two:stop()
    assert.is_nil(plan)
    assert.matches("it was planned for a vCenter in Asia/Tokyo before, and this one is in Europe/Berlin: load the playbook again",
      message, 1, true)
  end)
end)
