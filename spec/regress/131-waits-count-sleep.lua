-- All waits went by CLOCK_MONOTONIC, which stands still while a computer sleeps: after an hour's sleep in the middle of a
-- roll, every deadline was an hour late. Now they go by CLOCK_BOOTTIME, behind one clock that specs can move.
local loop = require "gpupt.loop"
local vcenter = require "spec.support.vcenter"

describe("the clock of waits", function()
  it("counts the time during which the computer slept", function()
    -- in a time namespace whose boot time, but not its monotonic time, is 1,000,000 seconds later
    local said, ok = vcenter.shell [[for how in "unshare --time" "unshare --user --map-root-user --time"; do
      $how --boottime 1000000 lua5.4 -e 'print(require "gpupt.loop".now())' 2>/dev/null && exit 0
    done; exit 1]]
    if not ok then pending "no time namespaces here" return end
    assert.is_true(tonumber(said) > 1000000, said)
  end)

  it("is the clock of the descriptor that wakes another loop", function()
    -- clockid 7 is CLOCK_BOOTTIME (linux/time.h)
    local said = vcenter.shell [[lua5.4 -e '
      local engine = assert(require "gpupt.loop".engine())
      require "gpupt.loop.engine".shared():at(1e9, { done = false })
      os.execute("grep -h clockid /proc/$PPID/fdinfo/*")']]
    assert.equal("clockid: 7\n", said)
  end)

  describe("when it is moved, as by a sleep", function()
    local clock
    before_each(function() clock = require "gpupt.clock" end)

    it("ends waits that are due, in fibers and in plain calls", function()
      local events = {}
      loop.run(function()
        loop.spawn(function()
          loop.sleep(3600)
          events[#events + 1] = "an hour"
        end)
        loop.sleep(0)
        clock.move(3601)
        loop.sleep(0.01)
        events[#events + 1] = "a moment"
      end)
      assert.same({ "an hour", "a moment" }, events)
      local at = loop.now()
      clock.move(60)
      assert.is_true(loop.now() - at >= 60)
    end)

    it("ends a deadline", function()
      local ok, _, code = loop.deadline(600, function()
        clock.move(601)
        loop.sleep(5)
        return true
      end)
      assert.is_nil(ok)
      assert.equal("ETIMEDOUT", code)
    end)
  end)
end)
