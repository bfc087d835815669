-- A stale plan file was refused with the raw guards ("was 2026-10-22T04:13:04.372406Z; ; 0000:3b:00.0 off, is ...").
-- `gpupt evacuate` powered on, on their new hosts, VMs that were off, and its plan did not say so. `gpupt gpus` of several
-- vCenters printed "\nvCenter west", and evacuate answered --to with the host itself "is the only host of its cluster".
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

describe("555:", function()
  local l
  before_each(function()
    l = lab.start { speed = 1000, fleet = { clusters = { { name = "ga", hosts = {
      lab.host("esx-1", { cards = { lab.card("0000:3b:00.0", { enabled = true }), lab.card("0000:5e:00.0",
        { enabled = true }), lab.card "0000:86:00.0" } }),
      lab.host("esx-2", { cards = { lab.card("0000:3b:00.0", { enabled = true }), lab.card("0000:5e:00.0",
        { enabled = true }) } }) } } },
      vms = { { name = "desk-1", cluster = "ga", host = "esx-1", memory_mb = 4096, firmware = "efi" },
        { name = "desk-2", host = "esx-1", memory_mb = 4096, memory_lock = true, firmware = "efi", installed = "ubuntu",
          devices = { "0000:5e:00.0" }, power = "poweredOn", username = "ops", password = "x",
          extra_config = { ["pciPassthru.use64bitMMIO"] = "TRUE", ["pciPassthru.64bitMMIOSizeGB"] = "256" } } } } }
  end)
  after_each(function() l:stop() end)

  it("a stale plan says in words what has changed", function()
    local check, vc, file = gpupt.check, l:client(), l.dir .. "/a.plan"
    local path = l:write [[local c = p.gpus { match = "10de:20b5" }
      return p.playbook { name = "x", p.hosts { where = "/DC0/host/ga/esx-1", devices = c,
        p.host.enable { apply = "stage" } },
        p.vms { where = "/DC0/vm/desk-1", p.gpu.attach { devices = c, power_on = false } } }]]
    assert.equal(0, l:command({ "plan", path, "--out", file }).status)
    local host = check(vc:one "/DC0/host/ga/esx-1")
    local system = check(host:get "configManager.pciPassthruSystem")
    check(system:UpdatePassthruConfig { config = { { id = "0000:86:00.0", passthruEnabled = true } } })
    check(vc:wait(check(check(vc:one "/DC0/vm/desk-1"):ReconfigVM_Task { spec = { annotation = "mine" } })))
    local run = l:command { "apply", file, "--allow", "reboot" }
    assert.equal(1, run.status)
    assert.matches("the fleet has changed since the plan was created: create a new plan\n"
      .. "  host esx-1: 86:00.0 was off, is pending reboot\n"
      .. "  vm desk-1: it was changed since (changeVersion ", run.err, 1, true)
  end)

  it("evacuate leaves VMs off that were off", function()
    local check, vc = gpupt.check, l:client()
    check(l:apply [[return p.playbook { name = "x", p.vms { where = "/DC0/vm/desk-1",
      p.gpu.attach { devices = p.gpus { match = "10de:20b5" }, power_on = false } } }]])
    local file = l.dir .. "/evacuate.lua"
    assert.equal(0, l:command({ "evacuate", "esx-1", "--out", file }).status)
    local run = l:command { "apply", file, "--allow", "guest-shutdown" }
    assert.equal(0, run.status, run.err)
    local function power(name) return check(check(vc:one("/DC0/vm/" .. name)):get "runtime.powerState") end
    assert.equal("poweredOff", power "desk-1")
    assert.equal("poweredOn", power "desk-2")
  end)

  it("evacuate says why its --to is of no use", function()
    local run = l:command { "evacuate", "esx-1", "--to", "esx-1" }
    assert.matches("the VMs of esx-1 cannot go to that host itself: say with --to to which hosts its VMs go", run.err, 1, true)
  end)

  it("gpus of several vCenters has an empty line between them", function()
    local path = l.dir .. "/two.lua"
    local one = ([[p.vcenter { name = %%q, url = %q, ca_file = %q, login = p.login(%q, p.secret.env "VC") }]]):format(
      l.sim.ready.url, l.sim.ready.ca_file, l.sim.ready.username)
    local scope = [[p.hosts { on = %q, where = "/DC0/host/ga/%s", devices = c, p.host.enable {} }]]
    require "spec.support.vcenter".write(path, ([[local p = require "gpupt.playbook"
      local c = p.gpus { match = "10de:20b5" }
      return p.playbook { name = "two", %s, %s, %s, %s }]]):format(one:format "a", one:format "b", scope:format("a", "esx-1"),
      scope:format("b", "esx-2")))
    local run = l:command({ "gpus", "--playbook", path }, { env = { VC = l.sim.ready.password, GOVC_URL = false,
      GOVC_USERNAME = false, GOVC_PASSWORD = false, GOVC_TLS_CA_CERTS = false } })
    assert.equal(0, run.status, run.err)
    assert.matches("\n\nvCenter b\n", run.out, 1, true)
  end)
end)
