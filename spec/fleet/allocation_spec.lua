-- Which VM gets which cards: without a server, on our own records.
local allocate = require "gpupt.fleet.allocation"
local ownership = require "gpupt.fleet.ownership"
local p = require "gpupt.playbook"
local snapshot = require "gpupt.fleet.snapshot"

local A100 = { vendor = 0x10de, device = 0x20b5, class = 0x0302, name = "A100", capable = true, enabled = true, active = true }

local function fleet(hosts)
  local w = snapshot.new {}
  for i, addresses in ipairs(hosts) do
    local record = { name = "esx-" .. i, uuid = "u" .. i, ref = "h" .. i, memory_mb = 100 * 1024, cards = {},
      devices = {}, vms = {}, connection = "connected" }
    for _, address in ipairs(addresses) do
      local card = { address = address, host = record }
      for k, v in pairs(A100) do card[k] = v end
      table.insert(record.cards, card)
      record.devices[address] = card
    end
    w.hosts[i], w.by_ref[record.ref], w.ids.id_of[record.ref] = record, record, "s" .. i
  end
  return w
end

-- A VM whose fixed backing names this card of the host with this systemId.
local function hold(w, vm, address, system_id)
  vm.ref, vm.cards = vm.name, { { kind = "fixed", address = address, system_id = system_id } }
  w.ownership = ownership.of({ vm }, function(id) return (id:gsub("s", "h")) end)
end

local cards = p.gpus { match = "10de:20b5" }
local FOUR = { "0000:3b:00.0", "0000:5e:00.0", "0000:86:00.0", "0000:af:00.0" }

local function ask(w, pool, name, more)
  local request = { name = name, node = cards, count = 1, hosts = w.hosts, spread = "even", memory_mb = 1024 }
  for k, v in pairs(more or {}) do request[k] = v end
  return allocate.take(pool, request)
end

local function names(w, count, more)
  local pool, list = allocate.pool(w), {}
  for i = 1, count do list[i] = assert(ask(w, pool, "m-" .. i, more)).host.name end
  return table.concat(list, " ")
end

