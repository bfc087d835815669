--- Decides which VM gets which cards of which host.
-- An existing VM stays on its host and keeps its cards; the others come from the free cards: cards that match the
-- selector, that are active or will be activated by this playbook, that no VM holds (also not a powered-off one), that
-- no other run has claimed, and that no dynamic backing needs (gpupt.fleet.seats). New VMs are spread evenly, or packed
-- host by host.
--
-- The result depends on the fleet and the order of the requests only: hosts are tried by name, cards by address.
-- Nothing here calls the server.
local card_notes = require "gpupt.fleet.card_notes"
local each_model = require "gpupt.fleet.each_model"
local locality = require "gpupt.fleet.locality"
local pci = require "gpupt.pci"
local pools = require "gpupt.fleet.pool"
local ranges = require "gpupt.ranges"
local seats = require "gpupt.fleet.seats"
local selector = require "gpupt.fleet.selector"

local allocation = {}

--- The pool of a fleet's cards, see gpupt.fleet.pool.
allocation.pool = pools.new

local function take(pool, cards, name)
  for _, card in ipairs(cards) do pool.taken[card] = name end
  return cards
end

-- Gives the devices of a VM with dynamic backings these cards as seats. A VM with one device may move to another
-- host of the cluster.
local function sit(pool, record, cards, request)
  local hosts = #cards == 1 and seats.hosts_of(record) or { record }
  for _, card in ipairs(cards) do
    pool.seats:put(card, { name = request.name, ref = request.vm and request.vm.ref, hosts = hosts,
      fits = function(one)
        return selector.matches(request.node, one) and one.vendor == card.vendor and one.device == card.device
      end })
  end
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
  if request.each then return free .. each_model.text(request.each) end
  local s = request.count == 1 and "" or "s"
  if request.whole then return ("%d %swhole %s%s"):format(request.count, free, request.whole, s) end
  return ("%d %sGPU%s"):format(request.count, free, s)
end

