-- Which cards belong together, and which of a host's free cards a VM gets: without a server, on our own records.
local allocate = require "gpupt.fleet.allocation"
local locality = require "gpupt.fleet.locality"
local ownership = require "gpupt.fleet.ownership"
local p = require "gpupt.playbook"
local pci = require "gpupt.pci"
local sets = require "gpupt.fleet.sets"
local snapshot = require "gpupt.fleet.snapshot"

-- A fleet of hosts; each host is a list of devices { address, id = "10de:20b5[:10de:14a9]", parent =, dependent =, numa =,
-- class =, active = }.
local function fleet(hosts)
  local w = snapshot.new {}
  for i, devices in ipairs(hosts) do
    local record = { name = "esx-" .. i, uuid = "u" .. i, ref = "h" .. i, memory_mb = 1 << 20, cards = {}, devices = {},
      vms = {}, connection = "connected", numa_nodes = devices.numa_nodes or 2 }
    for _, one in ipairs(devices) do
      local vendor, device, subvendor, subdevice = (one.id or "10de:20b5"):match "^(%x+):(%x+):?(%x*):?(%x*)$"
      local card = { address = one[1], host = record, vendor = tonumber(vendor, 16), device = tonumber(device, 16),
        subvendor = tonumber(subvendor, 16), subdevice = tonumber(subdevice, 16), class = one.class or 0x0302,
        parent = one.parent, dependent = one.dependent, numa = one.numa, name = "card", capable = true, enabled = true,
        active = one.active ~= false }
      record.devices[one[1]] = card
      if pci.is_gpu(card) then table.insert(record.cards, card) end
    end
    w.hosts[i], w.by_ref[record.ref], w.ids.id_of[record.ref] = record, record, "s" .. i
  end
  return w
end

local function hold(w, address, host)
  local vm = { ref = "owner", name = "owner", power = "poweredOff", host = host or "h1",
    cards = { { kind = "fixed", address = address, system_id = (host or "h1"):gsub("h", "s") } } }
  w.ownership = ownership.of({ vm }, function(id) return (id:gsub("s", "h")) end)
end

local any = p.gpus { match = "10de:*" }

local function ask(w, pool, more)
  local request = { name = "vm", node = any, count = 1, hosts = w.hosts, spread = "even", memory_mb = 1024 }
  for k, v in pairs(more or {}) do request[k] = v end
  return allocate.take(pool, request)
end

local function addresses(given) return sets.addresses(given.cards) end

