-- p.doctor.repair: VMs that do not start, or whose guest does not see the card, and what is done about each.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

local check = gpupt.check
local WINDOW = { ["pciPassthru.use64bitMMIO"] = "TRUE", ["pciPassthru.64bitMMIOSizeGB"] = "256" }

local function vm(name, address, more)
  local o = { name = name, host = "esx-1", guest = "ubuntu64Guest", firmware = "efi", memory_mb = 16384, cpus = 4, version = "vmx-20",
    devices = { address }, memory_lock = true, extra_config = WINDOW }
  for field, value in pairs(more or {}) do o[field] = value end
  return o
end

local cards = {}
for i, address in ipairs { "0000:1b:00.0", "0000:2b:00.0", "0000:3b:00.0", "0000:4b:00.0", "0000:5b:00.0", "0000:6b:00.0" } do
  cards[i] = lab.card(address, { enabled = true })
end

local fleet = { clusters = { { name = "cad", drs = "off", hosts = {
    lab.host("esx-1", { memory_gb = 512, cards = cards }),
    lab.host("esx-2", { memory_gb = 512, cards = { lab.card("0000:1b:00.0", { enabled = true }) } }),
    lab.host("esx-3", { memory_gb = 512, cards = { lab.card("0000:1b:00.0", { enabled = true }), lab.card("0000:2b:00.0", { enabled = true }) } }),
    lab.host("esx-5", { memory_gb = 64, cards = { lab.card("0000:1b:00.0", { enabled = true, device = "2204",
      name = "GA102 [GeForce RTX 3090]", bars = { "16M:32", "256M:64p", "32M:64p" } }) } }),
    lab.host("esx-6", { memory_gb = 64, cards = { lab.card("0000:1b:00.0", { enabled = true }), lab.card("0000:2b:00.0", { enabled = true }) } }),
    lab.host("esx-4", { memory_gb = 512, cards = { lab.card("0000:1b:00.0", { enabled = true }), lab.card("0000:2b:00.0", { enabled = true }) } }),
  } } },
  vms = {
    vm("window", "0000:1b:00.0", { extra_config = { ["pciPassthru.use64bitMMIO"] = "TRUE", ["pciPassthru.64bitMMIOSizeGB"] = "64" } }),
    vm("unlocked", "0000:2b:00.0", { memory_lock = false }),
    vm("bios", "0000:3b:00.0", { firmware = "bios", installed = "windows", guest = "windows2019srvNext_64Guest" }),
    vm("good", "0000:4b:00.0", { installed = "ubuntu", power = "poweredOn", username = "ops", password = "x" }),
    vm("game", "0000:1b:00.0", { host = "esx-5", guest = "windows2019srvNext_64Guest", installed = "windows" }),
    vm("slot", "0000:1b:00.0", { host = "esx-6" }),
    vm("twin-1", "0000:1b:00.0", { host = "esx-4", memory_lock = false }), vm("twin-2", "0000:2b:00.0", { host = "esx-4", memory_lock = false }),
    vm("moved", "0000:5b:00.0"), vm("many", "0000:6b:00.0"),
  } }

local ALL = '"mmio", "memory", "hot-add", "stale-backing", "hide-hypervisor"'

local function play(name, fix, more)
  return ([[return p.playbook { name = "repair", p.vms { where = "/DC0/vm/%s", p.doctor.repair { fix = { %s } %s } } }]]):format(name,
    fix or ALL, more or "")
end

