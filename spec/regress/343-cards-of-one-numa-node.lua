--- A VM with two cards got the first two free ones, of two sockets if it so happened, while two free ones of one socket were
-- there, and the plan did not say so.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

local check = gpupt.check

local function host(name, nodes)
  local cards = {}
  for n, node in ipairs(nodes) do
    cards[n] = lab.card(("0000:%02x:00.0"):format(0x10 + n), { enabled = true, numa = node })
  end
  return lab.host(name, { cards = cards, memory_gb = 64 })
end

describe("a VM with two cards", function()
  local site
  setup(function()
    site = lab.start { speed = 500, fleet = { clusters = { { name = "a", hosts = { host("esx-1", { 0, 1, 0, 1 }),
      host("esx-2", { 0, 1, 1 }) } } }, vms = { { name = "owner", host = "esx-1", devices = { "0000:11:00.0" },
        memory_mb = 1024, version = "vmx-20", firmware = "efi", memory_lock = true } } } }
  end)
  teardown(function() site:stop() end)

  local function plan(vms, cards)
    return check(site:plan(([[return p.playbook { name = "x", p.vms { count = %d, name = "vm-{n}", spread = "pack",
      place = { cluster = "a", network = "VM Network", datastore = "ds-1" },
      p.vm.create { guest = "ubuntu64Guest", cpus = 1, memory = "1 GiB", disk = "1 GiB" },
      p.gpu.attach { devices = p.gpus { match = "10de:20b5" }, count = %d } } }]]):format(vms, cards or 2)))
  end

  local function where(one)
    local words = { one.host.name }
    for _, card in ipairs(one.cards) do words[#words + 1] = card.address:match "^0000:(%x+):" end
    return table.concat(words, " ")
  end

  it("gets two of one NUMA node", function()
    local made = plan(2)
    assert.equal("esx-1 12 14", where(made.vms[1]))
    assert.equal("esx-2 12 13", where(made.vms[2]))
    assert.not_matches("NUMA", tostring(made), 1, true)
  end)

  it("gets others if no node has two free, and the plan says so", function()
    assert.matches("its cards 12:00.0 13:00.0 14:00.0 are on NUMA nodes 0 and 1 of esx-1: no node has 3 of them free",
      tostring(plan(1, 3)), 1, true)
  end)
end)