-- Two A16 behind a switch each: root port, switch, four GPUs.
local function a16(bus, root)
  local list = { { root, id = "8086:2030", class = 0x0604 },
    { ("0000:%02x:00.0"):format(bus), id = "10b5:8747", class = 0x0604, parent = root } }
  for n = 0, 3 do
    local port = ("0000:%02x:%02x.0"):format(bus + 1, n * 4)
    list[#list + 1] = { port, id = "10b5:8747", class = 0x0604, parent = ("0000:%02x:00.0"):format(bus) }
    list[#list + 1] = { ("0000:%02x:00.0"):format(bus + 2 + n), id = "10de:25b6:10de:14a9", parent = port }
  end
  return list
end

local function joined(...)
  local list = {}
  for _, some in ipairs { ... } do table.move(some, 1, #some, #list + 1, list) end
  return list
end

-- An HGX board: eight GPUs and four NVSwitches.
local function hgx(id)
  local list = {}
  for n = 0, 7 do list[#list + 1] = { ("0000:%02x:00.0"):format(0x18 + n), id = id or "10de:2330", numa = n // 4 } end
  for n = 0, 3 do list[#list + 1] = { ("0000:0%d:00.0"):format(n + 5), id = "10de:22a3", class = 0x0680 } end
  return list
end

local accepted = { ["nvswitch-passthrough"] = true }

describe("the sets of a host", function()
  it("are the boards: the GPUs of one model behind one switch", function()
    local w = fleet { joined(a16(0x10, "0000:00:01.0"), a16(0x20, "0000:00:02.0"), { { "0000:3b:00.0" } }) }
    local words = {}
    for i, set in ipairs(sets.of(w.hosts[1], "board")) do words[i] = sets.addresses(set.cards) end
    assert.same({ "12:00.0 13:00.0 14:00.0 15:00.0", "22:00.0 23:00.0 24:00.0 25:00.0", "3b:00.0" }, words)
  end)

  it("tell an A2 from an A16, which has the same device id", function()
    local w = fleet { { { "0000:3b:00.0", id = "10de:25b6:10de:157e" }, { "0000:5e:00.0", id = "10de:25b6:10de:157e" } } }
    assert.equal(2, #sets.of(w.hosts[1], "board"))
    assert.is_nil(sets.of(w.hosts[1], "board")[1].unsure)
  end)

  it("are not guessed if the host does not show what is on one board", function()
    local devices = {}
    for n = 0, 7 do devices[n + 1] = { ("0000:%02x:00.0"):format(0x10 + n), id = "10de:25b6:10de:14a9" } end
    local w = fleet { devices }
    local _, message = ask(w, allocate.pool(w), { whole = "board" })
    assert.matches("one of 4 GPUs of an A16, and the host does not show which are on one board", message, 1, true)
  end)

  it("are function groups: cards that depend on each other, or on one bridge", function()
    local w = fleet { { { "0000:60:00.0", id = "10b5:8747", class = 0x0604 },
      { "0000:61:00.0", dependent = "0000:60:00.0" }, { "0000:62:00.0", dependent = "0000:60:00.0" },
      { "0000:3b:00.0", dependent = "0000:3b:00.0" } } }
    assert.equal(2, #sets.of(w.hosts[1], "group"))
  end)
end)

describe("whole sets", function()
  it("are counted, and given complete", function()
    local w = fleet { joined(a16(0x10, "0000:00:01.0"), a16(0x20, "0000:00:02.0")) }
    local pool = allocate.pool(w)
    assert.equal("12:00.0 13:00.0 14:00.0 15:00.0", addresses(assert(ask(w, pool, { whole = "board" }))))
    assert.equal("22:00.0 23:00.0 24:00.0 25:00.0", addresses(assert(ask(w, pool, { whole = "board", name = "b" }))))
    local none, message = ask(w, pool, { whole = "board", name = "c" })
    assert.is_nil(none)
    assert.matches("c needs 1 free whole board of 10de:* on one host", message, 1, true)
  end)

  it("are not broken: a set of which one card is held is not given", function()
    local w = fleet { joined(a16(0x10, "0000:00:01.0"), a16(0x20, "0000:00:02.0")) }
    hold(w, "0000:13:00.0")
    local pool = allocate.pool(w)
    assert.equal("22:00.0 23:00.0 24:00.0 25:00.0", addresses(assert(ask(w, pool, { whole = "board" }))))
    local _, message = ask(w, pool, { whole = "board", name = "b" })
    assert.matches("12:00.0 free, but 13:00.0 of its board is not", message, 1, true)
  end)

  it("of an HGX board are its GPUs and NVSwitches, and have to be accepted", function()
    local w = fleet { hgx() }
    local _, message, code = ask(w, allocate.pool(w), { whole = "board" })
    assert.equal("ENOCARDS", code)
    assert.matches('needs accept = { "nvswitch-passthrough" }', message, 1, true)
    assert.matches("not supported on systems that include NVSwitch", message, 1, true)
    local given = assert(ask(w, allocate.pool(w), { whole = "board", accept = accepted }))
    assert.equal("18:00.0 19:00.0 1a:00.0 1b:00.0 1c:00.0 1d:00.0 1e:00.0 1f:00.0 05:00.0 06:00.0 07:00.0 08:00.0",
      addresses(given))
    assert.matches("unsupported", table.concat(given.notes, "\n"), 1, true)
  end)

  it("of an HGX B200, whose switches are not PCI devices, have to be accepted too", function()
    local devices = {}
    for n = 0, 7 do devices[n + 1] = { ("0000:%02x:00.0"):format(0x18 + n), id = "10de:2901" } end
    local w = fleet { devices }
    assert.is_nil((ask(w, allocate.pool(w), { whole = "board" })))
    assert.equal(8, #assert(ask(w, allocate.pool(w), { whole = "board", accept = accepted })).cards)
  end)

  it("need every NVSwitch active", function()
    local devices = hgx()
    devices[9].active = false
    local w = fleet { devices }
    local _, message = ask(w, allocate.pool(w), { whole = "board", accept = accepted })
    assert.matches("free, but the NVSwitch 05:00.0 is pending reboot", message, 1, true)
  end)

  it("of MI300X and others without a fabric of switches need no word", function()
    local devices = {}
    for n = 0, 7 do devices[n + 1] = { ("0000:%02x:00.0"):format(0x18 + n), id = "1002:74a1", class = 0x1200 } end
    local w = fleet { devices }
    assert.equal(8, #assert(ask(w, allocate.pool(w), { whole = "board", node = p.gpus { match = "1002:74a1" } })).cards)
  end)

  it("stay with the VM that has them", function()
    local w = fleet { joined(a16(0x10, "0000:00:01.0"), a16(0x20, "0000:00:02.0")) }
    local vm = { ref = "vm", host = "h1", cards = {} }
    for n, address in ipairs { "0000:22:00.0", "0000:23:00.0" } do
      vm.cards[n] = { kind = "fixed", address = address, system_id = "s1" }
    end
    w.ownership = ownership.of({ { ref = "vm", name = "vm", power = "poweredOff", host = "h1", cards = vm.cards } },
      function(id) return (id:gsub("s", "h")) end)
    assert.equal("22:00.0 23:00.0 24:00.0 25:00.0", addresses(assert(ask(w, allocate.pool(w), { whole = "board", vm = vm }))))
  end)

  it("that are split are noted", function()
    local w = fleet { a16(0x10, "0000:00:01.0") }
    local given = assert(ask(w, allocate.pool(w), { count = 3 }))
    assert.matches("12:00.0 13:00.0 14:00.0 are 3 of the 4 GPUs of an A16 of esx-1: the board is split",
      table.concat(given.notes, "\n"), 1, true)
    w = fleet { { { "0000:60:00.0", id = "10b5:8747", class = 0x0604 },
      { "0000:61:00.0", dependent = "0000:60:00.0" }, { "0000:62:00.0", dependent = "0000:60:00.0" } } }
    given = assert(ask(w, allocate.pool(w)))
    assert.matches("61:00.0 is in a function group with 62:00.0, which this VM does not get: a reset of one resets all",
      table.concat(given.notes, "\n"), 1, true)
  end)

  it("are broken last: a VM with one card gets one of a broken set", function()
    local w = fleet { joined(a16(0x10, "0000:00:01.0"), a16(0x20, "0000:00:02.0")) }
    hold(w, "0000:24:00.0")
    assert.equal("22:00.0", addresses(assert(ask(w, allocate.pool(w)))))
  end)
end)

describe("the cards of one VM", function()
  local function host(nodes)
    local devices = {}
    for i, node in ipairs(nodes) do devices[i] = { ("0000:%02x:00.0"):format(0x10 + i), numa = node } end
    return devices
  end

  it("are on one NUMA node where it has enough of them, the smallest such node", function()
    local w = fleet { host { 0, 1, 0, 1, 0 } }
    assert.equal("12:00.0 14:00.0", addresses(assert(ask(w, allocate.pool(w), { count = 2 }))))
    assert.equal("11:00.0 13:00.0 15:00.0", addresses(assert(ask(w, allocate.pool(w), { count = 3 }))))
  end)

  it("go to a host on which they are near each other, before one with more free cards", function()
    local w = fleet { host { 0, 1, 2, 3, 4 }, host { 0, 0 } }
    assert.equal("esx-2", assert(ask(w, allocate.pool(w), { count = 2 })).host.name)
  end)

  it("are noted if they cannot be on one node, or if the host does not say", function()
    local w = fleet { host { 0, 1 } }
    assert.matches("its cards 11:00.0 12:00.0 are on NUMA nodes 0 and 1 of esx-1: no node has 2 of them free",
      table.concat(assert(ask(w, allocate.pool(w), { count = 2 })).notes, "\n"), 1, true)
    w = fleet { { { "0000:11:00.0" }, { "0000:12:00.0" } } }
    assert.matches("unverified: esx-1 does not say on which NUMA nodes 11:00.0 12:00.0 are",
      table.concat(assert(ask(w, allocate.pool(w), { count = 2 })).notes, "\n"), 1, true)
    w.hosts[1].numa_nodes = 1
    assert.same({}, assert(ask(w, allocate.pool(w), { count = 2 })).notes)
  end)

  it("are near those that it has", function()
    local w = fleet { host { 0, 0, 1, 1, 1 } }
    local vm = { ref = "vm", host = "h1", cards = { { kind = "fixed", address = "0000:13:00.0", system_id = "s1" } } }
    w.ownership = ownership.of({ { ref = "vm", name = "vm", power = "poweredOff", host = "h1", cards = vm.cards } },
      function(id) return (id:gsub("s", "h")) end)
    assert.equal("13:00.0 14:00.0", addresses(assert(ask(w, allocate.pool(w), { vm = vm, count = 2 }))))
  end)

  it("are behind one switch of that node", function()
    local function behind(root, bus, numa)
      local list = { { root, id = "8086:2030", class = 0x0604, numa = numa },
        { ("0000:%02x:00.0"):format(bus), id = "10b5:8747", class = 0x0604, parent = root } }
      for n = 0, 1 do
        local port = ("0000:%02x:%02x.0"):format(bus + 1, n * 4)
        list[#list + 1] = { port, id = "10b5:8747", class = 0x0604, parent = ("0000:%02x:00.0"):format(bus) }
        list[#list + 1] = { ("0000:%02x:00.0"):format(bus + 2 + n), parent = port }
      end
      return list
    end
    local w = fleet { joined(behind("0000:00:01.0", 0x10, 0), behind("0000:00:02.0", 0x20, 0)) }
    hold(w, "0000:12:00.0")
    assert.equal(0, locality.node(w.hosts[1].devices["0000:13:00.0"])) -- of the root port above
    assert.equal("22:00.0 23:00.0", addresses(assert(ask(w, allocate.pool(w), { count = 2 }))))
  end)
end)

describe("on random hosts", function()
  -- Hosts with up to 16 cards on up to 4 nodes, some of them held.
  local function random_fleet()
    local hosts = {}
    for i = 1, math.random(1, 5) do
      hosts[i] = {}
      local nodes = math.random(1, 4)
      for n = 1, math.random(1, 16) do
        local node = math.random(0, nodes) -- 0: the host does not say
        hosts[i][n] = { ("0000:%02x:00.0"):format(0x10 + n), numa = node > 0 and node - 1 or nil,
          active = math.random(4) > 1, dependent = math.random(3) == 1 and ("0000:%02x:00.0"):format(0x10 + math.random(n))
            or nil }
      end
    end
    return fleet(hosts)
  end

  -- How many free cards each NUMA node of a host has.
  local function free_by_node(record, taken)
    local counts, all = {}, 0
    for _, card in ipairs(record.cards) do
      if card.active and not taken[card] then
        local key = card.numa or "?"
        counts[key], all = (counts[key] or 0) + 1, all + 1
      end
    end
    return counts, all
  end

  it("no card is given twice or while it is not active, and a VM is refused only if no host has enough", function()
    math.randomseed(342)
    for _ = 1, 100 do
      local w, taken = random_fleet(), {}
      local pool = allocate.pool(w)
      for i = 1, 30 do
        local count, spread = math.random(1, 5), math.random(2) == 1 and "even" or "pack"
        local near, enough = false, false
        for _, record in ipairs(w.hosts) do
          local counts, all = free_by_node(record, taken)
          enough = enough or all >= count
          for _, n in pairs(counts) do near = near or n >= count end
        end
        local given = ask(w, pool, { name = "vm-" .. i, count = count, spread = spread })
        assert.equal(enough, given ~= nil)
        local nodes, distinct = {}, 0
        for _, card in ipairs(given and given.cards or {}) do
          assert.is_nil(taken[card])
          assert.is_true(card.active)
          assert.equal(given.host, card.host)
          taken[card] = true
          if not nodes[card.numa or "?"] then distinct = distinct + 1 end
          nodes[card.numa or "?"] = true
        end
        if given then
          assert.equal(count, #given.cards)
          if near then assert.equal(1, distinct) end
        end
      end
    end
  end)

  it("whole groups are given whole", function()
    math.randomseed(343)
    for _ = 1, 60 do
      local w, taken = random_fleet(), {}
      local pool = allocate.pool(w)
      for i = 1, 20 do
        local given = ask(w, pool, { name = "vm-" .. i, whole = "group" })
        for _, card in ipairs(given and given.cards or {}) do
          assert.is_nil(taken[card])
          taken[card] = true
        end
        if given then
          for _, set in ipairs(sets.of(given.host, "group")) do
            local got = 0
            for _, card in ipairs(set.cards) do if taken[card] then got = got + 1 end end
            assert.is_true(got == 0 or got == #set.cards)
          end
        end
      end
    end
  end)
end)
