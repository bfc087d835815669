-- Dynamic backings in the allocation: a number of cards, not certain ones. Without a server, on our own records.
local allocate = require "gpupt.fleet.allocation"
local ownership = require "gpupt.fleet.ownership"
local p = require "gpupt.playbook"
local snapshot = require "gpupt.fleet.snapshot"

local A100 = { vendor = 0x10de, device = 0x20b5, class = 0x0302, name = "A100", capable = true, enabled = true, active = true }

-- Hosts of one cluster; each host is a list of labels, one for each card (false: without a label).
local function fleet(hosts, drs)
  local w = snapshot.new {}
  local cluster = { name = "a", drs = drs or "fullyAutomated", hosts = {}, ref = { type = "ClusterComputeResource" } }
  for i, labels in ipairs(hosts) do
    local record = { name = "esx-" .. i, uuid = "u" .. i, ref = "h" .. i, memory_mb = 1 << 20, cards = {}, devices = {},
      vms = {}, connection = "connected", cluster = cluster }
    for n, label in ipairs(labels) do
      local card = { address = ("0000:%02x:00.0"):format(0x10 + n), host = record, label = label or nil }
      for k, v in pairs(A100) do card[k] = v end
      table.insert(record.cards, card)
      record.devices[card.address] = card
    end
    w.hosts[i], w.by_ref[record.ref], w.ids.id_of[record.ref], cluster.hosts[i] = record, record, "s" .. i, record
  end
  return w
end

local function fixed(host, n) return { kind = "fixed", address = ("0000:%02x:00.0"):format(0x10 + n), system_id = "s" .. host } end

local function dynamic(label, assigned)
  return { kind = "dynamic", allowed = { { vendorId = 0x10de, deviceId = 0x20b5 } }, label = label, assigned = assigned }
end

-- The VMs of the fleet: { name, host number, cards }.
local function vms(w, list)
  local records = {}
  for i, one in ipairs(list) do
    records[i] = { ref = "ref-" .. one[1], name = one[1], host = "h" .. one[2], cards = one[3],
      power = one.power or "poweredOff" }
  end
  w.ownership = ownership.of(records, function(id) return (id:gsub("s", "h")) end)
  return records
end

local cards = p.gpus { match = "10de:20b5" }

local function ask(w, pool, name, more)
  local request = { name = name, node = cards, count = 1, hosts = w.hosts, spread = "even", memory_mb = 1, dynamic = true }
  for k, v in pairs(more or {}) do request[k] = v end
  return allocate.take(pool, request)
end

describe("new VMs with a dynamic backing", function()
  it("get as many cards as there are, together with fixed ones", function()
    local w = fleet { { false, false }, { false } }
    local pool = allocate.pool(w)
    assert(ask(w, pool, "a"))
    assert(ask(w, pool, "b", { dynamic = false }))
    assert(ask(w, pool, "c"))
    local none, message, code = ask(w, pool, "d")
    assert.is_nil(none)
    assert.equal("ENOCARDS", code)
    assert.matches("needed for the dynamic backing of a", message, 1, true)
    assert.is_nil((ask(w, pool, "e", { dynamic = false })))
  end)

  it("do not get the cards of powered-off VMs with fixed backings, which the server would give them", function()
    local w = fleet { { false, false } }
    vms(w, { { "owner", 1, { fixed(1, 1) } } })
    local pool = allocate.pool(w)
    assert.equal("0000:12:00.0", assert(ask(w, pool, "a")).cards[1].address)
    local _, message = ask(w, pool, "b")
    assert.matches("11:00.0 held by owner (poweredOff)", message, 1, true)
  end)

  it("do not get those that powered-off VMs with dynamic backings will need", function()
    local w = fleet { { false, false }, { false } }
    vms(w, { { "old-1", 1, { dynamic() } }, { "old-2", 1, { dynamic(), dynamic() } } })
    local _, message = ask(w, allocate.pool(w), "a")
    assert.matches("11:00.0 needed for the dynamic backing of old-", message, 1, true)
  end)

  it("leave a fixed backing the card that it must have, if the dynamic one finds another", function()
    local w = fleet { { false, false } }
    vms(w, { { "old", 1, { dynamic() } } })
    local one = p.gpus { address = "11:00.0" }
    local two = p.gpus { address = "12:00.0" }
    for _, node in ipairs { one, two } do
      local pool = allocate.pool(w)
      assert(ask(w, pool, "a", { node = node, dynamic = false }))
      assert.is_nil((ask(w, pool, "b", { dynamic = false })))
    end
  end)

  it("get labelled cards only, if they ask for a label", function()
    local w = fleet { { false, "vdi" }, { "ml" } }
    local vdi = p.gpus { match = "10de:20b5", label = "vdi" }
    local pool = allocate.pool(w)
    local given = assert(ask(w, pool, "a", { node = vdi }))
    assert.equal("vdi", given.cards[1].label)
    assert.is_nil((ask(w, pool, "b", { node = vdi })))
    assert(ask(w, pool, "c")) -- the others are there
  end)

  it("keep to cards of their own host without DRS", function()
    local w = fleet({ { false }, { false } }, "off")
    vms(w, { { "old-1", 1, { dynamic() } }, { "old-2", 1, { dynamic() } } })
    assert.equal("esx-2", assert(ask(w, allocate.pool(w), "a")).host.name) -- old-2 cannot have that one
  end)

  it("may be on any host of the cluster with DRS, so its cards count", function()
    local w = fleet { { false }, { false } }
    vms(w, { { "old-1", 1, { dynamic() } }, { "old-2", 1, { dynamic() } } })
    assert.is_nil((ask(w, allocate.pool(w), "a")))
  end)

  it("have all their cards on one host", function()
    local w = fleet { { false, false }, { false, false } }
    local pool = allocate.pool(w)
    assert(ask(w, pool, "a"))
    local given = assert(ask(w, pool, "b", { count = 2 }))
    assert.equal(given.cards[1].host, given.cards[2].host)
    assert.is_nil((ask(w, pool, "c", { count = 2 })))
  end)
end)

