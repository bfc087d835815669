-- A roll had no maintenance window: hosts were rebooted at whatever time the run came to them.
local claim = require "gpupt.playbook.claim"
local clock = require "gpupt.clock"
local lab = require "spec.support.lab"
local window = require "gpupt.playbook.window"
local zone = require "gpupt.zone"

-- A moment of 2026-11-30, a Monday, by its UTC time.
local function monday(hours, minutes) return zone.days(2026, 11, 30) * 86400 + hours * 3600 + (minutes or 0) * 60 end

local HOUR, DAY = 3600, 86400

describe("a maintenance window", function()
  local function at(text, t, seconds)
    local fits, when = assert(window.parse(text)):fits(t, seconds)
    return fits, when
  end

  it("lets begin what ends inside it, over midnight", function()
    assert.same({ true, monday(29) }, { at("22:00-05:00 UTC", monday(22), HOUR) })
    assert.same({ true, monday(29) }, { at("22:00-05:00 UTC", monday(28), HOUR) })
    assert.same({ false, monday(46) }, { at("22:00-05:00 UTC", monday(28) + 1, HOUR) })
    assert.same({ false, monday(22) }, { at("22:00-05:00 UTC", monday(21, 59), HOUR) })
  end)

  it("opens on its days only, which are those of its begin", function()
    assert.same({ false, monday(22) + 4 * DAY }, { at("Fri 22:00-05:00 UTC", monday(22), HOUR) })
    assert.same({ true, monday(29) + 4 * DAY }, { at("Fri 22:00-05:00 UTC", monday(27) + 4 * DAY, HOUR) })
    assert.is_true(at("Sat-Mon 22:00-05:00 UTC", monday(22), HOUR)) -- a week that turns
    assert.is_false(at("Tue,Thu 22:00-05:00 UTC", monday(22), HOUR))
  end)

  it("joins windows that touch", function()
    assert.is_true(at({ "Sat,Sun 00:00-24:00 UTC" }, monday(20) + 5 * DAY, 20 * HOUR))
    assert.is_true(at({ "20:00-22:00 UTC", "22:00-23:00 UTC" }, monday(21, 30), HOUR))
    assert.is_false(at({ "20:00-22:00 UTC", "22:30-23:30 UTC" }, monday(21, 30), HOUR))
  end)

  it("goes by its zone, also over a change of summer time", function()
    assert.same({ false, monday(21) }, { at("22:00-05:00 Europe/Berlin", monday(20), HOUR) })
    assert.same({ false, monday(20) }, { at("22:00-05:00 +02:00", monday(19), HOUR) })
    -- the night of 2027-03-28 has one hour less: 00:00 to 05:00 is four hours
    local night = zone.days(2027, 3, 27) * DAY + 23 * HOUR
    assert.is_true(at("00:00-05:00 Europe/Berlin", night, 4 * HOUR))
    assert.is_false(at("00:00-05:00 Europe/Berlin", night, 4 * HOUR + 1))
  end)

  it("knows zones as the C library does, far into the future", function()
    for _, name in ipairs { "Europe/Berlin", "America/New_York", "Australia/Sydney", "Asia/Kolkata", "Europe/Dublin" } do
      local offset, command = assert(zone.of(name)), {}
      local moments = {}
      for _, year in ipairs { 1980, 2026, 2050 } do
        for _, month in ipairs { 1, 4, 7, 10 } do moments[#moments + 1] = zone.days(year, month, 20) * DAY end
      end
      for i, t in ipairs(moments) do command[i] = ("date -d @%d +%%:z"):format(t) end
      local pipe = io.popen(("export TZ=%s; %s"):format(name, table.concat(command, "; ")))
      for _, t in ipairs(moments) do assert.equal(pipe:read "l", zone.spell(offset(t)), name .. " " .. t) end
      pipe:close()
    end
  end)

  it("is refused at load if it cannot be read, or if no reboot fits into it", function()
    for text, words in pairs {
      ["late"] = "'late' is no window", ["24:30-25:00"] = "is no window", ["22:00-05:60"] = "is no window",
      ["Foo 22:00-05:00"] = "is no window", ["22:00-22:00"] = "ends when it begins",
      ["22:00-05:00 Mars/Base"] = "unknown time zone 'Mars/Base'", ["22:00-05:00 ../../etc/passwd"] = "unknown time zone",
    } do
      local parsed, message = window.parse(text)
      assert.is_nil(parsed, text)
      assert.matches(words, message, 1, true)
    end
  end)
end)

describe("a roll with a maintenance window", function()
  local l, moved, look

  before_each(function()
    l = lab.start { speed = 200, fleet = { clusters = { { name = "gpu-a", hosts = { lab.host "a-1", lab.host "a-2" } } } } }
    l:client()
    l.sim:forget()
    moved = { clock.offset(), 0 }
    look, claim.LOOK = claim.LOOK, 0.1
  end)

  after_each(function()
    clock.move(moved[1] - clock.offset())
    clock.jump(-moved[2])
    claim.LOOK = look
    l:stop()
  end)

  local function jump(seconds)
    clock.jump(seconds)
    moved[2] = moved[2] + seconds
  end

  -- The wall clock shows this UTC time of a day.
  local function set_clock(hours, minutes)
    local wanted = zone.days(2027, 1, 15) * DAY + hours * HOUR + (minutes or 0) * 60
    jump(wanted - clock.wall())
  end

  local function playbook(roll)
    return ([[return p.playbook { name = "roll", p.hosts { where = "/DC0/host/gpu-a/*",
      devices = p.gpus { match = "10de:20b5" }, roll = { window = "22:00-05:00 UTC", %s }, p.host.enable {} } }]]):format(roll)
  end

  local function outcomes(result)
    local list = {}
    for _, one in ipairs(result.targets) do list[one.target] = one.status end
    return list
  end

  it("defers its hosts, unchanged, if the window does not open within window_within", function()
    set_clock(12)
    local result = l:apply(playbook 'window_within = "1h"', { allow = { "reboot" } })
    assert.same({ ["a-1"] = "deferred", ["a-2"] = "deferred" }, outcomes(result))
    assert.matches("deferred and not changed: the window 22:00-05:00 UTC is not open long enough for a reboot "
      .. "(back_within = 45m); it opens at Fri 2027-01-15 22:00 (UTC+00:00), which is not within window_within = 1h",
      result.targets[1].message, 1, true)
    assert.same({}, l:changing())
  end)

  it("also holds back hosts that need no reboot, because one follows if that fails", function()
    l:stop()
    l = lab.start { speed = 200, fleet = { clusters = { { name = "gpu-a", hosts = {
      lab.host("a-1", { rebind_without_reboot = true }) } } } } }
    l:client()
    set_clock(12)
    assert.same({ ["a-1"] = "deferred" }, outcomes(l:apply(playbook 'window_within = "1h"')))
    set_clock(23)
    assert.same({ ["a-1"] = "changed" }, outcomes(l:apply(playbook 'window_within = "1h"')))
    assert.equal(0, l.sim:calls "RebootHost_Task")
  end)

  it("shows in the plan when it opens, and that the clock of this computer differs", function()
    set_clock(20, 40)
    local text = tostring(assert(l:plan(playbook "")))
    assert.matches("window 22:00-05:00 UTC: the next reboot can begin at Fri 2027-01-15 22:00 (UTC+00:00), in 80 min",
      text, 1, true)
    assert.matches("the clock of this computer is %d+ h %d+ min ahead of that of 127.0.0.1; the window goes by", text)
    set_clock(4, 30)
    assert.matches("window 22:00-05:00 UTC: closes at Fri 2027-01-15 05:00 (UTC+00:00), too early for a reboot now",
      tostring(assert(l:plan(playbook ""))), 1, true)
    set_clock(23)
    assert.matches("window 22:00-05:00 UTC: open until Sat 2027-01-16 05:00", tostring(assert(l:plan(playbook ""))), 1, true)
  end)

  it("waits until it opens, and goes on when the clock is set into it", function()
    set_clock(21)
    local plan = assert(l:plan(playbook ""))
    local waited = 0
    local run = assert(plan:apply { journal = l:journal(), allow = { "reboot" }, on_event = function(event)
      if (event.text or ""):find("waiting for the window: it opens at Fri 2027-01-15 22:00", 1, true) then
        waited = waited + 1
        assert.same({}, l:changing())
        if waited == 2 then set_clock(22) end
      end
    end })
    assert.equal(2, waited) -- each host says it once
    assert.same({ ["a-1"] = "changed", ["a-2"] = "changed" }, outcomes(run:result()))
  end)

  it("does not begin a reboot that could not end inside it: the host is as before, and waits", function()
    set_clock(22)
    local rebooted = false
    local plan = assert(l:plan(playbook 'window_within = "1h"', { limit = "a-1" }))
    l.sim:forget()
    local run = assert(plan:apply { journal = l:journal(), allow = { "reboot" }, on_event = function(event)
      -- the clock jumps while the host enters maintenance mode
      if (event.text or "") == "entered maintenance mode" then jump(7 * HOUR - 20 * 60) end
      rebooted = rebooted or event.text == "rebooting"
    end })
    assert.is_false(rebooted)
    assert.equal(0, l.sim:calls "RebootHost_Task")
    local result = run:result()
    assert.equal("deferred", outcomes(result)["a-1"], result.targets[1].message)
    local truth = l:truth("hosts", "a-1")
    assert.is_false(truth.maintenance)
    for _, card in ipairs(truth.cards) do assert.is_false(card.enabled, card.address) end
  end)

  it("does not hinder a resumed run from bringing back a host that is rebooting", function()
    set_clock(22)
    l.sim:post("set", { host = "a-1", boot = "never" })
    local journal = l:journal()
    local text = playbook 'back_within = "2s", window_within = "1h"'
    local first = l:apply(text, { allow = { "reboot" }, journal = journal, limit = "a-1" })
    assert.equal("ELOST", first.targets[1].code)
    l.sim:post("set", { host = "a-1", boot = "", revive = true })
    set_clock(12)
    local second = l:apply(text, { allow = { "reboot" }, journal = journal, resume = first.id,
      limit = "a-1" })
    assert.same({ ["a-1"] = "changed" }, outcomes(second))
    assert.is_false(l:truth("hosts", "a-1").maintenance)
    assert.equal(1, l.sim:calls "RebootHost_Task")
  end)

  it("is refused at load if a reboot does not fit into it", function()
    local ok, err = pcall(l.load, l, (playbook 'back_within = "8h"'))
    assert.is_false(ok)
    assert.matches("roll: window: 22:00-05:00 UTC is open for 7 h 00 min at most, and a reboot may take back_within = 8h",
      tostring(err.message or err), 1, true)
  end)
end)
