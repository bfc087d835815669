-- Trouble: the operator's laptop sleeps, or its clock is set, in the middle of a roll. Waits count the sleep; a host that
-- is back is not called lost, nothing is sent twice, and what the run could not keep is completed by a resume.
local clock = require "gpupt.clock"
local lab = require "spec.support.lab"

local function playbook(roll)
  return ([[return p.playbook { name = "roll", p.hosts { where = "/DC0/host/*", devices = p.gpus { match = "10de:20b5" },
    roll = { %s }, p.host.enable {} } }]]):format(roll or "")
end

describe("a computer that", function()
  local l, moved, jumped

  before_each(function()
    l = lab.start { speed = 200, fleet = { clusters = { { name = "gpu-a", hosts = { lab.host "a-1", lab.host "a-2" } } } } }
    l:client()
    moved, jumped = clock.offset(), 0
  end)
  after_each(function()
    clock.move(moved - clock.offset())
    clock.jump(-jumped)
    l:stop()
  end)

  -- Applies, and calls fn once when the first host says the text.
  local function apply(text, journal, fn, roll)
    local plan, done = assert(l:plan(playbook(roll))), false
    local run = assert(plan:apply { journal = journal, allow = { "reboot" }, on_event = function(event)
      if not done and event.text == text then
        done = true
        fn()
      end
    end })
    assert.is_true(done)
    return run:result()
  end

  local function reboots()
    local list = {}
    for _, event in ipairs(l.sim:get "truth".timeline) do
      if event.kind == "reboot" then list[event.host] = (list[event.host] or 0) + 1 end
    end
    return list
  end

  local function ready()
    for _, name in ipairs { "a-1", "a-2" } do
      local host = l:truth("hosts", name)
      assert.is_false(host.maintenance, name)
      for _, card in ipairs(host.cards) do if card.address == "0000:3b:00.0" then assert.is_true(card.active, name) end end
    end
    assert.same({ ["a-1"] = 1, ["a-2"] = 1 }, reboots())
    assert.same({}, l.sim:get "truth".violations)
  end

  for _, text in ipairs { "enabled 3b:00.0, not active yet", "entered maintenance mode", "rebooting", "connected again" } do
    it(("sleeps for an hour at '%s' reboots no host twice; a resume completes the roll"):format(text), function()
      local journal = l:journal()
      local first = apply(text, journal, function() clock.move(3600) end)
      assert.is_true(first.status == "failed" or first.status == "interrupted", first.status)
      local messages = {}
      for _, one in ipairs(first.targets) do messages[#messages + 1] = one.message end
      assert.matches("its computer slept", table.concat(messages, "\n"), 1, true)
      local second = l:apply(playbook(), { allow = { "reboot" }, journal = journal, resume = first.id })
      assert.equal("done", second.status, second.targets[1].message)
      ready()
    end)
  end

  it("sleeps past back_within, but not for so long that the claims expire, looks at the host before it calls it lost", function()
    local result = apply("rebooting", l:journal(), function()
      os.execute "sleep 1.5" -- meanwhile the host comes back
      clock.move(120)
    end, 'back_within = "60s"')
    assert.equal("done", result.status, result.targets[1].message)
    ready()
  end)

  for _, seconds in ipairs { -7200, 7200 } do
    it(("has its clock set by %d hours during the roll is not disturbed"):format(seconds // 3600), function()
      local result = apply("rebooting", l:journal(), function()
        clock.jump(seconds)
        jumped = seconds
      end)
      assert.equal("done", result.status, result.targets[1].message)
      ready()
    end)
  end
end)
