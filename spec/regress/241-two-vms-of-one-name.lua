--- Two VMs of one name in different folders: the plan took the card that the other one holds for free, because it
-- compared the holder's name. Apply created the VM and then found no card for it. And a VM that a killed run had
-- created, and that another user then renamed or moved, was created a second time when the run was resumed.
local gpupt = require "gpupt"
local killed = require "spec.support.killed"
local lab = require "spec.support.lab"

local check = gpupt.check

local PLAY = [[
local a100 = p.gpus { match = "10de:20b5" }
return p.playbook { name = "names",
  p.vms { name = "desk-1", place = { cluster = "gpu", datastore = "ds-1", network = "VM Network" },
    p.vm.create  { guest = "ubuntu64Guest", cpus = 8, memory = "64 GiB", disk = "100 GiB" },
    p.gpu.attach { devices = a100 } } }]]

describe("a VM", function()
  local l

  before_each(function()
    l = lab.start { speed = 200, fleet = { clusters = { { name = "gpu", hosts = { lab.host("esx-1", { memory_gb = 512,
      cpus = 64, cards = { lab.card("0000:3b:00.0", { enabled = true }) } }) } } }, networks = { "VM Network" },
      datastores = { { name = "ds-1" } }, folders = { "/DC0/vm/other" } } }
  end)
  after_each(function() l:stop() end)

  -- The journal and the run that was killed after so many changes; the VM exists.
  local function killed_run(changes)
    local journal = l.dir .. "/run.db"
    local run = assert(killed.after(l, { "apply", l:write(PLAY) }, journal, changes))
    local vm = check(l:client():one "/DC0/vm/desk-1")
    check(vm:get "name")
    return journal, run.id, vm
  end

  local function resumed(journal, id)
    local result = l:command { "apply", "--resume", id, "--journal", journal }
    local count = 0
    for _, method in ipairs(l.sim:calls()) do if method == "CreateVM_Task" then count = count + 1 end end
    return result, count
  end

  it("of the same name in another folder keeps its card: the plan of the new one names it", function()
    l:client()
    local journal = l:journal()
    assert.equal("done", l:apply(PLAY, { journal = journal }).status)
    local vm = check(l.vc:one "/DC0/vm/desk-1")
    local folder = check(l.vc:one "/DC0/vm/other")
    check(l.vc:wait(check(folder:MoveIntoFolder_Task { list = { vm } })))
    local plan, message = l:plan(PLAY)
    assert.falsy(plan and tostring(plan))
    assert.matches("desk-1 needs 1 free GPU of 10de:20b5 on one host: esx-1: 3b:00.0 held by desk-1 (poweredOn)",
      message, 1, true)
  end)

  it("that the run created and another user renamed is not created again by resuming it", function()
    local journal, id, vm = killed_run(2)
    check(l.vc:wait(check(vm:Rename_Task { newName = "desk-old" })))
    local result, created = resumed(journal, id)
    assert.equal(1, result.status, result.err)
    assert.equal(1, created)
    assert.matches("desk-1 was created by this run as " .. tostring(vm) .. ", which is now /DC0/vm/desk-old. Give it "
      .. "its name and folder back, or delete it, and resume the run", result.err, 1, true)
    check(l.vc:wait(check(vm:Rename_Task { newName = "desk-1" })))
    result, created = resumed(journal, id)
    assert.equal(0, result.status, result.err)
    assert.equal(1, created)
  end)

  it("that the run created and another user moved is not created again either", function()
    local journal, id, vm = killed_run(2)
    local folder = check(l.vc:one "/DC0/vm/other")
    check(l.vc:wait(check(folder:MoveIntoFolder_Task { list = { vm } })))
    local result, created = resumed(journal, id)
    assert.equal(1, result.status, result.err)
    assert.equal(1, created)
    assert.matches("which is now /DC0/vm/other/desk-1", result.err, 1, true)
  end)

  it("that the run created and another user deleted is created again", function()
    local journal, id, vm = killed_run(2)
    if check(vm:get "runtime.powerState") == "poweredOn" then check(l.vc:wait(check(vm:PowerOffVM_Task {}))) end
    check(l.vc:wait(check(vm:Destroy_Task {})))
    local result, created = resumed(journal, id)
    assert.equal(0, result.status, result.err)
    assert.equal(2, created)
  end)
end)
