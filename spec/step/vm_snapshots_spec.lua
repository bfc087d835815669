-- A VM with snapshots gets a card: refused, accepted, or the snapshots are deleted, if the playbook and the approval say so:
-- those that the plan lists, with the VM off, before the card goes in.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"
local matrix = require "spec.support.kill_matrix"

local check = gpupt.check

local function vm(name, more)
  local one = { name = name, host = "esx-1", guest = "ubuntu64Guest", firmware = "efi", memory_mb = 4096, version = "vmx-20", disk_gb = 40 }
  for field, value in pairs(more or {}) do one[field] = value end
  return one
end

local function fleet()
  local cards = {}
  for i = 1, 8 do cards[i] = lab.card(("0000:%d0:00.0"):format(i), { enabled = true }) end
  return { datastores = { { name = "ds-1" }, { name = "small", capacity_gb = 100, free_gb = 50 } },
    clusters = { { name = "c", hosts = { lab.host("esx-1", { memory_gb = 512, cards = cards }) } } },
    vms = { vm "one", vm "two", vm "kept", vm "late", vm "backed", vm "thin", vm "clones", vm("full", { datastore = "small" }),
      vm("user", { power = "poweredOn", installed = "ubuntu" }) },
    users = { { name = "administrator@vsphere.local", password = "secret" }, { name = "half", password = "half",
      privileges = { "System.Anonymous", "System.View", "System.Read", "VirtualMachine.Config.AddRemoveDevice",
        "VirtualMachine.Config.AdvancedConfig", "VirtualMachine.Config.Resource", "VirtualMachine.Config.Settings",
        "VirtualMachine.Config.Memory", "VirtualMachine.Config.CPUCount", "VirtualMachine.Interact.PowerOn",
        "VirtualMachine.Interact.PowerOff" } } } }
end