local function result(pool, record, cards, request)
  if request.dynamic then return { host = record, cards = cards, notes = {} } end
  return { host = record, cards = cards, notes = card_notes(pool, record, cards) }
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
  local from = pools.supply(pool, record, request, is_own)
  if request.whole then return whole_sets(from, is_own, count), #from.units end
  if request.each then
    own = each_model.pick(request.each, own)
    local more = each_model.pick(request.each, from.units, own)
    if #own + #more < count then return nil, #own + #more end
    return table.move(more, 1, #more, #own + 1, own)
  end
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
  local left = pools.memory_left(pool, record)
  local cards, there = cards_on_its_host(pool, record, request)
  if left < (request.memory_mb or 0) then
    return nil, ("%s will reserve %d MiB more, and its host %s has %d MiB of unreserved memory"):format(name,
      request.memory_mb, record.name, left), "ENOMEMORY"
  end
  pool.used_memory[record] = (pool.used_memory[record] or 0) + (request.memory_mb or 0)
  if not cards then
    return nil, ("%s needs %s of %s on its host %s, but only %d %s free: %s"):format(name, wish(request, ""),
      selector.describe(request.node), record.name, there, there == 1 and "is" or "are",
      pools.inventory_text(pool, { record }, request)), "ENOCARDS"
  end
  return result(pool, record, take(pool, cards, name), request)
end

-- The cards that an existing VM with dynamic backings has or waits for, if they match.
local function dynamic_cards(pool, record, request)
  local list = {}
  for _, card in ipairs(pool.seats:cards_of(request.vm.ref)) do
    if selector.matches(request.node, card) then list[#list + 1] = card end
  end
  for _, one in ipairs(request.vm.cards) do
    local device = one.kind == "dynamic" and one.assigned and record.devices[one.assigned]
    if device and selector.matches(request.node, device) then list[#list + 1] = device end
  end
  return list
end

-- Cards for an existing VM with dynamic backings: those that it has or waits for and free ones, on its host, or (with
-- DRS, if none of them is in use) all on another host of the cluster.
local function take_dynamic(pool, request)
  local record = pool.fleet.by_ref[request.vm.host]
  if not record then
    return nil, ("%s is on a host that the playbook does not include"):format(request.name), "ENOHOST"
  end
  local count, own = request.count, dynamic_cards(pool, record, request)
  pool.used_memory[record] = (pool.used_memory[record] or 0) + (request.memory_mb or 0)
  if #own >= count then return result(pool, record, table.move(own, 1, count, 1, {}), request) end
  local free = pools.free_of(pool, record, request.node, request)
  local mine = {}
  for _, card in ipairs(own) do mine[card] = true end
  local more = {}
  for _, card in ipairs(free) do if not mine[card] then more[#more + 1] = card end end
  local here = true
  for _, card in ipairs(own) do here = here and card.host == record end
  if here and #own + #more >= count then
    more = sit(pool, record, locality.pick(more, count - #own, own), request)
    return result(pool, record, table.move(more, 1, #more, #own + 1, own), request)
  end
  local hosts = request.vm.power == "poweredOn" and { record } or seats.hosts_of(record)
  for _, one in ipairs(hosts) do
    if one ~= record then
      pool.seats:remove(request.vm.ref)
      local there = pools.free_of(pool, one, request.node, request)
      if #there >= count then
        return result(pool, record, sit(pool, one, locality.pick(there, count), request), request)
      end
    end
  end
  return nil, ("%s needs %s of %s on %s: %s"):format(request.name, wish(request, "free "),
    selector.describe(request.node), #hosts == 1 and "its host " .. record.name or "one host of its cluster",
    pools.inventory_text(pool, hosts, request)), "ENOCARDS"
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

-- What a new VM can get of a host.
local function supply(pool, record, request)
  local one = pools.supply(pool, record, request, {})
  if request.each then one.units = each_model.pick(request.each, one.units) end
  return one
end

-- The best host for a new VM, with what it can get there; or nil.
local function choose(pool, request)
  local best
  for _, record in ipairs(in_order(pool, request.hosts)) do
    if not pools.unfit(pool, record, request) then
      local one = supply(pool, record, request)
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
  local same = ("%p %d %d %s"):format(request.node, count, request.memory_mb or 0, request.whole or request.dynamic
    or request.each and each_model.text(request.each))
  if of_hosts[same] then return table.unpack(of_hosts[same], 1, 4) end
  local best = choose(pool, request)
  if not best then
    local why = pools.inventory_text(pool, in_order(pool, request.hosts), request, true)
    local refusal = { nil, ("%s needs %s of %s on one host: %s"):format(name, wish(request, "free "),
      selector.describe(request.node), why), "ENOCARDS", { away = pools.away_of(pool, request) } }
    -- VMs that wait for a host are listed one by one
    if not refusal[4].away and not next(pool.claims) then of_hosts[same] = refusal end
    return table.unpack(refusal, 1, 4)
  end
  -- looking at the other hosts may have moved dynamic backings to these cards: they can move again
  best = supply(pool, best.host, request)
  pool.used_memory[best.host] = (pool.used_memory[best.host] or 0) + (request.memory_mb or 0)
  local units = best.claimed > 0 and table.move(best.units, 1, count, 1, {}) or locality.pick(best.units, count)
  if request.dynamic then return result(pool, best.host, sit(pool, best.host, units, request), request) end
  return result(pool, best.host, take(pool, best.expand(units), name), request)
end

--- Assigns `count` cards, or whole sets, to a VM. `request` = { name, node, count, whole (nil, "group" or "board"),
-- each (nil, or how many of each model, gpupt.fleet.each_model; count is their sum), accept (a set of words), dynamic
-- (the server chooses at power-on), hosts (allowed records), spread, vm (record if it exists), memory_mb (that it will
-- reserve in addition to what it has reserved now), unfit (of a new VM: why it cannot be on a host, or nil) }. Result
-- { host = record, cards = list (the GPUs first), notes = list of texts }; or nil, message, "ENOCARDS" or "ENOMEMORY".
function allocation.take(pool, request)
  if request.vm and request.dynamic then return take_dynamic(pool, request) end
  if request.vm then return take_on_its_host(pool, request) end
  return take_anywhere(pool, request)
end

--- How many cards are free on these hosts that any of the selectors matches.
function allocation.free_count(pool, hosts, nodes)
  local count, seen = 0, {}
  for _, node in ipairs(nodes) do
    for _, record in ipairs(hosts) do
      for _, card in ipairs((pools.free_of(pool, record, node))) do
        if not seen[card] then count = count + 1 end
        seen[card] = true
      end
    end
  end
  return count
end

return allocation
