-- Who gets which card when several runs want some: two processes, 40 VMs, 40 free cards beside powered-off owners.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

local check = gpupt.check

local ADDRESSES = { "0000:3b:00.0", "0000:5e:00.0", "0000:86:00.0", "0000:af:00.0", "0000:d8:00.0" }

-- Hosts with five active cards, the last of which a powered-off VM has in its configuration.
local function fleet(hosts)
  local list, owners = {}, {}
  for n = 1, hosts do
    local cards = {}
    for i, address in ipairs(ADDRESSES) do cards[i] = lab.card(address, { enabled = true }) end
    local name = ("esx-%02d"):format(n)
    list[n] = lab.host(name, { cards = cards, memory_gb = 64 })
    owners[n] = { name = "owner-" .. n, host = name, devices = { ADDRESSES[5] }, memory_mb = 4096, version = "vmx-20",
      firmware = "efi", memory_lock = true }
  end
  return { clusters = { { name = "a", hosts = list } }, vms = owners }
end

local function playbook(name, count, more)
  return ([[return p.playbook { name = "%s", p.vms { name = "%s-{n:02}", count = %d, %s
  place = { cluster = "a", network = "VM Network", datastore = "ds-1" },
  p.vm.create { guest = "ubuntu64Guest", cpus = 1, memory = "1 GiB", disk = "1 GiB" },
  p.gpu.attach { devices = p.gpus { match = "10de:20b5" }, power_on = false } } }]]):format(name, name, count, more or "")
end

-- The VMs by the host and card that their configuration names.
local function holders(site)
  local hosts, list, count = {}, {}, 0
  for host in site:client():collect { type = "HostSystem", paths = { "name" } } do hosts[host.ref] = host.name end
  for vm in site:client():collect { type = "VirtualMachine", paths = { "name", "runtime.host", "config.hardware.device" } } do
    for _, device in ipairs(vm["config.hardware.device"]) do
      if device._type == "VirtualPCIPassthrough" then
        local card = hosts[vm["runtime.host"]] .. " " .. device.backing.id
        assert.is_nil(list[card], card)
        list[card], count = vm.name, count + 1
      end
    end
  end
  return list, count
end

describe("two processes that create 40 VMs on 10 hosts with 40 free cards", function()
  local site, first, second
  setup(function()
    site = lab.start { speed = 1000, fleet = fleet(10) }
    local one, two = site:write(playbook("one", 20)), site:write(playbook("two", 20))
    first, second = site:start_command { "apply", one }, site:start_command { "apply", two }
    first, second = first:wait(), second:wait()
  end)
  teardown(function() site:stop() end)

  it("both end well, and no card has two VMs", function()
    assert.same({ 0, 0 }, { first.status, second.status }, first.err .. second.err)
    local list, count = holders(site)
    assert.equal(50, count) -- with the owners'
    for n = 1, 10 do assert.equal("owner-" .. n, list[("esx-%02d %s"):format(n, ADDRESSES[5])]) end
  end)

  it("spread them: four on each host", function()
    local per_host = {}
    for card in pairs((holders(site))) do
      local host = card:match "^%S+"
      per_host[host] = (per_host[host] or 0) + 1
    end
    for n = 1, 10 do assert.equal(5, per_host[("esx-%02d"):format(n)]) end
  end)

  it("leave no card for a 41st, which fails in plan, in one line", function()
    site.sim:forget()
    local result = site:command { "plan", site:write(playbook("three", 1)) }
    assert.equal(1, result.status)
    assert.matches("three-01 needs 1 free GPU of 10de:20b5 on one host: esx-[01-10]: 5 held by VMs\n", result.err, 1, true)
    assert.same({}, site:changing())
  end)
end)

describe("two processes that create VMs with dynamic backings", function()
  local site, first, second
  setup(function()
    local free = fleet(2)
    free.vms = nil -- the server would give away the cards of powered-off VMs
    site = lab.start { speed = 1000, fleet = free }
    local function dynamic(name) return site:write((playbook(name, 5):gsub("power_on = false", 'backing = "dynamic"'))) end
    local one, two = dynamic "one", dynamic "two"
    first, second = site:start_command { "apply", one }, site:start_command { "apply", two }
    first, second = first:wait(), second:wait()
  end)
  teardown(function() site:stop() end)

  it("both end well: ten VMs run, each with a card of its own", function()
    assert.same({ 0, 0 }, { first.status, second.status }, first.err .. second.err)
    local seen, running = {}, 0
    for vm in site:client():collect { type = "VirtualMachine", paths = { "name", "runtime.host", "runtime.powerState",
      "config.hardware.device" } } do
      for _, device in ipairs(vm["config.hardware.device"]) do
        local id = device._type == "VirtualPCIPassthrough" and device.backing._type:find "Dynamic" and device.backing.assignedId
        if id then
          local card = tostring(vm["runtime.host"]) .. " " .. id
          assert.is_nil(seen[card], card)
          seen[card], running = vm.name, running + 1
          assert.equal("poweredOn", vm["runtime.powerState"])
        end
      end
    end
    assert.equal(10, running)
  end)

  it("leave none for an eleventh", function()
    local plan, message = site:plan((playbook("three", 1):gsub("power_on = false", 'backing = "dynamic"')))
    assert.is_nil(plan)
    assert.matches("three-01 needs 1 free GPU of 10de:20b5 on one host", message, 1, true)
  end)
end)

