--- The vCenter restarts once during a rollout: at each of its changes, before or after the change took effect, with each fate
-- of its tasks, behind a proxy that answers or with no answer at all. The end is that of a rollout without a restart.
-- The table of what was tried is printed at the end.
local restarts = require "spec.support.restarts"

describe("a rollout during which the vCenter restarts", function()
  local table_of, r = {}, nil

  after_each(function()
    if r then r:stop() end
    r = nil
  end)

  teardown(function()
    for _, line in ipairs(table_of) do print(line) end
  end)

  local function texts(events, pattern)
    local count = 0
    for _, event in ipairs(events) do if (event.text or ""):find(pattern) then count = count + 1 end end
    return count
  end

  local function case(method, kind, tasks, refuse)
    it(("%s %s, tasks %s%s"):format(kind, method, tasks, refuse and ", no answer" or ""), function()
      r = restarts.start()
      r:trouble({ method = method, nth = method == "WaitForUpdatesEx" and 8 or nil },
        { kind = kind, seconds = 2, tasks = tasks, refuse = refuse or nil })
      local result, events = assert(r:roll())
      r.sim:calm()
      local again = texts(events, "observing again")
      table_of[#table_of + 1] = ("%-16s %-34s %-10s %-7s %s, observed again %d, told %d and %d"):format(kind, method, tasks,
        refuse and "silent" or "503", result.status, again, texts(events, "does not answer since"), texts(events, "answers again"))
      local failed
      for _, target in ipairs(result.targets) do failed = failed or target.message end
      assert.equal("done", result.status, failed)
      assert.same(restarts.WANTED, r:state())
      assert.is_true(again <= 2)
      assert.equal(texts(events, "does not answer since"), texts(events, "answers again"))
    end)
  end

  for _, method in ipairs(restarts.phases) do
    if not method:find "^HTTP" then
      for _, kind in ipairs { "restart-before", "restart-after" } do
        for _, tasks in ipairs(method:find "_Task$" and kind == "restart-after" and { "kept", "lost", "untracked" } or { "kept" }) do
          case(method, kind, tasks)
        end
      end
      case(method, "restart-after", "kept", true)
    end
  end
end)
