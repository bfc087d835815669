--- The pool of a fleet's cards, from which gpupt.fleet.allocation takes: which cards are free, what a VM can get of a
-- host, and why it cannot get more. Nothing here calls the server.
local boards = require "gpupt.facts.boards"
local host_records = require "gpupt.fleet.host"
local pci = require "gpupt.pci"
local seats = require "gpupt.fleet.seats"
local selector = require "gpupt.fleet.selector"
local sets = require "gpupt.fleet.sets"
local shortage = require "gpupt.fleet.shortage"

local pools = {}

--- The pool of a fleet's cards. `claims`: the cards that other runs have claimed, { ["UUID/0000:3b:00.0"] = { run =,
-- vm = } }, by the host's uuid and the address.
local in_use

function pools.new(fleet, claims)
  local pool = { fleet = fleet, claims = claims or {}, taken = {}, used_memory = {}, selected = {}, sets = {},
    sorted = {}, short = {}, leaving = {} } -- leaving: VMs, by reference, whose cards become free
  pool.seats = seats.new(fleet, function(card, ref) return not in_use(pool, card, ref) end)
  return pool
end

local function key_of(card) return card.host.uuid .. "/" .. card.address end

-- Whether the VM for which a run has claimed a card has a dynamic backing for such a card already: then that counts.
local function waits(pool, claim, card)
  if not pool.backings then
    pool.backings = {}
    for _, vm in pairs(pool.fleet.claims) do
      for _, one in ipairs(vm.cards) do
        if one.kind == "dynamic" and vm.name then
          pool.backings[vm.name] = pool.backings[vm.name] or {}
          table.insert(pool.backings[vm.name], one)
        end
      end
    end
  end
  for _, one in ipairs(claim.vm and pool.backings[claim.vm] or {}) do
    if seats.fits(one, card) then return true end
  end
  return false
end

-- Why nothing can be placed on a host, or nil. A host that the run to resume has rebooted will be back.
local function unusable(record)
  return not record.ours and (record.skipped or host_records.unavailable(record)) or nil
end

--- Why something other than a dynamic backing has a card, or nil; and the same without names. `except`: the reference
-- of the VM that it is for (other VMs may have its name). `name`: that VM's name, for which another run may have
-- claimed the card.
function in_use(pool, card, except, name)
  if not card.capable then return "not capable" end
  local away = unusable(card.host)
  if away then return "the host " .. away end
  if not pool.fleet:will_be_active(card) then return host_records.state(card) end
  if card.vgpu then return card.vgpu end
  local owner = pool.taken[card]
  if owner then return "planned for " .. owner, "planned for other VMs" end
  for _, one in ipairs(pool.fleet:owners(card)) do
    if one.ref ~= except and not pool.leaving[one.ref] then
      return ("held by %s (%s%s)"):format(one.name, one.power or "?",
        one.unverified and ", as the host says: unverified" or ""), "held by VMs"
    end
  end
  local silence = pool.fleet:silence(card.host)
  if silence then return "the host " .. silence end
  local claim = pool.claims[key_of(card)]
  if claim and claim.vm ~= name and not waits(pool, claim, card) then
    return ("claimed by run %s for %s"):format(claim.run, claim.vm or "a VM"), "claimed by other runs"
  end
end

--- Why a card is not free, or nil; and the same without names.
local function blocked(pool, card, except, name)
  local why, brief = in_use(pool, card, except, name)
  if why then return why, brief end
  local device = pool.seats:on(card)
  if device and not (except and device.ref == except) then
    return ("needed for the dynamic backing of %s"):format(device.name), "needed for dynamic backings"
  end
end

-- Whether a card is free, if necessary after a dynamic backing was given another seat; none of `banned`.
local function obtainable(pool, card, except, name, banned)
  if in_use(pool, card, except, name) then return false end
  local device = pool.seats:on(card)
  return not device or except and device.ref == except or pool.seats:vacate(card, banned)
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
  local count = #claimed
  table.move(list, 1, #list, #claimed + 1, claimed)
  local banned = {}
  for _, card in ipairs(claimed) do banned[card] = true end
  for _, card in ipairs(request and #claimed < request.count and selected(pool, node, record) or {}) do
    if not banned[card] and pool.seats:on(card) and obtainable(pool, card, except, name, banned) then
      claimed[#claimed + 1], banned[card] = card, true
    end
  end
  return claimed, count
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
  local name, except, banned = request.name, request.vm and request.vm.ref, {}
  for _, card in ipairs(set.cards) do banned[card] = true end
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
    if not own[card] and not obtainable(pool, card, except, name, banned) then
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

-- What makes cards usable that are only off, or pending; or "".
local function remedy(pool, hosts, request)
  local off, pending = false, false
  for _, record in ipairs(hosts) do
    for _, card in ipairs(not unusable(record) and selected(pool, request.node, record) or {}) do
      local state = card.capable and not pool.fleet:will_be_active(card) and host_records.state(card)
      off, pending = off or state == "off", pending or state == "pending reboot"
    end
  end
  if off then return ". Cards that are off: enable them with p.host.enable in a p.hosts of this playbook" end
  return pending and ". Cards that are pending: reboot the hosts with p.host.enable" or ""
end

-- Why a card that is free is none of those that `each` asks for; nil if it is one.
local function of_another_model(card, each)
  for _, one in ipairs(each) do if pci.match(card, one.pattern) then return end end
  return ("is a %04x:%04x, which each does not name"):format(card.vendor, card.device),
    "of models that each does not name"
end

-- The models of `each` that these hosts have, and of which `devices` matches no card; or "".
local function left_out(pool, hosts, request)
  local words = {}
  for _, one in ipairs(request.each or {}) do
    local there, meant = false, false
    for _, record in ipairs(hosts) do
      for _, card in ipairs(record.cards) do there = there or pci.match(card, one.pattern) end
      for _, card in ipairs(selected(pool, request.node, record)) do meant = meant or pci.match(card, one.pattern) end
    end
    if there and not meant then words[#words + 1] = one.pattern end
  end
  return #words == 0 and "" or (". devices (%s) does not match %s, which each asks for"):format(
    selector.describe(request.node), table.concat(words, ", "))
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
        if not why and request.each then why, brief = of_another_model(card, request.each) end
        entry.cards[n] = { address = card.address, why = why, brief = brief }
      end
    end
    list[i] = entry
  end
  return (#list > 0 and shortage.text(list) or "there are no hosts") .. left_out(pool, hosts, request)
    .. remedy(pool, hosts, request)
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

pools.free_of = free_of
pools.sets_of = sets_of
pools.supply = supply
pools.memory_left = memory_left
pools.unfit = unfit
pools.inventory_text = inventory_text
pools.away_of = away_of

return pools
