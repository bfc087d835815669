--- A guest that restarted between two looks at its Tools was taken for one that has not begun to, for two minutes. Now
-- its own programs are asked: when all of them are younger than the request, the restart is over.
local reboot = require "gpupt.step.guest_reboot"

describe("a restart of a guest that is too quick to be seen", function()
  -- A run in which Tools are never seen to stop; the guest's programs are younger from the given look on.
  local function attempt(younger_at)
    local looks, waits = 0, {}
    local target = { name = "vm-1", ref = { RebootGuest = function() return true end } }
    local guest = {
      list = function() return { { started = "2026-12-01T01:00:00Z" }, { started = "2026-12-01T01:05:00Z" } } end,
      restarted = function(_, _, _, since)
        assert.equal("2026-12-01T01:05:00Z", since)
        looks = looks + 1
        return looks >= younger_at
      end,
    }
    local ctx = { vc = { guest = guest }, note = function() end,
      call = function(_, _, ref) return ref.RebootGuest() end,
      wait_for = function(_, _, paths, predicate, o)
        local props = { ["guest.toolsRunningStatus"] = "guestToolsRunning", ["guest.guestOperationsReady"] = true }
        waits[#waits + 1] = o.timeout
        if #paths > 2 then return predicate(props) end -- that Tools are ready
        predicate(props)
        return nil, "timeout", "ETIMEDOUT"
      end }
    assert.is_true(reboot.request(ctx, target, { auth = {} }, "rebooting"))
    return looks, waits
  end

  it("is over when all programs are younger than the request", function()
    local looks, waits = attempt(1)
    assert.equal(1, looks)
    assert.same({ 5, 900 }, waits)
    looks, waits = attempt(3)
    assert.equal(3, looks)
    assert.same({ 5, 5, 5, 900 }, waits)
  end)
end)
