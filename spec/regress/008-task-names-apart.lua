--- The test vCenter lost tasks after some hundreds: its own tasks and the simulator's inner ones were both named task-N,
-- by two counters, and the end of an inner one removed the outer one of the same name.
local gpupt = require "gpupt"
local loop = require "gpupt.loop"
local vcenter = require "spec.support.vcenter"

describe("five hundred tasks", function()
  local sim, vc
  setup(function()
    sim = vcenter.start { speed = 2000, fleet = {
      clusters = { { name = "c", hosts = { { name = "h1" } } } },
      datastores = { { name = "ds-1" } },
      vms = { { name = "vm-{n}", count = 20, host = "h1", datastore = "ds-1", memory_mb = 256, disk_gb = 1 } },
    } }
    vc = sim:connect()
  end)
  teardown(function()
    sim:close_all()
    sim:stop()
  end)

  it("can all be read afterwards", function()
    local vms = gpupt.check(vc:find("/**", { type = "VirtualMachine" }))
    local tasks = {}
    for round = 1, 25 do
      local works = {}
      for i, vm in ipairs(vms) do
        works[i] = function()
          local task = gpupt.check(vm:ReconfigVM_Task { spec = { annotation = "round " .. round } })
          tasks[#tasks + 1] = task
          return gpupt.check(vc:wait(task))
        end
      end
      loop.all(works)
    end
    assert.are.equal(500, #tasks)
    local ended = 0
    for object in vc:collect { type = "Task", objects = tasks, paths = { "info.state" } } do
      assert.are.equal("success", object["info.state"])
      ended = ended + 1
    end
    assert.are.equal(500, ended)
  end)
end)
