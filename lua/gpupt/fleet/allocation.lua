--- Decides which VM gets which cards of which host.
-- An existing VM stays on its host and keeps its cards; the others come from the free cards: cards that match the
-- selector, that are active or will be activated by this playbook, and that no VM holds (also not a powered-off one).
-- New VMs are spread evenly, or packed host by host.
local host_records = require "gpupt.fleet.host"
local selector = require "gpupt.fleet.selector"

local allocation = {}

--- The pool of a fleet's cards.
function allocation.pool(fleet) return { fleet = fleet, taken = {}, used_memory = {} } end

-- Why nothing can be placed on a host, or nil. A host that the run to resume has rebooted will be back.
local function unusable(record)
  return not record.ours and (record.skipped or host_records.unavailable(record)) or nil
end

--- Why a card is not free, or nil. `except`: the reference of the VM that it is for. Other VMs may have its name.
local function blocked(pool, card, except)
  if not card.capable then return "not capable" end
  local away = unusable(card.host)
  if away then return "the host " .. away end
  if not pool.fleet:will_be_active(card) then return host_records.state(card) end
  if card.vgpu then return card.vgpu end
  local owner = pool.taken[card]
  if owner then return "planned for " .. owner end
  for _, claim in ipairs(pool.fleet:owners(card)) do
    if claim.ref ~= except then return ("held by %s (%s)"):format(claim.name, claim.power or "?") end
  end
  local silence = pool.fleet:silence(card.host)
  return silence and "the host " .. silence or nil
end

local function selected(node, record)
  local list = {}
  for _, card in ipairs(record.cards) do
    if selector.matches(node, card) then list[#list + 1] = card end
  end
  return list
end

local function free_of(pool, record, node, except)
  local list = {}
  for _, card in ipairs(selected(node, record)) do
    if not blocked(pool, card, except) then list[#list + 1] = card end
  end
  return list
end

--- The memory of a host that neither this plan nor, if they were read, the running VMs have reserved.
local function memory_left(pool, record)
  return (record.unreserved_mb or record.memory_mb) - (pool.used_memory[record] or 0)
end

--- Why a new VM cannot be on this host, apart from its cards; or nil.
local function unfit(pool, record, request)
  local why = unusable(record) or host_records.closed(record) or request.unfit and request.unfit(record)
  if why then return why end
  if memory_left(pool, record) < (request.memory_mb or 0) then
    return ("has %d MiB of unreserved memory, and %s needs %d MiB"):format(memory_left(pool, record), request.name,
      request.memory_mb)
  end
end

-- Hosts that a message lists.
local MOST = 6

--- The cards of each host, to explain why there are too few: "esx-a-1: 3b:00.0 held by x (poweredOff), 86:00.0 free".
local function inventory_text(pool, hosts, node, except, request)
  local lines = {}
  for _, record in ipairs(hosts) do
    local words = {}
    for _, card in ipairs(selected(node, record)) do
      words[#words + 1] = host_records.short(card.address) .. " " .. (blocked(pool, card, except) or "free")
    end
    local why = request and unfit(pool, record, request)
    if why then
      lines[#lines + 1] = record.name .. " " .. why
    elseif #words > 0 then
      lines[#lines + 1] = record.name .. ": " .. table.concat(words, ", ")
    end
  end
  if #lines > MOST + 1 then
    lines[MOST + 1] = ("and %d more hosts"):format(#lines - MOST)
    return table.concat(lines, "; ", 1, MOST + 1)
  end
  return #lines > 0 and table.concat(lines, "; ") or "no matching card on these hosts"
end

-- Whether a host with enough matching cards is away or in maintenance mode, or does not say who holds them.
local function away_of(pool, request)
  for _, record in ipairs(request.hosts) do
    local away = not record.ours and (host_records.away(record) or host_records.closed(record))
      or pool.fleet:silence(record)
    if away and #selected(request.node, record) >= request.count then
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

--- Assigns `count` cards to a VM. `request` = { name, node, count, hosts (allowed records), spread, vm (record
-- if it exists), memory_mb (that it will reserve in addition to what it has reserved now), unfit (of a new VM: why it
-- cannot be on a host, or nil) }. Result { host = record, cards = list }; or nil, message, "ENOCARDS" or "ENOMEMORY".
function allocation.take(pool, request)
  local name, node, count = request.name, request.node, request.count
  if request.vm then
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
    local free = free_of(pool, record, node, request.vm.ref)
    if #own + #free < count then
      return nil, ("%s needs %d GPU%s of %s on its host %s, but only %d %s free: %s"):format(name, count,
        count == 1 and "" or "s", selector.describe(node), record.name, #own + #free,
        #own + #free == 1 and "is" or "are", inventory_text(pool, { record }, node,
        request.vm.ref)), "ENOCARDS"
    end
    table.move(take(pool, free, count - #own, name), 1, count - #own, #own + 1, own)
    return { host = record, cards = own }
  end
  local best, best_free
  for _, record in ipairs(request.hosts) do
    local free = not unfit(pool, record, request) and free_of(pool, record, node) or {}
    if #free >= count then
      local better = not best or (request.spread == "pack" and #free < #best_free)
        or (request.spread ~= "pack" and #free > #best_free)
      if better then best, best_free = record, free end
    end
  end
  if not best then
    return nil, ("%s needs %d free GPU%s of %s on one host: %s"):format(name, count, count == 1 and "" or "s",
      selector.describe(node), inventory_text(pool, request.hosts, node, nil, request)), "ENOCARDS",
      { away = away_of(pool, request) }
  end
  pool.used_memory[best] = (pool.used_memory[best] or 0) + (request.memory_mb or 0)
  return { host = best, cards = take(pool, best_free, count, name) }
end

--- How many matching cards are free on these hosts.
function allocation.free_count(pool, hosts, node)
  local count = 0
  for _, record in ipairs(hosts) do count = count + #free_of(pool, record, node) end
  return count
end

return allocation
