-- Each percent of each task was an update of its own, with the whole of TaskInfo, and began another WaitForUpdatesEx; what
-- ended meanwhile was reported up to 25 ms later. Many waits that begin one after the other changed the list once each.
local gpupt = require "gpupt"
local loop = require "gpupt.loop"
local vcenter = require "spec.support.vcenter"

local VMS = 24

describe("waiting for tasks that report progress", function()
  local sim, vc, vms
  setup(function()
    sim = vcenter.start { speed = 1, fleet = { steady = true, delays = { ReconfigVM_Task = 1.6 },
      clusters = { { name = "c", hosts = { { name = "h1" }, { name = "h2" }, { name = "h3" } } } },
      datastores = { { name = "ds-1" } },
      vms = { { name = "vm-{n:02}", count = VMS, cluster = "c", datastore = "ds-1", memory_mb = 256, disk_gb = 1 } } } }
    vc = sim:connect()
    vms = gpupt.check(vc:find("/**", { type = "VirtualMachine" }))
    assert.are.equal(VMS, #vms)
  end)
  teardown(function()
    sim:close_all()
    sim:stop()
  end)
  before_each(function() sim:forget() end)

  local function change(vm) return gpupt.check(vm:ReconfigVM_Task { spec = { annotation = "x" } }) end

  it("gets an update when they enter, run and end, not for each percent", function()
    local _, info = gpupt.check(vc:wait(change(vms[1])))
    assert.are.equal("success", info.state)
    -- the enter, perhaps the change to running, the end; the last one is cancelled
    assert.is_true(sim:calls "WaitForUpdatesEx" <= 4, sim:calls "WaitForUpdatesEx")
    assert.are.equal(0, sim:calls "RetrievePropertiesEx")
  end)

  it("gives the info as the schema has it", function()
    local task = change(vms[2])
    local _, info = gpupt.check(vc:wait(task))
    assert.are.equal("TaskInfo", gpupt.vim.typeof(info))
    assert.are.same({ vms[2], task, "ReconfigVM_Task" }, { info.entity, info.task, info.name })
    assert.is_true(gpupt.vim.seconds(info.completeTime) >= gpupt.vim.seconds(info.startTime))
    assert.has_error(function() return info.stat end, "TaskInfo has no field 'stat' (did you mean 'state'?)")
  end)

  it("shows the progress of all of them by one request a second", function()
    local percents = {}
    loop.run(function()
      for i = 1, 6 do
        loop.spawn(function()
          gpupt.check(vc:wait(change(vms[i]), { progress = function(percent)
            percents[i] = percents[i] or {}
            table.insert(percents[i], percent)
          end }))
        end)
      end
    end)
    local asked = sim:calls "RetrievePropertiesEx"
    assert.is_true(asked >= 1 and asked <= 3, asked)
    for i = 1, 6 do
      local between = false
      for _, percent in ipairs(percents[i]) do between = between or percent > 0 and percent < 100 end
      assert.is_true(between)
      assert.are.equal(100, percents[i][#percents[i]])
    end
  end)

  it("adds to the list together what begins in the same tenth of a second", function()
    loop.run(function()
      for _, vm in ipairs(vms) do
        loop.spawn(function() gpupt.check(vc:wait(change(vm))) end)
        loop.sleep(0.005)
      end
    end)
    assert.is_true(sim:calls "ModifyListView" <= VMS // 2, sim:calls "ModifyListView")
  end)
end)
