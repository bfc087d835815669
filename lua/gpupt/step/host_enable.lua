--- host.enable: turns the cards of a host into passthrough devices, by the rolling procedure.
--   OBSERVE -> VET -> STAGE -> (REBIND) -> DRAIN -> MM -> REBOOT -> AWAY -> PROVE -> EXIT
-- The run claims the cluster's slot before it calls apply. Enabled is not active: a card counts only when the host
-- reports passthruActive after the reboot. A failure before the reboot undoes the change (UNSTAGE).
local cards = require "gpupt.step.host_cards"
local hosts = require "gpupt.fleet.host"
local labels = require "gpupt.step.host_labels"
local reboot = require "gpupt.step.host_reboot"
local roll = require "gpupt.step.host_roll"

local host_undo = require "gpupt.later" "gpupt.step.host_undo"

local step = {
  name = "host.enable", scope = "hosts",
  options = {
    { "devices", "table", late = true, doc = "p.gpus: which cards; default: the devices of p.hosts" },
    { "whole", "string", choices = { "board" }, late = true,
      doc = "board: enable all GPUs of the cards' boards, and the NVSwitches of an HGX board" },
    { "apply", "string", choices = { "auto", "reboot", "stage" }, default = "auto", late = true,
      doc = "auto: without a reboot if the host supports it; reboot: always reboot; stage: enable only, no reboot" },
    { "foreign_maintenance", "boolean", default = false, late = true,
      doc = "also use hosts in maintenance mode that another user set; they stay in it (--allow foreign-maintenance)" },
  },
  approvals = roll.approvals,
  claims = { "host" },
  needs = roll.needs,
}

function step.also_needs(_, scope) return roll.more_needs(scope) end

local NO_IOMMU = "; no device of this host is. Enable VT-d (AMD: IOMMU) in its BIOS"

local function any_capable(record)
  for _, device in pairs(record.devices) do if device.capable then return true end end
  return false
end

--- The first reason not to pass these devices through, or nil. `capable`: the same plan turns the IOMMU on.
local function refusal(record, list, chosen, capable)
  local wanted = {}
  for _, card in ipairs(chosen) do wanted[card.address] = true end
  for _, device in ipairs(list) do
    local reason = record.protected[device.address]
    if reason then
      local how = wanted[device.address] and "" or ", a dependent device of the cards"
      return ("%s: %s%s: %s; it is never passed through"):format(record.name, hosts.short(device.address), how, reason)
    end
    if not device.capable and not capable then
      return ("%s: %s (%s) is not capable of passthrough%s"):format(record.name, hosts.short(device.address),
        device.name or "?", any_capable(record) and "" or NO_IOMMU)
    end
    if device.vgpu then return ("%s: %s: %s"):format(record.name, hosts.short(device.address), device.vgpu) end
  end
end

-- The cards that the step or its scope chooses, the p.gpus, and those that are left alone because of their label.
local function chosen_cards(target)
  local node = select(2, roll.chosen(step.name, target))
  local list, others = labels.choose(target.record, node)
  return roll.whole(target, list), node, others
end

local function look(ctx, target, record)
  local chosen, node, others = chosen_cards(target)
  if record.connection ~= "connected" and reboot.started(ctx, target) then
    -- the card states of such a host are from before the reboot: do not use them
    return { record = record, chosen = chosen, enable = true, away = true }
  end
  if #chosen == 0 then return roll.none(record, node) end
  local seen = { record = record, chosen = chosen, enable = true, devices = roll.closure(record, chosen), node = node,
    others = others }
  return roll.look(ctx, target, seen, target.options.apply == "stage")
end

function step.observe(ctx, target)
  return look(ctx, target, ctx.planning and target.record or ctx.fleet:refresh_host(target.record))
end

-- The change that gives cards their label, or nil; nil, message, code.
local function label_change(ctx, target, seen)
  local unlabelled, label = labels.missing(seen.node, (labels.choose(seen.record, seen.node)))
  if not unlabelled then return nil end
  local why = labels.refusal(seen.record)
  if why then return nil, why, "EREFUSED" end
  if #seen.others > 0 then ctx:note(target, "left alone, with another label: " .. labels.others(seen.others)) end
  return labels.change(unlabelled, label)
end

function step.plan(ctx, target, seen)
  local first, message, code
  if not seen.away then first, message, code = label_change(ctx, target, seen) end
  if message then return nil, message, code end
  local changes
  changes, message, code = roll.plan(ctx, target, seen, function(now)
    return refusal(now.record, now.devices, now.chosen, ctx.planning and target.forecast.capable)
  end)
  if not changes then return nil, message, code end
  if first then
    table.insert(changes, 1, first)
    changes.needs = changes.needs or { "Host.Config.PciPassthru" }
  end
  return changes
end

function step.apply(ctx, target, changes, seen)
  return roll.apply(ctx, target, changes, seen, function() return step.observe(ctx, target) end,
    function() return labels.set(ctx, target, seen.node) end)
end

function step.prove(ctx, target)
  local seen, message, code = look(ctx, target, ctx.fleet:refresh_state(target.record))
  if not seen then return nil, message, code end
  local unlabelled, label = labels.missing(seen.node, seen.chosen)
  if unlabelled then
    return nil, ("%s: %s does not have the label %s"):format(target.name, cards.addresses(unlabelled), label), "EPROOF"
  end
  if target.options.apply == "stage" then return cards.addresses(seen.devices) .. " enabled, pending reboot" end
  local missing = cards.missing(target.record, seen)
  if #missing > 0 then return nil, ("%s: %s"):format(target.name, table.concat(missing, ", ")), "EPROOF" end
  return cards.addresses(seen.devices) .. " active"
end

--- What the run enabled is disabled again by the same procedure.
function step.undo(ctx, target, done) return host_undo.of(ctx, target, done, true) end

return step
