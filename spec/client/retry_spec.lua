local gpupt = require "gpupt"
local vcenter = require "spec.support.vcenter"

describe("when a request fails", function()
  local sim, vc, host
  setup(function()
    sim = vcenter.start {}
  end)
  teardown(function() sim:stop() end)
  before_each(function()
    vc = sim:connect()
    host = gpupt.check(vc:one "/DC0/host/gpu-a/esx-a-1")
    sim:forget()
  end)
  after_each(function()
    sim:calm()
    sim:close_all()
    local left = sim:leftovers()
    assert.are.equal(0, left.sessions)
    assert.are.equal(0, left.filters)
  end)

  local function bring_back()
    local info = gpupt.check(host:get "runtime")
    if info.inMaintenanceMode then
      gpupt.check(vc:wait(gpupt.check(host:ExitMaintenanceMode_Task { timeout = 0 })))
    end
  end

  describe("a call that only reads", function()
    for _, what in ipairs {
      { "a 503 with an HTML page", { kind = "status", code = 503 } },
      { "a 502", { kind = "status", code = 502 } },
      { "a connection reset before it was read", { kind = "reset-before" } },
      { "a connection reset instead of an answer", { kind = "reset-after" } },
      { "an answer cut short", { kind = "truncate", bytes = 200 } },
    } do
      it("is sent again after " .. what[1], function()
        sim:trouble({ method = "RetrievePropertiesEx", count = 2 }, what[2])
        assert.are.equal("esx-a-1", gpupt.check(host:get "name"))
        assert.are.equal(3, sim:calls "RetrievePropertiesEx")
      end)
    end

    it("is given up after the configured number of tries, with the cause", function()
      sim:trouble({ method = "RetrievePropertiesEx", count = -1 }, { kind = "status", code = 503 })
      local quick = sim:connect { retries = 1 }
      local value, message, code, detail = quick:ref(tostring(host)):get "name"
      assert.is_nil(value)
      assert.are.equal("EHTTP", code)
      assert.matches("HTTP 503", message)
      assert.are.equal(503, detail.status)
      assert.are.equal(2, sim:calls "RetrievePropertiesEx")
    end)

    it("waits longer before each new attempt, for a random time", function()
      sim:trouble({ method = "CurrentTime", count = -1 }, { kind = "status", code = 503 })
      local function seconds(retries)
        local from = gpupt.loop.now()
        assert.are.equal("EHTTP", select(3, vc.instance:CurrentTime({}, { retries = retries })))
        return gpupt.loop.now() - from
      end
      local list = {}
      for i = 1, 8 do list[i] = function() return seconds(1) end end
      local once = gpupt.loop.all(list) -- 0.2 s, half as much less or more
      table.sort(once)
      assert.is_true(once[1] >= 0.1 and once[8] < 1, once[1] .. " to " .. once[8])
      assert.is_true(once[8] - once[1] > 0.02, once[1] .. " to " .. once[8])
      assert.is_true(seconds(3) >= 0.1 + 0.2 + 0.4)
    end)

    it("is not sent again for other refusals", function()
      sim:trouble({ method = "RetrievePropertiesEx", count = -1 }, { kind = "status", code = 403 })
      local value, message, code = host:get "name"
      assert.is_nil(value)
      assert.matches("HTTP 403", message)
      assert.are.equal("EHTTP", code)
      assert.are.equal(1, sim:calls "RetrievePropertiesEx")
    end)

    it("gives the server's page in words when it is HTML", function()
      sim:trouble({ method = "RetrievePropertiesEx" }, { kind = "html" })
      local value, message, code = host:get "name"
      assert.is_nil(value)
      assert.are.equal("EHTTP", code)
      assert.matches("text/html", message)
      assert.is_nil(message:find("<", 1, true))
    end)

    it("ends in time when the answer is held back", function()
      sim:trouble({ method = "CurrentTime", count = -1 }, { kind = "hold", seconds = 0 })
      local before = gpupt.loop.now()
      local value, message, code = vc.instance:CurrentTime({}, { timeout = 0.3 })
      assert.is_nil(value)
      assert.are.equal("ETIMEDOUT", code)
      assert.matches("waiting for the response", message)
      assert.is_true(gpupt.loop.now() - before < 1.5)
    end)

    it("accepts gzip and slow answers", function()
      sim:trouble({ method = "RetrievePropertiesEx" }, { kind = "gzip" })
      assert.is_table(gpupt.check(host:get "hardware.pciDevice"))
      sim:calm()
      sim:trouble({ method = "RetrievePropertiesEx" }, { kind = "slow", bytes = 300 })
      assert.is_string(gpupt.check(host:get "name"))
    end)
  end)

  describe("a call that starts a task", function()
    after_each(bring_back)

    it("is sent again when the connection was refused, for then nothing was sent", function()
      -- one connection is kept busy, so that the task's call needs a new one
      sim:trouble({ method = "CurrentTime" }, { kind = "hold", seconds = 0.6 })
      local task
      gpupt.loop.run(function()
        gpupt.loop.spawn(function() gpupt.check(vc.instance:CurrentTime()) end)
        gpupt.loop.sleep(0.1)
        sim:trouble({ count = 1 }, { kind = "refuse" })
        task = gpupt.check(host:EnterMaintenanceMode_Task { timeout = 0 })
      end)
      assert.are.equal("Task", task.type)
      gpupt.check(vc:wait(task))
      assert.are.equal(1, sim:calls "EnterMaintenanceMode_Task")
    end)

    it("is adopted by its operationID when its answer was lost; it is sent once", function()
      sim:trouble({ method = "EnterMaintenanceMode_Task" }, { kind = "reset-after" })
      local task = gpupt.check(host:EnterMaintenanceMode_Task({ timeout = 0 }, { operation_id = "adopt-me" }))
      assert.are.equal("adopt-me", gpupt.check(task:get "info").activationId)
      gpupt.check(vc:wait(task))
      assert.is_true(gpupt.check(host:get "runtime.inMaintenanceMode"))
      assert.are.equal(1, sim:calls "EnterMaintenanceMode_Task")
    end)

    it("is adopted also when the server has listed 200 later ones since", function()
      gpupt.check(vc:wait(gpupt.check(host:EnterMaintenanceMode_Task({ timeout = 0 }, { operation_id = "long-ago" }))))
      local folder = gpupt.check(vc.content.rootFolder:CreateFolder { name = "renamed 0" })
      for i = 1, 201 do gpupt.check(vc:wait(gpupt.check(folder:Rename_Task { newName = "renamed " .. i }))) end
      local recent = {}
      for _, task in ipairs(gpupt.check(vc.content.taskManager:get "recentTask")) do recent[task] = true end
      sim:forget()
      local task = gpupt.check(vc:find_task(vc.instance, "long-ago"))
      assert.is_nil(recent[task])
      assert.are.equal("long-ago", gpupt.check(task:get "info.activationId"))
      -- however many tasks there are, few requests; and the collector is gone again
      assert.is_true(#sim:calls() <= 9, #sim:calls() .. " requests")
      assert.are.equal(1, sim:calls "DestroyCollector")
    end)

    it("gives EUNKNOWN when no such task is found; the call is sent once", function()
      sim:trouble({ method = "EnterMaintenanceMode_Task" }, { kind = "reset-before" })
      local task, message, code, detail = host:EnterMaintenanceMode_Task({ timeout = 0 }, { operation_id = "not-there" })
      assert.is_nil(task)
      assert.are.equal("EUNKNOWN", code)
      assert.matches("EnterMaintenanceMode_Task on HostSystem", message)
      assert.matches("unknown", message)
      assert.are.equal("not-there", detail.operation_id)
      assert.are.equal(1, sim:calls "EnterMaintenanceMode_Task")
      assert.is_false(gpupt.check(host:get "runtime.inMaintenanceMode"))
      local none, why, failed = vc:find_task(host, "not-there")
      assert.is_nil(none)
      assert.are.equal("ENOENT", failed)
      assert.matches("not%-there", why)
    end)

    it("is not sent again after a 503 either", function()
      sim:trouble({ method = "EnterMaintenanceMode_Task", count = -1 }, { kind = "status", code = 503 })
      local task, _, code = host:EnterMaintenanceMode_Task { timeout = 0 }
      assert.is_nil(task)
      assert.are.equal("EUNKNOWN", code)
      assert.are.equal(1, sim:calls "EnterMaintenanceMode_Task")
    end)

    it("gives EUNKNOWN when it times out after it was sent", function()
      sim:trouble({ method = "EnterMaintenanceMode_Task" }, { kind = "hold", seconds = 0 })
      local task, message, code = host:EnterMaintenanceMode_Task({ timeout = 0 }, { timeout = 0.3 })
      assert.is_nil(task)
      assert.are.equal("EUNKNOWN", code)
      assert.matches("timed out", message)
      assert.are.equal(1, sim:calls "EnterMaintenanceMode_Task")
      gpupt.loop.sleep(0.3)
    end)

    it("raises EUNKNOWN when it is cancelled after it was sent", function()
      sim:trouble({ method = "EnterMaintenanceMode_Task" }, { kind = "hold", seconds = 0 })
      local caught
      gpupt.loop.run(function()
        local fiber = gpupt.loop.spawn(function()
          local _, err = pcall(host.EnterMaintenanceMode_Task, host, { timeout = 0 })
          caught = err
        end)
        gpupt.loop.sleep(0.3)
        fiber:cancel "the operator pressed Ctrl-C"
        fiber:join()
      end)
      assert.are.equal("EUNKNOWN", caught.code)
      assert.matches("Ctrl%-C", caught.message)
      assert.are.equal("EnterMaintenanceMode_Task", caught.detail.method)
      assert.are.equal(1, sim:calls "EnterMaintenanceMode_Task")
      gpupt.loop.sleep(0.3)
    end)

    it("late inside a deadline gives EUNKNOWN through the deadline", function()
      sim:trouble({ method = "EnterMaintenanceMode_Task" }, { kind = "hold", seconds = 0 })
      local value, message, code = gpupt.loop.deadline(0.3, function()
        return host:EnterMaintenanceMode_Task { timeout = 0 }
      end)
      assert.is_nil(value)
      assert.are.equal("EUNKNOWN", code)
      assert.is_string(message)
      gpupt.loop.sleep(0.3)
    end)
  end)

  describe("when the session has ended", function()
    local function end_session()
      sim:trouble({ method = "CurrentTime" }, { kind = "session-lost" })
      pcall(vc.instance.CurrentTime, vc.instance)
      sim:calm()
      sim:forget()
    end

    it("logs in once more and repeats a call that only reads", function()
      sim:trouble({ method = "RetrievePropertiesEx" }, { kind = "session-lost" })
      assert.are.equal("esx-a-1", gpupt.check(host:get "name"))
      assert.are.equal(1, sim:calls "Login")
      assert.are.equal(2, sim:calls "RetrievePropertiesEx")
    end)

    it("logs in once for many fibers that notice together", function()
      sim:trouble({ method = "RetrievePropertiesEx" }, { kind = "session-lost" })
      local list = {}
      for i = 1, 6 do list[i] = function() return gpupt.check(host:get "name") end end
      assert.are.same({ "esx-a-1", "esx-a-1", "esx-a-1", "esx-a-1", "esx-a-1", "esx-a-1" }, gpupt.loop.all(list))
      assert.are.equal(1, sim:calls "Login")
    end)

    it("does not repeat a call that changes something, but the next one works", function()
      sim:trouble({ method = "EnterMaintenanceMode_Task" }, { kind = "session-lost" })
      local task, message, code = host:EnterMaintenanceMode_Task { timeout = 0 }
      assert.is_nil(task)
      assert.are.equal("NotAuthenticated", code)
      assert.matches("was not repeated", message)
      assert.are.equal(1, sim:calls "EnterMaintenanceMode_Task")
      assert.are.equal(1, sim:calls "Login")
      gpupt.check(vc:wait(gpupt.check(host:EnterMaintenanceMode_Task { timeout = 0 })))
      bring_back()
    end)

    it("asks first, after idleness, so that a changing call finds a session", function()
      vc.probe_after = 0
      end_session()
      vc.last_answer = vc.last_answer - 1
      gpupt.check(vc:wait(gpupt.check(host:EnterMaintenanceMode_Task { timeout = 0 })))
      assert.are.equal(1, sim:calls "EnterMaintenanceMode_Task")
      bring_back()
    end)

    it("does not log in again and again for a user without rights", function()
      sim:trouble({ method = "RetrievePropertiesEx", count = -1 }, { kind = "fault", fault = "NotAuthenticated" })
      local value, message, code = host:get "name"
      assert.is_nil(value)
      assert.is_string(message)
      assert.are.equal("NotAuthenticated", code)
      assert.are.equal(1, sim:calls "Login")
    end)
  end)

  it("logs out also when the answer to Logout does not come, within 5 seconds", function()
    sim:trouble({ method = "Logout" }, { kind = "hold", seconds = 0 })
    local before = gpupt.loop.now()
    local ok, message, code = vc:close()
    assert.is_true(gpupt.loop.now() - before < 6)
    assert.is_nil(ok)
    assert.is_string(message)
    assert.are.equal("ETIMEDOUT", code)
    sim:calm()
  end)
end)
