-- gpupt undo of vm.move and doctor.repair, where the fleet is not as the run left it, and of hosts and VMs together.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

local check = gpupt.check

local function t4(address, more)
  local o = { enabled = true, device = "1eb8", name = "TU104GL [Tesla T4]", bars = { "16M:32", "256M:64p", "32M:64p" } }
  for name, value in pairs(more or {}) do o[name] = value end
  return lab.card(address, o)
end

local function host(name, ...)
  local cards = {}
  for i, address in ipairs { ... } do cards[i] = t4(address) end
  return lab.host(name, { memory_gb = 256, cards = cards })
end

local function vm(name, on, more)
  local o = { name = name, host = on, guest = "ubuntu64Guest", firmware = "efi", memory_mb = 2048, version = "vmx-20",
    disk_gb = 10, memory_lock = true, datastore = "ds-1", devices = { "0000:3b:00.0" } }
  for field, value in pairs(more or {}) do o[field] = value end
  return o
end

local fleet = { datastores = { { name = "ds-1" }, { name = "ds-2" } }, clusters = { { name = "a", drs = "off", hosts = {
    host("esx-1", "0000:3b:00.0"), host("esx-2", "0000:3b:00.0"), host("esx-3", "0000:3b:00.0", "0000:86:00.0"),
    host("esx-4", "0000:3b:00.0", "0000:86:00.0"), host("esx-5", "0000:5e:00.0"), host("esx-6", "0000:3b:00.0") } } },
  vms = { vm("swap-a", "esx-1", { installed = "ubuntu", power = "poweredOn", username = "ops", password = "x" }),
    vm("swap-b", "esx-2"), vm("mover", "esx-3"), vm("stale", "esx-4"), vm("held", "esx-6") } }

local ATTACH = 'p.gpu.attach { devices = p.gpus { match = "10de:1eb8" }, power_on = %s }'
local ALLOW = "guest-shutdown,power-off,reboot"

describe("undo", function()
  local site, journal
  setup(function()
    site = lab.start { speed = 600, fleet = fleet }
    journal = site.dir .. "/journal.db"
    check(site:client():wait_for(check(site:client():one "/DC0/vm/swap-a"), { "guest.toolsRunningStatus" }, function(props)
      return props["guest.toolsRunningStatus"] == "guestToolsRunning"
    end, { timeout = 60 }))
  end)
  teardown(function() site:stop() end)

  local function apply(scopes)
    local done = site:command { "apply", site:write(('return p.playbook { name = "move", %s }'):format(scopes)), "--allow", ALLOW,
      "--journal", journal }
    assert.equal(0, done.status, done.err)
    return (done.err:match "run (move%-%S+)")
  end

  local function undo(id, ...) return site:command { "undo", id, "--journal", journal, "--allow", ALLOW, ... } end

  local function where(name)
    local one = site:truth("vms", name)
    local device = one.devices[1] or {}
    return { one.host, one.power, device.address, #one.devices, one.path:match "^(%[.-%])" }
  end

  local function move(name, to, more, on)
    return ('p.vms { where = "/DC0/vm/%s", p.vm.move { to = "%s" %s }, %s },'):format(name, to, more or "", ATTACH:format(on or "false"))
  end

  it("swaps two VMs back whose cards are each other's, the one that ran running", function()
    local before = { where "swap-a", where "swap-b" }
    local id = apply(move("swap-a", "esx-2", "", "true") .. move("swap-b", "esx-1"))
    assert.same({ { "esx-2", "poweredOn", "0000:3b:00.0", 1, "[ds-1]" }, { "esx-1", "poweredOff", "0000:3b:00.0", 1, "[ds-1]" } },
      { where "swap-a", where "swap-b" })
    local undone = undo(id)
    assert.equal(0, undone.status, undone.err)
    assert.same(before, { where "swap-a", where "swap-b" })
  end)

  it("leaves a VM where another user moved it since, and says so", function()
    local id = apply(move("mover", "esx-5", ', datastore = "ds-2"'))
    local vc = site:client()
    local ref = check(vc:one "/DC0/vm/mover")
    check(vc:wait(check(ref:ReconfigVM_Task { spec = { deviceChange = { { operation = "remove",
      device = { _type = "VirtualPCIPassthrough", key = check(ref:get "config.hardware.device")[#check(ref:get "config.hardware.device")].key } } } } })))
    check(vc:wait(check(ref:RelocateVM_Task { spec = { host = check(vc:one "/DC0/host/a/esx-1") } })))
    site.sim:forget()
    local undone = undo(id)
    assert.equal(0, undone.status, undone.err)
    assert.matches("! mover: left as it is: is not moved back: it was moved to another host since", undone.err, 1, true)
    assert.equal(0, site.sim:calls "RelocateVM_Task")
    assert.equal("esx-1", site:truth("vms", "mover").host)
  end)

  it("keeps a replaced backing while its card is not there, and puts it back when it is", function()
    site.sim:post("set", { host = "esx-4", card = { address = "0000:3b:00.0", absent = true } })
    local id = apply 'p.vms { where = "/DC0/vm/stale", p.doctor.repair { fix = { "stale-backing" }, power_on = false } }'
    assert.same({ "esx-4", "poweredOff", "0000:86:00.0", 1, "[ds-1]" }, where "stale")
    local dry = undo(id, "--dry-run")
    assert.matches("stale: left as it is: the backing 86:00.0, which the run set in place of 3b:00.0: esx-4 has no device there",
      dry.out, 1, true)
    site.sim:post("set", { host = "esx-4", card = { address = "0000:3b:00.0", absent = false } })
    local undone = undo(id)
    assert.equal(0, undone.status, undone.err)
    assert.matches("detach 86:00.0", undone.err, 1, true)
    assert.matches("attach 3b:00.0", undone.err, 1, true)
    assert.same({ "esx-4", "poweredOff", "0000:3b:00.0", 1, "[ds-1]" }, where "stale")
  end)

  it("makes cards passthrough devices again before the VM gets its card back", function()
    local id = apply [[p.hosts { where = "/DC0/host/a/esx-6", devices = p.gpus { match = "10de:1eb8" }, p.host.disable {} },
      p.vms { where = "/DC0/vm/held", p.gpu.detach {} }]]
    assert.equal(0, #site:truth("vms", "held").devices)
    local undone = undo(id)
    assert.equal(0, undone.status, undone.err)
    assert.same({ "esx-6", "poweredOff", "0000:3b:00.0", 1, "[ds-1]" }, where "held")
  end)

  it("leaves no violation", function() assert.same({}, site.sim:get "truth".violations) end)
end)
