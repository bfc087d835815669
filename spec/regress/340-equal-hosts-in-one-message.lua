--- A plan without enough cards listed the cards of the first hosts one by one, of 200 hosts in the same situation as of
-- two, said nothing of hosts with cards of another kind, and "no host can take the VM" named each host of the cluster.
local json = require "gpupt.json"
local lab = require "spec.support.lab"

local function card(address, more) return lab.card("0000:" .. address, more) end

-- { name =, hosts = } of `count` hosts; make(n) gives the fields of each.
local function cluster(name, count, make)
  local list = {}
  for n = 1, count do list[n] = lab.host(("%s-%02d"):format(name, n), make(n)) end
  return { name = name, hosts = list }
end

local function fleet()
  local desks = {}
  for n = 1, 20 do
    desks[n] = { name = "desk-" .. n, host = ("held-%02d"):format(n), devices = { "0000:3b:00.0" }, memory_mb = 1024,
      version = "vmx-20", firmware = "efi", memory_lock = true }
  end
  return { vms = desks, networks = { "VM Network", "other" }, clusters = {
    cluster("kinds", 30, function(n)
      return { cards = n == 30 and json.array {}
        or { card("3b:00.0", { enabled = n == 1, device = n > 25 and "1eb8" or "20b5" }) } }
    end),
    cluster("held", 20, function() return { cards = { card("3b:00.0", { enabled = true }), card "5e:00.0" } } end),
    cluster("small", 20, function(n) return { memory_gb = 32 + n, cards = { card("3b:00.0", { enabled = true }) } } end),
    cluster("apart", 20, function() return { networks = { "other" }, cards = { card("3b:00.0", { enabled = true }) } } end),
  } }
end

describe("a plan without enough cards", function()
  local site
  setup(function() site = lab.start { speed = 500, fleet = fleet() } end)
  teardown(function() site:stop() end)

  local function plan(name, memory)
    local result, message = site:plan(([[return p.playbook { name = "x",
  p.vms { count = 2, name = "vm-{n}", place = { cluster = "%s", network = "VM Network", datastore = "ds-1" },
    p.vm.create { guest = "ubuntu64Guest", cpus = 1, memory = "%s", disk = "1 GiB" },
    p.gpu.attach { devices = p.gpus { match = "10de:20b5" } } } }]]):format(name, memory or "1 GiB"))
    assert.is_nil(result)
    return message:gsub("/[%w./-]*play%-%d+%.lua", "play.lua")
  end

  it("names hosts in the same situation once, and those with other cards", function()
    assert.equal("play.lua:5: vm-2 needs 1 free GPU of 10de:20b5 on one host: kinds-01: 3b:00.0 planned for vm-1; "
      .. "kinds-[02-25]: 3b:00.0 off; kinds-[26-29] have no such card (only 1 x 10de:1eb8); kinds-30 has no GPU. "
      .. "Cards that are off: enable them with p.host.enable in a p.hosts of this playbook",
      (plan "kinds"))
  end)

  it("counts the cards of many hosts that have other owners each", function()
    assert.matches("on one host: held-[01-20]: 1 held by VMs, 1 off. ", plan "held", 1, true)
    assert.matches("The same for vm%-2$", (plan "held"))
  end)

  it("says that no host has the memory, without a line for each", function()
    assert.matches("on one host: small-[01-20] have less than 131072 MiB of unreserved memory", plan("small", "128 GiB"),
      1, true)
  end)

  it("names hosts without the network once", function()
    assert.matches("apart-[01-20] do not have the network VM Network", plan "apart", 1, true)
  end)
end)
