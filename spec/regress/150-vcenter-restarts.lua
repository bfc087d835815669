--- A vCenter that restarted (sessions lost, 503 of its reverse proxy for a while) ended every wait after six failed
-- requests, whatever its own deadline, and every read after four.
local gpupt = require "gpupt"
local vcenter = require "spec.support.vcenter"

describe("while the vCenter restarts", function()
  local sim, vc, host, vm, said

  setup(function() sim = vcenter.start { speed = 40 } end)
  teardown(function() sim:stop() end)

  before_each(function()
    vc = sim:connect { retries = 1, outage = 60 }
    said = {}
    vc:be_patient(60, function(text) said[#said + 1] = text end)
    host = gpupt.check(vc:one "/DC0/host/gpu-a/esx-a-1")
    vm = nil
    sim:forget()
  end)

  after_each(function()
    sim:calm()
    if gpupt.check(host:get "runtime.inMaintenanceMode") then
      gpupt.check(vc:wait(gpupt.check(host:ExitMaintenanceMode_Task { timeout = 0 })))
    end
    sim:close_all()
    local left = sim:leftovers()
    assert.same({ 0, 0 }, { left.sessions, left.filters })
  end)

  for _, how in ipairs {
    { "503 and an HTML page", { seconds = 1.5 } },
    { "502", { seconds = 1.5, code = 502 } },
    { "closed connections", { seconds = 1.5, refuse = true } },
  } do
    it(("(%s) a read goes on with a new login"):format(how[1]), function()
      sim:restart(how[2])
      assert.equal("esx-a-1", gpupt.check(host:get "name"))
      if not how[2].refuse then assert.equal(1, sim:calls "Login") end
      -- said once at the start, once at the end
      assert.equal(2, #said, table.concat(said, "\n"))
      assert.matches("does not answer since %d%d:%d%d:%d%d %(.+%); waiting until %d%d:%d%d:%d%d$", said[1])
      assert.matches("answers again, after %d+ s$", said[2])
      -- each try waits longer than the one before
      assert.is_true(#sim:calls() <= 40, #sim:calls() .. " requests")
    end)

    it(("(%s) a wait goes on, and sees what happened meanwhile"):format(how[1]), function()
      local task = gpupt.check(host:EnterMaintenanceMode_Task { timeout = 0 })
      local all
      gpupt.loop.run(function()
        local waiting = gpupt.loop.spawn(function()
          return vc:wait_for(host, "runtime.inMaintenanceMode", function(values)
            return values["runtime.inMaintenanceMode"] == true
          end, { timeout = 60 })
        end)
        local of_task = gpupt.loop.spawn(function() return (vc:wait(task)) end)
        gpupt.loop.sleep(0.02)
        sim:restart(how[2])
        all = { waiting:join(), of_task:join() }
      end)
      assert.same({ true, true }, all)
      if not how[2].refuse then assert.equal(1, sim:calls "Login") end
    end)
  end

  it("a wait without an answer ends at its own deadline, also in a client that is not patient", function()
    local hasty = sim:connect { retries = 0 }
    local mine = hasty:ref(tostring(host))
    gpupt.check(hasty:wait_for(mine, "name", function(values) return values.name end, { timeout = 5 }))
    sim:restart { seconds = 3 }
    -- with one second of its own it ends while the vCenter is away; with twenty it sees it come back
    assert.equal("ETIMEDOUT", select(3, hasty:wait_for(mine, "name", function() end, { timeout = 0.5 })))
    assert.equal("esx-a-1", hasty:wait_for(mine, "name", function(values) return values.name end, { timeout = 20 }))
  end)

  it("a client that is not patient gives up its reads after its retries", function()
    local hasty = sim:connect { retries = 1 }
    sim:restart { seconds = 3 }
    sim:forget()
    assert.equal("EHTTP", select(3, hasty:ref(tostring(host)):get "name"))
    assert.equal(2, sim:calls "RetrievePropertiesEx")
  end)

  it("a property that was unset meanwhile is not remembered", function()
    local created = gpupt.check(vc:one "/DC0/vm")
    local pool = gpupt.check(gpupt.check(vc:one "/DC0/host/gpu-b"):get "resourcePool")
    vm = gpupt.check(vc:wait(gpupt.check(created:CreateVM_Task { config = { name = "short", guestId = "otherGuest64",
      numCPUs = 1, memoryMB = 512, files = { vmPathName = "[ds-1]" } }, pool = pool,
      host = gpupt.check(vc:one "/DC0/host/gpu-b/esx-b-1") })))
    gpupt.check(vc:wait(gpupt.check(vm:PowerOnVM_Task {})))
    local ended
    gpupt.loop.run(function()
      local fiber = gpupt.loop.spawn(function()
        return vc:wait_for(vm, { "runtime.bootTime", "runtime.powerState" }, function(values)
          return values["runtime.powerState"] == "poweredOff" and values["runtime.bootTime"] == nil
        end, { timeout = 15 })
      end)
      gpupt.loop.sleep(0.3)
      sim:restart { seconds = 1 }
      sim:post("set", { host = "esx-b-1", lost = true })
      ended = table.pack(fiber:join())
    end)
    sim:post("set", { host = "esx-b-1", revive = true })
    assert.is_true(ended[1], ended[2])
  end)

  it("a task that is not known afterwards has an unknown outcome, not a missing object", function()
    local task = gpupt.check(host:EnterMaintenanceMode_Task { timeout = 0 })
    sim:restart { seconds = 0.5, tasks = "lost" }
    local result, message, code, detail = vc:wait(task, { timeout = 30 })
    assert.is_nil(result)
    assert.equal("EUNKNOWN", code)
    assert.matches("no longer exists on the server: whether its work was done is unknown", message, 1, true)
    assert.equal(task, detail.task)
  end)

  it("a call that starts a task is found by its operationID when the vCenter is back", function()
    sim:trouble({ method = "EnterMaintenanceMode_Task" }, { kind = "restart-after", seconds = 1.5 })
    local task = gpupt.check(host:EnterMaintenanceMode_Task({ timeout = 0 }, { operation_id = "found-again" }))
    gpupt.check(vc:wait(task))
    assert.equal(1, sim:calls "EnterMaintenanceMode_Task")
  end)

  it("a call that changes something is not repeated, and its outcome is unknown", function()
    sim:trouble({ method = "CreateFolder" }, { kind = "restart-before", seconds = 1 })
    local _, message, code = vc.content.rootFolder:CreateFolder { name = "never" }
    assert.equal("EUNKNOWN", code)
    assert.matches("HTTP 503", message)
    assert.equal(1, sim:calls "CreateFolder")
  end)

  it("a collection begins again, and gives each object once", function()
    sim:close_all()
    sim:stop()
    sim = vcenter.start { fleet = { clusters = { { name = "gpu-a", hosts = { { name = "esx-a-1" } } } } },
      flags = "-page 2" }
    local client = sim:connect { retries = 1, outage = 60 }
    host, vc = gpupt.check(client:one "/DC0/host/gpu-a/esx-a-1"), client
    for i = 1, 7 do gpupt.check(client.content.rootFolder:CreateFolder { name = "f-" .. i }) end
    local names, count = {}, 0
    for object in client:collect { type = "Folder", paths = { "name" }, page = 2 } do
      assert.is_nil(names[object.ref])
      names[object.ref], count = object.name, count + 1
      if count == 3 then sim:restart { seconds = 2 } end
    end
    local again = gpupt.check(client:collect_all { type = "Folder", paths = { "name" } })
    assert.equal(#again, count)
  end)

  it("a password that is wrong afterwards is tried once, and ends reads and waits", function()
    local password = sim.ready.password
    local client = sim:connect { retries = 1, outage = 60, password = function() return password end }
    local mine = client:ref(tostring(host))
    sim:forget()
    local codes = {}
    gpupt.loop.run(function()
      local waiting = gpupt.loop.spawn(function()
        return table.pack(client:wait_for(mine, "runtime.inMaintenanceMode", function(values)
          return values["runtime.inMaintenanceMode"]
        end, { timeout = 60 }))
      end)
      gpupt.loop.sleep(0.2)
      password = "changed"
      sim:restart { seconds = 1 }
      codes[1] = select(3, mine:get "name")
      codes[2] = waiting:join()[3]
    end)
    assert.same({ "InvalidLogin", "InvalidLogin" }, codes)
    assert.equal(1, sim:calls "Login")
  end)

  it("a changed certificate ends reads and waits before a password is sent", function()
    sim:restart { seconds = 0.5 }
    sim:trouble({ count = 40 }, { kind = "close" }) -- no connection from before
    vcenter.shell(("curl -sk -d '%s' %s/set"):format('{"certificate":"new"}', sim.ready.control))
    local codes = { (select(3, host:get "name")) }
    codes[2] = select(3, vc:wait_for(host, "name", function() end, { timeout = 30 }))
    assert.same({ "EUNTRUSTED", "EUNTRUSTED" }, codes)
    -- its control pages have the certificate too
    local requests = vcenter.shell(("curl -sk %s/journal"):format(sim.ready.control))
    assert.is_truthy(requests:find "RetrievePropertiesEx")
    assert.is_nil(requests:find '"method":"Login"')
    sim:close_all()
    sim:stop()
    sim = vcenter.start { speed = 40 }
    vc = sim:connect()
    host = gpupt.check(vc:one "/DC0/host/gpu-a/esx-a-1")
  end)
end)
