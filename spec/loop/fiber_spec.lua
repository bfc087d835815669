local failure = require "gpupt.failure"
local loop = require "gpupt.loop"

describe("fibers", function()
  local warnings, before
  setup(function()
    before = require("gpupt.loop.wait").warn
    loop.on_warning(function(text) warnings[#warnings + 1] = text end)
  end)
  teardown(function() loop.on_warning(before) end)
  before_each(function() warnings = {} end)

  local function closer(fn) return setmetatable({}, { __close = fn }) end

  it("run side by side", function()
    local from = loop.now()
    local a, b = loop.run(function()
      local one = loop.spawn(function() loop.sleep(0.1) return "a" end)
      local two = loop.spawn(function() loop.sleep(0.1) return "b" end)
      return one:join(), (two:join())
    end)
    assert.are.equal("ab", a .. b)
    assert.is_true(loop.now() - from < 0.19)
  end)

  it("give all their results, and run returns them", function()
    assert.are.same({ n = 3, 1, nil, 3 }, table.pack(loop.run(function()
      return loop.spawn(function() return 1, nil, 3 end):join()
    end)))
  end)

  it("are joined before run returns", function()
    local done = false
    loop.run(function() loop.spawn(function() loop.sleep(0.02) done = true end) end)
    assert.is_true(done)
  end)

  it("that fail cancel the others of their scope, and run raises the error", function()
    local cancelled, closed = false, false
    local ok, err = pcall(loop.run, function()
      loop.spawn(function()
        local mark <close> = closer(function() closed = true end) -- luacheck: ignore
        local _, why = pcall(loop.sleep, 10)
        cancelled = loop.is_cancelled(why)
        error(why, 0)
      end)
      loop.sleep(0.01)
      loop.spawn(function() error(failure.new("broken", "EBROKEN"), 0) end)
      loop.sleep(10)
    end)
    assert.is_false(ok)
    assert.are.equal("EBROKEN", err.code)
    assert.is_true(cancelled)
    assert.is_true(closed)
  end)

  it("whose failure is joined do not bring down the rest", function()
    local seen = loop.run(function()
      local bad = loop.spawn(function() loop.sleep(0.01) error("mine", 0) end)
      local ok, err = pcall(bad.join, bad)
      assert.is_false(ok)
      loop.sleep(0.01)
      return err
    end)
    assert.are.equal("mine", seen)
  end)

  it("end with a message when each waits for another", function()
    local ok, err = pcall(loop.run, function()
      local event = loop.event()
      loop.spawn(function() loop.await(event) end)
      loop.await(event)
    end)
    assert.is_false(ok)
    assert.are.equal("EDEADLOCK", err.code)
    ok, err = pcall(function() loop.await((loop.event())) end)
    assert.is_false(ok)
    assert.matches("deadlock", tostring(err))
  end)

  it("can be nested: run inside a fiber is a scope of its own", function()
    local order = {}
    loop.run(function()
      loop.run(function()
        loop.spawn(function() loop.sleep(0.02) order[#order + 1] = "inner" end)
      end)
      order[#order + 1] = "outer"
    end)
    assert.are.same({ "inner", "outer" }, order)
  end)

  it("need a scope to be spawned in", function()
    local ok, message = pcall(loop.spawn, function() end)
    assert.is_false(ok)
    assert.matches("only inside loop.run", message)
    ok, message = pcall(loop.run, function() loop.spawn(5) end)
    assert.is_false(ok)
    assert.matches("expected a function", tostring(message))
  end)

  it("yield through pcall, metamethods, iterators and __close", function()
    local steps = {}
    loop.run(function()
      loop.spawn(function() for _ = 1, 5 do steps[#steps + 1] = "tick" loop.sleep(0.01) end end)
      local object = setmetatable({}, { __index = function(_, key) loop.sleep(0.01) return key end })
      assert.are.equal("x", object.x)
      for _ in function(_, last) loop.sleep(0.01) if not last then return 1 end end do steps[#steps + 1] = "iterated" end
      do
        local mark <close> = closer(function() loop.sleep(0.01) steps[#steps + 1] = "closed" end) -- luacheck: ignore
      end
      assert.is_true(pcall(loop.sleep, 0.01))
    end)
    assert.is_true(#steps >= 6)
    assert.are.same({}, warnings)
  end)

  it("block correctly in a generator or a sort, and warn once with the source line", function()
    for _ = 1, 2 do
      loop.run(function()
        local generate = coroutine.wrap(function() loop.sleep(0.01) coroutine.yield "value" end)
        assert.are.equal("value", generate())
        table.sort({ 2, 1 }, function(a, b) loop.sleep(0.005) return a < b end)
      end)
    end
    assert.are.equal(2, #warnings)
    assert.matches("fiber_spec.lua:%d+", warnings[1])
    assert.matches("cannot yield", warnings[1])
  end)

  describe("cancelled", function()
    it("raise where they wait, again at each later wait, and are \"cancelled\"", function()
      local count = 0
      loop.run(function()
        local fiber = loop.spawn(function()
          for _ = 1, 3 do
            local ok, err = pcall(loop.sleep, 10)
            assert.is_false(ok)
            assert.are.equal("cancelled: enough", err.message)
            count = count + 1
          end
          loop.sleep(10)
        end)
        loop.sleep(0.01)
        assert.are.equal("running", fiber:status())
        fiber:cancel "enough"
        fiber:cancel "again"
        local ok, err = pcall(fiber.join, fiber)
        assert.is_false(ok)
        assert.is_true(loop.is_cancelled(err))
        assert.are.equal("cancelled", fiber:status())
      end)
      assert.are.equal(3, count)
    end)

    it("may wait in __close and in shield", function()
      local log = {}
      loop.run(function()
        local fiber = loop.spawn(function()
          local mark <close> = closer(function() log[#log + 1] = loop.sleep(0.01) and "closed" end) -- luacheck: ignore
          local ok = pcall(loop.sleep, 10)
          assert.is_false(ok)
          loop.shield(function() loop.sleep(0.01) log[#log + 1] = "shielded" end)
          pcall(function()
            local inner <close> = closer(function() loop.sleep(0.01) log[#log + 1] = "inner" end) -- luacheck: ignore
            loop.sleep(10)
          end)
          loop.sleep(10)
        end)
        loop.sleep(0.01)
        fiber:cancel()
        pcall(fiber.join, fiber)
      end)
      assert.are.same({ "shielded", "inner", "closed" }, log)
    end)

    it("lose patience with a shield after the grace", function()
      local wait = require "gpupt.loop.wait"
      local grace = wait.GRACE
      wait.GRACE = 0.05
      local from = loop.now()
      loop.run(function()
        local fiber = loop.spawn(function() loop.shield(function() loop.sleep(10) end) end)
        loop.sleep(0.01)
        fiber:cancel()
        pcall(fiber.join, fiber)
      end)
      wait.GRACE = grace
      assert.is_true(loop.now() - from < 1)
    end)

    it("before they first ran never run", function()
      local ran = false
      loop.run(function()
        local fiber = loop.spawn(function() loop.sleep(0) ran = true end)
        fiber:cancel()
        pcall(fiber.join, fiber)
      end)
      assert.is_false(ran)
    end)
  end)

  describe("deadline", function()
    it("gives nil, message, ETIMEDOUT; the earliest of nested ones counts", function()
      for _, around in ipairs { function(fn) return fn() end, loop.run } do
        local from = loop.now()
        local results = table.pack(around(function()
          return loop.deadline(5, function()
            return loop.deadline(0.03, function() loop.sleep(10) end)
          end)
        end))
        assert.is_nil(results[1])
        assert.are.equal("ETIMEDOUT", results[3])
        assert.matches("0.03 s", results[2])
        assert.is_true(loop.now() - from < 1)
      end
    end)

    it("of an outer scope also applies in an inner one", function()
      local inner
      local value, _, code = loop.deadline(0.03, function()
        inner = table.pack(pcall(loop.deadline, 5, loop.sleep, 10))
        error(inner[2], 0)
      end)
      assert.is_nil(value)
      assert.are.equal("ETIMEDOUT", code)
      assert.is_false(inner[1])
    end)

    it("leaves no trace: later waits are free", function()
      loop.deadline(0.01, loop.sleep, 10)
      assert.is_true(loop.sleep(0.01))
      assert.are.same({ n = 2, 1, 2 }, table.pack(loop.deadline(1, function() return 1, 2 end)))
    end)
  end)

  it("all gives the first results in order, at most so many at a time, and stops at a failure", function()
    local running, most = 0, 0
    local list = {}
    for i = 1, 6 do
      list[i] = function()
        running = running + 1
        most = math.max(most, running)
        loop.sleep(0.01)
        running = running - 1
        return i * i
      end
    end
    assert.are.same({ 1, 4, 9, 16, 25, 36 }, loop.all(list, 2))
    assert.are.equal(2, most)
    assert.are.same({}, loop.all {})
    local ok, err = pcall(loop.all, { function() loop.sleep(10) end, function() error("no", 0) end })
    assert.is_false(ok)
    assert.are.equal("no", err)
  end)

  it("race gives the first and cancels the others", function()
    local cancelled
    local index, value = loop.race { function()
      local _, err = pcall(loop.sleep, 10)
      cancelled = loop.is_cancelled(err)
      error(err, 0)
    end, function() loop.sleep(0.01) return "fast" end }
    assert.are.equal(2, index)
    assert.are.equal("fast", value)
    assert.is_true(cancelled)
  end)

  it("semaphores hold so many; a cancelled waiter gives its turn on", function()
    local semaphore, running, most = loop.semaphore(2), 0, 0
    loop.run(function()
      for i = 1, 6 do
        local fiber = loop.spawn(function()
          semaphore:with(function()
            running = running + 1
            most = math.max(most, running)
            loop.sleep(0.01)
            running = running - 1
          end)
        end)
        if i == 4 then fiber:cancel() fiber.joined = true end
      end
    end)
    assert.are.equal(2, most)
    assert.are.equal(2, semaphore.free)
    assert.is_false((pcall(loop.semaphore, 0)))
  end)

  it("queues hold back writers, feed readers and end", function()
    local queue, got = loop.queue(2), {}
    loop.run(function()
      loop.spawn(function()
        for i = 1, 5 do queue:push(i) end
        queue:close()
      end)
      for value in queue.pop, queue do
        got[#got + 1] = value
        assert.is_true(#queue <= 2)
        loop.sleep(0.002)
      end
    end)
    assert.are.same({ 1, 2, 3, 4, 5 }, got)
    local ok, err = pcall(queue.push, queue, 1)
    assert.is_false(ok)
    assert.are.equal("ECLOSED", err.code)
  end)

  it("the engine is not re-entrant, and can be polled from outside", function()
    local engine = loop.engine()
    assert.is_true(engine:pollfd() > 2)
    assert.are.equal("r", engine:events())
    assert.is_true(engine:step())
    local inner = require("gpupt.loop.engine").shared()
    inner.stepping = true
    local ok, message, code = engine:step()
    inner.stepping = false
    assert.is_nil(ok)
    assert.matches("not re%-entrant", message)
    assert.are.equal("EBUSY", code)
  end)

  it("a thousand sleepers cost little", function()
    local from, count = loop.now(), 0
    loop.run(function()
      for i = 1, 1000 do loop.spawn(function() loop.sleep(0.05 + i % 7 / 1000) count = count + 1 end) end
    end)
    assert.are.equal(1000, count)
    assert.is_true(loop.now() - from < 2)
  end)
end)
