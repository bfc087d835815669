-- p.vm.move beside p.host.disable or p.host.enable of the host that the VM leaves was refused ("Detach it first", "cannot be
-- migrated"), although there is an order: first the move, then the host. A host to which a VM goes is changed before the
-- move. Where no order exists the plan says what to do. With parallel = { vcenter = 1 } two VMs that exchange their cards
-- waited for each other for ever.
local killed = require "spec.support.killed"
local lab = require "spec.support.lab"

local ATTACH = 'p.gpu.attach { devices = p.gpus { match = "10de:1eb8" } }'
local KINDS = { ShutdownGuest = "off", PowerOnVM_Task = "on", RebootHost_Task = "reboot", ExitMaintenanceMode_Task = "exit",
  RelocateVM_Task = "move", EnterMaintenanceMode_Task = "enter" }

local function t4(address, enabled)
  return lab.card(address, { enabled = enabled, device = "1eb8", name = "TU104GL [Tesla T4]", bars = { "16M:32", "256M:64p", "32M:64p" } })
end

describe("p.vm.move beside steps of hosts", function()
  local l, journal
  after_each(function() if l then l:stop() end end)

  local function vm(name, on, more)
    local one = { name = name, host = on, guest = "ubuntu64Guest", firmware = "efi", memory_mb = 4096, version = "vmx-20", disk_gb = 10,
      memory_lock = true, datastore = "ds-1", devices = { "0000:3b:00.0" } }
    for field, value in pairs(more or {}) do one[field] = value end
    return one
  end

  -- Of each host the cards as address -> enabled.
  local function start(cards, vms)
    local hosts = {}
    for name, list in pairs(cards) do
      local host = { memory_gb = 256, cards = {} }
      for address, enabled in pairs(list) do table.insert(host.cards, t4(address, enabled)) end
      hosts[#hosts + 1] = lab.host(name, host)
    end
    table.sort(hosts, function(a, b) return a.name < b.name end)
    l = lab.start { speed = 300, fleet = { datastores = { { name = "ds-1" } },
      clusters = { { name = "a", drs = "off", hosts = hosts } }, vms = vms } }
    journal = l.dir .. "/journal.db"
    for _, one in ipairs(vms) do
      local ref = one.power == "poweredOn" and assert(l:client():one("/DC0/vm/" .. one.name))
      assert(not ref or l:client():wait_for(ref, { "guest.toolsRunningStatus" }, function(v)
        return v["guest.toolsRunningStatus"] == "guestToolsRunning" end, { timeout = 60 }))
    end
    l.sim:forget()
  end

  local RUNNING = { power = "poweredOn", installed = "ubuntu", username = "ops", password = "x" }

  local function hosts_scope(name, step)
    return ('p.hosts { where = "/DC0/host/a/%s", devices = p.gpus { match = "10de:1eb8" }, p.host.%s {} },'):format(name, step)
  end

  local function move(name, to, more)
    return ('p.vms { where = "/DC0/vm/%s", %s p.vm.move { to = "%s" }, %s },'):format(name, more or "", to, ATTACH)
  end

  local function playbook(...) return l:write(('return p.playbook { name = "move", %s }'):format(table.concat { ... })) end

  local function calls()
    local list = {}
    for _, text in ipairs(l:changing()) do
      local kind = KINDS[text:match "^[%w_]+"]
      if kind then list[#list + 1] = kind end
    end
    return table.concat(list, " ")
  end

  local function apply(path, ...)
    return l:command { "apply", path, "--allow", "reboot,guest-shutdown", "--journal", journal, ... }
  end

  local function where(name)
    local one = l:truth("vms", name)
    return { one.host, one.power, one.devices[1] and one.devices[1].address }
  end

  local function card(host, address)
    for _, one in ipairs(l:truth("hosts", host).cards) do
      if one.address == address then return { one.enabled == true, one.active == true } end
    end
  end

  local function ok(done) assert.equal(0, done.status, done.err .. done.out) end

  it("moves the VM first, then takes the cards of the host that it left away; a kill changes nothing, and undo neither", function()
    local cards = { ["esx-1"] = { ["0000:3b:00.0"] = true }, ["esx-2"] = { ["0000:3b:00.0"] = true } }
    start(cards, { vm("one", "esx-1", RUNNING) })
    local path = playbook(hosts_scope("esx-1", "disable"), move("one", "esx-2"))
    local done = apply(path)
    ok(done)
    assert.equal("off move", calls():match "^off move")
    assert.is_truthy(calls():find "move .*enter reboot exit" or calls():find "move .*enter .*reboot .*exit")
    assert.same({ "esx-2", "poweredOn", "0000:3b:00.0" }, where "one")
    assert.same({ false, false }, card("esx-1", "0000:3b:00.0"))
    l.sim:forget()
    local vm_ref = assert(l:client():one "/DC0/vm/one")
    assert(l:client():wait_for(vm_ref, { "guest.toolsRunningStatus" }, function(v)
      return v["guest.toolsRunningStatus"] == "guestToolsRunning" end, { timeout = 60 }))
    ok(l:command { "undo", done.err:match "run (move%-%S+)", "--allow", "reboot,guest-shutdown,power-off", "--journal", journal })
    assert.is_truthy(calls():find "exit .*move", calls())
    assert.same({ "esx-1", "poweredOn", "0000:3b:00.0" }, where "one")
    assert.same({ true, true }, card("esx-1", "0000:3b:00.0"))
    assert.same({}, l.sim:get "truth".violations)
  end)

  for _, changes in ipairs { 1, 3, 5, 7 } do
    it(("ends the same way if the run is killed after change %d and resumed"):format(changes), function()
      start({ ["esx-1"] = { ["0000:3b:00.0"] = true }, ["esx-2"] = { ["0000:3b:00.0"] = true } }, { vm("one", "esx-1", RUNNING) })
      local path = playbook((hosts_scope("esx-1", "disable"):gsub("p.host.disable", 'roll = { resend_after = "2s" }, %0')),
        move("one", "esx-2"))
      local k = assert(killed.after(l, { "apply", path, "--allow", "reboot,guest-shutdown" }, journal, changes))
      ok(l:command { "apply", "--resume", k.id, "--allow", "reboot,guest-shutdown", "--journal", journal })
      assert.same({ "esx-2", "poweredOn", "0000:3b:00.0" }, where "one")
      assert.same({ false, false }, card("esx-1", "0000:3b:00.0"))
      local _, reboots = calls():gsub("reboot", "")
      assert.equal(1, reboots)
      assert.same({}, l.sim:get "truth".violations)
    end)
  end

  it("moves it away from a host that gets another card, and to one that gets its card", function()
    start({ ["esx-1"] = { ["0000:3b:00.0"] = true, ["0000:86:00.0"] = false }, ["esx-2"] = { ["0000:3b:00.0"] = true } },
      { vm("one", "esx-1", RUNNING) })
    ok(apply(playbook(hosts_scope("esx-1", "enable"), move("one", "esx-2"))))
    assert.is_truthy(calls():find "^off move .*enter .*reboot", calls())
    assert.same({ "esx-2", "poweredOn", "0000:3b:00.0" }, where "one")
    assert.same({ true, true }, card("esx-1", "0000:86:00.0"))
    l:stop()

    start({ ["esx-1"] = { ["0000:3b:00.0"] = true }, ["esx-2"] = { ["0000:5e:00.0"] = false } }, { vm("one", "esx-1", RUNNING) })
    local path = playbook(hosts_scope("esx-2", "enable"), move("one", "esx-2"))
    assert.matches("move from esx-1 to esx-2, once that host is done", l:command { "plan", path, "--journal", journal }.out, 1, true)
    ok(apply(path))
    assert.is_truthy(calls():find "reboot exit off move", calls())
    assert.same({ "esx-2", "poweredOn", "0000:5e:00.0" }, where "one")
  end)

  it("takes the playbook of gpupt evacuate beside p.host.disable", function()
    start({ ["esx-1"] = { ["0000:3b:00.0"] = true }, ["esx-2"] = { ["0000:3b:00.0"] = true } }, { vm("one", "esx-1", RUNNING) })
    local file = l.dir .. "/evacuate.lua"
    ok(l:command { "evacuate", "esx-1", "--out", file, "--journal", journal })
    local text = io.open(file):read "a"
    local both = text:gsub("(return p.playbook { name = \"[^\"]+\",)", "%1\n  " .. hosts_scope("esx-1", "disable"))
    assert.is_not.equal(text, both)
    io.open(file, "w"):write(both):close()
    ok(apply(file))
    assert.same({ "esx-2", "poweredOn", "0000:3b:00.0" }, where "one")
    assert.same({ false, false }, card("esx-1", "0000:3b:00.0"))
  end)

  it("is refused with what to do where the hosts would wait for each other, and where the new card is taken away", function()
    start({ ["esx-1"] = { ["0000:3b:00.0"] = true, ["0000:86:00.0"] = false }, ["esx-2"] = { ["0000:3b:00.0"] = true,
      ["0000:86:00.0"] = false } }, { vm("one", "esx-1"), vm("two", "esx-2") })
    local plan = l:command { "plan", playbook(hosts_scope("*", "enable"), move("one", "esx-2"), move("two", "esx-1")), "--journal", journal }
    assert.equal(1, plan.status)
    assert.matches("these would wait for each other: ", plan.err, 1, true)
    assert.matches("Move the VMs in a playbook of their own, and change the hosts in another", plan.err, 1, true)
    l:stop()
    start({ ["esx-1"] = { ["0000:3b:00.0"] = true }, ["esx-2"] = { ["0000:3b:00.0"] = true } }, { vm("one", "esx-1") })
    plan = l:command { "plan", playbook(hosts_scope("esx-2", "disable"), move("one", "esx-2")), "--journal", journal }
    assert.equal(1, plan.status)
    assert.matches("esx-2: 3b:00.0 is given to one by this plan (gpu.attach at ", plan.err, 1, true)
  end)

  it("lets two VMs exchange hosts while one host is changed, and with one VM at a time", function()
    start({ ["esx-1"] = { ["0000:3b:00.0"] = true, ["0000:86:00.0"] = false }, ["esx-2"] = { ["0000:3b:00.0"] = true } },
      { vm("one", "esx-1"), vm("two", "esx-2") })
    local one_at_a_time = "parallel = { vcenter = 1 },"
    local path = playbook('p.hosts { where = "/DC0/host/a/esx-1", devices = p.gpus { address = "0000:86:00.0" }, p.host.enable {} },',
      move("one", "esx-2", one_at_a_time), move("two", "esx-1", one_at_a_time))
    ok(apply(path))
    assert.same({ "esx-2", "esx-1" }, { where "one"[1], where "two"[1] })
    assert.same({ true, true }, card("esx-1", "0000:86:00.0"))
  end)
end)
