-- gpupt undo of the sample rollout (examples/first_light.lua): afterwards the fleet is as it was before, in every property
-- of every object and every file that an independent client (pyVmomi) can read.
local first_light = require "spec.support.first_light"
local state = require "spec.support.fleet_state"

describe("the sample rollout", function()
  local l, before, between, id, journal
  local ALLOW = "reboot,delete-vm,guest-shutdown"

  setup(function()
    l = first_light.start { speed = 400 }
    journal = l.dir .. "/journal.db"
    before = state.read(l)
    local done = l:run_command { "apply", l.playbook, "--allow", "reboot", "--journal", journal }
    assert.equal(0, done.status, done.err)
    id = done.err:match "run (first%-light%-%S+)"
    between = state.read(l)
  end)
  teardown(function() if l then l:stop() end end)

  it("changes the fleet, which the comparison sees", function()
    local list = table.concat(state.difference(before, between), "\n")
    for _, text in ipairs { "passthruActive: false -> true", "name: nil -> train-01", "ds-1 [ds-1]/train-01/train-01.vmdk: nil",
      "freeSpace", "childEntity[vm-" } do
      assert.matches(text, list, 1, true)
    end
  end)

  it("has the values before in every row that changes a configuration or a power state", function()
    local json = require "gpupt.json"
    local book <close> = assert(require "gpupt.store".open(journal))
    local count = 0
    for row in book:rows(id) do
      local detail = row.kind == "change" and json.decode(row.detail)
      local method = detail and detail.method
      if method == "ReconfigVM_Task" or method == "PowerOnVM_Task" or method == "ShutdownGuest"
        or method == "UpdatePassthruConfig" or method == "EnterMaintenanceMode_Task" then
        assert.is_truthy(detail.values and (#detail.values > 0 or detail.devices), row.what)
        count = count + 1
      end
    end
    assert.is_true(count > 15)
  end)

  it("is not undone without the approvals: it says first what cannot be undone, and nothing is changed", function()
    l.sim:forget()
    local refused = l:run_command { "undo", id, "--journal", journal }
    assert.equal(4, refused.status)
    assert.matches("the plan needs --allow delete-vm,guest-shutdown,reboot", refused.err, 1, true)
    local lost = refused.err:find("! esx-a-1: cannot be undone: the reboot", 1, true)
    local first = refused.err:find("- render-01  vm.create    shut down the guest", 1, true)
    assert.is_true(lost < first)
    assert.matches("- train-01   vm.create    delete the VM and its disks, which frees 3b:00.0 86:00.0", refused.err, 1, true)
    assert.matches("~ esx-b-1    host.enable  disable 3b:00.0 86:00.0", refused.err, 1, true)
    assert.same({}, l:changing())
  end)

  it("is undone: the fleet is as before, field by field", function()
    local undone = l:run_command { "undo", id, "--allow", ALLOW, "--journal", journal }
    assert.equal(0, undone.status, undone.err)
    assert.matches("train%-01 +esx%-b%-1 +changed +deleted", undone.out)
    assert.matches("esx%-a%-1 +3b:00.0 +%S+ %S+ %S+ %S+ +off +changed", undone.out)
    assert.same({}, state.difference(before, state.read(l)))
    assert.same({}, l.sim:get "truth".violations)
    assert.equal(0, l.sim:leftovers().sessions)
  end)

  it("is then shown as undone, and neither undone nor resumed again", function()
    local again = l:run_command { "undo", id, "--allow", ALLOW, "--journal", journal }
    assert.equal(1, again.status)
    assert.matches(("run %s was undone already, by run undo%%-first%%-light%%-%%S+ at "):format(id:gsub("%-", "%%-")), again.err)
    local resumed = l:run_command { "apply", "--resume", id, "--journal", journal }
    assert.equal(1, resumed.status)
    assert.matches("cannot be resumed, because run undo%-first%-light%-%S+ has undone it", resumed.err)
    local status = l:run_command { "status", "--journal", journal }
    assert.matches("undo of " .. id, status.out, 1, true)
  end)

  it("refuses the undo of the undo, and says what to do instead", function()
    local book <close> = assert(require "gpupt.store".open(journal))
    local undo
    for run in book:runs() do if run.kind == "undo" then undo = run.id end end
    local refused = l:run_command { "undo", undo, "--journal", journal }
    assert.equal(1, refused.status)
    assert.matches(("run %s is the undo of run %s, and an undo cannot be undone. Apply the playbook again: gpupt plan %s"):format(
      undo, id, l.playbook), refused.err, 1, true)
  end)
end)

-- The same for the steps that the sample does not have: clones, VMs that move with their cards, and a repair. The clones
-- get the cards that the VMs leave. VMs of users stay off: a start writes a vmware.log, which no undo takes back.
describe("a rollout of clones, moves and repairs", function()
  local lab = require "spec.support.lab"
  local l, before, journal, id
  local ALLOW = "delete-vm,guest-shutdown"

  local function host(name)
    local cards = {}
    for i, address in ipairs { "0000:3b:00.0", "0000:5e:00.0", "0000:86:00.0" } do
      cards[i] = lab.card(address, { enabled = true, device = "1eb8", name = "TU104GL [Tesla T4]",
        bars = { "16M:32", "256M:64p", "32M:64p" } })
    end
    return lab.host(name, { memory_gb = 256, cards = cards })
  end

  local function vm(name, on, more)
    local o = { name = name, host = on, guest = "ubuntu64Guest", firmware = "efi", memory_mb = 4096, version = "vmx-20",
      disk_gb = 10, memory_lock = true, datastore = "ds-1" }
    for field, value in pairs(more or {}) do o[field] = value end
    return o
  end

  setup(function()
    l = lab.start { speed = 400, fleet = { datastores = { { name = "ds-1" }, { name = "ds-2" } }, networks = { "VM Network" },
      clusters = { { name = "a", drs = "off", hosts = { host "esx-1", host "esx-2" } },
        { name = "b", drs = "off", hosts = { host "esx-3" } } },
      vms = { { name = "gold", template = true, installed = "ubuntu", firmware = "efi", memory_mb = 8192, cpus = 2,
          version = "vmx-20", username = "ops", password = "gold-secret" },
        vm("near", "esx-1", { devices = { "0000:3b:00.0" } }),
        vm("far", "esx-1", { devices = { "0000:5e:00.0" } }),
        vm("broken", "esx-2", { devices = { "0000:3b:00.0" }, memory_lock = false, memory_mb = 2048 }) } } }
    journal = l.dir .. "/journal.db"
    before = state.read(l)
    local done = l:command { "apply", l:write [[
      local t4 = p.gpus { match = "10de:1eb8" }
      return p.playbook { name = "rollout",
        p.vms { name = "clone-{n}", count = 2, place = { cluster = "a", datastore = "ds-1" },
          p.vm.clone { from = "gold", cpus = 4 }, p.gpu.attach { devices = t4 } },
        p.vms { where = "/DC0/vm/near", p.vm.move { to = "esx-2", datastore = "ds-2" },
          p.gpu.attach { devices = t4, power_on = false } },
        p.vms { where = "/DC0/vm/far", p.vm.move { to = "esx-3" }, p.gpu.attach { devices = t4, power_on = false } },
        p.vms { where = "/DC0/vm/broken", p.doctor.repair { fix = { "memory", "hot-add", "mmio" }, power_on = false } } }]],
      "--allow", "guest-shutdown", "--journal", journal }
    assert.equal(0, done.status, done.err)
    id = done.err:match "run (rollout%-%S+)"
  end)
  teardown(function() if l then l:stop() end end)

  it("changes the fleet, which the comparison sees", function()
    local list = table.concat(state.difference(before, state.read(l)), "\n")
    for _, text in ipairs { "name: nil -> clone-2", "ds-2 [ds-2]/near/near.vmdk: nil", "runtime.host", "resourcePool",
      "memoryReservationLockedToMax: False -> True" } do
      assert.matches(text:lower(), list:lower(), 1, true)
    end
  end)

  it("is undone: the fleet is as before, field by field", function()
    local undone = l:command { "undo", id, "--allow", ALLOW, "--journal", journal }
    assert.equal(0, undone.status, undone.err)
    for _, line in ipairs { "move back to esx-1, to datastore ds-1", "attach 3b:00.0", "delete the VM and its disks",
      "memory locked true -> false" } do
      assert.matches(line, undone.err, 1, true)
    end
    assert.same({}, state.difference(before, state.read(l)))
    assert.same({}, l.sim:get "truth".violations)
  end)
end)
