--- Decides which VM gets which cards of which host.
-- An existing VM stays on its host and keeps its cards; the others come from the free cards: cards that match the
-- selector, that are active or will be activated by this playbook, that no VM holds (also not a powered-off one), and
-- that no other run has claimed. New VMs are spread evenly, or packed host by host.
--
-- The result depends on the fleet and the order of the requests only: hosts are tried by name, cards by address.
-- Nothing here calls the server.
local boards = require "gpupt.facts.boards"
local host_records = require "gpupt.fleet.host"
local locality = require "gpupt.fleet.locality"
local pci = require "gpupt.pci"
local ranges = require "gpupt.ranges"
local selector = require "gpupt.fleet.selector"
local sets = require "gpupt.fleet.sets"
local shortage = require "gpupt.fleet.shortage"

local allocation = {}

--- The pool of a fleet's cards. `claims`: the cards that other runs have claimed, { ["UUID/0000:3b:00.0"] = { run =,
-- vm = } }, by the host's uuid and the address.
function allocation.pool(fleet, claims)
  return { fleet = fleet, claims = claims or {}, taken = {}, used_memory = {}, selected = {}, sets = {},
    sorted = {}, short = {} }
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

-- The sets of a host, each computed once.
local function sets_of(pool, record, kind)
  local of_kind = pool.sets[kind]
  if not of_kind then
    of_kind = {}
    pool.sets[kind] = of_kind
  end
  if not of_kind[record] then of_kind[record] = sets.of(record, kind) end
  return of_kind[record]
end

-- Why a VM cannot get a set as a whole, or nil. `own`: cards that the VM has already.
local function broken(pool, request, set, own)
  local first = set.cards[1]
  if set.unsure then return set.unsure end
  if set.accept and not (request.accept and request.accept[set.accept]) then
    return ('of an %s board, which needs accept = { "%s" } (%s)'):format(set.name, set.accept, boards.NVSWITCH)
  end
  local name, except = request.name, request.vm and request.vm.ref
  for _, device in ipairs(set.switches) do
    if not own[device] then
      local why = blocked(pool, device, except, name)
      if why then return ("free, but the NVSwitch %s is %s"):format(host_records.short(device.address), why) end
    end
  end
  for _, card in ipairs(set.cards) do
    if not selector.matches(request.node, card) then
      return ("of one %s with %s, which does not match"):format(request.whole, host_records.short(card.address))
    end
    if not own[card] and blocked(pool, card, except, name) then
      return card == first and "not free" or ("free, but %s of its %s is not"):format(
        host_records.short(card.address), request.whole)
    end
  end
end

