--- A server that answered every WaitForUpdatesEx with InvalidCollectorVersion, RequestCanceled, NotAuthenticated or
-- ManagedObjectNotFound was asked again at once, without end: thousands of requests a second, and for NotAuthenticated a
-- login each time, which locks accounts.
local gpupt = require "gpupt"
local vcenter = require "spec.support.vcenter"

describe("a server that refuses every wait with", function()
  local sim, vc, host
  setup(function()
    sim = vcenter.start {}
    vc = sim:connect { retries = 1 }
    host = gpupt.check(vc:one "/DC0/host/gpu-a/esx-a-1")
  end)
  teardown(function()
    sim:close_all()
    sim:stop()
  end)
  before_each(function() sim:forget() end)
  after_each(function() sim:calm() end)

  for _, fault in ipairs { "InvalidCollectorVersion", "RequestCanceled", "NotAuthenticated", "ManagedObjectNotFound" } do
    it(fault .. " is given up", function()
      sim:trouble({ method = "WaitForUpdatesEx", count = 100000 }, { kind = "fault", fault = fault })
      local result, _, code = vc:wait_for(host, "runtime.inMaintenanceMode", function(values)
        return values["runtime.inMaintenanceMode"]
      end, { timeout = 20 })
      assert.is_nil(result)
      assert.are.equal(fault, code)
      assert.is_true(sim:calls "WaitForUpdatesEx" <= 4)
      assert.is_true(sim:calls "Login" <= 2)
      sim:calm()
      assert.are.equal("esx-a-1", vc:wait_for(host, "name", function(values) return values.name end, { timeout = 5 }))
    end)
  end
end)
