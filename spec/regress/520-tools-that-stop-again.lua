-- Tools that ran and stopped again within the phase `tools` of an installation ended in the bare "timed out" of the wait:
-- without the phase, what was seen, and what to do.
local waiting = require "gpupt.step.install_wait"

describe("Tools that run and stop again", function()
  it("fail in the phase tools, with what was seen", function()
    local now = { guestHeartbeatStatus = "gray", ["guest.toolsRunningStatus"] = "guestToolsNotRunning" }
    local target = { name = "vm-1", ref = { get = function() return now end } }
    local waits = 0
    local ctx = { wait_for = function(_, _, _, predicate)
      waits = waits + 1
      predicate { ["runtime.powerState"] = "poweredOn", ["guest.hostName"] = "vm-1",
        ["guest.toolsRunningStatus"] = waits == 1 and "guestToolsRunning" or "guestToolsNotRunning" }
      return nil, "timed out", "ETIMEDOUT"
    end, task = function() return "[ds-1] vm-1/vm-1-1.png" end }
    local ok, message, code = waiting.wait(ctx, target, { iso = "i", answers = "a", boot = 9, install = 9, ready = 9 })
    assert.same({ false, "ETIMEDOUT", 2 }, { ok or false, code, waits })
    assert.equal("vm-1: phase tools: Tools ran, and do not run again after 9 s (heartbeat gray, Tools do not run, no address). "
      .. "Look at VMware Tools in the guest: its service must run, and tools.conf may forbid guest operations. Apply again when "
      .. "it does. The console was: [ds-1] vm-1/vm-1-1.png", message)
  end)
end)
