-- gpupt undo of a run whose VMs do not exist any more: it says which are gone, and that nothing is left to undo.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

describe("undo of a run whose VMs are gone", function()
  local l, journal, id

  setup(function()
    local vms = {}
    for i = 1, 2 do
      vms[i] = { name = "old-" .. i, host = "esx-1", guest = "ubuntu64Guest", firmware = "efi", memory_mb = 4096 }
    end
    l = lab.start { speed = 400, fleet = { vms = vms, clusters = { { name = "gpu-a", hosts = { lab.host("esx-1", { cards = {
      lab.card("0000:3b:00.0", { enabled = true }), lab.card("0000:86:00.0", { enabled = true }) } }) } } } } }
    journal = l.dir .. "/journal.db"
    local done = l:command { "apply", l:write [[return p.playbook { name = "cards", p.vms { where = "/DC0/vm/old-*",
      p.gpu.attach { devices = p.gpus { match = "10de:20b5" }, power_on = false } } }]], "--journal", journal }
    assert.equal(0, done.status, done.err)
    id = done.err:match "run (cards%-%S+)"
  end)
  teardown(function() l:stop() end)

  local function destroy(name)
    local vm = assert(l:client():one("/DC0/vm/" .. name))
    assert(l:client():wait(assert(vm:Destroy_Task {})))
  end
  local function undo(...) return l:command { "undo", id, "--journal", journal, ... } end

  it("names one that is gone beside what it takes back from the others", function()
    destroy "old-1"
    local dry = undo "--dry-run"
    assert.equal(0, dry.status, dry.err)
    assert.matches("! old-1: left as it is: it does not exist any more", dry.out, 1, true)
    assert.matches("detach 86:00.0", dry.out, 1, true)
  end)

  it("says that nothing is left when all are gone, and changes nothing", function()
    destroy "old-2"
    l.sim:forget()
    local undone = undo()
    assert.equal(0, undone.status, undone.err)
    assert.matches("old-1: left as it is: it does not exist any more", undone.err, 1, true)
    assert.matches("old-2: left as it is: it does not exist any more", undone.err, 1, true)
    assert.matches("nothing is left to undo", undone.out, 1, true)
    local dry = undo("--dry-run", "--json")
    assert.equal(0, dry.status, dry.err)
    local plan = gpupt.json.decode(dry.out)
    assert.same({ 2, 0 }, { #plan.left, #plan.changes })
    assert.same({}, l:changing())
  end)
end)
