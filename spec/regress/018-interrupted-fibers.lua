-- Ctrl-C raises in the program's main thread, inside loop.run and outside the fibers. loop.run passed the error on and
-- abandoned its fibers: what they would have closed (a session) stayed open.
local loop = require "gpupt.loop"

describe("an error raised into loop.run from outside, as by Ctrl-C,", function()
  -- as in lua.c: a hook of the main thread, which runs at the first instruction after the wait
  local function interrupt_soon(thread, count)
    debug.sethook(thread, function()
      debug.sethook(thread)
      error("interrupted!", 0)
    end, "", count)
  end

  local function closer(fn) return setmetatable({}, { __close = fn }) end

  it("cancels the fibers, waits until they have closed everything, and is raised again", function()
    local closed, cancelled, from = 0, 0, loop.now()
    local main = coroutine.running()
    local ok, err = pcall(loop.run, function()
      for _ = 1, 3 do
        loop.spawn(function()
          local mark <close> = closer(function() loop.sleep(0.01) closed = closed + 1 end) -- luacheck: ignore
          local _, why = pcall(loop.sleep, 20)
          if loop.is_cancelled(why) then cancelled = cancelled + 1 end
          error(why, 0)
        end)
      end
      loop.spawn(function()
        -- the main thread runs often enough to reach the hook
        while true do loop.sleep(0) end
      end)
      interrupt_soon(main, 2000)
      loop.sleep(20)
    end)
    debug.sethook(main)
    assert.is_false(ok)
    assert.matches("interrupted!", tostring(err))
    assert.are.equal(3, cancelled)
    assert.are.equal(3, closed)
    assert.is_true(loop.now() - from < 5)
    assert.are.equal("works again", loop.run(function() loop.sleep(0.001) return "works again" end))
  end)

  -- a fiber that had been taken from its queue, or an engine marked as busy, was left so, and the program hung
  it("wherever it is raised, in the scheduler too", function()
    local main = coroutine.running()
    for count = 1, 600 do
      local closed = 0
      local ok, err = pcall(loop.run, function()
        for _ = 1, 3 do
          loop.spawn(function()
            local mark <close> = closer(function() loop.sleep(0.001) closed = closed + 1 end) -- luacheck: ignore
            loop.sleep(20)
          end)
        end
        loop.spawn(function() while true do loop.sleep(0) end end)
        interrupt_soon(main, count)
        loop.sleep(20)
      end)
      debug.sethook(main)
      assert.is_false(ok, count)
      assert.matches("interrupted!", tostring(err))
      assert.are.equal(3, closed, count)
    end
  end)
end)
