--- A vCenter that restarted under a run failed the target at hand: at the change whose answer was lost, at a change that
-- the ended session refused, at a task that is unknown afterwards. A step now observes again, and nothing is done twice.
local restarts = require "spec.support.restarts"

describe("a run under which the vCenter restarts", function()
  local r
  after_each(function()
    if r then r:stop() end
    r = nil
  end)

  local function texts(events, pattern)
    local count = 0
    for _, event in ipairs(events) do if (event.text or ""):find(pattern) then count = count + 1 end end
    return count
  end

  local function explain(result, events)
    local lines = {}
    for _, event in ipairs(events) do
      if event.kind ~= "progress" then lines[#lines + 1] = ("%s %s: %s"):format(event.target, event.step, event.text) end
    end
    return result.status .. "\n" .. table.concat(lines, "\n")
  end

  for _, tasks in ipairs { "kept", "lost" } do
    it(("at each of its changes, its tasks %s, ends the same way"):format(tasks), function()
      r = restarts.start()
      for i, method in ipairs(restarts.phases) do
        -- four changes of one step would be more than it observes again
        if tasks == "lost" and (i == 2 or i == #restarts.phases) then goto continue end
        local kind = method:find "^HTTP" and { kind = "status", code = 503 }
          or { kind = "restart-after", seconds = 0.5, tasks = tasks }
        r:trouble({ method = method, nth = method == "WaitForUpdatesEx" and 8 or nil }, kind)
        ::continue::
      end
      local result, events = assert(r:roll())
      assert.equal("done", result.status, explain(result, events))
      r.sim:calm()
      assert.same(restarts.WANTED, r:state())
      assert.is_true(texts(events, "observing again %(1 of 3%)") >= (tasks == "lost" and 3 or 1), explain(result, events))
    end)
  end

  it("observes again three times in a step, then fails with the whole history, and can be resumed", function()
    r = restarts.start()
    r:trouble({ method = "CreateVM_Task", count = 4 }, { kind = "restart-before", seconds = 0.2 })
    local journal = r:journal()
    local result, events, rows = r:roll { journal = journal }
    assert.equal("failed", result.status)
    local message = result.targets[2].message
    assert.matches("^CreateVM_Task on .* whether it took effect is unknown; before that the outcome was unknown, and the step "
      .. "observed again 3 times: CreateVM_Task", message)
    assert.equal("EUNKNOWN", result.targets[2].code)
    assert.equal(3, texts(events, "observing again %(%d of 3%)"))
    local noted = 0
    for _, row in ipairs(rows) do
      if row.kind == "event" and row.action == "observe-again" then noted = noted + 1 end
    end
    assert.equal(3, noted)
    r.sim:calm()
    result, events = r:roll { journal = journal, resume = result.id }
    assert.equal("done", result.status, explain(result, events))
    assert.same(restarts.WANTED, r:state())
  end)

  it("makes no second VM when the first one comes late, and waits for it", function()
    r = restarts.start(20)
    r:trouble({ method = "CreateVM_Task" }, { kind = "restart-after", seconds = 0, tasks = "untracked" })
    local result, events = r:roll { limit = "train-01", play = r.PLAY:gsub("p.hosts.-p.host.enable {} },", "")
      :gsub("p.os.install.*$", "} }"), allow = {} }
    assert.equal("done", result.status, explain(result, events))
    assert.equal(2, #r.sim:get "truth".vms)
  end)
end)
