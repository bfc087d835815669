-- A wait in flight reported a new filter before the answer to CreateFilter arrived: the filter was unknown, its first
-- (and perhaps only) update was dropped, and the caller waited forever.
local gpupt = require "gpupt"
local loop = require "gpupt.loop"
local vcenter = require "spec.support.vcenter"

describe("an update that comes before its filter is known", function()
  local sim = vcenter.start {}
  teardown(function() sim:stop() end)

  it("is kept until the filter is", function()
    local vc = sim:connect()
    local host = gpupt.check(vc:one "/DC0/host/gpu-a/esx-a-1")
    local name, message, code
    loop.run(function()
      local other = loop.spawn(function()
        return vc:wait_for(host, "runtime.inMaintenanceMode", function(v) return v["runtime.inMaintenanceMode"] end)
      end)
      loop.sleep(0.1)
      sim:trouble({ method = "CreateFilter" }, { kind = "hold", seconds = 0.3 })
      name, message, code = vc:wait_for(host, "name", function(values) return values.name end, { timeout = 3 })
      other:cancel()
    end)
    sim:close_all()
    assert.are.equal("esx-a-1", name, message, code)
  end)
end)
