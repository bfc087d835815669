-- After a lost answer the first task of the history was taken for the task of the call, whatever its activationId: on a
-- server that does not know that filter (vSphere before 6.0), the task of somebody else. And a resumed run numbered its
-- calls from 1 again: a lost RebootHost_Task could be taken for a task of the run before the interruption.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"
local liar = require "spec.support.liar"

local TASK = [[<returnval><key>%s</key><task type="Task">%s</task><name>EnterMaintenanceMode_Task</name>]]
  .. [[<descriptionId>HostSystem.enterMaintenanceMode</descriptionId><state>success</state><cancelled>false</cancelled>]]
  .. [[<cancelable>true</cancelable><reason xsi:type="TaskReasonUser"><userName>alice</userName></reason>]]
  .. [[<queueTime>2026-01-01T00:00:00Z</queueTime><eventChainId>1</eventChainId>%s</returnval>]]

describe("after a lost answer, a task of the history", function()
  local server, vc

  setup(function()
    server = liar.start()
    server:inventory { ["TaskManager:taskManager"] = {
      recentTask = [[<val xsi:type="ArrayOfManagedObjectReference"></val>]] } }
    server:answer("CreateCollectorForTasks", [[a.soap(b'<returnval type="TaskHistoryCollector">h</returnval>')]])
    server:answer("DestroyCollector", "a.soap(b'')")
    vc = gpupt.check(server:connect())
  end)
  teardown(function()
    vc:close()
    server:stop()
  end)

  local function history(...)
    local list = {}
    for i, activation in ipairs { ... } do
      list[i] = TASK:format("task-" .. i, "task-" .. i,
        activation ~= "" and ("<activationId>%s</activationId>"):format(activation) or "")
    end
    server:answer("ReadNextTasks", ("a.soap(b'''%s''')"):format(table.concat(list)))
  end

  it("is not adopted if it has another activationId or none", function()
    for _, activation in ipairs { "another-7", "" } do
      history(activation)
      local task, message, code = vc:find_task(vc.content.taskManager, "run-7")
      assert.is_nil(task)
      assert.equal("ENOENT", code)
      assert.equal("no task has the operationID run-7", message)
    end
  end)

  it("is adopted if its activationId is that of the call, also among others", function()
    history("", "another-7", "run-7", "run-70")
    assert.equal("task-3", gpupt.check(vc:find_task(vc.content.taskManager, "run-7")).value)
  end)
end)

describe("a resumed run", function()
  local l

  after_each(function() l:stop() end)

  it("gives none of its calls the operationID of an earlier call", function()
    l = lab.start { speed = 200, fleet = { clusters = { { name = "gpu-a",
      hosts = { lab.host("esx-1", { boot_fault = "never" }) } } } } }
    local journal = l:journal()
    local text = [[return p.playbook { name = "hosts", p.hosts { where = "/DC0/host/*", devices = p.gpus { match = "10de:*" },
      roll = { back_within = "2s" }, p.host.enable {} } }]]
    local first = l:apply(text, { journal = journal, allow = { "reboot" } })
    assert.equal("ELOST", first.targets[1].code)
    l.sim:post("set", { host = "esx-1", boot = "", revive = true })
    local again, _, rows = l:apply(text, { journal = journal, resume = first.id, allow = { "reboot" } })
    assert.equal("done", again.status)
    local seen, resumed, after = {}, false, 0
    for _, row in ipairs(rows) do
      resumed = resumed or row.kind == "resume"
      if row.operation then
        assert.is_nil(seen[row.operation], ("%s: %s and %s"):format(row.operation, tostring(seen[row.operation]), row.what))
        seen[row.operation] = row.what
        if resumed then after = after + 1 end
      end
    end
    assert.is_true(after > 0)
  end)
end)
