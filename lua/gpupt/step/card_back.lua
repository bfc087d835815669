--- Whether a card can be attached again to the VM from which a run took it: it has to be where it was, of the same
-- model, usable, and free.
local hosts = require "gpupt.fleet.host"

local card_back = {}

-- Seconds between two looks at a card that another VM gives up.
local PAUSE = 0.5

--- Names the card of a fixed backing.
function card_back.key(backing) return ("%s %s"):format(backing.systemId or "?", backing.id) end

-- Vendor and device of a backing, as its device says them.
local function model_of(backing)
  local id = backing.deviceId and tonumber((tostring(backing.deviceId):gsub("^0[xX]", "")), 16)
  return backing.vendorId and backing.vendorId & 0xffff, math.tointeger(id)
end

-- Whether the undo also takes back what the run did to this host: then the VM waits for that.
local function comes_back(target, record)
  for _, scope in ipairs(target.scope.playbook.children) do
    if scope.kind == "hosts" and scope.refs and scope.refs[1] == record.ref then return true end
  end
  return false
end

-- The target of the same undo that takes this card from its owner; nil if none does.
local function giver_of(target, backing, owner)
  local givers = target.scope.playbook.givers
  local scope = givers and (givers[card_back.key(backing)] or {})[tostring(owner.ref)]
  return scope and scope.target
end

local function why_not(ctx, target, record, backing)
  local name = record.name
  local card = record.devices[backing.id]
  if not card then return ("%s has no device there"):format(name) end
  local vendor, id = model_of(backing)
  if vendor and (card.vendor ~= vendor or id and id ~= 0 and card.device ~= id) then
    return ("%s has another model there"):format(name)
  end
  if not ctx.fleet:names({ address = backing.id, system_id = backing.systemId }, record) then
    return "it names another host"
  end
  local usable = card.enabled and card.active or ctx.planning and comes_back(target, record)
  if not usable then return ("it is %s on %s"):format(hosts.state(card), name) end
  for _, owner in ipairs(ctx.fleet:owners(card)) do
    local giver = owner.ref ~= target.ref and giver_of(target, backing, owner)
    if owner.ref ~= target.ref and not (giver and ctx.planning) then
      return ("it is held by %s (%s)"):format(owner.name, owner.power), giver
    end
  end
end

-- The same, once the VMs have given the card up that the same undo takes it from.
local function await(ctx, target, record, backing)
  local said
  while true do
    local why, giver = why_not(ctx, target, record, backing)
    if not (why and giver and not giver.released) then return why end
    if said ~= giver then ctx:note(target, ("waiting until %s gives up its card"):format(giver.name)) end
    said = giver
    ctx:sleep(PAUSE)
    ctx.fleet:refresh_cards(record)
  end
end

--- A function(device) that gives the reason why the card of this backing cannot be attached to the target's VM on the
-- host `record`; nil if it can be.
function card_back.check(ctx, target, record)
  if not record then return function() return "its host is not known" end end
  if not ctx.planning then ctx.fleet:refresh_cards(record) end
  local look = ctx.planning and why_not or await
  return function(device) return (look(ctx, target, record, device.backing)) end
end

return card_back
