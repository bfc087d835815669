--- Decides which VM gets which cards of which host.
-- An existing VM stays on its host and keeps its cards; the others come from the free cards: cards that match the
-- selector, that are active or will be activated by this playbook, that no VM holds (also not a powered-off one), and
-- that no other run has claimed. New VMs are spread evenly, or packed host by host.
--
-- The result depends on the fleet and the order of the requests only: hosts are tried by name, cards by address.
-- Nothing here calls the server.
local host_records = require "gpupt.fleet.host"
local ranges = require "gpupt.ranges"
local selector = require "gpupt.fleet.selector"
local shortage = require "gpupt.fleet.shortage"

local allocation = {}

--- The pool of a fleet's cards. `claims`: the cards that other runs have claimed, { ["UUID/0000:3b:00.0"] = { run =,
-- vm = } }, by the host's uuid and the address.
function allocation.pool(fleet, claims)
  return { fleet = fleet, claims = claims or {}, taken = {}, used_memory = {}, selected = {}, sorted = {}, short = {} }
end

local function key_of(card) return card.host.uuid .. "/" .. card.address end

-- Why nothing can be placed on a host, or nil. A host that the run to resume has rebooted will be back.
local function unusable(record)
  return not record.ours and (record.skipped or host_records.unavailable(record)) or nil
end

--- Why a card is not free, or nil; and the same without names. `except`: the reference of the VM that it is for (other
-- VMs may have its name). `name`: that VM's name, for which another run may have claimed the card.
local function blocked(pool, card, except, name)
  if not card.capable then return "not capable" end
  local away = unusable(card.host)
  if away then return "the host " .. away end
  if not pool.fleet:will_be_active(card) then return host_records.state(card) end
  if card.vgpu then return card.vgpu end
  local owner = pool.taken[card]
  if owner then return "planned for " .. owner, "planned for other VMs" end
  for _, one in ipairs(pool.fleet:owners(card)) do
    if one.ref ~= except then return ("held by %s (%s)"):format(one.name, one.power or "?"), "held by VMs" end
  end
  local silence = pool.fleet:silence(card.host)
  if silence then return "the host " .. silence end
  local claim = pool.claims[key_of(card)]
  if claim and claim.vm ~= name then
    return ("claimed by run %s for %s"):format(claim.run, claim.vm or "a VM"), "claimed by other runs"
  end
end

