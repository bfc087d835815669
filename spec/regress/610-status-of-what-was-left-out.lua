--- A run's journal had no row about what its plan left out: `gpupt status RUN` said "partial" of the run, and neither of
-- which host nor why. Whoever reads it in the morning looked for that in a scrollback that was gone.
local json = require "gpupt.json"
local lab = require "spec.support.lab"
local store = require "gpupt.store"

local PLAY = [[return p.playbook { name = "away", p.hosts { where = "/DC0/host/a/*", roll = { unavailable = "2/cluster" },
  devices = p.gpus { match = "10de:20b5" }, p.host.enable {} }, p.vms { where = "/DC0/vm/desk-*",
  p.gpu.attach { devices = p.gpus { match = "10de:20b5" }, power_on = false } } }]]

describe("610: the status of a run that left hosts and VMs out", function()
  local l, journal, id
  setup(function()
    local function vm(name, on)
      return { name = name, host = on, datastore = "ds-1", guest = "ubuntu64Guest", firmware = "efi", memory_mb = 8192,
        memory_lock = true, power = "poweredOff", installed = "ubuntu" }
    end
    local function other(name) return lab.host(name, { cards = { lab.card("0000:3b:00.0", { device = "1eb8" }) } }) end
    l = lab.start { speed = 500, fleet = { datastores = { { name = "ds-1" } }, clusters = { { name = "a", max_away = 5,
      hosts = { lab.host "esx-1", lab.host "esx-2", lab.host("esx-3", { standby = true }), other "esx-4", other "esx-5" } } },
      vms = { vm("desk-1", "esx-1"), vm("desk-2", "esx-2") } } }
    journal = l.dir .. "/journal.db"
    l.sim:post("set", { host = "esx-2", connection = "notResponding" })
    local result = l:command { "apply", l:write(PLAY), "--allow", "reboot", "--journal", journal, "--json" }
    assert.equal(3, result.status, result.err)
    id = json.decode(result.out).id
  end)
  teardown(function() l:stop() end)

  local function status(...) return l:command { "status", id, "--journal", journal, ... }.out end

  local function outcomes()
    local of = {}
    for _, one in ipairs(json.decode(status "--json").targets) do of[one.target] = one end
    return of
  end

  it("names them with the reason, and the command that does them when they are back", function()
    local text = status()
    assert.matches("\nesx%-1 +changed\n", text)
    assert.matches("\nesx%-2 +skipped\n    cause: is not responding\n    next: gpupt apply %-%-resume away%-%S+ %-%-allow reboot",
      text)
    assert.matches("\nesx%-3 +skipped\n    cause: is in standby\n", text)
    assert.matches("\ndesk%-2 +skipped\n    cause: its host esx%-2 is not responding\n", text)
    -- these are not meant: one line for all of them
    assert.matches("\nnot concerned: esx-[4-5]: has no card that matches 10de:20b5 (its GPUs", text, 1, true)
    assert.not_matches("\nesx-4", text, 1, true)
  end)

  it("has them as JSON, with the object of each", function()
    local of = outcomes()
    assert.equal("skipped", of["esx-2"].outcome)
    assert.same({ message = "is not responding" }, of["esx-2"].cause)
    assert.matches("^HostSystem:", of["esx-2"].identity)
    assert.matches("^VirtualMachine:", of["desk-2"].identity)
    assert.equal("not concerned", of["esx-4"].outcome)
    assert.same({}, of["esx-4"].next)
  end)

  it("has them in the lines of --follow, but for hosts that are not meant", function()
    local text = l:command { "status", id, "--follow", "--journal", journal }.out
    assert.matches("esx%-2 +skipped: is not responding\n", text)
    assert.not_matches("esx%-4 +skipped", text)
  end)

  it("is by the newest part of the run, once it was resumed", function()
    l.sim:post("set", { host = "esx-2", connection = "connected" })
    local result = l:command { "apply", "--resume", id, "--allow", "reboot", "--journal", journal }
    assert.equal(3, result.status, result.err) -- esx-3 is still in standby
    local of = outcomes()
    assert.equal("changed", of["esx-2"].outcome)
    assert.equal("changed", of["desk-2"].outcome)
    assert.equal("skipped", of["esx-3"].outcome)
  end)

  it("changes nothing of its undo", function()
    local result = l:command { "undo", id, "--allow", "reboot", "--journal", journal }
    assert.equal(0, result.status, result.err)
    assert.not_matches("esx-[345]", result.out .. result.err)
    assert.matches("desk%-2 .*as before the run", result.out)
    assert.equal("skipped", outcomes()["esx-3"].outcome)
    assert.not_matches("--resume", status(), 1, true)
  end)

  it("is the same of a run of an earlier release, which has no such rows", function()
    local path = l.dir .. "/old.db"
    local book = assert(store.open(path))
    assert(book:begin { id = "old-1", playbook = "light.lua" })
    assert(book:append { run = "old-1", kind = "target", target = "esx-1", what = "changed" })
    assert(book:append { run = "old-1", kind = "end", what = "partial" })
    book:close()
    local result = l:command { "status", "old-1", "--journal", path }
    assert.equal(0, result.status, result.err)
    assert.matches("esx%-1 +changed\n", result.out)
    assert.not_matches("skipped", result.out, 1, true)
  end)
end)