describe("the allocation of cards", function()
  it("spreads VMs evenly over the hosts", function()
    assert.equal("esx-1 esx-2 esx-1 esx-2", names(fleet { FOUR, FOUR }, 4))
  end)

  it("packs them host by host if configured", function()
    assert.equal("esx-1 esx-1 esx-1 esx-1 esx-2", names(fleet { FOUR, FOUR }, 5, { spread = "pack" }))
  end)

  it("keeps all cards of a VM on one host", function()
    local w = fleet { { FOUR[1] }, { FOUR[1], FOUR[2], FOUR[3] } }
    assert.equal("esx-2", names(w, 1, { count = 3 }))
    local given, message, code = ask(w, allocate.pool(w), "m", { count = 4 })
    assert.is_nil(given)
    assert.equal("ENOCARDS", code)
    assert.matches("m needs 4 free GPUs of 10de:20b5 on one host: esx-1: 3b:00.0 free; esx-2: 3b:00.0 free", message, 1, true)
  end)

  it("assigns no card twice, and reports which VM got each", function()
    local w = fleet { { FOUR[1], FOUR[2] } }
    local pool = allocate.pool(w)
    local first, second = assert(ask(w, pool, "a")), assert(ask(w, pool, "b"))
    assert.are_not.equal(first.cards[1], second.cards[1])
    local _, message = ask(w, pool, "c")
    assert.matches("3b:00.0 planned for a, 5e:00.0 planned for b", message, 1, true)
  end)

  it("gives every card of 10 hosts with 4 to 40 VMs, and refuses the 41st", function()
    local hosts = {}
    for i = 1, 10 do hosts[i] = FOUR end
    local w = fleet(hosts)
    local pool, seen = allocate.pool(w), {}
    for i = 1, 40 do
      local card = assert(ask(w, pool, "m-" .. i)).cards[1]
      assert.is_nil(seen[card])
      seen[card] = true
    end
    assert.is_nil((ask(w, pool, "m-41")))
  end)

  it("does not depend on the order in which the server lists hosts", function()
    math.randomseed(340)
    for _ = 1, 50 do
      local hosts = {}
      for i = 1, math.random(2, 12) do
        hosts[i] = {}
        for n = 1, math.random(1, 4) do hosts[i][n] = FOUR[n] end
      end
      local w, spread = fleet(hosts), math.random(2) == 1 and "even" or "pack"
      local shuffled = table.move(w.hosts, 1, #w.hosts, 1, {})
      for i = #shuffled, 2, -1 do
        local k = math.random(i)
        shuffled[i], shuffled[k] = shuffled[k], shuffled[i]
      end
      local one, other = allocate.pool(w), allocate.pool(w)
      for i = 1, 20 do
        local more = { count = i % 3 + 1, spread = spread }
        local a, why = ask(w, one, "m-" .. i, more)
        more.hosts = shuffled
        local b, reason = ask(w, other, "m-" .. i, more)
        assert.equal(why, reason)
        assert.same(a and { a.host.name, a.cards[1].address }, b and { b.host.name, b.cards[1].address })
      end
    end
  end)

  it("does not take cards of other VMs, even powered-off ones", function()
    local w = fleet { { FOUR[1], FOUR[2] } }
    hold(w, { name = "owner", power = "poweredOff", host = "h1" }, FOUR[1], "s1")
    local pool = allocate.pool(w)
    assert.equal(FOUR[2], assert(ask(w, pool, "a")).cards[1].address)
    local _, message = ask(w, pool, "b")
    assert.matches("3b:00.0 held by owner (poweredOff)", message, 1, true)
  end)

  it("takes an inactive card only if the playbook activates it", function()
    local w = fleet { { FOUR[1] } }
    w.hosts[1].cards[1].active = false
    local _, message = ask(w, allocate.pool(w), "a")
    assert.matches("3b:00.0 pending reboot", message, 1, true)
    w:expect_active(w.hosts[1].cards[1])
    assert.is_truthy(ask(w, allocate.pool(w), "a"))
  end)

  it("leaves a VM on its host, with its cards", function()
    local w = fleet { FOUR, FOUR }
    local vm = { host = "h2", cards = { { kind = "fixed", address = FOUR[3], system_id = "s2" } } }
    hold(w, { name = "a", power = "poweredOn", host = "h2" }, FOUR[3], "s2")
    local given = assert(ask(w, allocate.pool(w), "a", { vm = vm, count = 2 }))
    assert.same({ "esx-2", FOUR[3], FOUR[1] }, { given.host.name, given.cards[1].address, given.cards[2].address })
  end)

  it("counts the memory of earlier VMs", function()
    local w = fleet { FOUR, FOUR }
    assert.equal("esx-1 esx-2", names(w, 2, { spread = "pack", memory_mb = 60 * 1024 }))
  end)

  it("takes no card of a skipped host", function()
    local w = fleet { FOUR }
    w.hosts[1].skipped = "is notResponding"
    assert.is_nil((ask(w, allocate.pool(w), "a")))
  end)

  it("places nothing on a host that is away, and names it", function()
    local w = fleet { { FOUR[1] }, { FOUR[1] } }
    w.hosts[1].connection = "notResponding"
    assert.equal("esx-2", names(w, 1))
    local _, message, code, detail = ask(w, allocate.pool(w), "a", { count = 2 })
    assert.equal("ENOCARDS", code)
    assert.matches("esx-1 is not responding; esx-2: 3b:00.0 free", message, 1, true)
    assert.is_false(detail.away) -- it would not help
    w.hosts[2].standby = "in"
    _, message, _, detail = ask(w, allocate.pool(w), "a")
    assert.matches("esx-2 is in standby", message, 1, true)
    assert.is_true(detail.away)
    w.hosts[1].ours = true -- this run's reboot: it will be back
    assert.equal("esx-1", names(w, 1))
  end)
end)
