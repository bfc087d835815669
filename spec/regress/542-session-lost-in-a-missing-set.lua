--- A server that answers a read of a client without a session may put the properties in missingSet with NotAuthenticated
-- (github.com/vmware/pyvmomi/issues/294: of hosts; github.com/vmware/govmomi/issues/1149: of SessionManager) instead of
-- refusing the call. That was not taken as a lost session: the read failed, or its values were absent.
local gpupt = require "gpupt"
local vcenter = require "spec.support.vcenter"

describe("properties that a server refuses to a client without a session", function()
  local sim, vc, manager

  setup(function() sim = vcenter.start {} end)
  teardown(function() sim:stop() end)
  before_each(function()
    vc = sim:connect()
    manager = vc.content.sessionManager
    gpupt.check(manager:get { "message" })
    sim:forget()
    sim:post "sessions/drop"
  end)
  after_each(function() sim:close_all() end)

  it("are read with a new session", function()
    assert.equal(1, #gpupt.check(manager:get "sessionList"))
    assert.equal(1, sim:calls "Login")
    assert.equal(2, sim:calls "RetrievePropertiesEx")
  end)

  it("are read with a new session by a collection, each object once", function()
    local count = 0
    for object in vc:collect { objects = { manager, vc.instance }, types = { SessionManager = { "message", "sessionList" },
      ServiceInstance = { "serverClock" } } } do
      count = count + 1
      assert.is_nil(object.missing)
    end
    assert.equal(2, count)
    assert.equal(1, sim:calls "Login")
  end)

  it("are read by fibers that share a request", function()
    gpupt.loop.run(function()
      local list = {}
      for i = 1, 3 do list[i] = gpupt.loop.spawn(function() return #gpupt.check(manager:get "sessionList") end) end
      for _, fiber in ipairs(list) do assert.equal(1, fiber:join()) end
    end)
    assert.equal(1, sim:calls "Login")
  end)
end)
