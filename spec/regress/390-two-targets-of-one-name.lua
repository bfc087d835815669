--- Journal rows named their target by its name alone. Two VMs of one name, in different folders, shared what a run had
--- done to them: a resumed run took the one for the other, an undo set the second back to the values of the first, and
--- gpupt status showed one of them.
local gpupt = require "gpupt"
local killed = require "spec.support.killed"
local lab = require "spec.support.lab"

local check = gpupt.check
local GPUS = 'p.gpus { match = "10de:20b5" }'

local function create(folder)
  return ([[p.vms { name = "desk-1", place = { cluster = "gpu", datastore = "ds-1", network = "VM Network", folder = "%s" },
    p.vm.create { guest = "ubuntu64Guest", cpus = 2, memory = "2 GiB", disk = "10 GiB" },
    p.gpu.attach { devices = %s, power_on = false } },]]):format(folder, GPUS)
end
local CREATE = 'return p.playbook { name = "names", ' .. create "a" .. create "b" .. "}"

-- Both VMs are of one scope, and each gets a window of its own by a function.
local ATTACH = ([[return p.playbook { name = "names", p.vms { where = "/DC0/vm/*/desk-1",
  p.gpu.attach { devices = %s, power_on = false, mmio = function(vm) return vm.folder:match "a$" and 256 or 512 end } } }]])
  :format(GPUS)

describe("two VMs of one name in one run", function()
  local l, journal

  before_each(function()
    local cards = { lab.card("0000:3b:00.0", { enabled = true }), lab.card("0000:86:00.0", { enabled = true }) }
    l = lab.start { speed = 400, fleet = { clusters = { { name = "gpu", hosts = { lab.host("esx-1", { memory_gb = 512,
      cpus = 64, cards = cards }) } } }, networks = { "VM Network" }, datastores = { { name = "ds-1" } },
      folders = { "/DC0/vm/a", "/DC0/vm/b" } } }
    journal = l.dir .. "/run.db"
  end)
  after_each(function() l:stop() end)

  local function window(folder)
    local vm = check(l:client():one(("/DC0/vm/%s/desk-1"):format(folder)))
    for _, pair in ipairs(check(vm:get "config.extraConfig")) do
      if pair.key == "pciPassthru.64bitMMIOSizeGB" then return pair.value end
    end
  end

  local function count(method)
    local number = 0
    for _, name in ipairs(l.sim:calls()) do if name == method then number = number + 1 end end
    return number
  end

  it("are resumed each for itself", function()
    local k = assert(killed.after(l, { "apply", l:write(CREATE) }, journal, 3)) -- one exists, or both
    local resumed = l:command { "apply", "--resume", k.id, "--journal", journal }
    assert.equal(0, resumed.status, resumed.err)
    assert.equal(2, count "CreateVM_Task")
    local undone = l:command { "undo", k.id, "--allow", "delete-vm", "--journal", journal }
    assert.equal(0, undone.status, undone.err)
    assert.equal(2, count "Destroy_Task")
  end)

  it("are set back each to its own values, and shown apart", function()
    local made = l:command { "apply", l:write((CREATE:gsub("p.gpu.attach %b{}", ""))), "--journal", journal }
    assert.equal(0, made.status, made.err)
    for folder, size in pairs { a = "64", b = "128" } do
      local vm = check(l:client():one(("/DC0/vm/%s/desk-1"):format(folder)))
      check(l:client():wait(check(vm:ReconfigVM_Task { spec = { extraConfig = { { key = "pciPassthru.64bitMMIOSizeGB",
        value = size } } } })))
    end
    local attached = l.dir .. "/attach.db"
    local k = assert(killed.after(l, { "apply", l:write(ATTACH) }, attached, 1))
    local resumed = l:command { "apply", "--resume", k.id, "--journal", attached }
    assert.equal(0, resumed.status, resumed.err)
    assert.same({ "256", "512" }, { window "a", window "b" })

    local status = l:command { "status", k.id, "--journal", attached }
    local a, b = check(l:client():one "/DC0/vm/a/desk-1"), check(l:client():one "/DC0/vm/b/desk-1")
    for _, vm in ipairs { a, b } do
      assert.matches(("\ndesk-1 (%s)  "):format(tostring(vm)), status.out, 1, true)
      assert.matches(("Z  desk-1 (%s) gpu.attach   ReconfigVM"):format(tostring(vm)), status.out, 1, true)
    end

    local undone = l:command { "undo", k.id, "--journal", attached }
    assert.equal(0, undone.status, undone.err)
    assert.same({ "64", "128" }, { window "a", window "b" })
  end)

  it("guard a saved plan each for itself", function()
    local made = l:command { "apply", l:write((CREATE:gsub("p.gpu.attach %b{}", ""))), "--journal", journal }
    assert.equal(0, made.status, made.err)
    local path = l:write(ATTACH)
    local planned = l:command { "plan", path, "--out", l.dir .. "/saved.plan" }
    assert.equal(0, planned.status, planned.err)
    local vm = check(l:client():one "/DC0/vm/a/desk-1")
    check(l:client():wait(check(vm:ReconfigVM_Task { spec = { annotation = "changed" } })))
    local applied = l:command { "apply", l.dir .. "/saved.plan", "--journal", journal }
    assert.equal(1, applied.status, applied.err)
    assert.matches(("vm desk-1 (%s): it was changed since"):format(tostring(vm)), applied.err, 1, true)
  end)
end)
