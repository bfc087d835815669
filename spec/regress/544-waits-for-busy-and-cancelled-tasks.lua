-- Nothing showed that busy_within and cancel_within are kept: a run that is told to wait a second must not wait for as long as
-- the defaults say (30 and 10 minutes).
local again = require "gpupt.playbook.again"
local gpupt = require "gpupt"
local killed = require "spec.support.killed"
local lab = require "spec.support.lab"

describe("the wait", function()
  local l
  local pauses = again.PAUSES
  after_each(function()
    again.PAUSES = pauses
    if l then l:stop() end
    l = nil
  end)

  it("busy_within ends while another task still works on the VM; the step observes again", function()
    again.PAUSES = { 0, 0, 0 }
    l = lab.start { speed = 300, fleet = { busy_vm = "refuse", users = { { name = "alice", password = "Alice-1-pass" } },
      clusters = { { name = "c", hosts = { lab.host("a-1", { cards = { lab.card("0000:3b:00.0", { enabled = true }) } }) } } },
      vms = { { name = "vm", host = "a-1", firmware = "efi", guest = "ubuntu64Guest", memory_mb = 4096, version = "vmx-20" } } } }
    local vm = gpupt.check(l.sim:connect { username = "alice", password = "Alice-1-pass" }:one "/DC0/vm/vm")
    l:client()
    l.sim:trouble({ method = "CreateSnapshot_Task", count = 1 }, { kind = "task-hang" })
    local task = gpupt.check(vm:CreateSnapshot_Task { name = "s", memory = false, quiesce = false })
    l.sim:trouble({ method = "ReconfigVM_Task", count = 1 }, { kind = "fault", fault = "NotAuthenticated" })
    local plan = gpupt.check(l:plan [[return p.playbook { name = "x", p.vms { where = "/DC0/vm/vm", busy_within = "1s",
      p.gpu.attach { devices = p.gpus { match = "10de:20b5" }, power_on = false } } }]])
    local seen = {}
    local run = gpupt.check(plan:apply { journal = l:journal(), on_event = function(event)
      local count = (event.text or ""):match "observing again %((%d) of 3%)"
      if count then seen[#seen + 1] = count end
    end })
    local one = run:result().targets[1]
    assert.same({ "1", "2", "3" }, seen, one.message)
    assert.same({ "failed", "TaskInProgress" }, { one.status, one.code })
    assert.equal("running", gpupt.check(task:get "info.state"))
  end)

  it("cancel_within ends while the cancelled EnterMaintenanceMode is still running, and nothing is taken back then", function()
    l = lab.start { speed = 100, fleet = { clusters = { { name = "c", hosts = { lab.host("a-1", { enter_seconds = 100000 }) } } } } }
    local journal = l.dir .. "/journal.db"
    local path = l:write [[return p.playbook { name = "x", p.hosts { where = "/DC0/host/*", devices = p.gpus { match = "10de:20b5" },
      roll = { cancel_within = "1s" }, p.host.enable {} } }]]
    local k = assert(killed.after(l, { "apply", path, "--allow", "reboot" }, journal, 2))
    l.sim:trouble({ method = "CancelTask", count = -1 }, { kind = "fault", fault = "NotSupported" })
    l.sim:forget()
    local undone = l:command { "undo", k.id, "--journal", journal, "--allow", "reboot" }
    assert.equal(1, undone.status)
    assert.equal(1, l.sim:calls "CancelTask")
    assert.matches("a-1: EnterMaintenanceMode was cancelled and did not end within 1 s (cancel_within)", undone.err, 1, true)
    assert.equal(0, l.sim:calls "ExitMaintenanceMode_Task")
    assert.equal(0, l.sim:calls "UpdatePassthruConfig")
    l.sim:calm()
    undone = l:command { "undo", k.id, "--journal", journal, "--allow", "reboot" }
    assert.equal(0, undone.status, undone.err)
    local host = l:truth("hosts", "a-1")
    assert.is_false(host.maintenance)
    assert.same({}, l.sim:get "truth".violations)
  end)
end)
