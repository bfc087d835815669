--- loop.all and loop.race called each item, so a list of fibers failed inside gpupt with "attempt to call a table
-- value"; a name instead of a number, a hole or a value that is no function was left out without a word.
local gpupt = require "gpupt"

describe("loop.all and loop.race", function()
  local loop = gpupt.loop

  local function failing(after, text)
    return loop.spawn(function()
      loop.sleep(after)
      error(text, 0)
    end)
  end

  it("join fibers and functions, and give their results in order", function()
    local results = loop.run(function()
      local slow = loop.spawn(function()
        loop.sleep(0.02)
        return "slow"
      end)
      local ended = loop.spawn(function() return "ended" end)
      loop.sleep(0)
      return loop.all { slow, function() return "function" end, ended }
    end)
    assert.same({ "slow", "function", "ended" }, results)
  end)

  it("cancel the other fibers when one fails, wait for their end, and raise that error", function()
    local cleaned, other = false, nil
    local ok, err = pcall(loop.run, function()
      other = loop.spawn(function()
        local done <close> = setmetatable({}, { __close = function()
          loop.sleep(0.01)
          cleaned = true
        end })
        loop.sleep(60)
        return done
      end)
      local caught, why = pcall(loop.all, { other, failing(0.01, "no") })
      assert.is_false(caught)
      assert.equal("no", why)
      assert.equal("cancelled", other:status())
      assert.is_true(cleaned)
      return "goes on"
    end)
    assert.is_true(ok, tostring(err))
    assert.equal("goes on", err)
  end)

  it("raise the error of a fiber that failed before", function()
    loop.run(function()
      local failed = failing(0, "early")
      local other = loop.spawn(function() loop.sleep(60) end)
      local ok, why = pcall(loop.all, { failed, other })
      assert.is_false(ok)
      assert.equal("early", why)
      assert.equal("cancelled", other:status())
    end)
  end)

  it("cancel the fibers when their own time is over", function()
    loop.run(function()
      local one = loop.spawn(function() loop.sleep(60) end)
      local result, _, code = loop.deadline(0.02, function() return loop.all { one } end)
      assert.is_nil(result)
      assert.equal("ETIMEDOUT", code)
      assert.equal("cancelled", one:status())
    end)
  end)

  it("give the first fiber that ends, and cancel the others", function()
    loop.run(function()
      local slow = loop.spawn(function() loop.sleep(60) end)
      local fast = loop.spawn(function()
        loop.sleep(0.01)
        return "fast", 2
      end)
      local index, value, more = loop.race { slow, function() loop.sleep(60) end, fast }
      assert.same({ 3, "fast", 2 }, { index, value, more })
      assert.equal("cancelled", slow:status())
    end)
  end)

  it("raise what the first fiber raised", function()
    loop.run(function()
      local slow = loop.spawn(function() loop.sleep(60) end)
      local ok, why = pcall(loop.race, { slow, failing(0.01, "first") })
      assert.is_false(ok)
      assert.equal("first", why)
      assert.equal("cancelled", slow:status())
    end)
  end)

  for _, name in ipairs { "all", "race" } do
    it(("refuse anything else at the caller's line: loop.%s"):format(name), function()
      local function refused(value, wanted)
        local ok, why = pcall(function() loop[name](value) end)
        assert.is_false(ok)
        assert.matches("160%-all%-and%-race%-of%-fibers.lua:%d+: loop." .. name .. ": ", why)
        assert.matches(wanted, why, 1, true)
      end
      refused({ function() end, 7 }, "item 2 is a number; expected functions and fibers")
      refused({ function() end, nil, function() end }, "item 2 is missing")
      refused({ first = function() end }, "expected a list of functions and fibers, but it has the key 'first'")
      refused(function() end, "expected a list of functions and fibers, not a function")
      loop.run(function()
        refused(loop.spawn(function() end), "expected a list of functions and fibers, not a fiber")
      end)
    end)
  end

  it("refuse a limit below 1", function()
    local ok, why = pcall(loop.all, { function() end }, 0)
    assert.is_false(ok)
    assert.matches("loop.all: the limit must be an integer of at least 1", why, 1, true)
  end)
end)
