-- A run was resumed after somebody had renamed one of its VMs and deleted another: `where` found neither, so the run
-- ended as "done" with status 0, and said nothing of the two. With a `where` that names one VM which was deleted, the
-- resume was refused, also for the hosts that the run had left in maintenance mode.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

local fleet = { clusters = { { name = "ga", hosts = { lab.host("esx-1", { cards = { lab.card("0000:3b:00.0",
  { enabled = true }), lab.card("0000:5e:00.0", { enabled = true }), lab.card("0000:86:00.0", { enabled = true }) } }) } } },
  vms = { { name = "desk-{n}", count = 3, cluster = "ga", memory_mb = 4096, firmware = "efi" } } }

local function playbook(where)
  return ([[local c = p.gpus { match = "10de:20b5" }
    return p.playbook { name = "cards",
      p.hosts { where = "/DC0/host/ga", devices = c, p.host.enable {} },
      p.vms { where = %s, p.gpu.attach { devices = c, power_on = false } } }]]):format(where)
end

describe("550: a run that is resumed when VMs of its playbook are no longer there", function()
  local l
  before_each(function() l = lab.start { speed = 1000, fleet = fleet } end)
  after_each(function() l:stop() end)

  local function begin(path, ...)
    for _, name in ipairs { ... } do
      l.sim:trouble({ method = "ReconfigVM_Task", object = tostring(gpupt.check(l:client():one("/DC0/vm/" .. name))) },
        { kind = "task-fail", fault = "GenericVmConfigFault", message = "not now" })
    end
    local result = l:command { "apply", path }
    assert.equal(1, result.status, result.err)
    l.sim:calm()
    return result.err:match "%-%-resume (%S+)"
  end

  it("names those that it had not finished, and is not done", function()
    local check, vc = gpupt.check, l:client()
    local path = l:write(playbook '"/DC0/vm/desk-*"')
    local run = begin(path, "desk-2", "desk-3")
    check(vc:wait(check(check(vc:one "/DC0/vm/desk-1"):Rename_Task { newName = "done and renamed" })))
    check(vc:wait(check(check(vc:one "/DC0/vm/desk-2"):Rename_Task { newName = "mine" })))
    check(vc:wait(check(check(vc:one "/DC0/vm/desk-3"):Destroy_Task())))
    local result = l:command { "apply", "--resume", run }
    assert.equal(1, result.status, result.err)
    assert.matches("! desk-2: a target of this run that is now /DC0/vm/mine, where the playbook does not look: left out",
      result.err, 1, true)
    assert.matches("! desk-3: a target of this run that does not exist any more: left out", result.err, 1, true)
    assert.not_matches("desk-1: a target", result.err, 1, true)
    assert.matches(run .. "  failed", l:command { "status", run }.out, 1, true)
  end)

  it("goes on with the others, though `where` matches nothing now", function()
    local check, vc = gpupt.check, l:client()
    local run = begin(l:write(playbook '{ "/DC0/vm/desk-1", "/DC0/vm/desk-2" }'), "desk-1", "desk-2")
    check(vc:wait(check(check(vc:one "/DC0/vm/desk-1"):Destroy_Task())))
    local result = l:command { "apply", "--resume", run }
    assert.equal(1, result.status, result.err)
    assert.matches("desk-1: a target of this run that does not exist any more", result.err, 1, true)
    assert.matches("desk%-2%s+esx%-1%s+%S+%s+changed", result.out)
  end)
end)
