--- A search of a datastore that the server refuses for a moment (TaskInProgress: another task works on it) was a failure
-- at once. It is repeated for a minute: the files of a VM's medium must not stay because somebody else looks at them.
local gpupt = require "gpupt"
local loop = require "gpupt.loop"
local vcenter = require "spec.support.vcenter"

describe("searches of a datastore while the server says TaskInProgress", function()
  it("each get their answer", function()
    local sim = vcenter.start { speed = 300, fleet = { clusters = { { name = "c", hosts = { { name = "h1" } } } },
      datastores = { { name = "ds-1", files = { ["a/b"] = { text = "x" } } } } } }
    local vc = sim:connect()
    local found, refused = 0, nil
    sim:trouble({ method = "SearchDatastore_Task", count = 5 }, { kind = "fault", fault = "TaskInProgress" })
    loop.run(function()
      local fibers = {}
      for i = 1, 10 do
        fibers[i] = loop.spawn(function()
          local list, message = vc.datastore:list "[ds-1] a"
          if list then found = found + #list else refused = message end
          local there = gpupt.check(vc.datastore:stat "[ds-1] a/b")
          if there then found = found + 1 end
        end)
      end
      for _, fiber in ipairs(fibers) do pcall(fiber.join, fiber) end
    end)
    sim:close_all()
    sim:stop()
    assert.is_nil(refused)
    assert.equal(20, found)
  end)
end)