describe("a VM with snapshots that gets a card", function()
  local l, vc

  local function find(name) return check(vc:one("/DC0/vm/" .. name)) end
  local function done(task) return check(vc:wait(check(task))) end
  local function take(name, snapshot) done(find(name):CreateSnapshot_Task { name = snapshot, memory = false, quiesce = false }) end
  local function snapshots_of(name)
    for _, one in ipairs(l.sim:get "truth".vms) do if one.name == name then return one.snapshots end end
  end
  local function devices_of(name)
    for _, one in ipairs(l.sim:get "truth".vms) do if one.name == name then return #one.devices end end
  end
  local function play(name, options)
    return ([[return p.playbook { name = "s", p.vms { where = "/DC0/vm/%s", p.gpu.attach { devices = p.gpus { match = "10de:20b5" },
      power_on = false, snapshots = "delete" %s } } }]]):format(name, options or "")
  end
  local ALLOW = { "delete-snapshots" }

  setup(function()
    l = lab.start { speed = 1000, fleet = fleet() }
    vc = l:client()
  end)
  teardown(function() l:stop() end)

  it("is planned with the names and dates of its snapshots, the approval, and what cannot be undone", function()
    take("one", "before-patch")
    take("one", "nightly")
    l.sim:forget()
    local plan = check(l:plan(play "one"))
    local text = tostring(plan)
    assert.matches("%- one +gpu%.attach +delete 2 snapshots: before%-patch %(%d+%-%d+%-%d+ %d+:%d+Z%), nightly %(%d", text)
    assert.matches("Not undoable: deleted snapshots. Needs: --allow delete-snapshots", text, 1, true)
    assert.same({ "delete-snapshots" }, plan:needs())
    assert.is_nil(text:find("unverified", 1, true), text)
    local _, _, code = l:apply(play "one")
    assert.equal("EAPPROVAL", code)
    assert.same({}, l:changing())
    assert.same({ "before-patch", "nightly" }, snapshots_of "one")
  end)

  it("has them deleted before the card goes in, with a row before the call; an undo says that they are gone", function()
    local journal = l:journal()
    l.sim:forget()
    local result, events, rows = l:apply(play "one", { allow = ALLOW, journal = journal })
    assert.equal("done", result.status)
    local calls = l:changing()
    assert.equal(2, #calls)
    assert.matches("^RemoveAllSnapshots_Task ", calls[1])
    assert.matches("^ReconfigVM_Task ", calls[2])
    assert.same({}, snapshots_of "one")
    assert.equal(1, devices_of "one")
    local noted = false
    for _, event in ipairs(events) do noted = noted or event.text == "deleted 2 snapshots" end
    assert.is_true(noted)
    local detail
    for _, row in ipairs(rows) do
      if row.kind == "change" and row.action == "delete-snapshots" then detail = gpupt.json.decode(row.detail) end
    end
    assert.same({ "before-patch", "nightly" }, { detail.snapshots[1].name, detail.snapshots[2].name })
    assert.is_true(detail.args.consolidate)
    -- a second time: nothing
    assert.same({}, check(l:plan(play "one")):changes())
    -- undone, as far as that goes
    local undo = check(check(gpupt.playbook.undo(journal, result.id)):plan(vc, { journal = journal }))
    local lost = undo:lost()
    assert.equal(1, #lost)
    assert.matches("^2 snapshots that the run deleted: before%-patch %(.-%), nightly %(", lost[1].text)
    assert.matches("! one: cannot be undone: 2 snapshots that the run deleted", tostring(undo), 1, true)
    assert.equal("done", check(undo:apply { journal = journal }):result().status)
    assert.equal(0, devices_of "one")
  end)

  it("is refused without the option, which the refusal names; or keeps them, if that is accepted", function()
    take("kept", "mine")
    local text = play("kept"):gsub('snapshots = "delete"', "")
    local _, message = l:plan(text)
    assert.matches('kept has snapshots: they cannot be restored while a VM runs with a passed-through card, and none can be taken. '
      .. 'Set snapshots = "delete" in p.gpu.attach (it needs --allow delete-snapshots), or accept = { "snapshots" } to keep them',
      message, 1, true)
    local plan = check(l:plan((play("kept"):gsub('snapshots = "delete"', 'accept = { "snapshots" }'))))
    assert.is_nil(tostring(plan):find("delete", 1, true))
    local ok, err = pcall(l.load, l, play("kept", ', accept = { "snapshots" }'))
    assert.is_false(ok)
    assert.matches('accept = { "snapshots" } keeps the snapshots that snapshots = "delete" deletes', tostring(err.message or err), 1, true)
  end)

  it("is refused where one was taken since the plan, which is not deleted", function()
    take("late", "planned")
    local plan = check(l:plan(play "late"))
    take("late", "surprise")
    l.sim:forget()
    local result = check(plan:apply { journal = l:journal(), allow = ALLOW }):result()
    assert.equal("failed", result.status)
    assert.matches("late has 1 snapshot that the plan did not list: surprise %(.-%)%. It is not deleted, and the VM gets no card "
      .. "beside it%. Find out whose it is, and plan again", result.targets[1].message)
    assert.same({}, l:changing())
    assert.same({ "planned", "surprise" }, snapshots_of "late")
    -- a new plan lists both
    assert.matches("delete 2 snapshots", tostring(check(l:plan(play "late"))), 1, true)
  end)

  it("is refused where one is taken while the guest is shut down", function()
    take("user", "planned")
    check(vc:wait_for(find "user", { "guest.toolsRunningStatus" }, function(props)
      return props["guest.toolsRunningStatus"] == "guestToolsRunning"
    end, { timeout = 60 }))
    local pb = l:load(play "user")
    local plan = check(pb:plan(vc))
    assert.same({ "delete-snapshots", "guest-shutdown" }, plan:needs())
    local journal, taken = l:journal(), false
    local function resume(id)
      local again, message = pb:plan(vc, { journal = journal, run = id })
      if not again then return nil, message end
      return check(again:apply { journal = journal, run = id, allow = ALLOW }):result()
    end
    local run = check(plan:apply { journal = journal, allow = { "delete-snapshots", "guest-shutdown" }, on_event = function(event)
      if event.kind == "step" and not taken then
        taken = true
        take("user", "by a backup")
      end
    end })
    local result = run:result()
    assert.equal("failed", result.status)
    assert.matches("user has 1 snapshot that the plan did not list: by a backup", result.targets[1].message, 1, true)
    assert.same({ "planned", "by a backup" }, snapshots_of "user")
    -- nor by the resumed run: its first plan counts
    local _, message = resume(result.id)
    assert.matches("1 snapshot that the plan did not list: by a backup", message, 1, true)
    assert.same({ "planned", "by a backup" }, snapshots_of "user")
    -- once it is gone, the resumed run goes on
    local list = check(find "user":get "snapshot").rootSnapshotList
    done(list[1].childSnapshotList[1].snapshot:RemoveSnapshot_Task { removeChildren = false })
    assert.equal("done", resume(result.id).status)
    assert.same({}, snapshots_of "user")
    assert.equal(1, devices_of "user")
  end)

  it("has a saved plan refused that does not list one", function()
    take("two", "planned")
    local path = l.dir .. "/s.plan"
    check(check(l:plan(play "two")):save(path))
    take("two", "surprise")
    local pb = check(gpupt.playbook.load_plan(path))
    local plan, message = pb:plan(vc)
    assert.is_nil(plan)
    assert.matches("two has 1 snapshot that the plan did not list: surprise", message, 1, true)
  end)

  it("has the plan say whose snapshot it may be, by its name", function()
    take("backed", "VEEAM BACKUP TEMPORARY SNAPSHOT")
    assert.matches("the snapshot VEEAM BACKUP TEMPORARY SNAPSHOT is named as those of Veeam: make sure that no backup of the VM is running",
      tostring(check(l:plan(play "backed"))), 1, true)
    l.sim:post("set", { vm = "backed", disabled = "RemoveAllSnapshots_Task" })
    local _, message = l:plan(play "backed")
    assert.matches("backed: its snapshots cannot be deleted now: another product has disabled RemoveAllSnapshots_Task", message, 1, true)
    l.sim:post("set", { vm = "backed", disabled = "" })
  end)

  it("is refused where linked clones read from its disks", function()
    take("clones", "base")
    local info = check(find "clones":get "snapshot")
    for _, name in ipairs { "child-1", "child-2" } do
      done(find "clones":CloneVM_Task { folder = check(vc:one "/DC0/vm"), name = name, spec = { powerOn = false, template = false,
        snapshot = info.currentSnapshot, location = { diskMoveType = "createNewChildDiskBacking",
          pool = check(check(vc:one "/DC0/host/c"):get "resourcePool") } } })
    end
    local _, message = l:plan(play "clones")
    assert.matches("clones: its snapshots are not deleted, because linked clones read from its disks: child-1, child-2. Delete the "
      .. "clones first", message, 1, true)
  end)

  it("is refused without room for the merged disks; what does not fit after all is said, and a run goes on once it is merged", function()
    -- 50 GB free, of which the disk takes 40
    take("full", "old")
    l.sim:post("set", { vm = "full", written = 12 << 10 })
    local _, message, code = l:plan(play "full")
    assert.matches("full: the datastore small has 10.0 GiB free, and merging the snapshots may take 12.0 GiB", message, 1, true)
    assert.equal("ENOSPACE", code)
    -- it grows after the plan
    l.sim:post("set", { vm = "full", written = 1 << 10 })
    local pb = l:load(play "full")
    local plan = check(pb:plan(vc))
    l.sim:post("set", { vm = "full", written = 12 << 10 })
    local journal = l:journal()
    local result = check(plan:apply { journal = journal, allow = ALLOW }):result()
    assert.equal("failed", result.status)
    assert.matches("full: Insufficient disk space on datastore 'small'. Its disks are not merged completely: free space on the "
      .. "datastore, consolidate them (in the vSphere Client: Snapshots, Consolidate), and resume the run", result.targets[1].message, 1,
      true)
    assert.equal(0, devices_of "full")
    local _, refusal = pb:plan(vc, { journal = journal, run = result.id })
    assert.matches("full has disks of deleted snapshots that were not merged: consolidate them first", refusal, 1, true)
  end)

  it("has the plan say what it cannot see of the space", function()
    take("thin", "old")
    l.sim:post("set", { vm = "thin", written = 3 << 10 })
    assert.is_nil(tostring(check(l:plan(play "thin"))):find("unverified", 1, true))
    local blind = lab.start { speed = 1000, fleet = (function()
      local f = fleet()
      f.vms = { vm "thin" }
      f.users[2] = { name = "blind", password = "blind", role = "Admin", grants = { { path = "/", role = "Admin" },
        { path = "/DC0/datastore", role = "NoAccess" } } }
      return f
    end)() }
    local admin = blind:client()
    check(admin:wait(check(check(admin:one "/DC0/vm/thin"):CreateSnapshot_Task { name = "old", memory = false, quiesce = false })))
    blind.sim:post("set", { vm = "thin", written = 3 << 10 })
    blind.vc = blind.sim:connect { username = "blind", password = "blind" }
    local text = tostring(check(blind:plan(play "thin")))
    admin:close()
    blind:stop()
    assert.matches("the space that thin needs to merge its snapshots on the datastore ds-1 (up to 3.0 GiB): unverified: needs System.Read "
      .. "on the datastore", text, 1, true)
  end)

  it("has the privilege to delete them checked by the plan", function()
    local half <close> = l.sim:connect { username = "half", password = "half" }
    local _, message, code = l:load(play "late"):plan(half)
    assert.equal("NoPermission", code)
    assert.matches("gpu.attach: the account lacks VirtualMachine.State.RemoveSnapshot on the VM late", message, 1, true)
    local role = l:command { "role", l:write(play "late") }
    assert.matches("VirtualMachine.State.RemoveSnapshot", role.out, 1, true)
    role = l:command { "role", l:write((play("late"):gsub('snapshots = "delete"', ""))) }
    assert.is_nil(role.out:find("RemoveSnapshot", 1, true))
  end)

  it("is finished by a resumed run, wherever the deletion was killed", function()
    local case
    for _, one in ipairs(matrix.cases) do if one.name == "attach" then case = one end end
    local reference, kinds = matrix.reference(case), 0
    for _, kind in ipairs(reference.kinds) do
      if kind.method == "RemoveAllSnapshots_Task" then
        kinds = kinds + 1
        for _, point in ipairs(matrix.points(kind)) do assert.is_nil(matrix.kill(case, reference, kind, point)) end
      end
    end
    assert.equal(1, kinds)
    assert.matches("secured on esx%-1 .- poweredOn locked=true 4096 MB window=nil snapshots= VBS=false 0000:3b:00.0", reference.state)
  end)
end)
