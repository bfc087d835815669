-- Each wait for the next state of a host that reboots, one after the other, had a filter of its own: the host was in the
-- list of what is waited for already.
local gpupt = require "gpupt"
local loop = require "gpupt.loop"
local vcenter = require "spec.support.vcenter"

describe("watching an object", function()
  local sim, vc, host
  setup(function()
    sim = vcenter.start { speed = 20, fleet = { clusters = { { name = "c", hosts = { { name = "h1", boot_seconds = 20 } } } } } }
    vc = sim:connect()
    host = gpupt.check(vc:one "/DC0/host/c/h1")
    gpupt.check(vc:wait(gpupt.check(host:EnterMaintenanceMode_Task { timeout = 0 })))
  end)
  teardown(function()
    sim:close_all()
    sim:stop()
  end)

  local PATHS = { "runtime.connectionState", "runtime.bootTime" }
  local function is(state) return function(values) return values["runtime.connectionState"] == state and values end end

  it("waits for one change after the other with one request", function()
    local before = gpupt.check(host:get "runtime.bootTime")
    sim:forget()
    loop.run(function()
      local watched <close> = gpupt.check(vc:watching(host, PATHS))
      assert.is_true(vc:wait(gpupt.check(host:RebootHost_Task { force = false })))
      gpupt.check(watched:wait_for(is "notResponding", { timeout = 60 }))
      local values = gpupt.check(watched:wait_for(is "connected", { timeout = 60 }))
      assert.is_string(values["runtime.bootTime"])
      gpupt.check(watched:wait_for(function(seen) return seen["runtime.bootTime"] ~= before end, { timeout = 60 }))
    end)
    assert.equal(0, sim:calls "CreateFilter")
    assert.equal(0, sim:calls "DestroyPropertyFilter")
    assert.is_true(sim:calls "ModifyListView" <= 2)
  end)

  it("gives what is known already, and times out", function()
    loop.run(function()
      local watched <close> = gpupt.check(vc:watching(host, PATHS))
      gpupt.check(watched:wait_for(is "connected", { timeout = 60 }))
      gpupt.check(watched:wait_for(is "connected", { timeout = 60 }))
      local _, message, code = watched:wait_for(is "disconnected", { timeout = 0.05 })
      assert.equal("ETIMEDOUT", code)
      assert.matches("timed out waiting for runtime.connectionState, runtime.bootTime of HostSystem:", message, 1, true)
    end)
  end)

  it("refuses a property that there is not", function()
    local _, message, code = vc:watching(host, { "runtim.bootTime" })
    assert.equal("InvalidProperty", code)
    assert.matches("did you mean 'runtime'", message, 1, true)
  end)

  it("ends with the connection", function()
    local other = sim:connect()
    local watched = gpupt.check(other:watching(gpupt.check(other:one "/DC0/host/c/h1"), PATHS))
    other:close()
    local _, _, code = watched:wait_for(is "connected", { timeout = 5 })
    assert.equal("ECLOSED", code)
    _, _, code = other:watching(host, PATHS)
    assert.equal("ECLOSED", code)
  end)
end)
