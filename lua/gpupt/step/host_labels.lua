--- The hardware labels of a host's cards, as host.enable sets them (HostPciPassthruConfig.hardwareLabel, 7.0.2).
-- A label decides which VMs with a dynamic backing get a card. A card without a label gets that of p.gpus; one that
-- another user has labelled otherwise is left alone, and not chosen.
local hosts = require "gpupt.fleet.host"
local selector = require "gpupt.fleet.selector"

local labels = {}

local function addresses(list)
  local words = {}
  for i, card in ipairs(list) do words[i] = hosts.short(card.address) end
  return table.concat(words, " ")
end

--- The matching cards of a host, and those that are left alone because of their label.
function labels.choose(record, node)
  local label, chosen, others = selector.label(node), {}, {}
  for _, card in ipairs(record.cards) do
    if selector.matches(node, card, label ~= nil) then
      table.insert(not (label and card.label and card.label ~= label) and chosen or others, card)
    end
  end
  return chosen, others
end

--- Those of the cards that have no label yet, and the label that they get; nil if p.gpus has none.
function labels.missing(node, list)
  local label, without = selector.label(node), {}
  if not label then return nil end
  for _, card in ipairs(list) do if card.label ~= label then without[#without + 1] = card end end
  return #without > 0 and without or nil, label
end

local function before(version, wanted)
  local at = 0
  for number in (version or ""):gmatch "%d+" do
    at = at + 1
    if not wanted[at] then return false end
    if tonumber(number) ~= wanted[at] then return tonumber(number) < wanted[at] end
  end
  return false
end

--- Why a host cannot have labels, or nil.
function labels.refusal(record)
  if before(record.version, { 7, 0, 2 }) then
    return ("%s has ESXi %s, and hardware labels need 7.0.2: remove label from p.gpus"):format(record.name,
      record.version)
  end
end

--- The line of a plan. Cards of a plan have their label for its later steps.
function labels.change(list, label)
  return { what = ("label %s %s"):format(addresses(list), label), sign = "~", verb = "label", labels = list,
    label = label }
end

--- "3b:00.0 (t4-ml)": the labels that are left alone.
function labels.others(list)
  local words = {}
  for i, card in ipairs(list) do words[i] = ("%s (%s)"):format(hosts.short(card.address), card.label) end
  return table.concat(words, ", ")
end

--- Sets the labels, and reads them back. true; nil, message, code, detail.
function labels.set(ctx, target, node)
  local list, label = labels.missing(node, (labels.choose(target.record, node)))
  if not list then return true end
  local config, values = {}, {}
  for i, card in ipairs(list) do
    config[i] = { _type = "HostPciPassthruConfig", id = card.address, passthruEnabled = card.enabled == true,
      applyNow = false, hardwareLabel = label }
    values[i] = { name = "hardwareLabel", key = card.address, before = card.label or "", after = label }
  end
  local ok, message, code, detail = ctx:call(target, target.record.system, "UpdatePassthruConfig", { config = config },
    { action = "passthrough-label", text = "UpdatePassthruConfig (labels)", detail = { values = values } })
  if not ok then return nil, message, code, detail end
  ctx.fleet:refresh_state(target.record)
  list = labels.missing(node, (labels.choose(target.record, node)))
  if list then
    return nil, ("%s: %s still does not have the label %s. Check the host's recent tasks and events"):format(
      target.name, addresses(list), label), "EPROOF"
  end
  ctx:note(target, "labelled " .. label)
  return true
end

return labels