-- The matching cards of a host.
local function selected(pool, node, record)
  local of_node = pool.selected[node]
  if not of_node then
    of_node = {}
    pool.selected[node] = of_node
  end
  local list = of_node[record]
  if not list then
    list = {}
    for _, card in ipairs(record.cards) do
      if selector.matches(node, card) then list[#list + 1] = card end
    end
    of_node[record] = list
  end
  return list
end

-- The free cards of a host, and how many of them an earlier run has claimed for this VM: those come first.
local function free_of(pool, record, node, request)
  local list, claimed = {}, {}
  local name, except = request and request.name, request and request.vm and request.vm.ref
  for _, card in ipairs(selected(pool, node, record)) do
    if not blocked(pool, card, except, name) then
      table.insert(pool.claims[key_of(card)] and claimed or list, card)
    end
  end
  if #claimed == 0 then return list, 0 end
  return table.move(list, 1, #list, #claimed + 1, claimed), #claimed
end

--- The memory of a host that neither this plan nor, if they were read, the running VMs have reserved.
local function memory_left(pool, record)
  return (record.unreserved_mb or record.memory_mb) - (pool.used_memory[record] or 0)
end

--- Why a new VM cannot be on this host, apart from its cards; or nil. And the same without the figures.
local function unfit(pool, record, request)
  local why = unusable(record) or host_records.closed(record) or request.unfit and request.unfit(record)
  if why then return why end
  if memory_left(pool, record) < (request.memory_mb or 0) then
    return ("has %d MiB of unreserved memory, and %s needs %d MiB"):format(memory_left(pool, record), request.name,
      request.memory_mb), ("has less than %d MiB of unreserved memory"):format(request.memory_mb)
  end
end

-- "has no such card (its GPUs: 2 x 10de:20b5)"
local function of_another_kind(record)
  local counts, order = {}, {}
  for _, card in ipairs(record.cards) do
    local id = ("%04x:%04x"):format(card.vendor, card.device)
    if not counts[id] then order[#order + 1] = id end
    counts[id] = (counts[id] or 0) + 1
  end
  table.sort(order)
  for i, id in ipairs(order) do order[i] = ("%d x %s"):format(counts[id], id) end
  return #order == 0 and "has no GPU" or ("has no such card (only %s)"):format(table.concat(order, ", "))
end

--- The cards of each host, to explain why there are too few: "esx-a-1: 3b:00.0 held by x (poweredOff), 86:00.0 free".
local function inventory_text(pool, hosts, request, any_host)
  local list = {}
  for i, record in ipairs(hosts) do
    local entry = { name = record.name }
    if any_host then entry.why, entry.brief = unfit(pool, record, request) end
    local cards = selected(pool, request.node, record)
    if not entry.why and #cards == 0 then
      entry.why = of_another_kind(record)
    elseif not entry.why then
      entry.cards = {}
      for n, card in ipairs(cards) do
        local why, brief = blocked(pool, card, request.vm and request.vm.ref, request.name)
        entry.cards[n] = { address = card.address, why = why, brief = brief }
      end
    end
    list[i] = entry
  end
  return #list > 0 and shortage.text(list) or "there are no hosts"
end

-- Whether a host with enough matching cards is away or in maintenance mode, or does not say who holds them.
local function away_of(pool, request)
  for _, record in ipairs(request.hosts) do
    local away = not record.ours and (host_records.away(record) or host_records.closed(record))
      or pool.fleet:silence(record)
    if away and #selected(pool, request.node, record) >= request.count then
      return true
    end
  end
  return false
end

local function take(pool, cards, count, name)
  local list = {}
  for i = 1, count do
    list[i] = cards[i]
    pool.taken[cards[i]] = name
  end
  return list
end

--- The matching cards that a VM already holds.
local function held(pool, record, node, vm)
  local list = {}
  for _, card in ipairs(vm.cards) do
    local device = card.kind == "fixed" and record.devices[card.address]
    if device and pool.fleet:names(card, record) and selector.matches(node, device) then
      list[#list + 1] = device
    end
  end
  return list
end

-- The hosts of a request by name: the order in which a server lists them is not kept over a restart.
local function in_order(pool, hosts)
  local list = pool.sorted[hosts]
  if not list then
    list = table.move(hosts, 1, #hosts, 1, {})
    table.sort(list, function(a, b)
      if a.name ~= b.name then return ranges.before(a.name, b.name) end
      return tostring(a.uuid) < tostring(b.uuid)
    end)
    pool.sorted[hosts] = list
  end
  return list
end

local function gpus(count) return ("GPU%s"):format(count == 1 and "" or "s") end

local function take_on_its_host(pool, request)
  local name, node, count = request.name, request.node, request.count
  local record = pool.fleet.by_ref[request.vm.host]
  if not record then
    return nil, ("%s is on a host that the playbook does not include"):format(name), "ENOHOST"
  end
  local own = held(pool, record, node, request.vm)
  for _, card in ipairs(own) do pool.taken[card] = name end
  local left = memory_left(pool, record)
  if left < (request.memory_mb or 0) then
    return nil, ("%s will reserve %d MiB more, and its host %s has %d MiB of unreserved memory"):format(name,
      request.memory_mb, record.name, left), "ENOMEMORY"
  end
  pool.used_memory[record] = (pool.used_memory[record] or 0) + (request.memory_mb or 0)
  if #own >= count then return { host = record, cards = table.move(own, 1, count, 1, {}) } end
  local free = free_of(pool, record, node, request)
  if #own + #free < count then
    return nil, ("%s needs %d %s of %s on its host %s, but only %d %s free: %s"):format(name, count, gpus(count),
      selector.describe(node), record.name, #own + #free, #own + #free == 1 and "is" or "are",
      inventory_text(pool, { record }, request)), "ENOCARDS"
  end
  table.move(take(pool, free, count - #own, name), 1, count - #own, #own + 1, own)
  return { host = record, cards = own }
end

-- A host is better for a VM if an earlier run has claimed its cards for it; then by its free cards.
local function better(request, one, best)
  if not best then return true end
  if one.claimed ~= best.claimed then return one.claimed > best.claimed end
  if request.spread == "pack" then return #one.free < #best.free end
  return #one.free > #best.free
end

local function take_anywhere(pool, request)
  local name, count = request.name, request.count
  -- what others left did not suffice for a VM like this one, and nothing is given back
  local of_hosts = pool.short[request.hosts] or {}
  pool.short[request.hosts] = of_hosts
  local same = ("%p %d %d"):format(request.node, count, request.memory_mb or 0)
  if of_hosts[same] then return table.unpack(of_hosts[same], 1, 4) end
  local best
  for _, record in ipairs(in_order(pool, request.hosts)) do
    if not unfit(pool, record, request) then
      local free, claimed = free_of(pool, record, request.node, request)
      local one = { host = record, free = free, claimed = claimed }
      if #free >= count and better(request, one, best) then best = one end
    end
  end
  if not best then
    local refusal = { nil, ("%s needs %d free %s of %s on one host: %s"):format(name, count, gpus(count),
      selector.describe(request.node), inventory_text(pool, in_order(pool, request.hosts), request, true)), "ENOCARDS",
      { away = away_of(pool, request) } }
    -- VMs that wait for a host are listed one by one
    if not refusal[4].away and not next(pool.claims) then of_hosts[same] = refusal end
    return table.unpack(refusal, 1, 4)
  end
  pool.used_memory[best.host] = (pool.used_memory[best.host] or 0) + (request.memory_mb or 0)
  return { host = best.host, cards = take(pool, best.free, count, name) }
end

--- Assigns `count` cards to a VM. `request` = { name, node, count, hosts (allowed records), spread, vm (record
-- if it exists), memory_mb (that it will reserve in addition to what it has reserved now), unfit (of a new VM: why it
-- cannot be on a host, or nil) }. Result { host = record, cards = list }; or nil, message, "ENOCARDS" or "ENOMEMORY".
function allocation.take(pool, request)
  if request.vm then return take_on_its_host(pool, request) end
  return take_anywhere(pool, request)
end

--- How many cards are free on these hosts that any of the selectors matches.
function allocation.free_count(pool, hosts, nodes)
  local count, seen = 0, {}
  for _, node in ipairs(nodes) do
    for _, record in ipairs(hosts) do
      for _, card in ipairs((free_of(pool, record, node))) do
        if not seen[card] then count = count + 1 end
        seen[card] = true
      end
    end
  end
  return count
end

return allocation
