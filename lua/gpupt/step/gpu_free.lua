--- Whether the cards that a VM is given are still free: right before the reconfigure, and once more after it, because
-- two runs without a common journal may both find a card free.
local hosts = require "gpupt.fleet.host"
local seats = require "gpupt.fleet.seats"
local selector = require "gpupt.fleet.selector"
local values = require "gpupt.step.vm_values"

local gpu_free = {}

-- The first other VM that holds one of the target's cards, as text; or nil.
local function other_holder(ctx, target)
  for _, card in ipairs(target.cards) do
    local now = target.host.devices[card.address]
    for _, owner in ipairs(now and ctx.fleet:owners(now) or {}) do
      if owner.ref ~= target.ref then
        return ("%s: %s is held by %s (%s)"):format(target.host.name, hosts.short(card.address), owner.name,
          owner.power)
      end
    end
  end
end

-- How many cards of a host a VM with these dynamic backings could get, and how many other VMs wait for such cards.
local function room_on(ctx, target, record)
  ctx.fleet:refresh_cards(record)
  local node, wanted, free, waiting = target.options.devices, target.cards[1], 0, 0
  for _, card in ipairs(record.cards) do
    local held = false
    for _, owner in ipairs(ctx.fleet:owners(card)) do held = held or owner.ref ~= target.ref end
    if selector.matches(node, card) and card.vendor == wanted.vendor and card.device == wanted.device and card.enabled
      and card.active and not held then
      free = free + 1
    end
  end
  for _, one in ipairs(ctx.fleet.ownership.dynamic) do
    local other = one.vm.host == record.ref and one.vm.ref ~= target.ref
    if other and seats.fits(one.card, wanted) then waiting = waiting + 1 end
  end
  return free, waiting
end

-- The same for dynamic backings: a host has as many cards as needed. With DRS any host of the cluster may be it, and
-- other VMs that wait may get cards of the others, so they do not count.
local function still_room(ctx, target)
  local record = target.cards[1].host or target.host
  local list = seats.hosts_of(record)
  local free, waiting
  for _, one in ipairs(list) do
    free, waiting = room_on(ctx, target, one)
    if #list > 1 then waiting = 0 end
    if free - waiting >= #target.cards then return true end
  end
  local where = #list > 1 and "no host of " .. record.cluster.name or record.name
  return nil, ("%s: %s has %d free cards of %s%s. Plan again"):format(target.name, where, #target.cards,
    selector.describe(target.options.devices), waiting > 0 and (" (%d other VMs with dynamic backings wait for them)")
    :format(waiting) or ""), "EREFUSED"
end

--- A last check before the reconfigure: the cards are still free.
function gpu_free.check(ctx, target)
  if target.options.backing == "dynamic" then return still_room(ctx, target) end
  ctx.fleet:refresh_cards(target.host)
  local message, code
  target.system_id, message, code = ctx.fleet:system_id(target.host)
  if message then return nil, message, code end
  if not target.system_id then
    return nil, target.host.name .. " does not offer any card for passthrough (QueryConfigTarget)", "EREFUSED"
  end
  for _, card in ipairs(target.cards) do
    local now = target.host.devices[card.address]
    if not now then return nil, ("%s: %s is gone"):format(target.host.name, card.address), "EREFUSED" end
    if not (now.enabled and now.active) then
      return nil, ("%s: %s is %s, and a card can be used only when it is active"):format(target.host.name,
        hosts.short(card.address), hosts.state(now)), "EREFUSED"
    end
  end
  local held = other_holder(ctx, target)
  if held then return nil, held, "EREFUSED" end
  return true
end

-- Takes the cards away again that another VM has got at the same time.
local function give_back(ctx, target, held)
  local vm, list = ctx.fleet:vm(target.ref), {}
  local addresses = {}
  for _, card in ipairs(target.cards) do addresses[card.address] = true end
  for _, card in ipairs(vm.cards) do
    if card.kind == "fixed" and addresses[card.address] then
      list[#list + 1] = { operation = "remove", device = { _type = "VirtualPCIPassthrough", key = card.key } }
    end
  end
  local why = ("%s: another run attached it at the same time"):format(held)
  if #list > 0 then
    local ok, message, code, detail = values.reconfigure(ctx, target, vm, { changeVersion = vm.change_version,
      deviceChange = list },
      { action = "detach", text = "ReconfigVM (give the cards back)" })
    if not ok then
      return nil, ("%s; %s still has it in its configuration: %s"):format(why, target.name, message), code, detail
    end
  end
  return nil, why .. ", so it was removed from " .. target.name .. ". Plan again", "EREFUSED"
end

--- Two runs without a common journal may both find a card free and attach it. Each looks again after its own
-- reconfigure; the later one sees the earlier one's, and gives the card back (both do, if both see it). Gives the
-- target's claim.
function gpu_free.alone(ctx, target)
  local claim = ctx.fleet:refresh_cards(target.host, target.ref)
  local held = target.options.backing == "fixed" and other_holder(ctx, target)
  if held then return give_back(ctx, target, held) end
  return claim or ctx.fleet:vm(target.ref)
end

--- Other VMs of the plan that move away give up cards which this one was given.
function gpu_free.await(ctx, target)
  for _, giver in ipairs(target.waits or {}) do
    if not giver.released then ctx:note(target, ("waiting until %s gives up its card"):format(giver.name)) end
    while not giver.released do ctx:sleep(0.2) end
  end
end

return gpu_free
