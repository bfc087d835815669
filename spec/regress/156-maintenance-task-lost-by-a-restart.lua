--- A vCenter that restarted just after EnterMaintenanceMode forgot the task, and the host entered: the request was sent again
-- and its InvalidState failed the host. With a vCenter that refused connections meanwhile, the second request ended after
-- ten seconds, and so did the host.
local restarts = require "spec.support.restarts"

describe("a vCenter that restarts after EnterMaintenanceMode", function()
  local r
  after_each(function()
    if r then r:stop() end
    r = nil
  end)

  local function roll(trouble)
    r = restarts.start()
    r:trouble({ method = "EnterMaintenanceMode_Task" }, trouble)
    local result, events = assert(r:roll())
    r.sim:calm()
    local failed
    for _, target in ipairs(result.targets) do failed = failed or target.message end
    assert.equal("done", result.status, failed)
    assert.same(restarts.WANTED, r:state())
    return events
  end

  it("and does not know the task any more: the host's own state decides", function()
    local events = roll { kind = "restart-after", seconds = 1, tasks = "untracked" }
    local said = 0
    for _, event in ipairs(events) do
      if (event.text or ""):find("in maintenance mode; the task of EnterMaintenanceMode is not known", 1, true) then
        said = said + 1
      end
    end
    assert.equal(1, said)
  end)

  it("and does not answer for longer than the request waits: its task is looked for", function()
    roll { kind = "restart-after", seconds = 12, refuse = true, tasks = "kept" }
  end)
end)