describe("p.doctor.repair", function()
  local site, vc
  setup(function()
    site = lab.start { speed = 600, fleet = fleet }
    vc = site:client()
    check(vc:wait_for(check(vc:one "/DC0/vm/good"), { "guest.toolsRunningStatus" }, function(props)
      return props["guest.toolsRunningStatus"] == "guestToolsRunning"
    end, { timeout = 60 }))
    -- registered on another host, where the same address is another card
    for name, host in pairs { moved = "esx-2", many = "esx-3" } do
      site:register_on("cad", host, check(vc:one("/DC0/vm/" .. name)))
    end
  end)
  teardown(function() site:stop() end)

  local function lines(...)
    local list, plan = {}, check(site:plan(play(...)))
    for i, change in ipairs(plan:changes()) do list[i] = ("%s %s: %s"):format(change.sign, change.target, change.what) end
    return list, tostring(plan)
  end

  local function apply(name)
    local result = check(site:apply(play(name), { allow = { "guest-shutdown" } }))
    assert.equal("done", result.status, result.targets[1].message)
    assert.same({}, (lines(name)))
    return site:truth("vms", name), result
  end

  it("finds nothing to do for a VM that is well", function()
    assert.same({}, (lines "good"))
  end)

  it("says VM, state, cause and fix in a table", function()
    local _, text = lines "*"
    assert.matches("VM +STATE +CAUSE %(evidence%) +FIX", text)
    assert.matches("window +off +The cards map 128 GiB %+ 48 MiB[^\n]*64bitMMIOSizeGB 256", text)
    assert.matches("bios +off +[^\n]*NOT FIXABLE HERE: the firmware of an installed system is never changed", text)
    assert.is_nil(text:match "good +running[^\n]*")
  end)

  it("repairs only what `fix` names", function()
    assert.same({ "~ unlocked: all memory locked and reserved", "~ unlocked: power on" }, (lines("unlocked")))
    local none, text = lines("unlocked", '"mmio"')
    assert.same({}, none)
    assert.matches("not repaired: fix does not have 'memory'", text)
  end)

  it("makes the MMIO window large enough and starts the VM, by what a failed power-on left in its log", function()
    local ref = check(vc:one "/DC0/vm/window")
    assert.is_nil((vc:wait(check(ref:PowerOnVM_Task {}))))
    local _, text = lines "window"
    assert.matches("window +power%-on X +[^\n]*vmware.log:%d+", text)
    local now = apply "window"
    assert.same({ "poweredOn", "256" }, { now.power, now.extra_config["pciPassthru.64bitMMIOSizeGB"] })
  end)

  it("locks and reserves the memory", function()
    local now = apply "unlocked"
    assert.same({ "poweredOn", true, 16384 }, { now.power, now.memory_locked, now.memory_reservation })
  end)

  it("skips a VM in which a user is logged in, unless the playbook and --allow say otherwise", function()
    local ref = check(vc:one "/DC0/vm/good")
    check(vc:wait(check(ref:PowerOffVM_Task {})))
    check(vc:wait(check(ref:ReconfigVM_Task { spec = { extraConfig = { { key = "pciPassthru.64bitMMIOSizeGB", value = "64" } } } })))
    site.sim:post("set", { vm = "good", mmio = "guest" }) -- it starts, and its guest lacks the BAR
    check(vc:wait(check(ref:PowerOnVM_Task {})))
    check(vc:wait_for(ref, { "guest.guestOperationsReady" }, function(props) return props["guest.guestOperationsReady"] end,
      { timeout = 60 }))
    local changes = lines "good"
    assert.same({ "- good: shut down the guest", "~ good: 64bitMMIOSizeGB 256", "~ good: power on" }, changes)
    site.sim:post("set", { vm = "good", session = "cad-user" })
    local none, text = lines "good"
    assert.same({}, none)
    assert.matches("good +running +[^\n]*skipped: a user session is active", text)
    local plan = check(site:plan(play("good", nil, ', sessions = "shutdown"')))
    assert.same({ "guest-shutdown", "sessions" }, plan:needs())
    site.sim:post("set", { vm = "good", session = "" })
    apply "good"
  end)

  it("never changes the firmware", function()
    assert.same({}, (lines "bios"))
    assert.equal("bios", site:truth("vms", "bios").firmware)
  end)

  it("replaces a stale backing by the one card of the host that matches: old backing, new address", function()
    assert.same({ "~ moved: backing 5b:00.0 -> 1b:00.0", "~ moved: power on" }, (lines "moved"))
    local now = apply "moved"
    assert.same({ "esx-2", "poweredOn", 1, "0000:1b:00.0" }, { now.host, now.power, #now.devices, now.devices[1].address })
  end)

  it("shows a card that was put into another slot as one repair: old backing, new address", function()
    site.sim:post("set", { host = "esx-6", card = { address = "0000:1b:00.0", absent = true } })
    local changes, text = lines "slot"
    assert.same({ "~ slot: backing 1b:00.0 -> 2b:00.0", "~ slot: power on" }, changes)
    assert.matches("slot +off +the backing 1b:00.0 names an address where there is no card +backing 1b:00.0 %-> 2b:00.0", text)
    local now = apply "slot"
    assert.same({ "esx-6", 1, "0000:2b:00.0" }, { now.host, #now.devices, now.devices[1].address })
  end)

  it("proposes only, where two cards match", function()
    local none, text = lines "many"
    assert.same({}, none)
    assert.matches("proposed: esx%-3 has 2 free cards of that model %(1b:00.0 2b:00.0%)", text)
  end)

  it("hides the hypervisor from a GeForce's driver before 465 in Windows, and from no other", function()
    assert.same({}, (lines("game", '"mmio", "memory"')))
    assert.same({}, (lines("game", '"hide-hypervisor"', ', driver = "536.25"')))
    local changes, text = lines("game", '"hide-hypervisor"')
    assert.same({ "~ game: hypervisor.cpuid.v0 FALSE", "~ game: power on" }, changes)
    assert.matches("game +off +Code 43: NVIDIA's driver before 465 refuses a GeForce in a VM +hypervisor.cpuid.v0 FALSE", text)
    assert.equal("FALSE", apply("game").extra_config["hypervisor.cpuid.v0"])
    -- a datacenter card needs it in no guest
    assert.same({}, (lines("good", '"hide-hypervisor"')))
  end)

  it("repairs one VM of several, and then pauses for a look, unless the scope has another canary", function()
    local journal = site.dir .. "/twins.db"
    local plan = check(site:plan(play "twin-*"))
    assert.matches("pauses for a look after twin%-1 %(canary = 1%)", tostring(plan))
    assert.is_nil(tostring(check(site:plan((play("twin-*"):gsub("p.vms { ", "p.vms { canary = 0, "))))):find("pauses", 1, true))
    local paused = site:command { "apply", site:write(play "twin-*"), "--journal", journal }
    assert.equal(5, paused.status, paused.err)
    assert.same({ true, false }, { site:truth("vms", "twin-1").memory_locked, site:truth("vms", "twin-2").memory_locked })
    local run = assert(paused.err:match "go on with: gpupt apply %-%-resume (%S+)")
    local resumed = site:command { "apply", "--resume", run, "--journal", journal }
    assert.equal(0, resumed.status, resumed.err)
    assert.is_true(site:truth("vms", "twin-2").memory_locked)
  end)

  it("refuses words that it does not know, when the playbook is loaded", function()
    local ok, message = pcall(site.load, site, play("good", '"firmware"'))
    assert.is_false(ok)
    assert.is_truthy(tostring(message):find("'firmware' is not one of", 1, true), tostring(message))
  end)

  it("repairs what is left of a fleet by the example, and then has nothing to do", function()
    local done = site:command { "apply", "examples/repair.lua", "--journal", site.dir .. "/j.db" }
    assert.equal(0, done.status, done.err)
    assert.matches("nothing to change\n$", site:command { "plan", "examples/repair.lua" }.out)
  end)

  it("leaves no violation", function() assert.same({}, site.sim:get "truth".violations) end)
end)
