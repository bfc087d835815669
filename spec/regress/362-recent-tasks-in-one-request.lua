-- Whether another host of the cluster is on its way out of service was asked with two requests, one after the other, three
-- times for each host of a roll: first which tasks there are, then what they do.
local away = require "gpupt.fleet.away"
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

describe("the tasks that take hosts out of service", function()
  local l, vc, hosts
  setup(function()
    l = lab.start { speed = 20, fleet = { clusters = { { name = "gpu-a", hosts = { lab.host("a-1", { enter_seconds = 600 }),
      lab.host "a-2" } } } } }
    vc = l:client()
    hosts = gpupt.check(vc:find "/DC0/host/gpu-a/*")
  end)
  teardown(function() l:stop() end)

  it("are read with one request", function()
    local task = gpupt.check(hosts[1]:EnterMaintenanceMode_Task { timeout = 0 })
    l.sim:forget()
    local found = away.tasks(vc, hosts)
    assert.same({ "RetrievePropertiesEx" }, l.sim:calls())
    assert.equal(task, found[hosts[1]].ref)
    assert.is_nil(found[hosts[2]])
  end)

  it("are read one by one, with the reason, if the server leaves one out", function()
    -- a client whose traversals show no task, as a vCenter does when a task may not be read
    local asked = {}
    local blind = { collect_all = function(_, spec)
      asked[#asked + 1] = spec
      local list = gpupt.check(vc:collect_all(spec))
      if not spec.follow then return list end
      local left = {}
      for _, object in ipairs(list) do if object.ref.type ~= "Task" then left[#left + 1] = object end end
      return left
    end }
    local found = away.tasks(blind, hosts)
    assert.equal(2, #asked)
    assert.is_truthy(found[hosts[1]])
  end)
end)
