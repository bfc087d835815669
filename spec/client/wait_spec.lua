local gpupt = require "gpupt"
local loop = require "gpupt.loop"
local vcenter = require "spec.support.vcenter"

describe("waiting", function()
  local sim, vc, host
  setup(function()
    sim = vcenter.start { speed = 50, fleet = { clusters = { { name = "gpu-a",
      hosts = { { name = "esx-a-1", boot_seconds = 60 } } } } } }
    vc = sim:connect()
    host = gpupt.check(vc:one "/DC0/host/gpu-a/esx-a-1")
  end)
  teardown(function()
    sim:close_all()
    local left = sim:leftovers()
    sim:stop()
    assert.are.equal(0, left.sessions)
    assert.are.equal(0, left.filters)
    assert.are.equal(0, left.waiting)
  end)
  before_each(function() sim:forget() end)
  after_each(function()
    sim:calm()
    if gpupt.check(host:get "runtime.inMaintenanceMode") then
      gpupt.check(vc:wait(gpupt.check(host:ExitMaintenanceMode_Task { timeout = 0 })))
    end
  end)

  local function enter() return gpupt.check(host:EnterMaintenanceMode_Task { timeout = 0 }) end

  it("for a task gives its result, its info and its progress", function()
    local percents, states = {}, {}
    local result, info = vc:wait(enter(), { progress = function(percent, seen)
      percents[#percents + 1] = percent
      states[seen.state] = true
    end })
    assert.is_true(result)
    assert.are.equal("success", info.state)
    assert.are.equal(host, info.entity)
    assert.are.equal(100, percents[#percents])
    for i = 2, #percents do assert.is_true(percents[i] >= percents[i - 1]) end
    assert.is_true(states.running and states.success)
  end)

  it("for a task that has already ended returns at once", function()
    local task = enter()
    gpupt.check(vc:wait(task))
    assert.is_true(vc:wait(task))
  end)

  it("gives a failed task's fault with all of its messages", function()
    sim:trouble({ method = "EnterMaintenanceMode_Task" },
      { kind = "task-fail", fault = "GenericVmConfigFault", message = "inside words" })
    local result, message, code, detail = vc:wait(enter())
    assert.is_nil(result)
    assert.are.equal("GenericVmConfigFault", code)
    assert.matches("inside words", message)
    assert.are.equal(host, detail.object)
    assert.are.equal("Task", detail.task.type)
  end)

  it("ends at the time given and leaves the task alone", function()
    local task = enter()
    local result, message, code = vc:wait(task, { timeout = 0.005 })
    assert.is_nil(result)
    assert.are.equal("ETIMEDOUT", code)
    assert.is_string(message)
    assert.is_true(vc:wait(task))
  end)

  it("cancels the task too when asked", function()
    sim:trouble({ method = "EnterMaintenanceMode_Task" }, { kind = "task-hang" })
    local task = enter()
    local result, _, code = vc:wait(task, { timeout = 0.1, cancel_task = true })
    assert.is_nil(result)
    assert.are.equal("ETIMEDOUT", code)
    result, _, code = vc:wait(task, { timeout = 5 })
    assert.is_nil(result)
    assert.are.equal("RequestCanceled", code)
    assert.are.equal(1, sim:calls "CancelTask")
  end)

  it("leaves a task alone when the waiting fiber is cancelled", function()
    local task = enter()
    loop.run(function()
      local fiber = loop.spawn(function() return vc:wait(task) end)
      loop.sleep(0.01)
      fiber:cancel "enough"
      local ok, err = pcall(fiber.join, fiber)
      assert.is_false(ok)
      assert.are.equal("ECANCELLED", err.code)
    end)
    assert.are.equal(0, sim:calls "CancelTask")
    assert.is_true(vc:wait(task))
  end)

  it("for properties gives what the predicate gives", function()
    local seen = {}
    gpupt.check(vc:wait(enter()))
    local task = gpupt.check(host:RebootHost_Task { force = false })
    local away = gpupt.check(vc:wait_for(host, { "runtime.connectionState", "runtime.bootTime" }, function(values, object)
      assert.are.equal(host, object)
      seen[#seen + 1] = values["runtime.connectionState"]
      return values["runtime.connectionState"] ~= "connected" and values["runtime.bootTime"]
    end, { timeout = 30 }))
    assert.is_string(away)
    assert.is_true(vc:wait_for(host, "runtime.connectionState", function(values)
      return values["runtime.connectionState"] == "connected"
    end, { timeout = 30 }))
    assert.is_not_nil(task)
    assert.are.equal("connected", seen[1])
  end)

  it("for a property that does not exist fails alone", function()
    local value, message, code = vc:wait_for(host, "runtme.x", function() return true end)
    assert.is_nil(value)
    assert.matches("did you mean 'runtime'", message)
    assert.are.equal("InvalidProperty", code)
    local good, bad
    loop.run(function()
      loop.spawn(function() good = vc:wait_for(host, "name", function(values) return values.name end) end)
      loop.spawn(function() bad = table.pack(vc:wait_for(host, "runtime.nosuch", function() return true end)) end)
    end)
    assert.are.equal("esx-a-1", good)
    assert.is_nil(bad[1])
    assert.are.equal("InvalidProperty", bad[3])
  end)

  it("fails for an object that does not exist or is removed", function()
    local value, message, code = vc:wait_for(vc:ref "HostSystem:host-4242", "name", function() return true end, { timeout = 5 })
    assert.is_nil(value)
    assert.is_string(message)
    assert.are.equal("ManagedObjectNotFound", code)
    local folder = gpupt.check(vc.content.rootFolder:CreateFolder { name = "short-lived" })
    local results
    loop.run(function()
      loop.spawn(function()
        results = table.pack(vc:wait_for(folder, "name", function(values) return values.name == "another" end, { timeout = 10 }))
      end)
      loop.sleep(0.1)
      gpupt.check(vc:wait(gpupt.check(folder:Destroy_Task())))
    end)
    assert.is_nil(results[1])
    assert.are.equal("ManagedObjectNotFound", results[3])
  end)

  it("raises what the predicate raises, and continues for the others", function()
    local ok, err = pcall(vc.wait_for, vc, host, "name", function() error("mine", 0) end)
    assert.is_false(ok)
    assert.are.equal("mine", err)
    assert.are.equal("esx-a-1", vc:wait_for(host, "name", function(values) return values.name end))
  end)

  it("needs a Task", function()
    local ok, message = pcall(vc.wait, vc, host)
    assert.is_false(ok)
    assert.matches("expected a Task", message)
  end)

  describe("survives", function()
    local function both()
      local task = enter()
      assert.is_true(gpupt.check(vc:wait(task, { timeout = 20 })))
    end
    it("a wait whose answer is lost", function()
      sim:trouble({ method = "WaitForUpdatesEx", count = 2 }, { kind = "reset-after" })
      both()
    end)
    it("a 503", function()
      sim:trouble({ method = "WaitForUpdatesEx", count = 2 }, { kind = "status", code = 503 })
      both()
    end)
    it("a version that the server does not take any more", function()
      sim:trouble({ method = "WaitForUpdatesEx", nth = 2 }, { kind = "fault", fault = "InvalidCollectorVersion" })
      both()
    end)
    it("the session's end in the middle", function()
      sim:trouble({ method = "WaitForUpdatesEx", nth = 2 }, { kind = "session-lost" })
      both()
    end)
    it("an answer cut short", function()
      sim:trouble({ method = "WaitForUpdatesEx" }, { kind = "truncate", bytes = 100 })
      both()
    end)
  end)

  it("gives up for all when the server refuses for good", function()
    sim:trouble({ method = "WaitForUpdatesEx", count = -1 }, { kind = "fault", fault = "NoPermission" })
    local result, message, code = vc:wait_for(host, "name", function() return false end, { timeout = 10 })
    assert.is_nil(result)
    assert.is_string(message)
    assert.are.equal("NoPermission", code)
  end)

  it("ends when the client closes", function()
    local other = sim:connect()
    local object = other:ref(tostring(host))
    local results
    loop.run(function()
      loop.spawn(function() results = table.pack(other:wait_for(object, "name", function() return false end)) end)
      loop.sleep(0.1)
      other:close()
    end)
    assert.is_nil(results[1])
    assert.are.equal("ECLOSED", results[3])
  end)

  it("asks nothing when there is nothing to wait for", function()
    gpupt.check(vc:wait(enter()))
    loop.sleep(0.1)
    sim:forget()
    loop.sleep(0.1)
    local page = sim:get "sessions"
    assert.are.same({}, sim:calls())
    assert.are.equal(1, page.filters) -- the one of the session's list
    assert.are.equal(0, page.waiting)
  end)
end)

describe("twenty tasks of one second on twenty VMs", function()
  local sim, vc, vms
  setup(function()
    sim = vcenter.start { speed = 2, fleet = {
      clusters = { { name = "c", hosts = { { name = "h1" }, { name = "h2" } } } },
      datastores = { { name = "ds-1" } },
      vms = { { name = "vm-{n}", count = 20, host = "h1", datastore = "ds-1", memory_mb = 256, disk_gb = 1 } },
    } }
    vc = sim:connect()
    vms = gpupt.check(vc:find("/**", { type = "VirtualMachine" }))
  end)
  teardown(function()
    sim:close_all()
    local left = sim:leftovers()
    sim:stop()
    assert.are.equal(0, left.sessions)
    assert.are.equal(0, left.filters)
  end)

  it("end below three seconds with one WaitForUpdatesEx in flight", function()
    assert.are.equal(20, #vms)
    local before = loop.now()
    local works = {}
    for i, vm in ipairs(vms) do
      works[i] = function()
        local task = gpupt.check(vm:ReconfigVM_Task { spec = { annotation = "number " .. i } })
        return gpupt.check(vc:wait(task))
      end
    end
    local results = loop.all(works)
    local seconds = loop.now() - before
    for i = 1, 20 do assert.is_true(results[i]) end
    assert.is_true(seconds >= 0.9 and seconds < 3, "it took " .. seconds)
    assert.are.equal(1, sim:get("sessions").peak_waiting)
    for i, object in ipairs(gpupt.check(vc:collect_all { type = "VirtualMachine", objects = vms, paths = { "config.annotation" } })) do
      assert.are.equal("number " .. i, object["config.annotation"])
    end
  end)

  it("are waited for as a list, too, without a fiber of one's own", function()
    local tasks = {}
    for i, vm in ipairs(vms) do tasks[i] = gpupt.check(vm:ReconfigVM_Task { spec = { annotation = "again " .. i } }) end
    local outcomes = vc:wait_all(tasks)
    assert.are.equal(20, #outcomes)
    for i = 1, 20 do assert.is_true(outcomes[i].ok) end
    assert.are.equal(1, sim:get("sessions").peak_waiting)
  end)
end)

describe("many waits at once", function()
  local sim, vc, vms
  local COUNT = 40
  setup(function()
    sim = vcenter.start { speed = 20, flags = "-max-updates 3", fleet = {
      delays = { ReconfigVM_Task = 4 },
      clusters = { { name = "c", hosts = { { name = "h1" } } } }, datastores = { { name = "ds-1" } },
      vms = { { name = "vm-{n:02}", count = COUNT, host = "h1", datastore = "ds-1", memory_mb = 256, disk_gb = 1 } },
    } }
    vc = sim:connect()
    vms = gpupt.check(vc:find("/**", { type = "VirtualMachine" }))
    assert.are.equal(COUNT, #vms)
  end)
  teardown(function()
    sim:close_all()
    local left = sim:leftovers()
    sim:stop()
    assert.are.equal(0, left.sessions)
    assert.are.equal(0, left.filters)
  end)
  before_each(function() sim:forget() end)
  after_each(function() sim:calm() end)

  local function change(i, text) return gpupt.check(vms[i]:ReconfigVM_Task { spec = { annotation = text } }) end

  local function all_end()
    local tasks = {}
    for i = 1, COUNT do tasks[i] = change(i, "at once " .. i) end
    local outcomes = vc:wait_all(tasks, { timeout = 30 })
    for i = 1, COUNT do assert.is_true(outcomes[i].ok, outcomes[i].message) end
  end

  it("end although the server reports three objects at a time", all_end)

  it("end although an answer is lost in the midst of a truncated set", function()
    sim:trouble({ method = "WaitForUpdatesEx", nth = 2, count = 2 }, { kind = "reset-after" })
    all_end()
    assert.are.equal(0, sim:get("sessions").waiting)
  end)

  it("come and go on the fly, with one WaitForUpdatesEx", function()
    local ended, late = {}, {}
    loop.run(function()
      for i = 1, COUNT do
        loop.spawn(function()
          loop.sleep(i * 0.01)
          if i % 4 == 0 then -- gives up at once; the others must not notice
            local _, _, code = vc:wait_for(vms[i], "name", function() return false end, { timeout = 0.02 })
            late[#late + 1] = code
          elseif i % 4 == 1 then -- cancelled in the middle
            local fiber = loop.spawn(function() return vc:wait_for(vms[i], "name", function() return false end) end)
            loop.sleep(0.03)
            fiber:cancel "enough"
            pcall(fiber.join, fiber)
          else
            local ok = vc:wait(change(i, "on the fly"))
            ended[#ended + 1] = ok
          end
        end)
      end
    end)
    assert.are.equal(COUNT // 2, #ended)
    assert.are.equal(COUNT // 4, #late)
    for _, code in ipairs(late) do assert.are.equal("ETIMEDOUT", code) end
    assert.are.equal(1, sim:get("sessions").peak_waiting)
    loop.sleep(0.2)
    local left = sim:get "sessions"
    assert.are.equal(1, left.filters) -- the one of the session's list
    assert.are.equal(1, left.views)
    assert.are.equal(0, left.waiting)
  end)

  it("report to each waiter its own object only", function()
    local seen = {}
    loop.run(function()
      for i = 1, 10 do
        loop.spawn(function()
          seen[i] = vc:wait_for(vms[i], { "config.annotation", "name" }, function(values, object)
            assert.are.equal(vms[i], object)
            return values["config.annotation"] == "mine " .. i and values.name
          end, { timeout = 20 })
        end)
      end
      loop.sleep(0.1)
      for i = 1, 10 do change(i, "mine " .. i) end
    end)
    for i = 1, 10 do assert.are.equal(("vm-%02d"):format(i), seen[i]) end
  end)
end)
