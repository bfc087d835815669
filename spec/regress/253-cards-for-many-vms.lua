--- 200 new VMs for which there are no cards gave 200 problems, each with the cards of every host of the cluster. VMs that
-- are refused for the same reason are one problem, and hosts in the same situation are named once.
local lab = require "spec.support.lab"

local function site_of(hosts)
  local list = {}
  for n = 1, hosts do
    list[n] = lab.host(("esx-%02d"):format(n), { cards = { lab.card("0000:3b:00.0", { enabled = n == 1 }) } })
  end
  return lab.start { speed = 500, fleet = { clusters = { { name = "a", hosts = list } } } }
end

local function plan(site, count, cards)
  local result, message, _, detail = site:plan(([[return p.playbook { name = "x",
  p.vms { count = %d, name = "vm-{n}", place = { cluster = "a", network = "VM Network", datastore = "ds-1" },
    p.vm.create { guest = "ubuntu64Guest", cpus = 1, memory = "1 GiB", disk = "1 GiB" },
    p.gpu.attach { devices = p.gpus { match = "10de:20b5" }, count = %s } } }]]):format(count, cards))
  site:stop()
  assert.is_nil(result)
  return message:gsub("/[%w./-]*play%-%d+%.lua", "play.lua"), detail.problems
end

describe("new VMs without cards for them", function()
  it("are one problem, with the names", function()
    local message, problems = plan(site_of(2), 3, "1")
    assert.equal("play.lua:5: vm-2 needs 1 free GPU of 10de:20b5 on one host: esx-01: 3b:00.0 planned for vm-1; "
      .. "esx-02: 3b:00.0 off. Cards that are off: enable them with p.host.enable in a p.hosts of this playbook. "
      .. "The same for vm-3", message)
    assert.equal(1, #problems)
  end)

  it("are one problem, with the first names if they are many", function()
    assert.matches(". The same for vm-3, vm-4, vm-5 and 5 more", plan(site_of(2), 10, "1"), 1, true)
  end)

  it("are a problem each if they need different numbers of cards", function()
    local _, problems = plan(site_of(1), 2, 'function(vm) return vm.name == "vm-1" and 2 or 3 end')
    assert.equal(2, #problems)
  end)

  it("name equal hosts once", function()
    assert.matches("esx-01: 3b:00.0 planned for vm-1; esx-[02-12]: 3b:00.0 off", plan(site_of(12), 2, "1"), 1, true)
  end)
end)
