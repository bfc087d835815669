--- Messages about a step that failed in a run did not say where it is in the playbook; only the journal's rows did.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

describe("a step that fails in a run", function()
  local l, path, journal, failed

  setup(function()
    l = lab.start { speed = 400, fleet = { datastores = { { name = "ds-1" } }, clusters = { { name = "gpu",
      hosts = { lab.host("esx-1", { cards = { lab.card("0000:3b:00.0", { enabled = true }) } }) } } },
      vms = { { name = "desk-1", host = "esx-1", guest = "ubuntu64Guest", firmware = "efi", memory_mb = 2048 } } } }
    l.sim:post("set", { vm = "desk-1", fail_power_on = "no power today" })
    journal = l.dir .. "/j.db"
    path = l:write [[return p.playbook { name = "fails",
      p.vms { where = "/DC0/vm/desk-1",
        p.gpu.attach { devices = p.gpus { match = "10de:20b5" } } } }]]
    failed = l:command { "apply", path, "--journal", journal }
  end)
  teardown(function() l:stop() end)

  -- the first line of the file is that of lab.write
  local function where() return path .. ":4" end

  it("is named with its line, in the progress and at the end", function()
    assert.equal(1, failed.status)
    assert.matches(("X desk-1     gpu.attach   %s: desk-1: power on failed"):format(where()), failed.err, 1, true)
    assert.matches(("gpupt: %s: gpu.attach: desk-1: power on failed"):format(where()), failed.err, 1, true)
  end)

  it("is named with its line by gpupt status", function()
    local status = l:command { "status", failed.err:match "run (fails%-%S+)", "--journal", journal }
    assert.matches(("desk-1  failed       gpu.attach  (%s)"):format(where()), status.out, 1, true)
    local json = gpupt.json.decode(l:command { "status", failed.err:match "run (fails%-%S+)", "--journal", journal, "--json" }.out)
    assert.equal(where(), json.targets[1].source)
  end)

  it("has its line in the JSON of the result and of the events", function()
    l.sim:post("set", { vm = "desk-1", fail_power_on = "no power again" })
    local again = l:command { "apply", path, "--journal", journal, "--json" }
    assert.equal(where(), gpupt.json.decode(again.out).targets[1].source)
    l.sim:post("set", { vm = "desk-1", fail_power_on = "never" })
    local events = l:command { "apply", path, "--journal", journal, "--events" }
    local last
    for line in events.out:gmatch "[^\n]+" do
      local event = gpupt.json.decode(line)
      if event.kind == "failed" then last = event end
    end
    assert.equal(where(), last.source)
  end)
end)
