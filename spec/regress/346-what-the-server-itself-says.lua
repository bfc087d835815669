--- The server's own knowledge was not used: who has a device, which a host says since vSphere 9.1, counted only if the
-- account saw the VM's configuration; and what DirectPathProfileManager counts as free (9.0) was not asked.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

local check = gpupt.check

local function host(name, count)
  local cards = {}
  for n = 1, count do cards[n] = lab.card(("0000:%02x:00.0"):format(0x3a + n), { enabled = true }) end
  return lab.host(name, { cards = cards, memory_gb = 64 })
end

local function vm(name, more)
  local one = { name = name, host = "a-1", memory_mb = 1024, version = "vmx-20", firmware = "efi" }
  for k, v in pairs(more or {}) do one[k] = v end
  return one
end

describe("a plan of vSphere 9.1", function()
  local site
  setup(function()
    site = lab.start { speed = 1000, flags = "-version 9.1.0.0", fleet = {
      folders = { "/DC0/vm/theirs" },
      users = { { name = "ours", password = "Pw-1-for-ours", grants = { { path = "/", role = "Admin", propagate = true },
        { path = "/DC0/vm/theirs", role = "NoAccess" } } } },
      clusters = { { name = "a", drs = "fullyAutomated", hosts = { host("a-1", 3) } } },
      vms = { vm("theirs", { folder = "theirs", power = "poweredOn", devices = { "0000:3b:00.0" }, memory_lock = true,
        extra_config = { ["pciPassthru.use64bitMMIO"] = "TRUE", ["pciPassthru.64bitMMIOSizeGB"] = "256" } }),
        vm "desk-1", vm "desk-2", vm "desk-3" } } }
  end)
  teardown(function() site:stop() end)

  local function playbook(name, backing)
    return ([[return p.playbook { name = "x", p.vms { where = "/DC0/vm/%s",
      p.gpu.attach { devices = p.gpus { match = "10de:20b5" }, backing = "%s", power_on = false } } }]]):format(name, backing)
  end

  it("gives no card that a VM has which this account does not see, as the host says", function()
    local vc = site.sim:connect { username = "ours", password = "Pw-1-for-ours" }
    local plan = check(site:load(playbook("desk-[12]", "fixed")):plan(vc))
    assert.same({ "0000:3c:00.0", "0000:3d:00.0" }, { plan.vms[1].cards[1].address, plan.vms[2].cards[1].address })
    local none, message = site:load(playbook("desk-*", "fixed")):plan(vc)
    assert.is_nil(none)
    assert.matches("3b:00.0 held by VirtualMachine:vm%-%d+ %(poweredOn, as the host says: unverified%)", message)
  end)

  it("names the VM if it is known, and does not call unverified what its configuration says as well", function()
    local none, message = site:plan(playbook("desk-*", "fixed"))
    assert.is_nil(none)
    assert.matches("3b:00.0 held by theirs (poweredOn)", message, 1, true)
  end)

  it("shows what the server counts as free, and that it is unverified", function()
    site.sim:forget()
    local plan = check(site:plan(playbook("desk-[12]", "dynamic")))
    assert.matches("the server counts 2 of 3 cards of 10de:20b5 in a as free: unverified: it counts running VMs only",
      tostring(plan), 1, true)
    assert.equal(1, site.sim:calls "DirectPathProfileManagerQueryCapacity")
    assert.same({}, site:changing())
  end)
end)

describe("a plan of vSphere 8", function()
  it("asks for neither", function()
    local site = lab.start { speed = 1000, fleet = { clusters = { { name = "a", hosts = { host("a-1", 3) } } },
      vms = { vm "desk-1" } } }
    local plan = check(site:plan [[return p.playbook { name = "x", p.vms { where = "/DC0/vm/desk-1",
      p.gpu.attach { devices = p.gpus { match = "10de:20b5" }, backing = "dynamic", power_on = false } } }]])
    assert.not_matches("the server counts", tostring(plan), 1, true)
    assert.equal(0, site.sim:calls "DirectPathProfileManagerQueryCapacity")
    site:stop()
  end)
end)
