-- A plan of 40 equal hosts had 80 equal lines. It did not say how many cards are free before and after, what is out of
-- service for how long, nor the values of settings before and after, and its lines were longer than any terminal.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

describe("the text of a plan", function()
  local l
  setup(function()
    local hosts = {}
    for i = 1, 12 do hosts[i] = lab.host(("esx-%02d"):format(i), { memory_gb = 256 }) end
    l = lab.start { speed = 500, fleet = { clusters = { { name = "c", hosts = hosts } }, vms = {
      { name = "cad-1", host = "esx-12", guest = "ubuntu64Guest", firmware = "efi", memory_mb = 4096, installed = "ubuntu",
        username = "ops", password = "x", power = "poweredOn", version = "vmx-20" } } } }
  end)
  teardown(function() l:stop() end)

  local function playbook(more)
    return ([[local cards = p.gpus { match = "10de:20b5" }
return p.playbook { name = "x", p.hosts { where = "/DC0/host/c", devices = cards, roll = { back_within = "30m" }, p.host.enable {} },
  %s }]]):format(more or "")
  end
  local NEW = [[p.vms { count = 4, name = "new-{n:02}", place = { cluster = "c", datastore = "ds-1" },
    p.vm.create { guest = "ubuntu64Guest", cpus = 2, memory = "4 GiB", disk = "10 GiB" },
    p.os.present {}, p.gpu.attach { devices = cards, mmio = 256 } }]]
  local OLD = [[p.vms { where = "/DC0/vm/cad-1", p.gpu.attach { devices = cards } }]]

  it("has one entry for equal hosts and one for equal new VMs, with their places", function()
    local plan = gpupt.check(l:plan(playbook(NEW)))
    local text = tostring(plan)
    assert.matches("\n~ esx-[01-12]  host.enable  enable 3b:00.0 -> reboot; vMotion of cad-1\n", text, 1, true)
    assert.matches("\n+ new-[01-04]  vm.create    efi, ubuntu64Guest, 2 CPUs, 4 GiB, blank disk of 10 GiB\n", text, 1, true)
    assert.matches("GA100 [A100 PCIe 80GB] x1, memory locked", text, 1, true)
    assert.matches("\n    1 each on esx-[01-04]\n", text, 1, true)
    local groups = plan:groups()
    assert.equal(3, #groups)
    assert.equal(11, #groups[1].names)
    assert.equal("esx-[01-11]", groups[1].label)
    assert.same({ "enable", "reboot" }, { groups[1].changes[1].verb, groups[1].changes[2].verb })
  end)
  it("keeps a target apart that differs", function()
    local plan = gpupt.check(l:plan(playbook(OLD)))
    assert.equal("esx-12", plan:groups()[2].label)
    assert.equal("reboot, with vMotion of cad-1", plan:groups()[2].changes[2].what)
    local text = tostring(plan)
    assert.matches("\n- cad-1        gpu.attach   shut down the guest\n", text, 1, true)
    text = tostring(gpupt.check(l:plan(playbook(), { limit = "esx-0[1-3],esx-07" })))
    assert.matches("\n~ esx-[01-03,07]  host.enable  enable", text, 1, true)
  end)
  it("says the cards of the cluster before and after, and what one host less means", function()
    local plan = gpupt.check(l:plan(playbook(NEW)))
    assert.matches("\ncapacity c: 12 cards; used 0 -> 4, free 0 -> 8; enough are free if one host fails\n", tostring(plan), 1, true)
    local seen = plan:capacity()
    assert.equal(12, #seen[1].hosts_read)
    seen[1].hosts_read = nil
    assert.same({ { cluster = "c", cards = 12, used = 0, free = 0, used_after = 4, free_after = 8, hosts = 12,
      hosts_total = 12, short = 0 } }, seen)
    plan = gpupt.check(l:plan(playbook(NEW:gsub("count = 4", "count = 12"))))
    assert.matches("used 0 -> 12, free 0 -> 0\n! c: no spare GPU: one host down leaves VMs without 1 GPU\n", tostring(plan), 1, true)
  end)
  it("says what is out of service, and for how long at most", function()
    local plan = gpupt.check(l:plan(playbook(OLD)))
    local text = tostring(plan)
    assert.matches("\nout of service: esx-[01-12], each up to 60 min (drain 30 min, reboot 30 min)\n", text, 1, true)
    assert.matches("\nshut down: cad-1, up to 15 min\n", text, 1, true)
    assert.equal(3600, plan:stops().hosts[1].seconds)
    assert.same({ "cad-1" }, plan:stops().vms[1].names)
  end)
  it("shows each setting before and after if asked, and names them in one line otherwise", function()
    local plan = gpupt.check(l:plan(playbook(OLD)))
    assert.matches("\n~ cad%-1 +gpu.attach +4 settings: pciPassthru.use64bitMMIO, pciPassthru.64bitMMIOSizeGB, memory lock, memory reservation\n",
      tostring(plan))
    local diff = plan:text { diff = true }
    assert.matches("      pciPassthru.64bitMMIOSizeGB: (not set) -> 256\n", diff, 1, true)
    assert.matches("      memory reservation: 0 MiB -> 4096 MiB\n", diff, 1, true)
    assert.matches("      3b:00.0 passthrough: off -> enabled\n", diff, 1, true)
    diff = gpupt.check(l:plan(playbook(NEW))):text { diff = true }
    assert.matches("      firmware: (not set) -> efi\n", diff, 1, true)
    assert.matches("      memory lock: (not set) -> locked\n", diff, 1, true)
  end)
  it("is folded at the width of the terminal, and nothing is lost", function()
    local plan = gpupt.check(l:plan(playbook(NEW)))
    local text = plan:text { width = 60 }
    for line in text:gmatch "[^\n]+" do assert.is_true(#line <= 60, line) end
    local function words(one) return (one:gsub("%s+", " ")) end
    assert.equal(words(tostring(plan)), words(text))
    local done = l:command({ "plan", l:write(playbook(NEW)) }, { env = { COLUMNS = "70" } })
    assert.equal(0, done.status, done.err)
    for line in done.out:gmatch "[^\n]+" do assert.is_true(#line <= 70, line) end
  end)
  it("has its groups, its cards and its stops in JSON as well", function()
    local done = l:command { "plan", l:write(playbook(OLD)), "--json" }
    local value = gpupt.json.decode(done.out)
    assert.equal("esx-[01-11]", value.groups[1].label)
    assert.equal(12, value.capacity[1].cards)
    assert.equal(900, value.shut_down[1].seconds)
    assert.same({ name = "3b:00.0 passthrough", before = "off", after = "enabled" }, value.changes[1].settings[1])
  end)
end)
