--- A host that is not responding or in standby was in the plan only: the final table of apply did not list it, the status
-- of the run was done and the exit status 0. Who read the result took the fleet for done.
local json = require "gpupt.json"
local lab = require "spec.support.lab"

local PLAY = [[return p.playbook { name = "away", p.hosts { where = "/DC0/host/a/*",
  devices = p.gpus { match = "10de:20b5" }, p.host.enable {} }, p.vms { where = "/DC0/vm/desk-*",
  p.gpu.attach { devices = p.gpus { match = "10de:20b5" }, power_on = false } } }]]

describe("591: hosts that were left out", function()
  local l, journal
  setup(function()
    local function vm(name, on)
      return { name = name, host = on, datastore = "ds-1", guest = "ubuntu64Guest", firmware = "efi", memory_mb = 8192,
        memory_lock = true, power = "poweredOff", installed = "ubuntu" }
    end
    l = lab.start { speed = 500, fleet = { datastores = { { name = "ds-1" } }, clusters = { { name = "a", max_away = 5,
      hosts = { lab.host "esx-1", lab.host "esx-2", lab.host("esx-3", { standby = true }),
        lab.host("esx-4", { cards = { lab.card("0000:3b:00.0", { device = "1eb8" }) } }) } } }, vms = { vm("desk-1", "esx-1"), vm("desk-2", "esx-2") } } }
    journal = l.dir .. "/journal.db"
    l.sim:post("set", { host = "esx-2", connection = "notResponding" })
  end)
  teardown(function() l:stop() end)

  local function apply(...)
    return l:command { "apply", l:write((PLAY:gsub("devices = ", 'roll = { unavailable = "2/cluster" }, devices = ', 1))),
      "--allow", "reboot", "--journal", journal, ... }
  end

  local function judge(result)
    assert.equal(3, result.status, result.err)
    assert.matches("esx%-2 +%- +%- +%- +skipped: is not responding\n", result.out)
    assert.matches("esx%-3 +%- +%- +%- +skipped: is in standby\n", result.out)
    assert.matches("desk%-2 +%- +%- +skipped +its host esx%-2 is not responding", result.out)
    assert.not_matches("esx-4", result.out, 1, true) -- without the card: it is not concerned
    assert.matches("gpupt: 3 were left out, because they or their hosts could not be reached or used: "
      .. "desk-2, esx-[2-3]. Apply again when they can", result.err, 1, true)
  end

  it("are in the tables with their reason, and the exit status is 3", function()
    local result = apply()
    judge(result)
    assert.matches("esx%-1 +3b:00.0 .* active +changed\n", result.out)
    local status = l:command { "status", "--journal", journal, "--json" }
    assert.equal("partial", json.decode(status.out)[1].state)
    assert.equal(3, l:command { "status", "--follow", "--journal", journal }.status)
  end)

  it("are in them as well when nothing is left to do on the others", function()
    local result = apply()
    judge(result)
    assert.matches("\nnothing to change\n", result.out, 1, true)
  end)

  it("are in the JSON", function()
    local result = apply "--json"
    assert.equal(3, result.status, result.err)
    local value = json.decode(result.out)
    assert.equal("partial", value.status)
    assert.equal(3, #value.skipped)
    assert.same({ target = "esx-2", kind = "host", why = "is not responding" }, value.skipped[1])
  end)

  it("are done by the next apply when they are back", function()
    l.sim:post("set", { host = "esx-2", connection = "connected" })
    local result = apply("--limit", "esx-[12],desk-*")
    assert.equal(0, result.status, result.err)
    assert.not_matches("skipped", result.out, 1, true)
    assert.matches("esx%-2 +3b:00.0 .* active +changed\n", result.out)
  end)
end)