describe("a run and the runs beside it", function()
  local site, journal, moment, uuids
  setup(function()
    site = lab.start { speed = 1000, fleet = fleet(2) }
    journal = site:journal()
    moment = require "gpupt.clock".read()
    uuids = {}
    for host in site:client():collect { type = "HostSystem", paths = { "name", "hardware.systemInfo.uuid" } } do
      uuids[host.name] = host["hardware.systemInfo.uuid"]
    end
    assert(journal:enter(moment, { run = "other-1", process = "p", pid = 1, client_host = "elsewhere", seconds = 600 }))
    for i = 1, 3 do
      assert(journal:claim(moment, { run = "other-1", process = "p", what = "card", vm = "theirs-" .. i, host = "esx-01",
        resource = ("card/%s/%s"):format(uuids["esx-01"], ADDRESSES[i]) }))
    end
  end)
  teardown(function()
    journal:close()
    site:stop()
  end)

  it("does not plan with cards that another run has claimed, and says which", function()
    local plan = check(site:plan(playbook("ours", 5), { journal = journal }))
    local taken = {}
    for _, target in ipairs(plan.vms) do
      taken[target.host.name] = (taken[target.host.name] or 0) + 1
      if target.host.name == "esx-01" then assert.equal(ADDRESSES[4], target.cards[1].address) end
    end
    assert.same({ ["esx-01"] = 1, ["esx-02"] = 4 }, taken)
    local none, message = site:plan(playbook("ours", 6), { journal = journal })
    assert.is_nil(none)
    assert.matches("3b:00.0 claimed by run other-1 for theirs-1", message, 1, true)
  end)

  it("plans the VM for which a run has claimed a card with that card: the run may be interrupted", function()
    assert(journal:claim(moment, { run = "other-1", process = "p", what = "card", vm = "mine-01", host = "esx-02",
      resource = ("card/%s/%s"):format(uuids["esx-02"], ADDRESSES[3]) }))
    local plan = check(site:plan(playbook("mine", 1), { journal = journal }))
    assert.same({ "esx-02", ADDRESSES[3] }, { plan.vms[1].host.name, plan.vms[1].cards[1].address })
    assert.matches("claimed by run other-1", tostring(plan), 1, true)
  end)

  it("is refused, to be planned again, if a run that has ended since has attached one of its cards", function()
    local store = site:journal()
    local early, late = check(site:plan(playbook("early", 1))), check(site:plan(playbook("late", 1)))
    assert.equal(early.vms[1].cards[1].address, late.vms[1].cards[1].address)
    assert.equal("done", check(early:apply { journal = store }):result().status)
    site.sim:forget()
    local run, message, code, detail = late:apply { journal = store }
    assert.same({ nil, "EREFUSED", true }, { run, code, detail.again })
    assert.matches("esx-01: 3b:00.0, planned for late-01, is held by early-01 (poweredOff) since", message, 1, true)
    assert.same({}, site:changing())
    store:close()
  end)
end)

describe("keep_free", function()
  local site
  setup(function()
    local two = fleet(1)
    two.clusters[2] = { name = "b", hosts = { lab.host("esx-b", { cards = {
      lab.card(ADDRESSES[1], { enabled = true }), lab.card(ADDRESSES[2], { enabled = true }) } }) } }
    for _, one in ipairs { { "desk-1", "esx-01" }, { "desk-2", "esx-b" } } do
      table.insert(two.vms, { name = one[1], host = one[2], memory_mb = 4096, version = "vmx-20", firmware = "efi" })
    end
    site = lab.start { speed = 1000, fleet = two }
  end)
  teardown(function() site:stop() end)

  local function over(keep)
    return check(site:plan(([[return p.playbook { name = "x", p.vms { where = "/DC0/vm/desk-*", keep_free = %s,
      p.gpu.attach { devices = p.gpus { match = "10de:20b5" }, power_on = false } } }]]):format(keep))).over
  end

  it("counts each cluster by itself", function()
    assert.same({}, over(1))
    local list = over(2)
    assert.equal(1, #list)
    assert.matches("keep_free = 2 (", list[1], 1, true)
    assert.matches("and only 1 would stay free in b", list[1], 1, true)
    assert.equal(2, #over(4))
  end)
end)