describe("an existing VM with a dynamic backing", function()
  it("keeps what it has or waits for", function()
    local w = fleet { { false }, { false } }
    local list = vms(w, { { "a", 1, { dynamic(nil, "0000:11:00.0") }, power = "poweredOn" }, { "b", 2, { dynamic() } } })
    local pool = allocate.pool(w)
    for _, vm in ipairs(list) do assert(ask(w, pool, vm.name, { vm = vm })) end
    assert.is_nil((ask(w, pool, "c")))
  end)

  it("gets cards of another host of its cluster only with DRS", function()
    for drs, wanted in pairs { fullyAutomated = "esx-2", off = false } do
      local w = fleet({ { false }, { false } }, drs)
      local list = vms(w, { { "owner", 1, { fixed(1, 1) } }, { "a", 1, {} } })
      local given, message = ask(w, allocate.pool(w), "a", { vm = list[2] })
      assert.equal(wanted, given and given.cards[1].host.name or false)
      if not given then assert.matches("a needs 1 free GPU of 10de:20b5 on its host esx-1", message, 1, true) end
    end
  end)
end)

describe("on random clusters", function()
  -- Whether every VM can be powered on with its cards: the largest matching of backings and cards, by trying all.
  local function all_can_start(w, wants)
    local at = {}
    local function place(want, seen)
      for _, record in ipairs(want.hosts) do
        for _, card in ipairs(record.cards) do
          if not seen[card] and want.fits(card) then
            seen[card] = true
            if not at[card] or place(at[card], seen) then
              at[card] = want
              return true
            end
          end
        end
      end
      return false
    end
    for _, want in ipairs(wants) do if not place(want, {}) then return false end end
    return true, w
  end

  it("VMs are given cards exactly as long as all of them could start", function()
    math.randomseed(344)
    for _ = 1, 150 do
      local hosts = {}
      for i = 1, math.random(1, 4) do
        hosts[i] = {}
        for n = 1, math.random(1, 4) do hosts[i][n] = math.random(2) == 1 and "vdi" end
      end
      local drs = math.random(3) > 1 and "fullyAutomated" or "off"
      local w, wants = fleet(hosts, drs), {}
      local pool = allocate.pool(w)
      for i = 1, 16 do
        local label, is_dynamic = math.random(2) == 1 and "vdi" or nil, math.random(2) == 1
        local node = p.gpus { match = "10de:20b5", label = label }
        local given = ask(w, pool, "vm-" .. i, { node = node, dynamic = is_dynamic })
        local function fits(card) return not label or card.label == label end
        if given and not is_dynamic then
          local mine = given.cards[1]
          wants[#wants + 1] = { hosts = { mine.host }, fits = function(card) return card == mine end }
        elseif given then
          wants[#wants + 1] = { hosts = drs == "off" and { given.host } or w.hosts, fits = fits }
        end
        if given then
          assert.is_true(all_can_start(w, wants))
        elseif is_dynamic and drs ~= "off" then
          -- no card for one more
          wants[#wants + 1] = { hosts = w.hosts, fits = fits }
          assert.is_false((all_can_start(w, wants)))
          wants[#wants] = nil
        end
      end
    end
  end)
end)
