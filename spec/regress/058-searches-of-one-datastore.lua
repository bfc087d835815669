--- A datastore's browser does one search at a time, and refuses the next one (TaskInProgress): two fibers that listed the
-- same datastore, or two VMs whose media were looked at, got that refusal as their result.
local gpupt = require "gpupt"
local loop = require "gpupt.loop"
local vcenter = require "spec.support.vcenter"

describe("many searches of one datastore at the same time", function()
  it("each get their answer", function()
    local sim = vcenter.start { speed = 300, fleet = { clusters = { { name = "c", hosts = { { name = "h1" } } } },
      datastores = { { name = "ds-1", files = { ["a/b"] = { text = "x" } } } } } }
    local vc = sim:connect()
    local found, refused = 0, nil
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