-- What a VM can get of a host: { units =, claimed =, expand(units) }. A unit is a card, or the first card of a set.
local function supply(pool, record, request, own)
  if not request.whole then
    local free, claimed = free_of(pool, record, request.node, request)
    return { host = record, units = free, claimed = claimed, expand = function(units) return units end }
  end
  local units, set_of, claimed = {}, {}, 0
  for _, set in ipairs(sets_of(pool, record, request.whole)) do
    if selector.matches(request.node, set.cards[1]) and not broken(pool, request, set, own) then
      local first = set.cards[1]
      units[#units + 1], set_of[first] = first, set
      if pool.claims[key_of(first)] then claimed = claimed + 1 end
    end
  end
  return { host = record, units = units, claimed = claimed, set_of = set_of, expand = function(list)
    local cards = {}
    for _, first in ipairs(list) do
      local set = set_of[first]
      table.move(set.cards, 1, #set.cards, #cards + 1, cards)
    end
    for _, first in ipairs(list) do
      local set = set_of[first]
      table.move(set.switches, 1, #set.switches, #cards + 1, cards)
    end
    return cards
  end }
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

-- Why the cards of a host that are free cannot be used as part of a set.
local function why_sets_are_broken(pool, record, request)
  local list = {}
  for _, set in ipairs(sets_of(pool, record, request.whole)) do
    local why = broken(pool, request, set, {})
    for _, card in ipairs(set.cards) do list[card] = why end
  end
  return list
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
      local why_broken = request.whole and why_sets_are_broken(pool, record, request) or {}
      for n, card in ipairs(cards) do
        local why, brief = blocked(pool, card, request.vm and request.vm.ref, request.name)
        if not why then why = why_broken[card] end
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

local function take(pool, cards, name)
  for _, card in ipairs(cards) do pool.taken[card] = name end
  return cards
end

--- The matching cards that a VM already holds; of whole sets also its NVSwitches.
local function held(pool, record, node, vm, whole)
  local list = {}
  for _, card in ipairs(vm.cards) do
    local device = card.kind == "fixed" and record.devices[card.address]
    local wanted = device and (selector.matches(node, device) or whole and pci.switch_of(device))
    if wanted and pool.fleet:names(card, record) then
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

-- "2 GPUs", "1 whole board"
local function wish(request, free)
  local s = request.count == 1 and "" or "s"
  if request.whole then return ("%d %swhole %s%s"):format(request.count, free, request.whole, s) end
  return ("%d %sGPU%s"):format(request.count, free, s)
end

-- A set of which a VM gets only a part.
local function split_note(record, set, kind, mine)
  local got, left = {}, {}
  for _, card in ipairs(set.cards) do table.insert(mine[card] and got or left, card) end
  if #got == 0 or #left == 0 then return nil end
  local one = #got == 1
  if kind == "group" then
    return ("%s %s a function group with %s, which %s does not get: a reset of one resets all"):format(
      sets.addresses(got), one and "is in" or "are in", sets.addresses(left), "this VM")
  end
  return ("%s %s %d of the %d GPUs of an %s of %s: the board is split"):format(sets.addresses(got),
    one and "is" or "are", #got, #set.cards, set.name, record.name)
end

-- What a plan notes about the cards of a VM: split sets, and cards that are far from each other.
local function notes_on(pool, record, cards)
  local list, mine = {}, {}
  for _, card in ipairs(cards) do mine[card] = true end
  for _, kind in ipairs { "group", "board" } do
    for _, set in ipairs(sets_of(pool, record, kind)) do
      if #set.cards > 1 then list[#list + 1] = split_note(record, set, kind, mine) end
    end
  end
  for _, set in ipairs(sets_of(pool, record, "board")) do
    if set.accept and mine[set.cards[1]] then
      list[#list + 1] = ("unsupported: %s"):format(boards.NVSWITCH)
    end
  end
  list[#list + 1] = locality.note(record, cards)
  return list
end

local function result(pool, record, cards)
  return { host = record, cards = cards, notes = notes_on(pool, record, cards) }
end

-- The sets that an existing VM gets: those of which it has the most cards come first. nil if there are too few.
local function whole_sets(from, own, count)
  local units = table.move(from.units, 1, #from.units, 1, {})
  local function has(first)
    local n = 0
    for _, card in ipairs(from.set_of[first].cards) do if own[card] then n = n + 1 end end
    return n
  end
  local kept, others = {}, {}
  for _, first in ipairs(units) do table.insert(has(first) > 0 and kept or others, first) end
  table.sort(kept, function(a, b)
    if has(a) ~= has(b) then return has(a) > has(b) end
    return a.address < b.address
  end)
  if #kept + #others < count then return nil end
  local list = table.move(kept, 1, math.min(#kept, count), 1, {})
  if #list < count then
    local more = locality.pick(others, count - #list, list)
    table.move(more, 1, #more, #list + 1, list)
  end
  return from.expand(list)
end

-- The cards of an existing VM; nil if there are too few, and how many there are.
local function cards_on_its_host(pool, record, request)
  local count = request.count
  local own, is_own = held(pool, record, request.node, request.vm, request.whole), {}
  for _, card in ipairs(own) do pool.taken[card], is_own[card] = request.name, true end
  local from = supply(pool, record, request, is_own)
  if request.whole then return whole_sets(from, is_own, count), #from.units end
  if #own >= count then return table.move(own, 1, count, 1, {}) end
  if #own + #from.units < count then return nil, #own + #from.units end
  local more = from.claimed > 0 and table.move(from.units, 1, count - #own, 1, {})
    or locality.pick(from.units, count - #own, own)
  return table.move(more, 1, #more, #own + 1, own)
end

local function take_on_its_host(pool, request)
  local name = request.name
  local record = pool.fleet.by_ref[request.vm.host]
  if not record then
    return nil, ("%s is on a host that the playbook does not include"):format(name), "ENOHOST"
  end
  local left = memory_left(pool, record)
  local cards, there = cards_on_its_host(pool, record, request)
  if left < (request.memory_mb or 0) then
    return nil, ("%s will reserve %d MiB more, and its host %s has %d MiB of unreserved memory"):format(name,
      request.memory_mb, record.name, left), "ENOMEMORY"
  end
  pool.used_memory[record] = (pool.used_memory[record] or 0) + (request.memory_mb or 0)
  if not cards then
    return nil, ("%s needs %s of %s on its host %s, but only %d %s free: %s"):format(name, wish(request, ""),
      selector.describe(request.node), record.name, there, there == 1 and "is" or "are",
      inventory_text(pool, { record }, request)), "ENOCARDS"
  end
  return result(pool, record, take(pool, cards, name))
end

-- A host is better for a VM if an earlier run has claimed its cards for it; then if its cards are near each other; then
-- by its free cards.
local function better(request, one, best)
  if not best then return true end
  if one.claimed ~= best.claimed then return one.claimed > best.claimed end
  if one.near ~= best.near then return one.near end
  if request.spread == "pack" then return #one.units < #best.units end
  return #one.units > #best.units
end

-- The best host for a new VM, with what it can get there; or nil.
local function choose(pool, request)
  local best
  for _, record in ipairs(in_order(pool, request.hosts)) do
    if not unfit(pool, record, request) then
      local one = supply(pool, record, request, {})
      if #one.units >= request.count then
        one.near = request.count == 1 or locality.fits(one.units, request.count)
        if better(request, one, best) then best = one end
      end
    end
  end
  return best
end

local function take_anywhere(pool, request)
  local name, count = request.name, request.count
  -- what others left did not suffice for a VM like this one, and nothing is given back
  local of_hosts = pool.short[request.hosts] or {}
  pool.short[request.hosts] = of_hosts
  local same = ("%p %d %d %s"):format(request.node, count, request.memory_mb or 0, request.whole)
  if of_hosts[same] then return table.unpack(of_hosts[same], 1, 4) end
  local best = choose(pool, request)
  if not best then
    local refusal = { nil, ("%s needs %s of %s on one host: %s"):format(name, wish(request, "free "),
      selector.describe(request.node), inventory_text(pool, in_order(pool, request.hosts), request, true)), "ENOCARDS",
      { away = away_of(pool, request) } }
    -- VMs that wait for a host are listed one by one
    if not refusal[4].away and not next(pool.claims) then of_hosts[same] = refusal end
    return table.unpack(refusal, 1, 4)
  end
  pool.used_memory[best.host] = (pool.used_memory[best.host] or 0) + (request.memory_mb or 0)
  local units = best.claimed > 0 and table.move(best.units, 1, count, 1, {}) or locality.pick(best.units, count)
  return result(pool, best.host, take(pool, best.expand(units), name))
end

--- Assigns `count` cards, or whole sets, to a VM. `request` = { name, node, count, whole (nil, "group" or "board"),
-- accept (a set of words), hosts (allowed records), spread, vm (record if it exists), memory_mb (that it will reserve
-- in addition to what it has reserved now), unfit (of a new VM: why it cannot be on a host, or nil) }. Result {
-- host = record, cards = list (the GPUs first), notes = list of texts }; or nil, message, "ENOCARDS" or "ENOMEMORY".
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
